"""A training step of each model: with our layers, and with Keras' own.

    python benchmarks/own_layers.py
    python benchmarks/own_layers.py --precision mixed_bfloat16

The two are the same function of the same weights. Ours normalise in one kernel, and
ConvNeXt's grouped convolutions are depthwise layers. In one process and in turns.
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
from fer_tf.losses import cross_entropy  # noqa: E402
from fer_tf.models.head import classifier  # noqa: E402
from fer_tf.models.normalization import fused  # noqa: E402
from fer_tf.training.schedules import adamw  # noqa: E402

QUARTILES = (0.25, 0.5, 0.75)


def main() -> None:
    """Print the table, a row per model."""
    options = _options()
    keras.config.set_dtype_policy(options.precision)
    print(f"{os.cpu_count()} CPU cores, {options.precision}, ", end="")
    print(f"{options.size} px, ", end="")
    print(f"batches of {options.batch}, medians of {options.rounds} rounds\n")
    print("| model | Keras' layers, ms | ours, ms | times as fast | its quartiles |")
    print("|---|---|---|---|---|")
    for name in options.models:
        seconds = _seconds(name, options)
        keras_own, ours = 1e3 * np.median(seconds, axis=0)
        low, ratio, high = np.quantile(seconds[:, 0] / seconds[:, 1], QUARTILES)
        print(f"| {name} | {keras_own:.0f} | {ours:.0f} | {ratio:.2f} ", end="")
        print(f"| {low:.2f} to {high:.2f} |", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=sorted(models.MODELS))
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=7)
    return parser.parse_args()


def _seconds(name: str, options: argparse.Namespace) -> np.ndarray:
    """Return what a step took in each round, [rounds, 2]: Keras' layers and ours."""
    keras.utils.clear_session()
    steps = [_training_step(each, options) for each in _pair(name, options.size)]
    return np.array([[_taken(step) for step in steps] for _ in range(options.rounds)])


def _pair(name: str, size: int) -> tuple[keras.Model, keras.Model]:
    if name == "convnext_tiny":
        keras_own = keras.applications.ConvNeXtTiny(
            input_shape=(size, size, 3), include_top=False, weights=None, pooling="avg"
        )
        return keras_own, models.MODELS[name](size)
    keras_own = models.MODELS[name](size)
    return keras_own, fused(keras_own)


def _training_step(
    backbone: keras.Model, options: argparse.Namespace
) -> Callable[[], tf.Tensor]:
    """Return one step on always the same noise; it is traced already."""
    model = classifier(backbone, dropout=0.2, seed=0, name="model")
    optimizer = adamw(TrainConfig(), steps_per_epoch=1000)
    optimizer.build(model.trainable_variables)
    noise = np.random.default_rng(0)
    shape = (options.batch, options.size, options.size, 3)
    pixels = tf.constant(noise.uniform(0, 255, shape), tf.float32)
    labels = noise.integers(NUM_CLASSES, size=options.batch)
    targets = tf.one_hot(labels, NUM_CLASSES)

    @tf.function
    def step() -> tf.Tensor:
        with tf.GradientTape() as tape:
            logits = model(pixels, training=True)
            loss = tf.reduce_mean(cross_entropy(targets=targets, logits=logits))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(
            zip(gradients, model.trainable_variables, strict=True)
        )
        return loss

    # The first traces, and the second may be the first at full speed.
    step()
    step()
    return step


def _taken(step: Callable[[], tf.Tensor]) -> float:
    started = time.perf_counter()
    step().numpy()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
