"""A teacher's answers to its training views, from models that have not seen them."""

from collections.abc import Sequence

from fer_tf.calibration import fit_temperature
from fer_tf.predictions import Predictions
from fer_tf.predictions import SplitPredictions
from fer_tf.predictions import joined


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
    return joined(parts)
