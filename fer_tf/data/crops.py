"""Crops: what training needs of a picture, and no more.

Of a picture, a model is shown a square. The plain picture is that square; a view's
jitter may reach a little beyond it. Both are made here, once, from the decoded picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from fer_tf.preprocess import FaceSpec
from fer_tf.preprocess import as_rgb
from fer_tf.preprocess import prepare
from fer_tf.preprocess import shown

# A warp samples between four pixels; from a picture much larger than the view it would
# skip some, which a camera's lens does not do.
MAX_SHRINK = 1.5
# Of the square's side, on each side of it: further than jitter reaches.
SLACK = 0.5


@dataclass(frozen=True, eq=False)
class Crop:
    """A picture as it is kept; grey ones [height, width], others [height, width, 3].

    Attributes:
        pixels: uint8, the square and the slack around it, at most `MAX_SHRINK` times as
            large as the model's input.
        square_xywh_px: the square in `pixels`; it may leave them.
        plain: uint8 [size, size] or [size, size, 3], the square alone, resized as
            `prepare` does, so that to prepare it is to prepare the picture itself.
    """

    pixels: np.ndarray
    square_xywh_px: tuple[float, ...]
    plain: np.ndarray


def crop_of(picture: np.ndarray, square_xywh_px: Sequence[float], size: int) -> Crop:
    """Return what is kept of a picture for a model whose input has the side `size`.

    Args:
        picture: uint8 [height, width] or [height, width, 3], RGB.
        square_xywh_px: the part that the model is shown; empty for all of it, which
            then need not be a square.

    Raises:
        ValueError: the square has no side, or is no numbers.
    """
    picture = as_rgb(picture)
    square = _square(square_xywh_px, picture)
    plain = prepare(shown(picture, square_xywh_px), _resized(size))
    pixels, square = _bounded(*_trimmed(picture, square), size)
    return Crop(_without_repeats(pixels), square, _without_repeats(plain))


def _resized(size: int) -> FaceSpec:
    return FaceSpec(size=size, grey=False, clahe_clip=0.0)


def _square(square_xywh_px: Sequence[float], picture: np.ndarray) -> np.ndarray:
    if not len(square_xywh_px):
        return np.array([0, 0, picture.shape[1], picture.shape[0]], float)
    square = np.array(square_xywh_px, float)
    if square.shape != (4,) or not np.isfinite(square).all() or min(square[2:]) <= 0:
        raise ValueError(
            "expected a square [x, y, width, height] with a positive width and height, "
            f"received {list(square_xywh_px)}."
        )
    return square


def _trimmed(
    picture: np.ndarray, square: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Cut off what no jitter reaches; at least one pixel is left."""
    corner, sides = square[:2], square[2:]
    limits = np.array(picture.shape[1::-1])
    first = np.floor(corner - SLACK * sides).clip(0, limits - 1).astype(int)
    end = np.ceil(corner + (1 + SLACK) * sides).clip(first + 1, limits).astype(int)
    pixels = picture[first[1] : end[1], first[0] : end[0]]
    return pixels, np.concatenate([corner - first, sides])


def _bounded(
    pixels: np.ndarray, square: np.ndarray, size: int
) -> tuple[np.ndarray, tuple[float, ...]]:
    """Reduce a crop until no side of its square is over `MAX_SHRINK` times `size`."""
    before = np.array(pixels.shape[1::-1])
    ratio = np.minimum(1.0, MAX_SHRINK * size / square[2:])
    after = np.maximum(1, np.round(before * ratio).astype(int))
    if (after != before).any():
        pixels = cv2.resize(pixels, after.tolist(), interpolation=cv2.INTER_AREA)
    return pixels, tuple((square * np.tile(after / before, 2)).tolist())


def sampled(
    pixels: np.ndarray, linear: np.ndarray, centre: np.ndarray, size: int, border: int
) -> np.ndarray:
    """Sample a square picture of the side `size` in one warp.

    Args:
        pixels: uint8 [height, width] or [height, width, 3].
        linear: [2, 2], from steps in the result to steps in `pixels`.
        centre: [2], the x and y in `pixels` of the result's centre, where a pixel's
            middle is a whole number.
        border: OpenCV's way of going on beyond `pixels`.
    """
    offset = centre - linear @ np.full(2, (size - 1) / 2)
    return cv2.warpAffine(
        pixels,
        np.column_stack([linear, offset]),
        (size, size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=border,
    )


def _without_repeats(rgb: np.ndarray) -> np.ndarray:
    """Return one channel of a grey picture: three times less to keep and to warp."""
    first = rgb[..., 0]
    grey = (rgb[..., 1] == first).all() and (rgb[..., 2] == first).all()
    return np.ascontiguousarray(first) if grey else np.ascontiguousarray(rgb)
