"""An epoch that stored soft labels teach against one of cross entropy.

    python benchmarks/epochs.py --work DIR

Data, views and steps, of one student on the same drawn faces, in one process and in
turns; which comes first changes every round. The soft labels are made up: what they say
takes no time. They are read once a stage, not once an epoch.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path

from fer_tf import quiet

# Before anything else imports it, or it greets whoever reads the table.
quiet.import_tensorflow()

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from fer_tf import config as recipes  # noqa: E402
from fer_tf import metrics  # noqa: E402
from fer_tf.cli import data as commands  # noqa: E402
from fer_tf.config import Config  # noqa: E402
from fer_tf.config import TrainConfig  # noqa: E402
from fer_tf.data import pipeline  # noqa: E402
from fer_tf.data.pipeline import Faces  # noqa: E402
from fer_tf.fusion import SoftLabels  # noqa: E402
from fer_tf.labels import NUM_CLASSES  # noqa: E402
from fer_tf.training import epochs  # noqa: E402
from fer_tf.training import loop  # noqa: E402
from fer_tf.training import stages  # noqa: E402
from fer_tf.training.average import Average  # noqa: E402
from fer_tf.training.checkpoints import Checkpoint  # noqa: E402
from fer_tf.training.epochs import Epochs  # noqa: E402
from fer_tf.training.schedules import adamw  # noqa: E402
from fer_tf.training.step import Task  # noqa: E402
from fer_tf.training.step import make_step  # noqa: E402
from fer_tf.training.tasks import Distilled  # noqa: E402
from fer_tf.training.tasks import Supervised  # noqa: E402

MOST = 1.05
QUARTILES = (0.25, 0.5, 0.75)
# Runs one epoch more.
Epoch = Callable[[], None]


def main() -> None:
    """Print the table."""
    options = _options()
    options.work.mkdir(parents=True, exist_ok=True)
    # The loop shows how far it is on stdout, which is the table's.
    with (
        tempfile.TemporaryDirectory(dir=options.work) as folder,
        redirect_stdout(sys.stderr),
    ):
        config = _config(options, Path(folder))
        faces = _faces(config, Path(folder))
        ways = _ways(config, faces, Path(folder))
        seconds = _seconds(ways, options.rounds)
    print(f"{os.cpu_count()} CPU cores, {options.student}, {options.size} px, ", end="")
    print(f"{len(faces)} pictures, medians of {options.rounds} rounds\n")
    print("| an epoch of | time, s | ratio | its quartiles |")
    print("|---|---|---|---|")
    for name, column in zip(ways, seconds.T, strict=True):
        low, ratio, high = np.quantile(column / seconds[:, 0], QUARTILES)
        verdict = "" if ratio <= MOST else f" (above {MOST:g})"
        print(f"| {name} | {np.median(column):.2f} | {ratio:.3f}{verdict} ", end="")
        print(f"| {low:.3f} to {high:.3f} |")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--student", default="mobilenetv3_large")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--faces", type=int, default=1600, help="how many are drawn")
    parser.add_argument("--rounds", type=int, default=7)
    return parser.parse_args()


def _config(options: argparse.Namespace, folder: Path) -> Config:
    overrides = [
        f"data.data_dir={folder}",
        f"data.drawn_count={options.faces}",
        f"face.size={options.size}",
        f"student.model.name={options.student}",
        f"train.batch_size={options.batch}",
        f"train.epochs={options.rounds + 1}",
    ]
    return recipes.load(overrides=overrides)


def _faces(config: Config, folder: Path) -> Faces:
    """Return the training pictures, as a run has them."""
    manifest = folder / "manifest.csv"
    commands.build_sources(config, folder, folder)
    commands.clean_sources(config, folder, manifest)
    return pipeline.load(config, manifest)["train"]


def _ways(config: Config, faces: Faces, folder: Path) -> dict[str, Epoch]:
    """Return the kinds of epochs by name, cross entropy first."""
    path = folder / "soft_labels.npz"
    shape = (len(faces), config.soft_labels.views, NUM_CLASSES)
    log_probs = metrics.log_softmax(np.random.default_rng(0).normal(size=shape))
    SoftLabels(faces.keys, log_probs.astype(np.float32), config.seed).save(path)
    model = stages.build(config, config.student)
    train = config.student.train
    data = epochs.labelled(config, faces, train)
    ways = {"CE": _epoch_of(model, Supervised(train), data, train, folder / "ce")}
    for loss in ("kd", "dkd"):
        settings = getattr(config.distill, loss)
        task, train = Distilled(loss, settings), settings.train
        data = epochs.taught(config, faces, train, path)
        ways[loss.upper()] = _epoch_of(model, task, data, train, folder / loss)
    return ways


def _epoch_of(
    model: keras.Model, task: Task, data: Epochs, train: TrainConfig, folder: Path
) -> Epoch:
    """Return the epochs of a stage as `loop.train` has them, one for each call."""
    strategy = tf.distribute.get_strategy()
    optimizer = adamw(train, data.steps)
    optimizer.build(model.trainable_variables)
    average = Average(model, train.ema, strategy)
    checkpoint = Checkpoint(folder, model, optimizer, average)
    step = make_step(model, task, optimizer, average, train, strategy)

    def epoch() -> None:
        figures = loop._epoch(step, data, checkpoint, strategy, "", time.monotonic)
        checkpoint.progress.end_epoch(figures)

    return epoch


def _seconds(ways: dict[str, Epoch], rounds: int) -> np.ndarray:
    """Return what each kind of epoch took in each round, [rounds, kinds]."""
    kinds = list(ways.values())
    for epoch in kinds:
        # The first traces.
        epoch()
    seconds = np.zeros((rounds, len(kinds)))
    for number in range(rounds):
        for place in range(len(kinds))[:: 1 if number % 2 == 0 else -1]:
            started = time.perf_counter()
            kinds[place]()
            seconds[number, place] = time.perf_counter() - started
    return seconds


if __name__ == "__main__":
    main()
