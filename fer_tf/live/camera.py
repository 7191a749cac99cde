"""Frames from a camera, a film, a picture or a folder of pictures."""

import math
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from typing import Protocol

import cv2
import numpy as np

from fer_tf.errors import OutsideError
from fer_tf.errors import UserError
from fer_tf.live import opencv_log
from fer_tf.live.pictures import SUFFIXES
from fer_tf.live.pictures import pictures_in
from fer_tf.live.pictures import read_picture

USUAL_RATE = 25.0
# Farther apart than tracks live, so that one picture's faces are not the next one's.
PICTURE_MS = 1000.0
# What a film's clock may jump from one frame to the next, and be believed.
LONGEST_GAP_MS = 60_000.0
# A live camera that is silent for so long has been unplugged.
SILENCE_S = 5.0


@dataclass(frozen=True, eq=False)
class Frame:
    """A picture and when it was taken.

    Attributes:
        index: its number in the source, counted from 0; gaps are frames that a live
            camera took while nobody could look.
        time_ms: since the source's beginning, by the source's own time.
        pixels_bgr: uint8 [height, width, 3].
    """

    index: int
    time_ms: float
    pixels_bgr: np.ndarray


class Source(Protocol):
    """Frames in the order of their time.

    Attributes:
        rate: nominal frames per second.
        is_live: frames are lost to whoever is slow.
    """

    rate: float
    is_live: bool

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames, once."""

    def close(self) -> None:
        """Give back the camera or the file."""


def _capture(name: str | int) -> cv2.VideoCapture:
    with opencv_log.silenced():
        return cv2.VideoCapture(name)


def open_source(
    source: str,
    *,
    clock: Callable[[], float] = time.monotonic,
    capture: Callable[[str | int], Any] = _capture,
) -> Source:
    """Open a camera by its number, or a film, a picture, a folder or a URL.

    Args:
        clock: seconds, from any origin; live sources tell the time by it.
        capture: what opens a film or a camera.

    Raises:
        UserError: there is no such file, or it is empty or holds no pictures.
        OutsideError: the camera, the URL or the film does not open.
    """
    if source.isdecimal():
        return Camera(capture(int(source)), f"camera {source}", clock)
    if "://" in source:
        return Camera(capture(source), source, clock)
    path = Path(source)
    if not path.exists():
        raise UserError(f"there is no {path}. Give a camera's number, a file or a URL.")
    if path.is_dir():
        return Pictures(pictures_in(path))
    if not path.stat().st_size:
        raise UserError(f"{path} is empty (0 bytes).")
    if path.suffix.lower() in SUFFIXES:
        return Pictures([path])
    return Film(capture(str(path)), path)


def as_bgr(pixels: np.ndarray) -> np.ndarray:
    """Return uint8 [height, width, 3] of whatever a camera hands out.

    Args:
        pixels: uint8 or uint16; grey [height, width] or [height, width, 1], BGR or
            BGRA.
    """
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3):
        raise OutsideError(
            "expected frames of uint8 or uint16 [height, width(, channels)], received "
            f"{pixels.dtype} {list(pixels.shape)}."
        )
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    if channels == 1:
        return cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR)
    return cv2.cvtColor(pixels, cv2.COLOR_BGRA2BGR) if channels == 4 else pixels


class Pictures:
    """Pictures as frames, `PICTURE_MS` apart."""

    is_live = False
    rate = 1000 / PICTURE_MS

    def __init__(self, paths: list[Path]) -> None:
        self._paths = paths

    def __iter__(self) -> Iterator[Frame]:
        for index, path in enumerate(self._paths):
            yield Frame(index, index * PICTURE_MS, read_picture(path))

    def close(self) -> None:
        """Do nothing: no picture is kept open."""


class Film:
    """Every frame of a film, at the time the film gives it."""

    is_live = False

    def __init__(self, capture: Any, path: Path) -> None:
        if not capture.isOpened():
            raise OutsideError(f"{path} cannot be opened as a film.")
        self._capture = capture
        self._path = path
        self.rate = _rate(capture)

    def __iter__(self) -> Iterator[Frame]:
        index, time_ms = 0, -1.0
        while True:
            read, pixels = self._capture.read()
            if not read:
                break
            time_ms = self._time_ms(index, time_ms)
            yield Frame(index, time_ms, as_bgr(pixels))
            index += 1
        if not index:
            raise OutsideError(f"{self._path} opens, but no frame of it can be read.")

    def close(self) -> None:
        """Close the file."""
        self._capture.release()

    def _time_ms(self, index: int, before_ms: float) -> float:
        """Return the time of the frame just read; some files say 0, or go back."""
        reported = self._capture.get(cv2.CAP_PROP_POS_MSEC)
        if before_ms < reported < before_ms + LONGEST_GAP_MS:
            return max(0.0, reported)
        return max(index * 1000 / self.rate, before_ms + 1)


class Camera:
    """The newest frame of a live camera, read by a thread of its own.

    Whoever looks slowly misses frames, and never sees an old one.
    """

    is_live = True

    def __init__(self, capture: Any, name: str, clock: Callable[[], float]) -> None:
        if not capture.isOpened():
            raise OutsideError(
                f"{name} does not open. Is it plugged in, free, and allowed to be used?"
            )
        self._capture = capture
        self._name = name
        self._clock = clock
        self.rate = _rate(capture)
        self._changed = threading.Condition()
        self._newest: Frame | None = None
        self._ended = False
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __iter__(self) -> Iterator[Frame]:
        self._thread.start()
        while frame := self._take():
            yield frame
        if not self._ended:
            raise OutsideError(f"{self._name} has sent nothing for {SILENCE_S:g} s.")
        raise OutsideError(f"{self._name} stopped sending frames.")

    def close(self) -> None:
        """Stop the thread and give the camera back."""
        self._ended = True
        if self._thread.is_alive():
            self._thread.join(SILENCE_S)
        self._capture.release()

    def _take(self) -> Frame | None:
        """Wait for a frame newer than the last and return it; None if none comes."""
        with self._changed:
            self._changed.wait_for(lambda: self._newest or self._ended, SILENCE_S)
            frame, self._newest = self._newest, None
            return frame

    def _read(self) -> None:
        start = self._clock()
        index = 0
        while not self._ended:
            read, pixels = self._capture.read()
            # In whole microseconds, as `frames.csv` keeps it.
            time_ms = round(1000 * (self._clock() - start), 3)
            with self._changed:
                if read:
                    self._newest = Frame(index, time_ms, as_bgr(pixels))
                else:
                    self._ended = True
                self._changed.notify()
            index += 1


def _rate(capture: Any) -> float:
    """Return frames per second; some files and most cameras do not know theirs."""
    rate = capture.get(cv2.CAP_PROP_FPS)
    return rate if math.isfinite(rate) and 1 <= rate <= 240 else USUAL_RATE
