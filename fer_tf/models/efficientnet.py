"""EfficientNet: Tan and Le, arXiv:1905.11946."""

import keras


def efficientnet_b3(size: int, imagenet: bool = False) -> keras.Model:
    """EfficientNet-B3's features, [batch, 1536]; its own rescaling."""
    backbone = _b3(size, weights=None)
    if imagenet:
        _take_over(_b3(size, weights="imagenet"), backbone)
    return backbone


def _b3(size: int, weights: str | None) -> keras.Model:
    return keras.applications.EfficientNetB3(
        input_shape=(size, size, 3), include_top=False, weights=weights, pooling="avg"
    )


def _take_over(published: keras.Model, backbone: keras.Model) -> None:
    """Give `backbone` the published weights.

    With them Keras has a layer more: its file holds deviations where variances should
    be, which a second rescaling, by 1 / sqrt(deviation), makes up for. Here variances
    are made right instead, so that the layers are the same whatever the weights.
    """
    _, second = _layers(published, keras.layers.Rescaling)
    backbone.set_weights(published.get_weights())
    (normalization,) = _layers(backbone, keras.layers.Normalization)
    variance = normalization.adapt_variance
    variance.assign(variance / keras.ops.square(second.scale))
    normalization.finalize_state()


def _layers(model: keras.Model, kind: type[keras.Layer]) -> list[keras.Layer]:
    return [layer for layer in model.layers if isinstance(layer, kind)]
