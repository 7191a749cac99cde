"""From the publishers' splits to those that are used."""

import hashlib
from collections.abc import Collection

import pandas as pd

from fer_tf.manifest.table import kept
from fer_tf.sources import DOMAIN_VALIDATION

HELD_OUT = "held out: never trained on"
PART = 0.1


def assign(
    table: pd.DataFrame,
    held_out: Collection[str] = (),
    validate_on: Collection[str] = (),
) -> pd.DataFrame:
    """Return `split` and `excluded` of each row.

    The publisher's held-out part is test. A source without a test split gives one of
    10 %, and one without a validation split another, whole groups at a time, by the
    hash of their first key in that source: other sources do not move a group. Of a
    held-out source only test is kept; one that has no test split is test altogether.
    A source in `validate_on` is never trained on either: what is not its publisher's
    test split is `DOMAIN_VALIDATION`, which choices may look at.
    """
    done = table[["split", "excluded"]].copy()
    for source, rows in table.groupby("source"):
        published = set(rows["split_published"])
        if source in validate_on:
            is_test = rows["split_published"] == "test"
            done.loc[rows.index[~is_test], "split"] = DOMAIN_VALIDATION
        elif source not in held_out:
            done.loc[rows.index, "split"] = _cut(rows, published)
        elif "test" not in published:
            done.loc[rows.index, "split"] = "test"
        else:
            barred = rows[kept(rows) & (rows["split_published"] != "test")]
            done.loc[barred.index, "excluded"] = HELD_OUT
    return done


def _cut(rows: pd.DataFrame, published: set[str]) -> pd.Series:
    split = rows["split_published"].copy()
    place = rows.groupby("group")["key"].transform("first").map(_place)
    for part, name in enumerate(("test", "validation")):
        if name not in published:
            chosen = (place >= part * PART) & (place < (part + 1) * PART)
            split[chosen & (rows["split_published"] == "train")] = name
    return split


def _place(key: str) -> float:
    """Return a number in 0..1 that hangs on `key` alone."""
    return int(hashlib.sha256(key.encode()).hexdigest()[:12], 16) / 16**12
