"""RAF-DB's basic set as Kaggle has it: a folder for each split and each class.

`DATASET/{train,test}/{1..7}/train_00001_aligned.jpg`, with or without `DATASET/`, and
beside it `train_labels.csv` and `test_labels.csv`, `image,label`, which say the same.
"""

import re
from collections.abc import Iterator
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from pathlib import PurePosixPath

from fer_tf import labels
from fer_tf.errors import UserError
from fer_tf.sources import disk
from fer_tf.sources import folders
from fer_tf.sources import text
from fer_tf.sources.entry import Entry
from fer_tf.sources.entry import Skipped
from fer_tf.sources.record import Record
from fer_tf.sources.record import converted

SPLIT_OF_FOLDER: Mapping[str, str] = {"train": "train", "test": "test"}
LABEL_FILES = ("train_labels.csv", "test_labels.csv")
FILE_NAME = re.compile(r"((train|test)_\d{4,5})(_aligned)?\.\w+")


def recognized(folder: Path) -> bool:
    """Return whether a folder holds folders of RAF-DB's splits and classes."""
    if not folder.is_dir():
        return False
    root = folders.unwrapped(folder)
    names = folders.class_names(root)
    return bool(folders.split_folders(root)) and any(map(folders.is_class, names))


def named_as_rafdb(folder: Path) -> bool:
    """Return whether the first files in the class folders are named as RAF-DB's."""
    inner = folders.unwrapped(folder)
    places = folders.split_folders(inner) or [inner]
    for place in places:
        for path in place.glob("*/*"):
            return bool(FILE_NAME.fullmatch(path.name))
    return False


def check(name: str, folder: Path) -> None:
    """Refuse folders whose numbers are not RAF-DB's, or that lack a split.

    Raises:
        UserError: A number is not one of RAF-DB's 1 to 7, or a split is missing.
    """
    root = folders.unwrapped(folder)
    folders.check_both(name, root, SPLIT_OF_FOLDER)
    strange = [code for code in folders.numbers(root) if code not in labels.RAFDB]
    if strange:
        raise UserError(
            f"{root} has class folders named {', '.join(folders.numbers(root))}. "
            f"RAF-DB's numbers are {folders.shown_numbers(labels.RAFDB)}; "
            f"{', '.join(strange)} is none of them, so the others may mean something "
            "else too. Rename the folders to the names of their classes."
        )


def entries(folder: Path, source: str) -> Iterator[Entry | Skipped]:
    """Yield the images in the class folders, each verified against its label file."""
    root = folders.unwrapped(folder)
    listed = _listed(folder, root)
    found = folders.entries(root, source, SPLIT_OF_FOLDER, _class_of, base=folder)
    for entry in found:
        if isinstance(entry, Entry):
            make = partial(_record, folder, source, entry.where, entry.split, listed)
            yield Entry(entry.where, entry.split, make)
        else:
            yield entry


def _class_of(name: str) -> str:
    if folders.NUMBER.fullmatch(name):
        return labels.of_code(name, labels.RAFDB)
    return labels.of_word(name)


def _listed(folder: Path, root: Path) -> dict[str, str]:
    """Return the label of each image in the label files, by its file's name."""
    found = {}
    for place in dict.fromkeys((folder, root.parent, root)):
        for name in LABEL_FILES:
            if (place / name).exists():
                for row in text.csv_rows(place / name, ("image", "label")):
                    if not isinstance(row, text.Ragged):
                        found[row[0].strip()] = row[1].strip()
    return found


def _record(
    folder: Path, source: str, where: str, split: str, listed: Mapping[str, str]
) -> Record:
    path = PurePosixPath(where)
    code = path.parent.name
    label = _class_of(code)
    named = FILE_NAME.fullmatch(path.name)
    if named and named[2] != split:
        raise ValueError(f"the file is named for {named[2]} and lies in {split}.")
    if path.name in listed and _class_of(listed[path.name]) != label:
        raise ValueError(
            f"the folder says {code}, the label file {listed[path.name][:40]!r}."
        )
    image, kind = disk.encoded(folder, where)
    return Record(
        key=f"{source}/{named[1] if named else where}",
        image=image,
        label=label,
        label_original=code,
        distribution=labels.one_hot(label),
        split=split,
        notes=converted(kind),
    )
