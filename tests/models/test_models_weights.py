"""What a model starts from: ImageNet's weights, a file's, or an error that helps."""

import urllib.error

import keras
import numpy as np
import pytest

from fer_tf import models
from fer_tf.errors import OutsideError
from fer_tf.errors import UserError
from fer_tf.models import weights as first_weights
from fer_tf.models.head import MOMENTUM

SIDE = 32
OPTIONS = {"input_shape": (SIDE, SIDE, 3), "include_top": False, "pooling": "avg"}
PUBLISHED = {
    "convnext_tiny": keras.applications.ConvNeXtTiny,
    "efficientnet_b3": keras.applications.EfficientNetB3,
    "mobilenetv3_large": keras.applications.MobileNetV3Large,
}
# What Keras' applications call to fetch a file.
GET_FILE = "keras.src.utils.file_utils.get_file"


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(1).uniform(0, 255, (2, SIDE, SIDE, 3))


@pytest.fixture
def stand_in(monkeypatch, tmp_path):
    """A function that lets made-up weights be fetched in place of ImageNet's."""

    def fetch(name):
        model = PUBLISHED[name](weights=None, **OPTIONS)
        noise = np.random.default_rng(0)
        for weight in model.weights:
            if weight.ndim == 1:
                weight.assign(noise.uniform(0.5, 1.0, weight.shape))
        path = tmp_path / f"{name}.weights.h5"
        model.save_weights(path)
        monkeypatch.setattr(GET_FILE, lambda *_, **__: str(path))

    return fetch


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`input_shape` is undefined:UserWarning")
@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_imagenet_is_keras_own_pretrained_model(name, stand_in, pixels, tmp_path):
    """Its preprocessing is in it once, whatever Keras adds for these weights."""
    stand_in(name)
    expected = PUBLISHED[name](weights="imagenet", **OPTIONS).predict_on_batch(pixels)
    model = models.build(name, size=SIDE, weights="imagenet")
    features = keras.Model(model.inputs, model.get_layer("logits").input)
    np.testing.assert_allclose(
        features.predict_on_batch(pixels), expected, rtol=1e-4, atol=1e-5
    )

    # Trained from it, a model is read back without fetching anything.
    model.save_weights(tmp_path / "best.weights.h5")
    again = models.build(name, size=SIDE)
    again.load_weights(tmp_path / "best.weights.h5")
    np.testing.assert_allclose(
        again.predict_on_batch(pixels), model.predict_on_batch(pixels), atol=1e-6
    )


@pytest.mark.slow
def test_imagenet_keeps_its_momentum(stand_in):
    stand_in("mobilenetv3_large")
    model = models.build("mobilenetv3_large", size=SIDE, weights="imagenet")
    assert _momenta(model) == {0.999}
    assert _momenta(models.build("mobilenetv3_large", size=SIDE)) == {MOMENTUM}


def _momenta(model):
    kind = keras.layers.BatchNormalization
    return {layer.momentum for layer in model.layers if isinstance(layer, kind)}


def test_a_model_without_imagenet_says_so():
    with pytest.raises(UserError, match="model.weights=imagenet.*resnet18"):
        models.build("resnet18", size=SIDE, weights="imagenet")


def test_a_download_that_fails_says_what_else_there_is(monkeypatch):
    def unreachable(*_, **__):
        raise urllib.error.URLError("no network")

    monkeypatch.setenv("KERAS_HOME", "/nowhere")
    monkeypatch.setattr("keras.src.utils.file_utils.urlretrieve", unreachable)
    monkeypatch.setattr("keras.src.utils.file_utils.exists", lambda _: False)
    with pytest.raises(OutsideError, match="model.weights=none"):
        models.build("mobilenetv3_large", size=SIDE, weights="imagenet")


def test_a_file_gives_all_weights(tmp_path, pixels):
    path = tmp_path / "best.weights.h5"
    first = models.build("tiny", size=SIDE, seed=1)
    first.save_weights(path)
    second = models.build("tiny", size=SIDE, seed=2, weights=str(path))
    np.testing.assert_array_equal(
        first.predict_on_batch(pixels), second.predict_on_batch(pixels)
    )


def test_weights_that_are_not_there_are_named(tmp_path):
    with pytest.raises(UserError, match="none.weights.h5.*'none'"):
        models.build("tiny", size=SIDE, weights=str(tmp_path / "none.weights.h5"))
    with pytest.raises(UserError, match="model.weights=imagnet"):
        models.build("tiny", size=SIDE, weights="imagnet")


def test_another_kind_of_file_is_refused(tmp_path):
    path = tmp_path / "model.keras"
    path.touch()
    with pytest.raises(UserError, match="'.weights.h5'"):
        models.build("tiny", size=SIDE, weights=str(path))


def test_weights_of_another_model_are_refused(tmp_path):
    path = tmp_path / "other.weights.h5"
    models.build("tinier", size=SIDE).save_weights(path)
    with pytest.raises(UserError, match="other.weights.h5"):
        models.build("tiny", size=SIDE, weights=str(path))


def test_a_damaged_file_is_refused(tmp_path):
    path = tmp_path / "bad.weights.h5"
    path.write_bytes(b"not HDF5")
    with pytest.raises(UserError, match="bad.weights.h5"):
        models.build("tiny", size=SIDE, weights=str(path))


def dense():
    layers = [keras.Input((3,)), keras.layers.Dense(2), keras.layers.Dense(2)]
    return keras.Sequential(layers, name="dense")


def test_flipped_bits_end_in_no_traceback(tmp_path):
    """HDF5 has no checksums: where it notices damage, it raises almost anything."""
    path = tmp_path / "dense.weights.h5"
    dense().save_weights(path)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    model, refused = dense(), 0
    for bit in rng.choice(8 * len(whole), 60, replace=False):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << int(bit) % 8
        path.write_bytes(damaged)
        try:
            first_weights.load(model, path)
        except UserError as error:
            assert str(path) in str(error)
            refused += 1
    assert refused > 2


def test_missing_weights_are_named(tmp_path):
    with pytest.raises(UserError, match="none.weights.h5"):
        first_weights.load(dense(), tmp_path / "none.weights.h5")
