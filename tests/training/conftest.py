"""Tiny models on synthetic faces, trained once; and processes that train together."""

import contextlib
import json
import os
import shutil
import socket

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf

from fer_tf import config as recipes
from fer_tf import fusion
from fer_tf import models
from fer_tf.cli import train as commands
from fer_tf.data import cache
from fer_tf.data import pipeline
from fer_tf.data.crops import crop_of
from fer_tf.data.pipeline import Faces
from fer_tf.evaluation import kept
from fer_tf.experiment import Experiment
from fer_tf.labels import INDEX
from fer_tf.labels import NUM_CLASSES
from fer_tf.manifest import table
from fer_tf.manifest.clean import clean
from fer_tf.picture import decode
from fer_tf.sources import drawn

VIEWS = 3
# TensorFlow takes this before it starts alone: the second is for replicas in a test.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
)


def backbone(filters):
    """Return a stand-in for an architecture, with BatchNormalization as in all."""

    def build(side, imagenet=False):
        image = keras.Input((side, side, 3))
        x = keras.layers.Rescaling(1 / 127.5, -1)(image)
        x = keras.layers.Conv2D(filters, 5, strides=4)(x)
        x = keras.layers.BatchNormalization()(x)
        x = keras.layers.ReLU()(x)
        return keras.Model(image, keras.layers.Flatten()(x))

    return build


@pytest.fixture(scope="session")
def drawn_records():
    return list(drawn.records(140, seed=0))


@pytest.fixture(scope="session")
def drawn_faces(drawn_records, tmp_path_factory):
    """Drawn faces by split, in pairs that share a group."""
    folder = tmp_path_factory.mktemp("crops")
    return {
        split: faces_of(
            [each for each in drawn_records if each.split == split], folder / split
        )
        for split in ("train", "validation", "test")
    }


def faces_of(records, folder):
    labels = np.array([INDEX[record.label] for record in records])
    images = [cv2.resize(decode(record.image), (40, 40)) for record in records]
    return Faces(
        keys=np.array([record.key for record in records]),
        crops=cache.write(
            folder,
            enumerate(crop_of(image, (), 32) for image in images),
            len(records),
        ),
        targets=np.eye(NUM_CLASSES, dtype=np.float32)[labels],
        labels=labels,
        sources=np.array(["drawn_faces"] * len(records)),
        groups=np.array([f"g{row // 2}" for row in range(len(records))]),
        agreed=np.ones(len(records), bool),
    )


@pytest.fixture(scope="session")
def recipe():
    """A function from overrides to a config of two tiny teachers and a student."""

    def of(*overrides):
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

    return of


def use_tiny(monkeypatch, drawn_faces):
    made = {"wide": backbone(6), "narrow": backbone(4), "small": backbone(2)}
    monkeypatch.setattr(models, "MODELS", made)
    monkeypatch.setattr(pipeline, "load", lambda config, manifest: drawn_faces)


@pytest.fixture(scope="session")
def tiny_models():
    """`use_tiny`, for fixtures that live longer than a test."""
    return use_tiny


@pytest.fixture
def tiny(monkeypatch, drawn_faces):
    """Two tiny teachers and a tiny student, and faces that are in memory."""
    use_tiny(monkeypatch, drawn_faces)


@pytest.fixture
def experiment(tmp_path, tiny, drawn_records):
    """A new experiment: a manifest, and nothing trained."""
    experiment = Experiment(tmp_path / "experiment")
    experiment.root.mkdir()
    table.write(experiment.manifest, clean(drawn_records))
    return experiment


@pytest.fixture(scope="session")
def trained_once(tmp_path_factory, drawn_records, drawn_faces, recipe):
    """All that distillation needs, fused and kept: for others to copy, not to use."""
    experiment, config = Experiment(tmp_path_factory.mktemp("trained")), recipe()
    table.write(experiment.manifest, clean(drawn_records))
    with pytest.MonkeyPatch.context() as monkeypatch:
        use_tiny(monkeypatch, drawn_faces)
        for teacher in config.teachers:
            commands.train_teacher(config, experiment, teacher)
        commands.train_student(config, experiment)
        fusion.run(config, experiment)
        kept.keep(config, experiment, experiment.root / "kept")
    return experiment.root


@pytest.fixture
def trained(tmp_path, tiny, trained_once):
    """A copy of an experiment whose teachers and student are trained, and fused."""
    return Experiment(shutil.copytree(trained_once, tmp_path / "trained"))


@pytest.fixture
def written():
    """A function from a folder to its files' times of change."""

    def of(folder):
        return {
            path: path.stat().st_mtime_ns
            for path in folder.rglob("*")
            if path.is_file()
        }

    return of


@pytest.fixture(scope="session")
def environments():
    """Return the environment variables of each of `count` processes; of one, alone."""

    def of(count):
        alone = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
        alone.pop("TF_CONFIG", None)
        if count == 1:
            return [alone]
        workers = [f"localhost:{port}" for port in free_ports(count)]
        tasks = [{"type": "worker", "index": index} for index in range(count)]
        told = [{"cluster": {"worker": workers}, "task": task} for task in tasks]
        return [{**alone, "TF_CONFIG": json.dumps(each)} for each in told]

    return of


def free_ports(count):
    with contextlib.ExitStack() as stack:
        # All at once, or the same port would come twice.
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("localhost", 0))
        return [each.getsockname()[1] for each in sockets]
