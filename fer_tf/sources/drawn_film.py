"""A film of drawn faces that move and change their expression, with its labels."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from fer_tf import labels
from fer_tf.sources.drawn_face import Look
from fer_tf.sources.drawn_face import Mood
from fer_tf.sources.drawn_face import Pose
from fer_tf.sources.drawn_face import face_box
from fer_tf.sources.drawn_face import random_look
from fer_tf.sources.drawn_face import random_mood
from fer_tf.sources.drawn_paint import paint

HOLD_S = 2.4
CHANGE_S = 0.35
BLINK_S = 0.16
GROUND_TOP = (226, 232, 238)
GROUND_BOTTOM = (178, 190, 204)

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class FilmFrame:
    """One frame: uint8 [height, width, 3] BGR, its time, and each face's truth.

    A face's place in `boxes_xywh_px` and `labels` is the same in every frame.
    """

    pixels_bgr: np.ndarray
    time_ms: float
    boxes_xywh_px: tuple[Box, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Actor:
    """A face in the film: who, where, what it shows in turn, and how it sways.

    `swing` [5, 3] holds the reach, the circular frequency in rad/s and the phase of
    x and y in pixels, and of yaw, pitch and roll in radians.
    """

    look: Look
    home: Pose
    light: tuple[float, float]
    script: tuple[str, ...]
    moods: tuple[Mood, ...]
    swing: np.ndarray

    def label(self, time_s: float) -> str:
        """Return the expression it shows or is changing to."""
        return self.script[self._turn(time_s)]

    def mood(self, time_s: float) -> Mood:
        """Return what its face does: mostly one expression, briefly two, and blinks."""
        turn = self._turn(time_s)
        part = min(1.0, (time_s - turn * HOLD_S) / CHANGE_S)
        smooth = part * part * (3 - 2 * part)
        mood = self.moods[max(turn - 1, 0)].towards(self.moods[turn], smooth)
        since_blink = (time_s + self.swing[0, 2]) % 3.1
        closed = np.sin(np.pi * since_blink / BLINK_S) if since_blink < BLINK_S else 0
        return mood._replace(eye=mood.eye + closed * (-1 - mood.eye))

    def pose(self, time_s: float) -> Pose:
        """Return where it is and how its head is turned."""
        reach, frequency, phase = self.swing.T
        x, y, yaw, pitch, roll = reach * np.sin(frequency * time_s + phase)
        home = self.home
        return Pose(home.x_px + x, home.y_px + y, home.unit_px, yaw, pitch, roll)

    def _turn(self, time_s: float) -> int:
        return min(int(time_s / HOLD_S), len(self.script) - 1)


def film(
    seed: int,
    seconds: float,
    frames_per_second: int = 25,
    size_wh_px: tuple[int, int] = (640, 480),
    faces: int = 2,
) -> Iterator[FilmFrame]:
    """Yield the frames of a film, the same for the same arguments.

    The faces stand side by side on a plain ground. Each shows all seven expressions
    before it shows one again, `HOLD_S` seconds each; a label begins with the change.
    """
    width, height = size_wh_px
    turns = int(np.ceil(seconds / HOLD_S))
    rngs = [np.random.default_rng((seed, index)) for index in range(faces)]
    lane = width / faces
    actors = [
        _actor(rng, ((index + 0.5) * lane, 0.46 * height), lane, turns)
        for index, rng in enumerate(rngs)
    ]
    ground = _ground(width, height)
    for index in range(round(seconds * frames_per_second)):
        yield _frame(actors, ground, index / frames_per_second)


def _frame(actors: list[Actor], ground: np.ndarray, time_s: float) -> FilmFrame:
    canvas = ground.copy()
    poses = [actor.pose(time_s) for actor in actors]
    for actor, pose in zip(actors, poses, strict=True):
        paint(canvas, actor.look, actor.mood(time_s), pose, actor.light)
    return FilmFrame(
        pixels_bgr=cv2.cvtColor(canvas, cv2.COLOR_RGB2BGR),
        time_ms=1000.0 * time_s,
        boxes_xywh_px=tuple(
            face_box(actor.look, pose)
            for actor, pose in zip(actors, poses, strict=True)
        ),
        labels=tuple(actor.label(time_s) for actor in actors),
    )


def _actor(
    rng: np.random.Generator,
    centre_px: tuple[float, float],
    lane_px: float,
    turns: int,
) -> Actor:
    unit = min(lane_px / 2.9, centre_px[1] / 1.9) * rng.uniform(0.9, 1.0)
    script = [
        labels.CLASSES[code]
        for _ in range(0, turns, labels.NUM_CLASSES)
        for code in rng.permutation(labels.NUM_CLASSES)
    ][:turns]
    reach = np.array([0.12 * unit, 0.06 * unit, 0.2, 0.06, 0.06])
    frequency = rng.uniform(0.6, 1.3, 5)
    return Actor(
        look=random_look(rng),
        home=Pose(*centre_px, unit),
        light=(rng.normal(0, 0.15), -0.05),
        script=tuple(script),
        moods=tuple(random_mood(label, rng) for label in script),
        swing=np.stack([reach, frequency, rng.uniform(0, 2 * np.pi, 5)], axis=1),
    )


def _ground(width: int, height: int) -> np.ndarray:
    """Return a wall that darkens downwards, uint8 [height, width, 3] RGB."""
    part = np.linspace(0, 1, height)[:, None, None]
    shade = (1 - part) * np.array(GROUND_TOP) + part * np.array(GROUND_BOTTOM)
    return np.repeat(shade, width, axis=1).astype(np.uint8)
