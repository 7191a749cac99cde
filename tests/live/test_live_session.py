"""What a session leaves, and what a film does on the way."""

import csv
import dataclasses
import json
import re
from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest

from fer_tf import files
from fer_tf.errors import OutsideError
from fer_tf.errors import UserError
from fer_tf.live import play
from fer_tf.live import rehearsal
from fer_tf.live import session
from fer_tf.live.detection import no_detector
from fer_tf.live.recogniser import Recogniser
from fer_tf.live.rehearsal import AnnotatedSource
from fer_tf.live.rehearsal import detect_annotated


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


def test_the_summary_describes_the_source(stage, folder):
    before = datetime.now(UTC)
    play_into(folder, stage, source=Late(stage.scripted))
    summary = files.read_json(folder / "session.json")
    started = datetime.fromisoformat(summary["started_at"])
    assert started.utcoffset() == timedelta(0)
    assert before - timedelta(milliseconds=1) <= started <= datetime.now(UTC)
    assert summary["start_offset_ms"] == 850.125
    assert summary["fps"] == 25
    assert (summary["width"], summary["height"]) == (320, 240)


class Late:
    """A source whose first frame is shown 850.125 ms after its start."""

    is_live = False
    rate = 25

    def __init__(self, source):
        self._source = source

    def __iter__(self):
        for frame in self._source:
            yield dataclasses.replace(frame, time_ms=frame.time_ms + 850.125)

    def close(self):
        pass


def test_a_finished_session_is_not_written_over(stage, folder):
    session.check_free(folder)
    play_into(folder, stage)
    with pytest.raises(UserError, match=re.escape(str(folder))):
        session.check_free(folder)


@pytest.mark.parametrize("name", ["frames.csv", "annotated.mp4", "recorded.mkv"])
def test_a_file_of_the_users_is_not_written_over(folder, name):
    """The film that is read may lie in the very folder, under the very name."""
    folder.mkdir()
    (folder / name).write_bytes(b"the user's")
    with pytest.raises(UserError, match=name):
        session.check_free(folder)


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
    with pytest.raises(UserError, match=re.escape(str(folder))):
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
