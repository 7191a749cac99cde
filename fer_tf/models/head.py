"""What is put around a backbone: larger pictures before it, seven logits after."""

import keras

from fer_tf.labels import NUM_CLASSES

# Statistics over the last ten batches or so. The published .999 and .99 never catch
# up in a run from scratch of a few hundred steps: the model then answers one class
# for every picture, while its training loss looks well. Published weights come with
# statistics that need no catching up, and keep their momentum.
MOMENTUM = 0.9


def fit_normalization(backbone: keras.Model) -> None:
    """Let BatchNormalization's statistics follow a training from scratch."""
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = MOMENTUM


def enlarged(backbone: keras.Model, size: int) -> keras.Model:
    """Show a backbone pictures of another side than its own, resized bilinearly.

    Args:
        backbone: from [batch, side, side, 3] to features.
        size: the side that pictures come in.

    Returns:
        A model from [batch, size, size, 3] to the same features.
    """
    side = backbone.input_shape[1]
    pixels = keras.Input((size, size, 3))
    # In float32, where half a grey level is not lost.
    larger = keras.layers.Resizing(side, side, dtype="float32")(pixels)
    return keras.Model(pixels, backbone(larger))


def classifier(
    backbone: keras.Model, *, dropout: float, seed: int, name: str
) -> keras.Model:
    """Put a linear head on pooled features.

    Args:
        backbone: from [batch, size, size, 3] to features [batch, channels].
        dropout: rate before the linear layer.
        seed: of dropout.

    Returns:
        A model from [batch, size, size, 3] to logits [batch, 7] in float32.
    """
    features = keras.layers.Dropout(dropout, seed=seed)(backbone.output)
    # Small, as torchvision draws it: from a thousand features, Keras' own draw starts
    # with logits so large that the first hundred steps are spent on taking them back.
    head = keras.layers.Dense(
        NUM_CLASSES,
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.01, seed=seed),
        dtype="float32",
        name="logits",
    )
    return keras.Model(backbone.input, head(features), name=name)
