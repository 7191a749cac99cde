"""The stages of an experiment that come after its models have answered.

A stage's record lies in `<run>/steps/`: to calibrate or to evaluate anew, that folder
is deleted, and no model with it.
"""

import dataclasses
import logging
from typing import Any

from fer_tf import files
from fer_tf import write_lock
from fer_tf.calibration import Calibration
from fer_tf.config import CalibrateConfig
from fer_tf.config import Config
from fer_tf.errors import UserError
from fer_tf.evaluation import report
from fer_tf.evaluation import scoring
from fer_tf.experiment import STUDENT_STAGES
from fer_tf.experiment import Experiment
from fer_tf.experiment import RunFolder
from fer_tf.experiment import Step
from fer_tf.experiment import verify
from fer_tf.predictions import Predictions

log = logging.getLogger(__name__)


def calibrate_all(config: Config, experiment: Experiment) -> None:
    """Write `calibration.json` of every model that has answered, from validation."""
    runs = answered_runs(config, experiment).values()
    # All are verified before the first file is written.
    verify(run.predictions for run in runs)
    for run in runs:
        with write_lock.folder(run.path):
            step = calibration_step(run, config.calibrate)
            if not step.is_done():
                calibrate(run, config.calibrate)
                step.finish([run.calibration])


def calibration_step(run: RunFolder, wanted: CalibrateConfig) -> Step:
    """Return the step that writes a run's `calibration.json`."""
    return Step(
        run.calibrated,
        dataclasses.asdict(wanted),
        [run.predictions],
    )


def evaluation_step(run: RunFolder, seed: int) -> Step:
    """Return the step that writes a run's `metrics.json`."""
    return Step(
        run.evaluated,
        {"seed": seed},
        [run.predictions, run.calibration],
    )


def calibrate(run: RunFolder, wanted: CalibrateConfig) -> Calibration:
    """Fit a model's scaling and thresholds on validation, and write them."""
    predictions = Predictions.load(run.predictions)
    validation = predictions.split("validation")
    calibration = Calibration.fit(
        validation.logits,
        validation.labels,
        wanted.wanted_accuracy,
        "validation",
        groups=validation.groups,
        wanted_coverage=wanted.wanted_coverage,
        method=wanted.method,
    )
    if not calibration.threshold_reached:
        log.warning(
            "%s reaches an accuracy of %.2f on validation at no confidence.",
            predictions.model,
            wanted.wanted_accuracy,
        )
    calibration.save(run.calibration)
    return calibration


def evaluate_all(
    config: Config, experiment: Experiment, find: report.Find | None = None
) -> None:
    """Write `metrics.json` of every model that has answered, then the report.

    Args:
        find: gives the pixels of the pictures that the report shows; None shows none,
            since faces are personal data.
    """
    runs = answered_runs(config, experiment)
    report.check_inputs(experiment)
    # All are verified before the first file is written.
    for run in runs.values():
        verify([experiment.need(run.calibration, "fer-tf calibrate")])
    for name, run in runs.items():
        with write_lock.folder(run.path):
            step = evaluation_step(run, config.seed)
            if not step.is_done():
                log.info("Scoring %s.", name)
                files.write_json(run.metrics, evaluate(run, config.seed))
                step.finish([run.metrics])
    stage = exported_student(config, experiment)
    with write_lock.file(experiment.report):
        report.write_experiment(config, experiment, runs, stage, find)


def evaluate(run: RunFolder, seed: int) -> dict[str, Any]:
    """Return the content of a run's `metrics.json`."""
    predictions = Predictions.load(run.predictions)
    return scoring.score(predictions, Calibration.load(run.calibration), seed)


def teaching_runs(config: Config, experiment: Experiment) -> dict[str, RunFolder]:
    """Return the run folders of the teachers and of all together, by name."""
    names = [teacher.model.name for teacher in config.teachers]
    teachers = {name: experiment.teacher(name) for name in names}
    return {**teachers, "fused": experiment.fused}


def answered_runs(config: Config, experiment: Experiment) -> dict[str, RunFolder]:
    """Return the run folders with predictions, by name: teachers, fused, students.

    Raises:
        UserError: there are none.
    """
    runs = teaching_runs(config, experiment)
    for stage in STUDENT_STAGES:
        runs[f"student-{stage}"] = experiment.student(stage)
    answered = {name: run for name, run in runs.items() if run.predictions.exists()}
    if not answered:
        raise UserError(
            f"no model in {experiment.root} has answered yet. Make one with: "
            "fer-tf train --stage teachers"
        )
    return answered


def exported_student(config: Config, experiment: Experiment) -> str:
    """Return the stage of the student that leaves: ce, kd or dkd; "" without one.

    `export.student: best` is the lowest calibrated NLL on validation.

    Raises:
        UserError: one that was scored has lost its predictions: another would leave.
    """
    scores = {
        stage: _nll(experiment, stage, run)
        for stage in STUDENT_STAGES
        if (run := experiment.student(stage)).metrics.exists()
    }
    chosen = config.export.student
    if chosen == "best":
        return min(scores, key=scores.__getitem__, default="")
    return chosen if chosen in scores else ""


def _nll(experiment: Experiment, stage: str, run: RunFolder) -> float:
    made_by = "train --stage student" if stage == "ce" else f"distill --loss {stage}"
    experiment.need(run.predictions, f"fer-tf {made_by}")
    verify([run.metrics])
    return files.read_json(run.metrics)["val"]["calibrated"]["nll"]
