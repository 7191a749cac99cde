"""OpenCV's own log, and FFmpeg's below it, which tell of what users cannot mend."""

import contextlib
import os
from collections.abc import Iterator

import cv2

SILENT = 0
# FFmpeg's own log, which OpenCV sets when it first opens a film or a stream.
FFMPEG_LEVEL = "OPENCV_FFMPEG_LOGLEVEL"
FFMPEG_SILENT = "-8"
# OpenCV 5 moved the two functions.
_log = cv2.utils.logging if hasattr(cv2.utils, "logging") else cv2


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Let OpenCV log nothing inside the block; our own errors say what is wrong."""
    os.environ.setdefault(FFMPEG_LEVEL, FFMPEG_SILENT)
    level = _log.getLogLevel()
    _log.setLogLevel(SILENT)
    try:
        yield
    finally:
        _log.setLogLevel(level)
