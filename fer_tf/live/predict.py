"""Pictures to rows: a row per face, and never one for a face that was not there."""

import csv
import logging
from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import Any

import numpy as np

from fer_tf import files
from fer_tf import image_files
from fer_tf import spreadsheet
from fer_tf.errors import OutsideError
from fer_tf.errors import UserError
from fer_tf.labels import CLASSES
from fer_tf.live.detection import Detection
from fer_tf.live.pictures import find_images
from fer_tf.live.pictures import read_image
from fer_tf.live.recogniser import Face
from fer_tf.live.recogniser import Recogniser
from fer_tf.live.session import box_columns
from fer_tf.live.session import class_columns
from fer_tf.runtime.classifier import Classifier

log = logging.getLogger(__name__)

COLUMNS = (
    "path",
    "face_id",
    "x",
    "y",
    "w",
    "h",
    *(name.lower() for name in CLASSES),
    "label",
    "confidence",
    "unsure",
    "prediction_set",
    "unsure_reason",
)
SUFFIXES = (".csv", ".json")


@dataclass
class Found:
    """What was found in pictures: a row per face, by column, and where there is none.

    Attributes:
        pictures: how many were looked at.
        without_face: the paths of those in which no face was found.
        unreadable: why a picture cannot be read, by its path.
        skipped: Why a file or folder in a given folder was not tried, by its path.
    """

    pictures: int = 0
    faces: list[dict[str, Any]] = field(default_factory=list)
    without_face: list[str] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)


def predict(paths: Iterable[Path], recogniser: Recogniser, out: Path) -> Found:
    """Write a row for each face in the pictures to `out`, whole or not at all.

    In a `.csv` the columns are `COLUMNS`; `prediction_set` holds classes with a space
    between them, likeliest first, "none" for a set without a class, and nothing where
    the bundle has no sets. In a `.json` it is a list, or null, and pictures without a
    face and unreadable ones are named beside `faces`. In both, `unsure` is 0 or 1, and
    `unsure_reason` is empty where `unsure` is 0.

    Args:
        paths: pictures, and folders of them.

    Raises:
        UserError: a path is not there, a folder holds no pictures, or `out` has
            another suffix.
        OutsideError: not one of the pictures can be decoded.
    """
    check_suffix(out)
    # A folder that cannot be made is told of before any work as well.
    out.parent.mkdir(parents=True, exist_ok=True)
    found = Found()
    # All of them first: a mistyped path is reported before any work.
    paths = list(_images(paths, found.skipped))
    for line in image_files.counted(found.skipped):
        log.info("%s", line)
    for path in paths:
        _look(path, recogniser, found)
    if len(found.unreadable) == found.pictures:
        raise OutsideError(f"none of {found.pictures} pictures can be decoded.")
    if out.suffix.lower() == ".json":
        files.write_json(out, {"bundle": recogniser.bundle.digest, **vars(found)})
    else:
        _write_csv(out, found)
    return found


def check_suffix(out: Path) -> None:
    """Refuse a file that is neither CSV nor JSON.

    Raises:
        UserError: it has another suffix than `SUFFIXES`.
    """
    if out.suffix.lower() not in SUFFIXES:
        raise UserError(f"--out must end in {' or '.join(SUFFIXES)}, received {out}.")


def of_cropped(classifier: Classifier) -> Recogniser:
    """Return a recogniser of pictures that are faces already; it needs no detector."""
    return Recogniser(_whole_picture, classifier, cropped=True)


def _whole_picture(frame_bgr: np.ndarray) -> list[Detection]:
    height, width = frame_bgr.shape[:2]
    unknown = np.full((5, 2), np.nan)
    return [Detection(np.array([0.0, 0.0, width, height]), unknown, score=1.0)]


def _images(paths: Iterable[Path], skipped: dict[str, str]) -> Iterator[Path]:
    """Yield the image files of `paths`; what a folder holds besides is `skipped`."""
    for path in paths:
        kind = image_files.kind_of(path)
        if kind == "missing":
            raise UserError(f"there is no {path}.")
        if kind == "a folder":
            walk = find_images(path)
            skipped |= {str(name): reason for name, reason in walk.skipped.items()}
            yield from walk.images
        elif kind == "a regular file":
            yield path
        else:
            raise UserError(f"{path} is {kind}, expected an image file or a folder.")


def _look(path: Path, recogniser: Recogniser, found: Found) -> None:
    """Add what is in an image to `found`; faults are logged as well."""
    found.pictures += 1
    try:
        image = read_image(path)
        faces = recogniser(image.pixels_bgr)
    except OutsideError as error:
        log.warning("%s", error)
        found.unreadable[str(path)] = str(error)
        return
    if not faces:
        log.warning("%s: no face found, so there is no row for it.", path)
        found.without_face.append(str(path))
    for face_id, face in enumerate(faces, start=1):
        found.faces.append(_row(path, face_id, face, image.scale))


def _row(path: Path, face_id: int, face: Face, scale: float) -> dict[str, Any]:
    """Return a face's row; `scale` is pixels of the file per pixel of the box."""
    held = face.prediction_set
    return {
        "path": str(path),
        "face_id": face_id,
        **box_columns(face.box_xywh_px * scale),
        **class_columns(face.probabilities),
        "label": face.label.lower(),
        "confidence": round(face.confidence, 5),
        "unsure": int(face.abstained),
        "prediction_set": None if held is None else [name.lower() for name in held],
        "unsure_reason": face.unsure_reason.value,
    }


def _write_csv(out: Path, found: Found) -> None:
    with files.replacing(out) as temporary:
        # The names of files may be no UTF-8.
        with open(
            temporary, "w", newline="", encoding="utf-8", errors="surrogateescape"
        ) as file:
            rows = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            rows.writeheader()
            for row in found.faces:
                held = row["prediction_set"]
                text = "" if held is None else " ".join(held) or "none"
                path = spreadsheet.path_cell(row["path"])
                rows.writerow({**row, "path": path, "prediction_set": text})
