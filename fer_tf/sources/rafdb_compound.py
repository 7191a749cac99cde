"""RAF-DB's eleven compound expressions, each taken for its leading one."""

from collections.abc import Iterator
from pathlib import Path

from fer_tf import labels
from fer_tf.sources import disk
from fer_tf.sources import rafdb
from fer_tf.sources.entry import Entry
from fer_tf.sources.entry import records
from fer_tf.sources.record import Record
from fer_tf.sources.rejects import Rejects

NAME = "rafdb_compound"


def find(folder: Path) -> Path:
    """Return the folder with the compound labels and their pictures.

    It is `folder`, its `compound/`, or the `compound/` of the folder `rafdb` beside it.

    Raises:
        UserError: labels or pictures are missing.
    """
    beside = folder.parent / rafdb.NAME / "compound"
    folders = [folder, folder / "compound", beside]
    return disk.find(NAME, folders, [rafdb.LABELS, rafdb.PICTURES])


def layout(root: Path) -> str:
    """Return the layout, for the build's report."""
    return f"{rafdb.LABELS} and {rafdb.PICTURES}/ of the compound set"


def read(root: Path, rejects: Rejects, split: str = "") -> Iterator[Record]:
    """Yield a record per row of `rafdb.LABELS`; with a `split`, only its rows.

    Raises:
        UserError: something is missing, or too many rows were rejected.
    """
    return records(entries(root), rejects, split)


def entries(root: Path) -> Iterator[Entry]:
    """Yield what `read` reads."""
    return rafdb.labelled(find(root), NAME, labels.RAFDB_COMPOUND)
