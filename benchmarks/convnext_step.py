"""A training step of ConvNeXt-Tiny: ours against Keras' own.

    python benchmarks/convnext_step.py

The two are the same function of the same weights; Keras' own has grouped convolutions
where ours has depthwise layers. In one process, in turns, the median of several.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable

from fer_tf import quiet

# Before anything else imports it, or it greets whoever reads the table.
quiet.import_tensorflow()

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from fer_tf.config import TrainConfig  # noqa: E402
from fer_tf.labels import NUM_CLASSES  # noqa: E402
from fer_tf.losses import cross_entropy  # noqa: E402
from fer_tf.models.convnext import convnext_tiny  # noqa: E402
from fer_tf.models.head import classifier  # noqa: E402
from fer_tf.training.schedules import adamw  # noqa: E402


def main() -> None:
    """Print the table."""
    options = _options()
    ways = {
        "keras.applications": _training_step(_keras_own(options.size), options),
        "fer_tf.models": _training_step(convnext_tiny(options.size), options),
    }
    rounds = [
        {name: _seconds(step) for name, step in ways.items()}
        for _ in range(options.rounds)
    ]
    medians = {name: statistics.median(each[name] for each in rounds) for name in ways}
    slowest = max(medians.values())
    print(f"{os.cpu_count()} CPU cores, {options.size} px, ", end="")
    print(f"batches of {options.batch}, medians of {options.rounds} rounds\n")
    print("| ConvNeXt-Tiny of | training step, s | pictures/s | times as fast |")
    print("|---|---|---|---|")
    for name, seconds in medians.items():
        speed, ratio = options.batch / seconds, slowest / seconds
        print(f"| {name} | {seconds:.2f} | {speed:.1f} | {ratio:.1f} |")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    return parser.parse_args()


def _keras_own(size: int) -> keras.Model:
    return keras.applications.ConvNeXtTiny(
        input_shape=(size, size, 3), include_top=False, weights=None, pooling="avg"
    )


def _training_step(
    backbone: keras.Model, options: argparse.Namespace
) -> Callable[[], tf.Tensor]:
    """Return one step on always the same noise; it is traced already."""
    model = classifier(backbone, dropout=0.2, seed=0, name="convnext_tiny")
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

    step()
    return step


def _seconds(step: Callable[[], tf.Tensor]) -> float:
    started = time.perf_counter()
    step().numpy()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
