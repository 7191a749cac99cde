"""A teacher's answers to its training views, from models that have not seen them."""

from collections.abc import Sequence

import numpy as np

from fer_tf.calibration import fit_temperature
from fer_tf.predictions import Predictions
from fer_tf.predictions import SplitPredictions


def out_of_fold(
    validation: SplitPredictions, folds: Sequence[Predictions]
) -> SplitPredictions:
    """Return the training split that takes the place of the teacher's own.

    The logits of fold i are z_i T / T_i, where T_i is the temperature of the fold's
    model and T that of the teacher, both fitted on validation. A model that was trained
    anew is as sure as it happens to be: each is calibrated for itself. Fusing divides
    all of a teacher's logits by T, which leaves z_i / T_i.

    Args:
        validation: the teacher's own answers.
        folds: what each fold's model answered: validation, and views of the training
            pictures in its fold.
    """
    temperature = fit_temperature(validation.logits, validation.labels)
    parts = []
    for each in folds:
        own = each.split("validation")
        scale = temperature / fit_temperature(own.logits, own.labels)
        train = each.split("train")
        parts.append(train.with_logits(train.logits * scale))
    return SplitPredictions(
        keys=np.concatenate([each.keys for each in parts]),
        labels=np.concatenate([each.labels for each in parts]),
        sources=np.concatenate([each.sources for each in parts]),
        groups=np.concatenate([each.groups for each in parts]),
        logits=np.concatenate([each.logits for each in parts]),
    )
