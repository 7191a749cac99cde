"""Frames and their times, from sources that behave and sources that do not."""

import threading

import cv2
import numpy as np
import pytest

from fer_tf.errors import OutsideError
from fer_tf.errors import UserError
from fer_tf.live import camera
from fer_tf.picture import encode_png


class Capture:
    """Stands for cv2.VideoCapture: frames whose value is their number, then none."""

    def __init__(self, frames=3, times_ms=None, rate=25.0, opened=True):
        self.frames = frames
        self.times_ms = times_ms
        self.rate = rate
        self.opened = opened
        self.position = -1
        self.released = False

    def isOpened(self):
        return self.opened

    def read(self):
        if self.position + 1 >= self.frames:
            return False, None
        self.position += 1
        return True, np.full((4, 6, 3), self.position, np.uint8)

    def get(self, what):
        if what == cv2.CAP_PROP_FPS:
            return self.rate
        assert what == cv2.CAP_PROP_POS_MSEC
        return self.times_ms[self.position]

    def release(self):
        self.released = True


@pytest.fixture
def some_file(tmp_path):
    path = tmp_path / "film.mp4"
    path.write_bytes(b"what is in it is the capture's business")
    return path


def frames_of(path, **capture):
    source = camera.open_source(str(path), capture=lambda name: Capture(**capture))
    return list(source)


def test_a_film_gives_every_frame_at_its_own_time(some_file):
    frames = frames_of(some_file, times_ms=[0.0, 41.7, 75.1])
    assert [frame.index for frame in frames] == [0, 1, 2]
    assert [frame.time_ms for frame in frames] == [0.0, 41.7, 75.1]
    assert [frame.pixels_bgr[0, 0, 0] for frame in frames] == [0, 1, 2]


@pytest.mark.parametrize(
    ("times_ms", "expected"),
    [
        ([0.0, 0.0, 0.0], [0, 40, 80]),
        ([float("nan")] * 3, [0, 40, 80]),
        ([-1e9, -1e9, -1e9], [0, 40, 80]),
        ([0.0, 1e12, 80.0], [0, 40, 80]),
        ([0.0, 100.0, 50.0], [0, 100, 101]),
    ],
)
def test_a_film_whose_clock_talks_nonsense_goes_by_its_rate(
    some_file, times_ms, expected
):
    frames = frames_of(some_file, times_ms=times_ms)
    assert [frame.time_ms for frame in frames] == expected


@pytest.mark.parametrize("rate", [0.0, float("nan"), 90_000.0, -1.0])
def test_a_film_that_does_not_know_its_rate_has_a_usual_one(some_file, rate):
    frames = frames_of(some_file, times_ms=[0.0] * 3, rate=rate)
    assert [frame.time_ms for frame in frames] == [0, 40, 80]


def test_a_film_without_a_frame_is_named(some_file):
    with pytest.raises(OutsideError, match="film.mp4 opens, but no frame"):
        frames_of(some_file, frames=0)


def test_a_file_that_is_no_film_is_named(some_file):
    with pytest.raises(OutsideError, match="film.mp4 cannot be opened as a film"):
        camera.open_source(str(some_file))


def test_what_is_not_there_or_empty_is_the_users_mistake(tmp_path):
    with pytest.raises(UserError, match="there is no .*missing.mp4"):
        camera.open_source(str(tmp_path / "missing.mp4"))
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(UserError, match="empty.mp4 is empty"):
        camera.open_source(str(tmp_path / "empty.mp4"))
    with pytest.raises(UserError, match="holds no pictures"):
        camera.open_source(str(tmp_path))


@pytest.mark.parametrize("source", ["7", "rtsp://camera.local/stream"])
def test_a_camera_that_does_not_open_is_named(source):
    with pytest.raises(OutsideError, match=f"{source} does not open"):
        camera.open_source(source, capture=lambda name: Capture(opened=False))


def test_a_folder_gives_its_pictures_in_order_far_apart(tmp_path):
    for name, value in (("b.png", 20), ("a.png", 10)):
        path = tmp_path / name
        path.write_bytes(encode_png(np.full((9, 9), value, np.uint8)))
    (tmp_path / "notes.txt").write_text("no picture")
    frames = list(camera.open_source(str(tmp_path)))
    assert [frame.pixels_bgr[0, 0, 0] for frame in frames] == [10, 20]
    assert [frame.time_ms for frame in frames] == [0, 1000]


def test_a_picture_keeps_its_colours_as_bgr(tmp_path):
    path = tmp_path / "red.png"
    path.write_bytes(encode_png(np.full((8, 8, 3), (200, 20, 10), np.uint8)))
    (frame,) = camera.open_source(str(path))
    assert frame.pixels_bgr[0, 0].tolist() == [10, 20, 200]


def test_a_damaged_picture_is_named(tmp_path):
    path = tmp_path / "broken.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n broken")
    with pytest.raises(OutsideError, match="broken.png cannot be read"):
        list(camera.open_source(str(path)))


@pytest.mark.parametrize(
    "pixels",
    [
        np.full((4, 6), 77, np.uint8),
        np.full((4, 6, 1), 77, np.uint8),
        np.full((4, 6, 3), 77, np.uint8),
        np.full((4, 6, 4), 77, np.uint8),
        np.full((4, 6), 77 * 256 + 13, np.uint16),
        np.full((4, 6, 3), 77 * 256 + 13, np.uint16),
    ],
)
def test_every_kind_of_frame_becomes_bgr_of_eight_bits(pixels):
    bgr = camera.as_bgr(pixels)
    assert bgr.dtype == np.uint8
    np.testing.assert_array_equal(bgr, np.full((4, 6, 3), 77))


def test_a_frame_of_another_kind_is_refused():
    with pytest.raises(OutsideError, match="received float32"):
        camera.as_bgr(np.zeros((4, 6, 3), np.float32))


class SteppedCapture(Capture):
    """Hands out a frame only when it is told to, and says when the next is asked for.

    By then the reader has finished with the one before.
    """

    def __init__(self, **kind):
        super().__init__(**kind)
        self.allowed = threading.Semaphore(0)
        self.asked = threading.Semaphore(0)

    def read(self):
        self.asked.release()
        self.allowed.acquire()
        return super().read()

    def step(self, count):
        for _ in range(count):
            self.allowed.release()
            self.asked.acquire()


def test_a_slow_viewer_gets_the_newest_frame_and_no_old_one():
    capture = SteppedCapture(frames=6)
    ticks = iter(range(100))
    source = camera.open_source(
        "0", capture=lambda name: capture, clock=lambda: next(ticks)
    )
    capture.allowed.release()
    frames = iter(source)
    first = next(frames)
    assert first.index == 0
    # The reader asks once for each frame: the first two times are behind us.
    capture.asked.acquire()
    capture.asked.acquire()
    capture.step(4)
    newest = next(frames)
    assert newest.index == 4
    assert newest.pixels_bgr[0, 0, 0] == 4
    # The clock was read at the start (0), then once for each frame, in seconds.
    assert newest.time_ms == 5000
    capture.step(1)
    assert next(frames).index == 5
    capture.allowed.release()
    with pytest.raises(OutsideError, match="stopped sending frames"):
        next(frames)
    source.close()
    assert capture.released


def test_a_camera_that_stops_is_an_error_and_not_an_end():
    source = camera.open_source("0", capture=lambda name: Capture(frames=0))
    with pytest.raises(OutsideError, match="camera 0 stopped sending frames"):
        list(source)
    source.close()


def test_a_real_film_is_read_frame_by_frame(tmp_path):
    path = tmp_path / "drawn.mp4"
    writer = cv2.VideoWriter(
        str(path), cv2.VideoWriter.fourcc(*"mp4v"), 20.0, (64, 48)
    )
    for index in range(8):
        writer.write(np.full((48, 64, 3), 25 * index, np.uint8))
    writer.release()
    frames = list(camera.open_source(str(path)))
    assert [frame.time_ms for frame in frames] == pytest.approx(
        [50 * index for index in range(8)], abs=1
    )
    values = [frame.pixels_bgr.mean() for frame in frames]
    np.testing.assert_allclose(values, 25 * np.arange(8), atol=4)
