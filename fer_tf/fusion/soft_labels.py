"""What the teachers together say of every training picture and view."""

from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path

import numpy as np

from fer_tf import files
from fer_tf import predictions
from fer_tf.config import checks
from fer_tf.errors import UserError
from fer_tf.labels import NUM_CLASSES


@dataclass(frozen=True, eq=False)
class SoftLabels:
    """Fused, calibrated answers to training views.

    Attributes:
        keys: [n] text.
        log_probs: [n, views, 7], normalised: logits at temperature 1. Its file has
            float16, so that it is small enough to be kept beside a recipe.
        view_seed: the seed of the views that were answered, and that students of any
            seed are taught on.
        made_from: the SHA-256 of the files behind them: `manifest`, and of each
            teacher `<name>/weights` and `<name>/predictions`.
    """

    keys: np.ndarray
    log_probs: np.ndarray
    view_seed: int
    made_from: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shape = self.log_probs.shape
        if len(shape) != 3 or shape[::2] != (len(self.keys), NUM_CLASSES):
            raise ValueError(
                f"`log_probs` must be [{len(self.keys)}, views, {NUM_CLASSES}], "
                f"received {list(shape)}."
            )

    @property
    def views(self) -> int:
        """How many views of each picture were answered."""
        return self.log_probs.shape[1]

    def lookup(self, keys: Iterable[str]) -> np.ndarray:
        """Return the row [len(keys)] of each key.

        Raises:
            UserError: some keys have no soft labels; the first of them are named.
        """
        row_of = {key: row for row, key in enumerate(self.keys.tolist())}
        keys = [str(key) for key in keys]
        missing = [key for key in keys if key not in row_of]
        if missing:
            raise UserError(
                f"{len(missing)} of {len(keys)} records have no soft labels: "
                f"{', '.join(missing[:5])}{', ...' if missing[5:] else ''}. "
                "Train the teachers and fuse again on this manifest."
            )
        return np.array([row_of[key] for key in keys], dtype=np.int64)

    def is_like(self, other: "SoftLabels") -> bool:
        """Return whether both say the same of the same views, whatever made them."""
        return (
            self.view_seed == other.view_seed
            and np.array_equal(self.keys, other.keys)
            and np.array_equal(self.log_probs, other.log_probs)
        )

    def check(self, digests: Mapping[str, str]) -> None:
        """Raise UserError unless they were made from these files, given by name."""
        for name, digest in digests.items():
            made_from = self.made_from.get(name, "none")
            if made_from != digest:
                raise UserError(
                    f"the soft labels were made from another {name}: expected SHA-256 "
                    f"{digest[:12]}, received {made_from[:12]}. Make them again of "
                    "what is there now: fer-tf train --stage teachers, fer-tf fuse."
                )

    def save(self, path: Path) -> None:
        """Write them to an `.npz`, atomically."""
        log_probs = self.log_probs.astype(np.float16)
        arrays = {"keys": self.keys, "log_probs": log_probs}
        metadata = {"view_seed": self.view_seed, "made_from": self.made_from}
        predictions.write_arrays(path, arrays, **metadata)

    @classmethod
    def load(cls, path: Path) -> "SoftLabels":
        """Read what `save` wrote.

        Raises:
            UserError: the file is missing or damaged, or has another class order.
        """
        with files.reading(path, "a file of soft labels", predictions.MAKE_AGAIN):
            arrays, metadata = predictions.read_arrays(path)
            checks.integer("view_seed", metadata["view_seed"], 0, 2**63)
            return cls(
                arrays["keys"],
                arrays["log_probs"].astype(np.float32),
                metadata["view_seed"],
                metadata.get("made_from", {}),
            )
