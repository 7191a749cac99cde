"""A manifest held against the records it was made from."""

from collections.abc import Iterable
from collections.abc import Iterator

import numpy as np
import pandas as pd

from fer_tf.manifest.clean import duplicate_pairs
from fer_tf.manifest.clean import look_at
from fer_tf.manifest.clean import rows_of
from fer_tf.manifest.sketches import Sketches
from fer_tf.manifest.table import findings as table_findings
from fer_tf.manifest.table import kept
from fer_tf.sources import Record

# What the manifest has of a record as it is.
COPIED = {
    "sha256": "pixels",
    "label_published": "label",
    "label_original": "publisher's label",
    "split_published": "publisher's split",
    "votes": "votes",
    "subject": "subject",
    "photo": "photo",
}


def validate(table: pd.DataFrame, records: Iterable[Record]) -> list[str]:
    """Return what is wrong, a sentence each that begins with a key.

    The records are looked at anew, and near duplicates searched for anew.

    Args:
        records: those of every source in the manifest; they are read once.
    """
    with Sketches() as sketches:
        seen = look_at(records, sketches)
        pairs = duplicate_pairs(seen, sketches)
    return [
        *table_findings(table),
        *_leaks(table),
        *_near_leaks(table, seen, pairs),
        *_records(table, seen.set_index("key")),
    ]


def _leaks(table: pd.DataFrame) -> Iterator[str]:
    """Yield what is kept in more than one split."""
    rows = table[kept(table)]
    for column in ("group", "sha256"):
        spans = rows.groupby(column)["split"].transform("nunique") > 1
        for _, members in rows[spans].groupby(column):
            keys = ", ".join(members["key"])
            yield f"{members['key'].iloc[0]}: one {column}, several splits: {keys}"


def _near_leaks(
    table: pd.DataFrame, seen: pd.DataFrame, pairs: np.ndarray
) -> Iterator[str]:
    """Yield near duplicates that are kept in different splits."""
    rows = table[kept(table)]
    split_of = dict(zip(rows["key"], rows["split"], strict=True))
    for pair in rows_of(seen, pairs):
        one, other = seen["key"][list(pair)]
        splits = split_of.get(one), split_of.get(other)
        if None not in splits and splits[0] != splits[1]:
            yield (
                f"{one}: kept in {splits[0]}, but a near duplicate of "
                f"{other} in {splits[1]}"
            )


def _records(table: pd.DataFrame, seen: pd.DataFrame) -> Iterator[str]:
    """Yield where the records are not what the manifest says of them."""
    expected = table.set_index("key")
    for key in seen.index.difference(expected.index, sort=False):
        yield f"{key}: in the records, not in the manifest"
    for key in expected.index.difference(seen.index, sort=False):
        yield f"{key}: in the manifest, not in the records"
    both = expected.index.intersection(seen.index, sort=False)
    for column, name in COPIED.items():
        then, now = expected.loc[both, column], seen.loc[both, column]
        for key in both[then != now]:
            yield (
                f"{key}: its {name} changed since the manifest was made, from "
                f"{then[key][:64]!r} to {now[key][:64]!r}"
            )
