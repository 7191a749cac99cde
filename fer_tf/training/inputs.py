"""What a stage reads, looked at before it is begun.

What is wrong is told before the stage leaves a trace, so that to correct it is not to
ask the same experiment for something else.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fer_tf import config as recipes
from fer_tf import fusion
from fer_tf import models
from fer_tf.config import Config
from fer_tf.config import StageConfig
from fer_tf.data import sampling
from fer_tf.errors import UserError
from fer_tf.experiment import Experiment
from fer_tf.experiment import RunFolder
from fer_tf.experiment import StepRecord
from fer_tf.experiment import differences
from fer_tf.experiment import verify
from fer_tf.manifest import table
from fer_tf.models.head import ARCFACE
from fer_tf.training import epochs

MAKE_MANIFEST = "fer-tf data clean --out {path}"
COMMANDS = {
    "ce": "fer-tf train --stage student",
    "kd": "fer-tf distill --loss kd",
    "dkd": "fer-tf distill --loss dkd",
}


def manifest(config: Config, experiment: Experiment) -> Path:
    """Return the manifest, which must have what the recipe wants to be drawn from it.

    Raises:
        UserError: it is not there; it has no training picture of a source that is to be
            drawn, or pictures of several classes for a head that wants one.
    """
    path = experiment.manifest
    experiment.need(path, MAKE_MANIFEST.format(path=path))
    weights = epochs.source_weights(config)
    with_margin = [
        teacher.model.name
        for teacher in config.teachers
        if teacher.model.head == ARCFACE
    ]
    if weights or with_margin:
        rows = table.read(path)
        trained = rows[table.kept(rows) & (rows["split"] == "train")]
        sampling.check_sources(trained["source"].to_numpy(str), weights)
        if with_margin:
            _check_one_class(trained, with_margin)
    return path


def _check_one_class(trained: pd.DataFrame, teachers: Sequence[str]) -> None:
    parts = [np.array(text.split(), float) for text in trained["distribution"]]
    mixed = trained[[each.max() < 1 for each in parts]]
    if len(mixed):
        raise UserError(
            f"{', '.join(teachers)}: model.head={ARCFACE} keeps a margin from the one "
            f"class that a picture has, but {len(mixed)} training pictures (of "
            f"{', '.join(sorted(set(mixed['source'])))}; first {mixed['key'].iloc[0]}) "
            "have votes for several. Give in the recipe `head: linear`, or clean again "
            "with one label each: data.ferplus_weight=0 trains on FER2013's, "
            "data.disagreeing=list merges no duplicates; and leave out other sources "
            "with votes."
        )


def soft_labels(config: Config, experiment: Experiment) -> list[Path]:
    """Return the soft labels and their report, verified against the manifest.

    Raises:
        UserError: they are not there, were made from other files, have changed since
            they were made, or lack a picture.
    """
    rows = table.read(experiment.manifest)
    trained = table.kept(rows) & (rows["split"] == "train")
    fusion.checked(config, experiment).lookup(rows["key"][trained])
    verify([experiment.student("ce").predictions])
    return [experiment.soft_labels, experiment.soft_labels.with_suffix(".json")]


def start(experiment: Experiment, stage: str) -> list[Path]:
    """Return the weights that a distillation stage starts from; none from scratch."""
    if stage == "scratch":
        return []
    weights = experiment.student(stage).weights
    return [experiment.need(weights, COMMANDS[stage])]


def live_teachers(config: Config, experiment: Experiment) -> list[Path]:
    """Return what live teachers are made from; nothing for stored ones.

    Raises:
        UserError: one is not there, or was trained by another recipe.
    """
    if config.distill.teacher == "stored":
        return []
    runs = [experiment.teacher(stage.model.name) for stage in config.teachers]
    for stage, run in zip(config.teachers, runs, strict=True):
        experiment.need(run.weights, "fer-tf train --stage teachers")
        check_recipe(config, stage, run)
    return [run.weights for run in runs]


def first_weights(stage: StageConfig) -> list[Path]:
    """Return the file that a recipe wants a model to start from, if any."""
    return models.weights_files(stage.model.name, stage.model.weights)


def check_recipe(config: Config, stage: StageConfig, run: RunFolder) -> None:
    """Hold a recipe against the one a run was trained by, where that is written.

    Raises:
        UserError: pictures were prepared otherwise, or the model was another.
    """
    if not run.asked.exists():
        return
    asked = StepRecord.load(run.asked).settings
    model = asked["model"] if "model" in asked else asked["stage"]["model"]
    before = _input_and_model(asked["face"], model)
    now = _input_and_model(recipes.to_dict(config.face), recipes.to_dict(stage.model))
    changed = differences(before, {name: now.get(name) for name in before})
    if changed:
        raise UserError(
            f"{run.weights} was trained by another recipe: {'; '.join(changed)}. Give "
            "the recipe and the overrides that it was trained by."
        )


def _input_and_model(face: dict[str, Any], model: dict[str, Any]) -> dict[str, Any]:
    """Return what a model's answers hang on, beside its weights."""
    found = recipes.flat({"face": face, "model": model})
    for name in ("face.framing_from", "model.weights", "model.dropout"):
        found.pop(name, None)
    return found
