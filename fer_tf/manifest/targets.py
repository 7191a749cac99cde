"""What a row is trained towards, where more than one label stands for its picture."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from fer_tf import labels
from fer_tf.manifest.splits import HELD_OUT
from fer_tf.manifest.table import cluster
from fer_tf.manifest.table import kept

FER2013, FERPLUS = "fer2013", "ferplus"
UNWEIGHTED = "FERPlus has no weight in training"


def under_one_name(table: pd.DataFrame, ferplus_weight: float) -> pd.DataFrame:
    """Return `label`, `distribution`, `excluded`: FER2013 and FERPlus taken together.

    They are the same pictures. In training and validation a picture stays under one
    name: FER2013's where `ferplus_weight` is 0, and what FERPlus alone has is left out;
    else FERPlus'. Its target in training is then `ferplus_weight` times FERPlus' votes,
    plus the rest FER2013's label; where either has no label of ours it is FERPlus'
    alone. In test both names stay, each with its own label: they are two tests on the
    same pictures, and of one group. A picture that is held out under one name is as it
    is under the other.
    """
    done = table[["label", "distribution", "excluded"]].copy()
    pairs = _same_pictures(table)
    pairs = [(a, b) for a, b in pairs if table.at[a, "split"] == table.at[b, "split"]]
    for original, voted in pairs:
        split = table.at[original, "split"]
        held_out = HELD_OUT in (table.at[row, "excluded"] for row in (original, voted))
        if split == "test" or held_out:
            continue
        stays, goes = (voted, original) if ferplus_weight else (original, voted)
        if not table.at[goes, "excluded"]:
            done.at[goes, "excluded"] = f"same picture as {table.at[stays, 'key']}"
        both = table.at[original, "label"] and table.at[voted, "label"]
        if split == "train" and both and 0 < ferplus_weight < 1:
            mixed = ferplus_weight * _distribution(table, voted)
            mixed += (1 - ferplus_weight) * _distribution(table, original)
            _set_target(done, [voted], mixed)
    if not ferplus_weight:
        alone = (table["source"] == FERPLUS) & (table["split"] != "test")
        done.loc[alone & (done["excluded"] == ""), "excluded"] = UNWEIGHTED
    return done


def merge_duplicates(table: pd.DataFrame) -> pd.DataFrame:
    """Return `label` and `distribution`: duplicates in training share their votes.

    Every row of a cluster of duplicates gets the mean of its rows' distributions.
    Validation and test keep their publisher's labels.
    """
    done = table[["label", "distribution"]].copy()
    rows = table[kept(table) & (table["split"] == "train")]
    for _, members in disagreeing(rows):
        mean = np.mean([_distribution(table, row) for row in members.index], axis=0)
        _set_target(done, members.index, mean)
    return done


def disagreeing(rows: pd.DataFrame) -> Iterable[tuple[str, pd.DataFrame]]:
    """Yield clusters of duplicates whose labels differ, by their representative."""
    clusters = cluster(rows)
    differs = rows["label"].groupby(clusters).transform("nunique") > 1
    return rows[differs].groupby(clusters[differs])


def _same_pictures(table: pd.DataFrame) -> list[tuple[int, int]]:
    """Return the rows (FER2013's, FERPlus') of each picture that is in both.

    They are joined by the row of the challenge's file, which is the key of both, if its
    pixels are the same; where FER2013 came as folders, by the pixels, or by being
    duplicates, since JPEG has changed the pixels.
    """
    usable = table[table["sha256"] != ""]
    voted = usable[usable["source"] == FERPLUS]
    original = usable[usable["source"] == FER2013]
    by_row = {
        (_row_number(row.key), row.sha256): row.Index for row in voted.itertuples()
    }
    by_pixels = {row.sha256: row.Index for row in voted[::-1].itertuples()}
    by_cluster = dict(zip(cluster(voted[::-1]), voted.index[::-1], strict=True))
    clusters = cluster(original)
    pairs = []
    for row in original.itertuples():
        number = _row_number(row.key)
        if number.isdecimal():
            found = by_row.get((number, row.sha256))
        else:
            alike = by_cluster.get(clusters[row.Index])
            found = by_pixels.get(row.sha256, alike)
        if found is not None:
            pairs.append((row.Index, found))
    return pairs


def _row_number(key: str) -> str:
    return key.partition("/")[2]


def _distribution(table: pd.DataFrame, row: int) -> np.ndarray:
    return np.array(table.at[row, "distribution"].split(), float)


def _set_target(
    table: pd.DataFrame, rows: Iterable[int], distribution: np.ndarray
) -> None:
    """Give rows a target, and the label that is likeliest in it; ties keep a label."""
    text = " ".join(f"{part:.7g}" for part in distribution)
    likeliest = {
        labels.CLASSES[index]
        for index in np.flatnonzero(np.isclose(distribution, distribution.max()))
    }
    for row in rows:
        table.at[row, "distribution"] = text
        if table.at[row, "label"] not in likeliest:
            table.at[row, "label"] = min(likeliest, key=labels.CLASSES.index)
