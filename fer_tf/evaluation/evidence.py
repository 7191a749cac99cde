"""What the figures of a finished experiment rest on."""

from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from fer_tf import files
from fer_tf.config import flat
from fer_tf.errors import UserError
from fer_tf.experiment import Experiment
from fer_tf.experiment import RunFolder
from fer_tf.experiment import StepRecord
from fer_tf.experiment import verify


def checked_metrics(run: RunFolder, experiment: Experiment) -> dict[str, Any]:
    """Return a run's `metrics.json`, if all that it was made from is as it was then.

    Raises:
        UserError: the run has not been evaluated, its predictions, its calibration or
            the figures themselves have changed since, or an earlier fer-tf wrote them.
    """
    options = f"--config {experiment.config} --runs {experiment.root.parent}"
    again = (
        f"Delete {run.path / 'steps'}, then: fer-tf calibrate {options} && "
        f"fer-tf evaluate {options}"
    )
    told = _digests_when_evaluated(run)
    for path in (run.predictions, run.calibration, run.metrics):
        then = told.get(path.name, "")
        now = files.sha256_of(path) if path.exists() else ""
        if not then or then != now:
            raise UserError(
                f"{run.metrics} cannot be believed: expected {path} as it was "
                f"evaluated (SHA-256 {then[:12] or 'unknown'}), received "
                f"{now[:12] or 'no such file'}. {again}"
            )
    verify([run.metrics])
    content = files.read_json(run.metrics)
    if "by_source_raw" not in content["test"]:
        raise UserError(
            f"{run.metrics} is an earlier fer-tf's: expected `by_source_raw` in it. "
            f"{again}"
        )
    return content


def _digests_when_evaluated(run: RunFolder) -> dict[str, str]:
    if not run.evaluated.exists():
        return {}
    record = StepRecord.load(run.evaluated)
    told = {**record.inputs, **record.outputs}
    return {name.rpartition("/")[2]: digest for name, digest in told.items()}


def chosen(
    figures: Mapping[str, list[dict[str, Any]]],
    runs: Mapping[str, list[RunFolder]],
) -> dict[str, Any]:
    """Return which split chose what, and by which figure, as the files tell it.

    Args:
        figures: the content of each model's `metrics.json`, one for each seed.
        runs: their folders.

    Returns:
        Lists, of one where all agree: `epochs_by`, `weights_by`, `calibrated_by`; `on`,
        the split, and `n`, the number of its records.
    """
    every = [each for seeds in figures.values() for each in seeds]
    trained = [run.asked for name in runs for run in runs[name]]
    settings = [
        flat(StepRecord.load(path).settings) for path in trained if path.exists()
    ]
    fused = [run.path / "soft_labels.json" for run in runs.get("fused", [])]
    verify(fused)
    searched = [files.read_json(path) for path in fused if path.exists()]
    return {
        "epochs_by": _each_once(
            value
            for asked in settings
            for name, value in asked.items()
            if name.endswith("train.best_by")
        ),
        "weights_by": _each_once(each["search"] for each in searched),
        "calibrated_by": _each_once(each["method"] for each in every),
        "on": _each_once(
            [each["fitted_on"]["temperature"] for each in every]
            + [each["fitted_on"] for each in searched]
        ),
        "n": _each_once(each["fitted_on"]["n"] for each in every),
    }


def _each_once(values: Iterable[Any]) -> list[Any]:
    return list(dict.fromkeys(values))


def made_from(experiment: Experiment, runs: Mapping[str, RunFolder]) -> dict[str, Any]:
    """Return an experiment's `folder`, the code's `commits`, and SHA-256 by model."""
    records = [
        record
        for run in runs.values()
        for record in (
            run.asked,
            run.answered,
            run.evaluated,
        )
    ]
    commits = _each_once(
        StepRecord.load(path).environment.get("commit", "")
        for path in records
        if path.exists()
    )
    return {
        "folder": experiment.root.as_posix(),
        "commits": [commit for commit in commits if commit],
        "predictions": {
            name: files.sha256_of(run.predictions) for name, run in runs.items()
        },
    }
