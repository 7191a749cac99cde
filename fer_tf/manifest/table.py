"""The manifest's columns, and its CSV file.

Every cell but `width` and `height` is text, as it stands in the file: `votes` and
`distribution` are numbers with spaces between them, and "" is "", never NaN.
"""

from pathlib import Path

import pandas as pd

from fer_tf import files
from fer_tf.errors import UserError

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


def read(path: Path) -> pd.DataFrame:
    """Read a manifest.

    Raises:
        UserError: it is missing, is not a manifest, or has a key twice.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
        table = table.astype({name: "int64" for name in NUMBERS})
    except FileNotFoundError:
        raise UserError(
            f"there is no manifest {path}. Make it with: fer-tf data clean"
        ) from None
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{path} is not readable as a manifest: {error}") from None
    missing = [name for name in COLUMNS if name not in table]
    if missing:
        raise UserError(f"{path} lacks the columns {', '.join(missing)}.")
    repeated = table["key"][table["key"].duplicated()]
    if len(repeated):
        raise UserError(f"{path} has the key {repeated.iloc[0]!r} twice.")
    return table


def write(path: Path, table: pd.DataFrame) -> None:
    """Write a manifest, whole or not at all."""
    with files.replacing(path) as temporary:
        table.to_csv(
            temporary,
            columns=list(COLUMNS),
            index=False,
            encoding="utf-8",
            lineterminator="\n",
        )


def cluster(table: pd.DataFrame) -> pd.Series:
    """Return for each row the key of the picture that stands for its duplicates."""
    return table["duplicate_of"].where(table["duplicate_of"] != "", table["key"])


def kept(table: pd.DataFrame) -> pd.Series:
    """Return for each row whether it is kept."""
    return table["excluded"] == ""
