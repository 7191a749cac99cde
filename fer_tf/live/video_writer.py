"""Video files whose frames have their own times."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from fer_tf import files
from fer_tf.errors import OutsideError
from fer_tf.live import video_library

# SMPTE 170M, as the conversion from BGR is; unsaid, players take HD for BT.709.
COLOR_SPACE = 6
# The encoder hands on for how long each frame is shown.
DURATIONS = {"flags": "+frame_duration"}


@dataclass(frozen=True)
class Encoding:
    """How a video is stored; names and options are FFmpeg's.

    Attributes:
        time_base: seconds; timestamps are whole multiples of it.
        even_sides: the pixel format needs sides of even length.
    """

    codec: str
    pixel_format: str
    container: str
    time_base: Fraction
    codec_options: dict[str, str]
    container_options: dict[str, str]
    even_sides: bool


# Browsers play it. Without B-frames its times are exact for players that ignore edit
# lists, and a 60,000th of a second is exact for all usual rates, those of NTSC as well.
# The fastest preset: "superfast" takes 1.7 times as long for the same size and PSNR.
PLAYABLE = Encoding(
    codec="libx264",
    pixel_format="yuv420p",
    container="mp4",
    time_base=Fraction(1, 60_000),
    codec_options={"preset": "ultrafast", "crf": "20", "bf": "0"} | DURATIONS,
    container_options={"movflags": "+faststart"},
    even_sides=True,
)
# Lossless and an open standard (RFC 9043). Half a Matroska file can be read, and a
# process that is killed loses the cluster that it was filling, so clusters are short.
LOSSLESS = Encoding(
    codec="ffv1",
    pixel_format="bgr0",
    container="matroska",
    time_base=Fraction(1, 1000),
    codec_options={"level": "3", "slicecrc": "1"} | DURATIONS,
    container_options={"cluster_time_limit": "500", "flush_packets": "1"},
    even_sides=False,
)


class VideoWriter:
    """Appends frames to a video whose size is that of its first frame.

    A frame is shown from its time to the next frame's time; the first one from 0 on,
    and the last one as long as the one before it. The first frame creates the file.

    Args:
        rate: nominal frames per second.
    """

    def __init__(self, path: Path, rate: float, encoding: Encoding = PLAYABLE) -> None:
        self.frames = 0
        self._path = path
        self._rate = Fraction(min(max(rate, 1), 240)).limit_denominator(1001)
        self._encoding = encoding
        self._container: Any = None
        self._stream: Any = None
        self._size = (0, 0)
        # The last frame, which is written once it is known how long it is shown.
        self._waiting: Any = None
        self._fault: OutsideError | None = None

    def write(self, frame_bgr: np.ndarray, time_ms: float) -> None:
        """Append a frame.

        Args:
            frame_bgr: uint8 [height, width, 3].
            time_ms: later than that of the frame before.

        Raises:
            OutsideError: the file cannot be written.
        """
        if self._encoding.even_sides:
            frame_bgr = even(frame_bgr)
        with self._faults_named():
            if self._container is None:
                self._open(frame_bgr.shape[1::-1])
            frame = self._frame(fit(frame_bgr, self._size), time_ms)
            if self._waiting is not None:
                self._waiting.duration = frame.pts - self._waiting.pts
                self._container.mux(self._stream.encode(self._waiting))
                frame.duration = self._waiting.duration
            self._waiting = frame
        self.frames += 1

    def close(self) -> None:
        """Finish the file.

        Raises:
            OutsideError: the file cannot be written.
        """
        if self._fault:
            raise self._fault
        if self._container is None:
            return
        with self._faults_named():
            container, self._container = self._container, None
            with contextlib.closing(container):
                container.mux(self._stream.encode(self._waiting))
                container.mux(self._stream.encode())

    def _open(self, size: tuple[int, int]) -> None:
        encoding = self._encoding
        self._container = video_library.load().open(
            video_library.utf8_path(self._path),
            "w",
            format=encoding.container,
            options=encoding.container_options,
        )
        self._stream = self._container.add_stream(
            encoding.codec, rate=self._rate, options=encoding.codec_options
        )
        self._size = self._stream.width, self._stream.height = size
        self._stream.pix_fmt = encoding.pixel_format
        self._stream.time_base = encoding.time_base
        context = self._stream.codec_context
        context.time_base = encoding.time_base
        context.thread_count = video_library.threads()
        if encoding.pixel_format.startswith("yuv"):
            context.colorspace = COLOR_SPACE
        # Creates the file, so that a folder that cannot be written is known at once.
        self._container.start_encoding()

    def _frame(self, pixels_bgr: np.ndarray, time_ms: float) -> Any:
        """Return a frame of the library's, shown from `time_ms` on."""
        frame = video_library.load().VideoFrame.from_ndarray(
            np.ascontiguousarray(pixels_bgr), format="bgr24"
        )
        frame.time_base = self._encoding.time_base
        frame.duration = round(1 / (self._rate * frame.time_base))
        frame.pts = round(time_ms / 1000 / self._encoding.time_base)
        if self._waiting is None:
            frame.pts = 0
        elif frame.pts <= self._waiting.pts:
            # Two frames within one tick.
            frame.pts = self._waiting.pts + 1
        return frame

    @contextlib.contextmanager
    def _faults_named(self) -> Iterator[None]:
        av = video_library.load()
        try:
            yield
        except (av.FFmpegError, av.codec.codec.UnknownCodecError) as error:
            reason = getattr(error, "strerror", f"PyAV has no encoder {error}")
            # Also raised by `close`, since the file is not complete.
            self._fault = OutsideError(
                f"{self._path} cannot be written as a video: {reason}."
            )
            raise self._fault from None


@contextlib.contextmanager
def writing(
    path: Path, rate: float, encoding: Encoding = PLAYABLE
) -> Iterator[VideoWriter]:
    """Yield the writer of a video that appears at `path`, complete, at the end.

    Without a frame there is no file.

    Raises:
        OutsideError: the video cannot be written.
    """
    with contextlib.suppress(_NoFrames), files.replacing(path) as temporary:
        writer = VideoWriter(temporary, rate, encoding)
        try:
            yield writer
        finally:
            writer.close()
        if not writer.frames:
            raise _NoFrames


class _NoFrames(Exception):
    """Nothing was written; the empty file is not kept."""


def fit(frame: np.ndarray, size_wh_px: tuple[int, int]) -> np.ndarray:
    """Return a frame of `size_wh_px`, scaled as a whole, on black."""
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
    """Repeat the last row and column where a side is odd."""
    height, width = pixels.shape[:2]
    if height % 2 == width % 2 == 0:
        return pixels
    return cv2.copyMakeBorder(
        pixels, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE
    )
