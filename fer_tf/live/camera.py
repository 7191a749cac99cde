"""Frames from a camera, a film, a picture, a folder of pictures or a URL."""

import logging
import math
import re
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
from fer_tf.live.ahead import Ahead
from fer_tf.live.pictures import SUFFIXES
from fer_tf.live.pictures import pictures_in
from fer_tf.live.pictures import read_picture

log = logging.getLogger(__name__)

USUAL_RATE = 25.0
# Farther apart than tracks live, so that one picture's faces are not the next one's.
PICTURE_MS = 1000.0
# What a film's clock may jump from one frame to the next, and be believed.
LONGEST_GAP_MS = 60_000.0
# Fewer of the frames that a film announces, and it is damaged.
WHOLE = 0.9

# Whoever waits for a camera looks up so often, to hear of keys.
TICK_S = 0.05
# A camera that is silent for so long has stalled.
STALL_S = 1.0
# One that is gone is opened again so often,
RETRY_S = 1.0
# and one that stays silent is given up.
PATIENCE_S = 60.0
CLOSE_S = 2.0
# A stream that does not answer holds the thread for no longer.
URL_TIMEOUT_MS = 5000
# Camera numbers that are tried.
MOST_CAMERAS = 10

Capture = Callable[[str | int], Any]


@dataclass(frozen=True, eq=False)
class Frame:
    """A picture and when it was taken.

    Attributes:
        index: its number in the source, counted from 0; gaps are frames that a live
            camera took while nobody could look.
        time_ms: since the source's beginning, by the source's own time; later than the
            frame before.
        pixels_bgr: uint8 [height, width, 3].
    """

    index: int
    time_ms: float
    pixels_bgr: np.ndarray


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


@dataclass(frozen=True)
class Found:
    """A camera that opens and sends frames of `width` x `height` pixels."""

    number: int
    width: int
    height: int
    rate: float


def _capture(name: str | int) -> cv2.VideoCapture:
    with opencv_log.silenced():
        if isinstance(name, str) and "://" in name:
            timeouts = [
                cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
                URL_TIMEOUT_MS,
                cv2.CAP_PROP_READ_TIMEOUT_MSEC,
                URL_TIMEOUT_MS,
            ]
            return cv2.VideoCapture(name, cv2.CAP_FFMPEG, timeouts)
        return cv2.VideoCapture(name)


def find_cameras(capture: Capture = _capture) -> Iterator[Found]:
    """Yield the cameras that open and send a frame, of the first `MOST_CAMERAS`."""
    for number in range(MOST_CAMERAS):
        opened = capture(number)
        read, pixels = opened.read() if opened.isOpened() else (False, None)
        if read:
            height, width = pixels.shape[:2]
            yield Found(number, width, height, _rate(opened))
        opened.release()


def name_of(source: str) -> str:
    """Return a source as it may be told and written down: without a password."""
    return re.sub(r"(?<=://)[^/@]*@", "", source)


def open_source(
    source: str,
    *,
    clock: Callable[[], float] = time.monotonic,
    capture: Capture = _capture,
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
        return Camera(lambda: capture(int(source)), f"camera {source}", clock)
    if "://" in source:
        return _open_url(source, clock, capture)
    path = Path(source)
    if not path.exists():
        raise UserError(f"there is no {path}. Give a camera's number, a file or a URL.")
    if path.is_dir():
        return Pictures(pictures_in(path))
    if path.is_char_device():
        return Camera(lambda: capture(source), source, clock)
    if not path.stat().st_size:
        raise UserError(f"{path} is empty (0 bytes).")
    if path.suffix.lower() in SUFFIXES:
        return Pictures([path])
    return Film(capture(source), source)


def _open_url(url: str, clock: Callable[[], float], capture: Capture) -> Source:
    """Open a film if the URL announces how long it is, else something live."""
    opened = capture(url)
    if opened.isOpened() and opened.get(cv2.CAP_PROP_FRAME_COUNT) > 0:
        return Film(opened, name_of(url))
    # The first time what is open already, and from then on another.
    openings = iter([opened])
    return Camera(
        lambda: next(openings, None) or capture(url), name_of(url), clock
    )


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
    """Every frame of a film, at the time the film gives it; a thread reads ahead."""

    is_live = False

    def __init__(self, capture: Any, name: str) -> None:
        if not capture.isOpened():
            raise OutsideError(f"{name} cannot be opened as a film.")
        self._capture = capture
        self._name = name
        self._ahead = Ahead(self._frames())
        self.rate = _rate(capture)

    def __iter__(self) -> Iterator[Frame]:
        return iter(self._ahead)

    def close(self) -> None:
        """Close the file."""
        self._ahead.close()
        self._capture.release()

    def _frames(self) -> Iterator[Frame]:
        index, time_ms = 0, -1.0
        while True:
            read, pixels = self._capture.read()
            if not read:
                break
            time_ms = self._time_ms(index, time_ms)
            yield Frame(index, time_ms, as_bgr(pixels))
            index += 1
        if not index:
            raise OutsideError(f"{self._name} opens, but no frame of it can be read.")
        announced = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        if index < WHOLE * announced:
            log.warning(
                "%s ended after %d of %d frames: it is damaged.",
                self._name,
                index,
                announced,
            )

    def _time_ms(self, index: int, before_ms: float) -> float:
        """Return the time of the frame just read; some files say 0, or go back."""
        reported = self._capture.get(cv2.CAP_PROP_POS_MSEC)
        if before_ms < reported < before_ms + LONGEST_GAP_MS:
            return max(0.0, reported)
        return max(index * 1000 / self.rate, before_ms + 1)


class Camera:
    """The newest frame of a live camera, read by a thread of its own.

    Whoever looks slowly misses frames, and never sees an old one. A camera that goes
    away is opened again until it is back; frame numbers and time go on. The thread
    alone touches the camera once it runs, since OpenCV's are not made for two.

    Args:
        open_capture: opens the camera, every time it is called.
    """

    is_live = True

    def __init__(
        self, open_capture: Callable[[], Any], name: str, clock: Callable[[], float]
    ) -> None:
        capture = open_capture()
        if not capture.isOpened():
            raise OutsideError(
                f"{name} does not open. Is it plugged in, free, and allowed to be "
                "used? `fer-tf live --list-cameras` shows those that open."
            )
        self._open = open_capture
        self._name = name
        self._clock = clock
        self.rate = _rate(capture)
        self._start_s = clock()
        self._changed = threading.Condition()
        # All three belong to `_changed`.
        self._newest: Frame | None = None
        self._sent_s = self._start_s
        self._fault: str | BaseException = ""
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, args=[capture], daemon=True)

    def __iter__(self) -> Iterator[Frame | Silence]:
        self._thread.start()
        while not self._closing.is_set():
            yield self._take()

    def close(self) -> None:
        """Stop the thread, which gives the camera back."""
        self._closing.set()
        if self._thread.ident is None:
            self._thread.start()
        self._thread.join(CLOSE_S)

    def _take(self) -> Frame | Silence:
        """Wait for a frame newer than the last, at most `TICK_S`."""
        with self._changed:
            self._changed.wait_for(lambda: self._newest, TICK_S)
            frame, self._newest = self._newest, None
            for_s, fault = self._clock() - self._sent_s, self._fault
        if frame:
            return frame
        if isinstance(fault, BaseException):
            raise fault
        why = fault or "sends nothing"
        if for_s > PATIENCE_S:
            raise OutsideError(f"{self._name} {why}, for {for_s:.0f} s by now.")
        return Silence(f"{self._name} {why}" if fault or for_s > STALL_S else "", for_s)

    def _run(self, capture: Any) -> None:
        try:
            self._read(capture)
        except BaseException as error:
            with self._changed:
                self._fault = error

    def _read(self, capture: Any) -> None:
        """Read until closed; the camera is released here and nowhere else."""
        index, time_ms = 0, -1.0
        while not self._closing.is_set():
            read, pixels = _read_from(capture)
            if not read:
                capture.release()
                with self._changed:
                    self._fault = "is gone, trying to open it again"
                capture = self._opened_again()
                continue
            # In whole microseconds, as `frames.csv` keeps it.
            now_ms = round(1000 * (self._clock() - self._start_s), 3)
            time_ms = max(now_ms, round(time_ms + 0.001, 3))
            self._hand_on(index, time_ms, pixels)
            index += 1
        capture.release()

    def _hand_on(self, index: int, time_ms: float, pixels: np.ndarray) -> None:
        frame, fault = None, ""
        try:
            frame = Frame(index, time_ms, as_bgr(pixels))
        except OutsideError as error:
            fault = f"cannot be used: {error}"
        with self._changed:
            self._fault = fault
            if frame:
                self._newest, self._sent_s = frame, self._clock()
                self._changed.notify()

    def _opened_again(self) -> Any:
        while True:
            stopped = self._closing.wait(RETRY_S)
            capture = self._open()
            if stopped or capture.isOpened():
                return capture
            capture.release()


def _read_from(capture: Any) -> tuple[bool, Any]:
    """Return what `capture.read` does; some backends raise where others say no."""
    try:
        return capture.read()
    except cv2.error:
        return False, None


def _rate(capture: Any) -> float:
    """Return frames per second; some files and most cameras do not know theirs."""
    rate = capture.get(cv2.CAP_PROP_FPS)
    return rate if math.isfinite(rate) and 1 <= rate <= 240 else USUAL_RATE
