"""Tasks: the stages' losses, put together as their recipes say."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import log_softmax

from fer_tf import config as recipes
from fer_tf.config import DistillConfig
from fer_tf.config import TrainConfig
from fer_tf.data.crops import crop_of
from fer_tf.data.pipeline import Faces
from fer_tf.errors import UserError
from fer_tf.fusion import SoftLabels
from fer_tf.losses import adjusted
from fer_tf.losses import complement
from fer_tf.losses import cross_entropy
from fer_tf.losses import dkd
from fer_tf.losses import effective_number_weights
from fer_tf.losses import focal
from fer_tf.losses import kd
from fer_tf.losses import negative_learning
from fer_tf.losses import smoothed
from fer_tf.training import epochs
from fer_tf.training.tasks import Distilled
from fer_tf.training.tasks import Supervised
from fer_tf.training.validation import Validation

RNG = np.random.default_rng(3)
LOGITS = RNG.normal(size=(4, 7)).astype(np.float32)
BATCH = {
    "target": RNG.dirichlet(np.ones(7), 4).astype(np.float32),
    "soft_label": RNG.normal(size=(4, 7)).astype(np.float32),
}


COUNTS = (40, 4, 41, 72, 48, 32, 50)


def composed(imbalance, targets, logits):
    """The loss on labels, put together from its parts."""
    if imbalance == "focal":
        return focal(targets=targets, logits=logits)
    if imbalance == "effective_number":
        targets = targets * effective_number_weights(class_counts=COUNTS)
    if imbalance == "logit_adjustment":
        logits = adjusted(logits=logits, class_counts=COUNTS)
    return cross_entropy(targets=targets, logits=logits)


IMBALANCE = ["none", "effective_number", "logit_adjustment", "focal"]


@pytest.mark.parametrize("imbalance", IMBALANCE)
def test_supervised_is_cross_entropy_corrected_as_asked(imbalance):
    train = TrainConfig(label_smoothing=0.1, imbalance=imbalance)
    found = Supervised(train, COUNTS)(LOGITS, BATCH)
    targets = smoothed(targets=BATCH["target"], label_smoothing=0.1)
    expected = composed(imbalance, targets, LOGITS)
    np.testing.assert_allclose(found["loss"], expected, rtol=1e-6)


def test_corrections_differ_from_each_other():
    losses = [
        Supervised(TrainConfig(imbalance=name), COUNTS)(LOGITS, BATCH)["loss"]
        for name in IMBALANCE
    ]
    for index, one in enumerate(losses):
        for other in losses[:index]:
            assert np.abs(np.array(one) - np.array(other)).min() > 1e-3


@pytest.mark.parametrize("imbalance", IMBALANCE)
def test_distillation_corrects_its_cross_entropy_and_no_teacher(imbalance):
    train = TrainConfig(label_smoothing=0.1, imbalance=imbalance)
    config = DistillConfig(start="ce", train=train)
    found = Distilled("kd", config, COUNTS)(LOGITS, BATCH)
    plain = Distilled("kd", DistillConfig(start="ce"))(LOGITS, BATCH)
    on_labels = Supervised(train, COUNTS)(LOGITS, BATCH)["loss"]
    np.testing.assert_array_equal(found["cross_entropy"], on_labels)
    np.testing.assert_array_equal(found["divergence"], plain["divergence"])


@pytest.mark.parametrize("imbalance", ["effective_number", "logit_adjustment"])
def test_a_correction_by_counts_needs_them(imbalance):
    with pytest.raises(ValueError, match=f"`class_counts`.*{imbalance}"):
        Supervised(TrainConfig(imbalance=imbalance))


def faces_of(labels, sources):
    pictures = RNG.integers(0, 256, (len(labels), 20, 20, 3), np.uint8)
    keys = np.arange(len(labels)).astype(str)
    return Faces(
        keys=keys,
        crops=[crop_of(picture, (), 16) for picture in pictures],
        targets=np.eye(7, dtype=np.float32)[labels],
        labels=labels,
        sources=sources,
        groups=keys,
        agreed=np.ones(len(keys), bool),
    )


@pytest.mark.parametrize("imbalance", IMBALANCE)
def test_what_is_validated_are_the_models_own_probabilities(imbalance):
    faces = faces_of(np.array([0, 3, 3, 3]), np.array(["a"] * 4))
    model = keras.Sequential(
        [keras.Input((16, 16, 3)), keras.layers.Flatten(), keras.layers.Dense(7)]
    )
    model.layers[-1].bias.assign(np.arange(7))
    model.layers[-1].kernel.assign(np.zeros((768, 7)))
    config = recipes.load(None, ["face.size=16", f"train.imbalance={imbalance}"])
    found = Validation(config, faces)(model)
    expected = -np.mean(log_softmax(np.arange(7))[faces.labels])
    assert found["nll"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("imbalance", IMBALANCE[1:])
def test_classes_are_not_corrected_twice(imbalance):
    """The original both sampled evenly and weighted."""
    with pytest.raises(UserError, match="sampling=shuffle.*imbalance=none"):
        recipes.load(
            None, ["train.sampling=balanced", f"train.imbalance={imbalance}"]
        )
    for overrides in (["train.sampling=balanced"], [f"train.imbalance={imbalance}"]):
        recipes.load(None, overrides)


def test_an_unknown_correction_is_answered_with_the_nearest():
    with pytest.raises(UserError, match="'logit_adjusted'") as raised:
        recipes.load(None, ["train.imbalance=logit_adjusted"])
    assert raised.value.suggestion == "logit_adjustment"


@pytest.mark.parametrize("imbalance", IMBALANCE)
def test_negative_learning_is_added_where_the_student_is_unsure(imbalance):
    logits = np.array([[0.0] * 7, [9.0] + [0.0] * 6] * 2, np.float32)
    train = TrainConfig(imbalance=imbalance, label_smoothing=0.1)
    told = dataclasses.replace(train, negative=0.4)
    found = Supervised(told, COUNTS)(logits, BATCH)
    plain = Supervised(train, COUNTS)(logits, BATCH)["loss"]
    counted = imbalance == "logit_adjustment"
    negative = negative_learning(
        negatives=complement(
            targets=smoothed(targets=BATCH["target"], label_smoothing=0.1)
        ),
        logits=adjusted(logits=logits, class_counts=COUNTS) if counted else logits,
    )
    np.testing.assert_array_equal(found["negative_applies"], [1, 0, 1, 0])
    np.testing.assert_array_equal(found["cross_entropy"], plain)
    added = 0.4 * np.array([1, 0, 1, 0]) * np.array(negative)
    np.testing.assert_allclose(found["loss"], plain + added, rtol=1e-6)


def test_distillation_has_negative_learning_in_its_loss_on_labels():
    train = TrainConfig(negative=0.4, negative_entropy=0.0)
    config = DistillConfig(start="ce", weight=0.25, train=train)
    found = Distilled("kd", config)(LOGITS, BATCH)
    on_labels = Supervised(train)(LOGITS, BATCH)
    for part in ("cross_entropy", "negative", "negative_applies"):
        np.testing.assert_array_equal(found[part], on_labels[part])
    divergence = 0.25 * 4 * np.array(found["divergence"])
    np.testing.assert_allclose(
        found["loss"], 0.75 * np.array(on_labels["loss"]) + divergence, rtol=1e-6
    )


@pytest.mark.parametrize(
    "override", ["negative=-1", "negative=.inf", "negative_entropy=1.5"]
)
def test_a_weight_or_gate_out_of_its_range_is_named(override):
    with pytest.raises(UserError, match=rf"train\.{override.partition('=')[0]}\b"):
        recipes.load(None, [f"train.{override}"])


@pytest.mark.parametrize("value", ["-0.1", "1.0", ".nan"])
def test_smoothing_leaves_something_of_the_label(value):
    with pytest.raises(UserError, match="train.label_smoothing"):
        recipes.load(None, [f"train.label_smoothing={value}"])


def test_class_counts_are_those_that_an_epoch_shows():
    """One source has Happy faces alone, the other Sad ones."""
    labels = np.array([3] * 3 + [4] * 8)
    faces = faces_of(labels, np.where(labels == 3, "a", "b"))

    def counts(*overrides):
        config = recipes.load(None, ["data.sources=[a, b]", *overrides])
        return epochs.class_counts(config, faces, config.student.train)

    assert counts() == (0, 0, 0, 3, 8, 0, 0)
    assert counts("data.source_weights=[1, 0]") == (0, 0, 0, 11, 0, 0, 0)


@pytest.mark.parametrize("loss", ["kd", "dkd"])
def test_distilled_weighs_its_parts(loss):
    config = DistillConfig(
        start="ce", temperature=3.0, weight=0.7, alpha=1.5, beta=2.5
    )
    found = Distilled(loss, config)(LOGITS, BATCH)
    given = {
        "teacher_logits": BATCH["soft_label"],
        "logits": LOGITS,
        "temperature": 3.0,
    }
    divergence = (
        kd(**given)
        if loss == "kd"
        else dkd(
            **given, target_index=BATCH["target"].argmax(-1), alpha=1.5, beta=2.5
        )
    )
    hard = cross_entropy(targets=BATCH["target"], logits=LOGITS)
    np.testing.assert_allclose(found["divergence"], divergence, rtol=1e-6)
    np.testing.assert_allclose(
        found["loss"], 0.3 * np.array(hard) + 0.7 * 9 * np.array(divergence), rtol=1e-5
    )


@pytest.mark.parametrize("loss", ["kd", "dkd"])
def test_warm_up_lets_the_teachers_in_by_and_by(loss):
    config = DistillConfig(start="ce", weight=0.7, temperature=3.0, warmup_epochs=2.5)
    passed = np.array([0.0, 1.0, 2.5, 7.0], np.float32)
    found = Distilled(loss, config)(LOGITS, {**BATCH, "epochs_passed": passed})
    hard, soft = np.array(found["cross_entropy"]), np.array(found["divergence"])
    ramp = np.array([0, 0.4, 1, 1])
    np.testing.assert_allclose(
        found["loss"], 0.3 * hard + 0.7 * ramp * 9 * soft, rtol=1e-5
    )
    whole = Distilled(loss, dataclasses.replace(config, warmup_epochs=0.0))
    np.testing.assert_array_equal(whole(LOGITS, BATCH)["divergence"], soft)


def test_epochs_passed_grow_from_batch_to_batch_and_epoch_to_epoch(tmp_path):
    """Also from the middle of an epoch on: it is a function of the epoch and step."""
    faces = faces_of(np.arange(40) % 7, np.array(["a"] * 40))
    log_probs = np.zeros((40, 1, 7), np.float32)
    path = tmp_path / "soft_labels.npz"
    SoftLabels(faces.keys, log_probs, view_seed=0).save(path)
    config = recipes.load(
        None, ["face.size=16", "distill.dkd.train.batch_size=16"]
    )
    data = epochs.taught(config, faces, config.distill.dkd.train, path)

    def passed(*where):
        return np.concatenate([batch["epochs_passed"] for batch in data.of(*where)])

    np.testing.assert_allclose(passed(0), np.arange(32) / 40, rtol=1e-6)
    np.testing.assert_allclose(passed(3), 3 + np.arange(32) / 40, rtol=1e-6)
    np.testing.assert_array_equal(passed(3, 1), passed(3)[16:])


@pytest.mark.parametrize("value", ["-1", ".inf", ".nan"])
def test_a_warm_up_has_an_end(value):
    with pytest.raises(UserError, match="warmup_epochs"):
        recipes.load(None, [f"distill.dkd.warmup_epochs={value}"])


def test_the_target_class_of_dkd_is_the_most_probable_of_a_soft_target():
    """The first of equals; the rest of the target is for the cross entropy."""
    target = np.array([[0.2, 0.5, 0.3, 0, 0, 0, 0], [0, 0, 0.5, 0, 0.5, 0, 0]])
    batch = {
        "target": target.astype(np.float32),
        "soft_label": BATCH["soft_label"][:2],
    }
    config = DistillConfig(start="ce")
    expected = dkd(
        teacher_logits=batch["soft_label"],
        logits=LOGITS[:2],
        target_index=np.array([1, 2]),
        temperature=config.temperature,
        beta=config.beta,
    )
    found = Distilled("dkd", config)(LOGITS[:2], batch)["divergence"]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("imbalance", IMBALANCE)
def test_a_task_is_the_same_in_a_graph(imbalance):
    train = TrainConfig(label_smoothing=0.1, imbalance=imbalance, negative=0.4)
    config = DistillConfig(start="ce", warmup_epochs=2.0, train=train)
    task = Distilled("dkd", config, COUNTS)
    batch = {**BATCH, "epochs_passed": np.float32([0, 1, 2, 3])}
    tensors = {name: tf.constant(each) for name, each in batch.items()}
    eager, graph = task(LOGITS, batch), tf.function(task)(LOGITS, tensors)
    assert eager.keys() == graph.keys()
    for name, value in eager.items():
        np.testing.assert_allclose(graph[name], value, rtol=1e-5, atol=1e-6)


def test_an_unknown_loss_is_answered_with_the_nearest():
    with pytest.raises(UserError, match="'ddk'") as raised:
        Distilled("ddk", DistillConfig(start="ce"))
    assert raised.value.suggestion == "dkd"
