"""Images on disk as frames."""

from collections.abc import Iterator
from pathlib import Path

from fer_tf.live.frames import Frame
from fer_tf.live.pictures import read_picture

# Farther apart than tracks live, so that one picture's faces are not the next one's.
PICTURE_MS = 1000.0


class Pictures:
    """Pictures as frames, `PICTURE_MS` apart."""

    is_live = False
    rate = 1000 / PICTURE_MS

    def __init__(self, paths: list[Path]) -> None:
        self._paths = paths

    def __iter__(self) -> Iterator[Frame]:
        for index, path in enumerate(self._paths):
            pixels = read_picture(path)
            yield Frame(index, index * PICTURE_MS, pixels, duration_ms=PICTURE_MS)

    def close(self) -> None:
        """Do nothing: no picture is kept open."""
