"""Where the detector's model file comes from; wherever that is, its hash is checked."""

import hashlib
import logging
import os
import sys
import urllib.request
from collections.abc import Callable
from collections.abc import Mapping
from pathlib import Path

from fer_tf import files
from fer_tf.errors import OutsideError
from fer_tf.errors import UserError

log = logging.getLogger(__name__)

FILE_NAME = "face_detection_yunet_2023mar.onnx"
SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"
# A commit, not a branch: what it names cannot change.
COMMIT = "3cc26e7f1014a5ee5d74a42acee58bafc9d0a310"
URL = f"https://huggingface.co/opencv/face_detection_yunet/resolve/{COMMIT}/{FILE_NAME}"
VARIABLE = "FER_TF_DETECTOR"

MAX_BYTES = 1_000_000
TIMEOUT_S = 30
POINTER = b"version https://git-lfs"

Fetch = Callable[[str], bytes]


def fetch(url: str) -> bytes:
    """Return what lies at `url`, at most `MAX_BYTES + 1` bytes of it.

    Raises:
        OSError: it cannot be reached.
    """
    with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
        return answer.read(MAX_BYTES + 1)


def find(
    given: Path | None = None,
    *,
    environment: Mapping[str, str] = os.environ,
    fetch: Fetch = fetch,
) -> Path:
    """Return the path of YuNet's ONNX file.

    It is `given`, or else what the environment variable `FER_TF_DETECTOR` names, or
    else in the user's cache, fetched from the publisher once.

    Raises:
        UserError: the file that was named is not there, or is not the published one.
        OutsideError: it had to be fetched, and could not be.
    """
    named = given or (Path(environment[VARIABLE]) if VARIABLE in environment else None)
    if named:
        return _checked(named)
    cached = cache_folder(environment) / FILE_NAME
    if not cached.exists():
        _download(cached, fetch)
    return _checked(cached)


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Return the user's cache folder for this program."""
    variable = "LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME"
    folder = environment.get(variable)
    return (Path(folder) if folder else Path.home() / ".cache") / "fer-tf"


def _checked(path: Path) -> Path:
    if not path.is_file():
        raise UserError(f"there is no detector model {path}. {_how_to_get_it()}")
    content = path.read_bytes()
    if fault := _fault(content):
        raise UserError(f"the detector model {path} {fault} {_how_to_get_it()}")
    return path


def _download(path: Path, fetch: Fetch) -> None:
    log.info("Fetching the face detector once, from %s", URL)
    try:
        content = fetch(URL)
        fault = _fault(content)
    except OSError as error:
        fault = f"cannot be fetched: {error}."
    if fault:
        raise OutsideError(f"the detector model {fault} {_how_to_get_it(path)}")
    try:
        with files.replacing(path) as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        raise OutsideError(
            f"the detector model cannot be kept: {error}. {_how_to_get_it()}"
        ) from None


def _fault(content: bytes) -> str:
    """Say what is wrong with a detector file, or ""."""
    if content.startswith(POINTER):
        return "is a Git LFS pointer, not the file it points to."
    if len(content) > MAX_BYTES:
        return f"is larger than {MAX_BYTES:,} bytes."
    received = hashlib.sha256(content).hexdigest()
    if received != SHA256:
        return f"has SHA-256 {received}, expected {SHA256}."
    return ""


def _how_to_get_it(cached: Path | None = None) -> str:
    place = f"put it at {cached}" if cached else "put it anywhere"
    return (
        f"Get {URL} (SHA-256 {SHA256}), {place}, "
        f"or name it with --detector-model or the environment variable {VARIABLE}."
    )
