"""ConvNeXt: Liu et al., "A ConvNet for the 2020s", arXiv:2201.03545."""

import keras


def convnext_tiny(size: int, imagenet: bool = False) -> keras.Model:
    """ConvNeXt-Tiny's features, [batch, 768]; its own normalisation."""
    return _depthwise(
        keras.applications.ConvNeXtTiny(
            input_shape=(size, size, 3),
            include_top=False,
            weights="imagenet" if imagenet else None,
            pooling="avg",
            include_preprocessing=True,
        )
    )


def _depthwise(model: keras.Model) -> keras.Model:
    """Return the same function of the same weights, with depthwise layers.

    Keras writes the depthwise step as a `Conv2D` of as many groups as channels, which
    on a CPU takes some eighty times as long as a `DepthwiseConv2D`.
    """
    twin = keras.models.clone_model(model, clone_function=_quicker)
    for old, new in zip(model.weights, twin.weights, strict=True):
        # A kernel [height, width, 1, channels] becomes [height, width, channels, 1].
        new.assign(keras.ops.reshape(old, new.shape))
    return twin


def _quicker(layer: keras.Layer) -> keras.Layer:
    if isinstance(layer, keras.layers.Conv2D) and layer.groups == layer.filters:
        return keras.layers.DepthwiseConv2D(
            layer.kernel_size,
            padding=layer.padding,
            dtype=layer.dtype_policy,
            name=layer.name,
        )
    return layer.__class__.from_config(layer.get_config())
