"""Temporary files and folders that killed processes left, found by their names."""

import hashlib
import os
import platform
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_NAME = re.compile(r"\.fer-tf-(?P<host>[0-9a-f]{8})-(?P<pid>[0-9]{1,10})-")
# Of another machine nobody knows whether the process still runs.
FOREIGN_AGE_S = 24 * 3600.0


def prefix() -> str:
    """Return what the names of this process' temporary files begin with."""
    return f".fer-tf-{_host()}-{os.getpid()}-"


def find(folder: Path) -> Iterator[Path]:
    """Yield the temporary files and folders that dead processes left in `folder`.

    They are those of a process of this machine that no longer runs, and those of other
    machines that nobody has written to for a day.
    """
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            found = _NAME.match(entry.name)
            if found and not _may_be_used(entry, found["host"], int(found["pid"])):
                yield Path(entry.path)


def remove(folder: Path) -> None:
    """Remove the temporary files and folders that dead processes left in `folder`."""
    for path in list(find(folder)):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()


def _host() -> str:
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]


def _may_be_used(entry: os.DirEntry, host: str, pid: int) -> bool:
    # On Windows, signal 0 is Ctrl-C.
    if host == _host() and os.name == "posix":
        return _runs(pid)
    with suppress(OSError):
        return time.time() - entry.stat().st_mtime < FOREIGN_AGE_S
    return True


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        # Somebody else's.
        return True
    return True
