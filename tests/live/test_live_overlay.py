"""What is drawn, on which background and at which size; the frame stays as it was."""

import cv2
import numpy as np
import pytest

from fer_tf.live import overlay
from fer_tf.live.canvas import Canvas
from fer_tf.live.canvas import WHITE
from fer_tf.live.frames import Frame
from fer_tf.live.frames import Silence
from fer_tf.live.recogniser import Face
from fer_tf.live.smoothing import Smoothed
from fer_tf.live.view import FollowedFace
from fer_tf.live.view import View
from fer_tf.quality import UnsureReason

BOX = (60, 60, 140, 140)


def face_at(box, face_id=1, reason=UnsureReason.NONE):
    probabilities = np.array([0.02, 0.01, 0.03, 0.8, 0.04, 0.05, 0.05])
    points = np.array(box[:2]) + np.array(box[2:]) * [[0.3, 0.4]] * 5
    face = Face(
        box_xywh_px=np.array(box, float),
        landmarks_px=np.array(points, float),
        score=0.9,
        probabilities=probabilities,
        label="Happy",
        confidence=0.8,
        prediction_set=None,
        unsure_reason=reason,
    )
    return FollowedFace(face_id, face, Smoothed(probabilities, 3, reason))


def view_of(size_wh, boxes=(BOX,), grey=90, **options):
    pixels = np.full((size_wh[1], size_wh[0], 3), grey, np.uint8)
    faces = tuple(face_at(box, number) for number, box in enumerate(boxes, start=1))
    stages = {"detect": 7.0, "classify": 2.0, "total": 9.5}
    return View(Frame(0, 0.0, pixels), faces, stages, 30.0, 2, False, **options)


@pytest.mark.parametrize(
    ("size", "drawn_size"),
    [
        ((640, 480), (640, 480)),
        ((320, 240), (320, 240)),
        ((1080, 1920), (1080, 1920)),
        ((3840, 2160), (3840, 2160)),
        ((160, 120), (320, 240)),
        ((1, 1), (240, 240)),
        ((7680, 4320), (3840, 2160)),
        ((9000, 2), (3840, 1)),
    ],
)
def test_frames_of_any_size_are_drawn_on_a_copy_on_which_one_can_write(
    size, drawn_size
):
    view = view_of(size)
    before = view.frame.pixels_bgr.copy()
    drawn = overlay.draw(view)
    np.testing.assert_array_equal(view.frame.pixels_bgr, before)
    assert drawn.shape == (*drawn_size[::-1], 3) and drawn.dtype == np.uint8
    assert len(np.unique(drawn)) > 1


def test_writing_grows_with_the_frame():
    small, large = Canvas(np.zeros((480, 640, 3))), Canvas(np.zeros((2160, 3840, 3)))
    assert large.width_of("Happy") == pytest.approx(4.5 * small.width_of("Happy"), 0.1)


@pytest.mark.parametrize("grey", [0, 255])
def test_writing_stands_out_from_light_and_dark(grey):
    drawn = overlay.draw(view_of((640, 480), grey=grey)).astype(int)
    foot = drawn[-20:]
    assert np.percentile(foot, 50) < 90
    assert foot.max() > 220
    # The box has a light line and a dark one, whatever is around it.
    edge = drawn[100:150, 55:66].mean(axis=2)
    assert edge.min() < 60 and edge.max() > 130


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        (UnsureReason.NONE, "#1 Happy 80%"),
        (UnsureReason.LOW_CONFIDENCE, "#1 unsure"),
        (UnsureReason.TOO_DARK, "#1 unsure: too dark"),
        (UnsureReason.BLURRED, "#1 unsure: blurred"),
    ],
)
def test_a_share_stands_beside_a_label_alone(reason, text):
    """A share beside "unsure" would read as how unsure."""
    canvas = Canvas(np.zeros((480, 640, 3), np.uint8))
    title = overlay._Title.of(canvas, np.array(BOX, float), face_at(BOX, 1, reason))
    assert title.text == text


def test_unsure_no_class_stands_out_among_the_bars(monkeypatch):
    """A name in white would say after all what "unsure" holds back."""
    canvas = Canvas(np.zeros((480, 640, 3), np.uint8))
    colours = {}
    monkeypatch.setattr(
        canvas, "write", lambda text, x, y, colour, size: colours.update({text: colour})
    )
    panel = np.array([10, 10, 126, 99])
    overlay._bars(canvas, panel, face_at(BOX))
    assert [text for text, colour in colours.items() if colour == WHITE] == ["Happy"]
    overlay._bars(canvas, panel, face_at(BOX, reason=UnsureReason.TOO_DARK))
    assert WHITE not in colours.values()


def test_the_bars_of_an_unusable_face_have_no_color(monkeypatch):
    canvas = Canvas(np.zeros((480, 640, 3), np.uint8))
    fills = []
    monkeypatch.setattr(canvas, "fill", lambda xywh, color: fills.append(color))
    panel = np.array([10, 10, 126, 99])
    overlay._bars(canvas, panel, face_at(BOX, reason=UnsureReason.LOW_CONFIDENCE))
    assert fills[1::2] == list(overlay.COLOURS.values())
    fills.clear()
    overlay._bars(canvas, panel, face_at(BOX, reason=UnsureReason.BLURRED))
    assert set(fills) == {overlay.TRACK, overlay.UNSURE}


@pytest.mark.parametrize(
    "box",
    [(-40, -30, 90, 90), (600, 440, 90, 90), (-50, 200, 60, 60), (0, 0, 640, 480)],
)
def test_a_face_at_the_frames_edge_has_its_label_and_bars_inside(box):
    canvas = Canvas(np.zeros((480, 640, 3), np.uint8))
    (panel,) = overlay.place_panels(canvas, [np.array(box, float)], [], 20)
    assert (panel[:2] >= 0).all()
    assert (panel[:2] + panel[2:] <= (640, 460)).all()
    plain = overlay.draw(view_of((640, 480), ()))
    assert (overlay.draw(view_of((640, 480), (box,))) != plain).any()


def test_bars_hide_no_face_where_there_is_room():
    canvas = Canvas(np.zeros((480, 640, 3), np.uint8))
    boxes = [np.array([60.0, 60, 140, 140]), np.array([400.0, 60, 140, 140])]
    taken = [*boxes, *overlay.place_panels(canvas, boxes, [], 20)]
    for number in range(4):
        others = np.array(taken[:number] + taken[number + 1:])
        assert overlay._hidden(taken[number], others) == 0


def test_of_fifty_faces_only_those_with_room_have_bars():
    boxes = [(20 + 125 * (n % 10), 40 + 130 * (n // 10), 80, 90) for n in range(50)]
    view = view_of((1280, 720), boxes)
    canvas = Canvas(view.frame.pixels_bgr)
    boxes = [np.array(box, float) for box in boxes]
    panels = overlay.place_panels(canvas, boxes, [], 20)
    assert panels[0] is not None
    for panel in filter(lambda one: one is not None, panels[1:]):
        assert overlay._hidden(panel, np.array(boxes)) <= overlay.MOST_HIDDEN
    assert sum(panel is not None for panel in panels) < 10
    assert overlay.draw(view).shape == (720, 1280, 3)


def test_a_mirrored_box_is_where_the_mirrored_face_is():
    pixels = np.zeros((480, 640, 3), np.uint8)
    pixels[60:200, 60:200] = 255
    canvas = Canvas(pixels, mirror=True)
    x, y, width, height = canvas.box_of(np.array(BOX)).astype(int)
    assert (x, y, width, height) == (440, 60, 140, 140)
    assert canvas.pixels[y:y + height, x:x + width].min() == 255
    np.testing.assert_array_equal(canvas.points_of([[60.0, 70.0]]), [[580, 70]])


def test_a_narrow_foot_has_more_lines():
    narrow, wide = view_of((300, 400), ()), view_of((1280, 400), ())
    look = overlay.Look()
    feet = [
        overlay._foot(Canvas(view.frame.pixels_bgr), view, look)
        for view in (narrow, wide)
    ]
    assert feet == [36, 18]


@pytest.mark.parametrize("size", [(640, 480), (160, 120), (1, 1), (3840, 2160)])
def test_a_silence_can_be_told_at_any_size(size):
    silence = Silence("camera 0 is gone, trying to open it again", 12.3)
    drawn = overlay.draw_silence(silence, size, overlay.Look(notes=("a note",)))
    assert drawn.max() > 200


def test_help_fits_into_small_frames():
    from fer_tf.live.controls import HELP

    drawn = overlay.draw(view_of((320, 240), ()), overlay.Look(help=HELP))
    plain = overlay.draw(view_of((320, 240), ()))
    changed = (drawn != plain).any(axis=2)
    rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
    assert rows[0] > 0 and rows[-1] < 239
    assert columns[0] > 0 and columns[-1] < 319


def test_drawing_is_the_same_every_time():
    view = view_of((640, 480))
    np.testing.assert_array_equal(overlay.draw(view), overlay.draw(view))
    assert cv2.countNonZero(overlay.draw(view)[..., 0]) > 0
