"""Backbones by name: RGB of 0..255 in, seven logits out.

Each model does its own rescaling, once, inside: what `preprocess.prepare` returns
goes in as it is.
"""

from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager

import keras

from fer_tf.config.backbones import check_side
from fer_tf.errors import unknown_name
from fer_tf.models import weights as first_weights
from fer_tf.models.answers import answers
from fer_tf.models.convnext import convnext_tiny
from fer_tf.models.efficientnet import efficientnet_b3
from fer_tf.models.head import HEADS
from fer_tf.models.head import LINEAR
from fer_tf.models.head import classifier
from fer_tf.models.head import enlarged
from fer_tf.models.mobilenet import mobilenetv3_large
from fer_tf.models.mobilenet import mobilenetv3_large_minimalistic
from fer_tf.models.normalization import MOMENTUM
from fer_tf.models.normalization import fused
from fer_tf.models.resnet import resnet18
from fer_tf.models.weights import weights_files

# From the side of the input in pixels; with `imagenet=True`, ImageNet's weights.
MODELS: dict[str, Callable[..., keras.Model]] = {
    "convnext_tiny": convnext_tiny,
    "efficientnet_b3": efficientnet_b3,
    "mobilenetv3_large": mobilenetv3_large,
    "mobilenetv3_large_minimalistic": mobilenetv3_large_minimalistic,
    "resnet18": resnet18,
}


def build(
    name: str,
    *,
    size: int,
    dropout: float = 0.2,
    seed: int = 0,
    weights: str = first_weights.NONE,
    enlarge: float = 1.0,
    head: str = LINEAR,
    precision: str = "float32",
) -> keras.Model:
    """Build a classifier.

    Its layers, and the names and shapes of its weights, hang on `name`, `head` and
    whether it enlarges alone: a model that was trained from ImageNet's weights is read
    back without fetching them.

    Args:
        name: one of `MODELS`.
        size: side of the input in pixels; enlarged, `LEAST_SIDE_PX` or more, which
            `config.backbones` has.
        dropout: rate before the head.
        seed: of the weights and of dropout.
        weights: `none` draws them; `imagenet` fetches the published ones, but for the
            head's, and leaves BatchNormalization its published momentum; the
            path of a `.weights.h5` file reads all of them.
        enlarge: how many times larger pictures are made inside. The last map of all
            backbones is a 32nd of their input's side, two by two for a face of 64 px.
            This leaves architectures and weights as published, which a smaller stride
            would not: ConvNeXt's first is 4, of kernels that do not overlap.
        head: `linear`, or `arcface`: logits are scaled cosines, to be trained with a
            margin.
        precision: Keras' dtype policy; weights and logits are float32 in any.

    Returns:
        A model from float or uint8 [batch, size, size, 3] to logits [batch, 7],
        float32 whatever the precision inside.

    Raises:
        UserError: an unknown name, too small a side, weights that are not there or of
            another model.
        OutsideError: ImageNet's weights could not be fetched.
    """
    side = round(enlarge * size)
    check(name, side)
    if head not in HEADS:
        raise unknown_name("head", head, HEADS)
    files = weights_files(name, weights)
    keras.utils.set_random_seed(seed)
    with _policy(precision):
        backbone = _backbone(name, side, imagenet=weights == first_weights.IMAGENET)
        if side != size:
            backbone = enlarged(backbone, size)
        model = classifier(backbone, dropout=dropout, seed=seed, name=name, head=head)
    for path in files:
        first_weights.load(model, path)
    return model


def _backbone(name: str, side: int, imagenet: bool) -> keras.Model:
    if imagenet:
        with first_weights.fetching(name):
            return fused(MODELS[name](side, imagenet=True))
    return fused(MODELS[name](side), MOMENTUM)


@contextmanager
def _policy(name: str) -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def check(name: str, side: int) -> None:
    """Raise UserError unless there is a model `name` of pictures of `side` pixels."""
    if name not in MODELS:
        raise unknown_name("model", name, MODELS)
    check_side(name, side)


__all__ = ["MODELS", "answers", "build", "check", "weights_files"]
