"""What is known of the backbones without Keras: names, smallest sides, first weights.

`fer_tf.models.MODELS` builds them. A config is checked here, also by `--dry-run`, which
imports no TensorFlow.
"""

from pathlib import Path

from fer_tf.config.recipe import Config
from fer_tf.errors import UserError
from fer_tf.errors import unknown_name

# The smallest input in pixels: Keras' own need a last feature map of one cell.
LEAST_SIDE_PX = {
    "convnext_tiny": 32,
    "efficientnet_b3": 32,
    "mobilenetv3_large": 32,
    "mobilenetv3_large_minimalistic": 32,
    "resnet18": 1,
}
NONE = "none"
IMAGENET = "imagenet"
SUFFIX = ".weights.h5"
# keras_cv has ImageNet's weights for ResNet50 alone.
WITHOUT_IMAGENET = ("resnet18",)


def check_models(config: Config) -> None:
    """Check every model of a config before anything is written.

    Raises:
        UserError: An unknown name, too small a side, or weights that are not there.
    """
    for stage in [*config.teachers, config.student]:
        model = stage.model
        if model.name not in LEAST_SIDE_PX:
            raise unknown_name("model", model.name, LEAST_SIDE_PX)
        check_side(model.name, round(model.enlarge * config.face.size))
        weights_files(model.name, model.weights)


def check_side(name: str, side: int) -> None:
    """Raise UserError unless the model `name` takes images of `side` pixels."""
    least = LEAST_SIDE_PX.get(name, 1)
    if side < least:
        raise UserError(
            f"{name} needs images of {least} pixels or more, received {side}. Set "
            "face.size, or the model's `enlarge`, higher."
        )


def weights_files(name: str, weights: str) -> list[Path]:
    """Return the file that a model's first weights are read from, if any.

    Raises:
        UserError: there is no such file, none that Keras would read, or ImageNet's
            weights are asked for where none are published.
    """
    if weights == IMAGENET and name in WITHOUT_IMAGENET:
        raise UserError(
            f"model.weights={IMAGENET}: the libraries used here have no such weights "
            f"for {name}. Give {NONE!r}, a {SUFFIX} file of it, or another model."
        )
    if weights in (NONE, IMAGENET):
        return []
    path = Path(weights)
    if not path.is_file() or not path.name.endswith(SUFFIX):
        what = "no such file" if not path.is_file() else f"its name lacks {SUFFIX!r}"
        raise UserError(
            f"model.weights={weights}: {what}. Expected {NONE!r}, {IMAGENET!r}, or the "
            f"path of a {SUFFIX} file that `save_weights` wrote of the same model, as "
            "the best.weights.h5 of a run."
        )
    return [path]
