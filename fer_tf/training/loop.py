"""One loop for every stage: CE, KD and DKD alike."""

import logging
import time
from collections.abc import Callable
from collections.abc import Collection
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from rich import progress

from fer_tf import files
from fer_tf.config import TrainConfig
from fer_tf.errors import CheckFailed
from fer_tf.experiment import RunFolder
from fer_tf.models import weights
from fer_tf.training import replicas
from fer_tf.training.average import Average
from fer_tf.training.board import Board
from fer_tf.training.checkpoints import Checkpoint
from fer_tf.training.checkpoints import Progress
from fer_tf.training.epochs import Epochs
from fer_tf.training.schedules import adamw
from fer_tf.training.step import Step
from fer_tf.training.step import Task
from fer_tf.training.step import make_step

log = logging.getLogger(__name__)

MOST_SKIPPED_IN_A_ROW = 5
# Of an epoch under way; an epoch that is done is saved in any case.
SAVE_EVERY_S = 300.0


def train(
    model: keras.Model,
    task: Task,
    data: Epochs,
    validate: Callable[[keras.Model], dict[str, float]],
    config: TrainConfig,
    folder: RunFolder,
    board: Board,
    *,
    strategy: tf.distribute.Strategy | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Any]:
    """Train a model, keeping its best weights; go on where a killed run stopped.

    A step whose loss or gradient is not finite changes nothing and is counted in
    `skipped_steps`; the other figures are means over the steps that were not skipped.

    Args:
        task: (logits, batch) to losses by name, each [batch]; `loss` is minimised.
        validate: the model to its validation metrics by name, among them those that
            `train.best_by` may name.
        folder: takes checkpoints, `best.weights.h5` and `training.json`; of several
            processes only the chief writes them.
        board: is told of every epoch, in the chief.
        strategy: the one that `model` was built under; None is this process' device.
        clock: seconds; checkpoints within an epoch and the speed go by it.

    Returns:
        What `training.json` holds: the best epoch, its figures, and every epoch's.
        The best epoch's weights are in `folder`; `model` has the last ones.

    Raises:
        CheckFailed: five steps in a row were skipped, or all steps of an epoch.
        UserError: a batch cannot be shared out among the replicas.
    """
    strategy = strategy or tf.distribute.get_strategy()
    replicas.check(strategy, data)
    replicas.synchronize(strategy, model)
    with strategy.scope():
        optimizer = adamw(config, data.steps)
        optimizer.build(model.trainable_variables)
        average = Average(model, config.ema, strategy)
    checkpoint = Checkpoint(folder.checkpoints, model, optimizer, average)
    checkpoint.restore()
    done = checkpoint.progress
    if done.history or done.step:
        log.info(
            "%s goes on after epoch %d, step %d.",
            board.title,
            len(done.history),
            done.step,
        )
    writes = replicas.is_chief(strategy)
    lost = _lost(done, folder)
    if writes and done.history and not done.step:
        _keep(model, average, _summary(done.history, config, lost), folder)
    step = make_step(model, task, optimizer, average, config, strategy)
    while len(done.history) < config.epochs:
        name = f"{board.title} {len(done.history) + 1}/{config.epochs}"
        figures = _epoch(step, data, checkpoint, strategy, name, clock)
        figures["learning_rate"] = float(optimizer.learning_rate)
        with average.applied():
            figures |= {f"val_{k}": v for k, v in validate(model).items()}
        done.end_epoch(figures)
        if writes:
            summary = _summary(done.history, config, lost)
            board.note(summary)
            checkpoint.save()
            _keep(model, average, summary, folder)
    return _summary(done.history, config, lost)


def _lost(done: Progress, folder: RunFolder) -> set[float]:
    """Return the epochs so far whose weights are no longer anywhere.

    One of them may be the best by another `best_by` than the run began with.
    """
    epochs = {figures["epoch"] for figures in done.history}
    if folder.training.exists():
        epochs.discard(files.read_json(folder.training)["best_epoch"])
    if done.history and not done.step:
        epochs.discard(done.history[-1]["epoch"])
    return epochs


def _keep(
    model: keras.Model, average: Average, summary: dict[str, Any], folder: RunFolder
) -> None:
    """Write what an epoch leaves: `best.weights.h5` if it is the best, `training.json`.

    `model` and `average` are as they were when the last epoch was scored.
    """
    # The two belong together however a run is killed, for they follow the checkpoint,
    # which alone decides. Killed before it is saved: both are as the epoch before left
    # them, and so is what the run goes on from. Killed after it, before or between the
    # two: the checkpoint is that of an epoch's end, and the run starts by writing both
    # again, from the weights and the figures it holds. No checkpoint within the next
    # epoch is saved until both are written.
    if summary["best_epoch"] == summary["history"][-1]["epoch"]:
        with average.applied():
            weights.save(model, folder.weights)
    files.write_json(folder.training, summary)


def _epoch(
    step: Step,
    data: Epochs,
    checkpoint: Checkpoint,
    strategy: tf.distribute.Strategy,
    title: str,
    clock: Callable[[], float],
) -> dict[str, float]:
    """Run what is left of an epoch, and save the state now and then.

    Returns:
        The mean of what the steps of the whole epoch report, and the speed of these.
    """
    done = checkpoint.progress
    first, started = done.step, clock()
    saved = started
    writes = replicas.is_chief(strategy)
    with _bar(disable=not writes) as bar, strategy.scope():
        task_id = bar.add_task(title, total=data.steps, completed=done.step, loss="")
        for batch in replicas.shared_out(strategy, data, len(done.history), first):
            values = step(batch)
            done.add(values)
            if values["skipped_steps"]:
                done.skipped.append(replicas.rows_of(strategy, batch))
                _check_skipped(done.skipped, data, title)
            else:
                done.skipped.clear()
            if done.step % 10 == 0 or done.step == data.steps:
                loss = _means(done)["loss"]
                bar.update(task_id, completed=done.step, loss=f"loss {loss:.3f}")
            if writes and done.step < data.steps and clock() - saved >= SAVE_EVERY_S:
                checkpoint.save()
                saved = clock()
    pictures = (data.steps - first) * data.batch_size
    return {**_means(done), "pictures_per_second": pictures / (clock() - started)}


def _means(done: Progress) -> dict[str, float]:
    """Return the means over the steps that were not skipped, and how many were.

    Of none at all they are 0: before the first good step there is nothing to show.
    """
    skipped = int(done.sums["skipped_steps"])
    good = max(1, done.step - skipped)
    means = {name: float(total) / good for name, total in done.sums.items()}
    return {**means, "skipped_steps": skipped}


def _bar(disable: bool) -> progress.Progress:
    return progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeRemainingColumn(),
        progress.TextColumn("{task.fields[loss]}"),
        transient=True,
        disable=disable,
    )


def _check_skipped(skipped: list[list[int]], data: Epochs, title: str) -> None:
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
    value = figures[f"val_{config.best_by}"]
    return value if config.best_by == "macro_f1" else -value


def _summary(
    history: list[dict[str, float]], config: TrainConfig, lost: Collection[float] = ()
) -> dict[str, Any]:
    kept = [figures for figures in history if figures["epoch"] not in lost]
    # The first of equals: an epoch takes the best's place only where it is better.
    best = max(kept, key=lambda figures: _score(figures, config))
    return {"best_epoch": best["epoch"], "best": best, "history": history}
