"""ConvNeXt with depthwise layers is Keras' own, only quicker."""

import keras
import numpy as np
import pytest

from fer_tf import models
from fer_tf.models.convnext import _depthwise
from fer_tf.models.convnext import convnext_tiny


@pytest.fixture(scope="module", params=[48, 64])
def reference(request):
    """Keras' own, with weights that let every layer be seen in its output."""
    side = request.param
    model = keras.applications.ConvNeXtTiny(
        input_shape=(side, side, 3), include_top=False, weights=None, pooling="avg"
    )
    noise = np.random.default_rng(0)
    for weight in model.weights:
        # Around one, because the scale of each block begins at 1e-6 and would hide it.
        centre, spread = 1.0, 0.1
        if weight.ndim > 1:
            centre, spread = 0.0, 1 / np.sqrt(np.prod(weight.shape[:-1]))
        weight.assign(noise.normal(centre, spread, weight.shape))
    return model


@pytest.mark.slow
def test_it_answers_as_keras_own(reference):
    model = _depthwise(reference)
    pixels = np.random.default_rng(1).uniform(0, 255, (2, *reference.input_shape[1:]))
    expected = reference.predict_on_batch(pixels)
    assert np.ptp(expected) > 1
    np.testing.assert_allclose(model.predict_on_batch(pixels), expected, atol=1e-5)
    sizes, expected = (
        [np.prod(weight.shape) for weight in each.trainable_weights]
        for each in (model, reference)
    )
    assert sum(sizes) == sum(expected)


@pytest.mark.slow
def test_no_grouped_convolution_is_left():
    layers = [*convnext_tiny(32)._flatten_layers()]
    depthwise = [each for each in layers if type(each) is keras.layers.DepthwiseConv2D]
    assert len(depthwise) == 3 + 3 + 9 + 3
    assert all(each.groups == 1 for each in layers if type(each) is keras.layers.Conv2D)


@pytest.mark.slow
def test_its_weights_are_saved_and_read_back(tmp_path):
    first, second = (models.build("convnext_tiny", size=32, seed=s) for s in (1, 2))
    first.save_weights(tmp_path / "c.weights.h5")
    second.load_weights(tmp_path / "c.weights.h5")
    pixels = np.random.default_rng(1).uniform(0, 255, (2, 32, 32, 3))
    np.testing.assert_array_equal(
        first.predict_on_batch(pixels), second.predict_on_batch(pixels)
    )
