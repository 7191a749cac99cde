"""The stages of an experiment that train a model, each from files to files."""

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras

from fer_tf import config as recipes
from fer_tf import files
from fer_tf import fusion
from fer_tf import models
from fer_tf.config import Config
from fer_tf.config import StageConfig
from fer_tf.data import folds
from fer_tf.data import pipeline
from fer_tf.data.pipeline import Faces
from fer_tf.experiment import Experiment
from fer_tf.experiment import RunFolder
from fer_tf.experiment import Step
from fer_tf.fusion.pool import Pool
from fer_tf.models import weights as first_weights
from fer_tf.sources import DOMAIN_VALIDATION
from fer_tf.training import epochs
from fer_tf.training import inputs
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


@dataclass(frozen=True)
class _Plan:
    """One training.

    Attributes:
        run: where it leaves its files.
        title: what it is called.
        stage: the model, and how it is trained.
        asked: what TensorBoard compares stages by.
        lesson: returns what the model is shown, and what it learns from that.
        start: the weights that it starts from, in place of the recipe's.
    """

    run: RunFolder
    title: str
    stage: StageConfig
    asked: Mapping[str, Any]
    lesson: Callable[[], Lesson]
    start: Sequence[Path] = ()


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
    run, title = experiment.student("ce"), "student CE"
    _supervised(config, experiment, config.student, run, title, pictures)


def _supervised(
    config: Config,
    experiment: Experiment,
    stage: StageConfig,
    run: RunFolder,
    title: str,
    pictures: bool,
    fold: int | None = None,
) -> None:
    manifest = inputs.manifest(config, experiment)
    count = config.soft_labels.folds
    left_out = {} if fold is None else {"fold": [fold, count]}
    step = Step(
        run.asked,
        _settings(config, stage=recipes.to_dict(stage), **left_out),
        [manifest, *inputs.first_weights(stage)],
        experiment.accept_changes,
        goes_on_in=run.path,
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
    plan = _Plan(run, title, stage, asked, lesson)
    _train(config, plan, step, faces, pictures)


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
    stage = StageConfig(config.student.model, settings.train)
    manifest = inputs.manifest(config, experiment)
    soft_labels = inputs.soft_labels(config, experiment)
    start = inputs.start(experiment, settings.start)
    model = recipes.to_dict(stage.model)
    asked = recipes.to_dict(settings)
    step = Step(
        run.asked,
        _settings(
            config,
            model=model,
            distill=asked,
            teacher=config.distill.teacher,
            teachers=[teacher.model.name for teacher in config.teachers],
            soft_labels={
                name: getattr(config.soft_labels, name)
                for name in ("search", "per_class")
            },
        ),
        [
            manifest,
            *soft_labels,
            *inputs.live_teachers(config, experiment),
            *start,
            *inputs.first_weights(stage),
        ],
        experiment.accept_changes,
        goes_on_in=run.path,
    )
    if step.is_done():
        return
    faces = pipeline.load(config, manifest)
    judgement = fusion.judge(config, experiment)
    replicas.in_chief(partial(files.write_json, run.judgement, judgement))
    lesson = partial(_lesson, config, experiment, loss, faces["train"])
    asked = {"loss": loss, "model": model, **asked}
    plan = _Plan(run, f"student {loss.upper()}", stage, asked, lesson, start)
    _train(config, plan, step, faces, pictures)


def _train(
    config: Config,
    plan: _Plan,
    step: Step,
    faces: Mapping[str, Faces],
    pictures: bool,
) -> None:
    """Train on all replicas that there are, and finish the step."""
    strategy, stage, run = replicas.strategy(), plan.stage, plan.run
    with strategy.scope():
        weights, precision = stage.model.weights, stage.train.precision
        model = build(config, stage, weights=weights, precision=precision)
        for path in plan.start:
            first_weights.load(model, path)
        data, task = plan.lesson()
    validate = Validation(config, faces["validation"], faces.get(DOMAIN_VALIDATION))
    hparams = _hparams(config, plan.title, **plan.asked)
    board = Board(run, plan.title, hparams, validate, data if pictures else None)
    loop.train(
        model, task, data, validate, stage.train, run, board, strategy=strategy
    )
    if replicas.is_chief(strategy):
        board.close()
        judgement = [run.judgement] if run.judgement.exists() else []
        step.finish([run.weights, run.training, *judgement])


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
        weights = experiment.teacher(stage.model.name).weights
        first_weights.load(model, weights)
        teachers[stage.model.name] = model
    pool = Pool.load(experiment.soft_labels.with_suffix(".json"))
    data = epochs.labelled(config, faces, train, epochs.FIRST_LIVE_VIEW)
    return data, Live(task, teachers, pool)


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


def _settings(config: Config, **more: Any) -> dict[str, Any]:
    # By name: in a recipe they go by the order of its sources.
    weights = epochs.source_weights(config) or []
    views = config.soft_labels.views
    return {
        "seed": config.seed,
        "smoke": config.smoke,
        "face": recipes.to_dict(config.face),
        "augment": recipes.to_dict(config.augment),
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
