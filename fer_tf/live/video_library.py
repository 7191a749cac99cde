"""PyAV, which reads and writes video files; imported when the first one is opened."""

import importlib
import os
from pathlib import Path
from types import ModuleType
from typing import Any

from fer_tf.errors import OutsideError
from fer_tf.errors import UserError

# Every thread holds a frame or more, and 16 of 8K are 800 MB.
MAX_THREADS = 4
# A server that does not respond holds the caller for no longer, in seconds.
URL_TIMEOUT_S = 5.0
URL_ADVICE = "Check its address, and that it can be reached from this computer."


def load() -> ModuleType:
    """Return the module `av`.

    Raises:
        UserError: PyAV is not installed.
    """
    # Imported here, since a live view of a camera neither needs it nor waits for it.
    try:
        return importlib.import_module("av")
    except ImportError as error:
        raise UserError(
            f"a video cannot be read or written without PyAV: {error}. Run `pip "
            'install "fer-tf[live]"` or `pip install av`.'
        ) from None


def threads() -> int:
    """Return how many threads decode or encode a video."""
    return min(MAX_THREADS, os.cpu_count() or 1)


def open_video(location: str | Path, name: str) -> Any:
    """Return the input container of a video file or a URL.

    Args:
        location: path or URL, which may hold a password.
        name: the location as error messages may show it.

    Raises:
        UserError: the path is not valid UTF-8.
        OutsideError: the location is unreachable, or is not a video.
    """
    av = load()
    is_file = isinstance(location, Path)
    try:
        return av.open(
            utf8_path(location) if is_file else location,
            timeout=None if is_file else URL_TIMEOUT_S,
            metadata_errors="replace",
        )
    except av.FFmpegError as error:
        advice = "" if is_file else f" {URL_ADVICE}"
        raise OutsideError(
            f"{name} cannot be opened as a video: {reason_of(error)}.{advice}"
        ) from None


def reason_of(error: Any) -> str:
    """Return what an error of FFmpeg's says, without the URL, which may be secret."""
    if isinstance(error, load().error.ExitError):
        return f"nothing came for {URL_TIMEOUT_S:g} s"
    return error.strerror


def utf8_path(path: Path) -> str:
    """Return the absolute path by which FFmpeg opens a file.

    It takes what stands before a colon in a relative path for a protocol.

    Raises:
        UserError: `path` is not valid UTF-8.
    """
    name = os.fspath(path.absolute())
    try:
        name.encode()
    except UnicodeEncodeError:
        raise UserError(
            f"{name!r} cannot be opened as a video: expected a path in UTF-8. Rename "
            "it."
        ) from None
    return name
