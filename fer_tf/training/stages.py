"""The stages of an experiment that train a model, each from files to files."""

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from fer_tf import config as recipes
from fer_tf import files
from fer_tf import fusion
from fer_tf import models
from fer_tf.config import Config
from fer_tf.config import StageConfig
from fer_tf.data import folds
from fer_tf.data import pipeline
from fer_tf.data import sampling
from fer_tf.data.pipeline import Faces
from fer_tf.errors import UserError
from fer_tf.experiment import Experiment
from fer_tf.experiment import RunFolder
from fer_tf.experiment import Step
from fer_tf.fusion.pool import Pool
from fer_tf.manifest import table
from fer_tf.models.head import ARCFACE
from fer_tf.training import epochs
from fer_tf.training import loop
from fer_tf.training import replicas
from fer_tf.training.board import Board
from fer_tf.training.epochs import Epochs
from fer_tf.training.step import Task
from fer_tf.training.tasks import Distilled
from fer_tf.training.tasks import Supervised
from fer_tf.training.teachers import Live
from fer_tf.training.validation import Validation

Lesson = tuple[Epochs, Task]

MAKE_MANIFEST = "fer-tf data clean --out {path}"
COMMANDS = {
    "ce": "fer-tf train --stage student",
    "kd": "fer-tf distill --loss kd",
    "dkd": "fer-tf distill --loss dkd",
}


def train_teacher(
    config: Config,
    experiment: Experiment,
    stage: StageConfig,
    pictures: bool = False,
) -> None:
    """Train one teacher on labels, with a new view of every picture each epoch.

    Args:
        pictures: to be shown in TensorBoard; faces are personal data.
    """
    run = experiment.teacher(stage.model.name)
    title = f"teacher {stage.model.name}"
    _supervised(config, experiment, stage, run, title, pictures)


def train_fold(
    config: Config,
    experiment: Experiment,
    stage: StageConfig,
    fold: int,
    pictures: bool = False,
) -> None:
    """Train a teacher's model on all but one fold, as `train_teacher` does on all."""
    run = experiment.teacher(stage.model.name).fold(fold)
    title = f"teacher {stage.model.name} without fold {fold}"
    _supervised(config, experiment, stage, run, title, pictures, fold)


def train_student(
    config: Config, experiment: Experiment, pictures: bool = False
) -> None:
    """Train the student on labels alone (CE), as `train_teacher` trains a teacher."""
    run = experiment.student("ce")
    _supervised(
        config, experiment, config.student, run, "student CE", pictures
    )


def _supervised(
    config: Config,
    experiment: Experiment,
    stage: StageConfig,
    run: RunFolder,
    title: str,
    pictures: bool,
    fold: int | None = None,
) -> None:
    manifest = _manifest(config, experiment)
    count = config.soft_labels.folds
    left_out = {} if fold is None else {"fold": [fold, count]}
    step = Step(
        run.path / "train.json",
        _settings(config, stage=recipes.to_dict(stage), **left_out),
        [manifest, *_weights_files(stage)],
        experiment.accept_changes,
    )
    if step.is_done():
        return
    faces = pipeline.load(config, manifest)
    shown = faces["train"]
    if fold is not None:
        shown, _ = folds.part(shown, fold, count, config.seed)

    def lesson() -> Lesson:
        counts = epochs.class_counts(config, shown, stage.train)
        task = Supervised(stage.train, counts, stage.model.head)
        return epochs.labelled(config, shown, stage.train), task

    asked = {"loss": "ce", **recipes.to_dict(stage)}
    validation = faces["validation"]
    _train(config, stage, step, run, title, asked, lesson, validation, pictures)


def distill(
    config: Config, experiment: Experiment, loss: str, pictures: bool = False
) -> None:
    """Train the student on labels and the fused teachers' soft labels.

    It cycles through the very views that the teachers have answered; or, where they
    are live, they answer the new views that it sees.

    Args:
        pictures: as of `train_teacher`.

    Raises:
        UserError: the soft labels, or the stage it starts from, are not there; or they
            were made from another manifest or other teachers, or lack a picture.
    """
    settings = getattr(config.distill, loss)
    run = experiment.student(loss)
    manifest = _manifest(config, experiment)
    _check_soft_labels(config, experiment)
    start = _start(experiment, settings.start)
    step = Step(
        run.path / "train.json",
        _settings(
            config,
            model=recipes.to_dict(config.student.model),
            distill=recipes.to_dict(settings),
            teacher=config.distill.teacher,
        ),
        [
            manifest,
            experiment.soft_labels,
            *_live_files(config, experiment),
            *start,
            *_weights_files(config.student),
        ],
        experiment.accept_changes,
    )
    if step.is_done():
        return
    faces = pipeline.load(config, manifest)
    files.write_json(run.judgement, fusion.judge(config, experiment))
    stage = StageConfig(config.student.model, settings.train)
    title = f"student {loss.upper()}"
    asked = {"loss": loss, "model": recipes.to_dict(stage.model)}
    asked |= recipes.to_dict(settings)
    lesson = partial(_lesson, config, experiment, loss, faces["train"])
    validation = faces["validation"]
    _train(config, stage, step, run, title, asked, lesson, validation, pictures, start)


def _train(
    config: Config,
    stage: StageConfig,
    step: Step,
    run: RunFolder,
    title: str,
    asked: Mapping[str, Any],
    lesson: Callable[[], Lesson],
    validation: Faces,
    pictures: bool,
    start: Sequence[Path] = (),
) -> None:
    """Train a stage's model, on all replicas that there are, and finish its step.

    Args:
        asked: what TensorBoard compares stages by.
        lesson: what it is shown and what it learns from that.
        start: the weights that it starts from, in place of the recipe's.
    """
    strategy = replicas.strategy()
    with strategy.scope():
        weights, precision = stage.model.weights, stage.train.precision
        model = build(config, stage, weights=weights, precision=precision)
        for path in start:
            model.load_weights(path)
        data, task = lesson()
    validate = Validation(config, validation)
    hparams = _hparams(config, title, **asked)
    board = Board(run, title, hparams, validate, data if pictures else None)
    loop.train(
        model, task, data, validate, stage.train, run, board, strategy=strategy
    )
    if replicas.is_chief(strategy):
        board.close()
        step.finish([run.weights, run.training])


def _lesson(
    config: Config, experiment: Experiment, loss: str, faces: Faces
) -> Lesson:
    """Return what a student is shown, and what it learns from it."""
    settings = getattr(config.distill, loss)
    train = settings.train
    task = Distilled(loss, settings, epochs.class_counts(config, faces, train))
    if config.distill.teacher == "stored":
        return epochs.taught(config, faces, train, experiment.soft_labels), task
    teachers = {}
    for stage in config.teachers:
        model = build(config, stage)
        model.load_weights(experiment.teacher(stage.model.name).weights)
        teachers[stage.model.name] = model
    pool = Pool.load(experiment.soft_labels.with_suffix(".json"))
    data = epochs.labelled(config, faces, train, epochs.FIRST_LIVE_VIEW)
    return data, Live(task, teachers, pool)


def _live_files(config: Config, experiment: Experiment) -> list[Path]:
    """Return what live teachers are made from; nothing for stored ones."""
    if config.distill.teacher == "stored":
        return []
    names = [stage.model.name for stage in config.teachers]
    paths = [experiment.teacher(name).weights for name in names]
    for path in paths:
        experiment.need(path, "fer-tf train --stage teachers")
    return [experiment.soft_labels.with_suffix(".json"), *paths]


def build(
    config: Config,
    stage: StageConfig,
    *,
    weights: str = "none",
    precision: str = "float32",
) -> keras.Model:
    """Build a stage's model for the recipe's picture size.

    Args:
        weights: what training starts from, as `models.build` takes it. A model that
            has been trained reads its own and needs no others.
        precision: what it is trained in; it answers in float32.
    """
    return models.build(
        stage.model.name,
        size=config.face.size,
        dropout=stage.model.dropout,
        seed=config.seed,
        weights=weights,
        enlarge=stage.model.enlarge,
        head=stage.model.head,
        precision=precision,
    )


def _weights_files(stage: StageConfig) -> list[Path]:
    return models.weights_files(stage.model.name, stage.model.weights)


def _manifest(config: Config, experiment: Experiment) -> Path:
    """Return the manifest, which must have what the recipe wants to be drawn from it.

    What is wrong is told before a step is begun, so that it leaves no trace.
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


def _check_soft_labels(config: Config, experiment: Experiment) -> None:
    rows = table.read(experiment.manifest)
    trained = table.kept(rows) & (rows["split"] == "train")
    fusion.checked(config, experiment).lookup(rows["key"][trained])


def _start(experiment: Experiment, stage: str) -> list[Path]:
    if stage == "scratch":
        return []
    weights = experiment.student(stage).weights
    return [experiment.need(weights, COMMANDS[stage])]


def _settings(config: Config, **more: Any) -> dict[str, Any]:
    tree = recipes.to_dict(config)
    common = {name: tree[name] for name in ("seed", "smoke", "face", "augment")}
    weights = config.data.source_weights
    views = config.soft_labels.views
    return {
        **common,
        "source_weights": weights,
        "views": views,
        "replicas": replicas.strategy().num_replicas_in_sync,
        **more,
    }


def _hparams(config: Config, title: str, **asked: Any) -> dict[str, Any]:
    """Return what a stage was asked, by which TensorBoard compares stages."""
    common = {
        "experiment": config.experiment,
        "stage": title,
        "seed": config.seed,
        "face": {"size": config.face.size},
    }
    return recipes.flat({**common, **asked})
