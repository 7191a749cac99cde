"""What is put around a backbone: larger pictures before it, seven logits after."""

from typing import Any

import keras
from keras import ops

from fer_tf.labels import NUM_CLASSES
from fer_tf.models.normalization import MOMENTUM

LINEAR = "linear"
ARCFACE = "arcface"
EMBEDDING = 512
# Of cosines, as logits: in -1..1 the surest of seven classes would have p = .55.
SCALE = 30.0


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
    backbone: keras.Model, *, dropout: float, seed: int, name: str, head: str = LINEAR
) -> keras.Model:
    """Put a head on pooled features.

    Args:
        backbone: from [batch, size, size, 3] to features [batch, channels].
        dropout: rate before the first layer of the head.
        seed: of dropout and of the head's weights.
        head: one of `HEADS`.

    Returns:
        A model from [batch, size, size, 3] to logits [batch, 7] in float32.
    """
    features = keras.layers.Dropout(dropout, seed=seed)(backbone.output)
    return keras.Model(backbone.input, HEADS[head](features, seed), name=name)


def _linear(features: Any, seed: int) -> Any:
    # Small, as torchvision draws it: from a thousand features, Keras' own draw starts
    # with logits so large that the first hundred steps are spent on taking them back.
    logits = keras.layers.Dense(
        NUM_CLASSES,
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.01, seed=seed),
        dtype="float32",
        name="logits",
    )
    return logits(features)


def _arcface(features: Any, seed: int) -> Any:
    """Return scaled cosines between an embedding and the classes.

    The embedding is "option C" of ArcFace's authors, for pooled features: a linear
    layer and a normalisation, which has no scale.
    """
    embed = keras.layers.Dense(
        EMBEDDING,
        use_bias=False,
        kernel_initializer=keras.initializers.GlorotUniform(seed=seed),
        dtype="float32",
        name="embedding",
    )
    # Without it a ResNet18's test accuracy on drawn faces was 9 and 13 points lower
    # after four epochs (two seeds).
    normalise = keras.layers.BatchNormalization(
        momentum=MOMENTUM, scale=False, dtype="float32", name="embedding_bn"
    )
    return ScaledCosines(seed, dtype="float32", name="logits")(
        normalise(embed(features))
    )


# From features [batch, channels] and a seed to logits [batch, 7] in float32.
HEADS = {LINEAR: _linear, ARCFACE: _arcface}


@keras.saving.register_keras_serializable(package="fer_tf")
class ScaledCosines(keras.Layer):
    """Logits s cos(theta) of the angles between embeddings and seven directions.

    Their lengths do not count. Deng et al., arXiv:1801.07698, section 2.1. The margin
    of the paper is the loss' alone, `fer_tf.losses.with_margin`: what is predicted,
    calibrated and fused are these logits.
    """

    def __init__(self, seed: int, **options: Any) -> None:
        super().__init__(**options)
        self.seed = seed

    def build(self, input_shape: tuple[int | None, int]) -> None:
        """Draw the directions, [embedding, 7]."""
        self.kernel = self.add_weight(
            name="kernel",
            shape=(input_shape[-1], NUM_CLASSES),
            initializer=keras.initializers.GlorotUniform(seed=self.seed),
        )

    def call(self, embedding: Any) -> Any:
        """Return logits in -s..s, [batch, 7], of embeddings [batch, embedding]."""
        return SCALE * ops.matmul(_unit(embedding, -1), _unit(self.kernel, 0))

    def get_config(self) -> dict[str, Any]:
        """Return what a Keras file needs to make the layer again."""
        return {**super().get_config(), "seed": self.seed}


def _unit(vectors: Any, axis: int) -> Any:
    # `ops.normalize` has a slope that is no number where a vector is 0.
    squares = ops.sum(ops.square(vectors), axis=axis, keepdims=True)
    return vectors * ops.rsqrt(ops.maximum(squares, 1e-12))
