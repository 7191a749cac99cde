"""Which pictures an epoch shows, and in which order: a function of (seed, epoch)."""

from collections.abc import Mapping

import numpy as np

from fer_tf.errors import UserError


def epoch_rows(
    *,
    seed: int,
    epoch: int,
    labels: np.ndarray,
    sources: np.ndarray,
    sampling: str = "shuffle",
    weights: Mapping[str, float] | None = None,
) -> np.ndarray:
    """Return the rows of an epoch, drawn anew in every epoch.

    With `shuffle` and no weights it is a permutation of all rows. `balanced` shows each
    class equally often in expectation. With weights each source is shown as often as
    its weight says: in the epoch, or, where that is `balanced`, in each class among the
    sources that have it. Of the rows that are thus drawn from together, none comes
    again before all have come.

    Args:
        labels: int [n].
        sources: str [n].
        sampling: `shuffle` or `balanced`.
        weights: a number for each source, 0 to leave it out; None or empty to take rows
            as they are.

    Returns:
        int64 [n].

    Raises:
        UserError: a source with a weight has no rows, or a source has no weight.
    """
    rng = np.random.default_rng([seed, epoch])
    count = len(labels)
    if sampling == "shuffle" and not weights:
        return rng.permutation(count)
    check_sources(sources, weights or {})
    strata, shares = _strata(labels, sources, sampling == "balanced", weights or {})
    wanted = _rounded(shares * count, rng)
    drawn = [_cycled(rows, n, rng) for rows, n in zip(strata, wanted, strict=True)]
    return rng.permutation(np.concatenate(drawn))


def check_sources(sources: np.ndarray, weights: Mapping[str, float]) -> None:
    """Check that rows and `weights` (none: all is well) are of the same sources.

    Raises:
        UserError: a source with a weight has no rows, or a source has no weight.
    """
    if not weights:
        return
    present = set(np.unique(sources).tolist())
    for source, weight in weights.items():
        if weight > 0 and source not in present:
            raise UserError(
                f"data.source_weights gives {source} {weight:g}, but it has no "
                "training pictures. Give it 0."
            )
    for source in sorted(present - set(weights)):
        raise UserError(
            f"the manifest has training pictures of {source}, for which "
            "data.source_weights has no number: data.sources does not name it."
        )


def occurrences(rows: np.ndarray) -> np.ndarray:
    """Return, for each of `rows`, how often it has come before: int64 [n]."""
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    starts = np.searchsorted(ordered, ordered)
    counted = np.empty(len(rows), np.int64)
    counted[order] = np.arange(len(rows)) - starts
    return counted


def _strata(
    labels: np.ndarray,
    sources: np.ndarray,
    balanced: bool,
    weights: Mapping[str, float],
) -> tuple[list[np.ndarray], np.ndarray]:
    """Return the rows of each class and source, and the share of an epoch of each."""
    classes = labels if balanced else np.zeros_like(labels)
    strata, shares = [], []
    for one in np.unique(classes):
        rows = np.flatnonzero(classes == one)
        parts = _by_source(rows, sources, weights)
        total = sum(weight for _, weight in parts)
        strata += [rows for rows, _ in parts]
        shares += [weight / total for _, weight in parts]
    shares = np.array(shares)
    return strata, shares / shares.sum()


def _by_source(
    rows: np.ndarray, sources: np.ndarray, weights: Mapping[str, float]
) -> list[tuple[np.ndarray, float]]:
    if not weights:
        return [(rows, 1.0)]
    parts = [(rows[sources[rows] == name], weight) for name, weight in weights.items()]
    return [(rows, weight) for rows, weight in parts if len(rows) and weight > 0]


def _rounded(wanted: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Round to whole numbers whose sum is that of `wanted`, right in expectation.

    Each is the next number below or above (systematic sampling).
    """
    ends = np.concatenate([[0.0], np.cumsum(wanted)])
    ends[-1] = round(ends[-1])
    return np.diff(np.floor(ends + rng.random()).astype(np.int64))


def _cycled(rows: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    turns = -(-count // len(rows))
    shuffled = [rng.permutation(rows) for _ in range(turns)]
    return np.concatenate([rows[:0], *shuffled])[:count]
