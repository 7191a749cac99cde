"""Logits to probabilities, and back."""

import numpy as np


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Return log(exp(z_c) / sum_k exp(z_k)) over the last axis, in float64."""
    shifted = np.asarray(logits, np.float64)
    shifted = shifted - shifted.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return exp(z_c) / sum_k exp(z_k) over the last axis, in float64."""
    return np.exp(log_softmax(logits))


def logits_of(probs: np.ndarray) -> np.ndarray:
    """Return logits of which these are the softmax.

    A number added to all of a row's logits is lost, and of no account. A probability
    below the least positive number of float32's full precision counts as that.
    """
    return np.log(np.maximum(probs, np.finfo(np.float32).tiny))
