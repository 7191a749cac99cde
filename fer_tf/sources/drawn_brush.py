"""A brush that paints in face units, and the shapes it is given."""

import cv2
import numpy as np

from fer_tf.sources.drawn_face import Colour
from fer_tf.sources.drawn_face import Pose

# OpenCV takes points in sixteenths of a pixel, which keeps small motions smooth.
FRACTION_BITS = 4
ANGLES = np.linspace(0, 2 * np.pi, 48, endpoint=False)
CIRCLE = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)


class Brush:
    """Fills and strokes in face units on an RGB canvas."""

    def __init__(self, canvas: np.ndarray, pose: Pose) -> None:
        self.canvas = canvas
        self.pose = pose

    def fill(self, points: np.ndarray, colour: Colour, raised: float = 0.0) -> None:
        """Fill a shape [n, 2] on the front of the head."""
        self.fill_flat(self.pose.turn(points, raised), colour)

    def fill_flat(self, points: np.ndarray, colour: Colour) -> None:
        """Fill a shape [n, 2] that does not move as the head turns."""
        cv2.fillPoly(
            self.canvas, [self._fixed(points)], colour, cv2.LINE_AA, FRACTION_BITS
        )

    def stroke(
        self, points: np.ndarray, colour: Colour, width: float, raised: float = 0.0
    ) -> None:
        """Draw a line through points [n, 2] on the front of the head."""
        thickness = max(1, round(width * self.pose.unit_px))
        fixed = self._fixed(self.pose.turn(points, raised))
        cv2.polylines(
            self.canvas, [fixed], False, colour, thickness, cv2.LINE_AA, FRACTION_BITS
        )

    def shade(self, outline: np.ndarray, light: np.ndarray) -> None:
        """Darken a flat shape [n, 2] away from `light` [2] and towards its edge."""
        pixels = self.pose.place(outline)
        left, top = np.maximum(np.floor(pixels.min(axis=0)).astype(int), 0)
        right, bottom = np.ceil(pixels.max(axis=0)).astype(int) + 1
        patch = self.canvas[top:max(bottom, 0), left:max(right, 0)]
        rows, columns = np.mgrid[: patch.shape[0], : patch.shape[1]]
        x = (columns + left - self.pose.x_px) / self.pose.unit_px
        y = (rows + top - self.pose.y_px) / self.pose.unit_px
        gain = 1.0 + light[0] * x + light[1] * y - 0.22 * (1.6 * x**2 + y**2) ** 2
        inside = np.zeros(patch.shape[:2], np.uint8)
        shifted = self._fixed(outline) - (np.array([left, top]) << FRACTION_BITS)
        cv2.fillPoly(
            inside, [shifted.astype(np.int32)], 255, cv2.LINE_AA, FRACTION_BITS
        )
        gain = 1.0 + (np.clip(gain, 0.35, 1.4) - 1.0) * (inside / 255.0)
        patch[:] = np.clip(patch * gain[..., None], 0, 255)

    def _fixed(self, points: np.ndarray) -> np.ndarray:
        pixels = self.pose.place(points) * (1 << FRACTION_BITS)
        return np.round(pixels).astype(np.int32)


def mix(colour: Colour, other: Colour, part: float) -> Colour:
    """Return the colour that lies `part` of the way to `other`."""
    part = min(max(part, 0.0), 1.0)
    return tuple(a + part * (b - a) for a, b in zip(colour, other, strict=True))


def ellipse(x: float, y: float, wide: float, high: float) -> np.ndarray:
    """Return the outline [48, 2] around (x, y), `wide` and `high` its half axes."""
    return CIRCLE * (wide, high) + (x, y)


def line(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the points [n, 2] of x [n] and y [n]."""
    return np.stack([x, y], axis=1)


def band(x: np.ndarray, upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """Return the outline [2 n, 2] of what lies between two curves over x [n]."""
    return np.concatenate([line(x, upper), line(x, lower)[::-1]])


def points(*pairs: tuple[float, float]) -> np.ndarray:
    """Return the points [n, 2] of pairs (x, y)."""
    return np.array(pairs, float)
