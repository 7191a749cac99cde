"""Anybody's own images, under a name of their own.

They lie in `<raw>/<own name>/`, either in folders of classes (`happy/`, or `train/`,
`val/` and `test/` with such folders in them), or with a `labels.csv` beside them or
beside their folder `images/`. A `classes.csv` says what other names, or numbers, mean.
"""

import re
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from pathlib import PurePosixPath

from fer_tf import image_files
from fer_tf import labels
from fer_tf.config.checks import file_name
from fer_tf.errors import UserError
from fer_tf.sources import classes
from fer_tf.sources import disk
from fer_tf.sources import folders
from fer_tf.sources import rafdb_folders
from fer_tf.sources import text
from fer_tf.sources.entry import Entry
from fer_tf.sources.entry import Skipped
from fer_tf.sources.entry import records
from fer_tf.sources.record import Record
from fer_tf.sources.record import converted
from fer_tf.sources.rejects import Rejects

NAME = "pictures"
LABELS = "labels.csv"
IMAGES = "images"
NEEDED = ("image", "emotion")
OPTIONAL = ("split", "subject")
# What other programs call these columns, and columns that they add.
ALIASES: Mapping[str, str] = {
    "path": "image",
    "pth": "image",
    "file": "image",
    "filename": "image",
    "label": "emotion",
    "expression": "emotion",
}
IGNORED = ("", "unnamed: 0", "relfcs")
DISAGREES = f"the folder names another class than {LABELS}, which was used"
OWN_NAME = re.compile(r"[a-z][a-z0-9_]*")
SPLIT_OF_FOLDER = folders.SPLIT_NAMES


def check_name(name: str) -> None:
    """Raise a UserError where `name` cannot be the own name of somebody's images."""
    if not OWN_NAME.fullmatch(name):
        raise UserError(
            "pictures of your own need a name of small letters, digits and _ that "
            f"begins with a letter, received {name!r}."
        )
    # Also shorter than a path may be, and no device of Windows.
    file_name("the name of pictures of your own", name)


def find(folder: Path) -> Path:
    """Return `folder`.

    Raises:
        UserError: The folder holds neither `LABELS` nor class folders, or the class
            folders are numbers that nothing explains.
    """
    if (folder / LABELS).exists():
        return folder
    if not folder.is_dir() or not image_files.subfolders(folder):
        raise UserError(
            f"{folder} has neither {LABELS} and {IMAGES}/ nor a folder for each class."
        )
    numbers = folders.numbers(folders.unwrapped(folder))
    if numbers and not (folder / classes.FILE).exists():
        hint = ""
        if rafdb_folders.named_as_rafdb(folder):
            hint = (
                "The files are named as RAF-DB's: build them as rafdb, by renaming the "
                "folder to rafdb, and not under two names. "
            )
        raise UserError(f"{folder}: {hint}{classes.ask(numbers)}")
    return folder


def looks_like(folder: Path) -> bool:
    """Return whether a folder holds `LABELS`, or folders named as classes are."""
    if (folder / LABELS).exists() or (folder / classes.FILE).exists():
        return True
    if not folder.is_dir():
        return False
    names = folders.class_names(folders.unwrapped(folder))
    return any(name.lower() in labels.NAMES for name in names) or (
        bool(names) and all(map(folders.NUMBER.fullmatch, names))
    )


def layout(root: Path) -> str:
    """Return which of the layouts was recognized, for the build's report."""
    mapped = f"; {classes.FILE} maps them" if (root / classes.FILE).exists() else ""
    if (root / LABELS).exists():
        return f"{LABELS} with a row for each image{mapped}"
    inner = folders.unwrapped(root)
    where = "" if inner == root else f" in {inner.relative_to(root).as_posix()}/"
    splits = folders.shown_splits(inner, SPLIT_OF_FOLDER)
    return f"folders of classes{where}{mapped}; {splits or 'no folders of splits'}"


def read(
    root: Path, rejects: Rejects, split: str = "", name: str = ""
) -> Iterator[Record]:
    """Yield a record per image; with a `split`, only its own.

    Args:
        name: Their own name; without one, that of the folder.

    Raises:
        UserError: Something is missing, the name is none, or too many were rejected.
    """
    return records(entries(root, name), rejects, split)


def entries(root: Path, name: str = "") -> Iterator[Entry | Skipped]:
    """Yield what `read` reads."""
    root, name = find(root), name or root.name
    check_name(name)
    class_of = classes.reader(root)
    if (root / LABELS).exists():
        return _of_list(root, name, class_of)
    inner = folders.unwrapped(root)
    return folders.entries(inner, name, SPLIT_OF_FOLDER, class_of, base=root)


def _of_list(root: Path, source: str, class_of: folders.ClassOf) -> Iterator[Entry]:
    header = _header(root / LABELS)
    for row, cells in enumerate(text.csv_rows(root / LABELS, list(header))):
        # A spreadsheet may leave empty lines.
        if any(cell.strip() for cell in cells):
            values = dict(zip(header.values(), cells))
            make = partial(_listed, root, source, class_of, values, cells)
            yield Entry(f"{LABELS}, row {row}", _split(values), make)


def _header(path: Path) -> dict[str, str]:
    """Return the columns that are read: the file's name of each, to ours."""
    received = [name for name in text.csv_header(path) if name not in IGNORED]
    ours = [ALIASES.get(name, name) for name in received]
    unknown = [name for name in ours if name not in (*NEEDED, *OPTIONAL)]
    if unknown or len({*ours}) < len(ours) or not {*NEEDED} <= {*ours}:
        raise UserError(
            f"{path}: expected the columns {','.join(NEEDED)} and no others but "
            f"{','.join(OPTIONAL)}, received {','.join(received)[:200]!r}."
        )
    return dict(zip(received, ours, strict=True))


def _split(row: Mapping[str, str]) -> str:
    """Return a row's split, `train` where it gives none; "" where it gives another."""
    given = row.get("split", "").strip().lower()
    return SPLIT_OF_FOLDER.get(given or "train", "")


def _listed(
    root: Path,
    source: str,
    class_of: folders.ClassOf,
    row: Mapping[str, str],
    cells: Sequence[str],
) -> Record:
    text.cells(cells, len(cells))
    split = _split(row)
    if not split:
        raise ValueError(
            f"expected a split of {', '.join(SPLIT_OF_FOLDER)}, "
            f"received {row['split'][:40]!r}."
        )
    label = class_of(row["emotion"])
    folder = root / IMAGES if (root / IMAGES).is_dir() else root
    image, kind = disk.encoded(folder, row["image"])
    name = disk.posix(row["image"])
    key = f"{source}/{IMAGES}/{name}" if folder != root else f"{source}/{name}"
    return Record(
        key=key,
        image=image,
        label=label,
        label_original=row["emotion"],
        distribution=labels.one_hot(label),
        split=split,
        subject=row.get("subject", "").strip(),
        notes=(*converted(kind), *_disagreement(name, label, class_of)),
    )


def _disagreement(name: str, label: str, class_of: folders.ClassOf) -> tuple[str, ...]:
    """Return the note that an image's folder names another class; none if not."""
    word = PurePosixPath(name).parent.name
    try:
        return (DISAGREES,) if word and class_of(word) != label else ()
    except ValueError:
        return ()
