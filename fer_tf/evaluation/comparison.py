"""Two or more models on the same records: paired differences and McNemar's test.

A model may be several seeds of one recipe: then its figures are means with a spread.
"""

import logging
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from fer_tf import files
from fer_tf import metrics
from fer_tf import predictions
from fer_tf.calibration import Calibration
from fer_tf.config import flat
from fer_tf.errors import UserError
from fer_tf.evaluation import scoring
from fer_tf.experiment import RunFolder
from fer_tf.experiment import StepRecord
from fer_tf.experiment import verify
from fer_tf.labels import NUM_CLASSES
from fer_tf.predictions import Predictions
from fer_tf.predictions import SplitPredictions

log = logging.getLogger(__name__)


def compare(answers: Mapping[str, SplitPredictions], seed: int = 0) -> dict[str, Any]:
    """Compare every model with the first one.

    Args:
        answers: calibrated logits by model, about the same records: [n, 7], or of
            several seeds of one recipe [n, seeds, 7].

    Returns:
        `runs`: `scoring.figures` of each model, or its `over_seeds`. `differences`:
        each later model `minus` the first. `mcnemar`: its test, where neither has
        several seeds.
    """
    aligned = predictions.align(answers)
    baseline, *others = aligned
    labels, groups = aligned[baseline].labels, aligned[baseline].groups
    probs = {name: probs_by_seed(split) for name, split in aligned.items()}
    return {
        "baseline": baseline,
        "n": len(labels),
        "groups": len(np.unique(groups)),
        "runs": {name: _run(split, seed) for name, split in aligned.items()},
        "differences": {
            name: minus(labels, probs[name], probs[baseline], groups, seed)
            for name in others
        },
        "mcnemar": {
            name: mcnemar(labels, probs[name][:, 0], probs[baseline][:, 0], groups)
            for name in others
            if probs[name].shape[1] == probs[baseline].shape[1] == 1
        },
    }


def probs_by_seed(answers: SplitPredictions) -> np.ndarray:
    """Return probabilities [n, seeds, 7] of logits [n, 7] or [n, seeds, 7]."""
    return metrics.softmax(answers.logits.reshape(len(answers), -1, NUM_CLASSES))


def _run(answers: SplitPredictions, seed: int) -> dict[str, Any]:
    if answers.logits.ndim == 2:
        return scoring.figures(answers, seed)
    return over_seeds(answers.labels, probs_by_seed(answers))


def over_seeds(labels: np.ndarray, probs: np.ndarray) -> dict[str, Any]:
    """Return each figure's mean over the seeds of a recipe, and its spread.

    Args:
        labels: [n], integers.
        probs: [n, seeds, 7], of two seeds or more.

    Returns:
        The mean of each number in `metrics.summary`; `spread`, their standard
        deviations (over seeds - 1); `by_seed`, the summaries themselves.
    """
    by_seed = [metrics.summary(labels, probs[:, k]) for k in range(probs.shape[1])]
    names = [name for name, value in by_seed[0].items() if isinstance(value, float)]
    return {**mean_and_spread(by_seed, names), "n": len(labels), "by_seed": by_seed}


def mean_and_spread(
    by_seed: Sequence[Mapping[str, Any]], names: Sequence[str]
) -> dict[str, Any]:
    """Return the named figures' means over seeds, and `spread`, their deviations.

    The standard deviation is that over seeds - 1; of one seed there is none.
    """
    values = np.array([[figures[name] for name in names] for figures in by_seed])
    content = dict(zip(names, values.mean(axis=0).tolist(), strict=True))
    if len(by_seed) > 1:
        spread = values.std(axis=0, ddof=1).tolist()
        content["spread"] = dict(zip(names, spread, strict=True))
    return content


def minus(
    labels: np.ndarray,
    probs: np.ndarray,
    baseline: np.ndarray,
    groups: np.ndarray,
    seed: int = 0,
) -> dict[str, list[float]]:
    """Return by how much each figure of one model is above another's.

    A figure of several seeds is its mean over them. The interval is paired over
    groups, and draws the seeds as well, since another training would have had others.
    With few seeds it is too narrow, for they seem to spread by sqrt(1 - 1 / seeds) of
    what seeds do.

    Args:
        labels: [n], integers.
        probs: [n, seeds, 7], of the one.
        baseline: [n, seeds, 7], of the other.
        groups: [n].

    Returns:
        `[value, low, high]` by figure, those of `metrics.differences`.
    """
    rng = np.random.default_rng((seed, 1))

    def drawn(labels: np.ndarray, *both: np.ndarray) -> list[float]:
        seeds = (rng.integers(each.shape[1], size=each.shape[1]) for each in both)
        some = (each[:, chosen] for each, chosen in zip(both, seeds, strict=True))
        return list(_mean_differences(labels, *some).values())

    values = _mean_differences(labels, probs, baseline)
    ends = metrics.bootstrap_interval(
        drawn, labels, probs, baseline, groups=groups, seed=seed
    )
    rows = np.column_stack([list(values.values()), *ends])
    return dict(zip(values, rows.tolist(), strict=True))


def _mean_differences(
    labels: np.ndarray, probs: np.ndarray, baseline: np.ndarray
) -> dict[str, float]:
    ours, theirs = _mean_figures(labels, probs), _mean_figures(labels, baseline)
    return {name: ours[name] - theirs[name] for name in ours}


def _mean_figures(labels: np.ndarray, probs: np.ndarray) -> dict[str, float]:
    by_seed = [
        {**metrics.headline(labels, each), "ece": metrics.ece(labels, each)}
        for each in np.moveaxis(probs, 1, 0)
    ]
    return {
        name: float(np.mean([figures[name] for figures in by_seed]))
        for name in by_seed[0]
    }


def mcnemar(
    labels: np.ndarray, probs: np.ndarray, baseline: np.ndarray, groups: np.ndarray
) -> dict[str, float]:
    """Return McNemar's exact test that two models are right equally often.

    Of the groups that one gets more of right, each has them with probability 1/2
    (McNemar 1947; Dietterich 1998, section 3.1). Groups are what is independent: one
    picture under two names would count twice.

    Args:
        labels: [n], integers.
        probs: [n, 7], of the one.
        baseline: [n, 7], of the other.
        groups: [n].

    Returns:
        `gained` and `lost`: the groups that the one gets more, and less, of right;
        and `p`.
    """
    right = (probs.argmax(axis=1) == labels).astype(int)
    baseline_right = (baseline.argmax(axis=1) == labels).astype(int)
    _, rows = np.unique(groups, return_inverse=True)
    lead = np.bincount(rows, weights=right - baseline_right)
    gained, lost = int((lead > 0).sum()), int((lead < 0).sum())
    p = stats.binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
    return {"gained": gained, "lost": lost, "p": float(p)}


def load_answers(path: Path, split: str) -> SplitPredictions:
    """Return a run's calibrated logits of one split.

    Args:
        path: a run folder, or the `predictions.npz` in one. Without a
            `calibration.json` beside it the raw logits are taken, with a warning.

    Raises:
        UserError: there are no predictions, or a file has changed since it was written
            or calibrated.
    """
    run = RunFolder(_folder(path))
    predicted = run.predictions if path.is_dir() else path
    verify([predicted, run.calibration])
    answers = Predictions.load(predicted).split(split)
    if not run.calibration.exists():
        log.warning("%s has no calibration.json: raw probabilities are taken.", path)
        return answers
    calibration = Calibration.load(run.calibration)
    if split == calibration.fitted_on:
        raise UserError(
            f"{run.calibration} was fitted on {split!r}: compare on another split."
        )
    return answers.with_logits(calibration.scale(answers.logits, split))


def load_seeds(paths: Sequence[Path], split: str) -> SplitPredictions:
    """Return `load_answers` of one run; of several seeds, logits [n, seeds, 7].

    Raises:
        UserError: the runs are not of one recipe, or two have the same seed.
    """
    if len(paths) == 1:
        return load_answers(paths[0], split)
    check_one_recipe(paths)
    answers = {str(path): load_answers(path, split) for path in paths}
    first, *rest = predictions.align(answers).values()
    return first.with_logits(np.stack([each.logits for each in (first, *rest)], axis=1))


def check_one_recipe(paths: Sequence[Path]) -> None:
    """Hold what the runs were asked against each other, where they tell.

    Raises:
        UserError: they differ in more than the seed, or two have the same.
    """
    records = [RunFolder(_folder(path)).asked for path in paths]
    asked = [
        flat(StepRecord.load(record).settings)
        for record in records
        if record.exists()
    ]
    if len(asked) < len(records):
        log.warning("not all of %s say of which recipe they are.", _joined(paths))
    names = {name for settings in asked for name in settings} - {"seed"}
    differing = sorted(
        name for name in names if len({str(each.get(name)) for each in asked}) > 1
    )
    if differing:
        raise UserError(
            f"expected seeds of one recipe, but {_joined(paths)} differ in "
            f"{', '.join(differing)}. Compare them as runs of their own."
        )
    seeds = [settings["seed"] for settings in asked]
    if len(set(seeds)) < len(seeds):
        raise UserError(
            f"expected different seeds, received {seeds} of {_joined(paths)}."
        )


def load_all(
    runs: Sequence[Sequence[Path]], split: str
) -> dict[str, SplitPredictions]:
    """Return `load_seeds` of each run, by the shortest name that tells them apart.

    Raises:
        UserError: fewer than two runs, or one of them twice.
    """
    paths = [path for seeds in runs for path in seeds]
    if len(set(paths)) != len(paths) or len(runs) < 2:
        raise UserError(
            "expected two or more different runs, received "
            f"{[_joined(seeds) for seeds in runs]}."
        )
    names = [_short_name(seeds) for seeds in runs]
    if len(set(names)) != len(names):
        names = [_joined(seeds) for seeds in runs]
    return {
        name: load_seeds(seeds, split) for name, seeds in zip(names, runs, strict=True)
    }


def _short_name(paths: Sequence[Path]) -> str:
    return ",".join(dict.fromkeys(_folder(path).resolve().name for path in paths))


def _joined(paths: Sequence[Path]) -> str:
    return ",".join(str(path) for path in paths)


def _folder(path: Path) -> Path:
    return path if path.is_dir() else path.parent


def inputs(paths: Sequence[Path]) -> dict[str, str]:
    """Return the SHA-256 of what `load_answers` reads of each path, by file."""
    runs = [RunFolder(_folder(path)) for path in paths]
    read = [
        file
        for path, run in zip(paths, runs, strict=True)
        for file in (run.predictions if path.is_dir() else path, run.calibration)
    ]
    return {str(file): files.sha256_of(file) for file in read if file.exists()}
