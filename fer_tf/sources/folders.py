"""Pictures in folders: a folder for each class, in a folder for each split or not."""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from fer_tf import labels
from fer_tf.errors import UserError
from fer_tf.sources import disk
from fer_tf.sources.entry import Entry
from fer_tf.sources.record import Record

# What lies beside pictures and is none; anything else is tried, whatever its name.
NO_PICTURES = frozenset(
    (".csv", ".db", ".html", ".ini", ".json", ".md", ".npy", ".txt", ".xml", ".zip")
)


def split_folders(root: Path, split_of: Mapping[str, str]) -> list[Path]:
    """Return the folders in `root` named by `split_of`, in any case, in order."""
    return [path for path in subfolders(root) if path.name.lower() in split_of]


def check_both(name: str, root: Path, split_of: Mapping[str, str]) -> None:
    """Refuse a corpus of which the folder of a split is missing.

    Raises:
        UserError: it is: another split would be cut out of what is there, and pass for
            the publisher's.
    """
    found = {split_of[path.name.lower()] for path in split_folders(root, split_of)}
    for split in dict.fromkeys(split_of.values()):
        if split not in found:
            names = " or ".join(
                f"{folder}/" for folder, of in split_of.items() if of == split
            )
            raise UserError(
                f"{name} needs a folder for each split in {root}; it has no {names}."
            )


def subfolders(root: Path) -> list[Path]:
    """Return the folders in `root`, but for hidden ones, in order."""
    return [path for path in _shown(root) if path.is_dir()]


def _shown(root: Path) -> list[Path]:
    """Return what lies in `root` and is not hidden, in order."""
    return sorted(
        path for path in root.iterdir() if not path.name.startswith((".", "__"))
    )


def entries(
    root: Path,
    source: str,
    split_of: Mapping[str, str],
    class_of: Callable[[str], str] = labels.of_word,
) -> Iterator[Entry]:
    """Yield the pictures in the folders of classes in `root`, or in those of splits.

    The key is `<source>/<path relative to root>`, the original label the name of the
    class' folder. Without folders of splits, all are `train`.

    Args:
        split_of: the name of a split's folder, in lower case, to that split.
        class_of: the name of a class' folder to our class; "" for none of ours, a
            ValueError for an unknown one.

    Raises:
        UserError: some folders are splits and some are not.
    """
    named = split_folders(root, split_of)
    others = [path.name for path in subfolders(root) if path not in named]
    if named and others:
        raise UserError(
            f"{root} has folders of splits ({', '.join(path.name for path in named)}) "
            f"and others beside them ({', '.join(others)}): move one kind away."
        )
    for folder in named or [root]:
        split = split_of.get(folder.name.lower(), "train") if named else "train"
        for class_folder in subfolders(folder):
            word = class_folder.name
            for name in _pictures(root, class_folder):
                make = partial(_record, root, source, name, word, split, class_of)
                yield Entry(name, split, make)


def _record(
    root: Path,
    source: str,
    name: str,
    word: str,
    split: str,
    class_of: Callable[[str], str],
) -> Record:
    label = class_of(word)
    return Record(
        key=f"{source}/{name}",
        image=disk.encoded(root, name),
        label=label,
        label_original=word,
        distribution=labels.one_hot(label),
        split=split,
    )


def _pictures(root: Path, folder: Path) -> Iterator[str]:
    for path in _shown(folder):
        if path.is_dir():
            # A link may lead in circles.
            if not path.is_symlink():
                yield from _pictures(root, path)
        elif path.suffix.lower() not in NO_PICTURES:
            yield path.relative_to(root).as_posix()
