"""How long a call takes: the median and the 95th percentile of many."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Latency:
    """What `calls` calls took, in milliseconds."""

    calls: int
    median_ms: float
    p95_ms: float


def of(times_ms: list[float]) -> Latency:
    """Return the latency that the measured `times_ms` show."""
    median, p95 = np.percentile(times_ms, (50, 95))
    return Latency(len(times_ms), round(float(median), 4), round(float(p95), 4))


def measure(
    call: Callable[[], object],
    calls: int = 200,
    warm_up: int = 20,
    clock: Callable[[], float] = time.perf_counter,
) -> Latency:
    """Time `call`; the first `warm_up` calls, which allocate, do not count.

    Args:
        clock: seconds, from any origin.
    """
    times_ms = []
    for _ in range(warm_up + calls):
        start = clock()
        call()
        times_ms.append(1000 * (clock() - start))
    return of(times_ms[warm_up:])
