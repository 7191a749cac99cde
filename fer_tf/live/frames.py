"""What a source of frames hands out."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from typing import Protocol

import cv2
import numpy as np

from fer_tf.errors import OutsideError
from fer_tf.live.annotations import Annotation

USUAL_RATE = 25.0


@dataclass(frozen=True, eq=False)
class Frame:
    """A picture and when it was taken.

    Attributes:
        index: its number in the source, counted from 0; gaps are frames that a live
            camera took while nobody could look.
        time_ms: since the source's beginning, as players count it: of a video, since
            its container's start; later than the frame before.
        pixels_bgr: uint8 [height, width, 3].
        annotations: the ground truth of its faces; empty where none is known.
        duration_ms: for how long it is shown, which is until the next frame's time;
            None of a live source, whose next frame is not known.
    """

    index: int
    time_ms: float
    pixels_bgr: np.ndarray
    annotations: tuple[Annotation, ...] = ()
    duration_ms: float | None = None


@dataclass(frozen=True)
class Silence:
    """A live source has no frame to give, for `for_s` seconds by now.

    Attributes:
        why: what to tell of it; "" while it is too short to speak of.
    """

    why: str
    for_s: float


class Source(Protocol):
    """Frames in the order of their time; of a live source, silences too.

    Attributes:
        rate: nominal frames per second.
        is_live: frames are lost to whoever is slow.
    """

    rate: float
    is_live: bool

    def __iter__(self) -> Iterator[Frame | Silence]:
        """Yield the frames, once."""

    def close(self) -> None:
        """Give back the camera or the file."""


def as_bgr(pixels: np.ndarray) -> np.ndarray:
    """Return uint8 [height, width, 3] of whatever a camera hands out.

    Args:
        pixels: uint8 or uint16; grey [height, width] or [height, width, 1], BGR or
            BGRA.

    Raises:
        OutsideError: it is something else.
    """
    channels = 1 if pixels.ndim == 2 else pixels.shape[-1]
    known = pixels.dtype in (np.uint8, np.uint16) and pixels.ndim in (2, 3)
    if not (known and channels in (1, 3, 4) and pixels.size):
        raise OutsideError(
            "expected frames of uint8 or uint16 [height, width(, 1, 3 or 4)], received "
            f"{pixels.dtype} {list(pixels.shape)}."
        )
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    if channels == 1:
        return cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR)
    return cv2.cvtColor(pixels, cv2.COLOR_BGRA2BGR) if channels == 4 else pixels


def rate_of(capture: Any) -> float:
    """Return frames per second; some files and most cameras do not know theirs."""
    rate = capture.get(cv2.CAP_PROP_FPS)
    return rate if math.isfinite(rate) and 1 <= rate <= 240 else USUAL_RATE


def read_from(capture: Any) -> tuple[bool, Any]:
    """Return what `capture.read` does; some backends raise where others say no."""
    try:
        return capture.read()
    except cv2.error:
        return False, None
