"""Records to a manifest: what is unusable, what is there twice, what leaks."""

import hashlib
import itertools
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from fer_tf import labels
from fer_tf import picture
from fer_tf.config import DataConfig
from fer_tf.errors import UserError
from fer_tf.manifest import duplicates
from fer_tf.manifest import hashes
from fer_tf.manifest import splits
from fer_tf.manifest import targets
from fer_tf.manifest.sketches import Sketches
from fer_tf.manifest.table import COLUMNS
from fer_tf.manifest.table import cluster
from fer_tf.manifest.table import kept
from fer_tf.preprocess import shown
from fer_tf.sources import DOMAIN_VALIDATION
from fer_tf.sources import Record

MIN_SIDE_PX = 24
# A picture whose grey levels hardly differ shows nothing.
MIN_CONTRAST = 3.0
TOO_SMALL = f"too small: under {MIN_SIDE_PX} pixels"
# These show too little to be compared with others: not at all, but for their pixels.
NO_PICTURE = ("blank", "undecodable")
UNCOMPARED = (*NO_PICTURE, TOO_SMALL)
# Of a group in several splits, the first of these that it is in keeps it.
PRECEDENCE = ("test", DOMAIN_VALIDATION, "validation", "train")
SKETCH = "sketch"
# Of these cells many rows have the same: one text for all of them saves a lot.
REPEATED = ("source", "label_original", "distribution", "votes")


def clean(records: Iterable[Record], config: DataConfig = DataConfig()) -> pd.DataFrame:
    """Return the manifest of `records`, which are read once and not held.

    Returns:
        A table with `table.COLUMNS`, ordered by source and key.

    Raises:
        UserError: two records have the same key.
    """
    with Sketches() as sketches:
        table = look_at(records, sketches)
        pairs = duplicate_pairs(table, sketches)
    table = table.drop(columns=SKETCH)
    table["duplicate_of"] = clusters(table, pairs)
    table["group"] = groups(table)
    changed = splits.assign(table, config.held_out, config.validate_on)
    table[changed.columns] = changed
    changed = targets.under_one_name(table, config.ferplus_weight)
    table[changed.columns] = changed
    table["excluded"] = leaks(table, pairs)
    if config.disagreeing == "merge":
        changed = targets.merge_duplicates(table)
        table[changed.columns] = changed
    table["excluded"] = _beyond(table, config.limit)
    return table[list(COLUMNS)]


def look_at(records: Iterable[Record], sketches: Sketches) -> pd.DataFrame:
    """Return what is seen of each record alone; their pictures are sketched.

    The column `sketch` is the number of the sketch, -1 where there is none.

    Raises:
        UserError: two records have the same key.
    """
    columns: dict[str, list[Any]] = {name: [] for name in (*COLUMNS, SKETCH)}
    known: dict[str, str] = {}
    for record in records:
        for name, value in _row(record, sketches).items():
            shared = name in REPEATED
            columns[name].append(known.setdefault(value, value) if shared else value)
    table = pd.DataFrame(columns)
    del columns
    repeated = table["key"].duplicated()
    if repeated.any():
        key = table["key"][repeated].iloc[0]
        raise UserError(f"two records have the key {key!r}: a source was given twice.")
    return table.sort_values(["source", "key"], key=_natural, ignore_index=True)


def duplicate_pairs(table: pd.DataFrame, sketches: Sketches) -> np.ndarray:
    """Return the rows that show one photograph in other pixels, int64 [pairs, 2].

    Of rows with the very same pixels only the first takes part.
    """
    usable = table[table[SKETCH] >= 0].drop_duplicates("sha256")
    row_of = pd.Series(usable.index, usable[SKETCH])
    pairs = duplicates.find(sketches, np.sort(usable[SKETCH].to_numpy()))
    rows = row_of[pairs.ravel()].to_numpy(np.int64).reshape(-1, 2)
    return np.sort(rows, axis=1)


def rows_of(table: pd.DataFrame, pairs: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield `pairs` of rows, and for each those of all rows with the same pixels."""
    showing = table.groupby("sha256").groups
    for pair in pairs:
        first, second = (showing[table.at[row, "sha256"]] for row in pair)
        yield from itertools.product(first, second)


def clusters(table: pd.DataFrame, pairs: np.ndarray) -> pd.Series:
    """Return `duplicate_of`: every row matches the row that is named there."""
    standing = duplicates.representatives(len(table), pairs)
    rows = np.arange(len(table))
    shown = table["sha256"].where(~table["excluded"].isin(NO_PICTURE), "")
    first = _first_row_of(shown)
    stands = standing[first]
    keys = table["key"].to_numpy(object)
    return pd.Series(np.where(stands == rows, "", keys[stands]), table.index, str)


def groups(table: pd.DataFrame) -> pd.Series:
    """Return each row's group: the first key of all that it is linked with.

    Rows are linked by the photograph that they duplicate, by their subject, and by the
    photo that they were cut from; what is linked with the same row is one group.
    """
    photo, subject = (
        (table["source"] + "/" + table[name]).where(table[name] != "", "")
        for name in ("photo", "subject")
    )
    rows = np.arange(len(table))
    ties = (cluster(table), photo, subject)
    first = np.concatenate([_first_row_of(each) for each in ties])
    links = (np.ones(len(first), bool), (np.tile(rows, 3), first))
    graph = coo_array(links, (len(table), len(table)))
    component = connected_components(graph, directed=False)[1]
    return table.groupby(component)["key"].transform("first")


def leaks(table: pd.DataFrame, pairs: np.ndarray) -> pd.Series:
    """Return `excluded`, what is in several splits left in one of them.

    Test keeps it, else validation: taking from training costs least, and a test split
    stays what its publisher made it. That goes for whole groups, and for pairs of near
    duplicates whose clusters are not one: a cluster does not grow by chaining, but a
    picture must not leak along a chain either.
    """
    excluded = table["excluded"].copy()
    rank = table["split"].map(PRECEDENCE.index)
    candidates = table[kept(table)]
    spans = candidates.groupby("group")["split"].transform("nunique") > 1
    for _, members in candidates[spans].groupby("group"):
        ranks = rank[members.index]
        keepers = members[ranks == ranks.min()]
        for index, row in members[ranks > ranks.min()].iterrows():
            excluded[index] = _leak(row, keepers)
    group = table["group"].to_numpy()
    crossing = pairs[group[pairs[:, 0]] != group[pairs[:, 1]]]
    for first, second in rows_of(table, crossing):
        if excluded[first] or excluded[second] or rank[first] == rank[second]:
            continue
        goes, stays = sorted((first, second), key=rank.__getitem__, reverse=True)
        excluded[goes] = _leak(table.loc[goes], table.loc[[stays]])
    return excluded


def _row(record: Record, sketches: Sketches) -> dict[str, Any]:
    return {
        "key": record.key,
        "source": record.source,
        "label": record.label,
        "split": record.split,
        "group": record.key,
        "duplicate_of": "",
        "label_published": record.label,
        "label_original": record.label_original,
        "split_published": record.split,
        "votes": " ".join(map(str, record.votes)),
        "distribution": " ".join(f"{part:.7g}" for part in record.distribution),
        "subject": record.subject,
        "photo": record.photo,
        **_look_at_picture(record, sketches),
    }


def _look_at_picture(record: Record, sketches: Sketches) -> dict[str, Any]:
    """Return the columns that need the picture."""
    try:
        pixels, unfit = _decode(record.image)
    except ValueError:
        nothing = {"sha256": "", "phash": "", "width": 0, "height": 0, SKETCH: -1}
        return {"excluded": "undecodable", **nothing}
    height, width = pixels.shape[:2]
    seen = {
        "excluded": unfit or _reason(record, pixels),
        "sha256": hashes.sha256_of_pixels(pixels),
        "phash": "",
        "width": width,
        "height": height,
        SKETCH: -1,
    }
    if seen["excluded"] not in UNCOMPARED:
        # What a model is shown: two corpora may leave different slack around a face.
        seen[SKETCH] = len(sketches)
        seen["phash"] = sketches.add(shown(pixels, record.square_xywh_px))
    return seen


def _decode(data: bytes) -> tuple[np.ndarray, str]:
    """Return the pixels, and what makes the image unfit; "" where nothing does."""
    try:
        return picture.read_still(data).pixels, ""
    except ValueError as error:
        return picture.decode(data), f"unfit: {error}"


def _reason(record: Record, pixels: np.ndarray) -> str:
    if cv2.meanStdDev(pixels)[1].max() < MIN_CONTRAST:
        return "blank"
    if min(pixels.shape[:2]) < MIN_SIDE_PX:
        return TOO_SMALL
    if record.label not in labels.CLASSES:
        name = labels.published_name(record.source, record.label_original)
        return f"label: {name}"
    return ""


def _first_row_of(values: pd.Series) -> np.ndarray:
    """Return for each row the first row of the same value; "" is like no other."""
    rows = np.arange(len(values))
    first = pd.Series(rows).groupby(values.to_numpy()).transform("min").to_numpy()
    return np.where((values != "").to_numpy(), first, rows)


def _leak(row: pd.Series, keepers: pd.DataFrame) -> str:
    """Return why a row leaves, naming the one that it would leak into."""
    ties = {
        "duplicate of": keepers["sha256"] == row["sha256"],
        "near duplicate of": cluster(keepers) == (row["duplicate_of"] or row["key"]),
        "same photo as": _same(row, keepers, "photo"),
        "same subject as": _same(row, keepers, "subject"),
    }
    for why, tied in ties.items():
        if tied.any():
            return _reason_naming(why, keepers[tied].iloc[0])
    same_group = row["group"] == keepers["group"].iloc[0]
    why = "in the group of" if same_group else "near duplicate of"
    return _reason_naming(why, keepers.iloc[0])


def _same(row: pd.Series, others: pd.DataFrame, column: str) -> pd.Series:
    same = (others[column] == row[column]) & (others["source"] == row["source"])
    return same & (row[column] != "")


def _reason_naming(why: str, keeper: pd.Series) -> str:
    return f"{why} {keeper['key']} in {keeper['split']}"


def _beyond(table: pd.DataFrame, limit: int) -> pd.Series:
    """Return `excluded`, the rows over the limit marked, by the hash of their key.

    A larger limit keeps what a smaller one kept.
    """
    if not limit:
        return table["excluded"]
    order = table["key"].map(lambda key: hashlib.sha256(key.encode()).hexdigest())
    place = order[kept(table)].groupby([table["source"], table["split"]]).rank()
    return table["excluded"].mask(place.reindex(table.index) > limit, "limit")


def _natural(column: pd.Series) -> pd.Series:
    """Return sort keys under which row 9 comes before row 10."""
    return column.str.replace(r"\d+", lambda digits: digits[0].zfill(12), regex=True)
