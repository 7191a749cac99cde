"""Models that compute in 16 bits: the same weights, nearly the same answers."""

import keras
import numpy as np
import pytest

from fer_tf import models

NAMES = [pytest.param(name, marks=pytest.mark.slow) for name in sorted(models.MODELS)]


@pytest.mark.parametrize("name", NAMES)
def test_only_the_computation_is_in_16_bits(name):
    exact = models.build(name, size=32, dropout=0.0, seed=1)
    rough = models.build(
        name, size=32, dropout=0.0, seed=1, precision="mixed_bfloat16"
    )
    assert keras.config.dtype_policy().name == "float32"
    for one, other in zip(rough.weights, exact.weights, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one.numpy(), other.numpy())
    convolutions = [
        layer
        for layer in rough._flatten_layers()
        if isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D)
    ]
    assert {layer.compute_dtype for layer in convolutions} == {"bfloat16"}
    pixels = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3)).astype("uint8")
    found, expected = models.answers(rough, [pixels]), models.answers(exact, [pixels])
    assert found.dtype == np.float32
    assert (found != expected).any()
    np.testing.assert_allclose(found, expected, atol=0.05 * np.abs(expected).max())
