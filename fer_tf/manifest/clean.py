"""Records to a manifest: what is unusable, what is there twice, what leaks."""

import hashlib
from collections.abc import Iterable
from typing import Any

import cv2
import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from fer_tf import labels
from fer_tf import picture
from fer_tf.errors import UserError
from fer_tf.manifest import hashes
from fer_tf.manifest.table import COLUMNS
from fer_tf.manifest.table import kept
from fer_tf.sources import Record

MIN_SIDE_PX = 24
# A picture whose grey levels hardly differ shows nothing.
MIN_CONTRAST = 3.0
# Of a group in several splits, the first of these that it is in keeps it.
PRECEDENCE = ("test", "validation", "train")


def clean(records: Iterable[Record], limit: int = 0) -> pd.DataFrame:
    """Return the manifest of `records`, which are read once and not held.

    Args:
        limit: the most rows that are kept of each source and split; 0 keeps all.

    Returns:
        A table with `table.COLUMNS`, ordered by source and key.

    Raises:
        UserError: two records have the same key.
    """
    table = pd.DataFrame([_row(record) for record in records], columns=list(COLUMNS))
    if table["key"].duplicated().any():
        key = table["key"][table["key"].duplicated()].iloc[0]
        raise UserError(f"two records have the key {key!r}: a source was given twice.")
    table = table.sort_values(["source", "key"], key=_natural, ignore_index=True)
    table["group"] = groups(table)
    table["excluded"] = leaks(table)
    table["excluded"] = _beyond(table, limit)
    return table


def groups(table: pd.DataFrame) -> pd.Series:
    """Return each row's group: the first key of all that it is linked with.

    Rows are linked by the same pixels or the same subject; links chain. A blank or
    unreadable picture is linked with nothing by its pixels.
    """
    usable = ~table["excluded"].isin(("blank", "undecodable"))
    subject = table["source"] + "/" + table["subject"]
    links = np.concatenate(
        [
            _links(table["sha256"].where(usable, "")),
            _links(subject.where(table["subject"] != "", "")),
        ]
    )
    ones = np.ones(len(links), bool)
    graph = coo_array((ones, (links[:, 0], links[:, 1])), (len(table), len(table)))
    component = connected_components(graph, directed=False)[1]
    return table.groupby(component)["key"].transform("first")


def leaks(table: pd.DataFrame) -> pd.Series:
    """Return `excluded`, a group that spans splits left in one of them.

    Test keeps it, else validation: taking from training costs least, and a test split
    stays what its publisher made it.
    """
    excluded = table["excluded"].copy()
    candidates = table[kept(table)]
    spans = candidates.groupby("group")["split"].transform("nunique") > 1
    for _, members in candidates[spans].groupby("group"):
        rank = members["split"].map(PRECEDENCE.index)
        keeper = members.loc[rank.idxmin()]
        for index, row in members[rank > rank.min()].iterrows():
            excluded[index] = _leak(row, keeper)
    return excluded


def _row(record: Record) -> dict[str, Any]:
    return {
        "key": record.key,
        "source": record.source,
        "label": record.label,
        "split": record.split,
        "group": record.key,
        "label_original": record.label_original,
        "votes": " ".join(str(vote) for vote in record.votes),
        "distribution": " ".join(f"{part:.7g}" for part in record.distribution),
        "subject": record.subject,
        **_look_at(record),
    }


def _look_at(record: Record) -> dict[str, Any]:
    """Return the columns that need the picture."""
    try:
        pixels = picture.decode(record.image)
    except ValueError:
        nothing = {"sha256": "", "phash": "", "width": 0, "height": 0}
        return {"excluded": "undecodable", **nothing}
    height, width = pixels.shape[:2]
    return {
        "excluded": _reason(record, pixels),
        "sha256": hashes.sha256_of_pixels(pixels),
        "phash": hashes.perceptual(pixels),
        "width": width,
        "height": height,
    }


def _reason(record: Record, pixels: np.ndarray) -> str:
    if cv2.meanStdDev(pixels)[1].max() < MIN_CONTRAST:
        return "blank"
    if min(pixels.shape[:2]) < MIN_SIDE_PX:
        return "too small"
    if record.label not in labels.CLASSES:
        return f"label: {record.label_original}"
    return ""


def _links(values: pd.Series) -> np.ndarray:
    """Return [links, 2], each row of a value tied to the first row of that value."""
    rows = np.arange(len(values))
    first = pd.Series(rows).groupby(values.to_numpy()).transform("min").to_numpy()
    tied = (values != "").to_numpy() & (first != rows)
    return np.stack([rows[tied], first[tied]], axis=1)


def _leak(row: pd.Series, keeper: pd.Series) -> str:
    same_picture = row["sha256"] == keeper["sha256"]
    why = "duplicate of" if same_picture or not row["subject"] else "same subject as"
    return f"{why} {keeper['key']} in {keeper['split']}"


def _beyond(table: pd.DataFrame, limit: int) -> pd.Series:
    """Return `excluded`, the rows over the limit marked, by the hash of their key.

    A larger limit keeps what a smaller one kept.
    """
    if not limit:
        return table["excluded"]
    order = table["key"].map(lambda key: hashlib.sha256(key.encode()).hexdigest())
    place = order[kept(table)].groupby([table["source"], table["split"]]).rank()
    return table["excluded"].mask(place > limit, "limit")


def _natural(column: pd.Series) -> pd.Series:
    """Return sort keys under which row 9 comes before row 10."""
    return column.str.replace(r"\d+", lambda digits: digits[0].zfill(12), regex=True)
