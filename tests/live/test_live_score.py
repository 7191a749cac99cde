"""A session scored by hand."""

import csv

import numpy as np
import pytest

from fer_tf import files
from fer_tf.errors import UserError
from fer_tf.labels import CLASSES
from fer_tf.live import label_table
from fer_tf.live import labelled
from fer_tf.live import play
from fer_tf.live import score
from fer_tf.live import session
from fer_tf.live.rehearsal import detect_annotated


def write(folder, rows, faces=1):
    """Write `frames.csv`: rows (time_ms, face_id, raw, shown, unsure, true_label).

    Each frame has so many `faces`, one row after the other.
    """
    folder.mkdir(exist_ok=True)
    with open(folder / "frames.csv", "w", newline="") as file:
        lines = csv.DictWriter(file, session.COLUMNS)
        lines.writeheader()
        for index, (time_ms, face_id, raw, shown, unsure, truth) in enumerate(rows):
            line = {"frame": index // faces, "time_ms": time_ms}
            if face_id:
                onehot = np.eye(7)[CLASSES.index(raw.capitalize())]
                line |= {"face_id": face_id, "w": 10 * face_id, "h": 10}
                line |= session.class_columns(onehot, "raw_")
                line |= {"label": shown, "unsure": unsure, "true_label": truth}
            lines.writerow(line)


@pytest.fixture
def labels(tmp_path):
    """One second of surprise in two parts that touch, then one of sadness."""
    path = tmp_path / "labels.csv"
    path.write_text(
        "start_ms,end_ms,label\n0,500,surprise\n500,1000,surprise\n1000,2000,sad\n"
    )
    return path


def test_a_session_scored_by_hand(tmp_path, labels):
    # By the protocol 600..750 ms count for surprise and 1600..1750 ms for sad.
    times = [0, 599, 600, 700, 750, 751, 1000, 1599, 1600, 1650, 1700, 1750, 1751]
    rows = [
        (time_ms, 1, "surprise" if time_ms < 1700 else "sad", "surprise", 0, "")
        for time_ms in times
    ]
    rows[times.index(700)] = (700, 0, "", "", 0, "")
    rows[times.index(750)] = (750, 1, "surprise", "surprise", 1, "")
    rows[times.index(1750)] = (1750, 1, "sad", "sad", 0, "")
    write(tmp_path / "s", rows)
    figures = score.score(tmp_path / "s", labels)
    # Counted: 600, (700 without a face), 750, 1600, 1650, 1700, 1750.
    assert figures["frames"] == 13
    assert figures["faces_scored"] == 6
    # Of twice 150 ms, the 50 ms from 700 on are without a face.
    assert figures["coverage"] == pytest.approx(250 / 300)
    # Raw: right at 600, 750, 1700, 1750. Shown: right at 600, 750, 1750.
    assert figures["raw"]["accuracy"] == pytest.approx(4 / 6)
    assert figures["smoothed"]["accuracy"] == pytest.approx(3 / 6)
    # Raw: surprise TP 2 FP 2, sad TP 2 FN 2; each F1 = 2/3, five classes at 0.
    assert figures["raw"]["macro_f1"] == pytest.approx(2 * (2 / 3) / 7)
    assert figures["raw"]["per_class_f1"]["Sad"] == pytest.approx(2 / 3)
    assert figures["raw"]["lowest_three_f1"] == 0
    # "Unsure" at 750, which is right: 2 of 6 if wrong, 2 of 5 if left out.
    assert figures["unsure"] == {
        "share": pytest.approx(1 / 6),
        "accuracy_if_wrong": pytest.approx(2 / 6),
        "accuracy_if_left_out": pytest.approx(2 / 5),
        # Twice what the label alone does: into "unsure" at 750 and out again at 751.
        "flips_per_minute": pytest.approx(4 * 60_000 / 1751),
    }
    # One raw flip in 1751 ms; the shown label flips at 1750 and back at 1751.
    assert figures["raw"]["flips_per_minute"] == pytest.approx(60_000 / 1751)
    assert figures["smoothed"]["flips_per_minute"] == pytest.approx(2 * 60_000 / 1751)


def test_the_one_subject_is_the_largest_face(tmp_path, labels):
    rows = []
    for time_ms in (650, 700):
        rows.append((time_ms, 1, "angry", "angry", 0, ""))
        rows.append((time_ms, 2, "surprise", "surprise", 0, ""))
    write(tmp_path / "s", rows, faces=2)
    figures = score.score(tmp_path / "s", labels)
    assert figures["faces_scored"] == 2
    assert figures["raw"]["accuracy"] == 1


def test_another_identity_is_no_flip(tmp_path, labels):
    write(
        tmp_path / "s",
        [
            (600, 1, "surprise", "surprise", 0, ""),
            (650, 1, "surprise", "surprise", 0, ""),
            (700, 2, "sad", "sad", 0, ""),
            (750, 2, "sad", "sad", 0, ""),
        ],
    )
    assert score.score(tmp_path / "s", labels)["raw"]["flips_per_minute"] == 0


def test_each_face_is_scored_against_its_own_true_label(stage, tmp_path):
    play.play(
        stage.scripted,
        stage.recogniser,
        stage.live,
        name="film",
        folder=tmp_path,
        detect=detect_annotated,
    )
    figures = score.score(tmp_path)
    # Angry 0..1000: 600..750 is frames 15..18. Happy from 1000 and Sad from 0 on, to
    # the end at 1960, which is no change: frames 40..49 and 15..49.
    assert figures["faces_scored"] == 4 + 10 + 35
    assert figures["coverage"] is None
    assert figures["raw"]["accuracy"] == figures["smoothed"]["accuracy"] == 1
    assert figures["unsure"]["share"] == 0
    # One flip in two faces' 1.96 s each.
    assert figures["raw"]["flips_per_minute"] == pytest.approx(60 / (2 * 1.96))


def test_a_face_that_is_gone_is_missing_where_a_table_says_what_it_shows(
    tmp_path, labels
):
    """Labels that faces carry say nothing of frames without one, however many."""
    rows = [(time_ms, 1, "sad", "sad", 0, "sad") for time_ms in (1000, 1600, 1650)]
    rows += [(time_ms, 0, "", "", 0, "") for time_ms in (1700, 1750)]
    write(tmp_path / "s", rows)
    assert score.score(tmp_path / "s")["coverage"] is None
    figures = score.score(tmp_path / "s", labels)
    assert figures["faces_scored"] == 2
    # No frame shows the surprise, and 50 of the 150 ms of sadness have no face.
    assert figures["coverage"] == pytest.approx(100 / 300)


def test_coverage_is_of_the_labelled_time(tmp_path):
    labels = tmp_path / "labels.csv"
    labels.write_text("start_ms,end_ms,label\n0,2000,sad\n77000,79000,happy\n")
    gap_ms = [*range(0, 2000, 40), *range(77_000, 79_000, 40)]
    # The clock is right; it is lost after the gap; the session ended before the gap.
    for number, (times_ms, coverage) in enumerate(
        [(gap_ms, 1.0), (range(0, 4000, 40), 0.5), (range(0, 2000, 40), 0.5)]
    ):
        rows = [(time_ms, 1, "sad", "sad", 0, "") for time_ms in times_ms]
        write(tmp_path / f"{number}", rows)
        figures = score.score(tmp_path / f"{number}", labels)
        assert figures["coverage"] == pytest.approx(coverage)


def test_frames_of_one_time_stay_apart_and_time_that_goes_back_counts_none(
    tmp_path, labels
):
    times = [650, 650, 640, 700]
    rows = [(time_ms, 1, "surprise", "surprise", 0, "") for time_ms in times]
    rows[1] = (650, 0, "", "", 0, "")
    rows[3] = (700, 1, "sad", "sad", 0, "")
    write(tmp_path / "s", rows)
    figures = score.score(tmp_path / "s", labels)
    assert (figures["frames"], figures["faces_scored"]) == (4, 3)
    # From 640 to 700, and from there as long again, but for what is after 750.
    assert figures["coverage"] == pytest.approx((60 + 50) / 300)
    # One flip, and 60 ms that passed: from 640 to 700.
    assert figures["raw"]["flips_per_minute"] == pytest.approx(60_000 / 60)
    assert figures["faces_per_class"]["Surprise"] == 3


def test_half_a_row_that_a_kill_left_is_no_row(tmp_path):
    rows = [(600 + 10 * i, 1, "surprise", "surprise", 0, "") for i in range(5)]
    write(tmp_path / "s", rows)
    path = tmp_path / "s" / "frames.csv"
    text = path.read_text()
    for cut in range(1, 60):
        path.write_text(text[:-cut])
        assert len(labelled.read_frames(path)) == 4


def test_labels_may_come_from_a_spreadsheet(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_bytes(b"\xef\xbb\xbfstart_ms,end_ms,label\r\n0,1000,Happy")
    expected = [label_table.Interval(0, 1000, CLASSES.index("Happy"))]
    assert label_table.read_intervals(path) == expected


def test_a_session_without_labels_says_how_to_give_them(tmp_path):
    write(tmp_path / "s", [(0, 1, "sad", "sad", 0, ""), (900, 1, "sad", "sad", 0, "")])
    with pytest.raises(UserError, match="--labels"):
        score.score(tmp_path / "s")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("start_ms,end_ms,label\n0,900,hapy\n", "'hapy'.*'happy'"),
        ("start_ms,end_ms,label\n0,nine,happy\n", "line 2: end_ms .*'nine'"),
        ("start,end,label\n0,900,happy\n", "labels.csv.* start_ms.*start,end"),
        ("start_ms,end_ms,label\n0,900\n", "line 2: .*''"),
        ("start_ms,end_ms,label\n0,900,sad\n800,999,sad\n", "line 3: .*800.*900"),
        ("start_ms,end_ms,label\n900,900,sad\n", "line 2: .*900"),
    ],
)
def test_malformed_labels_are_named(tmp_path, text, message):
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        label_table.read_intervals(path)


def test_neighbours_that_agree_are_one(labels):
    assert label_table.read_intervals(labels) == [
        label_table.Interval(0, 1000, CLASSES.index("Surprise")),
        label_table.Interval(1000, 2000, CLASSES.index("Sad")),
    ]


def test_a_file_that_is_no_sessions_is_named(tmp_path):
    (tmp_path / "frames.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match="frames.csv"):
        score.score(tmp_path)
    with pytest.raises(UserError, match="missing"):
        score.score(tmp_path / "missing")


@pytest.mark.parametrize("wrong", ["nan", "", "x", "9" * 5000])
def test_a_cell_that_cannot_be_read_is_the_files_fault(tmp_path, wrong):
    write(tmp_path, [(0, 1, "sad", wrong, 0, "sad")])
    with pytest.raises(UserError, match="label|frames.csv"):
        score.score(tmp_path)


def test_a_field_without_an_end_is_named(tmp_path):
    write(tmp_path, [(0, 1, "sad", "sad", 0, "sad")])
    with open(tmp_path / "frames.csv", "a") as file:
        file.write('"' + "x" * 200_000 + "\n")
    with pytest.raises(UserError, match="frames.csv"):
        score.score(tmp_path)


def test_an_edited_session_is_scored_with_a_warning(tmp_path, caplog):
    folder = shown(tmp_path / "s", turn, turn)
    path = folder / "frames.csv"
    summary = {"finished": True, "frames_sha256": files.sha256_of(path)}
    files.write_json(folder / "session.json", summary)
    score.score(folder)
    assert not caplog.records
    path.write_text(path.read_text().replace(",sad,", ",happy,"))
    score.score(folder)
    (warning,) = caplog.records
    assert warning.levelname == "WARNING" and str(path) in warning.getMessage()
    # A session that was killed has rows that nobody has counted.
    caplog.clear()
    files.write_json(folder / "session.json", summary | {"finished": False})
    score.score(folder)
    assert not caplog.records


def shown(folder, answers, truths, face_id=1):
    """Write a session of ten labels, a second each, ten frames a second."""
    write(
        folder,
        [
            (100 * index, face_id, answers(index), answers(index), 0, truths(index))
            for index in range(100)
        ],
    )
    return folder


TURNS = ("angry", "happy", "sad", "neutral", "fear")


def turn(index):
    return TURNS[index // 10 % 5]


@pytest.mark.parametrize(
    ("candidate", "baseline", "verdict"),
    [
        (turn, lambda index: turn(index + 10), "pass"),
        # One that never changes cannot be followed by one that does.
        (turn, lambda index: "sad", "fail"),
        (lambda index: "sad", turn, "fail"),
        (turn, turn, "fail"),
        # Right in one label of ten more: not to be told from chance.
        (turn, lambda index: "sad" if index >= 90 else turn(index), "inconclusive"),
        # Better, but it flips to and fro where no label counts.
        (
            lambda index: "sad" if index % 10 == 1 else turn(index),
            lambda index: turn(index) if index % 50 < 40 else "angry",
            "fail",
        ),
    ],
)
def test_a_session_is_judged_by_another(tmp_path, candidate, baseline, verdict):
    ours = shown(tmp_path / "ours", candidate, turn)
    theirs = shown(tmp_path / "theirs", baseline, turn)
    assert score.judge(ours, theirs)["verdict"] == verdict


def test_what_was_shown_once_judges_nothing(tmp_path):
    def once(folder, right):
        answers = ["happy"] * right + ["sad"] * (100 - right)
        rows = [
            (100 * index, 1, answer, answer, 0, "happy")
            for index, answer in enumerate(answers)
        ]
        write(folder, rows)
        return folder

    ours, theirs = once(tmp_path / "ours", 60), once(tmp_path / "theirs", 50)
    judged = score.judge(ours, theirs)
    assert judged["macro_f1_raised_by"][0] > 0
    assert judged["verdict"] == "inconclusive"


def test_the_judgement_by_hand(tmp_path):
    ours = shown(tmp_path / "ours", turn, turn)
    theirs = shown(tmp_path / "theirs", lambda index: "sad", turn)
    judged = score.judge(ours, theirs)
    # All is right of five of the seven classes.
    ours_f1 = score.score(ours)["smoothed"]["macro_f1"]
    theirs_f1 = score.score(theirs)["smoothed"]["macro_f1"]
    raised, low, high = judged["macro_f1_raised_by"]
    assert ours_f1 == pytest.approx(5 / 7)
    assert raised == pytest.approx(ours_f1 - theirs_f1)
    assert low < raised < high
    assert judged["flips"] is None
    again = score.judge(theirs, ours)
    assert again["flips"] == 0
    assert again["macro_f1_raised_by"][0] == pytest.approx(-raised)


def test_sessions_of_other_faces_are_not_held_against_each_other(tmp_path):
    ours = shown(tmp_path / "ours", turn, turn)
    theirs = shown(tmp_path / "theirs", turn, turn, face_id=2)
    with pytest.raises(UserError, match="ours.*theirs.*fer-tf replay"):
        score.judge(ours, theirs)


def test_intervals_draw_showings_of_a_label_and_not_frames(tmp_path):
    figures = score.score(shown(tmp_path / "s", lambda index: "sad", turn))
    assert figures["labels_scored"] == 10
    low, high = figures["smoothed"]["intervals"]["accuracy"]
    value = figures["smoothed"]["accuracy"]
    # Two of ten showings are right: sqrt(.2 * .8 / 10) = .126 is one deviation.
    assert low == pytest.approx(value - 0.2, abs=0.1)
    assert high == pytest.approx(value + 0.25, abs=0.1)
