"""Drawn faces: a corpus without anybody's picture, as large as one likes.

Each face is drawn from its seed alone: a person, an expression more or less strong,
a turned head, light, a background, and what a camera does to them.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np

from fer_tf import labels
from fer_tf import picture
from fer_tf.errors import UserError
from fer_tf.sources.drawn_face import Pose
from fer_tf.sources.drawn_face import face_box
from fer_tf.sources.drawn_face import random_look
from fer_tf.sources.drawn_face import random_mood
from fer_tf.sources.drawn_paint import paint
from fer_tf.sources.entry import Entry
from fer_tf.sources.record import Record

NAME = "drawn_faces"
SIZE_PX = 96
# Painted larger and averaged down, lines come out smooth.
OVERSAMPLING = 2
CONFIG_NAME = re.compile(r"n([1-9]\d*)_seed(\d+)")
# The splits of every twenty pictures of a class: 14, 3 and 3 of them.
SPLIT_PATTERN = ("train",) * 14 + ("validation",) * 3 + ("test",) * 3
# So many turns of the classes reach every split.
MIN_COUNT = 5 * labels.NUM_CLASSES


@dataclass(frozen=True)
class Drawn:
    """A drawn picture, uint8 [size, size, 3] RGB, and the box of the face in it."""

    pixels: np.ndarray
    box_xywh_px: tuple[float, float, float, float]


def draw(expression: str, rng: np.random.Generator, size: int = SIZE_PX) -> Drawn:
    """Draw a face that shows `expression`, one of `labels.CLASSES`."""
    side = size * OVERSAMPLING
    look, mood = random_look(rng), random_mood(expression, rng)
    pose = _random_pose(rng, side)
    canvas = _background(rng, side)
    light = (rng.normal(0, 0.22), rng.normal(-0.08, 0.12))
    paint(canvas, look, mood, pose, light)
    pixels = cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA)
    box = tuple(value / OVERSAMPLING for value in face_box(look, pose))
    return Drawn(_photograph(pixels, rng), box)


def config_name(count: int, seed: int) -> str:
    """Return the name under which this choice of drawn faces is stored.

    Raises:
        UserError: a split would lack a class, or the seed is negative.
    """
    if count < MIN_COUNT or seed < 0:
        raise UserError(
            f"drawn_count must be {MIN_COUNT} or more and drawn_seed 0 or more, "
            f"received {count} and {seed}."
        )
    return f"n{count}_seed{seed}"


def records(count: int, seed: int, split: str = "") -> Iterator[Record]:
    """Yield `count` drawn faces, the classes in turn, the same for the same seed.

    A picture depends on the seed and its own index alone, so a larger corpus begins
    with the smaller one. With a `split`, only its part of them is drawn.
    """
    for entry in entries(count, seed):
        if split in ("", entry.split):
            yield entry.make()


def entries(count: int, seed: int) -> Iterator[Entry]:
    """Yield what `records` yields, not yet drawn."""
    for index in range(count):
        make = partial(_record, index, seed)
        yield Entry(f"face {index}", _split(index), make)


def _record(index: int, seed: int) -> Record:
    label = labels.CLASSES[index % labels.NUM_CLASSES]
    drawn = draw(label, np.random.default_rng((seed, index)))
    return Record(
        key=f"{NAME}/{seed}-{index:06d}",
        image=picture.encode_png(drawn.pixels),
        label=label,
        label_original=label,
        distribution=labels.one_hot(label),
        split=_split(index),
        box_xywh_px=drawn.box_xywh_px,
    )


def _split(index: int) -> str:
    turn = index // labels.NUM_CLASSES
    # 9 and 20 share no factor: twenty turns meet every place of the pattern once.
    return SPLIT_PATTERN[turn * 9 % len(SPLIT_PATTERN)]


def _random_pose(rng: np.random.Generator, side: int) -> Pose:
    unit = side * rng.uniform(0.44, 0.52)
    yaw, pitch, roll = np.clip(rng.normal(0, (0.16, 0.1, 0.1)), -0.4, 0.4)
    x, y = side * (np.array([0.5, 0.5]) + rng.normal(0, 0.025, 2))
    # The middle of the face box, not the point between the eyes, is in the middle.
    return Pose(x - 0.3 * yaw * unit, y - 0.11 * unit, unit, yaw, pitch, roll)


def _background(rng: np.random.Generator, side: int) -> np.ndarray:
    """Return a smooth, blotched ground, uint8 [side, side, 3]."""
    blotches = rng.uniform(0, 255) + rng.normal(0, 35, (4, 4, 3))
    small = np.clip(blotches, 0, 255).astype(np.uint8)
    return cv2.resize(small, (side, side), interpolation=cv2.INTER_CUBIC)


def _photograph(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return what a camera makes of it: exposure, blur and noise."""
    blur = rng.uniform(0, 1.0)
    if blur > 0.4:
        pixels = cv2.GaussianBlur(pixels, (0, 0), blur)
    contrast, brightness = rng.uniform(0.65, 1.1), rng.normal(0, 14)
    exposed = (pixels.astype(float) - 128) * contrast + 128 + brightness
    noisy = exposed + rng.normal(0, rng.uniform(1, 6), pixels.shape)
    return np.clip(np.round(noisy), 0, 255).astype(np.uint8)
