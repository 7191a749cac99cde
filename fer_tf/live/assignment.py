"""The best pairing of rows with columns, with NumPy alone: live needs no SciPy."""

import numpy as np


def assign(gains: np.ndarray) -> list[tuple[int, int]]:
    """Return the pairs (row, column) that have the largest sum of gains.

    Each row and each column is in one pair at most, and the fewer of the two are all
    paired. Rows are added one by one, each along the shortest augmenting path (Jonker
    and Volgenant 1987, "A shortest augmenting path algorithm for dense and sparse
    linear assignment problems"), in O(rows² columns).

    Args:
        gains: [rows, columns], finite.

    Returns:
        The pairs, sorted by row.
    """
    gains = np.asarray(gains, float)
    if gains.shape[0] > gains.shape[1]:
        return sorted((row, column) for column, row in assign(gains.T))
    costs = -gains
    row_of = np.full(gains.shape[1], -1)
    row_duals, column_duals = np.zeros(gains.shape[0]), np.zeros(gains.shape[1])
    for row in range(len(gains)):
        _add(row, costs, row_of, row_duals, column_duals)
    return sorted((int(row), column) for column, row in enumerate(row_of) if row >= 0)


def _add(
    row: int,
    costs: np.ndarray,
    row_of: np.ndarray,
    row_duals: np.ndarray,
    column_duals: np.ndarray,
) -> None:
    """Pair `row`, and those rows anew that stand in its way; all but `costs` change."""
    shortest = np.full(len(row_of), np.inf)
    before = np.full(len(row_of), -1)
    done = np.zeros(len(row_of), bool)
    reached, column, length = row, -1, 0.0
    while reached >= 0:
        reduced = costs[reached] - row_duals[reached] - column_duals
        closer = ~done & (length + reduced < shortest)
        shortest[closer] = length + reduced[closer]
        before[closer] = column
        column = int(np.argmin(np.where(done, np.inf, shortest)))
        length = shortest[column]
        done[column] = True
        reached = row_of[column]
    row_duals[row] += length
    slack = length - shortest[done]
    column_duals[done] -= slack
    paired = row_of[done] >= 0
    row_duals[row_of[done][paired]] += slack[paired]
    while column >= 0:
        previous = before[column]
        row_of[column] = row_of[previous] if previous >= 0 else row
        column = previous
