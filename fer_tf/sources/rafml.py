"""RAF-ML: faces of blended emotions, each with a distribution over six of them."""

from collections.abc import Iterator
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from fer_tf import labels
from fer_tf.errors import UserError
from fer_tf.sources import disk
from fer_tf.sources import rafdb
from fer_tf.sources import text
from fer_tf.sources.entry import Entry
from fer_tf.sources.entry import records
from fer_tf.sources.record import Record
from fer_tf.sources.record import converted
from fer_tf.sources.rejects import Rejects

NAME = "rafml"
LABELS = "EmoLabel/distribution.txt"
PARTITION = "EmoLabel/partition_label.txt"
SPLIT_OF_CODE: Mapping[str, str] = {"0": "train", "1": "test"}


def find(folder: Path) -> Path:
    """Return `folder`; UserError where labels, partition or pictures are missing."""
    return disk.find(NAME, [folder], [LABELS, PARTITION, rafdb.PICTURES])


def layout(root: Path) -> str:
    """Return the layout, for the build's report."""
    return f"{LABELS}, {PARTITION} and {rafdb.PICTURES}/"


def read(root: Path, rejects: Rejects, split: str = "") -> Iterator[Record]:
    """Yield a record per row of `LABELS`; with a `split`, only its rows.

    The label is the column with the largest part, of several the first.

    Raises:
        UserError: something is missing, or too many rows were rejected.
    """
    return records(entries(root), rejects, split)


def entries(root: Path) -> Iterator[Entry]:
    """Yield what `read` reads."""
    root = find(root)
    split_of = _partition(root / PARTITION)
    unlabelled = dict(split_of)
    for row, line in text.lines(root / LABELS):
        name, *parts = line.split()
        split = split_of.get(name, "")
        unlabelled.pop(name, None)
        make = partial(_record, root, name, parts, split)
        yield Entry(f"{LABELS}, row {row}", split, make)
    for name, split in unlabelled.items():
        yield Entry(f"{PARTITION}, {name}", split, partial(_unlabelled, name))


def _partition(path: Path) -> dict[str, str]:
    """Return the split of each picture; one with another code than ours has none."""
    split_of: dict[str, str] = {}
    for row, line in text.lines(path):
        name, *code = line.split()
        if name in split_of:
            raise UserError(f"{path}, row {row}: {name} is there a second time.")
        split_of[name] = SPLIT_OF_CODE.get(" ".join(code), "")
    return split_of


def _unlabelled(name: str) -> Record:
    raise ValueError(f"{LABELS} has no row for {name[:80]}.")


def _record(root: Path, name: str, parts: list[str], split: str) -> Record:
    text.cells(parts, len(labels.RAFML_COLUMNS))
    values = [text.number(part) for part in parts]
    if not split:
        raise ValueError(f"{PARTITION} gives {name[:80]} neither 0 nor 1.")
    published = dict(zip(labels.RAFML_COLUMNS, values, strict=True))
    distribution = labels.to_distribution(
        [published.get(label, 0.0) for label in labels.CLASSES]
    )
    label = max(published, key=published.get)
    image, kind = rafdb.face(root, name)
    return Record(
        key=f"{NAME}/{rafdb.stem(name)}",
        image=image,
        label=label,
        label_original=label,
        distribution=distribution,
        split=split,
        notes=converted(kind),
    )
