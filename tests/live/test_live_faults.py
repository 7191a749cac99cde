"""A whole session on cameras that misbehave: every frame read is one that was taken."""

import csv
import threading

import cv2
import numpy as np
import pytest

from fer_tf import files
from fer_tf.errors import OutsideError
from fer_tf.live import camera
from fer_tf.live import play
from fer_tf.live import window
from fer_tf.live.detection import Detection
from fer_tf.live.recogniser import Recogniser
from fer_tf.live.rehearsal import detect_annotated

RED = (0, 0, 250)


def red(width=320, height=240):
    return np.full((height, width, 3), RED, np.uint8)


ODD_FRAMES = {
    "grey": np.full((240, 320), 90, np.uint8),
    "one channel": np.full((240, 320, 1), 90, np.uint8),
    "four channels": np.dstack([red(), np.full((240, 320), 255, np.uint8)]),
    "16 bits": red().astype(np.uint16) << 8,
    "grey of 16 bits": np.full((240, 320), 90 << 8, np.uint16),
    "1 x 1": red(1, 1),
    "a line": red(640, 1),
    "another size": red(200, 320),
    "8K": red(7680, 4320),
}


class Handed:
    """A camera that sends each of its frames when the one before has been read."""

    def __init__(self, frames, then=None):
        self.frames = list(frames)
        self.then = then
        self.read_so_far = threading.Semaphore(1)
        self.released = False

    def open(self, name):
        return self

    def isOpened(self):
        return not self.released

    def get(self, what):
        return 0.0

    def read(self):
        if not self.frames:
            return False, None
        assert self.read_so_far.acquire(timeout=20)
        return True, self.frames.pop(0)

    def release(self):
        self.released = True


def corner_face(size=60):
    return Detection(np.array([5.0, 5, size, size]), np.full((5, 2), 20.0), 0.9)


@pytest.fixture
def quickly(monkeypatch):
    monkeypatch.setattr(camera, "RETRY_S", 0.002)
    monkeypatch.setattr(camera, "TICK_S", 0.002)
    monkeypatch.setattr(camera, "PATIENCE_S", 1.5)


def play_camera(handed, classifier, live, folder, faces, **options):
    """Play a camera until it has sent all and is given up."""
    seen = []

    def detect(frame_bgr):
        assert frame_bgr.dtype == np.uint8 and frame_bgr.shape[2] == 3
        seen.append(frame_bgr)
        handed.read_so_far.release()
        return faces

    now = iter(range(10**9))
    source = camera.open_source(
        "0", capture=handed.open, clock=lambda: next(now) / 100
    )
    with pytest.raises(OutsideError, match="camera 0"):
        play.play(
            source,
            Recogniser(detect, classifier),
            live,
            name="0",
            folder=folder,
            **options,
        )
    assert handed.released
    return seen


@pytest.mark.parametrize(
    ("kind", "faces"),
    [*((kind, 1) for kind in ODD_FRAMES), ("grey", 0), ("another size", 50)],
)
def test_odd_frames_are_read_logged_and_drawn_among_usual_ones(
    stage, classifier, tmp_path, quickly, monkeypatch, kind, faces
):
    drawn = show_nothing(monkeypatch)
    odd = ODD_FRAMES[kind]
    handed = Handed([red(), odd, red()])
    found = [corner_face(20 + number) for number in range(faces)]
    seen = play_camera(
        handed, classifier, stage.live, tmp_path / "session", found, headless=False
    )
    assert [frame.shape[:2] for frame in seen] == [
        (240, 320),
        odd.shape[:2],
        (240, 320),
    ]
    assert len(drawn) >= 3
    rows = read_rows(tmp_path / "session")
    assert len(rows) == 3 * max(1, faces)
    summary = files.read_json(tmp_path / "session" / "session.json")
    assert summary["finished"] and summary["frames"] == 3
    # All faces of a frame in one call.
    assert [len(crops) for crops in classifier.calls] == [faces] * 3


def show_nothing(monkeypatch):
    """Stand in for HighGUI; return what would have been shown."""
    shown = []
    stubs = {
        "namedWindow": None,
        "resizeWindow": None,
        "destroyAllWindows": None,
        "getWindowProperty": 1.0,
        "waitKeyEx": -1,
    }
    monkeypatch.setattr(window, "_display_opens", lambda: True)
    for name, answer in stubs.items():
        monkeypatch.setattr(
            window.cv2, name, lambda *arguments, answer=answer: answer
        )
    monkeypatch.setattr(window.cv2, "imshow", lambda title, one: shown.append(one))
    return shown


def read_rows(folder):
    with open(folder / "frames.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_after_a_camera_is_gone_no_label_is_shown(
    stage, classifier, tmp_path, quickly, monkeypatch
):
    shown = show_nothing(monkeypatch)
    handed = Handed([red(), red()])
    play_camera(
        handed, classifier, stage.live, None, [corner_face()], headless=False
    )
    views = [one for one in shown if (one[..., 2] > 240).mean() > 0.3]
    silences = [one for one in shown if (one[..., 2] > 240).mean() <= 0.3]
    assert len(views) == 2
    assert len(silences) > 10
    for one in silences:
        assert (one.max(axis=2) - one.min(axis=2)).max() <= 12
    # And they come after, not between.
    assert [one is shown[place] for place, one in enumerate(views)] == [True, True]


def test_without_out_nothing_is_written_until_a_key_asks_for_it(
    stage, tmp_path, monkeypatch
):
    show_nothing(monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(play.time, "strftime", lambda form: "fer-tf-2031-05-04-120000")
    keys = iter([-1, ord("s"), ord("r"), -1, ord("r")])
    monkeypatch.setattr(window.cv2, "waitKeyEx", lambda wait_ms: next(keys, -1))
    folders = []
    monkeypatch.setattr(
        window.cv2, "imshow", lambda *arguments: folders.append(len(list_of(tmp_path)))
    )
    counts = play.play(
        stage.scripted,
        stage.recogniser,
        stage.live,
        name="0",
        headless=False,
        detect=detect_annotated,
        clock=iter(np.arange(0, 1e4, 0.01)).__next__,
    )
    assert counts["frames"] == 50
    assert folders[:2] == [0, 0] and folders[-1] == 1
    (kept,) = list_of(tmp_path)
    assert kept.name == "fer-tf-2031-05-04-120000"
    assert sorted(path.name for path in kept.iterdir()) == [
        "picture-000001.png",
        "recorded.mkv",
    ]
    film = cv2.VideoCapture(str(kept / "recorded.mkv"))
    assert film.read()[1].shape == (240, 320, 3)


def list_of(folder):
    return [path for path in folder.iterdir() if path.name.startswith("fer-tf-")]
