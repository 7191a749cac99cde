"""A drawn face before it is painted: whose it is, what it shows, how it is held.

Coordinates are in face units: x to the picture's right, y down, the origin between
the eyes, the crown of the head at y = -1 and the chin at y = 1. Colours are RGB.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

DEPTH = 0.75
STYLES = ("bald", "short", "parted", "fringe", "long", "curly", "bun")
SKINS = (
    (255, 224, 196),
    (244, 204, 170),
    (232, 184, 146),
    (214, 160, 118),
    (186, 130, 92),
    (152, 102, 72),
    (116, 76, 54),
    (86, 58, 44),
)
HAIRS = (
    (28, 24, 24),
    (58, 40, 30),
    (96, 62, 38),
    (150, 100, 56),
    (206, 168, 100),
    (160, 72, 40),
    (150, 150, 154),
    (206, 206, 208),
)
IRISES = ((74, 48, 30), (96, 72, 40), (66, 104, 72), (72, 112, 152), (96, 104, 112))

Colour = tuple[float, float, float]


class Mood(NamedTuple):
    """What a face shows; all zero is at rest.

    Attributes:
        brow_inner: how far the inner ends of the brows are raised.
        brow_outer: how far their outer ends are raised.
        frown: how far the brows are drawn together.
        eye: how far the upper lids are raised; -1 closes the eyes.
        squint: how far the lower lids are raised.
        smile: how far the corners of the mouth are raised.
        gape: how far the mouth is open.
        stretch: how much wider the mouth is.
        square: how square the open mouth is, which bares the teeth.
        sneer: how far the upper lip and the wings of the nose are raised.
        skew: how much higher one corner of the mouth is.
    """

    brow_inner: float = 0.0
    brow_outer: float = 0.0
    frown: float = 0.0
    eye: float = 0.0
    squint: float = 0.0
    smile: float = 0.0
    gape: float = 0.0
    stretch: float = 0.0
    square: float = 0.0
    sneer: float = 0.0
    skew: float = 0.0

    def towards(self, other: "Mood", part: float) -> "Mood":
        """Return the mood that lies `part` of the way to `other`."""
        here = np.array(self)
        return Mood(*(here + part * (np.array(other) - here)))


MOODS = {
    "Angry": Mood(-0.13, 0.05, 0.08, 0.1, 0.3, -0.06, 0.05, 0.0, 0.8),
    "Disgust": Mood(-0.07, -0.03, 0.04, -0.35, 0.7, -0.08, 0.03, -0.1, 0.2, 1.0, 0.04),
    "Fear": Mood(0.15, 0.04, 0.06, 0.45, 0.0, -0.07, 0.1, 0.2, 0.9),
    "Happy": Mood(0.03, 0.05, 0.0, -0.1, 0.5, 0.15, 0.12, 0.3, 0.2),
    "Sad": Mood(0.13, -0.08, 0.04, -0.3, 0.1, -0.12, 0.0, -0.12),
    "Surprise": Mood(0.16, 0.17, 0.0, 0.45, 0.0, 0.0, 0.27, -0.35),
    "Neutral": Mood(),
}
# How far each part of a face strays from the textbook, whatever it shows.
STRAY = Mood(0.025, 0.025, 0.015, 0.12, 0.1, 0.025, 0.02, 0.06, 0.15, 0.08, 0.015)
# How much of the way from rest to the textbook's picture is gone.
SHOWN = (0.85, 1.15)
# There is no less than none of an opening or a fold.
LEAST = Mood(*[-1.0] * 4, squint=0, smile=-1, gape=0, stretch=-0.5, square=0, skew=-1)


@dataclass(frozen=True)
class Look:
    """Whose face it is: what stays when the expression changes."""

    skin: Colour
    hair: Colour
    lips: Colour
    iris: Colour
    shirt: Colour
    style: str
    width: float
    jaw: float
    eye_x: float
    eye_size: float
    brow_y: float
    brow_width: float
    nose: float
    mouth_width: float
    lip: float
    glasses: bool
    beard: bool


@dataclass(frozen=True)
class Pose:
    """Where a face is in the picture, and how the head is turned.

    Attributes:
        x_px: column of the point between the eyes.
        y_px: its row.
        unit_px: pixels per face unit.
        yaw: radians to the picture's right.
        pitch: radians down.
        roll: radians clockwise.
    """

    x_px: float
    y_px: float
    unit_px: float
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0

    def place(self, points: np.ndarray) -> np.ndarray:
        """Return the pixels [n, 2] of points [n, 2] on the head's silhouette."""
        cos, sin = np.cos(self.roll), np.sin(self.roll)
        rolled = points @ np.array([[cos, sin], [-sin, cos]])
        return rolled * self.unit_px + (self.x_px, self.y_px)

    def turn(self, points: np.ndarray, raised: float = 0.0) -> np.ndarray:
        """Return where turning the head takes points [n, 2] on the front of it.

        The head is an ellipsoid; `raised` is how far the points stand out of it.
        """
        x, y = points[:, 0], points[:, 1]
        z = raised + DEPTH * np.sqrt(np.clip(1 - (x / 0.85) ** 2 - y**2, 0, None))
        across = x * np.cos(self.yaw) + z * np.sin(self.yaw)
        down = y * np.cos(self.pitch) + (z - DEPTH) * np.sin(self.pitch)
        return np.stack([across, down], axis=1)


def random_look(rng: np.random.Generator) -> Look:
    """Return a random person."""
    skin = _near(SKINS[rng.integers(len(SKINS))], 8, rng)
    rosy = np.array(skin) * (0.86, 0.58, 0.56) + (18, 8, 10)
    return Look(
        skin=skin,
        hair=_near(HAIRS[rng.integers(len(HAIRS))], 8, rng),
        lips=_near(tuple(rosy), 8, rng),
        iris=_near(IRISES[rng.integers(len(IRISES))], 8, rng),
        shirt=tuple(rng.uniform(50, 180, 3)),
        style=STYLES[rng.integers(len(STYLES))],
        width=rng.uniform(0.7, 0.8),
        jaw=rng.uniform(0.1, 0.3),
        eye_x=rng.uniform(0.29, 0.34),
        eye_size=rng.uniform(0.9, 1.15),
        brow_y=rng.uniform(-0.32, -0.28),
        brow_width=rng.uniform(0.045, 0.085),
        nose=rng.uniform(0.85, 1.15),
        mouth_width=rng.uniform(0.26, 0.32),
        lip=rng.uniform(0.035, 0.06),
        glasses=bool(rng.random() < 0.15),
        beard=bool(rng.random() < 0.15),
    )


def random_mood(expression: str, rng: np.random.Generator) -> Mood:
    """Return one way to show `expression`, nearly all or a little more of it."""
    mood = Mood().towards(MOODS[expression], rng.uniform(*SHOWN))
    strayed = np.array(mood) + rng.normal(0, STRAY)
    return Mood(*np.maximum(strayed, LEAST))


def face_box(look: Look, pose: Pose) -> tuple[float, float, float, float]:
    """Return [x, y, width, height] in pixels: the box that YuNet draws, very nearly.

    It reaches from the forehead to the chin and follows the features of a turned head.
    """
    centre = pose.place(pose.turn(np.array([[0.0, 0.11]])) * (0.6, 1.0))[0]
    width, height = 1.87 * look.width * pose.unit_px, 1.64 * pose.unit_px
    x, y = centre - (width / 2, height / 2)
    return float(x), float(y), float(width), float(height)


def _near(colour: Colour, spread: float, rng: np.random.Generator) -> Colour:
    change = rng.normal(0, spread) + rng.normal(0, spread / 4, 3)
    near = np.clip(np.array(colour) + change, 0, 255)
    return tuple(float(value) for value in near)
