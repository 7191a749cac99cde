"""MobileNetV3: Howard et al., "Searching for MobileNetV3", arXiv:1905.02244."""

import keras
import numpy as np


def mobilenetv3_large(size: int) -> keras.Model:
    """MobileNetV3-Large's features, [batch, 960]; its own rescaling to -1..1."""
    backbone = keras.applications.MobileNetV3Large(
        input_shape=(size, size, 3),
        include_top=False,
        weights=None,
        pooling="avg",
        include_preprocessing=True,
    )
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            _initialise(layer)
    return backbone


def _initialise(layer: keras.layers.DepthwiseConv2D) -> None:
    """Draw a depthwise kernel as He et al. do, arXiv:1502.01852, equation 10.

    Keras counts all channels as inputs of each one, and so draws kernels so small that
    BatchNormalization's epsilon of .001 swallows what they let through.
    """
    height, width, _, _ = layer.kernel.shape
    deviation = np.sqrt(2 / (height * width))
    layer.kernel.assign(
        keras.random.normal(layer.kernel.shape, stddev=deviation, seed=None)
    )
