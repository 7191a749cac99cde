"""A trained model to its predictions: the only TensorFlow in this room."""

import logging
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from rich.progress import track

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
from fer_tf.predictions import Predictions
from fer_tf.predictions import SplitPredictions
from fer_tf.training import stages

log = logging.getLogger(__name__)

BATCH_SIZE = 128


def predict_run(
    config: Config,
    experiment: Experiment,
    run: RunFolder,
    stage: StageConfig,
    *,
    views: int = 0,
    unseen: Sequence[RunFolder] = (),
) -> None:
    """Write a trained model's logits: the plain pictures of validation and test.

    Args:
        views: a teacher answers this many views of each training picture as well.
        unseen: the folds whose models have answered these views in its stead.
    """
    step = Step(
        run.path / "predict.json",
        {"views": views, "smoke": config.smoke},
        [experiment.manifest, run.weights, *(fold.predictions for fold in unseen)],
        experiment.accept_changes,
    )
    if step.is_done():
        return
    faces = pipeline.load(config, experiment.manifest)
    model = trained(config, stage, run.weights)
    splits = {
        name: _answers(faces[name], plain_logits(model, config, faces[name]))
        for name in ("validation", "test")
    }
    made_from = {}
    if unseen:
        answered = [Predictions.load(fold.predictions) for fold in unseen]
        splits["train"] = fusion.out_of_fold(splits["validation"], answered)
        made_from = {
            f"{fold.path.name}/weights": each.made_from["weights"]
            for fold, each in zip(unseen, answered, strict=True)
        }
    elif views:
        log.info("%s answers %d views of each training picture.", run.path.name, views)
        train = faces["train"]
        splits["train"] = _answers(train, view_logits(model, config, train, views))
    _save(config, experiment, run, splits, made_from)
    step.finish([run.predictions])


def predict_fold(
    config: Config,
    experiment: Experiment,
    stage: StageConfig,
    fold: int,
) -> None:
    """Write the logits of a fold's model: validation, and views of its unseen pictures.

    Arguments as of `predict_run`.
    """
    run = experiment.teacher(stage.model.name).fold(fold)
    count, views = config.soft_labels.folds, config.soft_labels.views
    step = Step(
        run.path / "predict.json",
        {"views": views, "smoke": config.smoke, "fold": [fold, count]},
        [experiment.manifest, run.weights],
        experiment.accept_changes,
    )
    if step.is_done():
        return
    faces = pipeline.load(config, experiment.manifest)
    model = trained(config, stage, run.weights)
    _, unseen = folds.part(faces["train"], fold, count, config.seed)
    validation = faces["validation"]
    splits = {
        "validation": _answers(validation, plain_logits(model, config, validation)),
        "train": _answers(unseen, view_logits(model, config, unseen, views)),
    }
    _save(config, experiment, run, splits)
    step.finish([run.predictions])


def _save(
    config: Config,
    experiment: Experiment,
    run: RunFolder,
    splits: Mapping[str, SplitPredictions],
    made_from: Mapping[str, str] | None = None,
) -> None:
    Predictions(
        model=run.path.relative_to(experiment.root).as_posix(),
        view_seed=config.seed,
        splits=splits,
        made_from={
            "manifest": files.sha256_of(experiment.manifest),
            "weights": files.sha256_of(run.weights),
            **(made_from or {}),
        },
    ).save(run.predictions)


def trained(config: Config, stage: StageConfig, weights: Path) -> keras.Model:
    """Build a stage's model with its best weights."""
    model = stages.build(config, stage)
    model.load_weights(weights)
    return model


def plain_logits(model: keras.Model, config: Config, faces: Faces) -> np.ndarray:
    """Return a model's logits for the pictures themselves, [n, 7]."""
    spec = pipeline.face_spec(config)
    return _logits(model, pipeline.plain_batches(faces, spec, BATCH_SIZE), len(faces))


def view_logits(
    model: keras.Model, config: Config, faces: Faces, views: int
) -> np.ndarray:
    """Return a model's logits for the first views of each picture, [n, views, 7]."""
    rows = np.repeat(np.arange(len(faces)), views)
    data = pipeline.batches(
        faces,
        spec=pipeline.face_spec(config),
        augment=config.augment,
        seed=config.seed,
        rows=rows,
        views=np.tile(np.arange(views), len(faces)),
        batch_size=BATCH_SIZE,
    )
    return _logits(model, data, len(rows)).reshape(len(faces), views, -1)


def _logits(model: keras.Model, data: tf.data.Dataset, count: int) -> np.ndarray:
    batches = track(
        data,
        description=f"{model.name} answers",
        total=-(-count // BATCH_SIZE),
        transient=True,
    )
    return models.answers(model, (batch["image"] for batch in batches))


def _answers(faces: Faces, logits: np.ndarray) -> SplitPredictions:
    return SplitPredictions(
        keys=faces.keys,
        labels=faces.labels,
        sources=faces.sources,
        groups=faces.groups,
        distribution=faces.targets,
        agreed=faces.agreed,
        logits=logits,
    )
