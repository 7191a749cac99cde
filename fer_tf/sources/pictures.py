"""Anybody's own pictures, under a name of their own.

They lie in `<raw>/<own name>/`, either in folders of classes (`happy/`, or `train/`,
`val/` and `test/` with such folders in them), or in `images/` with a `labels.csv`.
"""

import re
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from fer_tf import labels
from fer_tf.config.checks import file_name
from fer_tf.errors import UserError
from fer_tf.sources import disk
from fer_tf.sources import folders
from fer_tf.sources import text
from fer_tf.sources.entry import Entry
from fer_tf.sources.entry import records
from fer_tf.sources.record import Record
from fer_tf.sources.rejects import Rejects

NAME = "pictures"
LABELS = "labels.csv"
IMAGES = "images"
NEEDED = ("image", "emotion")
OPTIONAL = ("split", "subject")
OWN_NAME = re.compile(r"[a-z][a-z0-9_]*")
SPLIT_OF_FOLDER: Mapping[str, str] = {
    "train": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}


def check_name(name: str) -> None:
    """Raise a UserError where `name` cannot be the own name of somebody's pictures."""
    if not OWN_NAME.fullmatch(name):
        raise UserError(
            "pictures of your own need a name of small letters, digits and _ that "
            f"begins with a letter, received {name!r}."
        )
    # Also shorter than a path may be, and no device of Windows.
    file_name("the name of pictures of your own", name)


def find(folder: Path) -> Path:
    """Return `folder`; UserError where it holds neither `LABELS` nor class folders."""
    if (folder / LABELS).exists():
        disk.find(folder.name, [folder], [IMAGES])
    elif not folder.is_dir() or not folders.subfolders(folder):
        raise UserError(
            f"{folder} has neither {LABELS} and {IMAGES}/ nor a folder for each class."
        )
    return folder


def looks_like(folder: Path) -> bool:
    """Return whether a folder holds `LABELS`, or a folder named as a class is."""
    if (folder / LABELS).exists():
        return True
    if not folder.is_dir():
        return False
    places = folders.split_folders(folder, SPLIT_OF_FOLDER) or [folder]
    names = [path.name for place in places for path in folders.subfolders(place)]
    return any(name.lower() in labels.NAMES for name in names)


def read(
    root: Path, rejects: Rejects, split: str = "", name: str = ""
) -> Iterator[Record]:
    """Yield a record per picture; with a `split`, only its own.

    Args:
        name: their own name; without one, that of the folder.

    Raises:
        UserError: something is missing, the name is none, or too many were rejected.
    """
    return records(entries(root, name), rejects, split)


def entries(root: Path, name: str = "") -> Iterator[Entry]:
    """Yield what `read` reads."""
    root, name = find(root), name or root.name
    check_name(name)
    if (root / LABELS).exists():
        return _of_list(root, name)
    return folders.entries(root, name, SPLIT_OF_FOLDER)


def _of_list(root: Path, source: str) -> Iterator[Entry]:
    header = _header(root / LABELS)
    for row, cells in enumerate(text.csv_rows(root / LABELS, header)):
        # An empty line is no row.
        if cells:
            make = partial(_listed, root, source, header, cells)
            yield Entry(f"{LABELS}, row {row}", _split(header, cells), make)


def _header(path: Path) -> list[str]:
    header = text.csv_header(path)
    unknown = [name for name in header if name not in (*NEEDED, *OPTIONAL)]
    if unknown or len({*header}) < len(header) or not {*NEEDED} <= {*header}:
        raise UserError(
            f"{path}: expected the columns {','.join(NEEDED)} and no others but "
            f"{','.join(OPTIONAL)}, received {','.join(header)[:200]!r}."
        )
    return header


def _split(header: Sequence[str], cells: Sequence[str]) -> str:
    """Return a row's split, `train` where it gives none; "" where it gives another."""
    given = dict(zip(header, cells)).get("split", "").strip().lower()
    return SPLIT_OF_FOLDER.get(given or "train", "")


def _listed(
    root: Path, source: str, header: Sequence[str], cells: Sequence[str]
) -> Record:
    row = dict(zip(header, text.cells(cells, len(header)), strict=True))
    split = _split(header, cells)
    if not split:
        raise ValueError(
            f"expected a split of {', '.join(SPLIT_OF_FOLDER)}, "
            f"received {row['split'][:40]!r}."
        )
    label = labels.of_word(row["emotion"])
    return Record(
        key=f"{source}/{IMAGES}/{row['image']}",
        image=disk.encoded(root / IMAGES, row["image"]),
        label=label,
        label_original=row["emotion"],
        distribution=labels.one_hot(label),
        split=split,
        subject=row.get("subject", "").strip(),
    )
