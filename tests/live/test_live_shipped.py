"""The student that is shipped: what it says of itself, and that it does so."""

import csv
import lzma
import re

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from fer_tf import metrics
from fer_tf.cli import main
from fer_tf.labels import CLASSES
from fer_tf.live import recogniser
from fer_tf.live.predict import of_cropped
from fer_tf.runtime import bundle as schema
from fer_tf.runtime.classifier import Classifier


@pytest.fixture(scope="module")
def shipped():
    return recogniser.find_bundle()


@pytest.fixture(scope="module")
def classifier(shipped):
    return Classifier(shipped)


def test_it_is_no_smoke_and_tells_of_its_commit(shipped):
    assert not shipped.smoke
    assert re.fullmatch("[0-9a-f]{12}", shipped.commit)


def test_its_card_says_who_must_not_use_it_and_what_it_was_learnt_from(shipped):
    card = (shipped.folder / schema.MODEL_CARD).read_text(encoding="utf-8")
    for words in (
        "Article 5(1)(f)",
        "Research use only",
        "**ferplus**",
        "**wild** (tested on, never trained on)",
        "| test: ferplus, F1 |",
        "## Limits",
        "student, DKD",
    ):
        assert words in card


@pytest.mark.parametrize("name", [schema.MODEL_CARD, schema.MANIFEST])
def test_no_folder_of_the_machine_it_was_made_on_is_told(shipped, name):
    text = (shipped.folder / name).read_text(encoding="utf-8")
    assert not re.search(r"(?<![\w.])/(home|root|tmp|work|Users|mnt)\b", text)


def no_faces(side):
    """Yield crops, in gray or color, that are no face."""
    rng = np.random.default_rng(side)
    y, x = np.mgrid[:side, :side]
    for level in (0, 1, 16, 64, 128, 200, 255):
        yield np.full((side, side), level)
    for ramp in (x, y, x + y, np.hypot(x - side / 2, y - side / 2)):
        yield 255 * ramp / ramp.max()
        yield 255 - 255 * ramp / ramp.max()
    for cell in (1, 2, 3, 4, 6, 8, 12, 16, 24, 32):
        yield 255 * ((x // cell + y // cell) % 2)
        yield 60 + 120 * ((x // cell) % 2)
    for shape in ((side, side), (side, side, 3)):
        yield rng.integers(0, 256, shape)
        for deviation in (10, 20, 40, 80):
            yield rng.normal(128, deviation, shape)
            yield rng.normal(deviation, deviation, shape)
    for share in (0.02, 0.1, 0.3, 1.0):
        salt = np.where(rng.random((side, side)) < 0.5, 0, 255)
        ground = rng.choice([0, 128, 255])
        yield np.where(rng.random((side, side)) < share, salt, ground)


@pytest.mark.parametrize("side", [22, 25, 48, 97, 250])
def test_it_is_sure_of_no_crop_that_is_no_face(shipped, classifier, side):
    recogniser = of_cropped(classifier)
    crops = [
        np.clip(np.rint(crop), 0, 255).astype(np.uint8) for crop in no_faces(side)
    ]
    frames = [
        crop if crop.ndim == 3 else cv2.cvtColor(crop, cv2.COLOR_GRAY2BGR)
        for crop in crops
    ]
    faces = [face for (face,) in recogniser.batch(frames)]
    assert all(face.abstained and face.unsure_reason for face in faces)
    # Without the check it would be sure of many.
    confident = [face.confidence >= shipped.abstain.threshold for face in faces]
    assert np.mean(confident) > 0.4


@pytest.mark.slow
@pytest.mark.shared
def test_it_labels_a_film_from_any_folder(
    shared, detector_model, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    film = shared / "media" / "woman2.mp4"
    result = CliRunner().invoke(
        main,
        [
            *("live", "--source", str(film), "--headless", "--out", "session"),
            *("--detector-model", str(detector_model)),
        ],
    )
    assert result.exit_code == 0, result.output
    with open(tmp_path / "session" / "frames.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len({row["frame"] for row in rows}) > 100
    assert {row["label"] for row in rows} & {name.lower() for name in CLASSES}


@pytest.mark.shared
@pytest.mark.slow
def test_it_answers_ferplus_test_pictures_as_its_card_says(
    shared, shipped, ferplus_columns
):
    """Counted anew from the publisher's files, past every builder and pipeline."""
    faces, labels = ferplus_test(shared / "data" / "fer2013", ferplus_columns)
    assert len(faces) == 3518
    classifier = Classifier(shipped)
    crops = [np.dstack([face] * 3) for face in faces]
    batches = (crops[start:start + 256] for start in range(0, len(crops), 256))
    probs = np.concatenate([classifier(batch) for batch in batches])
    told = shipped.metrics["test"]["by_source"]["ferplus"]
    accuracy = metrics.accuracy(labels, probs.argmax(1))
    nll = metrics.nll(labels, probs)
    assert accuracy == pytest.approx(told["accuracy"], abs=0.005)
    assert nll == pytest.approx(told["nll"], abs=0.01)


def ferplus_test(folder, columns):
    """Return PrivateTest's faces uint8 [n, 48, 48] and labels int [n] by rule (a).

    The first of the ten columns with the most votes; rows outside the seven left out.
    """
    with open(folder / "labels.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    pixels = lzma.decompress((folder / "faces.u8.xz").read_bytes())
    faces = np.frombuffer(pixels, np.uint8).reshape(-1, 48, 48)
    # Some rows have no pixels.
    pictured = [row for row in rows if row["emotion"]]
    kept, labels = [], []
    for place, row in enumerate(pictured):
        most = max(columns, key=lambda column: int(row[column]))
        if row["Usage"] == "PrivateTest" and columns[most]:
            kept.append(place)
            labels.append(CLASSES.index(columns[most]))
    return faces[kept], np.array(labels)
