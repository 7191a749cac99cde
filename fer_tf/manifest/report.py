"""What a manifest holds: rows in, rows kept, and where the others went."""

import re
from typing import Any

import pandas as pd

from fer_tf import labels
from fer_tf.manifest.table import kept
from fer_tf.sources import SPLITS

NAMES_A_KEY = re.compile(r" (of|as) .* in ")


def report(table: pd.DataFrame) -> dict[str, Any]:
    """Return the manifest's figures, ready for JSON.

    In every part `rows` is `kept` plus the sum of `excluded`, which counts rows by
    reason.
    """
    return {
        **_counts(table),
        "by_source": {
            source: {**_counts(rows), "by_split": _by_split(rows)}
            for source, rows in table.groupby("source")
        },
        "duplicates": duplicates(table),
    }


def stats(table: pd.DataFrame) -> pd.DataFrame:
    """Return how many rows are kept, by source and split, a column per class."""
    rows = table[kept(table)]
    counts = pd.crosstab([rows["source"], rows["split"]], rows["label"])
    counts = counts.reindex(columns=list(labels.CLASSES), fill_value=0)
    return counts.sort_index(level="split", key=_split_order, sort_remaining=False)


def duplicates(table: pd.DataFrame) -> dict[str, int]:
    """Return how many pictures are there more than once, pixel for pixel.

    `pictures` counts those shown by several rows, `within_split` and `across_splits`
    part them, `other_label` counts those whose rows do not agree on a label. Blank
    and unreadable pictures are left out.
    """
    usable = table[~table["excluded"].isin(("blank", "undecodable"))]
    shown = usable.groupby("sha256").agg(
        rows=("key", "size"), splits=("split", "nunique"), labels=("label", "nunique")
    )
    shown = shown[shown["rows"] > 1]
    return {
        "pictures": len(shown),
        "rows": int(shown["rows"].sum()),
        "within_split": int((shown["splits"] == 1).sum()),
        "across_splits": int((shown["splits"] > 1).sum()),
        "other_label": int((shown["labels"] > 1).sum()),
    }


def kind(reason: str) -> str:
    """Return the reason without the key it names: what rows are counted by."""
    return NAMES_A_KEY.sub(r" \1 another in ", reason)


def _counts(rows: pd.DataFrame) -> dict[str, Any]:
    reasons = rows["excluded"][~kept(rows)].map(kind).value_counts()
    return {
        "rows": len(rows),
        "kept": int(kept(rows).sum()),
        "excluded": {reason: int(n) for reason, n in sorted(reasons.items())},
    }


def _by_split(rows: pd.DataFrame) -> dict[str, Any]:
    parts = {split: rows[rows["split"] == split] for split in SPLITS}
    return {
        split: {**_counts(part), **_classes(part)}
        for split, part in parts.items()
        if len(part)
    }


def _classes(rows: pd.DataFrame) -> dict[str, Any]:
    """Return kept rows by class; imbalance is the largest class over the smallest."""
    counts = rows["label"][kept(rows)].value_counts()
    by_class = {name: int(counts.get(name, 0)) for name in labels.CLASSES}
    smallest = min(by_class.values())
    imbalance = round(max(by_class.values()) / smallest, 2) if smallest else None
    return {"by_class": by_class, "imbalance": imbalance}


def _split_order(splits: pd.Index) -> pd.Index:
    return splits.map(SPLITS.index)
