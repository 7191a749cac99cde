"""How far confidence lies from the fraction that is right, by bins of confidence.

`bins` are of equal width, or with `equal_mass` of as nearly as possible equal numbers
of predictions. A figure of few predictions, or of many bins, is too high: chance alone
opens a gap in every bin.
"""

from dataclasses import dataclass

import numpy as np

from fer_tf.labels import NUM_CLASSES
from fer_tf.metrics.arguments import checked_probs


@dataclass(frozen=True)
class Reliability:
    """The table behind a reliability diagram, a row per bin of confidence.

    Attributes:
        edges: [bins + 1], from 0 to 1; in bins of equal mass, one whose confidence is
            an edge may lie on either side of it.
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


def reliability(
    labels: np.ndarray, probs: np.ndarray, bins: int = 15, equal_mass: bool = False
) -> Reliability:
    """Sort predictions into `bins` by confidence.

    They are of equal width, ((m - 1) / M, m / M], as in Guo et al. 2017,
    arXiv:1706.04599, section 2; or of equal mass, as in Nixon et al. 2019,
    arXiv:1904.01685.

    Raises:
        ValueError: `bins` is below one, or the rest malformed.
    """
    labels, probs = checked_probs(labels, probs)
    right = probs.argmax(axis=1) == labels
    return tabulate(probs.max(axis=1), right, bins, equal_mass)


def ece(
    labels: np.ndarray, probs: np.ndarray, bins: int = 15, equal_mass: bool = False
) -> float:
    """Return the expected calibration error (arXiv:1706.04599, equation 3).

    It is not zero for perfect calibration: about .018 at n = 3,573 and 15 bins.
    """
    return reliability(labels, probs, bins, equal_mass).ece


def chance_ece(
    probs: np.ndarray, bins: int = 15, draws: int = 200, seed: int = 0
) -> float:
    """Return the mean ECE of predictions [n, 7] whose confidence is exactly true.

    In each draw an answer is right with the probability that it was given, as in the
    consistency resampling of Vaicenavicius et al. 2019, arXiv:1902.06977. What a model
    shows beyond this, sampling alone does not explain.
    """
    confidence = np.max(probs, axis=1)
    rng = np.random.default_rng(seed)
    found = [
        tabulate(confidence, rng.random(len(confidence)) < confidence, bins, False).ece
        for _ in range(draws)
    ]
    return float(np.mean(found))


def classwise_ece(
    labels: np.ndarray, probs: np.ndarray, bins: int = 15, equal_mass: bool = False
) -> float:
    """Return 1 / K sum_c sum_m |B_mc| / n * |y_c(B_mc) - p_c(B_mc)|.

    B_mc are the rows whose p_c lies in bin m, y_c(B) the fraction of B that is of
    class c and p_c(B) the mean of p_c: the classwise-ECE of Kull et al. 2019,
    arXiv:1910.12656. It sees a class whose probability is wrong where `ece` sees the
    likeliest alone. A class that `labels` lacks counts like any other.
    """
    labels, probs = checked_probs(labels, probs)
    is_class = np.eye(NUM_CLASSES)[labels]
    tables = (
        tabulate(probs[:, c], is_class[:, c], bins, equal_mass)
        for c in range(NUM_CLASSES)
    )
    return float(np.mean([table.ece for table in tables]))


def tabulate(
    confidence: np.ndarray, right: np.ndarray, bins: int, equal_mass: bool
) -> Reliability:
    """Return the table of `confidence` [n] against how far each is `right`, [n].

    Raises:
        ValueError: `bins` is below one.
    """
    if bins < 1:
        raise ValueError(f"`bins` must be 1 or more, received {bins}.")
    if equal_mass:
        bin_of, edges = _equal_mass(confidence, bins)
        # Equals may be parted by an edge: which goes where must not matter.
        right = mean_among_equals(confidence, right)
    else:
        bin_of = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
        edges = np.linspace(0, 1, bins + 1)
    counts = np.bincount(bin_of, minlength=bins)
    filled = np.maximum(counts, 1)
    return Reliability(
        edges=edges,
        counts=counts,
        confidence=np.bincount(bin_of, confidence, bins) / filled,
        accuracy=np.bincount(bin_of, right, bins) / filled,
    )


def mean_among_equals(values: np.ndarray, amounts: np.ndarray) -> np.ndarray:
    """Return [n]: the mean of `amounts` over the rows whose `values` are a row's."""
    _, tie, sizes = np.unique(values, return_inverse=True, return_counts=True)
    return (np.bincount(tie, amounts) / sizes)[tie]


def _equal_mass(confidence: np.ndarray, bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the bin [n] of each row, and the edges [bins + 1]."""
    n, order = len(confidence), np.argsort(confidence, kind="stable")
    bin_of = np.empty(n, int)
    bin_of[order] = np.arange(n) * bins // n
    # -(-a // b) rounds up: the last row that lies in bin m or below it.
    last = -(-np.arange(1, bins) * n // bins) - 1
    return bin_of, np.concatenate([[0.0], confidence[order][last], [1.0]])
