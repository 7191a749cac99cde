"""Every frame of a video file, or of a finite video by URL, as players show it.

Frames are upright, their pixels are square, and times count from the start of the
container.
"""

import logging
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import cv2
import numpy as np

from fer_tf.errors import OutsideError
from fer_tf.live import timestamps
from fer_tf.live import video_library
from fer_tf.live.ahead import Ahead
from fer_tf.live.frames import USUAL_RATE
from fer_tf.live.frames import Frame

log = logging.getLogger(__name__)

MAX_RATE = 240
# High-speed cameras reach it; a clock that passes for a rate is faster.
MAX_AGREED_RATE = 10_000
# 8K is 35 million. A video of 62 kB asked for 5 GB: it announced 16,000 x 16,000.
MAX_PIXELS = 40_000_000
# Pixels are made square above this ratio of their sides; below, it is rounding that
# editors leave, and no face looks different. A ratio beyond the other is damage.
MIN_STRETCH, MAX_STRETCH = 1.02, 4
# Containers round the duration that they announce.
END_TOLERANCE_S = 0.5
# Multipart JPEG, which network cameras send over HTTP.
MULTIPART = "mpjpeg"
# Playlists that announce a duration only if they are complete.
PLAYLISTS = ("hls", "dash")


def is_live(container: Any) -> bool:
    """Return whether an opened URL is a live stream, by its container."""
    name = container.format.name
    if name in PLAYLISTS:
        return container.duration is None
    return name == MULTIPART


class VideoFile:
    """Every frame of an opened video; a thread decodes in advance.

    Args:
        container: what `video_library.open_video` returns; `close` closes it.
        name: the video as messages may show it.

    Attributes:
        rate: nominal frames per second.

    Raises:
        OutsideError: the container holds no video stream.
    """

    is_live = False

    def __init__(self, container: Any, name: str) -> None:
        self._container = container
        self._name = name
        self._stream = _video_stream(container, name)
        self._start_s = _start_s(container, self._stream)
        self.rate = _rate_of(self._stream)
        # Seconds on the container's clock: of decoded frames, of the packets of the
        # video stream, and of all packets.
        self._decoded_to_s = self._video_to_s = self._all_to_s = float(self._start_s)
        self._failure = ""
        self._repairs = 0
        self._prefetch = Ahead(self._frames())

    def __iter__(self) -> Iterator[Frame]:
        return iter(self._prefetch)

    def close(self) -> None:
        """Close the file or the connection."""
        self._prefetch.close()
        self._container.close()

    def _frames(self) -> Iterator[Frame]:
        interval_ms = 1000 / self.rate
        timed = timestamps.repaired(self._decoded(), interval_ms, self._on_repair)
        convert = video_library.load().video.reformatter.VideoReformatter()
        index = -1
        for index, (time_ms, duration_ms, decoded) in enumerate(
            timestamps.with_durations(timed)
        ):
            width, height = self._shown_size(decoded)
            pixels = convert.reformat(
                decoded, width=width, height=height, format="bgr24"
            ).to_ndarray()
            if duration_ms is None:
                duration_ms = 1000 * self._duration_s(decoded) or interval_ms
            pixels = upright(pixels, decoded)
            yield Frame(index, time_ms, pixels, duration_ms=duration_ms)
        self._check_end(frames=index + 1)

    def _decoded(self) -> Iterator[tuple[float | None, Any]]:
        """Yield the decoded frames, each with its reported time in ms or None."""
        for packet in self._packets():
            for decoded in self._decode(packet):
                if decoded.pts is None:
                    yield None, decoded
                    continue
                # A frame that the decoder held back at the end has no time base.
                time_s = decoded.pts * self._stream.time_base
                end_s = float(time_s) + self._duration_s(decoded)
                self._decoded_to_s = max(self._decoded_to_s, end_s)
                yield float(1000 * (time_s - self._start_s)), decoded

    def _packets(self) -> Iterator[Any]:
        """Yield the video stream's packets; the last one is empty."""
        try:
            for packet in self._container.demux():
                is_video = packet.stream.index == self._stream.index
                if packet.pts is not None:
                    end = (packet.pts + (packet.duration or 0)) * packet.time_base
                    self._all_to_s = max(self._all_to_s, float(end))
                    if is_video:
                        self._video_to_s = max(self._video_to_s, float(end))
                if is_video:
                    yield packet
        except video_library.load().FFmpegError as error:
            self._failure = self._failure_of(error)
            # Lets the decoder hand out what it holds back.
            yield None

    def _failure_of(self, error: Exception) -> str:
        """Return how the connection or the disk failed; "" if the data just ended."""
        # FFmpeg reports the end of a download of unknown size as an OSError.
        ended = isinstance(error, OSError) and self._container.size < 0
        if ended or isinstance(error, ValueError):
            return ""
        return video_library.reason_of(error)

    def _decode(self, packet: Any) -> list[Any]:
        try:
            return self._stream.decode(packet)
        except video_library.load().FFmpegError:
            # As players do: the next packets may be whole.
            return []

    def _shown_size(self, decoded: Any) -> tuple[int, int]:
        """Return width and height with square pixels, before the frame is turned.

        Raises:
            OutsideError: they are more than `MAX_PIXELS`.
        """
        ratio = float(self._stream.sample_aspect_ratio or 1)
        width, height = decoded.width, decoded.height
        if MIN_STRETCH <= ratio <= MAX_STRETCH:
            width = round(width * ratio)
        elif MIN_STRETCH <= 1 / ratio <= MAX_STRETCH:
            height = round(height / ratio)
        check_size(width, height, self._name)
        return width, height

    def _duration_s(self, decoded: Any) -> float:
        return float((decoded.duration or 0) * self._stream.time_base)

    def _on_repair(self, index: int) -> None:
        self._repairs += 1
        if self._repairs == 1:
            log.warning(
                "%s: the timestamp of frame %d is missing or does not increase. It is "
                "repaired, and so are any others like it.",
                self._name,
                index,
            )

    def _check_end(self, frames: int) -> None:
        """Report a video that ended before its time.

        Raises:
            OutsideError: no frame could be decoded, or the connection failed.
        """
        total_s = self._total_s()
        of = "" if total_s is None else f" of {total_s:.1f} s"
        ended_s = self._decoded_to_s - float(self._start_s)
        told = f"{self._name} ended at {ended_s:.1f} s{of}"
        if self._failure:
            raise OutsideError(f"{told}: {self._failure}.")
        if not frames:
            raise OutsideError(
                f"{self._name} opens, but no frame of it can be decoded."
            )
        incomplete = total_s is not None and (
            self._all_to_s - float(self._start_s) < total_s - END_TOLERANCE_S
        )
        if incomplete or self._decoded_to_s < self._video_to_s - END_TOLERANCE_S:
            log.warning("%s.", told)

    def _total_s(self) -> float | None:
        """Return the duration that the container announces, from its start."""
        if self._container.duration is None:
            return None
        total_s = self._container.duration / 1e6
        # Matroska announces when its last frame ends, and others how long they last.
        if "matroska" in self._container.format.name:
            total_s -= float(self._start_s)
        return total_s


def upright(pixels: np.ndarray, decoded: Any) -> np.ndarray:
    """Return the pixels of a decoded frame as its display matrix turns them."""
    matrix = decoded.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return pixels
    # The point (x, y) is shown at (a x + c y, b x + d y).
    (a, b, _), (c, d, _), _ = np.frombuffer(bytes(matrix), "=i4").reshape(3, 3).tolist()
    if abs(b) > abs(a):
        pixels, to_left, to_top = cv2.transpose(pixels), c < 0, b < 0
    else:
        to_left, to_top = a < 0, d < 0
    if to_left:
        pixels = cv2.flip(pixels, 1)
    return cv2.flip(pixels, 0) if to_top else pixels


def check_size(width: int, height: int, name: str) -> None:
    """Raise OutsideError where a frame has more than `MAX_PIXELS`."""
    if width * height > MAX_PIXELS:
        raise OutsideError(
            f"{name} has frames of {width}x{height} pixels, expected at most "
            f"{MAX_PIXELS:,} pixels. Make a smaller copy of the video."
        )


def _video_stream(container: Any, name: str) -> Any:
    stream = container.streams.best("video")
    av = video_library.load()
    if stream is None or stream.disposition & av.stream.Disposition.attached_pic:
        container.close()
        raise OutsideError(f"{name} holds no video stream.")
    if stream.codec_context is None:
        container.close()
        raise OutsideError(f"{name} is encoded in a way that cannot be decoded.")
    try:
        check_size(stream.codec_context.width, stream.codec_context.height, name)
    except OutsideError:
        container.close()
        raise
    # The size may change later, and the decoder allocates before it can be checked.
    stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
    stream.thread_type = "AUTO"
    stream.codec_context.thread_count = video_library.threads()
    return stream


def _start_s(container: Any, stream: Any) -> Fraction:
    """Return the time on the container's clock that players count from."""
    start_s = Fraction(container.start_time or 0, 1_000_000)
    first_s = (stream.start_time or 0) * Fraction(stream.time_base)
    # The container's is rounded to microseconds.
    if abs(first_s - start_s) < Fraction(1, 1_000_000):
        return first_s
    # Only sound that is never played precedes 0, unless the images do as well.
    return start_s if start_s >= 0 else min(Fraction(0), first_s)


def _rate_of(stream: Any) -> float:
    """Return nominal frames per second; some files do not know theirs."""
    guessed, average = stream.guessed_rate, stream.average_rate
    for rate in (guessed, average):
        if rate and 0 < rate <= MAX_RATE:
            return float(rate)
    if guessed and guessed == average and guessed <= MAX_AGREED_RATE:
        return float(guessed)
    return USUAL_RATE
