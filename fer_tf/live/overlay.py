"""Draws what was seen, always on a copy: no model ever sees a box that we drew."""

from collections.abc import Iterable
from collections.abc import Iterator

import cv2
import numpy as np

from fer_tf.labels import CLASSES
from fer_tf.live.tracker import iou
from fer_tf.live.view import FollowedFace
from fer_tf.live.view import View

FONT = cv2.FONT_HERSHEY_SIMPLEX
WHITE = (245, 245, 245)
FAINT = (170, 170, 170)
INK = (24, 20, 18)
# In BGR, one for each class: apart from one another also for the colour-blind.
COLOURS = dict(
    zip(
        CLASSES,
        (
            (73, 79, 225),
            (92, 165, 60),
            (200, 100, 160),
            (60, 200, 250),
            (225, 150, 70),
            (40, 140, 240),
            (200, 200, 190),
        ),
        strict=True,
    )
)
UNSURE = (150, 150, 150)
PLATE_OPACITY = 0.78
# The frame's height in which one unit of the drawing is one pixel.
UNIT_HEIGHT_PX = 400


def draw(view: View) -> np.ndarray:
    """Return a copy of the view's frame with all that is known drawn on it.

    Each face has its box, its label and confidence (or "unsure") and seven bars; at
    the foot stand the rate, each stage's latency and the frames dropped.
    """
    canvas = Canvas(view.frame.pixels_bgr.copy())
    taken = [face.face.box_xywh_px for face in view.faces]
    for face in view.faces:
        canvas.box(face.face.box_xywh_px, _colour(face))
    for face in view.faces:
        panel = canvas.place_panel(face.face.box_xywh_px, taken)
        taken.append(panel)
        canvas.bars(panel, face)
    for face in view.faces:
        canvas.title(face)
    canvas.foot(view)
    return canvas.pixels


def _colour(face: FollowedFace) -> tuple[int, int, int]:
    return UNSURE if face.unsure else COLOURS[face.label]


class Canvas:
    """A picture that is drawn on, in units that grow with it."""

    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels = pixels
        self.height, self.width = pixels.shape[:2]
        self.unit = max(1.0, self.height / UNIT_HEIGHT_PX)

    def _px(self, units: float) -> int:
        return max(1, round(units * self.unit))

    def plate(self, xywh: Iterable[float]) -> None:
        """Darken a rectangle of the frame, so that writing on it can be read."""
        x, y, width, height = (int(value) for value in xywh)
        bottom, right = y + height, x + width
        part = self.pixels[y:bottom, x:right]
        part[:] = part * (1 - PLATE_OPACITY) + np.array(INK) * PLATE_OPACITY

    def write(
        self, text: str, x: float, baseline: float, colour: tuple, size: float = 0.4
    ) -> None:
        """Write `text` from `x`, on `baseline`."""
        place = int(x), int(baseline)
        scale = size * self.unit
        cv2.putText(
            self.pixels, text, place, FONT, scale, colour, self._px(0.7), cv2.LINE_AA
        )

    def width_of(self, text: str, size: float = 0.4) -> int:
        """Return how wide `text` will be, in pixels."""
        return cv2.getTextSize(text, FONT, size * self.unit, self._px(0.7))[0][0]

    def box(self, box_xywh_px: np.ndarray, colour: tuple) -> None:
        """Draw a face's box: a coloured line on a dark one, seen on any background."""
        x, y, width, height = (int(round(value)) for value in box_xywh_px)
        for line, thickness in ((INK, self._px(3.5)), (colour, self._px(1.6))):
            cv2.rectangle(
                self.pixels, (x, y, width, height), line, thickness, cv2.LINE_AA
            )

    def title(self, face: FollowedFace) -> None:
        """Write identity, label and confidence on a plate above the face's box."""
        says = "unsure" if face.unsure else face.label
        text = f"#{face.face_id} {says} {face.smoothed.confidence:.0%}"
        width = self.width_of(text, 0.5) + self._px(10)
        height = self._px(20)
        x, y = face.face.box_xywh_px[:2]
        x = np.clip(x, 0, max(0, self.width - width))
        y = np.clip(y - height - self._px(2), 0, max(0, self.height - height))
        self.plate((x, y, width, height))
        self.write(text, x + self._px(5), y + self._px(14.5), WHITE, 0.5)

    def place_panel(
        self, box_xywh_px: np.ndarray, taken: list[np.ndarray]
    ) -> np.ndarray:
        """Return where a face's bars go [x, y, width, height]: the freest place near.

        Right of the box, left of it, below or above; where all are taken, the one that
        hides least.
        """
        places = list(self._places_around(box_xywh_px))
        hidden = [sum(iou(place, other) for other in taken) for place in places]
        return places[int(np.argmin(hidden))]

    def _places_around(self, box_xywh_px: np.ndarray) -> Iterator[np.ndarray]:
        x, y, width, height = box_xywh_px
        panel = np.array([self._px(126), self._px(7 * 13 + 8)])
        gap = self._px(5)
        for corner in (
            (x + width + gap, y),
            (x - panel[0] - gap, y),
            (x, y + height + gap),
            (x, y - panel[1] - self._px(24)),
        ):
            most = np.array([self.width, self.height - self._px(20)]) - panel
            yield np.concatenate([np.clip(corner, 0, np.maximum(most, 0)), panel])

    def bars(self, panel_xywh: np.ndarray, face: FollowedFace) -> None:
        """Draw the seven smoothed probabilities as bars on a plate."""
        self.plate(panel_xywh)
        x, y = panel_xywh[:2].astype(int) + self._px(4)
        start, length = x + self._px(54), self._px(62)
        for row, (name, value) in enumerate(
            zip(CLASSES, face.smoothed.probabilities, strict=True)
        ):
            top = y + self._px(13 * row)
            shown = name == face.label
            self.write(name, x, top + self._px(10), WHITE if shown else FAINT, 0.36)
            bar = (start, top + self._px(2.5), length, self._px(8))
            cv2.rectangle(self.pixels, bar, (70, 66, 64), cv2.FILLED)
            full = (*bar[:2], max(1, round(length * float(value))), bar[3])
            cv2.rectangle(self.pixels, full, COLOURS[name], cv2.FILLED)

    def foot(self, view: View) -> None:
        """Write rate, latencies and dropped frames along the lower edge."""
        stages = "  ".join(
            f"{stage} {time_ms:.1f}" for stage, time_ms in view.stages_ms.items()
        )
        text = f"{view.rate:.0f} fps   {stages} ms   dropped {view.dropped}"
        height = self._px(18)
        top = self.height - height
        self.plate((0, top, self.width, height))
        self.write(text, self._px(6), top + self._px(13), WHITE)
        if view.smoke:
            stamp = "SMOKE: knows nothing"
            x = self.width - self.width_of(stamp) - self._px(6)
            self.write(stamp, x, top + self._px(13), COLOURS["Angry"])
