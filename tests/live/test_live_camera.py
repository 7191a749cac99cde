"""Frames and their times, from sources that behave and sources that do not."""

import re
import threading
import time

import cv2
import numpy as np
import pytest
from PIL import Image

from fer_tf.errors import OutsideError
from fer_tf.errors import UserError
from fer_tf.live import ahead
from fer_tf.live import camera
from fer_tf.live.frames import Frame
from fer_tf.live.frames import Silence
from fer_tf.live.frames import USUAL_RATE
from fer_tf.live.frames import BgrConverter
from fer_tf.picture import encode_png


class Capture:
    """Stands for cv2.VideoCapture: frames whose value is their number, then none."""

    def __init__(self, frames=3, rate=25.0, opened=True):
        self.frames = frames
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
        assert what == cv2.CAP_PROP_FPS
        return self.rate

    def release(self):
        self.released = True


def test_what_is_not_there_or_empty_is_the_users_mistake(tmp_path):
    with pytest.raises(UserError, match=r"missing\.mp4"):
        camera.open_source(str(tmp_path / "missing.mp4"))
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(UserError, match=r"empty\.mp4"):
        camera.open_source(str(tmp_path / "empty.mp4"))
    with pytest.raises(UserError, match=str(tmp_path)):
        camera.open_source(str(tmp_path))


@pytest.mark.parametrize("source", ["7", "rtsp://camera.local/stream"])
def test_a_camera_that_does_not_open_is_named(source):
    with pytest.raises(OutsideError, match=source):
        camera.open_source(source, capture=lambda name: Capture(opened=False))


def test_a_folder_gives_its_pictures_in_order_far_apart(tmp_path):
    for name, value in (("b.png", 20), ("a.png", 10)):
        path = tmp_path / name
        path.write_bytes(encode_png(np.full((9, 9), value, np.uint8)))
    (tmp_path / "notes.txt").write_text("no picture")
    frames = list(camera.open_source(str(tmp_path)))
    assert [frame.pixels_bgr[0, 0, 0] for frame in frames] == [10, 20]
    assert [frame.time_ms for frame in frames] == [0, 1000]


def test_a_folder_goes_on_after_an_image_that_cannot_be_read(tmp_path, caplog):
    for name, value in (("a.png", 10), ("c.png", 30)):
        path = tmp_path / name
        path.write_bytes(encode_png(np.full((9, 9), value, np.uint8)))
    (tmp_path / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    (tmp_path / "._a.png").write_bytes(b"\0\5\x16\7")
    frames = list(camera.open_source(str(tmp_path)))
    assert [
        (frame.index, frame.time_ms, frame.pixels_bgr[0, 0, 0]) for frame in frames
    ] == [(0, 0, 10), (2, 2000, 30)]
    assert str(tmp_path / "b.png") in caplog.text


@pytest.mark.parametrize(
    ("name", "kind"), [("a.jfif", "JPEG"), ("without", "PNG"), ("a.avif", "AVIF")]
)
def test_an_image_is_known_by_its_content(tmp_path, name, kind):
    Image.new("RGB", (40, 30), (200, 20, 10)).save(tmp_path / name, kind)
    (frame,) = camera.open_source(str(tmp_path / name))
    assert frame.pixels_bgr.shape == (30, 40, 3)


def test_a_picture_keeps_its_colours_as_bgr(tmp_path):
    path = tmp_path / "red.png"
    path.write_bytes(encode_png(np.full((8, 8, 3), (200, 20, 10), np.uint8)))
    (frame,) = camera.open_source(str(path))
    assert frame.pixels_bgr[0, 0].tolist() == [10, 20, 200]


def test_a_damaged_picture_is_named(tmp_path):
    path = tmp_path / "broken.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n broken")
    with pytest.raises(OutsideError, match=r"broken\.png"):
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
        np.full((4, 6, 4), 77 * 256 + 13, np.uint16),
    ],
)
def test_every_kind_of_frame_becomes_bgr_of_eight_bits(pixels):
    bgr = BgrConverter()(pixels)
    assert bgr.dtype == np.uint8
    np.testing.assert_array_equal(bgr, np.full((4, 6, 3), 77))


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("shape", [(40, 60), (40, 60, 1), (40, 60, 3), (40, 60, 4)])
def test_a_camera_of_fewer_bits_is_not_black(bits, shape):
    """16-bit frames of 12 bits were black, and nothing said so."""
    gray = np.linspace(0, 255, 2400).reshape(40, 60).astype(np.uint8)
    pixels = np.empty(shape, np.uint16)
    pixels[:] = gray.reshape(40, 60, *[1] * (len(shape) - 2))
    pixels <<= bits - 8
    if shape[2:] == (4,):
        pixels[..., 3] = 65_535
    # One pixel of the sensor is defect.
    pixels[3, 4] = 65_535
    gray[3, 4] = 255
    converter = BgrConverter()
    for _ in range(2):
        np.testing.assert_array_equal(
            converter(pixels), np.repeat(gray[..., None], 3, axis=2)
        )
    # A dark frame that follows stays dark.
    assert converter(pixels // 16)[20].max() <= gray[20].max() // 16
    assert BgrConverter()(np.zeros(shape, np.uint16)).max() == 0


@pytest.mark.parametrize(
    ("pixels", "received"),
    [
        (np.zeros((4, 6, 3), np.float32), "float32"),
        (np.zeros((4, 6, 2), np.uint8), r"\[4, 6, 2\]"),
        (np.zeros((0, 6, 3), np.uint8), r"\[0, 6, 3\]"),
        (np.zeros(6, np.uint8), r"\[6\]"),
    ],
)
def test_a_frame_of_another_kind_is_refused(pixels, received):
    with pytest.raises(OutsideError, match=f"received .*{received}"):
        BgrConverter()(pixels)


def test_a_film_is_read_ahead_but_never_far():
    taken = []

    def items():
        for number in range(100):
            taken.append(number)
            yield number

    reads = ahead.Ahead(items())
    one_after_another = iter(reads)
    assert [next(one_after_another) for _ in range(3)] == [0, 1, 2]
    reads.close()
    # Three are out, two wait, and one is held until there is room.
    assert len(taken) <= 3 + ahead.DEPTH + 1
    assert not reads._thread.is_alive()


def test_what_reading_ahead_raises_is_raised_in_its_place():
    def items():
        yield 1
        raise OutsideError("disk")

    reads = iter(ahead.Ahead(items()))
    assert next(reads) == 1
    with pytest.raises(OutsideError, match="^disk$"):
        next(reads)


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
    source = camera.open_source("0", capture=lambda name: capture)
    capture.allowed.release()
    frames = (seen for seen in source if isinstance(seen, Frame))
    assert next(frames).index == 0
    # The reader asks once for each frame: the first two times are behind us.
    capture.asked.acquire()
    capture.asked.acquire()
    capture.step(4)
    newest = next(frames)
    assert newest.index == 4
    assert newest.pixels_bgr[0, 0, 0] == 4
    capture.step(1)
    assert next(frames).index == 5
    capture.allowed.release()
    source.close()
    assert capture.released


class Script:
    """A camera driver: each opening is one of `captures`, then nothing opens.

    After the first one nothing opens until it has been told that the camera is gone.
    The clock goes on by a hundredth of a second whenever it is asked.
    """

    def __init__(self, *captures, tick_s=0.01):
        self.captures = list(captures)
        self.opened = []
        self.told = False
        self.now_s = 0.0
        self.tick_s = tick_s

    def open(self, name):
        may_open = self.captures and (self.told or not self.opened)
        one = self.captures.pop(0) if may_open else Capture(opened=False)
        self.opened.append(one)
        return one

    def clock(self):
        self.now_s += self.tick_s
        return self.now_s


@pytest.fixture
def quickly(monkeypatch):
    """Let a camera be opened again at once."""
    monkeypatch.setattr(camera, "RETRY_S", 0.002)
    monkeypatch.setattr(camera, "CLOSE_S", 0.2)
    monkeypatch.setattr(camera, "TICK_S", 0.002)


def watch(script, until, source="0"):
    """Return what a camera gives until `until(frame or silence)`, and close it."""
    opened = camera.open_source(source, capture=script.open, clock=script.clock)
    seen = []
    try:
        for item in opened:
            seen.append(item)
            script.told |= isinstance(item, Silence) and bool(item.why)
            if until(item):
                return seen
    finally:
        opened.close()


class Slow(Capture):
    """Sends its frames a few milliseconds apart, so that each can be seen."""

    def read(self):
        time.sleep(0.004)
        return super().read()


def test_a_camera_that_is_unplugged_says_so_and_comes_back(quickly):
    back = Slow(frames=1000)
    script = Script(Slow(frames=3), back)
    seen = watch(script, lambda item: isinstance(item, Frame) and back in script.opened)
    told = {item.why for item in seen if isinstance(item, Silence)}
    assert any("camera 0" in why for why in told)
    frames = [item for item in seen if isinstance(item, Frame)]
    assert frames[-1].index >= 3
    times = [frame.time_ms for frame in frames]
    assert times == sorted(set(times))
    assert len(script.opened) >= 2
    assert all(capture.released for capture in script.opened)


def test_a_camera_that_stays_away_is_given_up(quickly):
    with pytest.raises(OutsideError, match=r"camera 0.*\b6[0-9] s\b"):
        watch(Script(Capture(frames=2), tick_s=0.5), lambda item: False)


def test_a_camera_that_stalls_is_told_of_and_goes_on(quickly):
    capture = SteppedCapture(frames=1000)
    script = Script(capture, tick_s=0.1)
    capture.allowed.release()

    def until(item):
        if isinstance(item, Silence) and item.why:
            capture.allowed.release(100)
        return isinstance(item, Frame) and item.index > 0

    seen = watch(script, until)
    told = [item for item in seen if isinstance(item, Silence) and item.why]
    assert told[0].why == "camera 0 sends nothing"
    assert told[0].for_s > camera.STALL_S
    # It is not told of before its time.
    early = [item for item in seen if isinstance(item, Silence) and not item.why]
    assert all(item.for_s <= camera.STALL_S for item in early)
    assert len(script.opened) == 1


def test_a_frame_that_cannot_be_used_is_told_of_and_the_next_one_shown(quickly):
    script = Script()

    class Odd(Slow):
        def read(self):
            read, pixels = super().read()
            return read, pixels if script.told else pixels.astype(np.float32)

    script.captures.append(Odd(frames=100_000))
    seen = watch(script, lambda item: isinstance(item, Frame))
    told = [item.why for item in seen if isinstance(item, Silence) and item.why]
    assert re.search("camera 0.*uint8.*float32", told[0])


def test_a_backend_that_raises_is_as_one_that_says_no(quickly):
    class Raising(Capture):
        def read(self):
            raise cv2.error("device lost")

    script = Script(Raising(), Slow(frames=1000))
    seen = watch(script, lambda item: isinstance(item, Frame))
    assert any(isinstance(item, Silence) and "is gone" in item.why for item in seen)


def test_a_fault_of_ours_in_the_thread_is_not_swallowed(quickly):
    class Broken(Capture):
        def read(self):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        watch(Script(Broken()), lambda item: False)


def test_a_camera_whose_clock_goes_back_never_gives_an_earlier_time(quickly):
    script = Script(Slow(frames=1000))
    ticks = iter([5.0, *[4.0, 3.0, 9.0, 2.0] * 1000])
    script.clock = lambda: next(ticks)
    frames = []

    def until(item):
        if isinstance(item, Frame):
            frames.append(item)
        return len(frames) == 5

    watch(script, until)
    times = [frame.time_ms for frame in frames]
    assert times == sorted(set(times)) and times[0] >= -0.999


def test_a_camera_may_change_its_size(quickly):
    class Changing(Slow):
        def read(self):
            read, pixels = super().read()
            return read, np.zeros((4, 6 + 10 * (self.position > 3), 3), np.uint8)

    def until(item):
        return isinstance(item, Frame) and item.pixels_bgr.shape[1] == 16

    seen = watch(Script(Changing(frames=1000)), until)
    widths = {
        item.pixels_bgr.shape[1] for item in seen if isinstance(item, Frame)
    }
    assert widths == {6, 16}


def test_a_stream_is_opened_once_and_then_again_when_it_breaks(quickly):
    script = Script(Slow(frames=2), Slow(frames=1000))
    seen = watch(
        script,
        lambda item: isinstance(item, Frame) and item.index > 2,
        "rtsp://me:secret@camera.local/1",
    )
    assert len(script.captures) == 0
    told = {item.why for item in seen if isinstance(item, Silence) and item.why}
    assert told == {"rtsp://camera.local/1 is gone, trying to open it again"}


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("rtsp://me:secret@camera.local/1", "rtsp://camera.local/1"),
        ("rtsp://me:s@cr@t@camera.local/1", "rtsp://camera.local/1"),
        ("http://camera.local/v?user=me&password=a@b", "http://camera.local/v"),
        ("rtsp://camera.local/a@b", "rtsp://camera.local/a@b"),
        ("films/why?.mp4", "films/why?.mp4"),
        ("films/me@home.mp4", "films/me@home.mp4"),
        ("0", "0"),
    ],
)
def test_a_password_is_never_told(source, name):
    assert camera.name_of(source) == name


def test_a_closed_camera_is_free_also_if_nobody_looked():
    capture = Capture()
    camera.open_source("0", capture=lambda name: capture).close()
    assert capture.released


def test_a_camera_is_not_silent_before_anybody_looks(quickly):
    """Models are loaded, and the first time fetched, while a camera is opened."""
    script = Script(Slow(frames=1000))
    opened = camera.open_source("0", capture=script.open, clock=script.clock)
    script.now_s += 2 * camera.PATIENCE_S
    seen = next(item for item in opened if isinstance(item, Frame) or item.why)
    opened.close()
    assert isinstance(seen, Frame) and seen.time_ms < 1000


def test_a_camera_that_is_gone_is_not_opened_again_to_be_closed(monkeypatch):
    monkeypatch.setattr(camera, "TICK_S", 0.002)
    script = Script(Capture(frames=0), Capture(frames=1000))
    opened = camera.open_source("0", capture=script.open, clock=script.clock)
    next(item for item in opened if item.why)
    script.told = True
    opened.close()
    assert len(script.opened) == 1 and script.opened[0].released


def test_cameras_that_open_and_send_are_listed():
    kinds = {1: Capture(rate=30.0), 2: Capture(frames=0), 4: Capture(rate=0.0)}
    opened = []

    def capture(number):
        opened.append(kinds.get(number, Capture(opened=False)))
        return opened[-1]

    assert list(camera.find_cameras(capture)) == [
        camera.Found(1, 6, 4, 30.0),
        camera.Found(4, 6, 4, USUAL_RATE),
    ]
    assert all(one.released for one in opened)
