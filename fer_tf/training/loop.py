"""One loop for every stage: CE, KD and DKD alike."""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
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

Task = Callable[[tf.Tensor, dict[str, tf.Tensor]], dict[str, tf.Tensor]]


@dataclass(frozen=True)
class Epochs:
    """The training data: `of(epoch)` is a dataset of `steps` batches.

    `of(epoch, first_step)` is the same from the batch `first_step` on, bit for bit.
    """

    of: Callable[..., tf.data.Dataset]
    steps: int


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

    Args:
        task: (logits, batch) to losses by name, each [batch]; `loss` is minimised.
        validate: the model to its validation figures, `macro_f1` and `nll` among them.
        folder: takes checkpoints, event files, `best.weights.h5` and `training.json`.

    Returns:
        What `training.json` holds: the best epoch, its figures, and every epoch's.
        `model` has the best epoch's weights.

    Raises:
        CheckFailed: the loss is no longer finite.
    """
    optimizer = adamw(config, data.steps)
    checkpoint = Checkpoint(folder.checkpoints, model, optimizer)
    done = checkpoint.restore()
    history = _history(folder)[:done]
    if done:
        log.info("%s goes on after epoch %d.", title, done)
    step = _step(model, task, optimizer)
    writer = tf.summary.create_file_writer(str(folder.path))
    for epoch in range(done, config.epochs):
        figures = _epoch(step, data, epoch, f"{title} {epoch + 1}/{config.epochs}")
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
    variables = model.trainable_variables

    @tf.function
    def step(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        with tf.GradientTape() as tape:
            losses = task(model(batch["image"], training=True), batch)
            means = {name: tf.reduce_mean(each) for name, each in losses.items()}
        gradients = tape.gradient(means["loss"], variables)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return {**means, "gradient_norm": tf.linalg.global_norm(gradients)}

    return step


def _epoch(step: Callable, data: Epochs, epoch: int, title: str) -> dict[str, float]:
    """Run one epoch; return the mean of what its steps report, and its speed."""
    sums: dict[str, tf.Tensor] = {}
    pictures, started = 0, time.monotonic()
    with _progress() as bar:
        task_id = bar.add_task(title, total=data.steps, loss="")
        for number, batch in enumerate(data.of(epoch), 1):
            for name, value in step(batch).items():
                sums[name] = sums.get(name, 0.0) + value
            pictures += len(batch["row"])
            if number % 10 == 0 or number == data.steps:
                mean = float(sums["loss"]) / number
                _check_finite(mean, title)
                bar.update(task_id, completed=number, loss=f"loss {mean:.3f}")
    figures = {name: float(total) / data.steps for name, total in sums.items()}
    figures["pictures_per_second"] = pictures / (time.monotonic() - started)
    return figures


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[loss]}"),
        transient=True,
    )


def _check_finite(loss: float, title: str) -> None:
    if not math.isfinite(loss):
        raise CheckFailed(
            f"{title}: the loss is {loss}. Try a lower train.learning_rate."
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
