"""The figures that are told together, by name."""

from typing import Any

import numpy as np

from fer_tf.labels import NUM_CLASSES
from fer_tf.metrics.calibration_error import classwise_ece
from fer_tf.metrics.calibration_error import ece
from fer_tf.metrics.counts import accuracy
from fer_tf.metrics.counts import balanced_accuracy
from fer_tf.metrics.counts import lowest_f1
from fer_tf.metrics.counts import macro_f1
from fer_tf.metrics.counts import per_class_f1
from fer_tf.metrics.counts import per_class_precision
from fer_tf.metrics.counts import per_class_recall
from fer_tf.metrics.proper_scores import brier
from fer_tf.metrics.proper_scores import nll
from fer_tf.metrics.selection import aurc
from fer_tf.metrics.selection import coverage_at
from fer_tf.metrics.votes import cross_entropy
from fer_tf.metrics.votes import entropy
from fer_tf.metrics.votes import expected_accuracy
from fer_tf.metrics.votes import votes_brier
from fer_tf.metrics.votes import votes_ece

# What `summary` tells the coverage at.
WANTED_ACCURACIES = (0.8, 0.9, 0.95)


def headline(labels: np.ndarray, probs: np.ndarray) -> dict[str, float]:
    """Return the figures that get intervals.

    ECE is not among them: it rises when rows are drawn twice, so that its own value
    often lies outside its bootstrap interval.
    """
    predictions = np.argmax(probs, axis=1)
    return {
        "accuracy": accuracy(labels, predictions),
        "balanced_accuracy": balanced_accuracy(labels, predictions),
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
        "ece_equal_mass": ece(labels, probs, equal_mass=True),
        "classwise_ece": classwise_ece(labels, probs),
        "brier": brier(labels, probs),
        "aurc": aurc(labels, probs),
        "coverage_at": {
            str(wanted): coverage_at(labels, probs, wanted)
            for wanted in WANTED_ACCURACIES
        },
        "per_class_f1": per_class_f1(labels, predictions).tolist(),
        "per_class_precision": per_class_precision(labels, predictions).tolist(),
        "per_class_recall": per_class_recall(labels, predictions).tolist(),
        "n_per_class": np.bincount(labels, minlength=NUM_CLASSES).tolist(),
        "n": len(labels),
    }


def votes_summary(distribution: np.ndarray, probs: np.ndarray) -> dict[str, float]:
    """Return the figures against votes [n, 7], beside the best that can be had.

    Of accuracy that is the mean share of the class with the most votes, and of cross
    entropy the votes' own entropy; the others have 0.
    """
    return {
        "expected_accuracy": expected_accuracy(distribution, np.argmax(probs, axis=1)),
        "most_expected_accuracy": expected_accuracy(
            distribution, np.argmax(distribution, axis=1)
        ),
        "cross_entropy": cross_entropy(distribution, probs),
        "least_cross_entropy": entropy(distribution),
        "brier": votes_brier(distribution, probs),
        "ece": votes_ece(distribution, probs),
    }
