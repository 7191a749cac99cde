"""A model may look at its pictures enlarged: the same backbone, a larger last map."""

import keras
import numpy as np
import pytest

from fer_tf import config as recipes
from fer_tf import models
from fer_tf.errors import UserError


def _last_map(model):
    """The side of the map that is pooled to features; squeeze-and-excite's is not."""
    kind = keras.layers.GlobalAveragePooling2D
    layers = (layer for layer in model._flatten_layers() if isinstance(layer, kind))
    features = model.get_layer("logits").input.shape
    (pooling,) = (layer for layer in layers if layer.output.shape == features)
    return pooling.input.shape[1]


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(models.MODELS))
def test_the_last_map_has_twice_the_side(name):
    assert _last_map(models.build(name, size=64)) == 2
    model = models.build(name, size=64, enlarge=2)
    assert _last_map(model) == 4
    assert model.input_shape == (None, 64, 64, 3)


def test_it_is_the_model_of_the_larger_size_shown_larger_pictures():
    small = models.build("tiny", size=32, enlarge=1.5, seed=3)
    large = models.build("tiny", size=48, seed=3)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    larger = keras.ops.image.resize(pixels.astype("float32"), (48, 48))
    np.testing.assert_allclose(
        small.predict_on_batch(pixels), large.predict_on_batch(larger), atol=1e-5
    )


def test_weights_of_another_enlargement_are_refused(tmp_path):
    path = tmp_path / "c.weights.h5"
    models.build("tiny", size=32).save_weights(path)
    with pytest.raises(UserError, match="`enlarge`"):
        models.build("tiny", size=32, enlarge=2, weights=str(path))


@pytest.mark.parametrize("value", [0, 0.5, 9, ".nan"])
def test_a_model_only_enlarges(value):
    with pytest.raises(UserError, match=r"model\.enlarge.*1\.\.8"):
        recipes.load(None, [f"student.model.enlarge={value}"])
