"""Every model is tested by being in the registry."""

import keras
import numpy as np
import pytest

from fer_tf import models
from fer_tf.errors import UserError
from fer_tf.models.normalization import MOMENTUM


@pytest.fixture(scope="module", params=sorted(models.MODELS))
def model(request):
    return models.build(request.param, size=32, dropout=0.1, seed=1)


@pytest.mark.slow
def test_raw_pixels_go_in_and_seven_logits_come_out(model):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
    logits = keras.ops.convert_to_numpy(model(pixels, training=False))
    assert logits.shape == (3, 7)
    assert logits.dtype == np.float32
    assert np.isfinite(logits).all()
    assert np.ptp(logits, axis=0).max() > 0


@pytest.mark.slow
def test_preprocessing_is_inside_once(model):
    """What meets the first weights is of the order of one, whatever the model."""
    first = next(layer for layer in model.layers if layer.weights)
    probe = keras.Model(model.inputs, first.input)
    seen = probe.predict(np.full((1, 32, 32, 3), 255.0, np.float32), verbose=0)
    assert 0.5 <= np.abs(seen).max() <= 3.0


@pytest.mark.slow
def test_batch_normalization_fits_training_from_scratch(model):
    found = [
        layer.momentum
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    # ConvNeXt has none: it normalizes each position.
    assert {*found} == (set() if model.name == "convnext_tiny" else {MOMENTUM})


@pytest.mark.parametrize(
    "name", ["tiny", pytest.param("resnet18", marks=pytest.mark.slow)]
)
def test_the_same_seed_gives_the_same_weights(name):
    first, again, other = (
        models.build(name, size=32, seed=seed).get_weights() for seed in (3, 3, 4)
    )
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


@pytest.mark.slow
def test_depthwise_kernels_let_the_signal_through():
    """He's variance, 2 / 9 for a 3x3 kernel, however many channels there are."""
    model = models.build("mobilenetv3_large", size=32)
    found = layers(model, keras.layers.DepthwiseConv2D)
    assert len(found) == 15
    for layer in found:
        kernel = keras.ops.convert_to_numpy(layer.kernel)
        expected = np.sqrt(2 / np.prod(kernel.shape[:2]))
        assert kernel.std() == pytest.approx(expected, rel=0.15)


@pytest.mark.slow
def test_minimalistic_has_what_int8_is_fast_at_and_nothing_else():
    """No hard-swish, no squeeze-and-excite (both multiply), no kernel of 5x5."""
    model = models.build("mobilenetv3_large_minimalistic", size=32)
    assert not layers(model, keras.layers.Multiply)
    for layer in layers(model, keras.layers.Conv2D | keras.layers.DepthwiseConv2D):
        assert max(layer.kernel_size) <= 3
    assert layers(models.build("mobilenetv3_large", size=32), keras.layers.Multiply)


def layers(model, kind):
    return [layer for layer in model.layers if isinstance(layer, kind)]


@pytest.mark.parametrize("name", [name for name in models.MODELS if name != "resnet18"])
def test_an_image_too_small_is_reported(name):
    with pytest.raises(UserError, match=rf"{name}.*\b32\b.*\b24\b"):
        models.build(name, size=24)
    models.check(name, 32)


def test_an_unknown_model_is_answered_with_the_nearest():
    with pytest.raises(UserError, match="'resnet-18'") as raised:
        models.build("resnet-18", size=32)
    assert raised.value.suggestion == "resnet18"
