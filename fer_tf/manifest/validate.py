"""A manifest held against the records it was made from."""

from collections.abc import Iterable
from collections.abc import Iterator

import numpy as np
import pandas as pd

from fer_tf import labels
from fer_tf import picture
from fer_tf.manifest import hashes
from fer_tf.manifest.table import kept
from fer_tf.sources import SPLITS
from fer_tf.sources import Record


def validate(table: pd.DataFrame, records: Iterable[Record]) -> list[str]:
    """Return what is wrong, a sentence each that begins with a key.

    Args:
        records: those of every source in the manifest; they are read once.
    """
    return [*_rows(table), *_leaks(table), *_records(table, records)]


def _rows(table: pd.DataFrame) -> Iterator[str]:
    """Yield what a row says that cannot be."""
    for row in table[~table["split"].isin(SPLITS)].itertuples():
        yield f"{row.key}: the split {row.split!r} is none of {', '.join(SPLITS)}"
    rows = table[kept(table)]
    for row in rows[~rows["label"].isin(labels.CLASSES)].itertuples():
        yield f"{row.key}: kept, but its label {row.label!r} is none of ours"
    for row in rows.itertuples():
        if not _is_distribution(row.distribution):
            yield f"{row.key}: kept, but {row.distribution!r} is no distribution"


def _is_distribution(text: str) -> bool:
    try:
        parts = np.array(text.split(), float)
    except ValueError:
        return False
    return (
        len(parts) == labels.NUM_CLASSES
        and bool((parts >= 0).all())
        and abs(parts.sum() - 1) < 1e-4
    )


def _leaks(table: pd.DataFrame) -> Iterator[str]:
    """Yield what is kept in more than one split."""
    rows = table[kept(table)]
    for column in ("group", "sha256"):
        spans = rows.groupby(column)["split"].transform("nunique") > 1
        for _, members in rows[spans].groupby(column):
            keys = ", ".join(members["key"])
            yield f"{members['key'].iloc[0]}: one {column}, several splits: {keys}"


def _records(table: pd.DataFrame, records: Iterable[Record]) -> Iterator[str]:
    """Yield where the records are not what the manifest says of them."""
    expected = dict(zip(table["key"], table["sha256"], strict=True))
    for record in records:
        if record.key not in expected:
            yield f"{record.key}: in the records, not in the manifest"
        elif _sha256(record) != expected.pop(record.key):
            yield f"{record.key}: its pixels have changed since the manifest was made"
    for key in expected:
        yield f"{key}: in the manifest, not in the records"


def _sha256(record: Record) -> str:
    try:
        return hashes.sha256_of_pixels(picture.decode(record.image))
    except ValueError:
        return ""
