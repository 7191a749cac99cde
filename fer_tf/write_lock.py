"""Exclusive write locks, so that two processes never mix their results in one folder.

A lock is held by the operating system, which frees it when the process ends in any way.
The lock file says which process holds it.
"""

import contextlib
import errno
import json
import logging
import os
import platform
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock
from filelock import Timeout

from fer_tf import leftovers
from fer_tf.errors import OutsideError

FILE_NAME = ".fer-tf.lock"
# Whoever ends just now needs no longer.
WAIT_S = 0.3
ATTEMPTS = 50
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP)

log = logging.getLogger(__name__)


@contextmanager
def folder(path: Path) -> Iterator[None]:
    """Hold the write lock of a folder, which is created if it does not exist.

    What dead processes left there is removed. A folder that is still empty at the end
    and was created here is removed as well.

    Raises:
        OutsideError: Another process, or another part of this one, holds the lock.
        OSError: The folder cannot be created, or cannot be written to.
    """
    with _held(path / FILE_NAME, path):
        yield


@contextmanager
def file(path: Path) -> Iterator[None]:
    """Hold the write lock of a file, or of a folder that is replaced as a whole.

    The lock file lies beside it. All else is as `folder` does it with the folder that
    both are in.

    Raises:
        OutsideError: Another process, or another part of this one, holds the lock.
        OSError: The folder cannot be created, or cannot be written to.
    """
    with _held(path.parent / f".{path.name}.lock", path):
        yield


@contextmanager
def _held(lock_file: Path, target: Path) -> Iterator[None]:
    lock = FileLock(
        lock_file,
        timeout=WAIT_S,
        poll_interval=0.05,
        thread_local=False,
        # A soft lock would outlive a killed process.
        fallback_to_soft=False,
    )
    created: list[Path] = []
    try:
        _acquire(lock, lock_file, target, created)
        try:
            leftovers.remove(lock_file.parent)
            yield
        finally:
            # Removed while it is held: who waits for it must not get a file that
            # nobody else sees. Windows cannot, and the library removes it there.
            with contextlib.suppress(OSError):
                lock_file.unlink()
            lock.release()
    finally:
        for each in created:
            with contextlib.suppress(OSError):
                each.rmdir()


def _lock(lock: FileLock, folder: Path, created: list[Path]) -> None:
    """Lock; add the folders that were created for it to `created`, deepest first."""
    for attempt in range(ATTEMPTS):
        missing = [each for each in (folder, *folder.parents) if not each.exists()]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            created[:] = missing or created
            lock.acquire()
            return
        except (FileExistsError, FileNotFoundError):
            # Whoever held the lock until now has removed the empty folder.
            if attempt == ATTEMPTS - 1:
                raise


def _acquire(
    lock: FileLock, lock_file: Path, target: Path, created: list[Path]
) -> None:
    """Lock and sign the lock file, or say who holds the lock."""
    try:
        _lock(lock, lock_file.parent, created)
    except Timeout:
        raise OutsideError(
            f"{target} is being written by {_holder(lock_file)}. Wait until that has "
            "ended, or give another folder."
        ) from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            # The user knows the target, not the lock file; an error of locking has
            # no path at all.
            raise OSError(error.errno, error.strerror, str(target)) from None
        log.warning(
            "%s is on a file system without locks: make sure that no other process "
            "writes there.",
            target,
        )
        return
    # The library locks the first byte, which on Windows nobody else may read.
    signature = {
        "pid": os.getpid(),
        "host": platform.node(),
        "command": _command(),
        "since": time.strftime("%Y-%m-%d %H:%M:%S"),
    }
    with contextlib.suppress(OSError), open(lock_file, "r+b") as opened:
        opened.truncate(1)
        opened.seek(1)
        opened.write(json.dumps(signature).encode())


def _holder(lock_file: Path) -> str:
    """Return which process holds a lock, in words."""
    try:
        with open(lock_file, "rb") as opened:
            opened.seek(1)
            signature = json.loads(opened.read(4096))
        return "process {pid} on {host} ({command}, since {since})".format(**signature)
    except (OSError, ValueError, LookupError, TypeError):
        # It has not signed yet.
        return "another process"


def _command() -> str:
    """Return the command without its arguments, in which there may be a password."""
    program, *arguments = sys.argv or ["python"]
    name = Path(program).name
    name = "fer-tf" if name.removesuffix(".exe") in ("fer-tf", "__main__.py") else name
    words = [word for word in arguments[:1] if re.fullmatch("[a-z]+", word)]
    return " ".join([name, *words])
