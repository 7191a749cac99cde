"""Films of what comes as it can: of a camera, in its own time.

The clean one is lossless, so that what is read of it again is what was seen.
"""

import dataclasses
import logging
import shutil
from pathlib import Path

import cv2

from fer_tf.errors import OutsideError
from fer_tf.live import overlay
from fer_tf.live import video
from fer_tf.live.view import View

# Lossless and an open standard (RFC 9043). Matroska, because half a file of it plays.
LOSSLESS = cv2.VideoWriter.fourcc(*"FFV1")
LEAST_FREE_BYTES = 200_000_000
# A longer gap is left out: it was a pause, or a camera that had stalled.
MOST_REPEATED_S = 2.0

log = logging.getLogger(__name__)


class Recorder:
    """Appends the frames of views to a film, while it is on.

    A frame is repeated where others were dropped, so that the film lasts as long as
    what it shows, but for gaps of more than `MOST_REPEATED_S`; it lasts longer where
    frames come faster than `rate`, since none is left out. The file is begun with
    the first frame; of a process that is killed it lacks the last moments.

    Args:
        rate: frames per second.
        on: record from the first frame.
        codec: as OpenCV names it.
    """

    def __init__(
        self, path: Path, rate: float, on: bool = True, codec: int = LOSSLESS
    ) -> None:
        self.path = path
        self.on = on
        self._rate = rate
        self._codec = codec
        self._writer: cv2.VideoWriter | None = None
        self._shape: tuple[int, ...] = ()
        self._frames = 0
        self._origin_ms: float | None = None

    def __call__(self, view: View) -> int | None:
        """Record a view's frame and return its number in the film; None if off."""
        if not self.on:
            self._origin_ms = None
            return None
        pixels = view.frame.pixels_bgr
        # OpenCV does not say that a write failed, so the disk is never filled.
        if self._writer is None:
            self._open(pixels.shape)
        if shutil.disk_usage(self.path.parent).free < LEAST_FREE_BYTES:
            log.error("%s ends here: the disk is nearly full.", self.path)
            self.on = False
            return None
        if pixels.shape != self._shape:
            log.warning(
                "frame %d is not recorded: it is %s, the film %s.",
                view.frame.index,
                pixels.shape,
                self._shape,
            )
            return None
        first = self._frames
        due = self._due(view.frame.time_ms)
        if due > MOST_REPEATED_S * self._rate:
            self._origin_ms = None
            due = self._due(view.frame.time_ms)
        for _ in range(max(1, due)):
            self._writer.write(video.even(pixels))
            self._frames += 1
        return first

    def toggle(self) -> None:
        """Go on recording, or leave out what comes now."""
        self.on = not self.on

    @property
    def film(self) -> Path | None:
        """The film; None before a frame has been recorded."""
        return self.path if self._frames else None

    def close(self) -> None:
        """Finish the film."""
        if self._writer is not None:
            self._writer.release()

    def _due(self, time_ms: float) -> int:
        """Return how many frames the film lacks at a frame's time, itself included."""
        if self._origin_ms is None:
            self._origin_ms = time_ms - 1000 * self._frames / self._rate
        elapsed_ms = time_ms - self._origin_ms
        return int(elapsed_ms * self._rate / 1000 + 1e-6) + 1 - self._frames

    def _open(self, shape: tuple[int, ...]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        height, width = (side + side % 2 for side in shape[:2])
        self._shape = shape
        self._writer = cv2.VideoWriter(
            video.opencv_name(self.path), self._codec, self._rate, (width, height)
        )
        if not self._writer.isOpened():
            raise OutsideError(f"{self.path} cannot be written as a film.")


class Annotator:
    """Appends views to a film that anybody can play, what was seen drawn on them."""

    def __init__(self, path: Path, rate: float) -> None:
        self._recorder = Recorder(path, rate, codec=video.CODEC)

    def __call__(self, view: View) -> None:
        """Draw a view and append it."""
        frame = dataclasses.replace(view.frame, pixels_bgr=overlay.draw(view))
        self._recorder(dataclasses.replace(view, frame=frame))

    def close(self) -> None:
        """Finish the film."""
        self._recorder.close()
