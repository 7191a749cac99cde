"""Input pipeline against training step: is the model ever kept waiting?

    python benchmarks/input_pipeline.py

Pictures a second of `fer_tf.data.pipeline` with every augmentation on, against those of
a training step of MobileNetV3-Large at the same size: in one process, in turns, the
median of several. Then what each augmentation costs by itself. Faces are drawn.
"""

import argparse
import dataclasses
import os
import statistics
import time
from collections.abc import Callable
from collections.abc import Iterator

from fer_tf import quiet

# Before anything else imports it, or it greets whoever reads the table.
quiet.import_tensorflow()

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from fer_tf import models  # noqa: E402
from fer_tf.config import AugmentConfig  # noqa: E402
from fer_tf.config import TrainConfig  # noqa: E402
from fer_tf.data import mixing  # noqa: E402
from fer_tf.data import pipeline  # noqa: E402
from fer_tf.data.augment import view  # noqa: E402
from fer_tf.data.crops import crop_of  # noqa: E402
from fer_tf.data.pipeline import Faces  # noqa: E402
from fer_tf.labels import INDEX  # noqa: E402
from fer_tf.labels import NUM_CLASSES  # noqa: E402
from fer_tf.losses import cross_entropy  # noqa: E402
from fer_tf.picture import decode  # noqa: E402
from fer_tf.preprocess import FaceSpec  # noqa: E402
from fer_tf.sources import drawn  # noqa: E402
from fer_tf.training.schedules import adamw  # noqa: E402

MODEL = "mobilenetv3_large"
TARGET = 3.0
ON = {
    "flip": True,
    "shift": 0.08,
    "scale": 0.12,
    "rotate_deg": 12.0,
    "brightness": 0.2,
    "contrast": 0.3,
    "tint": 0.15,
    "downscale": 0.5,
    "blur": 0.02,
    "noise": 8.0,
    "jpeg_quality": 40,
    "grey": 0.2,
    "cutout": 0.3,
}
ALL = AugmentConfig(**ON)
NONE = AugmentConfig(**{name: type(value)(0) for name, value in ON.items()})
TRAIN = TrainConfig(mixup=0.2)
# Of each picture, in a round.
VIEWS = 1000


def main() -> None:
    """Print both tables."""
    options = _options()
    print(f"{os.cpu_count()} CPU cores, batches of {options.batch}, ", end="")
    print(f"medians of {options.rounds} rounds\n")
    print("| side, px | pipeline, pictures/s | training step, pictures/s | ratio |")
    print("|---|---|---|---|")
    for size in options.size:
        fed, trained = _speeds(size, options)
        ratio = fed / trained
        verdict = "" if ratio >= TARGET else f" (below {TARGET:g})"
        print(f"| {size} | {fed:.0f} | {trained:.0f} | {ratio:.1f}{verdict} |")
    print("\n| augmentation, one thread |", end="")
    print("".join(f" us a view at {size} px |" for size in options.size))
    print("|---" * (1 + len(options.size)) + "|")
    columns = [_costs_us(size, options) for size in options.size]
    for name in columns[0]:
        print(f"| {name} |" + "".join(f" {each[name]:.0f} |" for each in columns))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, nargs="+", default=[64, 112])
    parser.add_argument("--faces", type=int, default=256, help="how many are drawn")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each round")
    return parser.parse_args()


def _speeds(size: int, options: argparse.Namespace) -> tuple[float, float]:
    """Return pictures a second of the pipeline and of the training step."""
    faces = _faces(options.faces, size)
    step = _training_step(size)
    batch = next(_batches(faces, size, options.batch, number=0))
    step(batch)
    fed, trained = [], []
    for number in range(1, options.rounds + 1):
        # Begun anew, so that nothing was made while the model was training.
        batches = _batches(faces, size, options.batch, number)
        fed.append(_rate(lambda: next(batches), options.seconds))
        batches.close()
        trained.append(_rate(lambda: step(batch), options.seconds))
    return tuple(options.batch * statistics.median(each) for each in (fed, trained))


def _faces(count: int, size: int) -> Faces:
    records = [*drawn.records(count, seed=0)]
    labels = np.array([INDEX[record.label] for record in records])
    return Faces(
        keys=np.array([record.key for record in records]),
        crops=[crop_of(decode(record.image), (), size) for record in records],
        targets=np.eye(NUM_CLASSES, dtype=np.float32)[labels],
        labels=labels,
        sources=np.array([record.source for record in records]),
        groups=np.array([record.key for record in records]),
        agreed=np.ones(len(records), bool),
    )


def _batches(
    faces: Faces, size: int, batch_size: int, number: int
) -> Iterator[dict]:
    """Yield a round's batches, all of them other views; more than it can take."""
    rows = np.arange(len(faces))
    first = VIEWS * number
    data = pipeline.batches(
        faces,
        spec=FaceSpec(size=size),
        augment=ALL,
        seed=0,
        rows=np.tile(rows, VIEWS),
        views=np.repeat(np.arange(first, first + VIEWS), len(rows)),
        batch_size=batch_size,
        drop_remainder=True,
    )
    yield from mixing.mixed(data, TRAIN, seed=(0, number), first_step=0)


def _training_step(size: int) -> Callable[[dict], tf.Tensor]:
    model = models.build(MODEL, size=size)
    optimizer = adamw(TRAIN, steps_per_epoch=1000)
    optimizer.build(model.trainable_variables)

    @tf.function
    def step(batch: dict) -> tf.Tensor:
        with tf.GradientTape() as tape:
            logits = model(batch["image"], training=True)
            losses = cross_entropy(targets=batch["target"], logits=logits)
            loss = tf.reduce_mean(losses)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(
            zip(gradients, model.trainable_variables, strict=True)
        )
        return loss

    return lambda batch: step(batch).numpy()


def _rate(way: Callable[[], object], seconds: float) -> float:
    """Return calls a second, over `seconds` or more."""
    started, calls = time.perf_counter(), 0
    while (passed := time.perf_counter() - started) < seconds:
        way()
        calls += 1
    return calls / passed


def _costs_us(size: int, options: argparse.Namespace) -> dict[str, float]:
    """Return what a view costs: bare, what each augmentation adds, and with all."""
    ways = {"none (warp, grey, CLAHE)": NONE, "all": ALL}
    ways |= {
        name: dataclasses.replace(NONE, **{name: value}) for name, value in ON.items()
    }
    faces = _faces(min(options.faces, 64), size)
    rounds = [
        {name: _view_us(faces, size, augment) for name, augment in ways.items()}
        for _ in range(options.rounds)
    ]
    medians = {name: statistics.median(each[name] for each in rounds) for name in ways}
    bare, *_ = medians.values()
    return {
        name: value - bare if name in ON else value for name, value in medians.items()
    }


def _view_us(faces: Faces, size: int, augment: AugmentConfig) -> float:
    spec, views = FaceSpec(size=size), 4
    started = time.perf_counter()
    for row, key in enumerate(faces.keys):
        for number in range(views):
            view(
                faces.crops[row],
                spec=spec,
                augment=augment,
                seed=0,
                key=key,
                number=number,
            )
    return (time.perf_counter() - started) / (views * len(faces)) * 1e6


if __name__ == "__main__":
    main()
