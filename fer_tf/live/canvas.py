"""A picture that is drawn on, in units that grow with it."""

from collections.abc import Iterable

import cv2
import numpy as np

FONT = cv2.FONT_HERSHEY_SIMPLEX
WHITE = (245, 245, 245)
FAINT = (170, 170, 170)
INK = (24, 20, 18)
# What is left of the picture under a plate.
THROUGH_PLATE = 0.22
# The picture's height in which one unit of the drawing is one pixel.
UNIT_HEIGHT_PX = 400
# Smaller pictures are drawn on enlarged, or nothing could be read; larger ones shrunk.
LEAST_PX = 240
MOST_PX = 3840


class Canvas:
    """A copy of a picture, large enough to write on.

    Args:
        picture: uint8 [height, width, 3], BGR; it is left as it is.
        most_px: the longer side of the copy, at most.
        mirror: the copy shows left and right exchanged.

    Attributes:
        zoom: pixels of the copy for each of the picture.
        unit: pixels of the copy for each unit of the drawing.
    """

    def __init__(
        self, picture: np.ndarray, most_px: int = MOST_PX, mirror: bool = False
    ) -> None:
        height, width = picture.shape[:2]
        enlarged = max(1.0, LEAST_PX / min(height, width))
        self.zoom = min(enlarged, most_px / max(height, width))
        self.width, self.height = (
            max(1, round(side * self.zoom)) for side in (width, height)
        )
        self.pixels = _resized(picture, (self.width, self.height))
        self._mirror = mirror
        if mirror:
            self.pixels = cv2.flip(self.pixels, 1)
        self.unit = max(1.0, min(self.height, 0.75 * self.width) / UNIT_HEIGHT_PX)

    def px(self, units: float) -> int:
        """Return a length of the drawing in whole pixels, at least one."""
        return max(1, round(units * self.unit))

    def box_of(self, box_xywh_px: np.ndarray) -> np.ndarray:
        """Return where a box [x, y, width, height] of the picture lies on the copy."""
        box = np.asarray(box_xywh_px, float) * self.zoom
        if self._mirror:
            box[0] = self.width - box[0] - box[2]
        return box

    def points_of(self, points_px: np.ndarray) -> np.ndarray:
        """Return where points [n, 2] of the picture lie on the copy."""
        points = np.asarray(points_px, float) * self.zoom
        if self._mirror:
            points[:, 0] = self.width - points[:, 0]
        return points

    def frame(self, box: np.ndarray, colour: tuple) -> None:
        """Draw a box: a coloured line on a dark one, seen on any background."""
        x, y, width, height = (int(round(value)) for value in box)
        for line, thickness in ((INK, self.px(3.5)), (colour, self.px(1.6))):
            cv2.rectangle(
                self.pixels, (x, y, width, height), line, thickness, cv2.LINE_AA
            )

    def dot(self, point: np.ndarray, colour: tuple, units: float) -> None:
        """Draw a dot of a radius, dark around."""
        place = tuple(int(round(value)) for value in point)
        for fill, radius in ((INK, self.px(units) + self.px(0.8)), (colour, units)):
            cv2.circle(
                self.pixels, place, self.px(radius), fill, cv2.FILLED, cv2.LINE_AA
            )

    def fill(self, xywh: Iterable[float], colour: tuple) -> None:
        """Fill a rectangle."""
        cv2.rectangle(self.pixels, tuple(map(int, xywh)), colour, cv2.FILLED)

    def plate(self, xywh: Iterable[float]) -> None:
        """Darken a rectangle, so that writing on it can be read on any background."""
        x, y, width, height = (int(value) for value in xywh)
        part = self.pixels[max(0, y):y + height, max(0, x):x + width]
        if part.size:
            part[:] = cv2.convertScaleAbs(
                part, alpha=THROUGH_PLATE, beta=INK[1] * (1 - THROUGH_PLATE)
            ).reshape(part.shape)

    def write(
        self, text: str, x: float, baseline: float, colour: tuple, size: float = 0.4
    ) -> None:
        """Write `text` from `x`, on `baseline`."""
        place, scale = (int(x), int(baseline)), size * self.unit
        thickness = self.px(0.7)
        cv2.putText(
            self.pixels, text, place, FONT, scale, colour, thickness, cv2.LINE_AA
        )

    def width_of(self, text: str, size: float = 0.4) -> int:
        """Return how wide `text` will be, in pixels."""
        return cv2.getTextSize(text, FONT, size * self.unit, self.px(0.7))[0][0]

    def wrap(
        self, parts: Iterable[str], gap: str, size: float = 0.4, kept_free: float = 12
    ) -> list[str]:
        """Join parts to lines, as few as the width, less some units, allows."""
        lines: list[str] = []
        for part in parts:
            longer = f"{lines[-1]}{gap}{part}" if lines else part
            if lines and self.width_of(longer, size) <= self.width - self.px(kept_free):
                lines[-1] = longer
            else:
                lines.append(part)
        return lines


def _resized(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if picture.shape[1::-1] == size:
        return picture.copy()
    how = cv2.INTER_AREA if size[0] < picture.shape[1] else cv2.INTER_LINEAR
    return cv2.resize(picture, size, interpolation=how)
