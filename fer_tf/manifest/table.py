"""The manifest's columns, and its CSV file.

Every cell but `width` and `height` is text, as it stands in the file: `votes` and
`distribution` are numbers with spaces between them, and "" is "", never NaN.
"""

from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from fer_tf import files
from fer_tf import labels
from fer_tf import spreadsheet
from fer_tf.errors import UserError
from fer_tf.sources import MANIFEST_SPLITS

# key              as the record's
# label            what it is trained towards or tested against; "" where it is none of
#                  ours; `label_published` is the publisher's, in our words
# split            the one that is used; `split_published` is the publisher's
# group            the first key of all that show the same photograph or subject
# excluded         why the row is left out; "" where it is kept
# sha256           of the decoded pixels; "" where they cannot be decoded
# phash            64 bits in hexadecimal that hardly change when a picture is altered
# duplicate_of     the key of the picture that this is a duplicate of; "" for that one
# label_original   the publisher's own, verbatim
COLUMNS = (
    "key",
    "source",
    "label",
    "split",
    "group",
    "excluded",
    "sha256",
    "phash",
    "width",
    "height",
    "duplicate_of",
    "label_published",
    "label_original",
    "split_published",
    "votes",
    "distribution",
    "subject",
    "photo",
)
NUMBERS = ("width", "height")
# Text as the publisher wrote it; in the file, no spreadsheet runs it as a formula.
PUBLISHED = ("label_original", "subject", "photo")


# What the manifest's report, which is written beside it, calls the SHA-256 of its CSV.
SHA256 = "manifest_sha256"


def read(path: Path) -> pd.DataFrame:
    """Read a manifest that is as it was written, and whose kept rows can be used.

    Raises:
        UserError: the manifest is missing, was damaged or edited since it was written,
            or has a row that cannot be used.
    """
    if changed(path):
        raise UserError(f"{path} {CHANGED}")
    table = parse(path)
    for finding in findings(table):
        raise UserError(f"{path}: {finding}. See: fer-tf data validate")
    return table


CHANGED = (
    "was damaged or edited since it was written: its SHA-256 is not the one in its "
    "report. Make it again with `fer-tf data clean`; or, if you edited it on purpose, "
    "accept it with `fer-tf data validate MANIFEST --accept`."
)


def changed(path: Path) -> bool:
    """Return whether a manifest is not the one that its report describes.

    Without a report, or with a report that names no SHA-256, nothing is known to have
    changed.
    """
    report = path.with_suffix(".json")
    if not (path.is_file() and report.is_file()):
        return False
    described = files.read_json(report)
    expected = described.get(SHA256) if isinstance(described, dict) else None
    return expected is not None and files.sha256_of(path) != expected


def parse(path: Path) -> pd.DataFrame:
    """Read a manifest, whatever its rows say and whether or not they have changed.

    Raises:
        UserError: the file is missing, is not a manifest, or has a key twice.
    """
    do = "Make it with: fer-tf data clean"
    with files.reading(path, "a manifest", do):
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
        missing = [name for name in COLUMNS if name not in table]
        if missing:
            raise UserError(f"{path} lacks the columns {', '.join(missing)}. {do}")
        table = table.astype({name: "int64" for name in NUMBERS})
        table = _with_cells(table, spreadsheet.plain)
    repeated = table["key"][table["key"].duplicated()]
    if len(repeated):
        raise UserError(f"{path} has the key {repeated.iloc[0]!r} twice.")
    return table


def findings(table: pd.DataFrame) -> Iterator[str]:
    """Yield each row that cannot be used, as a sentence that begins with its key."""
    for row in table[~table["split"].isin(MANIFEST_SPLITS)].itertuples():
        expected = ", ".join(MANIFEST_SPLITS)
        yield f"{row.key}: expected a split of {expected}, received {row.split!r}"
    rows = table[kept(table)]
    for row in rows[~rows["label"].isin(labels.CLASSES)].itertuples():
        yield f"{row.key}: kept, but its label {row.label!r} is none of ours"
    for column, what, check in (
        ("distribution", "distribution", _is_distribution),
        ("votes", "list of votes", _are_votes),
    ):
        # Few different texts stand in many rows.
        wrong = [text for text in rows[column].unique() if not check(text)]
        for row in rows[rows[column].isin(wrong)].itertuples():
            text = getattr(row, column)
            yield f"{row.key}: kept, but {text[:80]!r} is no {what}"


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


def _are_votes(text: str) -> bool:
    # Python refuses integers of thousands of digits, and takes digits of any script.
    return all(
        part.isascii() and part.isdigit() and len(part) < 10 for part in text.split()
    )


def write(path: Path, table: pd.DataFrame) -> None:
    """Write a manifest, whole or not at all."""
    table = _with_cells(table, spreadsheet.cell)
    with files.replacing(path) as temporary:
        table.to_csv(
            temporary,
            columns=list(COLUMNS),
            index=False,
            encoding="utf-8",
            lineterminator="\n",
        )


def _with_cells(table: pd.DataFrame, convert: Callable[[str], str]) -> pd.DataFrame:
    return table.assign(**{name: table[name].map(convert) for name in PUBLISHED})


def cluster(table: pd.DataFrame) -> pd.Series:
    """Return for each row the key of the picture that stands for its duplicates."""
    return table["duplicate_of"].where(table["duplicate_of"] != "", table["key"])


def kept(table: pd.DataFrame) -> pd.Series:
    """Return for each row whether it is kept."""
    return table["excluded"] == ""
