"""`fer-tf train` and `fer-tf distill`."""

import dataclasses
from functools import partial
from pathlib import Path

import click

from fer_tf.cli.options import pictures_option
from fer_tf.cli.options import recipe
from fer_tf.cli.options import runs_option
from fer_tf.cli.options import started
from fer_tf.config import Config
from fer_tf.config import StageConfig
from fer_tf.config.backbones import check_models
from fer_tf.experiment import Experiment


_accept_changes_option = click.option(
    "--accept-changes",
    is_flag=True,
    help="Go on with what another recipe, data or number of devices began.",
)


@click.command()
@recipe(tensorflow=True, check=check_models)
@runs_option
@pictures_option
@click.option(
    "--stage",
    type=click.Choice(["teachers", "student"]),
    required=True,
    help="The teachers, or the student on labels alone (CE).",
)
@_accept_changes_option
def train(
    config: Config, runs: Path, pictures: bool, stage: str, accept_changes: bool
) -> None:
    """Train the teachers or the student on labels; the same command continues.

    Needs the experiment's manifest (`fer-tf data clean`).

    \b
    Example: fer-tf train --stage teachers train.epochs=3
    """
    experiment = _begun(config, runs, accept_changes)
    if stage == "student":
        train_student(config, experiment, pictures)
        return
    for teacher in config.teachers:
        train_teacher(config, experiment, teacher, pictures)


@click.command()
@recipe(tensorflow=True, check=check_models)
@runs_option
@pictures_option
@click.option(
    "--loss",
    type=click.Choice(["kd", "dkd"]),
    required=True,
    help="Knowledge distillation, or decoupled knowledge distillation.",
)
@_accept_changes_option
def distill(
    config: Config, runs: Path, pictures: bool, loss: str, accept_changes: bool
) -> None:
    """Teach the student the fused teachers' soft labels; the same command continues.

    Needs the soft labels (`fer-tf fuse`) and the student it starts from.

    \b
    Example: fer-tf distill --loss dkd distill.dkd.beta=2
    """
    experiment = _begun(config, runs, accept_changes)
    distill_student(config, experiment, loss, pictures)


def _begun(config: Config, runs: Path, accept_changes: bool) -> Experiment:
    return dataclasses.replace(started(config, runs), accept_changes=accept_changes)


def train_teacher(
    config: Config,
    experiment: Experiment,
    stage: StageConfig,
    pictures: bool = False,
) -> None:
    """Train one teacher and let it answer the views of every training picture.

    With folds, models that have not seen a picture answer its views.
    """
    from fer_tf.evaluation.predict import predict_run
    from fer_tf.training import replicas
    from fer_tf.training import stages

    run = experiment.teacher(stage.model.name)
    answer = partial(
        predict_run, config, experiment, stage=stage, views=config.soft_labels.views
    )
    unseen = [run.fold(fold) for fold in range(config.soft_labels.folds)]
    with replicas.write_lock_of(run.path):
        stages.train_teacher(config, experiment, stage, pictures)
        for fold, own in enumerate(unseen):
            stages.train_fold(config, experiment, stage, fold, pictures)
            replicas.in_chief(partial(answer, run=own, fold=fold))
        replicas.in_chief(partial(answer, run=run, unseen=unseen))


def train_student(
    config: Config, experiment: Experiment, pictures: bool = False
) -> None:
    """Train the student on labels and let it answer validation and test."""
    from fer_tf.training import replicas
    from fer_tf.training import stages

    with replicas.write_lock_of(experiment.student("ce").path):
        stages.train_student(config, experiment, pictures)
        _let_answer(config, experiment, "ce")


def distill_student(
    config: Config, experiment: Experiment, loss: str, pictures: bool = False
) -> None:
    """Distil the student and let it answer validation and test."""
    from fer_tf.training import replicas
    from fer_tf.training import stages

    with replicas.write_lock_of(experiment.student(loss).path):
        stages.distill(config, experiment, loss, pictures)
        _let_answer(config, experiment, loss)


def _let_answer(config: Config, experiment: Experiment, stage: str) -> None:
    from fer_tf.evaluation.predict import predict_run
    from fer_tf.training import replicas

    run = experiment.student(stage)
    replicas.in_chief(partial(predict_run, config, experiment, run, config.student))
