"""Pictures to rows: none for a face that was not there."""

import csv
import logging

import numpy as np
import pytest

from fer_tf.errors import OutsideError
from fer_tf.errors import UserError
from fer_tf.live import predict
from fer_tf.live.detection import Detection
from fer_tf.live.recogniser import Recogniser
from fer_tf.picture import encode_png


def save(path, colour_rgb, size=(40, 60)):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(np.full((*size, 3), colour_rgb, np.uint8)))
    return path


def bright_places(frame_bgr):
    """Detect a face, of fixed size, in any picture that is not black."""
    if not frame_bgr.any():
        return []
    return [Detection(np.array([10.0, 5, 20, 20]), np.zeros((5, 2)), 0.9)]


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def album(tmp_path):
    """A red picture, a black one, a green one in a folder below, and a broken one."""
    folder = tmp_path / "album"
    save(folder / "a_red.png", (250, 0, 0))
    save(folder / "b_black.png", (0, 0, 0))
    save(folder / "c" / "green.png", (0, 250, 0))
    (folder / "d_broken.jpg").write_bytes(b"not a picture")
    (folder / "notes.txt").write_text("not meant to be one")
    return folder


def test_a_row_per_face_and_none_without(album, classifier, tmp_path, caplog):
    out = tmp_path / "faces.csv"
    with caplog.at_level(logging.WARNING):
        tally = predict.predict([album], Recogniser(bright_places, classifier), out)
    assert vars(tally) == {
        "pictures": 4,
        "faces": 2,
        "without_face": 1,
        "unreadable": 1,
    }
    rows = rows_of(out)
    assert [(row["path"], row["label"]) for row in rows] == [
        (str(album / "a_red.png"), "angry"),
        (str(album / "c" / "green.png"), "happy"),
    ]
    assert "b_black.png: no face found" in caplog.text
    assert "d_broken.jpg cannot be read" in caplog.text


def test_the_columns_are_those_that_others_read(album, classifier, tmp_path):
    out = tmp_path / "faces.csv"
    predict.predict([album], Recogniser(bright_places, classifier), out)
    row = rows_of(out)[0]
    assert list(row) == (
        "path face_id x y w h angry disgust fear happy sad surprise neutral label "
        "confidence unsure"
    ).split()
    assert [row[name] for name in ("face_id", *"xywh")] == ["1", "10.0", "5.0"] + [
        "20.0"
    ] * 2
    assert float(row["confidence"]) == pytest.approx(0.82 / 0.94, abs=1e-5)
    assert row["confidence"] == row["angry"]
    assert row["unsure"] == "0"


def test_a_cropped_picture_needs_no_detector(album, classifier, tmp_path):
    out = tmp_path / "faces.csv"
    tally = predict.predict([album], predict.of_cropped(classifier), out)
    assert (tally.faces, tally.without_face, tally.unreadable) == (3, 0, 1)
    first = rows_of(out)[0]
    assert [first[name] for name in "xywh"] == ["0.0", "0.0", "60.0", "40.0"]
    assert classifier.calls[0][0].shape == (40, 60, 3)


def test_nothing_that_can_be_decoded_leaves_no_file(classifier, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"not a picture")
    out = tmp_path / "faces.csv"
    with pytest.raises(OutsideError, match="none of 1 pictures"):
        predict.predict([broken], Recogniser(bright_places, classifier), out)
    assert not out.exists()


def test_a_path_that_is_not_there_is_the_users_mistake(classifier, tmp_path):
    with pytest.raises(UserError, match="there is no .*typo.png"):
        predict.predict(
            [tmp_path / "typo.png"],
            Recogniser(bright_places, classifier),
            tmp_path / "faces.csv",
        )
