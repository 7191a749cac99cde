"""Fits, on training pictures, the square that live cuts around a detector's box."""

from collections.abc import Iterable
from typing import Any

import cv2
import numpy as np

from fer_tf.errors import CheckFailed
from fer_tf.live.detection import Detection
from fer_tf.live.detection import Detector
from fer_tf.preprocess import Framing
from fer_tf.preprocess import fit_framing

# A training picture is filled by its face, and small; a detector wants it larger, and
# with something around it.
SIDE_PX = 192
MARGIN_PX = 64
# Fewer boxes than this leave the medians to chance.
MIN_FOUND = 0.2


def fit(
    pictures: Iterable[np.ndarray], detector: Detector
) -> tuple[Framing, dict[str, Any]]:
    """Run a detector on training pictures and fit the framing that cuts them alike.

    Args:
        pictures: uint8 [height, width, 3], RGB; each is one face, as it is trained on.

    Returns:
        The framing, and how it was found: pictures looked at, faces found, quartiles.

    Raises:
        CheckFailed: the detector finds a face in too few of them.
    """
    boxes, sizes, looked_at = [], [], 0
    for picture in pictures:
        looked_at += 1
        box = find(picture, detector)
        if box is not None:
            boxes.append(box)
            sizes.append(picture.shape[1::-1])
    if len(boxes) < max(1, MIN_FOUND * looked_at):
        raise CheckFailed(
            f"the detector found a face in {len(boxes)} of {looked_at} training "
            "pictures: too few to fit live framing on. With face.framing_from=records "
            "the corpus' own boxes are taken, where it has them."
        )
    framing, report = fit_framing(np.array(boxes), np.array(sizes))
    return framing, {"looked_at": looked_at, **report}


def find(picture: np.ndarray, detector: Detector) -> np.ndarray | None:
    """Return the box [x, y, width, height] of the face in a picture that is one.

    Args:
        picture: uint8 [height, width, 3], RGB.

    Returns:
        In the picture's own pixels, of the face the detector is surest of; or None.
    """
    zoom = SIDE_PX / max(picture.shape[:2])
    enlarged = cv2.resize(picture, None, fx=zoom, fy=zoom)
    margins = (MARGIN_PX,) * 4
    framed = cv2.copyMakeBorder(enlarged, *margins, cv2.BORDER_CONSTANT)
    found = detector(cv2.cvtColor(framed, cv2.COLOR_RGB2BGR))
    if not found:
        return None
    best: Detection = max(found, key=lambda detection: detection.score)
    return (best.box_xywh_px - [MARGIN_PX, MARGIN_PX, 0, 0]) / zoom
