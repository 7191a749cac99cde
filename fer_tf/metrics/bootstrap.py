"""Intervals of figures, from drawing the groups of records anew."""

from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

import numpy as np

RESAMPLES = 1000


def bootstrap_interval(
    statistic: Callable[..., Any],
    *columns: np.ndarray,
    groups: np.ndarray,
    resamples: int | None = None,
    seed: int = 0,
    level: float = 0.95,
) -> np.ndarray:
    """Return the percentile interval of `statistic`, resampling whole groups.

    Pictures of one group (duplicates, one subject) are not independent, so they are
    drawn together. The same rows of every column are drawn, which makes the interval
    of a difference a paired one. With one group alone every draw is the same, and the
    interval the value itself: it then says nothing.

    Args:
        statistic: takes the columns, returns a number or k of them.
        columns: [n, ...] each.
        groups: [n], equal where rows belong together.
        resamples: Number of draws; None draws `RESAMPLES` times.
        level: how often such intervals should hold the true value, in 0..1.

    Returns:
        [2] or [2, k]: the lower ends and the upper ends.

    Raises:
        ValueError: a column has not the rows of `groups`, `resamples` is below one or
            `level` not in 0..1.
    """
    resamples = RESAMPLES if resamples is None else resamples
    if any(len(column) != len(groups) for column in columns):
        raise ValueError(
            f"`columns` must have the {len(groups)} rows of `groups`, received "
            f"{[len(column) for column in columns]}."
        )
    if resamples < 1 or not 0 < level < 1:
        raise ValueError(
            "`resamples` must be 1 or more and `level` between 0 and 1, received "
            f"{resamples} and {level}."
        )
    names, group_of = np.unique(groups, return_inverse=True)
    rng = np.random.default_rng(seed)
    samples = []
    for _ in range(resamples):
        drawn = rng.integers(len(names), size=len(names))
        times = np.bincount(drawn, minlength=len(names))
        rows = np.repeat(np.arange(len(groups)), times[group_of])
        samples.append(statistic(*(column[rows] for column in columns)))
    return np.quantile(samples, [(1 - level) / 2, (1 + level) / 2], axis=0)


def with_intervals(
    figures: Callable[..., Mapping[str, float]], *columns: np.ndarray, **options: Any
) -> dict[str, list[float]]:
    """Return `[value, low, high]` of each figure that `figures(*columns)` returns.

    Further arguments are those of `bootstrap_interval`.
    """
    values = figures(*columns)
    ends = bootstrap_interval(
        lambda *drawn: list(figures(*drawn).values()), *columns, **options
    )
    rows = np.column_stack([list(values.values()), *ends])
    return dict(zip(values, rows.tolist(), strict=True))
