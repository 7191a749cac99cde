"""OpenCV's own log, which tells users of what they cannot mend."""

import contextlib
from collections.abc import Iterator

import cv2

SILENT = 0
# OpenCV 5 moved the two functions.
_log = cv2.utils.logging if hasattr(cv2.utils, "logging") else cv2


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Let OpenCV log nothing inside the block; our own errors say what is wrong."""
    level = _log.getLogLevel()
    _log.setLogLevel(SILENT)
    try:
        yield
    finally:
        _log.setLogLevel(level)
