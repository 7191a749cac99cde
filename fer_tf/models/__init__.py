"""Backbones by name: RGB of 0..255 in, seven logits out.

Each model does its own rescaling, once, inside: what `preprocess.prepare` returns
goes in as it is.
"""

from collections.abc import Callable

import keras

from fer_tf.errors import unknown_name
from fer_tf.models.convnext import convnext_tiny
from fer_tf.models.efficientnet import efficientnet_b3
from fer_tf.models.head import classifier
from fer_tf.models.mobilenet import mobilenetv3_large
from fer_tf.models.mobilenet import mobilenetv3_large_minimalistic
from fer_tf.models.resnet import resnet18

MODELS: dict[str, Callable[[int], keras.Model]] = {
    "convnext_tiny": convnext_tiny,
    "efficientnet_b3": efficientnet_b3,
    "mobilenetv3_large": mobilenetv3_large,
    "mobilenetv3_large_minimalistic": mobilenetv3_large_minimalistic,
    "resnet18": resnet18,
}


def build(name: str, *, size: int, dropout: float = 0.2, seed: int = 0) -> keras.Model:
    """Build a classifier with fresh weights.

    Args:
        name: one of `MODELS`.
        size: side of the input in pixels, 32 or more.
        dropout: rate before the last layer.
        seed: of the weights and of dropout.

    Returns:
        A model from float or uint8 [batch, size, size, 3] to logits [batch, 7],
        float32 whatever the precision inside.

    Raises:
        UserError: an unknown name.
    """
    check_name(name)
    keras.utils.set_random_seed(seed)
    return classifier(MODELS[name](size), dropout=dropout, seed=seed, name=name)


def check_name(name: str) -> None:
    """Raise UserError unless `name` is one of `MODELS`."""
    if name not in MODELS:
        raise unknown_name("model", name, MODELS)


__all__ = ["MODELS", "build", "check_name"]
