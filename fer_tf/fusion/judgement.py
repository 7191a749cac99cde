"""Whether the fused teachers have anything to teach the student."""

import logging
from pathlib import Path
from typing import Any

from fer_tf import files
from fer_tf import predictions
from fer_tf.config import Config
from fer_tf.experiment import Experiment
from fer_tf.experiment import verify
from fer_tf.fusion.cross_fit import cross_fit
from fer_tf.fusion.cross_fit import shortfalls
from fer_tf.predictions import Predictions

log = logging.getLogger(__name__)

STUDENT = "student-ce"


def judge(config: Config, experiment: Experiment) -> dict[str, Any]:
    """Say whether the pool is shown to beat each teacher and the CE student.

    What the teachers are worth was judged when they were fused; the student may be
    younger, and is compared here, with the same cross-fitting. A warning is logged for
    each that the pool is not shown to beat.

    Returns:
        `teachers` and `students`: tables of `cross_fit`; `warnings`; and `inputs`, the
        SHA-256 of what was read. `students` is empty where the CE student, or a
        teacher, has left no answers.

    Raises:
        UserError: a file has changed since its stage wrote it.
    """
    report = experiment.need(experiment.soft_labels.with_suffix(".json"), "fer-tf fuse")
    paths = {
        teacher.model.name: experiment.teacher(teacher.model.name).predictions
        for teacher in config.teachers
    }
    paths[STUDENT] = experiment.student("ce").predictions
    verify([report, *paths.values()])
    fitted = files.read_json(report)["cross_fit"]
    inputs, students = {report.name: files.sha256_of(report)}, {}
    if all(path.exists() for path in paths.values()):
        inputs |= {name: files.sha256_of(path) for name, path in paths.items()}
        students = _beside_student(config, paths)
    warnings = fitted["warnings"] + shortfalls(students, config.soft_labels.search)
    for warning in warnings:
        log.warning("%s Distillation may teach the student nothing.", warning)
    return {**fitted, "students": students, "warnings": warnings, "inputs": inputs}


def _beside_student(config: Config, paths: dict[str, Path]) -> dict[str, Any]:
    teachers = predictions.align(
        {
            name: Predictions.load(path).split("validation")
            for name, path in paths.items()
        }
    )
    student = {STUDENT: teachers.pop(STUDENT)}
    return cross_fit(teachers, student, config.soft_labels, config.seed)[1]
