"""RAF-DB's seven basic expressions: aligned faces and a text file of labels.

Or in folders of splits and classes, as Kaggle has them: `rafdb_folders`.
"""

from collections.abc import Iterator
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from fer_tf import labels
from fer_tf.sources import disk
from fer_tf.sources import rafdb_folders
from fer_tf.sources import text
from fer_tf.sources.entry import Entry
from fer_tf.sources.entry import Skipped
from fer_tf.sources.entry import records
from fer_tf.sources.record import Record
from fer_tf.sources.record import converted
from fer_tf.sources.rejects import Rejects

NAME = "rafdb"
# The publisher's own spelling.
LABELS = "EmoLabel/list_patition_label.txt"
PICTURES = "Image/aligned"


def find(folder: Path) -> Path:
    """Return `folder` or its `basic/`.

    Raises:
        UserError: The labels or the faces are missing, or the class folders are not
            RAF-DB's.
    """
    if not _published(folder) and rafdb_folders.recognized(folder):
        rafdb_folders.check(NAME, folder)
        return folder
    return disk.find(NAME, [folder, folder / "basic"], [LABELS, PICTURES])


def layout(root: Path) -> str:
    """Return which of the layouts was recognized, for the build's report."""
    if (root / LABELS).exists():
        return f"{LABELS} and {PICTURES}/"
    return "folders of splits and classes, as Kaggle has them; numbers are RAF-DB's"


def read(root: Path, rejects: Rejects, split: str = "") -> Iterator[Record]:
    """Yield a record per row of `LABELS`; with a `split`, only its rows.

    Raises:
        UserError: something is missing, or too many rows were rejected.
    """
    return records(entries(root), rejects, split)


def entries(root: Path) -> Iterator[Entry | Skipped]:
    """Yield what `read` reads."""
    root = find(root)
    if (root / LABELS).exists():
        return labelled(root, NAME, labels.RAFDB)
    return rafdb_folders.entries(root, NAME)


def labelled(root: Path, source: str, codes: Mapping[str, str]) -> Iterator[Entry]:
    """Yield the rows of `LABELS`, each a picture's name and one of `codes`."""
    for row, line in text.lines(root / LABELS):
        make = partial(_record, root, source, codes, line)
        yield Entry(f"{LABELS}, row {row}", _split(line), make)


def face(root: Path, name: str) -> tuple[bytes, str]:
    """Return the aligned face of the picture `name`, as `disk.encoded` does."""
    return disk.encoded(root / PICTURES, f"{stem(name)}_aligned.jpg")


def stem(name: str) -> str:
    """Return a picture's name without its suffix."""
    return name.removesuffix(".jpg")


def _published(folder: Path) -> bool:
    return any((place / LABELS).exists() for place in (folder, folder / "basic"))


def _split(line: str) -> str:
    """Return the split that a picture's name begins with; "" if it does not."""
    split = line.partition("_")[0]
    return split if split in ("train", "test") else ""


def _record(root: Path, source: str, codes: Mapping[str, str], line: str) -> Record:
    name, code = text.cells(line.split(), 2)
    if not _split(line):
        raise ValueError(f"expected a name of train_ or test_, received {name[:80]!r}.")
    label = labels.of_code(code, codes)
    image, kind = face(root, name)
    return Record(
        key=f"{source}/{stem(name)}",
        image=image,
        label=label,
        label_original=code,
        distribution=labels.one_hot(label),
        split=_split(line),
        notes=converted(kind),
    )
