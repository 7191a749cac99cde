"""A face out of a larger picture: cropped once, with slack around it.

The crop holds the face's square and a quarter of its side more on every side, as far
as the picture reaches. A model is shown the square; the slack is there for jitter.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from fer_tf import picture

SLACK = 0.25
MAX_SIDE_PX = 360
# A face whose square is so many times as long as its picture is a slip of the pen.
MOST_SIDES = 2


@dataclass(frozen=True)
class Crop:
    """A stored crop as JPEG; the face's box and square in the crop's own pixels.

    The square leaves the crop where the face is at the picture's edge.
    """

    image: bytes
    box_xywh_px: tuple[float, ...] = ()
    square_xywh_px: tuple[float, ...] = ()


def crop_image(image: picture.Decoded, box_xywh_px: Sequence[float]) -> Crop:
    """Crop the face at a box, in the file's own pixels, out of a decoded image.

    Raises:
        ValueError: As `crop`.
    """
    return crop(image.pixels, [value / image.scale for value in box_xywh_px])


def crop(pixels: np.ndarray, box_xywh_px: Sequence[float]) -> Crop:
    """Cut the face at a box out of a picture, uint8 [height, width, 3].

    Raises:
        ValueError: the box has no area, is wholly outside the picture, or far larger.
    """
    height, width = pixels.shape[:2]
    x, y, box_width, box_height = box_xywh_px
    if not (box_width > 0 and box_height > 0):
        raise ValueError(f"the face's box has no area: {_shown(box_xywh_px)}.")
    if x >= width or y >= height or x + box_width <= 0 or y + box_height <= 0:
        raise ValueError(
            f"the face's box {_shown(box_xywh_px)} is outside the picture of "
            f"{width}x{height} pixels."
        )
    square = _square(box_xywh_px)
    if square[2] > MOST_SIDES * max(width, height):
        raise ValueError(
            f"the face's box {_shown(box_xywh_px)} is more than {MOST_SIDES} times as "
            f"long as the picture of {width}x{height} pixels."
        )
    left, right = _reach(square[0], square[2], width)
    top, bottom = _reach(square[1], square[2], height)
    reduced, scale = _reduce(pixels[top:bottom, left:right])
    return Crop(
        picture.encode_jpeg(reduced),
        _moved(box_xywh_px, left, top, scale),
        _moved(square, left, top, scale),
    )


def whole(pixels: np.ndarray) -> Crop:
    """Return all of a picture, reduced as a crop is, for one without a face."""
    return Crop(picture.encode_jpeg(_reduce(pixels)[0]))


def _square(box_xywh_px: Sequence[float]) -> tuple[float, ...]:
    x, y, width, height = box_xywh_px
    side = max(width, height)
    return x + width / 2 - side / 2, y + height / 2 - side / 2, side, side


def _reach(start: float, side: float, end: int) -> tuple[int, int]:
    """Return the first pixel of the crop along an axis, and the one after its last."""
    low = math.floor(max(start - SLACK * side, 0))
    high = math.ceil(min(start + (1 + SLACK) * side, end))
    return low, high


def _reduce(pixels: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the picture with no side over `MAX_SIDE_PX`, and by how much it shrank."""
    longer = max(pixels.shape[:2])
    if longer <= MAX_SIDE_PX:
        return pixels, 1.0
    scale = MAX_SIDE_PX / longer
    height, width = (max(1, round(side * scale)) for side in pixels.shape[:2])
    reduced = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    return reduced, scale


def _moved(
    xywh_px: Sequence[float], left: int, top: int, scale: float
) -> tuple[float, ...]:
    x, y, width, height = xywh_px
    return (x - left) * scale, (y - top) * scale, width * scale, height * scale


def _shown(xywh_px: Sequence[float]) -> str:
    return "(" + ", ".join(f"{value:g}" for value in xywh_px) + ")"
