"""The last stage of an experiment's models: the chosen student to a checked bundle."""

import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from export import convert
from export import model_card
from export import parity
from export.bundle import write_bundle
from fer_tf import files
from fer_tf.calibration import Calibration
from fer_tf.config import Config
from fer_tf.data import pipeline
from fer_tf.errors import CheckFailed
from fer_tf.errors import UserError
from fer_tf.evaluation.predict import trained
from fer_tf.evaluation.stages import exported_student
from fer_tf.experiment import Experiment
from fer_tf.experiment import RunFolder
from fer_tf.experiment import Step
from fer_tf.experiment import git_commit
from fer_tf.preprocess import FaceSpec
from fer_tf.preprocess import Framing
from fer_tf.runtime.bundle import Abstain
from fer_tf.runtime.bundle import Bundle
from fer_tf.runtime.bundle import PredictionSets
from fer_tf.sources.terms import TERMS
from fer_tf.sources.terms import UNKNOWN as UNKNOWN_TERMS

log = logging.getLogger(__name__)

PARITY_PICTURES = 1000


def export_student(config: Config, experiment: Experiment) -> None:
    """Write `bundle/` from the chosen student, and check it against the Keras model.

    Raises:
        UserError: no student has been evaluated, or the one asked for has not.
        CheckFailed: the bundle answers otherwise than the model.
    """
    stage = exported_student(config, experiment)
    if not stage:
        raise UserError(
            f"there is no evaluated student to export in {experiment.root}. "
            "Make one with: fer-tf train --stage student, then fer-tf calibrate and "
            "fer-tf evaluate"
        )
    run = experiment.student(stage)
    step = Step(
        experiment.root / "steps" / "export.json",
        {"student": stage, "precision": config.export.precision},
        [run.weights, run.calibration, run.metrics, experiment.framing],
    )
    if step.is_done():
        return
    bundle = _write(config, experiment, run, f"{config.experiment}-{stage}")
    step.finish([bundle.folder / "model.tflite", bundle.folder / "bundle.json"])


def _write(
    config: Config, experiment: Experiment, run: RunFolder, name: str
) -> Bundle:
    calibration = Calibration.load(run.calibration)
    model = convert.with_vector(
        trained(config, config.student, run.weights), calibration.scaling
    )
    facts = {
        "name": name,
        "face": _framed(config, experiment.framing),
        "temperature": calibration.temperature,
        "abstain": Abstain(
            calibration.threshold, calibration.wanted_accuracy, calibration.fitted_on
        ),
        "prediction_sets": _prediction_sets(calibration),
        "precision": config.export.precision,
        "metrics": files.read_json(run.metrics),
        "smoke": config.smoke,
    }
    text = model_card.text(sources=_terms(config), commit=git_commit(), **facts)
    bundle = write_bundle(
        experiment.bundle,
        model,
        data_digests=_data_digests(experiment),
        model_card=text,
        **facts,
    )
    inputs = _parity_inputs(config, experiment)
    try:
        found = parity.check(model, bundle, inputs, calibration.temperature)
    except CheckFailed:
        # Nobody shall find it later and take it for the student.
        shutil.rmtree(bundle.folder)
        raise
    log.info(
        "The bundle answers as the model does: at most %.1e apart on %d pictures.",
        found["max_difference"],
        found["n"],
    )
    return bundle


def _prediction_sets(calibration: Calibration) -> PredictionSets | None:
    if calibration.set_threshold is None:
        return None
    return PredictionSets(
        calibration.set_threshold, calibration.wanted_coverage, calibration.fitted_on
    )


def _framed(config: Config, path: Path) -> FaceSpec:
    framing = Framing(**files.read_json(path)["framing"])
    return FaceSpec(**{**vars(pipeline.face_spec(config)), "framing": framing})


def _data_digests(experiment: Experiment) -> dict[str, Any]:
    report = files.read_json(experiment.manifest.with_suffix(".json"))
    digests = {name: built["sha256"] for name, built in report["records"].items()}
    return {**digests, "manifest.csv": files.sha256_of(experiment.manifest)}


def _terms(config: Config) -> dict[str, str]:
    return {name: TERMS.get(name, UNKNOWN_TERMS) for name in config.data.sources}


def _parity_inputs(config: Config, experiment: Experiment) -> np.ndarray:
    """Return prepared validation pictures, uint8 [n, size, size, 3]."""
    faces = pipeline.load(config, experiment.manifest)["validation"]
    data = pipeline.plain_batches(faces, pipeline.face_spec(config), PARITY_PICTURES)
    return next(iter(data))["image"].numpy()
