"""Teachers that have learnt their training pictures by heart, and what can be done."""

import logging
from collections.abc import Mapping

import numpy as np
from scipy import optimize

from fer_tf import metrics
from fer_tf.predictions import SplitPredictions

log = logging.getLogger(__name__)

# Training views on which the pool is this much surer than on validation were learnt by
# heart, and teach the student little but the labels.
OVERCONFIDENT_BY = 0.05
SOFTEST = 1e4


def confidence(answers: SplitPredictions) -> dict[str, float]:
    """Return mean confidence and accuracy of calibrated logits [n, 7] or [n, k, 7]."""
    probs = metrics.softmax(answers.logits)
    labels = answers.labels.reshape(-1, *[1] * (probs.ndim - 2))
    return {
        "confidence": float(probs.max(axis=-1).mean()),
        "accuracy": float((probs.argmax(axis=-1) == labels).mean()),
    }


def softening(table: Mapping[str, Mapping[str, float]], logits: np.ndarray) -> float:
    """Return the S >= 1 that training views are to be divided by; 1 if they are honest.

    At S the mean confidence on training views is that on validation, which is how sure
    the calibrated pool is of pictures that it has not learnt. Validation's accuracy is
    the same but for what T leaves of the calibration error: aiming at it, the soft
    labels would be of another sharpness than the pool has anywhere. Training views'
    own accuracy is no guide, for it has been learnt by heart as well. Only they are
    softened: T, and what validation and test are answered, stay.

    Args:
        table: `confidence` of "train" and "validation".
        logits: of the training views, calibrated, [n, views, 7].
    """
    wanted = table["validation"]["confidence"]
    if table["train"]["confidence"] - wanted <= OVERCONFIDENT_BY:
        return 1.0

    # It falls with S, from what it is to that of a guess, 1 / 7.
    def excess(log_s: float) -> float:
        return metrics.softmax(logits / np.exp(log_s)).max(axis=-1).mean() - wanted

    return float(np.exp(optimize.brentq(excess, 0.0, np.log(SOFTEST), xtol=1e-10)))


def warnings(table: Mapping[str, Mapping[str, float]], softened_by: float) -> list[str]:
    """Say, and log, that training views are answered more surely than validation."""
    excess = table["train"]["confidence"] - table["validation"]["confidence"]
    if excess <= OVERCONFIDENT_BY:
        return []
    told = f"the pool is {excess:.2f} more confident on training views."
    if softened_by > 1:
        told += f" Their soft labels are softened by a T of {softened_by:.2f}."
        log.warning(told)
    else:
        log.warning("%s Its soft labels hold little but the labels.", told)
    return [told]
