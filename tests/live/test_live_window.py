"""What keys do, what is shown for it, and what never is."""

import dataclasses
import types

import cv2
import numpy as np
import pytest

from fer_tf.errors import OutsideError
from fer_tf.live import controls
from fer_tf.live import loop
from fer_tf.live import window
from fer_tf.live.frames import Frame
from fer_tf.live.frames import Silence
from fer_tf.live.recording import Recorder
from fer_tf.live.rehearsal import detect_annotated

SILENCE = Silence("camera 0 sends nothing", 3.0)


@pytest.fixture
def gui(monkeypatch):
    """Stand in for HighGUI: keys to press, waits asked for, pictures shown."""
    state = types.SimpleNamespace(keys=[], waits=[], shown=[], sizes=[], visible=1.0)

    def wait_key(wait_ms):
        state.waits.append(wait_ms)
        key = state.keys.pop(0) if state.keys else -1
        return ord(key) if isinstance(key, str) else key

    stubs = {
        "namedWindow": lambda *arguments: None,
        "resizeWindow": lambda title, *size: state.sizes.append(size),
        "destroyAllWindows": lambda *arguments: None,
        "imshow": lambda title, drawn: state.shown.append(drawn),
        "getWindowProperty": lambda *arguments: state.visible,
        "waitKeyEx": wait_key,
    }
    monkeypatch.setattr(window, "_display_opens", lambda: True)
    for name, stub in stubs.items():
        monkeypatch.setattr(window.cv2, name, stub)
    return state


@pytest.fixture
def desk(stage, gui, tmp_path):
    """A reader, its controls and its window, on the scripted film."""
    now = types.SimpleNamespace(s=0.0)
    recorder = Recorder(tmp_path / "kept" / "recorded.mkv", 25.0, on=False)
    held = controls.Controls(stage.reader, recorder, tmp_path / "kept", lambda: now.s)
    shown = window.Window(held, clock=lambda: now.s)
    view = stage.reader(next(iter(stage.scripted)))
    yield types.SimpleNamespace(
        controls=held, recorder=recorder, window=shown, view=view, now=now, gui=gui
    )
    recorder.close()


def press(desk, *keys):
    """Press keys, one for each view that is shown, and return the last picture."""
    for key in keys:
        desk.gui.keys.append(key)
        assert desk.window(desk.view) is True
    assert desk.window(desk.view) is True
    return desk.gui.shown[-1]


@pytest.mark.parametrize("key", ["q", "Q", "\x1b"])
@pytest.mark.parametrize("seen", ["a view", "a silence"])
def test_q_and_escape_quit(desk, key, seen):
    desk.gui.keys.append(key)
    assert desk.window(desk.view if seen == "a view" else SILENCE) is False


@pytest.mark.parametrize("code", [-1, 0xFF51, 0xFFBE, 0x250000, 0xE9])
def test_arrows_and_other_strange_keys_do_nothing(desk, code):
    """An arrow's low byte is a capital Q."""
    before = desk.controls.look()
    desk.gui.keys.append(code)
    assert desk.window(desk.view) is True
    assert desk.controls.look() == before


def test_a_key_is_read_under_any_lock_and_shift_bits(desk):
    desk.gui.keys.append(0x100000 | ord("q"))
    assert desk.window(desk.view) is False


def lasting(stage, *durations_ms):
    """Yield frames that are shown for these times, one after the other."""
    time_ms = 0.0
    for frame, duration_ms in zip(stage.scripted, durations_ms):
        yield dataclasses.replace(frame, time_ms=time_ms, duration_ms=duration_ms)
        time_ms += duration_ms


def play_frames(stage, gui, monkeypatch, frames, late_s=0.0):
    """Show frames, each `late_s` later than it could be; return when each is shown."""
    now = types.SimpleNamespace(s=0.0)
    held = types.SimpleNamespace(look=lambda *notes: controls.Look(notes=notes))
    shown = window.Window(held, clock=lambda: now.s)

    def wait_key(wait_ms):
        gui.waits.append(wait_ms)
        now.s += wait_ms / 1000
        return -1

    monkeypatch.setattr(window.cv2, "waitKeyEx", wait_key)
    times_ms = []
    for frame in frames:
        now.s += late_s
        times_ms.append(round(1000 * now.s))
        if not shown(stage.reader(frame)):
            break
    return times_ms


def test_a_frame_is_shown_until_the_next_ones_time(stage, gui, monkeypatch):
    frames = list(lasting(stage, 40, 500, 5000, 20, 40))
    times_ms = play_frames(stage, gui, monkeypatch, frames)
    assert times_ms == [frame.time_ms for frame in frames]


def test_time_spent_on_a_frame_makes_no_later_one_late(stage, gui, monkeypatch):
    frames = lasting(stage, 40, 500, 5000, 40)
    times_ms = play_frames(stage, gui, monkeypatch, frames, late_s=0.01)
    # Each is 10 ms late, and none later than that.
    assert times_ms == [10, 60, 560, 5560]


def test_a_window_closes_while_a_frame_is_long(stage, gui, monkeypatch):
    visible = iter([1.0, 1.0, 0.0])
    monkeypatch.setattr(
        window.cv2, "getWindowProperty", lambda *arguments: next(visible)
    )
    frames = lasting(stage, 75_000, 40)
    assert play_frames(stage, gui, monkeypatch, frames) == [0]
    assert sum(gui.waits) == 3000


def test_space_pauses_until_space_and_makes_no_frame_late(stage, gui, monkeypatch):
    now = types.SimpleNamespace(s=0.0)
    held = types.SimpleNamespace(look=lambda *notes: controls.Look(notes=notes))
    shown = window.Window(held, clock=lambda: now.s)
    frames = lasting(stage, 40, 40)
    keys = [" ", "", "", " ", ""]

    def wait_key(wait_ms):
        gui.waits.append(wait_ms)
        now.s += wait_ms / 1000
        key = keys.pop(0)
        return ord(key) if key else -1

    monkeypatch.setattr(window.cv2, "waitKeyEx", wait_key)
    assert shown(stage.reader(next(frames))) is True
    assert shown(stage.reader(next(frames))) is True
    # The pause of .15 s does not count: each of the two is seen for .04 s.
    assert gui.waits == [40, 50, 50, 50, 40]
    assert keys == []


def test_a_key_changes_the_frame_that_is_seen_and_does_not_shorten_it(
    stage, gui, monkeypatch
):
    """A picture among several is there for a second, whatever is pressed."""
    now = types.SimpleNamespace(s=0.0)
    pressed = []
    held = types.SimpleNamespace(
        look=lambda *notes: controls.Look(notes=tuple(pressed)), press=pressed.append
    )
    shown = window.Window(held, clock=lambda: now.s)

    def wait_key(wait_ms):
        gui.waits.append(wait_ms)
        now.s += 0.25 if not pressed else wait_ms / 1000
        return -1 if pressed else ord("h")

    monkeypatch.setattr(window.cv2, "waitKeyEx", wait_key)
    assert shown(stage.reader(next(lasting(stage, 1000)))) is True
    assert gui.waits == [1000, 750]
    before, after = gui.shown
    assert (before != after).any()


def test_while_paused_the_view_stays_and_keys_work(desk):
    desk.gui.keys += [" ", "m", "s", " "]
    assert desk.window(desk.view) is True
    assert desk.gui.keys == []
    assert desk.controls.look().mirror
    assert list((desk.recorder.path.parent).glob("picture-*.png"))


def test_q_quits_a_pause_and_so_does_closing(desk):
    desk.gui.keys += [" ", "q"]
    assert desk.window(desk.view) is False
    desk.gui.keys += [" "]
    desk.gui.visible = 0.0
    assert desk.window(desk.view) is False


def test_a_closed_window_ends_the_loop_and_frees_the_camera(desk, stage, gui):
    gui.visible = 0.0
    assert desk.window(desk.view) is False
    assert desk.window(SILENCE) is False
    seen = []
    loop.run(stage.scripted, stage.reader, [seen.append], [desk.window])
    assert len(seen) == 1


def test_a_backend_that_ends_with_its_window_is_a_closed_window(desk, monkeypatch):
    def refuse(*arguments):
        raise cv2.error("NULL guiReceiver (please create a window)")

    monkeypatch.setattr(window.cv2, "getWindowProperty", refuse)
    assert desk.window(desk.view) is False


def test_m_mirrors_what_is_seen_and_not_what_is_read(desk, stage, classifier):
    plain = press(desk)
    calls = len(classifier.calls)
    mirrored = press(desk, "m")
    assert len(classifier.calls) == calls
    # The face at the left, red in the frame, is at the right.
    red = (plain[..., 2] > 200) & (plain[..., 1] < 60)
    mirrored_red = (mirrored[..., 2] > 200) & (mirrored[..., 1] < 60)
    assert red[:, : red.shape[1] // 2].sum() > 500
    assert mirrored_red[:, red.shape[1] // 2:].sum() > 500
    # Writing is not mirrored: the foot, in the same place, is the same.
    np.testing.assert_array_equal(plain[-14:, :60], mirrored[-14:, :60])
    # And the next frame is read as it was.
    stage.reader(dataclasses.replace(desk.view.frame, index=9, time_ms=400.0))
    np.testing.assert_array_equal(classifier.calls[-1][0], classifier.calls[0][0])


def test_c_changes_what_the_model_sees_and_the_screen_says_so(desk, stage, classifier):
    prepared = []

    def classify(inputs):
        prepared.append(inputs)
        return np.full((len(inputs), 7), 1 / 7, np.float32)

    classifier.classify = classify
    assert desk.controls.look().notes == ()
    press(desk, "c")
    assert desk.controls.look().notes == ("CLAHE off (the model was taught with it)",)
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    stage.recogniser.recognise(noise, detect_annotated(desk.view.frame))
    size = stage.recogniser.bundle.face.size
    assert prepared[-1].shape == (2, size, size, 3)
    press(desk, "c")
    assert desk.controls.look().notes == ()
    stage.recogniser.recognise(noise, detect_annotated(desk.view.frame))
    assert len(prepared) == 1


def test_plus_and_minus_step_through_the_smoothing(desk, stage):
    assert stage.reader.smoothing_ms == 0
    press(desk, "+", "=")
    assert stage.reader.smoothing_ms == 100
    assert desk.controls.look().notes == ("smoothing 100 ms",)
    press(desk, "-", "-", "-", "-")
    assert stage.reader.smoothing_ms == 0
    press(desk, *"+" * 30)
    assert stage.reader.smoothing_ms == controls.SMOOTHINGS_MS[-1]


def test_a_digit_is_the_largest_faces_true_label_until_it_is_changed(desk, stage):
    scripted = iter(stage.scripted)
    reader = loop.Reader(stage.recogniser, stage.live, detect=detect_annotated)
    desk.controls._reader = reader

    def truths():
        return [face.true_label for face in reader(next(scripted)).faces]

    assert truths() == ["Angry", "Sad"]
    press(desk, "4")
    # The second face is the larger one.
    assert truths() == truths() == ["Angry", "Happy"]
    assert desk.controls.look().notes == ("true label: Happy",)
    press(desk, "7")
    assert truths() == ["Angry", "Neutral"]
    press(desk, "0")
    assert truths() == ["Angry", "Sad"]
    assert desk.controls.look().notes == ()


def test_s_saves_what_is_shown_and_makes_the_folder_for_it(desk, tmp_path):
    press(desk)
    assert not (tmp_path / "kept").exists()
    press(desk, "s")
    (path,) = (tmp_path / "kept").iterdir()
    assert path.name == "picture-000000.png"
    saved = cv2.imread(str(path))
    np.testing.assert_array_equal(saved, desk.gui.shown[0])
    assert desk.controls.look().notes == (f"saved {path}",)
    desk.now.s += controls.TOLD_S
    assert desk.controls.look().notes == ()


def test_a_picture_that_cannot_be_saved_ends_nothing(desk, tmp_path, caplog):
    (tmp_path / "kept").write_text("in the way")
    press(desk, "s")
    (note,), (record,) = desk.controls.look().notes, caplog.records
    assert not note.startswith("saved")
    assert str(tmp_path / "kept") in record.getMessage()


def test_r_records_with_a_badge_and_stops(desk, tmp_path, caplog):
    caplog.set_level("INFO", "fer_tf")
    assert desk.recorder(desk.view) is None
    plain = press(desk)
    badge = press(desk, "r")
    assert desk.controls.look().recording
    assert desk.recorder(desk.view) == 0
    assert str(tmp_path / "kept" / "recorded.mkv") in caplog.text
    red = badge[:24, -60:].astype(int) - plain[:24, -60:]
    assert (red[..., 2] > 100).any()
    press(desk, "r")
    assert not desk.controls.look().recording
    assert desk.recorder(desk.view) is None


@pytest.mark.parametrize("key", ["l", "h"])
def test_landmarks_and_help_come_and_go(desk, key):
    plain, shown, again = press(desk), press(desk, key), press(desk, key)
    # All but the foot, where the latencies are.
    assert (plain[:200] != shown[:200]).any()
    np.testing.assert_array_equal(plain[:200], again[:200])


def test_help_names_every_key_that_does_something():
    told = " ".join(key for key, _ in controls.HELP)
    for key in "qsrc+-mlh":
        assert key in told
    for name in ("space", "Esc", "1 to 4", "5 to 7", "0"):
        assert name in told


def test_in_a_silence_nothing_of_the_last_frame_is_shown(desk):
    press(desk)
    assert desk.window(SILENCE) is True
    dark = desk.gui.shown[-1]
    assert dark.shape == desk.gui.shown[0].shape
    # Writing on dark grey; no colour of any face, label or bar.
    assert (dark.max(axis=2) - dark.min(axis=2)).max() <= 12
    assert (dark > 200).any()


def test_a_short_silence_shows_nothing_but_hears_keys(desk):
    press(desk)
    shown = len(desk.gui.shown)
    desk.gui.keys.append("m")
    assert desk.window(Silence("", 0.3)) is True
    assert len(desk.gui.shown) == shown
    assert desk.controls.look().mirror


def test_a_silence_before_the_first_frame_can_be_shown(desk):
    assert desk.window(SILENCE) is True
    assert desk.gui.shown[-1].shape == (480, 640, 3)


def test_the_window_has_the_proportions_of_what_it_shows(desk):
    for width, height in ((640, 480), (640, 480), (596, 336), (3840, 2160)):
        pixels = np.zeros((height, width, 3), np.uint8)
        desk.window(dataclasses.replace(desk.view, frame=Frame(0, 0.0, pixels)))
    assert desk.gui.sizes == [(640, 480), (596, 336), (1280, 720)]


@pytest.mark.parametrize("display", [None, "", ":4711", "gone.invalid:0"])
def test_without_a_display_that_opens_headless_is_named(monkeypatch, display):
    """There is no going on where OpenCV is asked all the same: it aborts."""
    monkeypatch.setattr(window.sys, "platform", "linux")
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    monkeypatch.delenv("DISPLAY", raising=False)
    if display is not None:
        monkeypatch.setenv("DISPLAY", display)
    with pytest.raises(OutsideError, match="--headless"):
        window.Window(None)
