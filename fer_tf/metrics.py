"""How good answers are: pure functions of labels, predictions and probabilities.

Everywhere `labels` and `predictions` are integers [n] in 0..6, `probs` is [n, 7] with
rows that sum to one, and a malformed argument is a `ValueError`.
"""

from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fer_tf.labels import NUM_CLASSES

# What a probability of zero counts as, so that the NLL of a wrong certainty is finite.
TINY = 1e-12


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Return log(exp(z_c) / sum_k exp(z_k)) over the last axis, in float64."""
    shifted = np.asarray(logits, np.float64)
    shifted = shifted - shifted.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return exp(z_c) / sum_k exp(z_k) over the last axis, in float64."""
    return np.exp(log_softmax(logits))


def accuracy(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Return the fraction of `predictions` that are right."""
    labels, predictions = _checked(labels, predictions)
    return float(np.mean(labels == predictions))


def confusion(labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """Return counts [7, 7]: row the label, column the prediction."""
    labels, predictions = _checked(labels, predictions)
    cells = np.bincount(labels * NUM_CLASSES + predictions, minlength=NUM_CLASSES**2)
    return cells.reshape(NUM_CLASSES, NUM_CLASSES)


def per_class_f1(labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """Return F1 [7] = 2 TP / (2 TP + FP + FN); 0 for a class that never occurs."""
    counts = confusion(labels, predictions)
    total = counts.sum(axis=0) + counts.sum(axis=1)
    return 2 * np.diag(counts) / np.maximum(total, 1)


def macro_f1(
    labels: np.ndarray, predictions: np.ndarray, present_only: bool = False
) -> float:
    """Return the mean of `per_class_f1`.

    All seven classes count, a missing one as zero, so that figures on different sets
    have one meaning; `present_only` averages over the classes that `labels` holds, for
    a corpus that lacks one.
    """
    scores = per_class_f1(labels, predictions)
    return float(scores[np.unique(labels)].mean() if present_only else scores.mean())


def lowest_f1(labels: np.ndarray, predictions: np.ndarray, count: int) -> float:
    """Return the mean of the `count` lowest class F1s."""
    return float(np.sort(per_class_f1(labels, predictions))[:count].mean())


def nll(labels: np.ndarray, probs: np.ndarray) -> float:
    """Return the mean of -log p_label, in nats."""
    return float(row_nll(labels, probs).mean())


def row_nll(labels: np.ndarray, probs: np.ndarray) -> np.ndarray:
    """Return -log p_label of each row, [n]; a probability below `TINY` counts as it."""
    labels, probs = _checked_probs(labels, probs)
    return -np.log(np.maximum(probs[np.arange(len(labels)), labels], TINY))


def brier(labels: np.ndarray, probs: np.ndarray) -> float:
    """Return the mean of sum_c (p_c - [c = label])^2, in 0..2 (Brier 1950)."""
    labels, probs = _checked_probs(labels, probs)
    return float(((probs - np.eye(NUM_CLASSES)[labels]) ** 2).sum(axis=1).mean())


@dataclass(frozen=True)
class Reliability:
    """The table behind a reliability diagram, a row per bin of confidence.

    Attributes:
        edges: [bins + 1], from 0 to 1.
        counts: [bins], the predictions in each bin.
        confidence: [bins], their mean confidence; 0 in an empty bin.
        accuracy: [bins], the fraction that is right; 0 in an empty bin.
    """

    edges: np.ndarray
    counts: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray

    @property
    def ece(self) -> float:
        """Sum_m |B_m| / n * |acc(B_m) - conf(B_m)|."""
        gaps = np.abs(self.accuracy - self.confidence)
        return float((self.counts * gaps).sum() / self.counts.sum())


def reliability(labels: np.ndarray, probs: np.ndarray, bins: int = 15) -> Reliability:
    """Sort predictions into `bins` of equal width ((m - 1) / M, m / M] by confidence.

    Guo et al. 2017, arXiv:1706.04599, section 2.
    """
    labels, probs = _checked_probs(labels, probs)
    confidence = probs.max(axis=1)
    right = probs.argmax(axis=1) == labels
    bin_of = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    counts = np.bincount(bin_of, minlength=bins)
    filled = np.maximum(counts, 1)
    return Reliability(
        edges=np.linspace(0, 1, bins + 1),
        counts=counts,
        confidence=np.bincount(bin_of, confidence, bins) / filled,
        accuracy=np.bincount(bin_of, right, bins) / filled,
    )


def ece(labels: np.ndarray, probs: np.ndarray, bins: int = 15) -> float:
    """Return the expected calibration error (arXiv:1706.04599, equation 3).

    It is not zero for perfect calibration: about .018 at n = 3,573 and 15 bins.
    """
    return reliability(labels, probs, bins).ece


def risk_coverage(
    labels: np.ndarray, probs: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return coverage [n] and the error rate [n] among that most confident part.

    Geifman and El-Yaniv 2017, arXiv:1705.08500, section 2. Predictions of the same
    confidence share their errors evenly, so the order of rows does not matter.
    """
    labels, probs = _checked_probs(labels, probs)
    wrong = probs.argmax(axis=1) != labels
    _, tie, sizes = np.unique(
        -probs.max(axis=1), return_inverse=True, return_counts=True
    )
    errors = np.repeat(np.bincount(tie, wrong) / sizes, sizes)
    answered = np.arange(1, len(labels) + 1)
    return answered / len(labels), np.cumsum(errors) / answered


def aurc(labels: np.ndarray, probs: np.ndarray) -> float:
    """Return the area under the risk-coverage curve, the mean of its risks."""
    return float(risk_coverage(labels, probs)[1].mean())


def bootstrap_interval(
    statistic: Callable[..., Any],
    *columns: np.ndarray,
    groups: np.ndarray,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> np.ndarray:
    """Return the percentile interval of `statistic`, resampling whole groups.

    Pictures of one group (duplicates, one subject) are not independent, so they are
    drawn together. The same rows of every column are drawn, which makes the interval
    of a difference a paired one.

    Args:
        statistic: takes the columns, returns a number or k of them.
        columns: [n, ...] each.
        groups: [n], equal where rows belong together.

    Returns:
        [2] or [2, k]: the lower ends and the upper ends.
    """
    if any(len(column) != len(groups) for column in columns):
        raise ValueError(
            f"`columns` must have the {len(groups)} rows of `groups`, received "
            f"{[len(column) for column in columns]}."
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


def headline(labels: np.ndarray, probs: np.ndarray) -> dict[str, float]:
    """Return the figures that get intervals.

    ECE is not among them: it rises when rows are drawn twice, so that its own value
    often lies outside its bootstrap interval.
    """
    predictions = np.argmax(probs, axis=1)
    return {
        "accuracy": accuracy(labels, predictions),
        "macro_f1": macro_f1(labels, predictions),
        "lowest_three_f1": lowest_f1(labels, predictions, 3),
        "nll": nll(labels, probs),
    }


def differences(
    labels: np.ndarray, probs: np.ndarray, baseline: np.ndarray
) -> dict[str, float]:
    """Return `probs` minus `baseline` in each figure of `headline`, and in ECE.

    In a difference most of ECE's rise under resampling cancels.
    """
    ours, theirs = headline(labels, probs), headline(labels, baseline)
    return {
        **{name: ours[name] - theirs[name] for name in ours},
        "ece": ece(labels, probs) - ece(labels, baseline),
    }


def summary(labels: np.ndarray, probs: np.ndarray) -> dict[str, Any]:
    """Return the figures that `metrics.json` holds for one set of answers."""
    predictions = np.argmax(probs, axis=1)
    return {
        **headline(labels, probs),
        "macro_f1_present": macro_f1(labels, predictions, present_only=True),
        "ece": ece(labels, probs),
        "brier": brier(labels, probs),
        "aurc": aurc(labels, probs),
        "per_class_f1": per_class_f1(labels, predictions).tolist(),
        "n_per_class": np.bincount(labels, minlength=NUM_CLASSES).tolist(),
        "n": len(labels),
    }


def _checked(labels: np.ndarray, predictions: np.ndarray) -> tuple[np.ndarray, ...]:
    both = _classes("labels", labels), _classes("predictions", predictions)
    if len(both[0]) != len(both[1]):
        raise ValueError(
            f"`predictions` must have the {len(both[0])} rows of `labels`, "
            f"received {len(both[1])}."
        )
    return both


def _checked_probs(labels: np.ndarray, probs: np.ndarray) -> tuple[np.ndarray, ...]:
    labels, probs = _classes("labels", labels), np.asarray(probs, np.float64)
    if probs.shape != (len(labels), NUM_CLASSES):
        raise ValueError(
            f"`probs` must be [{len(labels)}, {NUM_CLASSES}], "
            f"received {list(probs.shape)}."
        )
    # Written so that NaN fails as well; int8 probabilities sum to one within 7 / 512.
    if not (probs.min() >= 0 and np.abs(probs.sum(axis=1) - 1).max() < 0.02):
        raise ValueError(
            "`probs` must be non-negative with rows that sum to 1, received sums of "
            f"{probs.sum(axis=1).min():.4g} to {probs.sum(axis=1).max():.4g}. "
            "Are these logits?"
        )
    return labels, probs


def _classes(name: str, values: np.ndarray) -> np.ndarray:
    values = np.asarray(values)
    whole = values.dtype.kind in "iu" and values.ndim == 1 and values.size
    if not whole or values.min() < 0 or values.max() >= NUM_CLASSES:
        raise ValueError(
            f"`{name}` must be integers [n] in 0..{NUM_CLASSES - 1}, n > 0, "
            f"received {values.dtype} {list(values.shape)}: {values.ravel()[:5]}."
        )
    return values.astype(np.int64)
