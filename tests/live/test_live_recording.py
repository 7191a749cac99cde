"""Videos that a session leaves, at the times at which their frames were seen."""

import csv
import types

import numpy as np
import pytest

from fer_tf import files
from fer_tf.live import camera
from fer_tf.live import play
from fer_tf.live import recording
from fer_tf.live.frames import Frame
from fer_tf.live.rehearsal import AnnotatedSource
from fer_tf.live.rehearsal import detect_annotated
from fer_tf.live.view import View

BLACK = np.zeros((48, 64, 3), np.uint8)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "session"


class Live(AnnotatedSource):
    """The video as a live camera that lost two frames of three and began late."""

    is_live = True

    def __iter__(self):
        for frame in super().__iter__():
            if frame.index % 3 == 2:
                yield frame


class Variable(AnnotatedSource):
    """The video with a gap of 75 s, and its first frame after .85 s."""

    def __iter__(self):
        for frame in super().__iter__():
            late_ms = 850 if frame.index < 20 else 75_850
            yield Frame(
                frame.index,
                frame.time_ms + late_ms,
                frame.pixels_bgr,
                annotations=frame.annotations,
            )


def play_into(folder, stage, source, **options):
    return play.play(
        source,
        stage.recogniser,
        stage.live,
        name="0",
        folder=folder,
        detect=detect_annotated,
        **options,
    )


def read_rows(folder):
    with open(folder / "frames.csv", newline="") as file:
        return list(csv.DictReader(file))


def times_of(folder):
    return list(dict.fromkeys(float(row["time_ms"]) for row in read_rows(folder)))


def read(path):
    source = camera.open_source(str(path))
    frames = list(source)
    source.close()
    return frames


def view_of(pixels, index, time_ms):
    return View(Frame(index, time_ms, pixels), (), {}, 0.0, 0, False)


def record(path, times_ms, on=True, toggles=()):
    """Return the numbers that a recorder gives to frames of these times."""
    recorder = recording.Recorder(path, 25.0, on)
    numbers = []
    for index, time_ms in enumerate(times_ms):
        if index in toggles:
            recorder.toggle()
        numbers.append(recorder(view_of(BLACK, index, float(time_ms))))
    recorder.close()
    return numbers


def test_videos_of_a_camera_are_written_only_when_asked_for(stage, folder, film):
    counts = play_into(folder, stage, Live(film))
    assert (counts["frames"], counts["frames_dropped"]) == (16, 32)
    assert sorted(path.name for path in folder.iterdir()) == [
        "frames.csv",
        "session.json",
    ]


def test_a_recorded_video_has_every_frame_seen_at_its_time(stage, folder, film):
    play_into(folder, stage, Live(film), record=True)
    frames = read(folder / "recorded.mkv")
    shown = {int(row["frame"]): int(row["film_frame"]) for row in read_rows(folder)}
    assert list(shown) == [*range(2, 50, 3)]
    for frame, number in shown.items():
        np.testing.assert_array_equal(
            frames[number].pixels_bgr, film[frame].pixels_bgr
        )
    # The first frame is shown from 0 on.
    assert [frame.time_ms for frame in frames] == [0, *times_of(folder)[1:]]
    summary = files.read_json(folder / "session.json")
    assert summary["finished"] is True
    digest = files.sha256_of(folder / "recorded.mkv")
    assert summary["film"] == {"path": "recorded.mkv", "sha256": digest}


def test_a_video_that_is_no_file_here_is_recorded(stage, folder):
    """By a URL, it could not be replayed otherwise."""
    play_into(folder, stage, stage.scripted, record=True)
    assert files.read_json(folder / "session.json")["film"]["path"] == "recorded.mkv"
    assert len(read(folder / "recorded.mkv")) == 50


@pytest.mark.parametrize("kind", [Live, Variable, AnnotatedSource])
def test_an_annotated_video_has_the_times_of_the_session(stage, folder, film, kind):
    play_into(folder, stage, kind(film), annotate=True)
    frames = read(folder / "annotated.mp4")
    expected_ms = times_of(folder)
    assert [frame.time_ms for frame in frames] == pytest.approx(
        [0, *expected_ms[1:]], abs=1 / 60
    )
    drawn = frames[0].pixels_bgr
    assert drawn.shape == (240, 320, 3)
    # The foot line is dark where the source's frames are gray.
    assert drawn[-8:, -40:].mean() < 60 < film[0].pixels_bgr[-8:, -40:].mean()


def test_recording_stops_and_goes_on_with_no_gap(tmp_path):
    times_ms = [40 * index for index in range(12)]
    path = tmp_path / "recorded.mkv"
    numbers = record(path, times_ms, on=False, toggles=(2, 5, 9))
    assert numbers == [None] * 2 + [0, 1, 2] + [None] * 4 + [3, 4, 5]
    assert [frame.time_ms for frame in read(path)] == [0, 40, 80, 120, 160, 200]


def test_a_camera_that_stalls_keeps_its_times(tmp_path):
    times_ms = [0, 40, 1000, 1_000_000, 1_000_040, 1_000_120]
    assert record(tmp_path / "recorded.mkv", times_ms) == [0, 1, 2, 3, 4, 5]
    frames = read(tmp_path / "recorded.mkv")
    assert [frame.time_ms for frame in frames] == times_ms


@pytest.mark.parametrize("free", [[10**9, 10**9, 10**8, 10**9]])
def test_videos_end_before_the_disk_is_full(stage, folder, monkeypatch, free, caplog):
    left = iter(free)
    monkeypatch.setattr(
        recording.shutil,
        "disk_usage",
        lambda path: types.SimpleNamespace(free=next(left)),
    )
    folder.mkdir()
    assert record(folder / "recorded.mkv", [0, 40, 80, 120]) == [0, 1, None, None]
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert len(read(folder / "recorded.mkv")) == 2


def test_an_annotated_video_ends_before_the_disk_is_full(
    stage, folder, film, monkeypatch
):
    left = iter([10**9] * 3 + [10**8])
    monkeypatch.setattr(
        recording.shutil,
        "disk_usage",
        lambda path: types.SimpleNamespace(free=next(left)),
    )
    counts = play_into(folder, stage, AnnotatedSource(film))
    assert counts["frames"] == 50
    assert len(read(folder / "annotated.mp4")) == 3


def test_a_camera_that_changes_its_size_is_recorded_as_it_began(tmp_path, caplog):
    recorder = recording.Recorder(tmp_path / "recorded.mkv", 25.0)
    assert recorder(view_of(BLACK, 0, 0.0)) == 0
    assert recorder(view_of(np.zeros((40, 64, 3), np.uint8), 1, 40.0)) is None
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    recorder.close()
