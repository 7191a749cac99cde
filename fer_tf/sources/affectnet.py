"""AffectNet, in any of the three forms in which it is passed round.

- Annotations: `train_set/` and `val_set/`, each with `images/<id>.jpg`, cropped by the
  publisher, and `annotations/<id>_exp.npy`.
- Lists: `training.csv` and `validation.csv`, with a box for the face in each picture of
  `Manually_Annotated_Images/`; a face is cropped once.
- Folders: `{train,val,test}/<number or name of the class>/`, with or without `test/`.

The publisher's validation set is the only one that it keeps apart: it is the test here,
unless a folder `test/` lies beside it.
"""

import io
import tokenize
import zipfile
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from fer_tf import image_files
from fer_tf import labels
from fer_tf.errors import UserError
from fer_tf.picture import Decoded
from fer_tf.sources import disk
from fer_tf.sources import folders
from fer_tf.sources import text
from fer_tf.sources.crop import Crop
from fer_tf.sources.crop import crop_image
from fer_tf.sources.crop import whole
from fer_tf.sources.entry import Entry
from fer_tf.sources.entry import Skipped
from fer_tf.sources.entry import records
from fer_tf.sources.record import Record
from fer_tf.sources.record import converted
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
SPLIT_OF_SET: Mapping[str, str] = {"train_set": "train", "val_set": "test"}
SPLIT_OF_LIST: Mapping[str, str] = {"training.csv": "train", "validation.csv": "test"}
WITHOUT_TEST: Mapping[str, str] = {
    "train": "train",
    "val": "test",
    "valid": "test",
    "validation": "test",
}
WITH_TEST: Mapping[str, str] = folders.SPLIT_NAMES
LISTS = "Manually_Annotated_file_lists"
AUTOMATIC = "Automatically_Annotated_file_lists"
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
    """Return `folder`.

    Raises:
        UserError: The folder holds none of the forms, or half of one.
    """
    if _sets(folder):
        for name in SPLIT_OF_SET:
            disk.find(NAME, [folder / name], ["images", "annotations"])
    elif found := _lists(folder):
        _pictures(folder)
        if len(found) < len(SPLIT_OF_LIST):
            disk.find(NAME, [found[0].parent], list(SPLIT_OF_LIST))
    else:
        _check_folders(folder)
    return folder


def layout(root: Path) -> str:
    """Return which of the forms was recognized, for the build's report."""
    if _sets(root):
        return "train_set/ and val_set/ with annotations; val_set is test"
    if _lists(root):
        return "lists with a box for each face; validation.csv is test"
    inner = folders.unwrapped(root)
    shown = folders.shown_splits(inner, _split_of_folder(inner))
    return f"folders of splits and classes; {shown}"


def read(root: Path, rejects: Rejects, split: str = "") -> Iterator[Record]:
    """Yield a record per annotation, row or picture; with a `split`, only its own.

    Raises:
        UserError: something is missing or another, or too many rows were rejected.
    """
    return records(entries(root), rejects, split)


def entries(root: Path) -> Iterator[Entry | Skipped]:
    """Yield what `read` reads."""
    root = find(root)
    if _sets(root):
        return _of_sets(root)
    if _lists(root):
        return _of_lists(root)
    inner = folders.unwrapped(root)
    return folders.entries(inner, NAME, _split_of_folder(inner), _class, base=root)


def _split_of_folder(root: Path) -> Mapping[str, str]:
    return WITH_TEST if "test" in folders.labelled_splits(root) else WITHOUT_TEST


def _check_folders(folder: Path) -> None:
    """Refuse folders that are no splits, lack one, or whose numbers are another's.

    Raises:
        UserError: They are; it says what was recognized.
    """
    root = folders.unwrapped(folder) if folder.is_dir() else folder
    if not folder.is_dir() or not folders.split_folders(root):
        raise UserError(
            f"{NAME} needs train_set/ and val_set/, or training.csv, validation.csv "
            f"and {PICTURES}/, or train/ and val/ in {folder}; it has none of them"
            f"{_recognized(folder)}."
        )
    found = {WITH_TEST[name] for name in folders.labelled_splits(root)}
    if "train" not in found or len(found) < 2:
        folders.check_both(NAME, root, WITHOUT_TEST)
    numbers = folders.numbers(root)
    if numbers and (numbers[0] != "0" or numbers[-1] not in labels.AFFECTNET):
        raise UserError(
            f"{root} has class folders named {', '.join(numbers)}. AffectNet counts "
            f"from 0: {folders.shown_numbers(labels.AFFECTNET)}. The numbers may mean "
            "something else here: rename the folders to the names of their classes."
        )


def _recognized(folder: Path) -> str:
    """Return what else a folder holds, as a hint; "" if it is nothing that is known."""
    if not folder.is_dir():
        return ""
    if (folder / AUTOMATIC).is_dir():
        return (
            f". {AUTOMATIC}/ was recognized: these faces were labelled by a program, "
            "and are not read; the lists of manually annotated ones are missing"
        )
    root = folders.unwrapped(folder)
    if any(map(folders.is_class, folders.class_names(root))):
        return (
            ". Folders of classes without folders of splits were recognized in "
            f"{root}, as Kaggle's affectnet-training-data has them: AffectNet's "
            "validation set is missing. To train on them, build them under a name of "
            f"your own: rename {folder.name}/, for example to affect_kaggle"
        )
    return ""


def _sets(root: Path) -> list[str]:
    return [name for name in SPLIT_OF_SET if (root / name).is_dir()]


def _of_sets(root: Path) -> Iterator[Entry | Skipped]:
    for name in _sets(root):
        for path in sorted((root / name / "annotations").glob(f"*{ANNOTATION}")):
            where = path.relative_to(root).as_posix()
            if image_files.is_hidden(path.name):
                yield Skipped(where, image_files.HIDDEN)
                continue
            make = partial(_annotated, root / name, path.name)
            yield Entry(where, SPLIT_OF_SET[name], make)


def _annotated(folder: Path, annotation: str) -> Record:
    number = annotation.removesuffix(ANNOTATION)
    code = _code(disk.read_bytes(folder / "annotations", annotation))
    image, kind = disk.encoded(folder / "images", f"{number}.jpg")
    key = f"{folder.name}/{number}"
    record = _record(key, SPLIT_OF_SET[folder.name], code, Crop(image))
    return replace(record, notes=converted(kind))


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
    # One way to write it: faces of one image are one group.
    name = disk.posix(name)
    labels.of_code(code, labels.AFFECTNET)
    image = disk.image(pictures, name)
    record = _record(name, split, code, _cropped(image, box, code), photo=name)
    return replace(record, notes=converted(image.converted))


def _cropped(image: Decoded, box: Sequence[str], code: str) -> Crop:
    try:
        return crop_image(image, [text.number(cell) for cell in box])
    except ValueError:
        # What is none of our classes has no box where no face was found.
        if not labels.AFFECTNET[code]:
            return whole(image.pixels)
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
