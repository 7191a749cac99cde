"""Images in folders: a folder for each class, in a folder for each split or not."""

import re
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from fer_tf import image_files
from fer_tf import labels
from fer_tf.errors import UserError
from fer_tf.sources import disk
from fer_tf.sources.entry import Entry
from fer_tf.sources.entry import Skipped
from fer_tf.sources.record import Record
from fer_tf.sources.record import converted

SPLIT_NAMES: Mapping[str, str] = {
    "train": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}
# Also those that other programs write, which are no names of splits here.
SPLIT_WORDS = frozenset((*SPLIT_NAMES, "training", "testing"))
NUMBER = re.compile(r"\d+")

ClassOf = Callable[[str], str]


def split_folders(root: Path, split_of: Mapping[str, str] = SPLIT_NAMES) -> list[Path]:
    """Return the folders in `root` named by `split_of`, in any case, in order."""
    return [
        path
        for path in image_files.subfolders(root)
        if path.name.lower() in split_of
    ]


def labelled_splits(
    root: Path, split_of: Mapping[str, str] = SPLIT_NAMES
) -> list[str]:
    """Return the names of `split_folders` that hold folders of classes, in lower case.

    A test set is often passed round without its labels.
    """
    return [
        path.name.lower()
        for path in split_folders(root, split_of)
        if image_files.subfolders(path)
    ]


def check_both(name: str, root: Path, split_of: Mapping[str, str]) -> None:
    """Refuse a corpus of which the folder of a split is missing.

    Raises:
        UserError: A split is missing: another would be cut out of what is there, and
            pass for the publisher's.
    """
    found = {split_of[name] for name in labelled_splits(root, split_of)}
    for split in dict.fromkeys(split_of.values()):
        if split not in found:
            names = " or ".join(
                f"{folder}/" for folder, of in split_of.items() if of == split
            )
            raise UserError(
                f"{name} needs a folder for each split in {root}, with a folder for "
                f"each class; it has no {names}."
            )


def unwrapped(root: Path) -> Path:
    """Return the folder in which the folders of classes or splits lie.

    It is `root`, or what `root` holds as its only folder, and so on: archives are often
    unpacked into a folder of their own.
    """
    while len(inside := image_files.subfolders(root)) == 1:
        name = inside[0].name.lower()
        if name in SPLIT_NAMES or is_class(name):
            break
        root = inside[0]
    return root


def is_class(name: str) -> bool:
    """Return whether a folder's name is a number or names a class."""
    if NUMBER.fullmatch(name):
        return True
    try:
        labels.of_word(name)
    except ValueError:
        return False
    return True


def class_names(root: Path) -> list[str]:
    """Return the names of the class folders in `root` or its split folders, sorted."""
    places = split_folders(root) or [root]
    return sorted(
        {path.name for place in places for path in image_files.subfolders(place)}
    )


def numbers(root: Path) -> list[str]:
    """Return the names of the class folders in `root` that are numbers, by value."""
    return sorted(filter(NUMBER.fullmatch, class_names(root)), key=int)


def shown_splits(root: Path, split_of: Mapping[str, str]) -> str:
    """Return the folders of splits in `root`, each with its split, as text."""
    return ", ".join(
        f"{path.name}/ is {split_of[path.name.lower()]}"
        for path in split_folders(root, split_of)
    )


def shown_numbers(codes: Mapping[str, str]) -> str:
    """Return a mapping of numbers to classes as text."""
    return ", ".join(f"{code} {label or 'excluded'}" for code, label in codes.items())


def entries(
    root: Path,
    source: str,
    split_of: Mapping[str, str],
    class_of: ClassOf = labels.of_word,
    base: Path | None = None,
) -> Iterator[Entry | Skipped]:
    """Yield the images in the folders of classes in `root`, or in those of splits.

    The key is `<source>/<path relative to base>`, the original label the name of the
    class' folder. Without folders of splits, all are `train`. An image outside the
    folders of classes is skipped.

    Args:
        split_of: The name of a split's folder, in lower case, to that split.
        class_of: The name of a class' folder to our class; "" for none of ours, a
            ValueError for an unknown one.
        base: The corpus' folder; None for `root`.

    Raises:
        UserError: Some folders are splits and some are not, or a link to a folder
            stands in the place of a split or a class.
    """
    base = base or root
    named = [path.name for path in split_folders(root, split_of)]
    _check_mixed(root, named)
    depth = 3 if named else 2
    walk = image_files.walk(root)
    for path, why in walk.skipped.items():
        where = path.relative_to(root)
        if len(where.parts) < depth and path.is_symlink() and path.is_dir():
            raise UserError(f"{path} is a link to a folder: put the folder there.")
        yield Skipped(path.relative_to(base).as_posix(), why)
    for path in walk.images:
        parts = path.relative_to(root).parts
        name = path.relative_to(base).as_posix()
        if len(parts) < depth:
            yield Skipped(name, "an image outside the folders of classes")
            continue
        _check_order(root, parts, depth)
        split = split_of[parts[0].lower()] if named else "train"
        word = parts[depth - 2]
        make = partial(_record, base, source, name, word, split, class_of)
        yield Entry(name, split, make)


def _check_mixed(root: Path, named: list[str]) -> None:
    others = [
        path.name for path in image_files.subfolders(root) if path.name not in named
    ]
    if named and others:
        raise UserError(
            f"{root} has folders of splits ({', '.join(named)}) "
            f"and others beside them ({', '.join(others)}): move one kind away."
        )


def _check_order(root: Path, parts: Sequence[str], depth: int) -> None:
    """Refuse a folder of a split in a folder of a class: its images would be `train`.

    Args:
        parts: Of the path of an image below `root`; the class is at `depth - 2`.
    """
    if len(parts) > depth and parts[depth - 1].lower() in SPLIT_WORDS:
        word, split = parts[depth - 2 : depth]
        raise UserError(
            f"{root} has the folder of a split in that of a class, {word}/{split}/: "
            f"expected {split}/{word}/. Move the folders."
        )


def _record(
    root: Path,
    source: str,
    name: str,
    word: str,
    split: str,
    class_of: ClassOf,
) -> Record:
    label = class_of(word)
    image, kind = disk.encoded(root, name)
    return Record(
        key=f"{source}/{name}",
        image=image,
        label=label,
        label_original=word,
        distribution=labels.one_hot(label),
        split=split,
        notes=converted(kind),
    )
