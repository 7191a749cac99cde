"""What a manifest holds: rows in, rows kept, and where the others went."""

import re
from collections.abc import Mapping
from typing import Any

import pandas as pd

from fer_tf import labels
from fer_tf.manifest import targets
from fer_tf.manifest.clean import NO_PICTURE
from fer_tf.manifest.table import cluster
from fer_tf.manifest.table import kept
from fer_tf.sources import MANIFEST_SPLITS

NOT_OURS = "none of ours"
LEAK = re.compile(r"(?P<why>.*? (of|as)) (?P<key>.*/.*) in (?P<into>\w+)")
SAME_PICTURE = re.compile(r"same picture as .*")
# What a build reports besides: see `fer_tf.sources.rejects.Rejects`.
READING = ("layout", "classes", "notes", "skipped")
LARGEST_GROUPS = 10
SHOWN_KEYS = 30


def report(
    table: pd.DataFrame, rejects: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the manifest's figures, ready for JSON.

    In every part `rows` is `kept` plus the sum of `excluded`, which counts rows by
    reason; `attempted` of a source is `rows` plus what was `rejected`.

    Args:
        rejects: by source, what could not be made a record when it was built:
            `attempted` rows, and `rejected`, reasons by file and row; and, of newer
            builds, `READING`.
    """
    return {
        **_counts(table),
        "by_source": {
            source: {
                **_counts(rows),
                "attempted": rejects[source]["attempted"],
                "rejected": rejects[source]["rejected"],
                **{name: rejects[source].get(name, {}) for name in READING},
                "by_split": _by_split(rows),
            }
            for source, rows in table.groupby("source")
        },
        "duplicates": _duplicates_by_source(table),
        "leaks": leaks(table),
        "disagreeing": [
            _group(members) for _, members in targets.disagreeing(_trained(table))
        ],
        "largest_groups": largest_groups(table),
    }


def stats(table: pd.DataFrame) -> pd.DataFrame:
    """Return how many rows are kept, by source and split, a column per class."""
    rows = table[kept(table)]
    counts = pd.crosstab([rows["source"], rows["split"]], rows["label"])
    counts = counts.reindex(columns=list(labels.CLASSES), fill_value=0)
    return counts.sort_index(level="split", key=_split_order, sort_remaining=False)


def duplicates(rows: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Return how many photographs are there more than once: exact, and near.

    `exact` are those with the very same pixels; `near` are clusters with more than one
    picture, all of which match the one that stands for them. `pictures` counts those
    that several `rows` show, `within_split` and `across_splits` part them by the
    publisher's splits, `other_label` counts those whose rows do not agree on the
    publisher's label. Blank and unreadable pictures are left out.
    """
    usable = rows[~rows["excluded"].isin(NO_PICTURE)]
    return {
        "exact": _doubled(_shown(usable, usable["sha256"]), "rows"),
        "near": _doubled(_shown(usable, cluster(usable)), "pictures"),
    }


def leaks(table: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Return how many rows left a split, by why and by `from -> to`."""
    found: dict[str, dict[str, int]] = {}
    for reason, split in zip(table["excluded"], table["split"], strict=True):
        if match := LEAK.fullmatch(reason):
            ways = found.setdefault(match["why"], {})
            way = f"{split} -> {match['into']}"
            ways[way] = ways.get(way, 0) + 1
    return found


def largest_groups(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return what is in the largest groups."""
    return [_group(table[table["group"] == name]) for name in largest(table)]


def largest(table: pd.DataFrame) -> list[str]:
    """Return the ten largest groups, of two rows or more."""
    sizes = table["group"].value_counts()
    return sizes[sizes > 1].index[:LARGEST_GROUPS].tolist()


def kind(reason: str) -> str:
    """Return the reason without the key it names: what rows are counted by."""
    leak = LEAK.fullmatch(reason)
    if leak:
        return f"{leak['why']} another in {leak['into']}"
    return SAME_PICTURE.sub("same picture as another", reason)


def _duplicates_by_source(table: pd.DataFrame) -> dict[str, Any]:
    found = {source: duplicates(rows) for source, rows in table.groupby("source")}
    return found if len(found) == 1 else {**found, "all together": duplicates(table)}


def _counts(rows: pd.DataFrame) -> dict[str, Any]:
    reasons = rows["excluded"][~kept(rows)].map(kind).value_counts()
    return {
        "rows": len(rows),
        "kept": int(kept(rows).sum()),
        "excluded": {reason: int(n) for reason, n in sorted(reasons.items())},
    }


def _by_split(rows: pd.DataFrame) -> dict[str, Any]:
    parts = {split: rows[rows["split"] == split] for split in MANIFEST_SPLITS}
    return {
        split: {**_counts(part), **_classes(part)}
        for split, part in parts.items()
        if len(part)
    }


def _classes(rows: pd.DataFrame) -> dict[str, Any]:
    """Return rows by class: kept, and left out by the publisher's label.

    Imbalance is the largest class that is kept over the smallest.
    """
    by_class = _by_class(rows["label"][kept(rows)])
    out = rows["label_published"][~kept(rows)].replace("", NOT_OURS)
    smallest = min(by_class.values())
    imbalance = round(max(by_class.values()) / smallest, 2) if smallest else None
    return {
        "by_class": by_class,
        "excluded_by_class": {**_by_class(out), NOT_OURS: int((out == NOT_OURS).sum())},
        "imbalance": imbalance,
    }


def _by_class(names: pd.Series) -> dict[str, int]:
    counts = names.value_counts()
    return {name: int(counts.get(name, 0)) for name in labels.CLASSES}


def _shown(rows: pd.DataFrame, by: pd.Series) -> pd.DataFrame:
    return rows.groupby(by).agg(
        rows=("key", "size"),
        pictures=("sha256", "nunique"),
        splits=("split_published", "nunique"),
        labels=("label_published", "nunique"),
    )


def _doubled(shown: pd.DataFrame, column: str) -> dict[str, int]:
    shown = shown[shown[column] > 1]
    return {
        "pictures": len(shown),
        "rows": int(shown["rows"].sum()),
        "within_split": int((shown["splits"] == 1).sum()),
        "across_splits": int((shown["splits"] > 1).sum()),
        "other_label": int((shown["labels"] > 1).sum()),
    }


def _trained(table: pd.DataFrame) -> pd.DataFrame:
    """Return what is trained on, by its publisher's labels."""
    rows = table[kept(table) & (table["split"] == "train")]
    return rows.assign(label=rows["label_published"])


def _group(members: pd.DataFrame) -> dict[str, Any]:
    return {
        "rows": len(members),
        "keys": members["key"].tolist()[:SHOWN_KEYS],
        "labels": members["label_published"].tolist()[:SHOWN_KEYS],
        "splits": members["split_published"].tolist()[:SHOWN_KEYS],
    }


def _split_order(splits: pd.Index) -> pd.Index:
    return splits.map(lambda split: (*MANIFEST_SPLITS, split).index(split))
