"""SIGTERM and SIGHUP end a command as Ctrl-C does: what must be closed is closed."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# As shells count: 130 for Ctrl-C.
INTERRUPTED = 128 + signal.SIGINT


class Terminated(KeyboardInterrupt):
    """A signal asked the process to end.

    Attributes:
        exit_code: 128 plus the signal's number, 143 for SIGTERM.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.exit_code = 128 + number


@contextmanager
def as_interrupts() -> Iterator[None]:
    """Raise `Terminated` in the main thread when the process is asked to end.

    Only the first signal does: what it interrupts has time to close its files. A signal
    that is ignored (`nohup`), or that a surrounding program handles, is left alone.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # Windows has no SIGHUP.
    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    numbers = [
        number
        for number in (getattr(signal, name) for name in names)
        if signal.getsignal(number) is signal.SIG_DFL
    ]

    def end(number: int, frame: FrameType | None) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        raise Terminated(number)

    for number in numbers:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)
