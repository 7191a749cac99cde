"""The pixels behind answers, by key: with `predict`, what needs TensorFlow here."""

from collections.abc import Collection
from pathlib import Path

import numpy as np

from fer_tf.config import Config
from fer_tf.data import pipeline
from fer_tf.errors import UserError
from fer_tf.preprocess import prepare


def find(
    config: Config, manifest: Path, keys: Collection[str]
) -> dict[str, np.ndarray]:
    """Return pictures as the model is shown them, uint8 [size, size, 3], by key.

    Raises:
        UserError: the manifest does not keep one of `keys`.
    """
    spec = pipeline.face_spec(config)
    found = {}
    for faces in pipeline.load(config, manifest).values():
        for row in np.flatnonzero(np.isin(faces.keys, list(keys))):
            found[str(faces.keys[row])] = prepare(faces.crops[row].plain, spec)
    missing = sorted(set(keys) - set(found))
    if missing:
        raise UserError(
            f"{manifest} keeps no picture of {missing[0]!r} ({len(missing)} are "
            "missing): the answers are of another manifest. Predict again."
        )
    return found
