"""Frame to faces: framing, colours, one call for all; and the loop around it."""

import dataclasses
import pickle
import re

import cv2
import numpy as np
import pytest

from fer_tf import preprocess
from fer_tf.errors import UserError
from fer_tf.live import loop
from fer_tf.live import overlay
from fer_tf.live import recogniser
from fer_tf.live.detection import Detection
from fer_tf.live.frames import Frame
from fer_tf.live.frames import Silence
from fer_tf.live.recogniser import Recogniser
from fer_tf.live.rehearsal import detect_annotated
from fer_tf.quality import ACCEPT_ALL
from fer_tf.runtime.bundle import PredictionSets


def found(box, score=0.9):
    return Detection(np.array(box, float), np.zeros((5, 2)), score)


def accepting(boxes, classifier):
    """A recogniser that takes any crop for a face that can be used."""
    return Recogniser(lambda frame: boxes, classifier, thresholds=ACCEPT_ALL)


def views_of(stage):
    return [stage.reader(frame) for frame in stage.scripted]


def test_faces_are_framed_as_training_pictures_are(classifier, bundle):
    frame = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    box = [-5.0, 30.0, 44.0, 52.0]
    Recogniser(lambda frame: [found(box)], classifier)(frame)
    square = preprocess.square_around(box, bundle.face.framing)
    expected = preprocess.cut(frame, square)[..., ::-1]
    np.testing.assert_array_equal(classifier.calls[0][0], expected)


@pytest.mark.parametrize(
    ("frame", "received"),
    [
        (None, "None"),
        (np.zeros((120, 160, 3), np.float32), r"float32 \[120, 160, 3\]"),
        (np.zeros((120, 160), np.uint8), r"uint8 \[120, 160\]"),
        (np.zeros((120, 160, 4), np.uint8), r"uint8 \[120, 160, 4\]"),
        (np.zeros((0, 160, 3), np.uint8), r"uint8 \[0, 160, 3\]"),
        ("photo.jpg", "'photo.jpg'"),
    ],
)
def test_what_is_no_frame_is_named(classifier, frame, received):
    reader = Recogniser(lambda frame: [], classifier)
    for ask in (reader, lambda frame: reader.batch([frame])):
        with pytest.raises(UserError, match=f"cv2.imread.*received {received}"):
            ask(frame)


GRAY = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5
BGR = np.repeat(GRAY[..., None], 3, axis=2)


@pytest.mark.parametrize(
    "frame",
    [
        (BGR / 255).astype(np.float32),
        BGR.astype(np.float64) + 0.1,
        BGR.astype(np.uint16),
        BGR.astype(np.uint16) << 4,
        BGR.astype(np.int32) << 8,
        GRAY,
        GRAY[..., None],
        cv2.cvtColor(BGR, cv2.COLOR_BGR2BGRA),
        np.moveaxis(BGR, 2, 0),
    ],
)
def test_the_remedy_for_another_kind_of_array_is_code_that_works(classifier, frame):
    reader = Recogniser(lambda frame: [], classifier)
    with pytest.raises(UserError) as error:
        reader(frame)
    code = re.search(r"[Pp]ass (.+?\))(?=, |\.$)", str(error.value)).group(1)
    converted = eval(code, {"cv2": cv2, "frame": frame, "np": np})
    np.testing.assert_array_equal(converted, BGR)
    assert reader(converted) == []


@pytest.mark.parametrize(
    "frame", [-BGR.astype(int), np.full((6, 8, 3), np.nan), BGR[None], BGR * 1j]
)
def test_values_without_a_known_scale_are_refused(classifier, frame):
    with pytest.raises(UserError, match=re.escape(f"{frame.dtype} ")):
        Recogniser(lambda frame: [], classifier)(frame)


def test_every_face_of_a_frame_goes_in_one_call(classifier):
    frame = np.zeros((120, 160, 3), np.uint8)
    boxes = [found([0, 0, 30, 30]), found([50, 50, 40, 40]), found([90, 9, 20, 20])]
    faces = Recogniser(lambda frame: boxes, classifier)(frame)
    assert [len(crops) for crops in classifier.calls] == [3]
    assert len(faces) == 3


def test_a_batch_of_frames_is_one_call_and_answers_as_each_alone(classifier):
    noise = np.random.default_rng(0)
    sizes = [(120, 160), (60, 80), (90, 90)]
    frames = [noise.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]
    inside = {120: [[9, 9, 30, 30], [50, 50, 40, 40]], 60: [], 90: [[20, 9, 41, 47]]}
    reader = Recogniser(
        lambda frame: [found(box) for box in inside[len(frame)]], classifier
    )
    together = reader.batch(frames)
    assert [len(crops) for crops in classifier.calls] == [3]
    for faces, frame in zip(together, frames, strict=True):
        alone = reader(frame)
        assert len(faces) == len(alone) == len(inside[len(frame)])
        for one, other in zip(faces, alone, strict=True):
            np.testing.assert_array_equal(one.box_xywh_px, other.box_xywh_px)
            np.testing.assert_array_equal(one.probabilities, other.probabilities)
    assert reader.batch([]) == []


def test_a_face_is_cut_by_its_box_as_it_is_written_down(classifier, bundle):
    """Else a box read back from a session, rounded, may be cut a pixel elsewhere."""
    noise = np.random.default_rng(0)
    frame = noise.integers(0, 256, (200, 200, 3), dtype=np.uint8)
    boxes = noise.uniform(20, 120, (500, 4))
    faces = Recogniser(lambda frame: list(map(found, boxes)), classifier)(frame)
    for face, crop in zip(faces, classifier.calls[0], strict=True):
        written = [round(float(value), 2) for value in face.box_xywh_px]
        assert face.box_xywh_px.tolist() == written
        square = preprocess.square_around(written, bundle.face.framing)
        np.testing.assert_array_equal(crop, preprocess.cut(frame, square)[..., ::-1])


class TwoWays:
    """A detector that takes its time for an image."""

    def __init__(self):
        self.calls = []

    def __call__(self, frame_bgr):
        self.calls.append("frame")
        return []

    def detect_image(self, image_bgr):
        self.calls.append("image")
        return [found([10, 10, 30, 30])]


def test_images_are_detected_as_images_and_frames_of_a_video_as_frames(classifier):
    detector = TwoWays()
    pixels = np.zeros((60, 60, 3), np.uint8)
    reader = Recogniser(detector, classifier)
    assert len(reader(pixels)) == 1
    assert [len(faces) for faces in reader.batch([pixels, pixels])] == [1, 1]
    assert detector.calls == ["image"] * 3
    detector.calls.clear()
    view = loop.Reader(reader, loop.LiveConfig())(Frame(0, 0.0, pixels))
    assert view.faces == ()
    assert detector.calls == ["frame"]


def test_red_is_red(classifier):
    frame = np.zeros((60, 60, 3), np.uint8)
    frame[..., 2] = 250
    (face,) = accepting([found([10, 10, 30, 30])], classifier)(frame)
    assert face.label == "Angry"
    assert face.confidence == pytest.approx(0.82 / 0.94, rel=1e-5)
    assert not face.abstained


def test_a_confidence_below_the_threshold_abstains(classifier):
    frame = np.full((60, 60, 3), 250, np.uint8)
    (face,) = accepting([found([10, 10, 30, 30])], classifier)(frame)
    assert face.confidence < classifier.bundle.abstain.threshold
    assert face.abstained
    assert face.unsure_reason == "low_confidence"


class Confident:
    """A classifier that is sure of any crop."""

    def __init__(self, bundle):
        self.bundle = bundle

    def __call__(self, crops):
        return np.array([[0.94, *[0.01] * 6]] * len(crops), np.float32)


def textured(size=120):
    """A frame with the contrast, tones and detail of a face."""
    coarse = np.random.default_rng(0).integers(0, 256, (15, 15), dtype=np.uint8)
    gray = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.repeat(gray[..., None], 3, axis=2)


@pytest.mark.parametrize(
    ("change", "box", "reason"),
    [
        (lambda frame: frame, [30, 30, 60, 60], ""),
        (lambda frame: 0 * frame + 90, [30, 30, 60, 60], "low_contrast"),
        (lambda frame: frame // 10, [30, 30, 60, 60], "too_dark"),
        (lambda frame: frame, [51, 51, 19, 19], "too_small"),
        (lambda frame: cv2.GaussianBlur(frame, (0, 0), 8), [30, 30, 60, 60], "blurred"),
        (lambda frame: frame[:75, :75], [30, 30, 60, 60], "outside_frame"),
    ],
)
def test_an_unusable_face_is_unsure_however_confident_the_model_is(
    classifier, change, box, reason
):
    sets = PredictionSets(0.5, 0.9, "validation")
    classifier.bundle = dataclasses.replace(classifier.bundle, prediction_sets=sets)
    frame = np.ascontiguousarray(change(textured()))
    confident = Confident(classifier.bundle)
    (face,) = Recogniser(lambda frame: [found(box)], confident)(frame)
    assert (face.label, face.unsure_reason) == ("Angry", reason)
    assert face.confidence > classifier.bundle.abstain.threshold
    assert face.abstained is bool(reason)
    assert len(face.prediction_set) == (7 if reason else 1)


def test_a_face_has_the_bundles_prediction_set_likeliest_first(classifier):
    frame = np.zeros((60, 60, 3), np.uint8)
    frame[..., 2] = 250
    reader = accepting([found([10, 10, 30, 30])], classifier)
    (face,) = reader(frame)
    assert face.prediction_set is None
    for threshold, held in [(0.0, 7), (0.5, 1), (0.95, 0)]:
        sets = PredictionSets(threshold, 0.9, "validation")
        classifier.bundle = dataclasses.replace(
            classifier.bundle, prediction_sets=sets
        )
        (face,) = reader(frame)
        assert len(face.prediction_set) == held
        assert face.prediction_set[:1] == ("Angry",)[:held]


def test_a_cropped_face_is_taken_whole(classifier):
    frame = np.random.default_rng(0).integers(0, 256, (30, 50, 3), dtype=np.uint8)
    whole = Recogniser(lambda frame: [found([0, 0, 50, 30])], classifier, cropped=True)
    whole(frame)
    np.testing.assert_array_equal(classifier.calls[0][0], frame[..., ::-1])


class OneFace:
    """A detector that can be pickled."""

    def __call__(self, frame_bgr):
        return [found([4, 4, 20, 20])]


def test_a_pickled_recogniser_predicts_the_same(tiny_bundle):
    frame = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    loaded = recogniser.load(tiny_bundle, detector=OneFace())
    (face,) = loaded(frame)
    (again,) = pickle.loads(pickle.dumps(loaded))(frame)
    np.testing.assert_array_equal(again.probabilities, face.probabilities)


def test_without_a_bundle_the_way_to_one_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(recogniser.resources, "files", lambda package: tmp_path)
    with pytest.raises(UserError, match="fer-tf run.*--bundle"):
        recogniser.load()


def test_the_shipped_bundle_is_the_default(monkeypatch, tmp_path, tiny_bundle):
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "student").symlink_to(tiny_bundle)
    monkeypatch.setattr(recogniser.resources, "files", lambda package: tmp_path)
    loaded = recogniser.load(detector=lambda frame: [found([4, 4, 20, 20])])
    (face,) = loaded(np.full((40, 40, 3), 128, np.uint8))
    assert loaded.bundle.name == "tiny"
    assert face.probabilities.sum() == pytest.approx(1, abs=1e-5)


def test_the_loop_follows_each_face_and_says_what_it_shows(stage):
    views = views_of(stage)
    assert [len(view.faces) for view in views].count(2) == 49
    assert views[12].faces == ()
    for view in views:
        for face in view.faces:
            assert face.label == face.true_label
    assert {face.face_id for view in views for face in view.faces} == {1, 2}


def test_the_model_never_sees_what_was_drawn(stage, film, classifier):
    before = [frame.pixels_bgr.copy() for frame in film]
    shown = []
    loop.run(
        stage.scripted,
        stage.reader,
        screens=[lambda view: shown.append(overlay.draw(view)) or True],
    )
    assert len(shown) == 50
    for frame, original, drawn in zip(film, before, shown, strict=True):
        np.testing.assert_array_equal(frame.pixels_bgr, original)
        assert (drawn != original).any()
    colours = {tuple(crop[0, 0]) for crops in classifier.calls for crop in crops}
    assert colours == {(250, 0, 0), (0, 250, 0), (0, 0, 250)}


def test_stages_are_timed_by_the_clock_that_was_given(stage):
    ticks = iter([0.0, 0.010, 0.013, 0.014])
    reader = loop.Reader(
        stage.recogniser,
        stage.live,
        detect=detect_annotated,
        clock=lambda: next(ticks),
    )
    view = reader(next(iter(stage.scripted)))
    assert view.stages_ms == pytest.approx({"detect": 10, "classify": 3, "total": 14})


def test_frames_that_nobody_saw_are_counted(classifier):
    reader = loop.Reader(
        Recogniser(lambda frame: [], classifier), loop.LiveConfig()
    )
    pixels = np.zeros((20, 20, 3), np.uint8)
    dropped = [reader(Frame(i, 40.0 * i, pixels)).dropped for i in (0, 1, 4, 5, 9)]
    assert dropped == [0, 0, 2, 2, 5]


def test_a_screen_can_end_the_loop(stage):
    seen = []
    loop.run(
        stage.scripted, stage.reader, [seen.append], [lambda view: False]
    )
    assert len(seen) == 1


def test_smoothing_does_not_outlive_a_face(classifier, film):
    """Fault 9: the face that comes back is not what the one that left had been."""
    live = loop.LiveConfig(smoothing_ms=1e9, hold_ms=1e9, forget_ms=500)
    boxes = [found([20, 40, 40, 40])]
    reader = loop.Reader(accepting(boxes, classifier), live)
    angry, happy = film[0].pixels_bgr, film[-1].pixels_bgr.copy()
    happy[40:80, 20:60] = (0, 250, 0)
    assert reader(Frame(0, 0, angry)).faces[0].label == "Angry"
    assert reader(Frame(1, 400, happy)).faces[0].label == "Angry"
    (late,) = reader(Frame(2, 1000, happy)).faces
    assert (late.label, late.face_id) == ("Happy", 2)


def test_the_state_of_a_face_is_dropped_with_its_track(classifier, monkeypatch):
    kept = []
    monkeypatch.setattr(loop.Smoother, "keep_only", lambda self, ids: kept.append(ids))
    boxes = [found([20, 40, 40, 40])]
    reader = loop.Reader(
        Recogniser(lambda frame: boxes, classifier), loop.LiveConfig(forget_ms=500)
    )
    pixels = np.zeros((120, 160, 3), np.uint8)
    reader(Frame(0, 0, pixels))
    boxes.clear()
    reader(Frame(1, 400, pixels))
    reader(Frame(2, 501, pixels))
    assert kept == [{1}, {1}, set()]


SILENT = Silence("camera 0 sends nothing", 2.0)


def test_in_a_silence_nothing_is_read_logged_or_shown_again(stage, caplog):
    first, second, *_ = stage.scripted
    stage.recogniser.detect = lambda frame: []
    reader = loop.Reader(stage.recogniser, stage.live)
    source = [first, Silence("", 0.2), SILENT, SILENT, Silence("", 0.1), second]
    logged, shown = [], []
    loop.run(source, reader, [logged.append], [lambda seen: shown.append(seen) or True])
    assert [view.frame for view in logged] == [first, second]
    assert [getattr(seen, "frame", seen) for seen in shown] == source
    # It is told of once, and once more when it is over.
    assert [record.message for record in caplog.records] == [
        "camera 0 sends nothing",
        "frames are coming again",
    ]


def test_without_the_detector_faces_are_carried(classifier, film):
    looked_at = []

    def detect(frame):
        looked_at.append(frame)
        return [found([20, 40, 40, 40])]

    live = loop.LiveConfig(detect_every=3)
    reader = loop.Reader(Recogniser(detect, classifier), live)
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    still = cv2.resize(noise, (320, 240), interpolation=cv2.INTER_CUBIC)
    views = [reader(Frame(index, 40.0 * index, still)) for index in range(7)]
    assert len(looked_at) == 3
    assert {face.face_id for view in views for face in view.faces} == {1}
    assert all(len(view.faces) == 1 for view in views)
