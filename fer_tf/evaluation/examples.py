"""Which answers are worth a look: of each class the surest right and wrong ones."""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np

from fer_tf import metrics
from fer_tf.labels import CLASSES
from fer_tf.predictions import SplitPredictions

MOST = 8


def surest(answers: SplitPredictions, most: int = MOST) -> dict[str, dict[str, Any]]:
    """Return the answers of the highest confidence, by label, `right` and `wrong`.

    Of a group (duplicates, one subject) only the surest is among them.

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
        kinds = {"right": own[right[own]], "wrong": own[~right[own]]}
        if len(own):
            found[name] = {
                kind: _rows(answers, probs, _one_a_group(answers, rows)[:most])
                for kind, rows in kinds.items()
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


def _one_a_group(answers: SplitPredictions, rows: np.ndarray) -> np.ndarray:
    """Return those of `rows` whose group has not been among them before."""
    _, first = np.unique(answers.groups[rows], return_index=True)
    return rows[np.sort(first)]


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
