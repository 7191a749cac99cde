"""Files written whole or not at all, known by their SHA-256, and read with suspicion.

Every format that the program reads back has one reader, and every reader runs inside
`reading`, which turns whatever a damaged file raises into one message.
"""

import csv
import errno
import hashlib
import json
import math
import os
import stat
import struct
import tempfile
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fer_tf import leftovers
from fer_tf.errors import FerTfError
from fer_tf.errors import OutsideError
from fer_tf.errors import UserError

# The key under which a JSON object has the digest of the rest of its content.
DIGEST = "digest"

# Everything that parsers (json, csv, zipfile, NumPy, pandas, h5py, Keras) were seen to
# raise on a damaged file. OSError is not here: `reading` tells the disk from the file.
DAMAGED = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BufferError,
    EOFError,
    LookupError,
    # A damaged length asks for terabytes.
    MemoryError,
    RuntimeError,
    # NumPy parses the header of an array as Python's literals.
    SyntaxError,
    TypeError,
    ValueError,
    csv.Error,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)

# The errnos of an OSError that is the content's fault: h5py's has none, and a seek to a
# damaged offset is an invalid argument.
CONTENT_ERRNOS = (None, errno.EINVAL, errno.EISDIR, errno.EOVERFLOW)


@contextmanager
def reading(
    path: Path, what: str, do: str, *also: type[Exception]
) -> Iterator[None]:
    """Turn everything that a missing or damaged file raises into one clear error.

    Args:
        path: the file, or the folder, that is read inside the `with` block.
        what: what the file is expected to be, with its article: "a JSON file".
        do: what the user should do, as a complete sentence.
        also: exceptions of the format's own library, in addition to `DAMAGED`.

    Raises:
        UserError: the file is missing, damaged, of another kind, or not regular.
        OutsideError: the operating system cannot read the file.
    """
    try:
        _check_kind(path)
        yield
    except UserError as error:
        if str(path) in str(error):
            raise
        raise UserError(f"{path} is not {what}: {error} {do}") from None
    except FerTfError:
        raise
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{path} does not exist. {do}") from None
    except (*DAMAGED, *also, OSError) as error:
        if isinstance(error, OSError) and error.errno not in CONTENT_ERRNOS:
            raise OutsideError(f"{path} cannot be read: {error.strerror}.") from None
        raise UserError(
            f"{path} is damaged or is not {what}: {_reason(error)}. {do}"
        ) from None


def _check_kind(path: Path) -> None:
    """Refuse a FIFO, which would be waited for for ever, a socket and a device.

    Raises:
        UserError: The path is neither a regular file nor a folder.
    """
    try:
        mode = path.stat().st_mode
    except OSError:
        # Whoever reads it says why.
        return
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise UserError(
            f"{path} is a FIFO, a socket or a device: expected a regular file."
        )


def _reason(error: Exception) -> str:
    text = str(error).strip().partition("\n")[0][:200].rstrip(".")
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    if isinstance(error, KeyError):
        return f"it lacks {text}"
    return text or type(error).__name__


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that takes its place on success.

    A reader sees the old file or the new one, never half of one, also when the
    process is killed while writing; what such a process leaves is removed here.
    """
    # A symbolic link stays one. A device would be replaced by a file: as root, also
    # /dev/null.
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        raise UserError(f"{path} is not a regular file: expected a file's path.")
    path.parent.mkdir(parents=True, exist_ok=True)
    leftovers.remove(path.parent)
    handle, name = tempfile.mkstemp(
        dir=path.parent, prefix=leftovers.prefix(), suffix=f".{path.name}"
    )
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # Windows flushes only what is open for writing.
        with open(temporary, "r+b") as written:
            os.fsync(written.fileno())
        # mkstemp makes private files; give them the mode any new file would have.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    except OSError as error:
        # The system does not name a file that was opened before.
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def reserve(path: Path, size: int) -> None:
    """Write an empty file in place of `path`, if the disk has space for `size` bytes.

    This is for libraries that crash on a full disk. Where the system or the file system
    cannot allocate space, nothing is checked.

    Raises:
        OSError: the disk is full, or a limit of size or a quota is reached.
    """
    with open(path, "wb") as file:
        # Windows and some file systems cannot.
        allocate = getattr(os, "posix_fallocate", None)
        try:
            if allocate:
                allocate(file.fileno(), 0, size)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
                raise
        file.truncate(0)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` atomically, as UTF-8."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON; NaN and infinity are refused.

    An object also gets the digest of its content, by which `read_json` finds damage.
    """
    if isinstance(value, Mapping):
        value = sealed(value)
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def sealed(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return a JSON-able object with the digest of its content as its last key."""
    # As JSON returns it: a tuple that was written is a list when it is read.
    content = json.loads(json.dumps(value, allow_nan=False))
    content.pop(DIGEST, None)
    return {**content, DIGEST: digest_of(content)}


def read_json(path: Path) -> Any:
    """Read a JSON file, and verify the digest that `write_json` gave it.

    Returns:
        The content without the digest. Every number in it is finite.

    Raises:
        UserError: the file is missing, damaged or no JSON, or was edited.
        OutsideError: the operating system cannot read the file.
    """
    with reading(path, "a JSON file", "Make it again."):
        content = json.loads(
            path.read_text(encoding="utf-8"),
            parse_constant=_finite,
            parse_float=_finite,
        )
        return _unsealed(path, content)


def _unsealed(path: Path, content: Any) -> Any:
    """Return what was written, after its digest is verified where it has one."""
    if not isinstance(content, dict) or not content:
        return content
    # The digest is the last key, which can be damaged itself.
    last = next(reversed(content))
    rest = {name: content[name] for name in content if name != last}
    if DIGEST not in content and content[last] != digest_of(rest):
        return content
    expected = content.pop(DIGEST, None)
    received = digest_of(content)
    if received != expected:
        raise UserError(
            f"{path} was damaged or edited: expected content of digest "
            f"{str(expected)[:12]}, received {received[:12]}. Make it again; or, if "
            f"you edited it on purpose, remove its {DIGEST!r}."
        )
    return content


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"expected finite numbers, received {text[:20]}")
    return number


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of(value: Any) -> str:
    """Return the SHA-256 of a JSON-able value, the same for any key order."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
