"""Draws what was seen, always on a copy: no model ever sees a box that we drew."""

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from fer_tf.labels import CLASSES
from fer_tf.live.canvas import Canvas
from fer_tf.live.canvas import FAINT
from fer_tf.live.canvas import MOST_PX
from fer_tf.live.canvas import WHITE
from fer_tf.live.frames import Silence
from fer_tf.live.view import FollowedFace
from fer_tf.live.view import View

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
RED = (60, 60, 230)
TRACK = (70, 66, 64)
# Bars that would hide more than this of a face, a title or other bars are left out.
MOST_HIDDEN = 0.15
# A title is written smaller where it would be wider than so many faces, to a limit.
TITLE_FACES = 1.8
TITLE_SIZES = (0.34, 0.5)
PANEL = (126, 7 * 13 + 8)
LINE = 18


@dataclass(frozen=True)
class Look:
    """What is shown beside faces, labels and bars.

    Attributes:
        mirror: as in a mirror; writing stays readable.
        landmarks: the detector's five points.
        recording: the badge.
        help: what the keys do, in lines of key and meaning.
        notes: lines in the upper left corner.
        more_ms: stages to tell of beside the view's own, in milliseconds.
    """

    mirror: bool = False
    landmarks: bool = False
    recording: bool = False
    help: Sequence[tuple[str, str]] = ()
    notes: Sequence[str] = ()
    more_ms: tuple[tuple[str, float], ...] = ()


def draw(view: View, look: Look = Look(), most_px: int = MOST_PX) -> np.ndarray:
    """Return a copy of the view's frame with all that is known drawn on it.

    Each face has its box, its label and confidence (or "unsure" and why) and, where
    there is room, seven bars; at the foot stand the rate, each stage's latency and the
    frames dropped.

    Args:
        most_px: the longer side of the copy, at most; small frames are enlarged.
    """
    canvas = Canvas(view.frame.pixels_bgr, most_px, look.mirror)
    faces = sorted(view.faces, key=lambda face: -np.prod(face.face.box_xywh_px[2:]))
    boxes = [canvas.box_of(face.face.box_xywh_px) for face in faces]
    for face, box in zip(faces, boxes, strict=True):
        canvas.frame(box, _colour(face))
        if look.landmarks:
            for point in canvas.points_of(face.face.landmarks_px):
                canvas.dot(point, WHITE, 1.5)
    foot_px = _foot(canvas, view, look)
    titles = [
        _Title.of(canvas, box, face) for face, box in zip(faces, boxes, strict=True)
    ]
    panels = place_panels(canvas, boxes, [title.xywh for title in titles], foot_px)
    for face, panel in zip(faces, panels, strict=True):
        if panel is not None:
            _bars(canvas, panel, face)
    # The largest face's title last, on top of all others.
    for title in reversed(titles):
        title.draw(canvas)
    _surroundings(canvas, look)
    return canvas.pixels


def draw_silence(
    silence: Silence, size_wh_px: tuple[int, int], look: Look = Look()
) -> np.ndarray:
    """Return a dark picture that says why there is no frame, and for how long."""
    width, height = size_wh_px
    canvas = Canvas(np.full((height, width, 3), 40, np.uint8))
    words = f"{silence.why}: {silence.for_s:.0f} s".split()
    lines = canvas.wrap(words, " ", 0.5)
    top = (canvas.height - canvas.px(LINE * len(lines))) / 2
    for number, line in enumerate(lines, start=1):
        x = (canvas.width - canvas.width_of(line, 0.5)) / 2
        canvas.write(line, x, top + canvas.px(LINE * number), WHITE, 0.5)
    _surroundings(canvas, look)
    return canvas.pixels


def _colour(face: FollowedFace) -> tuple[int, int, int]:
    return UNSURE if face.unsure else COLOURS[face.label]


def _words(face: FollowedFace) -> str:
    """Return what a face's title says of it."""
    if not face.unsure:
        return f"{face.label} {face.smoothed.confidence:.0%}"
    # A low confidence is what "unsure" means anyway.
    usable = face.unsure_reason.is_usable
    return "unsure" if usable else f"unsure: {face.unsure_reason.words}"


@dataclass(frozen=True, eq=False)
class _Title:
    """Identity, label and confidence on a plate above a face's box."""

    text: str
    size: float
    xywh: tuple[float, float, int, int]

    @classmethod
    def of(cls, canvas: Canvas, box: np.ndarray, face: FollowedFace) -> "_Title":
        text = f"#{face.face_id} {_words(face)}"
        if face.true_label:
            text += f" (true: {face.true_label})"
        least, most = TITLE_SIZES
        wanted = most * TITLE_FACES * max(box[2], 1) / canvas.width_of(text, most)
        size = float(np.clip(wanted, least, most))
        width = canvas.width_of(text, size) + canvas.px(20 * size)
        height = canvas.px(40 * size)
        x = np.clip(box[0], 0, max(0, canvas.width - width))
        y = np.clip(box[1] - height - canvas.px(2), 0, max(0, canvas.height - height))
        return cls(text, size, (x, y, width, height))

    def draw(self, canvas: Canvas) -> None:
        canvas.plate(self.xywh)
        x = self.xywh[0] + canvas.px(10 * self.size)
        baseline = self.xywh[1] + canvas.px(29 * self.size)
        canvas.write(self.text, x, baseline, WHITE, self.size)


def place_panels(
    canvas: Canvas,
    boxes: Sequence[np.ndarray],
    titles: Sequence[Sequence[float]],
    foot_px: int,
) -> list[np.ndarray | None]:
    """Return where each face's bars go [x, y, width, height]: the freest place near.

    Right of the box, left of it, below or above; None where all hide too much. The
    first face always has its bars.

    Args:
        boxes: the faces' boxes on the canvas, the most important first.
        titles: where their titles are.
        foot_px: what is taken at the lower edge.
    """
    taken = [*boxes, *titles]
    panels: list[np.ndarray | None] = []
    for box in boxes:
        places = _places_around(canvas, box, foot_px)
        hidden = [_hidden(place, np.array(taken)) for place in places]
        best = int(np.argmin(hidden))
        if hidden[best] <= MOST_HIDDEN or not panels:
            panels.append(places[best])
            taken.append(places[best])
        else:
            panels.append(None)
    return panels


def _places_around(canvas: Canvas, box: np.ndarray, foot_px: int) -> list[np.ndarray]:
    x, y, width, height = box
    panel = np.array([canvas.px(units) for units in PANEL])
    gap = canvas.px(5)
    most = np.maximum(np.array([canvas.width, canvas.height - foot_px]) - panel, 0)
    return [
        np.concatenate([np.clip(corner, 0, most), panel])
        for corner in (
            (x + width + gap, y),
            (x - panel[0] - gap, y),
            (x, y + height + gap),
            (x, y - panel[1] - canvas.px(24)),
        )
    ]


def _hidden(place: np.ndarray, others: np.ndarray) -> float:
    """Return how much of any of the rectangles [n, 4] one hides at most, in 0..1.

    As a share of the smaller of the two.
    """
    starts = np.maximum(place[:2], others[:, :2])
    ends = np.minimum(place[:2] + place[2:], others[:, :2] + others[:, 2:])
    shared = np.prod(np.maximum(ends - starts, 0), axis=1)
    smaller = np.minimum(np.prod(place[2:]), np.prod(others[:, 2:], axis=1))
    return float(np.max(shared / np.maximum(smaller, 1)))


def _bars(canvas: Canvas, panel: np.ndarray, face: FollowedFace) -> None:
    """Draw the seven smoothed probabilities as bars on a plate."""
    canvas.plate(panel)
    x, y = panel[:2].astype(int) + canvas.px(4)
    start, length = x + canvas.px(54), canvas.px(62)
    for row, (name, value) in enumerate(
        zip(CLASSES, face.smoothed.probabilities, strict=True)
    ):
        top = y + canvas.px(13 * row)
        said = name == face.label and not face.unsure
        colour = WHITE if said else FAINT
        canvas.write(name, x, top + canvas.px(10), colour, 0.36)
        bar = (start, top + canvas.px(2.5), length, canvas.px(8))
        canvas.fill(bar, TRACK)
        # In color only where the bars are evidence.
        usable = face.unsure_reason.is_usable
        canvas.fill(
            (*bar[:2], max(1, round(length * float(value))), bar[3]),
            COLOURS[name] if usable else UNSURE,
        )


def _foot(canvas: Canvas, view: View, look: Look) -> int:
    """Write rate, latencies and dropped frames along the lower edge.

    Returns:
        The height that this takes, in pixels.
    """
    stages = (*view.stages_ms.items(), *look.more_ms)
    parts = [f"{view.rate:.0f} fps"]
    parts += [f"{stage} {time_ms:.1f} ms" for stage, time_ms in stages]
    parts += [f"dropped {view.dropped}"]
    parts += ["SMOKE: knows nothing"] * view.smoke
    lines = canvas.wrap(parts, "   ")
    height = canvas.px(LINE) * len(lines)
    canvas.plate((0, canvas.height - height, canvas.width, height))
    for number, line in enumerate(lines):
        baseline = canvas.height - height + canvas.px(LINE) * number + canvas.px(13)
        colour = COLOURS["Angry"] if "SMOKE" in line else WHITE
        canvas.write(line, canvas.px(6), baseline, colour)
    return height


def _surroundings(canvas: Canvas, look: Look) -> None:
    """Draw what is shown whether there is a frame or not: notes, badge, help."""
    # The badge's corner is left free.
    for number, note in enumerate(canvas.wrap(look.notes, "   |   ", kept_free=75)):
        width = canvas.width_of(note) + canvas.px(12)
        top = canvas.px(4) + number * canvas.px(LINE + 2)
        canvas.plate((canvas.px(4), top, width, canvas.px(LINE)))
        canvas.write(note, canvas.px(10), top + canvas.px(13), WHITE)
    if look.recording:
        x = canvas.width - canvas.px(50)
        canvas.plate((x, canvas.px(4), canvas.px(46), canvas.px(LINE)))
        canvas.dot(np.array([x + canvas.px(10), canvas.px(13)]), RED, 4)
        canvas.write("REC", x + canvas.px(18), canvas.px(17), WHITE)
    if look.help:
        _help(canvas, dict(look.help))


def _help(canvas: Canvas, keys: Mapping[str, str]) -> None:
    """Write what the keys do on a plate in the middle."""
    keys_px = max(canvas.width_of(key) for key in keys) + canvas.px(14)
    width = keys_px + max(map(canvas.width_of, keys.values())) + canvas.px(20)
    height = canvas.px(LINE) * len(keys) + canvas.px(12)
    left, top = (canvas.width - width) // 2, (canvas.height - height) // 2
    for _ in range(2):
        canvas.plate((left, top, width, height))
    for number, (key, meaning) in enumerate(keys.items(), start=1):
        baseline = top + canvas.px(LINE) * number
        canvas.write(key, left + canvas.px(10), baseline, WHITE)
        canvas.write(meaning, left + canvas.px(10) + keys_px, baseline, FAINT)
    cv2.rectangle(canvas.pixels, (left, top, width, height), FAINT, 1)
