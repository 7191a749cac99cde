"""Figures against what several people said, where there is no one right answer.

`distribution` is [n, 7], each class' share of a record's votes, with rows that sum to
one. Where all voters agree, every figure is the one against their label.
"""

import numpy as np

from fer_tf.metrics.arguments import checked_votes
from fer_tf.metrics.arguments import classes
from fer_tf.metrics.arguments import shares
from fer_tf.metrics.calibration_error import Reliability
from fer_tf.metrics.calibration_error import tabulate
from fer_tf.metrics.proper_scores import TINY


def expected_accuracy(distribution: np.ndarray, predictions: np.ndarray) -> float:
    """Return the mean of q_prediction, the votes' share of the answered class.

    It is the accuracy that is expected against a voter drawn at random. Even the best
    answers, the classes with the most votes, have less than 1 where voters disagree.
    """
    distribution = shares(distribution)
    predictions = classes("predictions", predictions)
    return float(_answered(distribution, predictions).mean())


def cross_entropy(distribution: np.ndarray, probs: np.ndarray) -> float:
    """Return the mean of -sum_c q_c log p_c, in nats: a random voter's NLL.

    Its least value, at p = q, is not 0 but the votes' `entropy`.
    """
    return float(row_cross_entropy(distribution, probs).mean())


def row_cross_entropy(distribution: np.ndarray, probs: np.ndarray) -> np.ndarray:
    """Return -sum_c q_c log p_c of each row, [n]; a p_c below `TINY` counts as it."""
    distribution, probs = checked_votes(distribution, probs)
    return -(distribution * np.log(np.maximum(probs, TINY))).sum(axis=1)


def entropy(distribution: np.ndarray) -> float:
    """Return the mean of -sum_c q_c log q_c, in nats: how far voters disagree."""
    return cross_entropy(distribution, distribution)


def votes_brier(distribution: np.ndarray, probs: np.ndarray) -> float:
    """Return the mean of sum_c (p_c - q_c)^2, in 0..2.

    `brier` against a voter drawn at random is expected to be 1 - sum_c q_c^2 more,
    whatever p is.
    """
    distribution, probs = checked_votes(distribution, probs)
    return float(((probs - distribution) ** 2).sum(axis=1).mean())


def votes_reliability(
    distribution: np.ndarray,
    probs: np.ndarray,
    bins: int = 15,
    equal_mass: bool = False,
) -> Reliability:
    """Sort predictions into `bins` as `reliability` does.

    A prediction is as right as the votes' share of its class, which makes `accuracy`
    the one that is expected against a voter drawn at random.
    """
    distribution, probs = checked_votes(distribution, probs)
    right = _answered(distribution, probs.argmax(axis=1))
    return tabulate(probs.max(axis=1), right, bins, equal_mass)


def votes_ece(
    distribution: np.ndarray,
    probs: np.ndarray,
    bins: int = 15,
    equal_mass: bool = False,
) -> float:
    """Return sum_m |B_m| / n * |share(B_m) - conf(B_m)|.

    arXiv:1706.04599, equation 3, with the mean share of votes for acc(B_m).
    """
    return votes_reliability(distribution, probs, bins, equal_mass).ece


def _answered(distribution: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    if len(predictions) != len(distribution):
        raise ValueError(
            f"`predictions` must have the {len(distribution)} rows of `distribution`, "
            f"received {len(predictions)}."
        )
    return distribution[np.arange(len(predictions)), predictions]
