"""Training pictures in folds, so that a model can answer what it has not seen."""

import hashlib

import numpy as np

from fer_tf.data.pipeline import Faces
from fer_tf.errors import UserError


def fold_of(groups: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Return the fold of each row, int [n] in 0..count - 1.

    It is a function of the row's group alone: a group is never parted, and stays where
    it is when others come or go.
    """
    names, group_of = np.unique(groups, return_inverse=True)
    folds = [_digest(f"{seed}/{name}") % count for name in names.tolist()]
    return np.array(folds)[group_of]


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def part(faces: Faces, fold: int, count: int, seed: int) -> tuple[Faces, Faces]:
    """Return the pictures outside a fold, and those in it.

    Raises:
        UserError: one of the two is empty.
    """
    inside = fold_of(faces.groups, count, seed) == fold
    if inside.all() or not inside.any():
        raise UserError(
            f"soft_labels.folds is {count}, but fold {fold} has {inside.sum()} of the "
            f"{len(faces)} training pictures, of {len(np.unique(faces.groups))} "
            "groups. Set fewer folds, or 0 for none."
        )
    return faces.take(np.flatnonzero(~inside)), faces.take(np.flatnonzero(inside))
