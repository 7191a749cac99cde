"""What a model answered: its logits by key and split, in one `.npz` file.

Everything after training works on these files and never on the model: calibration,
fusion, figures, comparison, gate.
"""

import dataclasses
import json
import math
import os
import warnings
import zipfile
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import IO
from typing import Any

import numpy as np

from fer_tf import files
from fer_tf.config import checks
from fer_tf.errors import UserError
from fer_tf.labels import CLASSES
from fer_tf.labels import NUM_CLASSES
from fer_tf.sources.record import MANIFEST_SPLITS

METADATA = "metadata"
MAKE_AGAIN = "Delete it, then run again the command that made it."

_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


@dataclass(frozen=True, eq=False)
class SplitPredictions:
    """A model's answers to the records of one split, a row per record.

    Attributes:
        keys: [n] text, each once.
        labels: [n] integers, the index of the class in `labels.CLASSES`.
        sources: [n] text, the corpus a record came from.
        groups: [n] text; records of one group are not independent of each other.
        distribution: [n, 7], each class' share of a record's votes; of the training
            split, what it is trained towards.
        agreed: [n] bool, whether most of those who labelled a record agree.
        logits: [n, 7]; of the training split [n, views, 7].
    """

    keys: np.ndarray
    labels: np.ndarray
    sources: np.ndarray
    groups: np.ndarray
    distribution: np.ndarray
    agreed: np.ndarray
    logits: np.ndarray

    def __post_init__(self) -> None:
        for item in _COLUMNS:
            dtype = _DTYPES.get(item.name)
            column = np.asarray(getattr(self, item.name), dtype)
            object.__setattr__(self, item.name, column)
        self._check_shapes()
        self._check_values()

    def __len__(self) -> int:
        return len(self.keys)

    def take(self, rows: np.ndarray) -> "SplitPredictions":
        """Return the rows chosen by an index or a mask, in that order."""
        return SplitPredictions(
            **{item.name: getattr(self, item.name)[rows] for item in _COLUMNS}
        )

    def with_logits(self, logits: np.ndarray) -> "SplitPredictions":
        """Return the same records with other `logits`."""
        return dataclasses.replace(self, logits=logits)

    def _check_shapes(self) -> None:
        if self.logits.ndim not in (2, 3) or self.logits.shape[-1] != NUM_CLASSES:
            raise ValueError(
                f"`logits` must be [n, {NUM_CLASSES}] or [n, views, {NUM_CLASSES}], "
                f"received {list(self.logits.shape)}."
            )
        shapes = {item.name: getattr(self, item.name).shape for item in _COLUMNS}
        expected = {name: (len(self.logits),) for name in shapes}
        expected["distribution"] = (len(self.logits), NUM_CLASSES)
        expected["logits"] = self.logits.shape
        if shapes != expected:
            raise ValueError(
                f"every column must have a row for each of the {len(self.logits)} "
                f"rows of `logits`, as {expected}, received {shapes}."
            )

    def _check_values(self) -> None:
        if len(np.unique(self.keys)) != len(self.keys):
            raise ValueError("`keys` must be unique, received some of them twice.")
        if not np.isfinite(self.logits).all():
            raise ValueError("`logits` must be finite, received NaN or infinity.")
        known = np.isin(self.labels, range(NUM_CLASSES)).all()
        if not known or self.labels.dtype.kind not in "iu":
            raise ValueError(
                f"`labels` must be integers in 0..{NUM_CLASSES - 1}, received "
                f"{self.labels.dtype} {np.unique(self.labels).tolist()[:10]}."
            )
        sums = self.distribution.sum(axis=1)
        if (self.distribution < 0).any() or not np.allclose(sums, 1, atol=1e-3):
            raise ValueError(
                "`distribution` must be non-negative with rows that sum to 1, received "
                f"sums of {sums.min():.4g} to {sums.max():.4g}."
            )


def joined(parts: Sequence[SplitPredictions]) -> SplitPredictions:
    """Return the rows of all `parts`, one after the other."""
    return SplitPredictions(
        **{
            item.name: np.concatenate([getattr(part, item.name) for part in parts])
            for item in _COLUMNS
        }
    )


_COLUMNS = dataclasses.fields(SplitPredictions)
_DTYPES = {
    "keys": str,
    "sources": str,
    "groups": str,
    "distribution": np.float32,
    "agreed": bool,
}


@dataclass(frozen=True, eq=False)
class Predictions:
    """A model's answers to every split it was asked about.

    Attributes:
        model: its name, as the report calls it.
        view_seed: the seed of the training views that were answered.
        splits: by name, some of `sources.record.MANIFEST_SPLITS`.
        made_from: the SHA-256 of the files behind it, `manifest` and `weights`, where
            they are known.
    """

    model: str
    view_seed: int
    splits: Mapping[str, SplitPredictions]
    made_from: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        unknown = sorted(set(self.splits) - set(MANIFEST_SPLITS))
        if unknown:
            raise ValueError(
                f"`splits` must be among {MANIFEST_SPLITS}, received {unknown}."
            )

    def split(self, name: str) -> SplitPredictions:
        """Return the answers to the split called `name`.

        Raises:
            UserError: the model was not asked about it.
        """
        if name not in self.splits:
            raise UserError(
                f"the predictions of {self.model} hold no {name!r} split, "
                f"only {', '.join(self.splits)}."
            )
        return self.splits[name]

    def save(self, path: Path) -> None:
        """Write all splits to one `.npz`, atomically; the same bytes every time."""
        arrays = {
            f"{split}/{item.name}": getattr(answers, item.name)
            for split, answers in self.splits.items()
            for item in _COLUMNS
        }
        write_arrays(
            path,
            arrays,
            model=self.model,
            view_seed=self.view_seed,
            made_from=self.made_from,
        )

    @classmethod
    def load(cls, path: Path) -> "Predictions":
        """Read what `save` wrote.

        Raises:
            UserError: the file is missing or damaged, or has another class order.
        """
        with files.reading(path, "a file of predictions", MAKE_AGAIN):
            arrays, metadata = read_arrays(path)
            checks.of_type("model", metadata["model"], str)
            checks.integer("view_seed", metadata["view_seed"], 0, 2**63)
            splits = {
                split: SplitPredictions(
                    **{item.name: arrays[f"{split}/{item.name}"] for item in _COLUMNS}
                )
                for split in MANIFEST_SPLITS
                if f"{split}/keys" in arrays
            }
            return cls(
                metadata["model"],
                metadata["view_seed"],
                splits,
                metadata.get("made_from", {}),
            )


def align(
    answers: Mapping[str, SplitPredictions],
) -> dict[str, SplitPredictions]:
    """Bring several models' answers to the same records into the first one's order.

    Raises:
        UserError: they are not about the same records, or disagree on their labels.
    """
    (first_name, first), *_ = answers.items()
    aligned = {}
    for name, other in answers.items():
        odd = np.setxor1d(first.keys, other.keys)
        if len(odd):
            raise UserError(
                f"{first_name} and {name} were not asked about the same records: "
                f"{len(odd)} are in one alone, such as {odd[0]}."
            )
        order = np.argsort(other.keys)[np.argsort(np.argsort(first.keys))]
        aligned[name] = other.take(order)
        if (aligned[name].labels != first.labels).any():
            raise UserError(f"{first_name} and {name} disagree on the records' labels.")
    return aligned


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray], **metadata: Any) -> None:
    """Write `arrays` and JSON-able `metadata` to an `.npz`, with the class order."""
    metadata = json.dumps({**metadata, "classes": CLASSES})
    with files.replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, allow_pickle=False, **arrays, **{METADATA: np.array(metadata)})


def read_arrays(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read what `write_arrays` wrote: the arrays, and the metadata.

    Raises:
        UserError: the file is missing or damaged, or has another class order.
        OutsideError: the operating system cannot read the file.
    """
    with files.reading(path, "an archive of arrays", MAKE_AGAIN):
        with zipfile.ZipFile(path) as archive:
            arrays = {
                info.filename.removesuffix(".npy"): _array(archive, info)
                for info in archive.infolist()
            }
        metadata = json.loads(arrays.pop(METADATA).item())
        classes = tuple(metadata["classes"])
    if classes != CLASSES:
        raise UserError(
            f"{path} has the classes {list(classes)}, expected {list(CLASSES)}."
        )
    return arrays, metadata


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    """Read one array, whose claimed size must be that of its bytes in the file.

    `np.load` allocates what a damaged header claims, and does not verify the checksum
    of an array that a damaged header made smaller.
    """
    held = os.fstat(archive.fp.fileno()).st_size
    if info.compress_type != zipfile.ZIP_STORED or info.file_size > held:
        raise zipfile.BadZipFile(f"{info.filename} is packed or larger than the file")
    with archive.open(info) as member, warnings.catch_warnings():
        # NumPy takes a damaged header for one that Python 2 wrote, and warns.
        warnings.simplefilter("ignore")
        claimed = _claimed_bytes(member)
    if claimed is not None and claimed != info.file_size:
        raise ValueError(
            f"{info.filename} claims {claimed} bytes, and has {info.file_size}"
        )
    with archive.open(info) as member:
        array = np.lib.format.read_array(member, allow_pickle=False)
        # The checksum is verified where the end is reached.
        if member.read(1):
            raise ValueError(f"{info.filename} is longer than its array")
    return array


def _claimed_bytes(member: IO[bytes]) -> int | None:
    """Return the size of a `.npy` by its own header; None of pickled objects."""
    version = np.lib.format.read_magic(member)
    if version not in _HEADERS:
        raise ValueError(f"its format has the unknown version {version}")
    shape, _, dtype = _HEADERS[version](member)
    if dtype.hasobject:
        return None
    # Without bytes of its own, an array could claim any number of elements.
    return member.tell() + math.prod(shape) * max(1, dtype.itemsize)
