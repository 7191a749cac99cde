"""A head of scaled cosines; its margin is in `losses/`."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from fer_tf import config as recipes
from fer_tf import models
from fer_tf.errors import UserError
from fer_tf.models.head import EMBEDDING
from fer_tf.models.head import SCALE

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), np.uint8)


@pytest.fixture
def model():
    return models.build("tiny", size=32, seed=1, head="arcface")


def _embeddings(model):
    return keras.Model(model.inputs, model.get_layer("logits").input)


def test_logits_are_scaled_cosines(model):
    embeddings = _embeddings(model).predict_on_batch(PIXELS).astype(np.float64)
    assert embeddings.shape == (5, EMBEDDING)
    classes = keras.ops.convert_to_numpy(model.get_layer("logits").kernel)
    lengths = np.linalg.norm(embeddings, axis=1)[:, None]
    cosines = embeddings @ classes / lengths / np.linalg.norm(classes, axis=0)
    logits = model.predict_on_batch(PIXELS)
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, SCALE * cosines, atol=1e-4)
    assert np.ptp(logits) > 0.1


def test_lengths_do_not_count(model):
    layer = model.get_layer("logits")
    embeddings = _embeddings(model).predict_on_batch(PIXELS)
    before = np.array(layer(embeddings))
    kernel = layer.kernel.numpy()
    layer.kernel.assign(kernel * np.arange(1, 8))
    after = np.array(layer(7 * embeddings))
    layer.kernel.assign(kernel)
    np.testing.assert_allclose(after, before, atol=1e-4)


def test_an_embedding_of_no_length_has_a_slope():
    layer = models.build("tiny", size=32, head="arcface").get_layer("logits")
    embedding = tf.Variable(np.zeros((1, EMBEDDING), np.float32))
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(layer(embedding)[:, :2])
    slopes = tape.gradient(total, [embedding, layer.kernel])
    np.testing.assert_array_equal(layer(embedding), np.zeros((1, 7)))
    assert all(np.isfinite(slope).all() for slope in slopes)


def test_logits_are_float32_whatever_the_precision_inside():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = models.build("tiny", size=32, head="arcface")
    finally:
        keras.config.set_dtype_policy(before)
    assert model.predict_on_batch(PIXELS).dtype == np.float32


def test_the_same_seed_gives_the_same_weights(model):
    again = models.build("tiny", size=32, seed=1, head="arcface")
    for one, other in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_its_weights_are_saved_and_read_back(model, tmp_path):
    path = tmp_path / "best.weights.h5"
    model.save_weights(path)
    again = models.build(
        "tiny", size=32, seed=2, head="arcface", weights=str(path)
    )
    np.testing.assert_array_equal(
        again.predict_on_batch(PIXELS), model.predict_on_batch(PIXELS)
    )
    with pytest.raises(UserError, match="`head`"):
        models.build("tiny", size=32, weights=str(path))


def test_a_linear_head_is_what_is_built_without_a_word():
    def described(**options):
        model = models.build("tiny", size=32, seed=3, **options)
        names = [(each.path, tuple(each.shape)) for each in model.weights[-4:]]
        return names, model.get_weights()

    (names, plain), (others, linear) = described(), described(head="linear")
    assert names == others
    assert names[-2:] == [("logits/kernel", (8, 7)), ("logits/bias", (7,))]
    for one, other in zip(plain, linear, strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_unknown_head_is_answered_with_the_nearest():
    with pytest.raises(UserError, match="'arc-face'") as raised:
        models.build("tiny", size=32, head="arc-face")
    assert raised.value.suggestion == "arcface"
    with pytest.raises(UserError, match="model.head.*'liner'") as raised:
        recipes.load(None, ["student.model.head=liner"])
    assert raised.value.suggestion == "linear"


def test_a_keras_file_of_it_answers_as_it_did(model, tmp_path):
    model.save(tmp_path / "teacher.keras")
    loaded = keras.models.load_model(tmp_path / "teacher.keras", compile=False)
    expected = model.predict_on_batch(PIXELS)
    np.testing.assert_array_equal(loaded.predict_on_batch(PIXELS), expected)
