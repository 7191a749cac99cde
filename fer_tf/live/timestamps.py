"""Timestamps of a video's frames: repaired where a file's own are missing or wrong."""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from itertools import chain
from itertools import pairwise
from typing import Any
from typing import TypeVar

Item = TypeVar("Item")


def repaired(
    frames: Iterable[tuple[float | None, Item]],
    interval_ms: float,
    on_repair: Callable[[int], object],
) -> Iterator[tuple[float, Item]]:
    """Yield each frame with a time that is later than that of the frame before it.

    A reported time is compared with the last reported one and believed, however long
    the gap between them is. Two kinds are repaired:

    - A missing time, and one that only the next frame contradicts, becomes a time
      between those of its neighbors.
    - Where time goes back for good, as in joined recordings, the clock continues: all
      later times are shifted by the same amount.

    Args:
        frames: pairs of a reported time in ms, or None, and whatever belongs to it.
        interval_ms: nominal time between two frames.
        on_repair: called with the number of each frame whose time is repaired.
    """
    shift_ms, last_ms = 0.0, 0.0
    end: tuple[float | None, Any] = (None, None)
    for index, (this, following) in enumerate(pairwise(chain(frames, [end]))):
        time_ms, after_ms = (
            None if reported_ms is None else reported_ms + shift_ms
            for reported_ms, _ in (this, following)
        )
        if not index:
            last_ms = max(0.0, time_ms or 0.0)
        elif time_ms is None or _contradicted(last_ms, time_ms, after_ms):
            last_ms = _between(last_ms, after_ms, interval_ms)
            on_repair(index)
        elif time_ms <= last_ms:
            last_ms += interval_ms
            shift_ms += last_ms - time_ms
            on_repair(index)
        else:
            last_ms = time_ms
        yield last_ms, this[1]


def _contradicted(last_ms: float, time_ms: float, after_ms: float | None) -> bool:
    """Return whether the next frame fits the last one, and this one does not."""
    return after_ms is not None and last_ms < after_ms <= time_ms


def _between(last_ms: float, after_ms: float | None, interval_ms: float) -> float:
    """Return the time one interval on, at most half way to the next frame."""
    expected_ms = last_ms + interval_ms
    if after_ms is None or after_ms <= last_ms:
        return expected_ms
    return min(expected_ms, (last_ms + after_ms) / 2)


def with_durations(
    frames: Iterable[tuple[float, Item]],
) -> Iterator[tuple[float, float | None, Item]]:
    """Yield each frame's time, how long it is shown, and what belongs to it.

    A frame is shown from its time to the next frame's time; None stands for the last
    one, which has no next frame.
    """
    last: tuple[float, Item] | None = None
    for following in frames:
        if last is not None:
            yield last[0], following[0] - last[0], last[1]
        last = following
    if last is not None:
        yield last[0], None, last[1]
