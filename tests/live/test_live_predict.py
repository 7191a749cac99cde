"""Pictures to rows: none for a face that was not there."""

import csv
import dataclasses
import logging
import os

import numpy as np
import pytest
from PIL import Image

from fer_tf import files
from fer_tf import picture
from fer_tf.errors import OutsideError
from fer_tf.errors import UserError
from fer_tf.live import predict
from fer_tf.live.detection import Detection
from fer_tf.live.recogniser import Recogniser
from fer_tf.picture import encode_png
from fer_tf.quality import ACCEPT_ALL
from fer_tf.runtime.bundle import PredictionSets


def save(path, colour_rgb, size=(40, 60)):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(np.full((*size, 3), colour_rgb, np.uint8)))
    return path


def recogniser_of(classifier):
    """Accept pictures of one color, which are no faces that could be used."""
    return Recogniser(bright_places, classifier, thresholds=ACCEPT_ALL)


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
        found = predict.predict([album], recogniser_of(classifier), out)
    assert (found.pictures, len(found.faces)) == (4, 2)
    assert found.without_face == [str(album / "b_black.png")]
    assert list(found.unreadable) == [str(album / "d_broken.jpg")]
    assert found.skipped == {str(album / "notes.txt"): "not an image"}
    rows = rows_of(out)
    assert [(row["path"], row["label"]) for row in rows] == [
        (str(album / "a_red.png"), "angry"),
        (str(album / "c" / "green.png"), "happy"),
    ]
    assert "b_black.png" in caplog.text and "d_broken.jpg" in caplog.text


def test_the_columns_are_those_that_others_read(album, classifier, tmp_path):
    out = tmp_path / "faces.csv"
    predict.predict([album], recogniser_of(classifier), out)
    row = rows_of(out)[0]
    assert list(row) == (
        "path face_id x y w h angry disgust fear happy sad surprise neutral label "
        "confidence unsure prediction_set unsure_reason"
    ).split()
    assert [row[name] for name in ("face_id", *"xywh")] == ["1", "10.0", "5.0"] + [
        "20.0"
    ] * 2
    assert float(row["confidence"]) == pytest.approx(0.82 / 0.94, abs=1e-5)
    assert row["confidence"] == row["angry"]
    assert row["unsure"] == "0"


def test_a_cropped_picture_needs_no_detector(album, classifier, tmp_path):
    out = tmp_path / "faces.csv"
    found = predict.predict([album], predict.of_cropped(classifier), out)
    assert (len(found.faces), len(found.without_face), len(found.unreadable)) == (
        3,
        0,
        1,
    )
    first = rows_of(out)[0]
    assert [first[name] for name in "xywh"] == ["0.0", "0.0", "60.0", "40.0"]
    assert classifier.calls[0][0].shape == (40, 60, 3)


def test_why_a_face_is_unsure_is_written(classifier, tmp_path):
    """Pictures of one color are no faces, and a detector cannot know that."""
    red = save(tmp_path / "red.png", (250, 0, 0))
    gray = save(tmp_path / "gray.png", (120, 120, 120), size=(21, 60))
    for reader, reasons in (
        (predict.of_cropped(classifier), ["low_contrast", "too_small"]),
        (Recogniser(bright_places, classifier), ["too_small", "too_small"]),
        (recogniser_of(classifier), ["", "low_confidence"]),
    ):
        for name in ("faces.csv", "faces.json"):
            predict.predict([red, gray], reader, tmp_path / name)
        rows = rows_of(tmp_path / "faces.csv")
        assert [row["unsure_reason"] for row in rows] == reasons
        assert [row["unsure"] for row in rows] == [str(int(bool(r))) for r in reasons]
        faces = files.read_json(tmp_path / "faces.json")["faces"]
        assert [face["unsure_reason"] for face in faces] == reasons


def test_json_says_the_same_and_names_what_has_no_row(album, classifier, tmp_path):
    reader = recogniser_of(classifier)
    predict.predict([album], reader, tmp_path / "faces.csv")
    predict.predict([album], reader, tmp_path / "faces.json")
    content = files.read_json(tmp_path / "faces.json")
    rows = rows_of(tmp_path / "faces.csv")
    assert [
        {name: "" if value is None else str(value) for name, value in face.items()}
        for face in content["faces"]
    ] == rows
    assert content["bundle"] == classifier.bundle.digest
    assert content["without_face"] == [str(album / "b_black.png")]
    (reason,) = content["unreadable"].values()
    assert "d_broken.jpg" in reason


@pytest.mark.parametrize(
    ("threshold", "text", "held"),
    [(0.5, "angry", ["angry"]), (0.95, "none", [])],
)
def test_the_prediction_set_is_told(
    album, classifier, tmp_path, threshold, text, held
):
    sets = PredictionSets(threshold, 0.9, "validation")
    classifier.bundle = dataclasses.replace(classifier.bundle, prediction_sets=sets)
    reader = recogniser_of(classifier)
    for name in ("faces.csv", "faces.json"):
        predict.predict([album / "a_red.png"], reader, tmp_path / name)
    assert rows_of(tmp_path / "faces.csv")[0]["prediction_set"] == text
    content = files.read_json(tmp_path / "faces.json")
    assert content["faces"][0]["prediction_set"] == held


def test_an_album_is_read_without_what_systems_leave_in_it(
    classifier, tmp_path, caplog
):
    album = tmp_path / "album"
    save(album / "a.png", (250, 0, 0))
    saved_as = {"b.gif": "GIF", "c.jfif": "JPEG", "d.avif": "AVIF", "e": "BMP"}
    for name, kind in saved_as.items():
        Image.new("RGB", (60, 40), (250, 0, 0)).save(album / name, kind)
    (album / "f.heic").write_bytes(b"damaged")
    for name in (".thumbnails/a.png", "@eaDir/a.png/THUMB.png", "__MACOSX/a.png"):
        save(album / name, (250, 0, 0))
    (album / "._a.png").write_bytes(b"\0\5\x16\7")
    out = tmp_path / "faces.json"
    with caplog.at_level(logging.INFO):
        found = predict.predict([album], Recogniser(bright_places, classifier), out)
    assert [row["path"] for row in found.faces] == [
        str(album / name) for name in ("a.png", *saved_as)
    ]
    assert (found.pictures, list(found.unreadable)) == (6, [str(album / "f.heic")])
    skipped = {str(album / n) for n in (".thumbnails", "@eaDir", "__MACOSX", "._a.png")}
    assert set(found.skipped) == skipped
    assert set(files.read_json(out)["skipped"]) == skipped
    assert "4 skipped" in caplog.text


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs")
@pytest.mark.timeout(20)
def test_a_fifo_does_not_hang(classifier, tmp_path):
    album = tmp_path / "album"
    save(album / "a.png", (250, 0, 0))
    os.mkfifo(album / "pipe.png")
    reader = Recogniser(bright_places, classifier)
    found = predict.predict([album], reader, tmp_path / "faces.csv")
    assert list(found.skipped) == [str(album / "pipe.png")]
    with pytest.raises(UserError, match="FIFO"):
        predict.predict([album / "pipe.png"], reader, tmp_path / "faces.csv")


def test_boxes_are_in_the_pixels_of_the_file(classifier, tmp_path, monkeypatch):
    path = save(tmp_path / "large.png", (250, 0, 0), (160, 240))
    monkeypatch.setattr(picture, "FULL_PIXELS", 60 * 80)
    out = tmp_path / "faces.csv"
    predict.predict([path], Recogniser(bright_places, classifier), out)
    # The detector sees 40 x 60 pixels and finds (10, 5, 20, 20) there.
    row = rows_of(out)[0]
    assert [float(row[name]) for name in "xywh"] == [40, 20, 80, 80]
    predict.predict([path], predict.of_cropped(classifier), out)
    row = rows_of(out)[0]
    assert [float(row[name]) for name in "xywh"] == [0, 0, 240, 160]


def test_another_suffix_is_refused_before_any_work(classifier, tmp_path):
    with pytest.raises(UserError, match=r"\.csv.*\.json.*faces\.txt"):
        predict.predict([tmp_path / "no.png"], None, tmp_path / "faces.txt")


def test_nothing_that_can_be_decoded_leaves_no_file(classifier, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"not a picture")
    out = tmp_path / "faces.csv"
    with pytest.raises(OutsideError, match=r"\b1\b"):
        predict.predict([broken], recogniser_of(classifier), out)
    assert not out.exists()


def test_a_path_that_is_not_there_is_the_users_mistake(classifier, tmp_path):
    good = save(tmp_path / "red.png", (250, 0, 0))
    with pytest.raises(UserError, match=r"typo\.png"):
        predict.predict(
            [good, tmp_path / "typo.png"],
            recogniser_of(classifier),
            tmp_path / "faces.csv",
        )
    assert classifier.calls == []
