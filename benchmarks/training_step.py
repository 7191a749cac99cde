"""Our training step against Keras' bare `train_on_batch`, for each model.

    python benchmarks/training_step.py

Ours is the step of `fer_tf.training` with all that the loop does after each: it adds up
what the step reports and asks whether it was skipped. Keras' has the same optimiser and
clips as ours does. Both train the same model on the same batch of noise, in one process
and in turns; which comes first changes every round.
"""

import argparse
import os
import time
from collections.abc import Callable

from fer_tf import quiet

# Before anything else imports it, or it greets whoever reads the table.
quiet.import_tensorflow()

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from fer_tf import models  # noqa: E402
from fer_tf.config import TrainConfig  # noqa: E402
from fer_tf.labels import NUM_CLASSES  # noqa: E402
from fer_tf.training.average import Average  # noqa: E402
from fer_tf.training.checkpoints import Progress  # noqa: E402
from fer_tf.training.schedules import adamw  # noqa: E402
from fer_tf.training.step import Batch  # noqa: E402
from fer_tf.training.step import make_step  # noqa: E402
from fer_tf.training.tasks import Supervised  # noqa: E402

MODELS = ("resnet18", "efficientnet_b3", "convnext_tiny", "mobilenetv3_large")
MOST = 1.05
STEPS_PER_EPOCH = 1000
QUARTILES = (0.25, 0.5, 0.75)


def main() -> None:
    """Print the table, a row per model."""
    options = _options()
    print(f"{os.cpu_count()} CPU cores, {options.size} px, ", end="")
    print(f"batches of {options.batch}, ", end="")
    print(f"medians of {options.rounds} rounds of {options.steps} steps\n")
    print("| model | ours, ms | train_on_batch, ms | ratio | its quartiles |")
    print("|---|---|---|---|---|")
    for name in options.models:
        seconds = _seconds(name, options)
        ours, bare = 1e3 * np.median(seconds, axis=0)
        low, ratio, high = np.quantile(seconds[:, 0] / seconds[:, 1], QUARTILES)
        verdict = "" if ratio <= MOST else f" (above {MOST:g})"
        print(f"| {name} | {ours:.1f} | {bare:.1f} | {ratio:.3f}{verdict} ", end="")
        print(f"| {low:.3f} to {high:.3f} |", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=models.MODELS, default=MODELS)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--steps", type=int, default=5, help="of each, in a round")
    parser.add_argument("--jit-compile", action="store_true", help="both, with XLA")
    return parser.parse_args()


def _seconds(name: str, options: argparse.Namespace) -> np.ndarray:
    """Return what a step took in each round, [rounds, 2]: ours and Keras'."""
    keras.utils.clear_session()
    train = TrainConfig(jit_compile=options.jit_compile)
    model = models.build(name, size=options.size)
    batch = _noise(options)
    ways = (_ours(model, train, batch), _bare(model, train, batch))
    for way in ways:
        # The first traces, and the second may be the first at full speed.
        _seconds_each(way, steps=2)
    seconds = np.zeros((options.rounds, 2))
    for number in range(options.rounds):
        for place in (0, 1) if number % 2 == 0 else (1, 0):
            seconds[number, place] = _seconds_each(ways[place], options.steps)
    return seconds


def _noise(options: argparse.Namespace) -> Batch:
    """Return a batch as `fer_tf.training.epochs` makes them."""
    rng = np.random.default_rng(0)
    shape = (options.batch, options.size, options.size, 3)
    labels = rng.integers(NUM_CLASSES, size=options.batch)
    return {
        "image": tf.constant(rng.integers(256, size=shape), tf.uint8),
        "target": tf.one_hot(labels, NUM_CLASSES),
        "row": tf.range(options.batch, dtype=tf.int64),
        "epochs_passed": tf.zeros(options.batch),
    }


def _ours(model: keras.Model, train: TrainConfig, batch: Batch) -> Callable[[], None]:
    strategy = tf.distribute.get_strategy()
    optimizer = adamw(train, STEPS_PER_EPOCH)
    optimizer.build(model.trainable_variables)
    average = Average(model, train.ema, strategy)
    step = make_step(model, Supervised(train), optimizer, average, train, strategy)
    done = Progress()

    def once() -> None:
        values = step(batch)
        done.add(values)
        if values["skipped_steps"]:
            raise SystemExit(f"{model.name}: a step was skipped, and did less.")

    return once


def _bare(model: keras.Model, train: TrainConfig, batch: Batch) -> Callable[[], object]:
    settings = adamw(train, STEPS_PER_EPOCH).get_config()
    settings["global_clipnorm"] = train.clip_norm
    optimizer = keras.optimizers.AdamW.from_config(settings)
    # Not among the settings: as `adamw` has it.
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    model.compile(
        optimizer=optimizer,
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
        # By itself Keras compiles where there is a GPU, and our step does not.
        jit_compile=train.jit_compile,
    )
    return lambda: model.train_on_batch(batch["image"], batch["target"])


def _seconds_each(way: Callable[[], object], steps: int) -> float:
    started = time.perf_counter()
    for _ in range(steps):
        way()
    return (time.perf_counter() - started) / steps


if __name__ == "__main__":
    main()
