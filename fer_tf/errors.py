"""What can go wrong that is not a bug, and the exit code each kind gives.

Whatever is raised here is shown to the user as one message; anything else that
escapes is a fault of ours and keeps its stack trace.
"""

import difflib
import errno
import os
import re
from collections.abc import Iterable


# Of a name that a user gave, as an error repeats it.
MAX_SHOWN = 100


class FerTfError(Exception):
    """Base of every error that is shown to the user without a stack trace."""

    exit_code = 1


class CheckFailed(FerTfError):
    """A check ran and its answer is no (exit code 1)."""


class UserError(FerTfError, ValueError):
    """The user asked for something that cannot be (exit code 2).

    Attributes:
        suggestion: The name that was probably meant; "" where there is none.
    """

    exit_code = 2
    suggestion = ""


class OutsideError(FerTfError, OSError):
    """The network, a camera, a disk or a file let us down (exit code 3)."""

    exit_code = 3


def unknown_name(
    what: str, name: str, known: Iterable[str], suggestion: str = ""
) -> UserError:
    """Return the error for a `name` that is not one of the `known`.

    Args:
        what: The kind of thing that has this name, such as `model`.
        suggestion: The name to suggest; without one, the nearest of the known.
    """
    known = sorted(known)
    suggestion = suggestion or nearest(name, known)
    hint = f" Did you mean {suggestion!r}?" if suggestion else ""
    shown = name if len(name) <= MAX_SHOWN else f"{name[:MAX_SHOWN]}..."
    error = UserError(f"unknown {what} {shown!r}.{hint} Known: {', '.join(known)}.")
    error.suggestion = suggestion
    return error


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the name of the `known` that is most similar to `name`, or ""."""
    # difflib takes quadratic time.
    found = difflib.get_close_matches(name.lower()[:MAX_SHOWN], known, 1, cutoff=0.4)
    return found[0] if found else ""


# What the operating system reports, in words. Where the path itself is wrong, it is the
# user's mistake; all else is outside.
_WRONG_PATH = {
    errno.ENOENT: "does not exist",
    errno.EEXIST: "exists already, and is not what was expected there",
    errno.ENOTDIR: "is not a folder, or is below something that is not a folder",
    errno.EISDIR: "is a folder, expected a file",
    errno.ENAMETOOLONG: "has a name that is too long for this file system",
    errno.ELOOP: "is a symbolic link that leads in a circle",
}
_OUTSIDE = {
    errno.EACCES: "cannot be used: permission denied",
    errno.EPERM: "cannot be used: operation not permitted",
    errno.EROFS: "cannot be written: its disk is read-only",
    errno.ENOSPC: "cannot be written: its disk is full",
    errno.EIO: "cannot be used: its disk reports an error",
}


def of_system(error: OSError) -> FerTfError:
    """Return the error that tells a user what the operating system reported."""
    reason = error.strerror or str(error) or type(error).__name__
    if error.filename is None:
        return OutsideError(f"{reason[0].lower()}{reason[1:]}.")
    path = str(error.filename)
    if len(path) > 2 * MAX_SHOWN:
        path = f"{path[:MAX_SHOWN]}..."
    if error.errno in _WRONG_PATH:
        return UserError(f"{path} {_WRONG_PATH[error.errno]}.")
    what = _OUTSIDE.get(error.errno, f"cannot be used: {reason.lower()}")
    return OutsideError(f"{path} {what}.")


# As the system says it, which libraries that write in C or C++ pass on as text. NumPy
# counts instead.
_FULL = re.compile(
    "|".join(
        [
            *(
                re.escape(os.strerror(getattr(errno, name)))
                for name in ("ENOSPC", "EDQUOT", "EFBIG")
                if hasattr(errno, name)
            ),
            r"\d+ requested and \d+ written",
        ]
    )
)
# TensorFlow names devices as well, as in `device_/job:localhost`.
_PATH = re.compile(r"(?<!\w)(?:/|[A-Za-z]:\\)[^;:'\"\n]+")


def of_full_disk(error: BaseException) -> OutsideError | None:
    """Return the error that tells a user that a disk is full; None if none is.

    TensorFlow, TFDS, h5py and NumPy report a full disk by exceptions of many types.
    What they have in common is the text of the system's own error.
    """
    if not _FULL.search(str(error)):
        return None
    path = getattr(error, "filename", None)
    if path is None:
        named = _PATH.search(str(error))
        path = named[0].strip() if named else "a file"
    return OutsideError(
        f"{str(path)[: 2 * MAX_SHOWN]} cannot be written: its disk is full, or a quota "
        "or a limit of size is reached. All that was saved before is intact. Free some "
        "space, and run the same command again."
    )
