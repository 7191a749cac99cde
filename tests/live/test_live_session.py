"""What a session leaves, and what a film does on the way."""

import csv
import json
import types

import cv2
import numpy as np
import pytest

from fer_tf import files
from fer_tf.errors import OutsideError
from fer_tf.errors import UserError
from fer_tf.live import camera
from fer_tf.live import play
from fer_tf.live import recording
from fer_tf.live import rehearsal
from fer_tf.live import session
from fer_tf.live import video
from fer_tf.live.detection import no_detector
from fer_tf.live.frames import Frame
from fer_tf.live.recogniser import Recogniser
from fer_tf.live.rehearsal import AnnotatedSource
from fer_tf.live.rehearsal import detect_annotated
from fer_tf.live.view import View


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "session"


def play_into(folder, stage, source=None, **options):
    return play.play(
        source or stage.scripted,
        stage.recogniser,
        stage.live,
        name="film",
        folder=folder,
        detect=detect_annotated,
        **options,
    )


def read_rows(folder):
    with open(folder / "frames.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_the_columns_are_those_that_others_read(stage, folder):
    play_into(folder, stage)
    assert list(read_rows(folder)[0]) == (
        "frame time_ms face_id x y w h detector_score raw_angry raw_disgust raw_fear "
        "raw_happy raw_sad raw_surprise raw_neutral smoothed_angry smoothed_disgust "
        "smoothed_fear smoothed_happy smoothed_sad smoothed_surprise smoothed_neutral "
        "label confidence unsure true_label detect_ms classify_ms total_ms "
        "film_frame unsure_reason"
    ).split()


def test_there_is_a_row_per_face_and_frame(stage, folder):
    play_into(folder, stage)
    rows = read_rows(folder)
    assert len(rows) == 2 * 49 + 1
    first = rows[0]
    assert [first[name] for name in "xywh"] == ["20.0", "40.0", "40.0", "40.0"]
    assert (first["label"], first["true_label"], first["unsure"]) == (
        "angry",
        "angry",
        "0",
    )
    raw = [float(first[f"raw_{name}"]) for name in ("angry", "happy", "sad")]
    assert raw == pytest.approx([0.82 / 0.94, 0.02 / 0.94, 0.02 / 0.94], abs=1e-5)
    assert float(rows[-1]["time_ms"]) == 40 * 49


def test_why_a_face_is_unsure_is_written(stage, folder, classifier):
    """Squares of one color are no faces; blue is as dark as it is flat."""
    stage.recogniser = Recogniser(no_detector, classifier)
    play_into(folder, stage)
    rows = [row for row in read_rows(folder) if row["face_id"]]
    assert {(row["label"], row["unsure"], row["unsure_reason"]) for row in rows} == {
        ("angry", "1", "low_contrast"),
        ("happy", "1", "low_contrast"),
        ("sad", "1", "too_dark"),
    }
    summary = files.read_json(folder / "session.json")
    assert summary["labels"] == {"unsure": 98}
    assert summary["unsure_reasons"] == {"low_contrast": 49, "too_dark": 49}


def test_a_frame_without_a_face_has_one_row_that_names_no_class(stage, folder):
    play_into(folder, stage)
    (row,) = [row for row in read_rows(folder) if not row["face_id"]]
    assert (row["frame"], row["time_ms"]) == ("12", "480.0")
    timed = ("frame", "time_ms", "detect_ms", "classify_ms", "total_ms")
    assert all(row[name] == "" for name in row if name not in timed)


def test_the_summary_says_what_was_seen(stage, folder):
    counts = play_into(folder, stage)
    summary = files.read_json(folder / "session.json")
    assert summary["frames"] == counts["frames"] == 50
    assert summary["frames_without_face"] == 1
    assert summary["frames_dropped"] == 0
    assert summary["faces"] == 98
    assert summary["identities"] == 2
    # Angry until 1 s, but for the one frame without a face; then Happy.
    assert summary["labels"] == {"sad": 49, "happy": 25, "angry": 24}
    assert summary["unsure_reasons"] == {}
    assert set(summary["median_ms"]) == {"detect", "classify", "total"}
    assert summary["bundle"]["digest"] == stage.recogniser.bundle.digest
    assert summary["settings"]["forget_ms"] == 500
    assert summary["source"] == "film"
    assert summary["film"] is None
    assert summary["bundle"]["face"] == stage.recogniser.bundle.face.to_dict()


def test_the_annotated_film_has_every_frame_and_what_was_drawn(stage, folder, film):
    play_into(folder, stage)
    capture = cv2.VideoCapture(str(folder / "annotated.mp4"))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 50
    assert capture.get(cv2.CAP_PROP_FPS) == 25
    read, drawn = capture.read()
    assert read and drawn.shape == (240, 320, 3)
    # The foot line is dark where the film is grey.
    assert drawn[-8:, -40:].mean() < 60 < film[0].pixels_bgr[-8:, -40:].mean()


def test_a_finished_session_is_not_written_over(stage, folder):
    session.check_free(folder)
    play_into(folder, stage)
    with pytest.raises(UserError, match="holds a session already"):
        session.check_free(folder)


@pytest.mark.parametrize("name", ["frames.csv", "annotated.mp4", "recorded.mkv"])
def test_a_file_of_the_users_is_not_written_over(folder, name):
    """The film that is read may lie in the very folder, under the very name."""
    folder.mkdir()
    (folder / name).write_bytes(b"the user's")
    with pytest.raises(UserError, match=f"a {name}, which would be written over"):
        session.check_free(folder)


def test_a_name_that_ends_opencv_is_refused(tmp_path):
    folder = tmp_path / "f\udcff"
    with pytest.raises(UserError, match="expected a name in UTF-8"):
        session.check_free(folder)
    folder.mkdir()
    with pytest.raises(UserError, match="expected a name in UTF-8"):
        with video.writing(folder / "film.mp4", 25.0) as writer:
            writer(np.zeros((48, 64, 3), np.uint8))
    (folder / "film.mp4").write_bytes(b"a film")
    with pytest.raises(UserError, match="expected a name in UTF-8"):
        camera.open_source(str(folder / "film.mp4"))


def test_a_film_that_is_no_file_here_is_recorded(stage, folder):
    """By a URL, it could not be replayed otherwise."""
    play_into(folder, stage, record=True)
    assert files.read_json(folder / "session.json")["film"]["path"] == "recorded.mkv"
    assert len(pixels_of(folder / "recorded.mkv")) == 50


class Faulty(AnnotatedSource):
    """A source that fails after three frames."""

    def __init__(self, film, error):
        super().__init__(film)
        self.error = error
        self.closed = False

    def __iter__(self):
        for index, frame in enumerate(super().__iter__()):
            if index == 3:
                raise self.error
            yield frame

    def close(self):
        self.closed = True


def faulty_stage(stage, film, error):
    stage.scripted = Faulty(film, error)
    return stage


def test_a_camera_that_is_unplugged_leaves_what_was_seen(stage, folder, film):
    faulty_stage(stage, film, OutsideError("unplugged"))
    with pytest.raises(OutsideError, match="unplugged"):
        play_into(folder, stage)
    assert files.read_json(folder / "session.json")["frames"] == 3
    assert len(read_rows(folder)) == 6
    assert (folder / "annotated.mp4").exists()
    assert stage.scripted.closed


def test_ctrl_c_ends_a_session_well(stage, folder, film):
    faulty_stage(stage, film, KeyboardInterrupt())
    assert play_into(folder, stage)["frames"] == 3
    assert files.read_json(folder / "session.json")["frames"] == 3
    assert stage.scripted.closed


def test_a_fault_of_ours_keeps_its_stack_trace_and_an_unfinished_session(
    stage, folder, film
):
    faulty_stage(stage, film, ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        play_into(folder, stage)
    summary = files.read_json(folder / "session.json")
    assert summary["finished"] is False
    assert summary["source"] == "film" and "frames" not in summary
    assert len(read_rows(folder)) == 6
    with pytest.raises(UserError, match="holds a session already"):
        session.check_free(folder)


def test_a_source_without_a_frame_leaves_no_session(stage, folder):
    faulty_stage(stage, [], None)
    play_into(folder, stage)
    session.check_free(folder)
    assert not list(folder.glob("*"))


def test_the_rows_of_a_frame_are_on_disk_before_the_next(stage, folder):
    log = session.SessionLog(folder, {"finished": False})
    for count, frame in enumerate(stage.scripted, start=1):
        log(stage.reader(frame))
        frames = {row["frame"] for row in read_rows(folder)}
        assert len(frames) == count
    log.close()


class Live(AnnotatedSource):
    """The film as a live camera that lost two frames of three."""

    is_live = True

    def __iter__(self):
        for frame in super().__iter__():
            if frame.index % 3 == 0:
                yield frame


def test_a_clean_film_of_a_camera_is_kept_only_when_asked_for(stage, folder, film):
    stage.scripted = Live(film)
    counts = play_into(folder, stage)
    assert counts["frames"] == 17
    assert counts["frames_dropped"] == 32
    assert sorted(path.name for path in folder.iterdir()) == [
        "frames.csv",
        "session.json",
    ]


def pixels_of(path):
    return [frame.pixels_bgr for frame in camera.open_source(str(path))]


def test_a_recorded_film_lasts_as_long_as_what_it_shows_and_loses_nothing(
    stage, folder, film
):
    stage.scripted = Live(film)
    play_into(folder, stage, record=True)
    recorded = pixels_of(folder / "recorded.mkv")
    # The last frame seen is number 48, at 1.92 s: 49 frames at 25 a second.
    assert len(recorded) == 49
    shown = {int(row["frame"]): int(row["film_frame"]) for row in read_rows(folder)}
    assert list(shown) == [*range(0, 50, 3)]
    for frame, number in shown.items():
        np.testing.assert_array_equal(recorded[number], film[frame].pixels_bgr)
    summary = files.read_json(folder / "session.json")
    assert summary["finished"] is True
    digest = files.sha256_of(folder / "recorded.mkv")
    assert summary["film"] == {"path": "recorded.mkv", "sha256": digest}


def test_an_annotated_film_of_a_camera_is_kept_when_asked_for(stage, folder, film):
    stage.scripted = Live(film)
    play_into(folder, stage, annotate=True)
    assert sorted(path.name for path in folder.iterdir()) == [
        "annotated.mp4",
        "frames.csv",
        "session.json",
    ]
    drawn = pixels_of(folder / "annotated.mp4")
    assert len(drawn) == 49
    # The foot line is dark where the camera's frames are grey.
    assert drawn[0][-6:].mean() < 60 < film[0].pixels_bgr[-6:].mean()


def view_of(pixels, index, time_ms):
    return View(Frame(index, time_ms, pixels), (), {}, 0.0, 0, False)


@pytest.mark.parametrize("shape", [(48, 64, 3), (47, 63, 3)])
def test_noise_of_any_size_is_recorded_as_it_was(tmp_path, shape):
    noise = np.random.default_rng(0).integers(0, 256, (4, *shape), dtype=np.uint8)
    recorder = recording.Recorder(tmp_path / "recorded.mkv", 25.0)
    for index, pixels in enumerate(noise):
        assert recorder(view_of(pixels, index, 40.0 * index)) == index
    recorder.close()
    height, width = shape[:2]
    for pixels, frame in zip(noise, pixels_of(recorder.film), strict=True):
        np.testing.assert_array_equal(frame[:height, :width], pixels)


def test_recording_stops_and_goes_on_with_no_gap(tmp_path):
    black = np.zeros((48, 64, 3), np.uint8)
    recorder = recording.Recorder(tmp_path / "recorded.mkv", 25.0, on=False)
    numbers = []
    for index in range(12):
        if index in (2, 5, 9):
            recorder.toggle()
        numbers.append(recorder(view_of(black, index, 40.0 * index)))
    recorder.close()
    assert numbers == [None] * 2 + [0, 1, 2] + [None] * 4 + [3, 4, 5]
    assert len(pixels_of(recorder.film)) == 6


def test_a_pause_is_left_out_of_a_recording(tmp_path):
    """A frame of minutes, written at once, froze the window and filled the disk."""
    black = np.zeros((48, 64, 3), np.uint8)
    recorder = recording.Recorder(tmp_path / "recorded.mkv", 25.0)
    times_ms = [0, 40, 1000, 1_000_000, 1_000_040, 1_000_120]
    numbers = [
        recorder(view_of(black, index, float(time_ms)))
        for index, time_ms in enumerate(times_ms)
    ]
    recorder.close()
    # Of a gap below two seconds each frame that lacks is a copy.
    assert numbers == [0, 1, 2, 26, 27, 28]
    assert len(pixels_of(recorder.film)) == 30


def test_a_recording_ends_before_the_disk_is_full(tmp_path, monkeypatch, caplog):
    black = np.zeros((48, 64, 3), np.uint8)
    recorder = recording.Recorder(tmp_path / "recorded.mkv", 25.0)
    free = [10**9, 10**9, 10**8]
    monkeypatch.setattr(
        recording.shutil,
        "disk_usage",
        lambda path: types.SimpleNamespace(free=free.pop(0)),
    )
    numbers = [recorder(view_of(black, index, 40.0 * index)) for index in range(4)]
    recorder.close()
    assert numbers == [0, 1, None, None]
    assert "the disk is nearly full" in caplog.text
    assert len(pixels_of(recorder.film)) == 2


def test_a_camera_that_changes_its_size_is_recorded_as_it_began(tmp_path, caplog):
    recorder = recording.Recorder(tmp_path / "recorded.mkv", 25.0)
    assert recorder(view_of(np.zeros((48, 64, 3), np.uint8), 0, 0.0)) == 0
    assert recorder(view_of(np.zeros((40, 64, 3), np.uint8), 1, 40.0)) is None
    assert "frame 1 is not recorded" in caplog.text
    recorder.close()


def test_frames_of_another_size_are_fitted_whole():
    frame = np.full((50, 200, 3), 255, np.uint8)
    fitted = video.fit(frame, (100, 100))
    assert fitted.shape == (100, 100, 3)
    # 200 x 50 becomes 100 x 25, in the middle of black.
    assert fitted.any(axis=(1, 2)).sum() == pytest.approx(25, abs=1)
    assert fitted[50].all()


def test_without_a_frame_there_is_no_film(tmp_path):
    with video.writing(tmp_path / "film.mp4", 25.0):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_film_that_does_not_open_again_is_not_kept(tmp_path, monkeypatch):
    def lose_the_end(writer):
        writer._writer.release()
        writer._path.write_bytes(writer._path.read_bytes()[:64])

    monkeypatch.setattr(video.FilmWriter, "close", lose_the_end)
    with pytest.raises(OutsideError, match="does not open"):
        with video.writing(tmp_path / "film.mp4", 25.0) as writer:
            writer(np.zeros((32, 32, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_hold_a_film_is_named(tmp_path):
    frame = np.zeros((32, 32, 3), np.uint8)
    writer = video.FilmWriter(tmp_path / "missing" / "film.mp4", 25.0)
    with pytest.raises(OutsideError, match="cannot be written as a film"):
        writer(frame)


def test_annotated_faces_are_those_of_the_frame_itself(film):
    """Also when the source has gone on, as one that prefetches has."""
    frames = list(AnnotatedSource(film))
    boxes = [found.box_xywh_px.tolist() for found in detect_annotated(frames[0])]
    assert boxes == [[20, 40, 40, 40], [180, 60, 50, 50]]
    assert detect_annotated(frames[12]) == []
    assert [face.label for face in frames[30].annotations] == ["Happy", "Sad"]


def test_a_rehearsal_writes_the_session_of_its_film(
    tiny_bundle, folder, film, stage
):
    counts = rehearsal.rehearse(folder, tiny_bundle, stage.live, film=film)
    assert counts["faces"] == 98
    assert {row["true_label"] for row in read_rows(folder)} == {
        "",
        "angry",
        "happy",
        "sad",
    }
    assert sorted(path.name for path in folder.iterdir()) == [
        "annotated.mp4",
        "frames.csv",
        "session.json",
    ]
    json.loads((folder / "session.json").read_text())
