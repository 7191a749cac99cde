"""Which answers are worth a look: of each class the surest right and wrong ones."""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np

from fer_tf import metrics
from fer_tf.labels import CLASSES
from fer_tf.predictions import SplitPredictions

MOST = 6


def surest(answers: SplitPredictions, most: int = MOST) -> dict[str, dict[str, Any]]:
    """Return the answers of the highest confidence, by label, `right` and `wrong`.

    Args:
        answers: calibrated logits [n, 7].
        most: of each class and kind.

    Returns:
        Rows with `key`, `label`, `answer` and `confidence`, the surest first; where
        two are as sure, the one that comes first. A class without a record is missing.
    """
    probs = metrics.softmax(answers.logits)
    right = probs.argmax(axis=1) == answers.labels
    order = np.argsort(-probs.max(axis=1), kind="stable")
    found = {}
    for index, name in enumerate(CLASSES):
        own = order[answers.labels[order] == index]
        if len(own):
            found[name] = {
                "right": _rows(answers, probs, own[right[own]][:most]),
                "wrong": _rows(answers, probs, own[~right[own]][:most]),
            }
    return found


def keys(examples: Mapping[str, Mapping[str, Sequence[Mapping]]]) -> list[str]:
    """Return the keys of what `surest` returned."""
    return [
        row["key"]
        for kinds in examples.values()
        for rows in kinds.values()
        for row in rows
    ]


def _rows(
    answers: SplitPredictions, probs: np.ndarray, chosen: np.ndarray
) -> list[dict[str, Any]]:
    return [
        {
            "key": str(answers.keys[row]),
            "label": CLASSES[answers.labels[row]],
            "answer": CLASSES[probs[row].argmax()],
            "confidence": float(probs[row].max()),
        }
        for row in chosen
    ]
