"""What every figure asks of its arguments, and how it says that they are wrong."""

import numpy as np

from fer_tf.labels import NUM_CLASSES


def checked(labels: np.ndarray, predictions: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return both as int64 [n].

    Raises:
        ValueError: one is not integers [n] in 0..6, or they differ in length.
    """
    both = classes("labels", labels), classes("predictions", predictions)
    if len(both[0]) != len(both[1]):
        raise ValueError(
            f"`predictions` must have the {len(both[0])} rows of `labels`, "
            f"received {len(both[1])}."
        )
    return both


def checked_probs(labels: np.ndarray, probs: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return `labels` as int64 [n] and `probs` as float64 [n, 7].

    Raises:
        ValueError: labels are not integers in 0..6, or a row is no distribution.
    """
    labels = classes("labels", labels)
    return labels, simplex("probs", probs, len(labels), "Are these logits?")


def checked_votes(
    distribution: np.ndarray, probs: np.ndarray
) -> tuple[np.ndarray, ...]:
    """Return both as float64 [n, 7].

    Raises:
        ValueError: there is no row, they differ in shape, or a row is no distribution.
    """
    distribution = shares(distribution)
    return distribution, simplex(
        "probs", probs, len(distribution), "Are these logits?"
    )


def shares(distribution: np.ndarray) -> np.ndarray:
    """Return each class' share of a record's votes as float64 [n, 7].

    Raises:
        ValueError: there is no row, or one is no distribution.
    """
    rows = len(np.atleast_1d(distribution))
    if not rows:
        raise ValueError("`distribution` must be [n, 7], n > 0, received no row.")
    hint = "Divide counts by their sum; leave out rows without a vote."
    return simplex("distribution", distribution, rows, hint)


def simplex(name: str, values: np.ndarray, rows: int, hint: str) -> np.ndarray:
    """Return `values` as float64 [rows, 7].

    Raises:
        ValueError: the shape is another, a value is negative, or a row does not sum
            to one; its message names the argument and ends with `hint`.
    """
    values = np.asarray(values, np.float64)
    if values.shape != (rows, NUM_CLASSES):
        raise ValueError(
            f"`{name}` must be [{rows}, {NUM_CLASSES}], received {list(values.shape)}."
        )
    # Written so that NaN fails as well; int8 probabilities sum to one within 7 / 512.
    if not (values.min() >= 0 and np.abs(values.sum(axis=1) - 1).max() < 0.02):
        raise ValueError(
            f"`{name}` must be non-negative with rows that sum to 1, received sums of "
            f"{values.sum(axis=1).min():.4g} to {values.sum(axis=1).max():.4g}. {hint}"
        )
    return values


def classes(name: str, values: np.ndarray) -> np.ndarray:
    """Return `values` as int64 [n].

    Raises:
        ValueError: they are not integers [n] in 0..6, or there are none.
    """
    values = np.asarray(values)
    whole = values.dtype.kind in "iu" and values.ndim == 1 and values.size
    if not whole or values.min() < 0 or values.max() >= NUM_CLASSES:
        raise ValueError(
            f"`{name}` must be integers [n] in 0..{NUM_CLASSES - 1}, n > 0, "
            f"received {values.dtype} {list(values.shape)}: {values.ravel()[:5]}."
        )
    return values.astype(np.int64)
