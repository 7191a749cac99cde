"""Every frame of a film, and pictures as frames."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2

from fer_tf.errors import OutsideError
from fer_tf.live.ahead import Ahead
from fer_tf.live.frames import Frame
from fer_tf.live.frames import as_bgr
from fer_tf.live.frames import rate_of
from fer_tf.live.frames import read_from
from fer_tf.live.pictures import read_picture

log = logging.getLogger(__name__)

# Farther apart than tracks live, so that one picture's faces are not the next one's.
PICTURE_MS = 1000.0
# What a film's clock may jump from one frame to the next, and be believed.
LONGEST_GAP_MS = 60_000.0
# Fewer of the frames that a film announces, and it is damaged.
WHOLE = 0.9


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
        self.rate = rate_of(capture)

    def __iter__(self) -> Iterator[Frame]:
        return iter(self._ahead)

    def close(self) -> None:
        """Close the file."""
        self._ahead.close()
        self._capture.release()

    def _frames(self) -> Iterator[Frame]:
        index, time_ms = 0, -1.0
        while True:
            read, pixels = read_from(self._capture)
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
