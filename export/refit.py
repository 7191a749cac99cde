"""Calibrates what an exported file answers, and says what conversion has cost.

Weights or activations of fewer bits answer otherwise than the model that validation
calibrated: surer or less sure, and of some faces something else. So the scaling and the
thresholds are fitted anew, on what the file itself answers.
"""

from typing import Any

from fer_tf.calibration import Calibration
from fer_tf.calibration import Scaling
from fer_tf.calibration import cross_calibrated
from fer_tf.errors import CheckFailed
from fer_tf.evaluation import comparison
from fer_tf.evaluation.scoring import CROSS_FITTED
from fer_tf.predictions import SplitPredictions

# What a file may lose on validation against the model that it was made of.
MOST_ACCURACY_LOST = 0.01
MOST_NLL_GAINED = 0.02

# A file that is not calibrated: its probabilities are the softmax of the logits.
IDENTITY = Scaling(temperature=1.0)


def calibrate(answers: SplitPredictions, like: Calibration) -> Calibration:
    """Fit scaling and thresholds on a file's validation answers.

    Args:
        like: asked for the same before, of the model.
    """
    return Calibration.fit(
        answers.logits,
        answers.labels,
        like.wanted_accuracy,
        like.fitted_on,
        groups=answers.groups,
        wanted_coverage=like.wanted_coverage,
        method=like.method,
    )


def judge(
    model: SplitPredictions, file: SplitPredictions, method: str, seed: int
) -> dict[str, Any]:
    """Return what validation says of a model, and of the file made of it.

    All figures are calibrated and cross-fitted: no face is scored by what it helped to
    fit.

    Args:
        model: the Keras model's logits.
        file: the file's own, of the same records.
        method: of scaling, as `calibration.METHODS` has it.

    Returns:
        As `comparison.compare` does, of `model`, of the file `as_converted` (scaled as
        fits the model) and `refitted` (scaled as fits its own answers).
    """
    compared = comparison.compare(
        {
            "model": _cross_scaled(model, model, method, seed),
            "as_converted": _cross_scaled(file, model, method, seed),
            "refitted": _cross_scaled(file, file, method, seed),
        },
        seed,
    )
    return {"split": "validation", "calibrated": CROSS_FITTED, **compared}


def check_loss(judged: dict[str, Any], precision: str) -> None:
    """Raise CheckFailed where a file has lost more than it may.

    Args:
        judged: what `judge` returned.
    """
    before, after = judged["runs"]["model"], judged["runs"]["refitted"]
    lost = before["accuracy"] - after["accuracy"]
    gained = after["nll"] - before["nll"]
    # Written so that NaN, whose comparisons are all false, fails as well.
    if lost <= MOST_ACCURACY_LOST and gained <= MOST_NLL_GAINED:
        return
    raise CheckFailed(
        f"in {precision} the student loses too much on validation (n = "
        f"{judged['n']:,}): accuracy {before['accuracy']:.3f} to "
        f"{after['accuracy']:.3f} (at most {MOST_ACCURACY_LOST:g} less), NLL "
        f"{before['nll']:.3f} to {after['nll']:.3f} (at most {MOST_NLL_GAINED:g} "
        "more). Export another precision; for int8 train a student of the model "
        "mobilenetv3_large_minimalistic; or give export.allow_loss=true."
    )


def _cross_scaled(
    scored: SplitPredictions, fitted_on: SplitPredictions, method: str, seed: int
) -> SplitPredictions:
    """Return answers with each half scaled as fits the other half of `fitted_on`."""
    return scored.with_logits(
        cross_calibrated(
            fitted_on.logits,
            fitted_on.labels,
            fitted_on.groups,
            seed,
            method,
            applied_to=scored.logits,
        )
    )
