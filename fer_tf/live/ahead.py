"""Reads on in a thread, so that decoding the next frame hides behind the last one."""

import queue
import threading
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any

# Enough to hide a slow frame; two of 8K are 200 MB already.
DEPTH = 2
LOOK_S = 0.1


class Ahead:
    """Every item of `items` in its order, at most `DEPTH` of them taken in advance.

    What the thread raises is raised to whoever iterates.
    """

    def __init__(self, items: Iterable[Any]) -> None:
        self._items = items
        self._taken: queue.Queue[tuple[str, Any]] = queue.Queue(DEPTH)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __iter__(self) -> Iterator[Any]:
        self._thread.start()
        while not self._closing.is_set():
            try:
                # With a timeout, or Ctrl-C would go unheard on Windows.
                kind, item = self._taken.get(timeout=LOOK_S)
            except queue.Empty:
                continue
            if kind == "error":
                raise item
            if kind == "end":
                return
            yield item

    def close(self) -> None:
        """Stop the thread, which ends before the next item."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()

    def _read(self) -> None:
        try:
            for item in self._items:
                if not self._put("item", item):
                    return
        except BaseException as error:
            self._put("error", error)
        else:
            self._put("end", None)

    def _put(self, kind: str, item: Any) -> bool:
        """Hand on an item as soon as there is room; False if it is no longer wanted."""
        while not self._closing.is_set():
            try:
                self._taken.put((kind, item), timeout=LOOK_S)
                return True
            except queue.Full:
                pass
        return False
