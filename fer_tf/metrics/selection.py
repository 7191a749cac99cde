"""What is gained by answering only where the model is confident."""

import numpy as np

from fer_tf.metrics.arguments import checked_probs
from fer_tf.metrics.calibration_error import mean_among_equals


def risk_coverage(
    labels: np.ndarray, probs: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return coverage [n] and the error rate [n] among that most confident part.

    Geifman and El-Yaniv 2017, arXiv:1705.08500, section 2. Predictions of the same
    confidence share their errors evenly, so the order of rows does not matter.
    """
    labels, probs = checked_probs(labels, probs)
    confidence = probs.max(axis=1)
    wrong = mean_among_equals(confidence, probs.argmax(axis=1) != labels)
    answered = np.arange(1, len(labels) + 1)
    errors = np.cumsum(wrong[np.argsort(-confidence, kind="stable")])
    return answered / len(labels), errors / answered


def aurc(labels: np.ndarray, probs: np.ndarray) -> float:
    """Return the area under the risk-coverage curve, the mean of its risks.

    Geifman et al. 2019, arXiv:1805.08206, which takes the mean over thresholds; here
    it is over answers, which is the same where no two confidences are equal.
    """
    return float(risk_coverage(labels, probs)[1].mean())


def coverage_at(
    labels: np.ndarray, probs: np.ndarray, wanted_accuracy: float
) -> float:
    """Return the largest part that a threshold can answer `wanted_accuracy` right.

    max {k / n : 1 - risk_k >= wanted_accuracy}, over the k most confident answers
    that a threshold can part from the rest; 0 where none is as good. The threshold is
    chosen on the very rows it is scored on, so this flatters: it is a figure to
    compare models by, not what a threshold fitted elsewhere will do.

    Raises:
        ValueError: `wanted_accuracy` is not in (0, 1], or the rest malformed.
    """
    if not 0 < wanted_accuracy <= 1:
        raise ValueError(
            f"`wanted_accuracy` must be in (0, 1], received {wanted_accuracy}."
        )
    coverage, risk = risk_coverage(labels, probs)
    confidence = np.sort(np.max(probs, axis=1))[::-1]
    can_cut = np.append(confidence[1:] < confidence[:-1], True)
    # 1 - 1 / 10 is a little less than 0.9.
    good = can_cut & (1 - risk >= wanted_accuracy - 1e-12)
    return float(coverage[good].max(initial=0))
