"""Pictures to rows: a row per face, and never one for a face that was not there."""

import csv
import logging
from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fer_tf import files
from fer_tf.errors import OutsideError
from fer_tf.errors import UserError
from fer_tf.labels import CLASSES
from fer_tf.live.detection import Detection
from fer_tf.live.pictures import pictures_in
from fer_tf.live.pictures import read_picture
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
)


@dataclass
class Tally:
    """How many pictures there were, and what became of them."""

    pictures: int = 0
    faces: int = 0
    without_face: int = 0
    unreadable: int = 0


def predict(paths: Iterable[Path], recogniser: Recogniser, out: Path) -> Tally:
    """Write a row for each face in the pictures to the CSV `out`, whole or not at all.

    A picture without a face, or one that cannot be decoded, is named in the log and
    counted.

    Args:
        paths: pictures, and folders of them.

    Raises:
        UserError: a path is not there, or a folder holds no pictures.
        OutsideError: not one of the pictures can be decoded.
    """
    pictures = list(_pictures(paths))
    tally = Tally()
    with files.replacing(out) as temporary:
        with open(temporary, "w", newline="", encoding="utf-8") as file:
            rows = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            rows.writeheader()
            for path in pictures:
                rows.writerows(_rows(path, recogniser, tally))
        if tally.unreadable == tally.pictures:
            raise OutsideError(f"none of {tally.pictures} pictures can be decoded.")
    return tally


def of_cropped(classifier: Classifier) -> Recogniser:
    """Return a recogniser of pictures that are faces already; it needs no detector."""
    return Recogniser(_whole_picture, classifier, cropped=True)


def _whole_picture(frame_bgr: np.ndarray) -> list[Detection]:
    height, width = frame_bgr.shape[:2]
    unknown = np.full((5, 2), np.nan)
    return [Detection(np.array([0.0, 0.0, width, height]), unknown, score=1.0)]


def _pictures(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.exists():
            raise UserError(f"there is no {path}.")
        if path.is_dir():
            yield from pictures_in(path)
        else:
            yield path


def _rows(path: Path, recogniser: Recogniser, tally: Tally) -> Iterator[dict[str, Any]]:
    tally.pictures += 1
    try:
        faces = recogniser(read_picture(path))
    except OutsideError as error:
        log.warning("%s", error)
        tally.unreadable += 1
        return
    if not faces:
        log.warning("%s: no face found, so there is no row for it.", path)
    tally.without_face += not faces
    tally.faces += len(faces)
    for face_id, face in enumerate(faces, start=1):
        yield _row(path, face_id, face)


def _row(path: Path, face_id: int, face: Face) -> dict[str, Any]:
    return {
        "path": str(path),
        "face_id": face_id,
        **box_columns(face.box_xywh_px),
        **class_columns(face.probabilities),
        "label": face.label.lower(),
        "confidence": round(face.confidence, 5),
        "unsure": int(face.abstained),
    }
