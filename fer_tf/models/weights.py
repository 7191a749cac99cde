"""Where a model's first weights come from: drawn, ImageNet's, or a file's."""

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras

from fer_tf import files
from fer_tf.config.backbones import IMAGENET
from fer_tf.config.backbones import NONE
from fer_tf.config.backbones import SUFFIX
from fer_tf.config.backbones import weights_files
from fer_tf.errors import OutsideError

__all__ = [
    "IMAGENET",
    "NONE",
    "SUFFIX",
    "fetching",
    "load",
    "save",
    "weights_files",
]


def load(model: keras.Model, path: Path) -> None:
    """Read a model's weights from a file.

    Raises:
        UserError: the file is missing or damaged, or has weights of another model.
        OutsideError: the operating system cannot read the file.
    """
    do = (
        "Expected a file that `save_weights` wrote of the same model, with the same "
        "`enlarge` and the same `head`. Give such a file, train the model again, or "
        f"give model.weights={NONE}."
    )
    with (
        files.reading(path, f"a file of weights for {model.name}", do, UserWarning),
        warnings.catch_warnings(),
    ):
        # Keras only warns of layers that keep their initial weights.
        warnings.simplefilter("error", UserWarning)
        model.load_weights(path)


def save(model: keras.Model, path: Path) -> None:
    """Write a model's weights to a file that ends in `.weights.h5`, atomically.

    Raises:
        OSError: the disk is full, or the file cannot be written.
    """
    with files.replacing(path) as temporary:
        # HDF5 crashes the process when the disk is full while it writes.
        files.reserve(temporary, _size_of(model))
        model.save_weights(temporary)


def _size_of(model: keras.Model) -> int:
    """Return an upper bound of the bytes that HDF5 takes for a model's weights."""
    values = sum(math.prod(each.shape) * 4 for each in model.variables)
    # Each lies in groups of its own, by the layers that it is in.
    return values + 65536 + 8192 * len(model.variables)


@contextmanager
def fetching(name: str) -> Iterator[None]:
    """Fetch weights of any size's pictures, and answer a failure with what to do.

    Raises:
        OutsideError: in place of Keras' error.
    """
    try:
        with warnings.catch_warnings():
            # Of pictures of another size; pooled features have none.
            warnings.filterwarnings("ignore", "`input_shape` is undefined")
            yield
    except Exception as error:
        # Of a URL that does not answer, Keras raises nothing narrower.
        if type(error) is not Exception and "file hash" not in str(error):
            raise
        raise OutsideError(
            f"ImageNet's weights for {name} could not be fetched: {error} Try again "
            f"with a network, or give model.weights={NONE} or a {SUFFIX} file."
        ) from error
