"""Figures of how often each class is answered, rightly and wrongly.

TP, FP and FN of a class are its cell on the confusion matrix' diagonal, the rest of
its column and the rest of its row.
"""

import numpy as np

from fer_tf.labels import NUM_CLASSES
from fer_tf.metrics.arguments import checked


def accuracy(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Return the fraction of `predictions` that are right."""
    labels, predictions = checked(labels, predictions)
    return float(np.mean(labels == predictions))


def balanced_accuracy(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Return the mean of `per_class_recall` over the classes that `labels` holds.

    Brodersen et al. 2010, "The balanced accuracy and its posterior distribution",
    for more than two classes. It is the accuracy on a set where every class that
    occurs were equally common, so a constant answer has 1 / (number of them).
    """
    return float(per_class_recall(labels, predictions)[np.unique(labels)].mean())


def confusion(labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """Return counts [7, 7]: row the label, column the prediction."""
    labels, predictions = checked(labels, predictions)
    cells = np.bincount(labels * NUM_CLASSES + predictions, minlength=NUM_CLASSES**2)
    return cells.reshape(NUM_CLASSES, NUM_CLASSES)


def per_class_precision(labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """Return precision [7] = TP / (TP + FP); 0 for a class that is never answered."""
    counts = confusion(labels, predictions)
    return np.diag(counts) / np.maximum(counts.sum(axis=0), 1)


def per_class_recall(labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """Return recall [7] = TP / (TP + FN); 0 for a class that `labels` lacks."""
    counts = confusion(labels, predictions)
    return np.diag(counts) / np.maximum(counts.sum(axis=1), 1)


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
    """Return the mean of the `count` lowest class F1s, of all seven."""
    return float(np.sort(per_class_f1(labels, predictions))[:count].mean())
