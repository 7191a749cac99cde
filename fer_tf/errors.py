"""What can go wrong that is not a bug, and the exit code each kind gives.

Whatever is raised here is shown to the user as one message; anything else that
escapes is a fault of ours and keeps its stack trace.
"""

import difflib
from collections.abc import Iterable


# Of a name that a user gave, as an error repeats it.
MAX_SHOWN = 100


class FerTfError(Exception):
    """Base of every error that is shown to the user without a stack trace."""

    exit_code = 1


class CheckFailed(FerTfError):
    """A check ran and its answer is no (exit code 1)."""


class UserError(FerTfError, ValueError):
    """The user asked for something that cannot be (exit code 2)."""

    exit_code = 2


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
    return UserError(f"unknown {what} {shown!r}.{hint} Known: {', '.join(known)}.")


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the name of the `known` that is most similar to `name`, or ""."""
    # difflib takes quadratic time.
    found = difflib.get_close_matches(name.lower()[:MAX_SHOWN], known, 1, cutoff=0.4)
    return found[0] if found else ""
