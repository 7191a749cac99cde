"""The last stage of an experiment's models: the chosen student to a checked bundle."""

import dataclasses
import functools
import logging
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

from export import convert
from export import model_card
from export import parity
from export import refit
from export.bundle import replacing
from export.bundle import write_bundle
from fer_tf import config as recipes
from fer_tf import files
from fer_tf import metrics
from fer_tf.calibration import Calibration
from fer_tf.calibration import Scaling
from fer_tf.config import Config
from fer_tf.data import pipeline
from fer_tf.data.pipeline import Faces
from fer_tf.errors import UserError
from fer_tf.evaluation import readme
from fer_tf.evaluation import results
from fer_tf.evaluation.predict import trained
from fer_tf.evaluation.stages import exported_student
from fer_tf.experiment import Experiment
from fer_tf.experiment import Step
from fer_tf.experiment import git_commit
from fer_tf.experiment import verify
from fer_tf.predictions import Predictions
from fer_tf.predictions import SplitPredictions
from fer_tf.preprocess import FaceSpec
from fer_tf.preprocess import Framing
from fer_tf.runtime import bundle as schema
from fer_tf.runtime.bundle import Bundle
from fer_tf.sources.terms import TERMS
from fer_tf.sources.terms import UNKNOWN as UNKNOWN_TERMS

log = logging.getLogger(__name__)

# Faces that int8 takes the ranges of activations from.
REPRESENTATIVE = 512


def export_student(
    config: Config, experiment: Experiment, folder: Path | None = None
) -> None:
    """Write the chosen student's bundle, and check it against the Keras model.

    Args:
        folder: where it goes, in place of a bundle that may be there; None is the
            experiment's `bundle/`, which is written once, whoever names it.

    Raises:
        UserError: no student has been evaluated, or the one asked for has not.
        CheckFailed: the file answers otherwise than the model, or loses too much. Then
            nothing is written.
    """
    stage = exported_student(config, experiment)
    if not stage:
        raise UserError(
            f"there is no evaluated student to export in {experiment.root}. "
            "Make one with: fer-tf train --stage student, then fer-tf calibrate and "
            "fer-tf evaluate"
        )
    run = experiment.student(stage)
    data = [experiment.manifest, experiment.manifest.with_suffix(".json")]
    inputs = [
        *(run.weights, run.predictions, run.calibration, run.metrics),
        *(experiment.framing, *data),
    ]
    verify(inputs)
    if folder and folder.resolve() != experiment.bundle.resolve():
        _Export(config, experiment, stage).write(folder)
        return
    step = Step(experiment.exported, _settings(config, stage), inputs)
    if step.is_done():
        return
    bundle = _Export(config, experiment, stage).write(experiment.bundle)
    step.finish([bundle.model, bundle.folder / schema.MANIFEST])


def _settings(config: Config, stage: str) -> dict[str, Any]:
    """Return the part of the config that a bundle depends on."""
    return {
        "experiment": config.experiment,
        "seed": config.seed,
        "smoke": config.smoke,
        "student": stage,
        "precision": config.export.precision,
        "allow_loss": config.export.allow_loss,
        "face": dataclasses.asdict(pipeline.face_spec(config)),
        "model": recipes.to_dict(config.student.model),
        "sources": config.data.sources,
        "held_out": config.data.held_out,
    }


class _Export:
    """A student, and the validation faces that what is made of it is held against."""

    def __init__(self, config: Config, experiment: Experiment, stage: str) -> None:
        self._config = config
        self._experiment = experiment
        self._name = f"{config.experiment}-{stage}"
        self._run = experiment.student(stage)
        self._precision = config.export.precision
        self._faces = pipeline.load(config, experiment.manifest)["validation"]

    def write(self, folder: Path) -> Bundle:
        """Write the bundle, whole and checked or not at all."""
        with replacing(folder) as temporary:
            self._write(temporary)
        return schema.read(folder)

    def _write(self, folder: Path) -> None:
        model = trained(self._config, self._config.student, self._run.weights)
        validation = self._answers_of_model(model)
        calibration = Calibration.load(self._run.calibration)
        exported: dict[str, Any] = {}
        if self._precision != "float32":
            tflite = self._tflite(model, refit.IDENTITY)
            answers = validation.with_logits(self._logits_of(folder, tflite))
            exported["validation"] = self._judged(validation, answers, calibration)
            calibration = refit.calibrate(answers, like=calibration)
        # An int8 file holds no scaling: it is what it was.
        if self._precision != "int8":
            tflite = self._tflite(model, calibration.scaling)
        bundle = self._bundle(folder, tflite, calibration, exported)
        expected = metrics.softmax(calibration.scaling.apply(validation.logits))
        exported["parity"] = parity.check(bundle, self._answers_of(bundle), expected)
        self._bundle(folder, tflite, calibration, exported)
        log.info(
            "The bundle answers as the model does: at most %.1e apart, and the same "
            "label for %.2f %% of %d validation faces.",
            exported["parity"]["max_difference"],
            100 * exported["parity"]["same_labels"],
            exported["parity"]["n"],
        )

    def _tflite(self, model: keras.Model, scaling: Scaling) -> bytes:
        pictures = self._representative() if self._precision == "int8" else None
        return convert.to_tflite(model, scaling, self._precision, pictures)

    def _representative(self) -> np.ndarray:
        """Return faces from all over validation, uint8 [n, size, size, 3]."""
        count = min(REPRESENTATIVE, len(self._faces))
        rows = np.linspace(0, len(self._faces) - 1, count).astype(int)
        return np.concatenate(list(self._prepared(self._faces.take(rows))))

    def _prepared(self, faces: Faces) -> Iterator[np.ndarray]:
        """Yield batches of model inputs, made as training makes them."""
        spec = pipeline.face_spec(self._config)
        for batch in pipeline.plain_batches(faces, spec, parity.BATCH_SIZE):
            yield batch["image"].numpy()

    def _crops(self) -> Iterator[list[np.ndarray]]:
        """Yield batches of the same faces as the live view's classifier takes them."""
        for start in range(0, len(self._faces), parity.BATCH_SIZE):
            end = min(start + parity.BATCH_SIZE, len(self._faces))
            yield [self._faces.crops[row].plain for row in range(start, end)]

    def _answers_of_model(self, model: keras.Model) -> SplitPredictions:
        """Return the Keras model's logits of validation, on this machine's CPU."""
        logits = parity.model_logits(model, self._prepared(self._faces))
        stored = Predictions.load(self._run.predictions).split("validation")
        if not np.array_equal(stored.keys, self._faces.keys):
            raise UserError(
                f"{self._run.predictions} is of other pictures than those that "
                f"{self._experiment.manifest} keeps. Let the student answer again: "
                f"delete {self._run.answered}, then run its stage."
            )
        return stored.with_logits(logits)

    def _answers_of(self, bundle: Bundle) -> np.ndarray:
        return parity.bundle_probabilities(bundle, self._crops())

    def _logits_of(self, folder: Path, tflite: bytes) -> np.ndarray:
        """Return what an unscaled file answers, through the runtime: logits [n, 7]."""
        unscaled = dataclasses.replace(
            Calibration.load(self._run.calibration), **vars(refit.IDENTITY)
        )
        draft = self._bundle(folder, tflite, unscaled, {})
        return metrics.logits_of(self._answers_of(draft))

    def _judged(
        self,
        validation: SplitPredictions,
        answers: SplitPredictions,
        calibration: Calibration,
    ) -> dict[str, Any]:
        judged = refit.judge(
            validation, answers, calibration.method, self._config.seed
        )
        if not self._config.export.allow_loss:
            refit.check_loss(judged, self._precision)
        return judged

    @functools.cached_property
    def _results(self) -> str:
        """The results of all models of the run, as `fer-tf results` writes them."""
        root = self._experiment.root
        return readme.section(
            results.collect([root]), shlex.join(["fer-tf", "results", str(root)])
        )

    def _bundle(
        self,
        folder: Path,
        tflite: bytes,
        calibration: Calibration,
        exported: dict[str, Any],
    ) -> Bundle:
        facts = {
            "name": self._name,
            "face": _framed(self._config, self._experiment.framing),
            "calibration": calibration,
            "precision": self._precision,
            "metrics": {**files.read_json(self._run.metrics), "exported": exported},
            "smoke": self._config.smoke,
        }
        card = model_card.text(
            sources=_terms(self._config),
            held_out=self._config.data.held_out,
            commit=git_commit(),
            results=self._results,
            **facts,
        )
        digests = _data_digests(self._experiment)
        return write_bundle(
            folder, tflite, data_digests=digests, model_card=card, **facts
        )


def _framed(config: Config, path: Path) -> FaceSpec:
    return dataclasses.replace(
        pipeline.face_spec(config), framing=Framing.load(path)
    )


def _data_digests(experiment: Experiment) -> dict[str, Any]:
    report = files.read_json(experiment.manifest.with_suffix(".json"))
    digests = {name: built["sha256"] for name, built in report["records"].items()}
    return {**digests, "manifest.csv": files.sha256_of(experiment.manifest)}


def _terms(config: Config) -> dict[str, str]:
    return {name: TERMS.get(name, UNKNOWN_TERMS) for name in config.data.sources}
