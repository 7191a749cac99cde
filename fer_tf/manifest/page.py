"""The manifest's report as a page, with example pictures where they are wanted."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from fer_tf import labels
from fer_tf import page
from fer_tf.manifest import report
from fer_tf.manifest.table import kept

TEMPLATE = Path(__file__).with_name("page.html")
DUPLICATES_SHOWN = 24
LEFT_OUT_SHOWN = 8
MEMBERS_SHOWN = 12


def examples(table: pd.DataFrame) -> dict[str, list[tuple[str, ...]]]:
    """Return what is worth a look, by title: duplicates, large groups, rows left out.

    Each example is the keys of the pictures that are shown side by side.
    """
    leaked = table[table["excluded"].str.startswith("near duplicate of")]
    into = leaked["excluded"].map(lambda reason: report.LEAK.fullmatch(reason)["key"])
    found = {
        "Near duplicates across splits": _pairs(leaked["key"], into),
        "Near duplicates within a split": _pairs(*_within_a_split(table)),
        "Largest groups": _groups(table),
    }
    out = table[~kept(table)]
    for reason, rows in out.groupby(out["excluded"].map(report.kind)):
        if not report.LEAK.fullmatch(rows["excluded"].iloc[0]):
            found[f"Left out: {reason}"] = [
                (key,) for key in _spread(rows, LEFT_OUT_SHOWN)["key"]
            ]
    return {title: shown for title, shown in found.items() if shown}


def render(
    summary: Mapping[str, Any],
    table: pd.DataFrame,
    pictures: Mapping[str, bytes] | None = None,
) -> str:
    """Return the page.

    Args:
        summary: what `report.report` returns.
        pictures: the encoded pictures of the keys that `examples` names; None shows
            none, since faces are personal data.
    """
    notes = table.set_index("key")[["label_published", "split", "label_original"]]
    return page.render(
        TEMPLATE,
        data=summary,
        classes=labels.CLASSES,
        examples=examples(table) if pictures else {},
        pictures={key: _address(data) for key, data in (pictures or {}).items()},
        notes=notes.to_dict("index") if pictures else {},
    )


def _within_a_split(table: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    rows = table[kept(table) & (table["duplicate_of"] != "")]
    others = table.set_index("key").loc[rows["duplicate_of"]]
    alike = (rows["split"].to_numpy() == others["split"].to_numpy()) & (
        rows["sha256"].to_numpy() != others["sha256"].to_numpy()
    )
    return rows["key"][alike], rows["duplicate_of"][alike]


def _pairs(first: pd.Series, second: pd.Series) -> list[tuple[str, str]]:
    shown = _spread(pd.DataFrame({"first": first, "second": second}), DUPLICATES_SHOWN)
    return list(zip(shown["first"], shown["second"], strict=True))


def _groups(table: pd.DataFrame) -> list[tuple[str, ...]]:
    """Return the members of the largest groups, each picture once."""
    distinct = table[table["sha256"] != ""].drop_duplicates("sha256")
    return [
        tuple(distinct["key"][distinct["group"] == name][:MEMBERS_SHOWN])
        for name in report.largest(table)
    ]


def _spread(rows: pd.DataFrame, count: int) -> pd.DataFrame:
    """Return at most `count` rows, spread over the table."""
    step = max(1, len(rows) // count)
    return rows.iloc[::step][:count]


def _address(data: bytes) -> str:
    # Records are stored as PNG or JPEG alone.
    kind = "image/png" if data.startswith(b"\x89PNG") else "image/jpeg"
    return page.data_uri(data, kind)
