"""Logits to probabilities."""

import numpy as np


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Return log(exp(z_c) / sum_k exp(z_k)) over the last axis, in float64."""
    shifted = np.asarray(logits, np.float64)
    shifted = shifted - shifted.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return exp(z_c) / sum_k exp(z_k) over the last axis, in float64."""
    return np.exp(log_softmax(logits))
