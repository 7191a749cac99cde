"""Films written whole, and opened again to see that they are."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from fer_tf import files
from fer_tf.errors import OutsideError
from fer_tf.errors import UserError

CODEC = cv2.VideoWriter.fourcc(*"mp4v")


def opencv_name(path: Path) -> str:
    """Return the name by which OpenCV opens a film.

    Absolute, since FFmpeg takes what stands before a colon for a protocol.

    Raises:
        UserError: it is no UTF-8, for which OpenCV ends the whole process.
    """
    name = os.fspath(path.absolute())
    try:
        name.encode()
    except UnicodeEncodeError:
        raise UserError(
            f"{name!r} cannot be opened as a film: expected a name in UTF-8. Rename it."
        ) from None
    return name


class FilmWriter:
    """Appends frames to a film whose size is that of the first one.

    Args:
        rate: frames per second.
    """

    def __init__(self, path: Path, rate: float) -> None:
        self._path = path
        self._rate = rate
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)
        self.frames = 0

    def __call__(self, frame_bgr: np.ndarray) -> None:
        """Append a frame, uint8 [height, width, 3]."""
        frame_bgr = even(frame_bgr)
        if self._writer is None:
            self._open(frame_bgr.shape[1::-1])
        self._writer.write(fit(frame_bgr, self._size))
        self.frames += 1

    def _open(self, size: tuple[int, int]) -> None:
        self._size = size
        self._writer = cv2.VideoWriter(opencv_name(self._path), CODEC, self._rate, size)
        if not self._writer.isOpened():
            raise OutsideError(f"{self._path} cannot be written as a film.")

    def close(self) -> None:
        """Finish the file."""
        if self._writer is not None:
            self._writer.release()


@contextlib.contextmanager
def writing(path: Path, rate: float) -> Iterator[FilmWriter]:
    """Yield a writer of the film `path`, which is there afterwards, whole.

    Without a single frame there is no file.

    Raises:
        OutsideError: the film cannot be written, or cannot be opened again.
    """
    with contextlib.suppress(_NoFrames), files.replacing(path) as temporary:
        writer = FilmWriter(temporary, rate)
        try:
            yield writer
        finally:
            writer.close()
        if not writer.frames:
            raise _NoFrames
        _check(temporary, path)


class _NoFrames(Exception):
    """Nothing was written; the empty file is not kept."""


def _check(written: Path, path: Path) -> None:
    capture = cv2.VideoCapture(opencv_name(written))
    readable = capture.isOpened() and capture.read()[0]
    capture.release()
    if not readable:
        raise OutsideError(f"{path} was written but does not open. Is the disk full?")


def fit(frame: np.ndarray, size_wh_px: tuple[int, int]) -> np.ndarray:
    """Return a frame of `size_wh_px`, shrunk or grown whole, on black."""
    width, height = size_wh_px
    if frame.shape[1::-1] == (width, height):
        return frame
    factor = min(width / frame.shape[1], height / frame.shape[0])
    inner = [max(1, round(side * factor)) for side in frame.shape[1::-1]]
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    canvas = np.zeros((height, width, 3), np.uint8)
    bottom, right = top + inner[1], left + inner[0]
    canvas[top:bottom, left:right] = cv2.resize(frame, inner)
    return canvas


def even(pixels: np.ndarray) -> np.ndarray:
    """Repeat the last row and column of odd sides: OpenCV writes no odd films."""
    height, width = pixels.shape[:2]
    if height % 2 == width % 2 == 0:
        return pixels
    return cv2.copyMakeBorder(
        pixels, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE
    )
