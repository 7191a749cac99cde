"""Scores of probabilities that only the true probabilities make best."""

import numpy as np

from fer_tf.labels import NUM_CLASSES
from fer_tf.metrics.arguments import checked_probs

# What a probability of zero counts as, so that the NLL of a wrong certainty is finite.
TINY = 1e-12


def nll(labels: np.ndarray, probs: np.ndarray) -> float:
    """Return the mean of -log p_label, in nats."""
    return float(row_nll(labels, probs).mean())


def row_nll(labels: np.ndarray, probs: np.ndarray) -> np.ndarray:
    """Return -log p_label of each row, [n]; a probability below `TINY` counts as it."""
    labels, probs = checked_probs(labels, probs)
    return -np.log(np.maximum(probs[np.arange(len(labels)), labels], TINY))


def brier(labels: np.ndarray, probs: np.ndarray) -> float:
    """Return the mean of sum_c (p_c - [c = label])^2, in 0..2 (Brier 1950)."""
    labels, probs = checked_probs(labels, probs)
    return float(((probs - np.eye(NUM_CLASSES)[labels]) ** 2).sum(axis=1).mean())
