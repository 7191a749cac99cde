"""A model to its predictions: its answers to one crop, ten crops or views."""

import dataclasses
import logging
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from rich.progress import track

from fer_tf import config as recipes
from fer_tf import files
from fer_tf import fusion
from fer_tf import metrics
from fer_tf import models
from fer_tf.config import Config
from fer_tf.config import StageConfig
from fer_tf.data import folds
from fer_tf.data import pipeline
from fer_tf.data import ten_crops
from fer_tf.data.pipeline import Faces
from fer_tf.experiment import Experiment
from fer_tf.experiment import RunFolder
from fer_tf.experiment import Step
from fer_tf.predictions import Predictions
from fer_tf.predictions import SplitPredictions
from fer_tf.training import stages
from fer_tf.training.inputs import check_recipe

log = logging.getLogger(__name__)

BATCH_SIZE = 128
CROPS = ("one", "ten")

# Batches of prepared pictures, uint8 [batch, size, size, 3], to logits [n, 7].
Answer = Callable[[Iterable[tf.Tensor]], np.ndarray]


def predict_run(
    config: Config,
    experiment: Experiment,
    run: RunFolder,
    stage: StageConfig,
    *,
    views: int = 0,
    fold: int | None = None,
    unseen: Sequence[RunFolder] = (),
) -> None:
    """Write a trained model's logits: the plain pictures of validation and test.

    Args:
        views: a teacher answers this many views of each training picture as well.
        fold: of the training pictures, which the model was not shown: it answers
            their views and no others, and not test.
        unseen: the folds whose models have answered these views in its stead.
    """
    left_out = {} if fold is None else {"fold": [fold, config.soft_labels.folds]}
    shown = {"views_of": fusion.views_of(config)} if views else {}
    step = Step(
        run.answered,
        {
            "seed": config.seed,
            "smoke": config.smoke,
            "face": dataclasses.asdict(pipeline.face_spec(config)),
            "stage": recipes.to_dict(stage.model),
            "views": views,
            **shown,
            **left_out,
        },
        [experiment.manifest, run.weights, *(each.predictions for each in unseen)],
        experiment.accept_changes,
    )
    if step.is_done():
        return
    faces = _asked(config, experiment, fold)
    answered = [Predictions.load(each.predictions) for each in unseen]
    model = trained(config, stage, run.weights)
    splits = {
        name: answers(each, plain_logits(model, config, each))
        for name, each in faces.items()
        if name != "train"
    }
    if answered:
        splits["train"] = fusion.out_of_fold(splits["validation"], answered)
    elif views:
        log.info("%s answers %d views of each training picture.", run.path.name, views)
        train = faces["train"]
        splits["train"] = answers(train, view_logits(model, config, train, views))
    Predictions(
        model=run.path.relative_to(experiment.root).as_posix(),
        view_seed=config.seed,
        splits=splits,
        made_from={
            "manifest": files.sha256_of(experiment.manifest),
            "weights": files.sha256_of(run.weights),
            **{
                f"{each.path.name}/weights": own.made_from["weights"]
                for each, own in zip(unseen, answered, strict=True)
            },
        },
    ).save(run.predictions)
    step.finish([run.predictions])


def _asked(
    config: Config, experiment: Experiment, fold: int | None
) -> dict[str, Faces]:
    faces = pipeline.load(config, experiment.manifest)
    if fold is None:
        return faces
    count = config.soft_labels.folds
    _, inside = folds.part(faces["train"], fold, count, config.seed)
    return {"validation": faces["validation"], "train": inside}


def trained(config: Config, stage: StageConfig, weights: Path) -> keras.Model:
    """Build a stage's model with its best weights.

    Raises:
        UserError: they were trained on pictures prepared otherwise, or in another
            model: they might fit into this one, and answer what nobody scored.
    """
    check_recipe(config, stage, RunFolder(weights.parent))
    model = stages.build(config, stage)
    models.weights.load(model, weights)
    return model


def plain_logits(model: keras.Model, config: Config, faces: Faces) -> np.ndarray:
    """Return a model's logits for the pictures themselves, [n, 7]."""
    return crop_logits(partial(models.answers, model), config, faces, model.name)


def crop_logits(
    answer: Answer, config: Config, faces: Faces, name: str, crops: str = "one"
) -> np.ndarray:
    """Return what is said of the pictures themselves, or of their ten crops: [n, 7].

    Of ten crops it is the logarithm of the mean of their probabilities.

    Args:
        name: whose progress is shown.
        crops: one of `CROPS`.
    """
    spec = pipeline.face_spec(config)
    if crops == "one":
        data = pipeline.plain_batches(faces, spec, BATCH_SIZE)
        return _logits(answer, data, name, len(faces))
    data = pipeline.ten_crop_batches(faces, spec, BATCH_SIZE)
    logits = _logits(answer, data, name, len(faces) * ten_crops.COUNT)
    return log_mean_probs(logits.reshape(len(faces), ten_crops.COUNT, -1))


def log_mean_probs(logits: np.ndarray) -> np.ndarray:
    """Return log(1/k sum_i softmax(z_i)) of each picture's k crops, float64 [n, 7].

    Krizhevsky et al. 2012, section 4.1: what is averaged is what the softmax says.

    Args:
        logits: [n, k, 7].
    """
    log_probs = metrics.log_softmax(logits)
    # The largest is taken out, so that classes that no crop takes for likely differ.
    highest = log_probs.max(axis=1, keepdims=True)
    return highest[:, 0] + np.log(np.exp(log_probs - highest).mean(axis=1))


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
    answer = partial(models.answers, model)
    logits = _logits(answer, data, model.name, len(rows))
    return logits.reshape(len(faces), views, -1)


def _logits(
    answer: Answer, data: tf.data.Dataset, name: str, count: int
) -> np.ndarray:
    batches = track(
        data,
        description=f"{name} answers",
        total=-(-count // BATCH_SIZE),
        transient=True,
    )
    return answer(batch["image"] for batch in batches)


def answers(faces: Faces, logits: np.ndarray) -> SplitPredictions:
    """Return the answers to a split's pictures, with what is known of these."""
    return SplitPredictions(
        keys=faces.keys,
        labels=faces.labels,
        sources=faces.sources,
        groups=faces.groups,
        distribution=faces.targets,
        agreed=faces.agreed,
        logits=logits,
    )
