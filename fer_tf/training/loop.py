"""One loop for every stage: CE, KD and DKD alike."""

import logging
import time
from collections.abc import Callable
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from rich.progress import BarColumn
from rich.progress import MofNCompleteColumn
from rich.progress import Progress
from rich.progress import TextColumn
from rich.progress import TimeRemainingColumn

from fer_tf import files
from fer_tf.config import TrainConfig
from fer_tf.errors import CheckFailed
from fer_tf.experiment import RunFolder
from fer_tf.training.checkpoints import Checkpoint
from fer_tf.training.schedules import adamw

log = logging.getLogger(__name__)

MOST_SKIPPED_IN_A_ROW = 5

Task = Callable[[tf.Tensor, dict[str, tf.Tensor]], dict[str, tf.Tensor]]


@dataclass(frozen=True)
class Epochs:
    """The training data: `of(epoch)` is a dataset of `steps` batches.

    `of(epoch, first_step)` is the same from the batch `first_step` on, bit for bit.
    `key_of(rows)` are the keys of pictures, by the "row" that batches have.
    """

    of: Callable[..., tf.data.Dataset]
    steps: int
    key_of: Callable[[np.ndarray], Iterable[str]]


def train(
    model: keras.Model,
    task: Task,
    data: Epochs,
    validate: Callable[[keras.Model], dict[str, float]],
    config: TrainConfig,
    folder: RunFolder,
    title: str,
) -> dict[str, Any]:
    """Train a model, keeping its best weights; go on where a killed run stopped.

    A step whose loss or gradient is not finite changes nothing and is counted in
    `skipped_steps`; the other figures are means over the steps that were not skipped.

    Args:
        task: (logits, batch) to losses by name, each [batch]; `loss` is minimised.
        validate: the model to its validation figures, `macro_f1` and `nll` among them.
        folder: takes checkpoints, event files, `best.weights.h5` and `training.json`.

    Returns:
        What `training.json` holds: the best epoch, its figures, and every epoch's.
        `model` has the best epoch's weights.

    Raises:
        CheckFailed: five steps in a row were skipped, or all steps of an epoch.
    """
    optimizer = adamw(config, data.steps)
    checkpoint = Checkpoint(folder.checkpoints, model, optimizer)
    done = checkpoint.restore()
    history = _history(folder)[:done]
    if done:
        log.info("%s goes on after epoch %d.", title, done)
    step = _step(model, task, optimizer)
    writer = tf.summary.create_file_writer(str(folder.path))
    skipped: list[np.ndarray] = []
    for epoch in range(done, config.epochs):
        name = f"{title} {epoch + 1}/{config.epochs}"
        figures = _epoch(step, data, epoch, skipped, name)
        figures["learning_rate"] = float(optimizer.learning_rate)
        figures |= {f"val_{k}": v for k, v in validate(model).items()}
        _note(writer, epoch, figures, title)
        if checkpoint.is_best(_score(figures, config)):
            with files.replacing(folder.weights) as temporary:
                model.save_weights(temporary)
        history.append({"epoch": epoch + 1, **figures})
        files.write_json(folder.training, _summary(history, config))
        checkpoint.save(epoch + 1)
    model.load_weights(folder.weights)
    return _summary(history, config)


def _step(
    model: keras.Model, task: Task, optimizer: keras.optimizers.Optimizer
) -> Callable[[dict[str, tf.Tensor]], dict[str, tf.Tensor]]:
    """Return one step: a batch to its mean losses, the norm of their gradient, and
    "skipped_steps", 0 or 1.

    Where it is 1, no variable has changed (weights, optimiser, statistics of
    normalisation, random states), and the other values are 0.
    """
    variables = model.trainable_variables
    others = model.non_trainable_variables

    @tf.function
    def step(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        # The forward pass alone changes these, before it is known what it gives.
        before = [tf.identity(each.value) for each in others]
        with tf.GradientTape() as tape:
            losses = task(model(batch["image"], training=True), batch)
            means = {name: tf.reduce_mean(each) for name, each in losses.items()}
        gradients = tape.gradient(means["loss"], variables)
        # It is finite where all of them are.
        norm = tf.linalg.global_norm(gradients)

        def learn() -> tf.Tensor:
            optimizer.apply_gradients(zip(gradients, variables, strict=True))
            return tf.constant(0.0)

        def skip() -> tf.Tensor:
            for variable, value in zip(others, before, strict=True):
                variable.assign(value)
            return tf.constant(1.0)

        is_finite = tf.math.is_finite(means["loss"]) & tf.math.is_finite(norm)
        skipped = tf.cond(is_finite, learn, skip)
        values = {**means, "gradient_norm": norm}
        return {
            "skipped_steps": skipped,
            **{k: tf.where(is_finite, v, 0.0) for k, v in values.items()},
        }

    return step


def _epoch(
    step: Callable, data: Epochs, epoch: int, skipped: list[np.ndarray], title: str
) -> dict[str, float]:
    """Run one epoch; return the mean of what its steps report, and its speed.

    Args:
        skipped: the rows of each step skipped since the last good one; kept up to date.
    """
    sums: dict[str, tf.Tensor] = {}
    pictures, started = 0, time.monotonic()
    with _progress() as bar:
        task_id = bar.add_task(title, total=data.steps, loss="")
        for number, batch in enumerate(data.of(epoch), 1):
            values = step(batch)
            for name, value in values.items():
                sums[name] = sums.get(name, 0.0) + value
            pictures += len(batch["row"])
            if not values["skipped_steps"]:
                skipped.clear()
            else:
                skipped.append(batch["row"].numpy())
                _check_skipped(skipped, data, title)
            if number % 10 == 0 or number == data.steps:
                loss = _means(sums, number)["loss"]
                bar.update(task_id, completed=number, loss=f"loss {loss:.3f}")
    figures = _means(sums, data.steps)
    figures["pictures_per_second"] = pictures / (time.monotonic() - started)
    return figures


def _means(sums: dict[str, tf.Tensor], steps: int) -> dict[str, float]:
    """Return the means over those of `steps` that were not skipped, and how many were.

    Of none at all they are 0: before the first good step there is nothing to show.
    """
    skipped = int(sums["skipped_steps"])
    good = max(1, steps - skipped)
    means = {name: float(total) / good for name, total in sums.items()}
    return {**means, "skipped_steps": skipped}


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[loss]}"),
        transient=True,
    )


def _check_skipped(skipped: list[np.ndarray], data: Epochs, title: str) -> None:
    # An epoch of fewer steps, all of them skipped, would have no figures.
    if len(skipped) < min(MOST_SKIPPED_IN_A_ROW, data.steps):
        return
    keys = sorted(set(data.key_of(np.concatenate(skipped))))
    raise CheckFailed(
        f"{title}: the loss or its gradient was not finite in {len(skipped)} steps in "
        "a row. Try a lower train.learning_rate; if it comes again at the same place, "
        "look at the pictures and labels of these steps, and exclude what is broken: "
        f"{', '.join(keys)}."
    )


def _score(figures: dict[str, float], config: TrainConfig) -> float:
    if config.best_by == "nll":
        return -figures["val_nll"]
    return figures["val_macro_f1"]


def _note(
    writer: tf.summary.SummaryWriter,
    epoch: int,
    figures: dict[str, float],
    title: str,
) -> None:
    with writer.as_default(step=epoch + 1):
        for name, value in figures.items():
            tf.summary.scalar(name.replace("val_", "validation/"), value)
    writer.flush()
    log.info(
        "%s, epoch %d: loss %.3f, validation accuracy %.3f, macro-F1 %.3f, "
        "NLL %.3f; %.0f pictures/s",
        title,
        epoch + 1,
        figures["loss"],
        figures["val_accuracy"],
        figures["val_macro_f1"],
        figures["val_nll"],
        figures["pictures_per_second"],
    )


def _history(folder: RunFolder) -> list[dict[str, float]]:
    if not folder.training.exists():
        return []
    return files.read_json(folder.training)["history"]


def _summary(history: list[dict[str, float]], config: TrainConfig) -> dict[str, Any]:
    # The first of equals, as `Checkpoint.is_best` has it.
    best = max(history, key=lambda figures: _score(figures, config))
    return {"best_epoch": best["epoch"], "best": best, "history": history}
