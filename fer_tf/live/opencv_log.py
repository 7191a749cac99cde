"""OpenCV's own log, which tells users of what they cannot mend."""

import contextlib
from collections.abc import Iterator

from cv2.utils import logging


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Let OpenCV log nothing inside the block; our own errors say what is wrong."""
    level = logging.getLogLevel()
    logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        logging.setLogLevel(level)
