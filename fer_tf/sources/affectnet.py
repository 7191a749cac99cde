"""AffectNet, in any of the three forms in which it is passed round.

- Annotations: `train_set/` and `val_set/`, each with `images/<id>.jpg`, cropped by the
  publisher, and `annotations/<id>_exp.npy`.
- Lists: `training.csv` and `validation.csv`, with a box for the face in each picture of
  `Manually_Annotated_Images/`; a face is cropped once.
- Folders: `{train,val}/<number or name of the class>/`.

The publisher's validation set is the only one that it keeps apart: here it is the test.
"""

import io
import tokenize
import zipfile
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from fer_tf import labels
from fer_tf.errors import UserError
from fer_tf.sources import disk
from fer_tf.sources import folders
from fer_tf.sources import text
from fer_tf.sources.crop import Crop
from fer_tf.sources.crop import crop
from fer_tf.sources.crop import whole
from fer_tf.sources.entry import Entry
from fer_tf.sources.entry import records
from fer_tf.sources.record import Record
from fer_tf.sources.rejects import Rejects

NAME = "affectnet"
HEADER = (
    "subDirectory_filePath",
    "face_x",
    "face_y",
    "face_width",
    "face_height",
    "facial_landmarks",
    "expression",
    "valence",
    "arousal",
)
NO_FACE = "10"
SPLIT_OF_SET: Mapping[str, str] = {"train_set": "train", "val_set": "test"}
SPLIT_OF_LIST: Mapping[str, str] = {"training.csv": "train", "validation.csv": "test"}
SPLIT_OF_FOLDER: Mapping[str, str] = {
    "train": "train",
    "val": "test",
    "valid": "test",
    "validation": "test",
    "test": "test",
}
LISTS = "Manually_Annotated_file_lists"
PICTURES = "Manually_Annotated_Images"
ANNOTATION = "_exp.npy"
# What NumPy was seen to raise on annotations with random bytes changed.
DAMAGED = (
    AttributeError,
    EOFError,
    MemoryError,
    OSError,
    SyntaxError,
    SystemError,
    TypeError,
    ValueError,
    tokenize.TokenError,
    zipfile.BadZipFile,
)


def find(folder: Path) -> Path:
    """Return `folder`; UserError where it holds none of the forms, or half of one."""
    if _sets(folder):
        for name in SPLIT_OF_SET:
            disk.find(NAME, [folder / name], ["images", "annotations"])
    elif found := _lists(folder):
        _pictures(folder)
        if len(found) < len(SPLIT_OF_LIST):
            disk.find(NAME, [found[0].parent], list(SPLIT_OF_LIST))
    elif not (folder.is_dir() and folders.split_folders(folder, SPLIT_OF_FOLDER)):
        raise UserError(
            f"{NAME} needs train_set/ and val_set/, or training.csv, validation.csv "
            f"and {PICTURES}/, or train/ and val/ in {folder}; it has none of them."
        )
    else:
        folders.check_both(NAME, folder, SPLIT_OF_FOLDER)
    return folder


def read(root: Path, rejects: Rejects, split: str = "") -> Iterator[Record]:
    """Yield a record per annotation, row or picture; with a `split`, only its own.

    Raises:
        UserError: something is missing or another, or too many rows were rejected.
    """
    return records(entries(root), rejects, split)


def entries(root: Path) -> Iterator[Entry]:
    """Yield what `read` reads."""
    root = find(root)
    if _sets(root):
        return _of_sets(root)
    if _lists(root):
        return _of_lists(root)
    return folders.entries(root, NAME, SPLIT_OF_FOLDER, _class)


def _sets(root: Path) -> list[str]:
    return [name for name in SPLIT_OF_SET if (root / name).is_dir()]


def _of_sets(root: Path) -> Iterator[Entry]:
    for name in _sets(root):
        for path in sorted((root / name / "annotations").glob(f"*{ANNOTATION}")):
            where = path.relative_to(root).as_posix()
            make = partial(_annotated, root / name, path.name)
            yield Entry(where, SPLIT_OF_SET[name], make)


def _annotated(folder: Path, annotation: str) -> Record:
    number = annotation.removesuffix(ANNOTATION)
    code = _code(disk.read_bytes(folder / "annotations", annotation))
    image = disk.encoded(folder / "images", f"{number}.jpg")
    key = f"{folder.name}/{number}"
    return _record(key, SPLIT_OF_SET[folder.name], code, Crop(image))


def _code(data: bytes) -> str:
    """Return the label that an annotation's file holds as a number or as text."""
    try:
        values = np.load(io.BytesIO(data), allow_pickle=False).astype(str).ravel()
        codes = [str(value).strip().removesuffix(".0") for value in values]
    except DAMAGED:
        raise ValueError("the annotation is no NumPy file of one value.") from None
    if len(codes) != 1:
        raise ValueError(f"the annotation holds {len(codes)} values, expected one.")
    return codes[0]


def _lists(root: Path) -> list[Path]:
    """Return the lists that are there, each in the folder itself or in `LISTS`."""
    found = []
    for name in SPLIT_OF_LIST:
        places = (root / name, root / LISTS / name)
        found += [path for path in places if path.exists()][:1]
    return found


def _pictures(root: Path) -> Path:
    places = (
        f"{PICTURES}/{PICTURES}",
        f"Manually_Annotated/{PICTURES}",
        PICTURES,
    )
    for name in places:
        if (root / name).is_dir():
            return root / name
    return disk.find(NAME, [root], [PICTURES])


def _of_lists(root: Path) -> Iterator[Entry]:
    pictures = _pictures(root)
    for path in _lists(root):
        split = SPLIT_OF_LIST[path.name]
        for row, cells in enumerate(text.csv_rows(path, HEADER)):
            where = f"{path.relative_to(root).as_posix()}, row {row}"
            yield Entry(where, split, partial(_listed, pictures, split, cells))


def _listed(pictures: Path, split: str, cells: Sequence[str]) -> Record:
    name, *box, _, code, _, _ = text.cells(cells, len(HEADER))
    labels.of_code(code, labels.AFFECTNET)
    cropped = _cropped(disk.pixels(pictures, name), box, code)
    return _record(name, split, code, cropped, photo=name)


def _cropped(pixels: np.ndarray, box: Sequence[str], code: str) -> Crop:
    try:
        return crop(pixels, [text.number(cell) for cell in box])
    except ValueError:
        if code == NO_FACE:
            return whole(pixels)
        raise


def _class(label: str) -> str:
    """Return our class of a number, or of the name of a class."""
    if label in labels.AFFECTNET:
        return labels.AFFECTNET[label]
    return labels.of_word(label)


def _record(key: str, split: str, label: str, face: Crop, photo: str = "") -> Record:
    ours = _class(label)
    return Record(
        key=f"{NAME}/{key}",
        image=face.image,
        label=ours,
        label_original=label,
        distribution=labels.one_hot(ours),
        split=split,
        photo=photo,
        box_xywh_px=face.box_xywh_px,
        square_xywh_px=face.square_xywh_px,
    )
