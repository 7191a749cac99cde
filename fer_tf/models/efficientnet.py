"""EfficientNet: Tan and Le, arXiv:1905.11946."""

import keras


def efficientnet_b3(size: int) -> keras.Model:
    """EfficientNet-B3's features, [batch, 1536]; its own rescaling."""
    return keras.applications.EfficientNetB3(
        input_shape=(size, size, 3), include_top=False, weights=None, pooling="avg"
    )
