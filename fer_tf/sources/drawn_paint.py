"""The painting of a drawn face, part by part, onto a picture."""

import numpy as np

from fer_tf.sources.drawn_brush import CIRCLE
from fer_tf.sources.drawn_brush import Brush
from fer_tf.sources.drawn_brush import band
from fer_tf.sources.drawn_brush import ellipse
from fer_tf.sources.drawn_brush import line
from fer_tf.sources.drawn_brush import mix
from fer_tf.sources.drawn_brush import points
from fer_tf.sources.drawn_face import Look
from fer_tf.sources.drawn_face import Mood
from fer_tf.sources.drawn_face import Pose

CURVE = np.linspace(-1, 1, 33)
WHITE = (246, 244, 240)
DARK = (34, 22, 22)
MOUTH = (84, 26, 30)
TONGUE = (190, 86, 88)


def paint(
    canvas: np.ndarray,
    look: Look,
    mood: Mood,
    pose: Pose,
    light: tuple[float, float] = (0.0, 0.0),
) -> None:
    """Paint a face onto a picture, in place.

    Args:
        canvas: uint8 [height, width, 3], RGB.
        light: how much brighter a face unit further right, and further down, is.
    """
    brush = Brush(canvas, pose)
    _hair_behind(brush, look)
    _shoulders(brush, look)
    _head(brush, look, np.array(light))
    for side in (-1, 1):
        _eye(brush, look, mood, side)
        _brow(brush, look, mood, side)
    _folds(brush, look, mood)
    _nose(brush, look, mood)
    _mouth(brush, look, mood)
    _hair_in_front(brush, look)
    if look.glasses:
        _glasses(brush, look)


def _outline(look: Look, grown: float = 1.0) -> np.ndarray:
    x, y = CIRCLE[:, 0], CIRCLE[:, 1]
    narrowing = 1 - look.jaw * np.clip(y, 0, None) ** 2
    return np.stack([x * look.width * narrowing, y], axis=1) * grown


def _shoulders(brush: Brush, look: Look) -> None:
    neck = points((-0.34, 0.6), (0.34, 0.6), (0.38, 1.5), (-0.38, 1.5))
    collar = points((-0.4, 1.25), (0, 1.5), (0.4, 1.25))
    body = points((1.15, 1.5), (1.35, 2.6), (-1.35, 2.6), (-1.15, 1.5))
    brush.fill_flat(neck, mix(look.skin, DARK, 0.25))
    brush.fill_flat(np.concatenate([collar, body]), look.shirt)


def _head(brush: Brush, look: Look, light: np.ndarray) -> None:
    turned = -0.12 * np.sin(brush.pose.yaw)
    for side in (-1, 1):
        x = side * look.width * 0.99 + turned
        brush.fill_flat(ellipse(x, 0.08, 0.09, 0.17), mix(look.skin, DARK, 0.1))
        brush.fill_flat(ellipse(x, 0.08, 0.04, 0.1), mix(look.skin, DARK, 0.25))
    brush.fill_flat(_outline(look), look.skin)
    if look.beard:
        _beard(brush, look)
    brush.shade(_outline(look), light)


def _eye(brush: Brush, look: Look, mood: Mood, side: int) -> None:
    x, y, wide = side * look.eye_x, -0.02, 0.17 * look.eye_size
    arch = 1 - CURVE**2
    across = x + wide * CURVE
    upper = y - wide * max(0.05, 0.62 * (1 + mood.eye)) * arch
    lower = y + wide * 0.42 * max(0.0, 1 - 0.75 * mood.squint) * arch
    brush.fill(band(across, upper, lower), WHITE)
    for radius, colour in ((0.5, look.iris), (0.25, DARK)):
        disc = ellipse(x, y - 0.03 * wide, radius * wide, radius * wide)
        # Between the lids: what they cover of the iris lies flat on their edge.
        lids = (np.interp(disc[:, 0], across, lid) for lid in (upper, lower))
        disc[:, 1] = np.clip(disc[:, 1], *lids)
        brush.fill(disc, colour)
    glint = ellipse(x - 0.15 * wide, y - 0.2 * wide, 0.1 * wide, 0.1 * wide)
    if glint[:, 1].min() > upper.min():
        brush.fill(glint, WHITE)
    brush.stroke(line(across, upper), DARK, 0.03)
    brush.stroke(line(across, lower), mix(look.skin, DARK, 0.5), 0.012)
    crease = upper - 0.045 - 0.02 * arch
    brush.stroke(line(across, crease), mix(look.skin, DARK, 0.25), 0.012)


def _brow(brush: Brush, look: Look, mood: Mood, side: int) -> None:
    part = (CURVE + 1) / 2
    inner, outer = look.eye_x - 0.17 - mood.frown, look.eye_x + 0.19
    raised = mood.brow_inner + part * (mood.brow_outer - mood.brow_inner)
    y = look.brow_y - raised - 0.045 * (1 - CURVE**2) + 0.03 * part
    x = side * (inner + part * (outer - inner))
    width = look.brow_width * np.clip(1.1 - 0.7 * part, 0, 1) / 2
    shape = band(x, y - width, y + width)
    brush.fill(shape, mix(look.hair, DARK, 0.35))


def _folds(brush: Brush, look: Look, mood: Mood) -> None:
    """Draw what an expression folds: between the brows, by the nose, by the mouth."""
    mirrored = [np.array((side, 1)) for side in (-1, 1)]
    fall = np.linspace(0, 1.3, 9)
    for side in mirrored:
        if mood.frown > 0.02:
            crease = points((0.05, -0.2), (0.04, -0.3)) * side
            brush.stroke(crease, mix(look.skin, DARK, 5 * mood.frown), 0.015)
        if mood.sneer > 0.3:
            for y in (0.0, 0.06):
                wrinkle = points((0.03, 0.02 + y), (0.1, y - 0.04)) * side
                brush.stroke(wrinkle, mix(look.skin, DARK, 0.4 * mood.sneer), 0.015)
        if mood.sneer > 0.3 or mood.smile > 0.05:
            depth = 0.28 * mood.sneer + 1.8 * max(mood.smile, 0)
            cheek = line(0.15 + 0.3 * np.sin(fall), 0.58 - 0.3 * np.cos(fall)) * side
            brush.stroke(cheek, mix(look.skin, DARK, depth), 0.016)


def _nose(brush: Brush, look: Look, mood: Mood) -> None:
    wide, base = 0.11 * look.nose, 0.3 * look.nose - 0.03 * mood.sneer
    flare = base - 0.05 - 0.03 * mood.sneer
    bridge = points((0.05, -0.02), (0.06, 0.12), (wide, base - 0.04))
    wing = points((wide, flare), (1.08 * wide, base), (0.6 * wide, base + 0.025))
    brush.stroke(bridge, mix(look.skin, DARK, 0.18), 0.02, raised=0.12)
    for side in (-1, 1):
        nostril = ellipse(side * 0.055, base + 0.01, 0.03, 0.016)
        brush.fill(nostril, mix(look.skin, DARK, 0.7), raised=0.12)
        brush.stroke(wing * (side, 1), mix(look.skin, DARK, 0.35), 0.02, raised=0.08)


def _mouth(brush: Brush, look: Look, mood: Mood) -> None:
    wide = look.mouth_width * (1 + mood.stretch)
    y = 0.6 - mood.smile * (CURVE**2 - 0.4) - mood.skew * CURVE
    opening = 1 - np.abs(CURVE) ** (2 + 5 * mood.square)
    upper = y - (0.35 * mood.gape + 0.06 * mood.sneer) * opening
    lower = y + 0.65 * mood.gape * opening
    arch = np.sqrt(1 - CURVE**2)
    bow = 1 - 0.35 * np.exp(-((CURVE / 0.18) ** 2))
    x = wide * CURVE
    lip = look.lip * arch
    brush.fill(band(x, upper - lip * bow, lower + 1.25 * lip), look.lips)
    if (lower - upper).max() > 0.015:
        brush.fill(band(x, upper, lower), MOUTH)
        _teeth(brush, x[2:-2], upper[2:-2], lower[2:-2], mood)
    brush.stroke(line(x, upper), mix(look.lips, DARK, 0.6), 0.018)


def _teeth(
    brush: Brush, x: np.ndarray, upper: np.ndarray, lower: np.ndarray, mood: Mood
) -> None:
    tongue = np.maximum(lower - 0.09, np.minimum(upper + 0.1, lower))
    brush.fill(band(x, tongue, lower), TONGUE)
    brush.fill(band(x, upper, np.minimum(upper + 0.07, lower)), WHITE)
    if mood.square > 0.4:
        brush.fill(band(x, np.maximum(lower - 0.05, upper), lower), WHITE)


def _beard(brush: Brush, look: Look) -> None:
    outline = _outline(look)
    jaw = outline[outline[:, 1] > 0.25]
    jaw = jaw[np.argsort(-jaw[:, 0])]
    inner = points((-0.5, 0.36), (-0.3, 0.5), (0.0, 0.42), (0.3, 0.5), (0.5, 0.36))
    edge = np.concatenate([jaw, brush.pose.turn(inner)])
    brush.fill_flat(edge, mix(look.hair, look.skin, 0.25))


def _hair_behind(brush: Brush, look: Look) -> None:
    dark = mix(look.hair, DARK, 0.3)
    if look.style == "long":
        brush.fill_flat(ellipse(0, 0.15, look.width * 1.28, 1.25), dark)
    if look.style == "bun":
        brush.fill_flat(ellipse(0, -1.15, 0.3, 0.26), dark)


def _hair_in_front(brush: Brush, look: Look) -> None:
    if look.style == "bald":
        return
    top = _outline(look, 1.07)
    top = top[top[:, 1] < -0.05]
    top = top[np.argsort(top[:, 0])]
    x = 0.97 * look.width * CURVE
    hairline = line(x, _hairline(look.style))
    # Half of it turns with the forehead, half of it stays with the silhouette.
    hairline[:, 0] = (hairline[:, 0] + brush.pose.turn(hairline)[:, 0]) / 2
    brush.fill_flat(np.concatenate([top, hairline[::-1]]), look.hair)
    if look.style == "curly":
        for x, y in top[::3]:
            brush.fill_flat(ellipse(x, y, 0.17, 0.17), look.hair)


def _hairline(style: str) -> np.ndarray:
    """Return y [33] of the hair's edge, from temple to temple."""
    temples = 0.5 * CURVE**6
    if style == "parted":
        return temples - 0.62 + 0.16 * (CURVE - 0.4) ** 2
    if style == "fringe":
        return temples - 0.45 + 0.03 * np.sin(9 * CURVE)
    return temples - 0.6


def _glasses(brush: Brush, look: Look) -> None:
    for side in (-1, 1):
        frame = ellipse(side * look.eye_x, -0.02, 0.235, 0.2)
        brush.stroke(np.concatenate([frame, frame[:1]]), DARK, 0.03, raised=0.05)
    gap = look.eye_x - 0.235
    brush.stroke(points((-gap, -0.04), (gap, -0.04)), DARK, 0.03, raised=0.05)
