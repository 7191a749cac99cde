"""What a source of frames hands out."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from typing import Protocol

import cv2
import numpy as np

from fer_tf.errors import OutsideError
from fer_tf.errors import UserError
from fer_tf.live.annotations import Annotation

USUAL_RATE = 25.0
DEFECT_SHARE = 0.001


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


def check_bgr(frame: np.ndarray) -> None:
    """Refuse what is not a frame, and say how to convert it.

    Nothing is converted: whether an array of another kind is BGR, as OpenCV has it, or
    RGB, as most other libraries have it, cannot be told from its values.

    Raises:
        UserError: `frame` is not a uint8 [height, width, 3] array.
    """
    if not isinstance(frame, np.ndarray):
        received, remedy = f"{frame!r}"[:80], "Read images with cv2.imread"
        if frame is None:
            remedy = "cv2.imread returns None where it cannot read a file"
    elif frame.dtype == np.uint8 and frame.shape[2:] == (3,) and frame.size:
        return
    else:
        received = f"{frame.dtype} {list(frame.shape)}"
        remedy = _remedy(frame)
    raise UserError(
        "expected a frame uint8 [height, width, 3], BGR, as cv2.imread returns it, "
        f"received {received}. {remedy}."
    )


def _remedy(frame: np.ndarray) -> str:
    """Return what to do with an array that is not a frame."""
    if not frame.size:
        return "It is empty"
    if frame.ndim == 3 and frame.shape[0] in (1, 3, 4) and frame.shape[2] > 4:
        return "Its channels come first: pass frame.transpose(1, 2, 0)"
    if frame.ndim == 4:
        return "For several frames call recogniser.batch(frames)"
    if frame.dtype != np.uint8:
        return f"{_range_of(frame)}, in BGR order"
    if frame.ndim == 2 or frame.shape[2:] == (1,):
        return "Pass cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR)"
    if frame.shape[2:] == (4,):
        return "Pass cv2.cvtColor(frame, cv2.COLOR_BGRA2BGR)"
    return "Read images with cv2.imread"


def _range_of(frame: np.ndarray) -> str:
    """Return how to scale values of another type than uint8 to 0..255."""
    if frame.dtype == bool:
        return "Pass frame.astype(np.uint8) * 255"
    if not np.issubdtype(frame.dtype, np.number) or np.iscomplexobj(frame):
        return "Pass numbers of 0 to 255 as np.uint8"
    low, high = float(frame.min()), float(frame.max())
    if not (0 <= low and high <= 65_535):
        return f"Its values are {low:g} to {high:g}: scale them to 0..255 as np.uint8"
    if np.issubdtype(frame.dtype, np.floating) and high <= 1:
        return "Its values are in 0..1: pass (255 * frame).round().astype(np.uint8)"
    if high <= 255:
        return "Its values are in 0..255: pass frame.round().astype(np.uint8)"
    bits = next(bits for bits in (10, 12, 14, 16) if high < 1 << bits)
    return (
        f"Its values have {bits} bits: pass (frame // {1 << bits - 8}).astype(np.uint8)"
    )


class BgrConverter:
    """Converts whatever a camera sends to BGR of eight bits, all on one scale.

    A camera of 10, 12 or 14 bits sends them in 16; taken as 16 bits they would be
    black. How many there are is known by the largest values so far, but for a share of
    defect pixels, so that a dark frame is not brightened after a bright one.
    """

    def __init__(self) -> None:
        self._bits = 8

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """Return uint8 [height, width, 3].

        Args:
            pixels: uint8 or uint16; gray [height, width] or [height, width, 1], BGR or
                BGRA.

        Raises:
            OutsideError: `pixels` is something else.
        """
        channels = 1 if pixels.ndim == 2 else pixels.shape[-1]
        known = pixels.dtype in (np.uint8, np.uint16) and pixels.ndim in (2, 3)
        if not (known and channels in (1, 3, 4) and pixels.size):
            raise OutsideError(
                "expected frames of uint8 or uint16 [height, width(, 1, 3 or 4)], "
                f"received {pixels.dtype} {list(pixels.shape)}."
            )
        # Without alpha, which has all bits.
        colors = pixels[..., :3] if channels == 4 else pixels
        if colors.dtype == np.uint16:
            while np.count_nonzero(colors >> self._bits) > DEFECT_SHARE * colors.size:
                self._bits += 2
            colors = np.minimum(colors >> (self._bits - 8), 255).astype(np.uint8)
        if channels == 1:
            return cv2.cvtColor(colors, cv2.COLOR_GRAY2BGR)
        return np.ascontiguousarray(colors)


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
