"""Ctrl-C and SIGTERM wait until what is being written is whole.

A video encoder that is interrupted within a frame cannot close its file any more.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# Windows has no SIGHUP.
_NUMBERS = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP")
    if hasattr(signal, name)
]


@contextmanager
def deferred() -> Iterator[None]:
    """Let signals that are handled in Python wait until the end of the block.

    The first one is then handled as it would have been. If the block raises an error,
    that is raised instead.
    """
    # Python handles signals in the main thread, and changes handlers only there.
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)

    handlers = {number: signal.getsignal(number) for number in _NUMBERS}
    # What is ignored, or ends the process without Python, stays as it is.
    handlers = {number: each for number, each in handlers.items() if callable(each)}
    for number in handlers:
        signal.signal(number, note)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if received:
        handlers[received[0]](received[0], None)
