"""What can go wrong that is not a bug, and the exit code each kind gives.

Whatever is raised here is shown to the user as one message; anything else that
escapes is a fault of ours and keeps its stack trace.
"""

import difflib
from collections.abc import Iterable


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


def unknown_name(what: str, name: str, known: Iterable[str]) -> UserError:
    """Return the error for a `name` that is none of the `known`, with the nearest."""
    known = sorted(known)
    nearest = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.4)
    hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
    return UserError(f"unknown {what} {name!r}.{hint} Known: {', '.join(known)}.")
