"""What training tells of itself: event files, read back, and `train.log`."""

import dataclasses
import datetime
import logging
import re

import cv2
import keras
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata
from tensorboard.util import tensor_util

from fer_tf import config as recipes
from fer_tf.data.crops import crop_of
from fer_tf.data.pipeline import Faces
from fer_tf.experiment import RunFolder
from fer_tf.labels import CLASSES
from fer_tf.labels import NUM_CLASSES
from fer_tf.training import board as boards
from fer_tf.training import epochs
from fer_tf.training.board import Board
from fer_tf.training.validation import Validation

COUNT = 24
NOW = datetime.datetime(2030, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
CONFIG = recipes.load(None, ["face.size=32", "train.batch_size=8"])
FACES = ("pictures/inputs", "pictures/worst_mistakes")
SCALARS = {
    "best/accuracy",
    "best/balanced_nll",
    "best/ece",
    "best/macro_f1",
    "best/nll",
    "best_posed/accuracy",
    "best_recall/Fear",
    "loss/cross_entropy",
    "loss/total",
    "optimizer/gradient_norm",
    "optimizer/learning_rate",
    "optimizer/skipped_steps",
    "speed/pictures_per_second",
    "validation/accuracy",
    "validation/ece",
    "validation/macro_f1",
    "validation/nll",
    "validation/balanced_nll",
    "validation_recall/Fear",
    "validation_posed/accuracy",
}
FIGURES = {"validation/confusion_matrix", "validation/reliability_diagram"}


@pytest.fixture(scope="module")
def faces():
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (COUNT, 32, 32, 3), np.uint8)
    labels = np.arange(COUNT) % NUM_CLASSES
    keys = np.array([f"a/{row}" for row in range(COUNT)])
    return Faces(
        keys=keys,
        crops=[crop_of(picture, (), 32) for picture in pictures],
        targets=np.eye(NUM_CLASSES, dtype=np.float32)[labels],
        labels=labels,
        sources=np.array(["a"] * COUNT),
        groups=keys,
        agreed=np.ones(COUNT, bool),
    )


@pytest.fixture
def validation(faces):
    """A model's answers: it takes a third of all pictures for neutral, surely."""
    found = Validation(CONFIG, faces)
    logits = np.eye(NUM_CLASSES)[faces.labels] * 3
    logits[::3, 6] = 9
    found.probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return found


def summary_of(count, best=1, loss=1.0):
    """Return what `training.json` holds after `count` epochs."""
    history = [
        {
            "epoch": epoch,
            "loss": loss / epoch,
            "cross_entropy": loss / epoch,
            "gradient_norm": 0.5,
            "skipped_steps": 0,
            "pictures_per_second": 123.4,
            "learning_rate": 1e-3,
            "val_accuracy": 0.1 * epoch,
            "val_macro_f1": 0.2 * epoch,
            "val_nll": 1.5,
            "val_ece": 0.25,
            "val_balanced_nll": 1.75,
            "val_recall/Fear": 0.05 * epoch,
            "val_posed/accuracy": 0.5,
        }
        for epoch in range(1, count + 1)
    ]
    return {"best_epoch": best, "best": history[best - 1], "history": history}


def train(board, first=1, last=3):
    for count in range(first, last + 1):
        board.note(summary_of(count, best=min(count, 2)))


def read(folder):
    found = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    found.Reload()
    return found


def tags(folder):
    return {
        tag
        for tag in read(folder).Tags()["tensors"]
        if not tag.startswith("_hparams_")
    }


def values(folder, tag):
    """Return a scalar's values by step."""
    return {
        event.step: tensor_util.make_ndarray(event.tensor_proto).item()
        for event in read(folder).Tensors(tag)
    }


def images(folder, tag):
    """Return the pictures of an image tag by step."""
    found = {}
    for event in read(folder).Tensors(tag):
        width, height, *encoded = tensor_util.make_ndarray(event.tensor_proto)
        (picture,) = (
            cv2.imdecode(np.frombuffer(each, np.uint8), cv2.IMREAD_COLOR)
            for each in encoded
        )
        assert picture.shape == (int(height), int(width), 3)
        found[event.step] = picture
    return found


def hparams(folder, tag=metadata.SESSION_START_INFO_TAG):
    content = read(folder).SummaryMetadata(tag).plugin_data.content
    if tag == metadata.SESSION_START_INFO_TAG:
        return metadata.parse_session_start_info_plugin_data(content)
    return metadata.parse_session_end_info_plugin_data(content)


def test_scalars_are_grouped_and_each_epoch_is_a_step(tmp_path):
    train(Board(RunFolder(tmp_path), "teacher"))
    assert tags(tmp_path) == SCALARS
    assert values(tmp_path, "loss/total") == pytest.approx({1: 1, 2: 1 / 2, 3: 1 / 3})
    accuracy = values(tmp_path, "validation/accuracy")
    assert accuracy == pytest.approx({1: 0.1, 2: 0.2, 3: 0.3})
    speed = values(tmp_path, "speed/pictures_per_second")
    assert speed == pytest.approx(dict.fromkeys((1, 2, 3), 123.4))


def test_the_last_best_figures_are_those_of_the_weights_that_are_kept(tmp_path):
    train(Board(RunFolder(tmp_path), "teacher"))
    best = values(tmp_path, "best/macro_f1")
    assert best == pytest.approx({1: 0.2, 2: 0.4, 3: 0.4})


def test_a_part_of_the_loss_that_is_not_known_by_name_is_a_loss(tmp_path):
    summary = summary_of(1)
    summary["history"][0]["divergence"] = 0.75
    Board(RunFolder(tmp_path), "student").note(summary)
    assert values(tmp_path, "loss/divergence") == {1: 0.75}


def test_without_consent_there_is_no_picture_of_anyone(tmp_path, validation):
    train(Board(RunFolder(tmp_path), "teacher", validation=validation))
    assert tags(tmp_path) == SCALARS | FIGURES
    for tag in FIGURES:
        drawn = images(tmp_path, tag)
        assert set(drawn) == {1, 2, 3}
        assert min(picture.std() for picture in drawn.values()) > 10


def test_with_consent_inputs_and_worst_mistakes_are_shown(tmp_path, faces, validation):
    data = epochs.labelled(CONFIG, faces, CONFIG.student.train)
    board = Board(
        RunFolder(tmp_path), "teacher", validation=validation, pictures=data
    )
    train(board)
    assert tags(tmp_path) == SCALARS | FIGURES | set(FACES)
    inputs, mistakes = (images(tmp_path, tag) for tag in FACES)
    assert set(inputs) == {1}
    assert set(mistakes) == {1, 2, 3}
    assert min(picture.std() for picture in [*inputs.values(), mistakes[3]]) > 10


@pytest.fixture
def grids(monkeypatch):
    """What grids are asked to be drawn of: pictures, captions and title."""
    asked = []

    def noting(*given):
        asked.append(given)

    monkeypatch.setattr(boards.figures, "picture_grid", noting)
    return asked


def test_inputs_are_what_the_model_is_shown_in_that_epoch(faces, grids):
    data = epochs.labelled(CONFIG, faces, CONFIG.student.train)
    boards._inputs(data, 3)
    ((pictures, captions, title),) = grids
    first = next(iter(data.of(2)))
    np.testing.assert_array_equal(pictures, first["image"])
    labels = first["target"].numpy().argmax(axis=1)
    assert captions == [CLASSES[label] for label in labels]
    assert re.search(r"\b3\b", title)


def test_the_worst_mistakes_are_those_that_were_surest(faces, validation, grids):
    validation.probs[3] = [0.01, 0.01, 0.01, 0.001, 0.01, 0.95, 0.009]
    boards._mistakes(validation)
    ((pictures, captions, title),) = grids
    # Every third answer is 6, which is right for row 6.
    assert re.findall(r"\d+", title) == ["7", "24"]
    assert len(pictures) == len(captions) == 7
    assert re.findall("[A-Z]\\w+|[0-9]+%", captions[0]) == ["Happy", "Surprise", "95%"]
    np.testing.assert_array_equal(pictures[0], validation.picture(3))
    assert all("Neutral" in caption.split("\n")[1] for caption in captions[1:])


def test_a_mixed_target_is_told_by_its_two_likeliest():
    assert boards._told(np.eye(7)[3]) == "Happy"
    mixed = np.array([0.05, 0, 0, 0.7, 0.25, 0, 0])
    assert boards._told(mixed) == "Happy 70%\nSad 25%"


def test_hparams_and_the_end_are_told(tmp_path):
    asked = recipes.flat({"loss": "kd", "train": {"epochs": 3, "weights": [1, 2]}})
    board = Board(RunFolder(tmp_path), "student KD", asked, now=lambda: NOW)
    train(board)
    board.close()
    start = hparams(tmp_path)
    assert dict(start.hparams)["loss"].string_value == "kd"
    assert dict(start.hparams)["train.epochs"].number_value == 3
    assert dict(start.hparams)["train.weights"].string_value == "[1, 2]"
    assert start.start_time_secs == NOW.timestamp()
    end = hparams(tmp_path, metadata.SESSION_END_INFO_TAG)
    assert end.end_time_secs == NOW.timestamp()


def test_what_never_notes_leaves_no_file(tmp_path):
    Board(RunFolder(tmp_path), "teacher").close()
    assert not list(tmp_path.iterdir())


def test_the_log_has_a_line_per_epoch_with_its_time(tmp_path, caplog):
    caplog.set_level(logging.INFO, "fer_tf")
    train(Board(RunFolder(tmp_path), "teacher x", now=lambda: NOW))
    lines = (tmp_path / "train.log").read_text().splitlines()
    assert lines[1] == (
        "2030-01-02T03:04:05+00:00 teacher x, epoch 2: loss 0.500, validation accuracy "
        "0.200, macro-F1 0.400, NLL 1.500, balanced NLL 1.750; 123 pictures/s"
    )
    assert [line.partition(" ")[2] for line in lines] == caplog.messages


def test_a_resumed_run_has_every_epoch_once(tmp_path):
    """Also that which was noted before the kill, but not in the checkpoint."""
    train(Board(RunFolder(tmp_path), "teacher", now=lambda: NOW), last=2)
    later = NOW + datetime.timedelta(hours=1)
    train(Board(RunFolder(tmp_path), "teacher", now=lambda: later), first=2)
    lines = (tmp_path / "train.log").read_text().splitlines()
    assert [line[11:13] for line in lines] == ["03", "04", "04"]
    assert [line.partition(", ")[2][:7] for line in lines] == [
        "epoch 1", "epoch 2", "epoch 3",
    ]
    assert set(values(tmp_path, "loss/total")) == {1, 2, 3}


def test_validation_keeps_the_answers_that_its_figures_are_of(faces):
    model = keras.Sequential(
        [keras.Input((32, 32, 3)), keras.layers.Flatten(), keras.layers.Dense(7)]
    )
    model.layers[-1].kernel.assign(np.zeros((3072, 7)))
    model.layers[-1].bias.assign(np.eye(7)[3] * 2)
    validation = Validation(CONFIG, faces)
    figures = validation(model)
    assert validation.probs.shape == (COUNT, 7)
    picked = validation.probs[np.arange(COUNT), validation.labels]
    assert figures["nll"] == pytest.approx(-np.log(picked).mean())
    assert figures["accuracy"] == np.mean(validation.labels == 3)


def constant_model(favorite):
    """A model that predicts one class for every image, with odds of e^2."""
    model = keras.Sequential(
        [keras.Input((32, 32, 3)), keras.layers.Flatten(), keras.layers.Dense(7)]
    )
    model.layers[-1].kernel.assign(np.zeros((3072, 7)))
    model.layers[-1].bias.assign(np.eye(7)[favorite] * 2)
    return model


def test_validation_has_recalls_and_the_balanced_nll(faces):
    values = Validation(CONFIG, faces)(constant_model(3))
    recalls = {name: values[f"recall/{name}"] for name in CLASSES}
    assert recalls == {name: float(name == "Happy") for name in CLASSES}
    assert values["balanced_accuracy"] == pytest.approx(1 / 7)
    # The same prediction for all images is its own prior: nothing is known.
    assert values["balanced_nll"] == pytest.approx(np.log(7))


def test_sources_to_validate_on_are_scored_under_the_prior_of_validation(faces):
    sources = np.array(["posed"] * 21 + ["wild"] * 3)
    domains = dataclasses.replace(faces, sources=sources)
    validation = Validation(CONFIG, faces, domains)
    values = validation(constant_model(3))
    assert values["posed/accuracy"] == pytest.approx(1 / 7)
    assert values["wild/accuracy"] == 0
    assert values["posed/balanced_nll"] == pytest.approx(np.log(7))
    assert validation.probs.shape == (COUNT, 7)
    alone = Validation(CONFIG, faces)(constant_model(3))
    assert {name: values[name] for name in alone} == alone
