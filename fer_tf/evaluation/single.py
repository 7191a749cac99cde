"""One model evaluated by itself: its folder of answers, calibration and figures.

The folder is that of a run without a training: what compares runs compares it too.
"""

import dataclasses
import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from fer_tf import config as recipes
from fer_tf import files
from fer_tf.calibration import Calibration
from fer_tf.config.checks import file_name
from fer_tf.data import pipeline
from fer_tf.evaluation import pictures as pixels
from fer_tf.evaluation import predict
from fer_tf.evaluation import report
from fer_tf.evaluation import stages
from fer_tf.evaluation.subjects import Subject
from fer_tf.experiment import RunFolder
from fer_tf.experiment import Step
from fer_tf.experiment import StepRecord
from fer_tf.experiment import verify
from fer_tf.predictions import Predictions
from fer_tf.predictions import SplitPredictions

log = logging.getLogger(__name__)

ASKED = ("validation", "test")


def folder(subject: Subject, crops: str) -> Path:
    """Return the default folder of a model's evaluation.

    Raises:
        UserError: The model's name would lead out of that folder, or cannot be a
            folder's name.
    """
    for part in subject.name.split("/"):
        file_name("without --out, the name of a model", part)
    suffix = "" if crops == "one" else "-ten-crops"
    return subject.experiment.root / "evaluations" / f"{subject.name}{suffix}"


def evaluate(
    subject: Subject,
    out: Path,
    *,
    manifest: Path,
    crops: str = "one",
    pictures: bool = False,
) -> Mapping[str, Any]:
    """Let a model answer validation and test, calibrate and score it, and report.

    It writes `predictions.npz`, `calibration.json` (fitted on validation, with these
    crops), `metrics.json`, `report.json` and `report.html`; what is done is not done
    again. One crop of a run that has answered these pictures is not answered twice.

    Args:
        crops: one of `predict.CROPS`.
        pictures: to be shown in the report; faces are personal data.

    Returns:
        The content of `metrics.json`.

    Raises:
        UserError: the folder holds something else, or the model does not fit.
    """
    run, own = RunFolder(out), _own(subject, manifest, crops)
    _answer(subject, run, own, manifest, crops)
    _calibrate(subject, run, own)
    about = {
        "kind": subject.kind,
        "path": str(subject.path),
        "crops": crops,
        "raw": subject.raw,
        "calibrated": "what is raw, scaled by what calibration.json holds",
        "made_from": Predictions.load(run.predictions).made_from,
    }
    _score(subject, run, about)
    _report(subject, run, about, manifest, pictures)
    return files.read_json(run.metrics)


def _own(subject: Subject, manifest: Path, crops: str) -> RunFolder | None:
    """Return a run that has answered these very pictures with these weights."""
    run = RunFolder(subject.path)
    if subject.kind != "run" or crops != "one" or not _is_done(run.answered):
        return None
    verify([run.predictions, run.calibration])
    own = Predictions.load(run.predictions)
    same = _made_from(subject, manifest).items() <= own.made_from.items()
    return run if same and set(ASKED) <= set(own.splits) else None


def _is_done(record: Path) -> bool:
    return record.exists() and StepRecord.load(record).done


def _made_from(subject: Subject, manifest: Path) -> dict[str, str]:
    return {
        "manifest": files.sha256_of(manifest),
        "weights": files.sha256_of(subject.weights),
    }


def _answer(
    subject: Subject, run: RunFolder, own: RunFolder | None, manifest: Path, crops: str
) -> None:
    face = dataclasses.asdict(pipeline.face_spec(subject.config))
    step = Step(
        run.answered,
        {
            "kind": subject.kind,
            "seed": subject.config.seed,
            "crops": crops,
            "face": face,
        },
        [manifest, subject.weights, *subject.beside],
    )
    # A model that does not fit leaves no record, so that a mended one is let in.
    if step.record.exists() and step.is_done():
        return
    if own:
        log.info("%s has answered before.", subject.name)
        answered = Predictions.load(own.predictions)
        splits = {name: answered.split(name) for name in ASKED}
    else:
        splits = _asked(subject, manifest, crops)
    made_from = _made_from(subject, manifest)
    seed = subject.config.seed
    Predictions(subject.name, seed, splits, made_from).save(run.predictions)
    step.finish([run.predictions])


def _asked(
    subject: Subject, manifest: Path, crops: str
) -> dict[str, SplitPredictions]:
    answer, config = subject.load(), subject.config
    faces = pipeline.load(config, manifest)
    return {
        name: predict.answers(
            faces[name],
            predict.crop_logits(answer, config, faces[name], subject.name, crops),
        )
        for name in ASKED
    }


def _calibrate(subject: Subject, run: RunFolder, own: RunFolder | None) -> None:
    wanted = subject.config.calibrate
    step = stages.calibration_step(run, wanted)
    if step.is_done():
        return
    if own and _was_calibrated(own, step.settings):
        Calibration.load(own.calibration).save(run.calibration)
    else:
        stages.calibrate(run, wanted)
    step.finish([run.calibration])


def _was_calibrated(own: RunFolder, settings: Mapping[str, Any]) -> bool:
    """Tell whether a run's calibration is of its answers, and fitted as is wanted."""
    if not _is_done(own.calibrated):
        return False
    record = StepRecord.load(own.calibrated)
    read = [files.sha256_of(own.predictions)]
    return record.settings == settings and [*record.inputs.values()] == read


def _score(subject: Subject, run: RunFolder, about: Mapping[str, Any]) -> None:
    step = stages.evaluation_step(run, subject.config.seed)
    if step.is_done():
        return
    figures = stages.evaluate(run, subject.config.seed)
    files.write_json(run.metrics, {**figures, "evaluated": about})
    step.finish([run.metrics])


def _report(
    subject: Subject,
    run: RunFolder,
    about: Mapping[str, Any],
    manifest: Path,
    pictures: bool,
) -> None:
    config, of_data = subject.config, manifest.with_suffix(".json")
    verify([run.metrics, of_data])
    report.write(
        run.path / "report.json",
        {subject.name: report.Evaluated.load(run)},
        title=f"{subject.name}, {about['crops']} {_plural(about['crops'])}",
        shown=subject.name,
        seed=config.seed,
        sections={
            "smoke": subject.smoke,
            "notes": _notes(about),
            "data": files.read_json(of_data) if of_data.exists() else None,
            "config": recipes.to_dict(config),
        },
        find=partial(pixels.find, config, manifest) if pictures else None,
    )


def _plural(crops: str) -> str:
    return "crop" if crops == "one" else "crops"


def _notes(about: Mapping[str, Any]) -> list[str]:
    """Return what a reader of the page must know of these figures."""
    notes = []
    if about["kind"] == "bundle":
        notes.append(
            f"Raw are {about['raw']}. Calibrated are these, scaled anew by what was "
            "fitted on validation: the bundle does not do that."
        )
    if about["crops"] == "ten":
        notes.append(
            "A model is asked about ten crops of each picture: the corners and the "
            "centre, 44/48 of its side, each mirrored as well. Their probabilities are "
            "averaged."
        )
    return notes
