"""From teachers to a distilled student, with models of a few weights."""

import dataclasses

import cv2
import keras
import numpy as np
import pytest

from fer_tf import config as recipes
from fer_tf import files
from fer_tf import fusion
from fer_tf import models
from fer_tf.cli import train as commands
from fer_tf.data import pipeline
from fer_tf.data.crops import crop_of
from fer_tf.data.pipeline import Faces
from fer_tf.errors import UserError
from fer_tf.experiment import Experiment
from fer_tf.labels import INDEX
from fer_tf.labels import NUM_CLASSES
from fer_tf.manifest import table
from fer_tf.manifest.clean import clean
from fer_tf.picture import decode
from fer_tf.predictions import Predictions
from fer_tf.sources import drawn
from fer_tf.training import stages

VIEWS = 3


def backbone(filters):
    """Return a stand-in for an architecture, which normalises as they all do."""

    def build(side, imagenet=False):
        picture = keras.Input((side, side, 3))
        x = keras.layers.Rescaling(1 / 127.5, -1)(picture)
        x = keras.layers.Conv2D(filters, 5, strides=4)(x)
        x = keras.layers.BatchNormalization()(x)
        x = keras.layers.ReLU()(x)
        return keras.Model(picture, keras.layers.Flatten()(x))

    return build


@pytest.fixture(scope="module")
def drawn_records():
    return list(drawn.records(140, seed=0))


@pytest.fixture(scope="module")
def drawn_faces(drawn_records):
    """Drawn faces by split; those of training come in pairs that share a group."""
    return {
        split: faces_of([each for each in drawn_records if each.split == split])
        for split in ("train", "validation", "test")
    }


def faces_of(records):
    labels = np.array([INDEX[record.label] for record in records])
    pictures = [cv2.resize(decode(record.image), (40, 40)) for record in records]
    return Faces(
        keys=np.array([record.key for record in records]),
        crops=[crop_of(picture, (), 32) for picture in pictures],
        targets=np.eye(NUM_CLASSES, dtype=np.float32)[labels],
        labels=labels,
        sources=np.array(["drawn_faces"] * len(records)),
        groups=np.array([f"g{row // 2}" for row in range(len(records))]),
    )


@pytest.fixture
def tiny(monkeypatch, drawn_faces):
    """Two tiny teachers and a tiny student, and faces that are in memory."""
    made = {"wide": backbone(6), "narrow": backbone(4), "small": backbone(2)}
    monkeypatch.setattr(models, "MODELS", made)
    monkeypatch.setattr(pipeline, "load", lambda config, manifest: drawn_faces)


@pytest.fixture
def experiment(tmp_path, tiny, drawn_records):
    experiment = Experiment(tmp_path)
    table.write(experiment.manifest, clean(drawn_records))
    return experiment


def recipe(*overrides):
    return recipes.load(
        None,
        [
            "face.size=32",
            f"soft_labels.views={VIEWS}",
            "teachers=[{model: {name: wide}}, {model: {name: narrow}}]",
            "student.model.name=small",
            "train.epochs=1",
            "train.batch_size=16",
            *overrides,
        ],
    )


def taught_by(config, experiment):
    """Train what distillation needs, and fuse."""
    for teacher in config.teachers:
        commands.train_teacher(config, experiment, teacher)
    commands.train_student(config, experiment)
    fusion.run(config, experiment)


def test_predictions_know_manifest_and_weights(experiment):
    config = recipe()
    taught_by(config, experiment)
    made_from = fusion.checked(config, experiment).made_from
    assert len(set(made_from.values())) == 5
    student = Predictions.load(experiment.student("ce").predictions)
    assert student.made_from["manifest"] == made_from["manifest"]
    commands.distill_student(config, experiment, "kd")
    assert experiment.student("kd").predictions.exists()


def test_distillation_says_first_whether_there_is_anything_to_teach(
    experiment, monkeypatch, caplog
):
    config = recipe()
    taught_by(config, experiment)
    run, said = experiment.student("kd"), []

    def train(*arguments):
        said.extend(caplog.messages)
        assert files.read_json(run.judgement)["students"].keys() == {"student-ce"}
        raise KeyboardInterrupt

    caplog.clear()
    monkeypatch.setattr(stages.loop, "train", train)
    with pytest.raises(KeyboardInterrupt):
        commands.distill_student(config, experiment, "kd")
    warnings = files.read_json(run.judgement)["warnings"]
    # After an epoch nobody knows anything.
    assert any("not shown to beat student-ce" in warning for warning in warnings)
    for warning in warnings:
        assert any(message.startswith(warning) for message in said)


@pytest.mark.parametrize("wrong", ["manifest", "a key", "a teacher"])
def test_what_is_wrong_with_soft_labels_is_told_before_the_first_step(
    experiment, wrong, monkeypatch
):
    config = recipe()
    taught_by(config, experiment)
    soft_labels = fusion.checked(config, experiment)
    if wrong == "manifest":
        experiment.manifest.write_text(experiment.manifest.read_text() + "\n")
        match = "another manifest"
    elif wrong == "a teacher":
        experiment.teacher("wide").weights.write_bytes(b"")
        match = "another wide/weights"
    else:
        less = {"keys": soft_labels.keys[1:], "log_probs": soft_labels.log_probs[1:]}
        dataclasses.replace(soft_labels, **less).save(experiment.soft_labels)
        match = f"1 of .* no soft labels: {soft_labels.keys[0]}"
    monkeypatch.setattr(
        keras.optimizers.AdamW, "apply_gradients", lambda *_: pytest.fail("a step")
    )
    with pytest.raises(UserError, match=match):
        commands.distill_student(config, experiment, "kd")
    assert not experiment.student("kd").path.exists()
