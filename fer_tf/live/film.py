"""Images on disk as frames."""

import logging
from collections.abc import Iterator
from pathlib import Path

from fer_tf.errors import OutsideError
from fer_tf.live.frames import Frame
from fer_tf.live.pictures import read_image

log = logging.getLogger(__name__)

# Farther apart than tracks live, so that one picture's faces are not the next one's.
PICTURE_MS = 1000.0


class Pictures:
    """Image files as frames, `PICTURE_MS` apart.

    A file that cannot be read is logged and has no frame: its number and its time are
    left free.
    """

    is_live = False
    rate = 1000 / PICTURE_MS

    def __init__(self, paths: list[Path]) -> None:
        self._paths = paths

    def __iter__(self) -> Iterator[Frame]:
        faults = []
        for index, path in enumerate(self._paths):
            try:
                image = read_image(path)
            except OutsideError as error:
                log.warning("%s", error)
                faults.append(error)
            else:
                time_ms = index * PICTURE_MS
                yield Frame(index, time_ms, image.pixels_bgr, duration_ms=PICTURE_MS)
        if len(faults) == len(self._paths):
            raise OutsideError(f"none of {len(faults)} images can be read: {faults[0]}")
        if faults:
            log.warning(
                "%d of %d images cannot be read.", len(faults), len(self._paths)
            )

    def close(self) -> None:
        """Do nothing: no picture is kept open."""
