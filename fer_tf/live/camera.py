"""Frames from a camera, a video file, an image, a folder of images or a URL."""

import logging
import re
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from fer_tf import image_files
from fer_tf.errors import OutsideError
from fer_tf.errors import UserError
from fer_tf.live import opencv_log
from fer_tf.live import video_file
from fer_tf.live import video_library
from fer_tf.live.film import Pictures
from fer_tf.live.frames import BgrConverter
from fer_tf.live.frames import Frame
from fer_tf.live.frames import Silence
from fer_tf.live.frames import Source
from fer_tf.live.frames import rate_of
from fer_tf.live.frames import read_from
from fer_tf.live.pictures import find_images

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
# OpenCV's numbers of cameras have 32 bits.
LONGEST_NUMBER = 10
# Whatever has another scheme, such as rtsp, is a live stream. These may be, too: their
# container decides.
FILE_SCHEMES = ("http", "https", "ftp", "sftp", "file")

Capture = Callable[[str | int], Any]

log = logging.getLogger(__name__)


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
        read, pixels = read_from(opened) if opened.isOpened() else (False, None)
        if read:
            height, width = pixels.shape[:2]
            yield Found(number, width, height, rate_of(opened))
        opened.release()


def name_of(source: str) -> str:
    """Return a source as it may be told and written down: without a password.

    What asks for it after the path, as `?password=`, is left out as well.
    """
    if "://" not in source:
        return source
    return re.sub(r"(?<=://)[^/?#]*@", "", source).partition("?")[0]


def open_source(
    source: str,
    *,
    clock: Callable[[], float] = time.monotonic,
    capture: Capture = _capture,
) -> Source:
    """Open a camera by its number, or a video, an image, a folder or a URL.

    Args:
        clock: seconds, from any origin; live sources tell the time by it.
        capture: what opens a camera or a live stream.

    Raises:
        UserError: there is no such file, or it is empty or holds no images.
        OutsideError: the camera, the URL or the video does not open.
    """
    if not source:
        raise UserError("the source is empty. Give a camera's number, a file or a URL.")
    if source.isdecimal() and len(source) < LONGEST_NUMBER:
        return Camera(lambda: capture(int(source)), f"camera {source}", clock)
    if "://" in source:
        return _open_url(source, clock, capture)
    path = Path(source)
    if not path.exists():
        raise UserError(f"there is no {path}. Give a camera's number, a file or a URL.")
    if path.is_dir():
        walk = find_images(path)
        for line in image_files.counted(walk.skipped):
            log.info("%s", line)
        return Pictures(walk.images)
    if path.is_char_device():
        return Camera(lambda: capture(source), source, clock)
    if not path.stat().st_size:
        raise UserError(f"{path} is empty (0 bytes).")
    # A GIF may be animated, and is read as a video.
    if path.is_file() and path.suffix.lower() != ".gif" and image_files.is_image(path):
        return Pictures([path])
    container = video_library.open_video(path, name=source)
    return video_file.VideoFile(container, source)


def _open_url(url: str, clock: Callable[[], float], capture: Capture) -> Source:
    """Open a live stream, or a finite video, by the URL's scheme and its container.

    A finite video ends once, whether or not the server announces its length; a live
    stream is opened again when it breaks.
    """
    name = name_of(url)
    if url.partition("://")[0].lower() in FILE_SCHEMES:
        container = video_library.open_video(url, name)
        if not video_file.is_live(container):
            return video_file.VideoFile(container, name)
        container.close()
    return Camera(lambda: capture(url), name, clock)


def _advice(name: str) -> str:
    """Return what to do about a live source that does not open."""
    if "://" in name:
        return video_library.URL_ADVICE
    return (
        "Is it plugged in, free, and allowed to be used? `fer-tf live --list-cameras` "
        "shows those that open."
    )


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
            raise OutsideError(f"{name} does not open. {_advice(name)}")
        self._open = open_capture
        self._name = name
        self._clock = clock
        self.rate = rate_of(capture)
        self._as_bgr = BgrConverter()
        self._start_s = clock()
        self._changed = threading.Condition()
        # All three belong to `_changed`.
        self._newest: Frame | None = None
        self._sent_s = self._start_s
        self._fault: str | BaseException = ""
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, args=[capture], daemon=True)

    def __iter__(self) -> Iterator[Frame | Silence]:
        # Whoever opened it may have done something else before looking.
        self._start_s = self._sent_s = self._clock()
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
            read, pixels = read_from(capture)
            if not read:
                capture.release()
                with self._changed:
                    self._fault = "is gone, trying to open it again"
                capture = self._opened_again()
                if capture is None:
                    return
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
            frame = Frame(index, time_ms, self._as_bgr(pixels))
        except OutsideError as error:
            fault = f"cannot be used: {error}"
        with self._changed:
            self._fault = fault
            if frame:
                self._newest, self._sent_s = frame, self._clock()
                self._changed.notify()

    def _opened_again(self) -> Any:
        """Return the camera once it is back; None if it is closed before that."""
        while not self._closing.wait(RETRY_S):
            capture = self._open()
            if capture.isOpened():
                return capture
            capture.release()
        return None
