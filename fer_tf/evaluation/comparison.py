"""Two or more models on the same records: paired differences and McNemar's test."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from fer_tf import metrics
from fer_tf import predictions
from fer_tf.calibration import Calibration
from fer_tf.errors import UserError
from fer_tf.evaluation import scoring
from fer_tf.experiment import RunFolder
from fer_tf.predictions import Predictions
from fer_tf.predictions import SplitPredictions

log = logging.getLogger(__name__)


def compare(answers: Mapping[str, SplitPredictions], seed: int = 0) -> dict[str, Any]:
    """Compare every model with the first one.

    Args:
        answers: calibrated logits [n, 7] by model, about the same records.

    Returns:
        `runs`: `scoring.figures` of each model. `differences`: each later model minus
        the first, `[value, low, high]`, paired over groups. `mcnemar`: its test.
    """
    aligned = predictions.align(answers)
    baseline, *others = aligned
    labels, groups = aligned[baseline].labels, aligned[baseline].groups
    probs = {name: metrics.softmax(split.logits) for name, split in aligned.items()}
    differences = {
        name: metrics.with_intervals(
            metrics.differences,
            labels,
            probs[name],
            probs[baseline],
            groups=groups,
            seed=seed,
        )
        for name in others
    }
    return {
        "baseline": baseline,
        "n": len(labels),
        "groups": len(np.unique(groups)),
        "runs": {
            name: scoring.figures(split, seed) for name, split in aligned.items()
        },
        "differences": differences,
        "mcnemar": {
            name: mcnemar(labels, probs[name], probs[baseline]) for name in others
        },
    }


def mcnemar(
    labels: np.ndarray, probs: np.ndarray, baseline: np.ndarray
) -> dict[str, float]:
    """Return McNemar's exact test that two models are right equally often.

    Of the records that one alone gets right, each has them with probability 1/2
    (McNemar 1947; Dietterich 1998, section 3.1).

    Args:
        labels: [n], integers.
        probs: [n, 7], of the one.
        baseline: [n, 7], of the other.
    """
    right = probs.argmax(axis=1) == labels
    baseline_right = baseline.argmax(axis=1) == labels
    gained = int((right & ~baseline_right).sum())
    lost = int((~right & baseline_right).sum())
    p = stats.binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
    return {"gained": gained, "lost": lost, "p": float(p)}


def load_answers(path: Path, split: str) -> SplitPredictions:
    """Return a run's calibrated logits of one split.

    Args:
        path: a run folder, or the `predictions.npz` in one. Without a
            `calibration.json` beside it the raw logits are taken, with a warning.

    Raises:
        UserError: there are no predictions.
    """
    run = RunFolder(path if path.is_dir() else path.parent)
    answers = Predictions.load(run.predictions if path.is_dir() else path).split(split)
    if not run.calibration.exists():
        log.warning("%s has no calibration.json: raw probabilities are taken.", path)
        return answers
    calibration = Calibration.load(run.calibration)
    if split == calibration.fitted_on:
        raise UserError(
            f"{run.calibration} was fitted on {split!r}: compare on another split."
        )
    return answers.with_logits(calibration.scale(answers.logits, split))


def load_all(paths: list[Path], split: str) -> dict[str, SplitPredictions]:
    """Return `load_answers` of each path, by the shortest name that tells them apart.

    Raises:
        UserError: fewer than two different paths.
    """
    if len(set(paths)) != len(paths) or len(paths) < 2:
        raise UserError(
            f"expected two or more different runs, received {[str(p) for p in paths]}."
        )
    folders = [path if path.is_dir() else path.parent for path in paths]
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) != len(names):
        names = [str(path) for path in paths]
    return {
        name: load_answers(path, split)
        for name, path in zip(names, paths, strict=True)
    }
