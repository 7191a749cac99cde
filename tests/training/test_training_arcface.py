"""An arcface head in training: its margin grows, it learns, and it refuses votes."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from fer_tf import calibration
from fer_tf import config as recipes
from fer_tf import metrics
from fer_tf.config import Config
from fer_tf.config import ModelConfig
from fer_tf.config import StageConfig
from fer_tf.config import TrainConfig
from fer_tf.errors import UserError
from fer_tf.experiment import Experiment
from fer_tf.losses import adjusted
from fer_tf.losses import complement
from fer_tf.losses import cross_entropy
from fer_tf.losses import effective_number_weights
from fer_tf.losses import focal
from fer_tf.losses import is_unsure
from fer_tf.losses import negative_learning
from fer_tf.losses import with_margin
from fer_tf.manifest import table
from fer_tf.manifest.clean import clean
from fer_tf.models.head import SCALE
from fer_tf.models.head import classifier
from fer_tf.sources import drawn
from fer_tf.training import inputs
from fer_tf.training import stages
from fer_tf.training.schedules import adamw
from fer_tf.training.tasks import Supervised

RNG = np.random.default_rng(3)
LOGITS = RNG.uniform(-SCALE, SCALE, (4, 7)).astype(np.float32)
BATCH = {
    "target": np.eye(7, dtype=np.float32)[[0, 3, 6, 3]],
    "epochs_passed": np.float32([0, 0.5, 4, 9]),
}
COUNTS = (40, 4, 41, 72, 48, 32, 50)
ARCFACE = ModelConfig("resnet18", head="arcface")


def task(**options):
    return Supervised(TrainConfig(**options), COUNTS, head="arcface")


def wider(margin, logits=LOGITS):
    return with_margin(
        targets=BATCH["target"], logits=logits, margin=margin, scale=SCALE
    )


def test_the_margin_grows_by_the_epochs_that_have_passed():
    found = task(margin=0.4, margin_epochs=5.0)(LOGITS, BATCH)
    margins = np.float32([0, 0.04, 0.32, 0.4])
    expected = cross_entropy(targets=BATCH["target"], logits=wider(margins))
    np.testing.assert_allclose(found["loss"], expected, rtol=1e-5)
    np.testing.assert_array_equal(found["loss"], found["cross_entropy"])


def test_without_epochs_to_grow_over_it_is_whole_at_once():
    found = task(margin=0.4, margin_epochs=0.0)(LOGITS, BATCH)["loss"]
    expected = cross_entropy(targets=BATCH["target"], logits=wider(0.4))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_linear_head_and_no_margin_have_plain_cross_entropy():
    plain = cross_entropy(targets=BATCH["target"], logits=LOGITS)
    linear = Supervised(TrainConfig(margin=0.4))(LOGITS, BATCH)["loss"]
    np.testing.assert_array_equal(linear, plain)
    none = task(margin=0.0)(LOGITS, BATCH)["loss"]
    np.testing.assert_array_equal(none, plain)


@pytest.mark.parametrize("imbalance", ["effective_number", "logit_adjustment", "focal"])
def test_the_margin_comes_before_what_corrects_classes(imbalance):
    """A prior is added to logits; it turns no angle."""
    found = task(margin=0.4, margin_epochs=0.0, imbalance=imbalance)(LOGITS, BATCH)
    targets, logits = BATCH["target"], wider(0.4)
    if imbalance == "focal":
        expected = focal(targets=targets, logits=logits)
    elif imbalance == "effective_number":
        weights = effective_number_weights(class_counts=COUNTS)
        expected = cross_entropy(targets=targets * weights, logits=logits)
    else:
        given = adjusted(logits=logits, class_counts=COUNTS)
        expected = cross_entropy(targets=targets, logits=given)
    np.testing.assert_allclose(found["loss"], expected, rtol=1e-5)


@pytest.mark.parametrize("imbalance", ["none", "logit_adjustment"])
def test_negative_learning_goes_by_what_the_model_answers(imbalance):
    """With the margin it would look less sure than it is."""
    logits = LOGITS * np.float32([[1], [0.03], [0.03], [1]])
    options = {"margin": 1.0, "margin_epochs": 0.0, "imbalance": imbalance}
    found = task(negative=0.4, **options)(logits, BATCH)
    own = logits
    if imbalance == "logit_adjustment":
        own = adjusted(logits=logits, class_counts=COUNTS)
    negative = negative_learning(
        negatives=complement(targets=BATCH["target"]), logits=own
    )
    gate = is_unsure(logits=own, least_entropy=0.5)
    np.testing.assert_array_equal(gate, [0, 1, 1, 0])
    np.testing.assert_array_equal(found["negative_applies"], gate)
    np.testing.assert_allclose(found["negative"], negative, rtol=1e-6)
    plain = task(**options)(logits, BATCH)["loss"]
    np.testing.assert_allclose(found["loss"], plain + 0.4 * gate * negative, rtol=1e-6)


def test_it_is_the_same_in_a_graph():
    options = {"imbalance": "logit_adjustment", "negative": 0.4}
    each = task(**options)
    tensors = {name: tf.constant(value) for name, value in BATCH.items()}
    eager, graph = each(LOGITS, BATCH), tf.function(each)(LOGITS, tensors)
    assert eager.keys() == graph.keys()
    for name, value in eager.items():
        np.testing.assert_allclose(graph[name], value, rtol=1e-5, atol=1e-6)


def blocks(count, seed):
    """Noise with a brighter block, whose place is the class."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 7
    images = rng.normal(100, 40, (count, 16, 16, 3))
    for image, label in zip(images, labels, strict=True):
        row, column = divmod(int(label), 3)
        image[5 * row : 5 * row + 5, 5 * column : 5 * column + 5] += 25
    return np.float32(images), labels


def small_model():
    keras.utils.set_random_seed(5)
    pixels = keras.Input((16, 16, 3))
    scaled = keras.layers.Rescaling(1 / 255)(pixels)
    features = keras.layers.Flatten()(keras.layers.AveragePooling2D(2)(scaled))
    backbone = keras.Model(pixels, features)
    return classifier(backbone, dropout=0.2, seed=5, name="small", head="arcface")


def test_a_briefly_trained_model_evaluates_above_chance_and_can_be_calibrated():
    model = small_model()
    images, labels = blocks(140, seed=0)
    config = TrainConfig(epochs=60, warmup=0.0, margin_epochs=20.0)
    learn, optimizer = Supervised(config, head="arcface"), adamw(config, 1)

    @tf.function
    def step(passed):
        batch = {"target": tf.one_hot(labels, 7), "epochs_passed": passed}
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(learn(model(images, training=True), batch)["loss"])
        slopes = tape.gradient(loss, model.trainable_variables)
        optimizer.apply(slopes, model.trainable_variables)
        return loss

    losses = [float(step(tf.fill([140], float(each)))) for each in range(config.epochs)]
    assert np.isfinite(losses).all()
    others, expected = blocks(700, seed=1)
    logits = model.predict_on_batch(others)
    assert np.abs(logits).max() <= SCALE + 1e-3
    assert metrics.accuracy(expected, logits.argmax(axis=1)) > 0.5

    half = len(expected) // 2
    temperature = calibration.fit_temperature(logits[:half], expected[:half])
    scaling = calibration.Scaling(temperature)
    probs = metrics.softmax(scaling.apply(logits[half:]))
    raw = metrics.softmax(logits[half:])
    assert metrics.nll(expected[half:], probs) < metrics.nll(expected[half:], raw)
    assert metrics.ece(expected[half:], probs) < metrics.ece(expected[half:], raw)


@pytest.mark.parametrize("name", ["mixup", "cutmix", "label_smoothing"])
def test_a_recipe_that_makes_targets_soft_is_refused(name):
    train = TrainConfig(**{name: 0.2})
    with pytest.raises(UserError, match=rf"train\.{name}=0\.2.*{name}: 0\.0"):
        StageConfig(ARCFACE, train)
    StageConfig(ModelConfig("resnet18"), train)


def test_a_student_is_refused_with_the_reason():
    with pytest.raises(UserError, match="student.model.head.*arcface.*linear"):
        recipes.load(None, ["student.model.head=arcface"])
    assert Config(teachers=(StageConfig(ARCFACE),)).student.model.head == "linear"


@pytest.mark.parametrize(
    "override", ["margin=-0.1", "margin=1.1", "margin=.nan", "margin_epochs=.inf"]
)
def test_a_margin_out_of_its_range_is_named(override):
    with pytest.raises(UserError, match=rf"train\.{override.partition('=')[0]}\b"):
        recipes.load(None, [f"train.{override}"])


def manifest_of(experiment, votes):
    """Write a manifest; of its training pictures, the first `votes` have two labels."""
    rows = clean(drawn.records(70, seed=0))
    trained = rows.index[(rows["split"] == "train") & table.kept(rows)]
    rows.loc[trained[:votes], "distribution"] = "0.5 0 0 0 0 0 0.5"
    table.write(experiment.manifest, rows)
    return rows.loc[trained, "key"].to_list()


def test_votes_are_refused_before_a_step_is_begun(tmp_path):
    """Whichever teacher comes first, and before it is trained for nothing."""
    experiment = Experiment(tmp_path)
    first = manifest_of(experiment, votes=2)[0]
    linear = StageConfig(ModelConfig("mobilenetv3_large"))
    config = Config(teachers=(linear, StageConfig(ARCFACE)))
    expected = rf"resnet18.*\b2\b.*drawn_faces.*\b{first}\b"
    with pytest.raises(UserError, match=expected):
        stages.train_teacher(config, experiment, linear)
    assert not experiment.teacher("mobilenetv3_large").path.exists()


def test_one_label_each_is_what_an_arcface_head_takes(tmp_path):
    experiment = Experiment(tmp_path)
    config = Config(teachers=(StageConfig(ARCFACE),))
    manifest_of(experiment, votes=0)
    assert inputs.manifest(config, experiment) == experiment.manifest


def test_a_stages_model_has_its_head():
    config = recipes.load(None, ["face.size=32"])
    model = stages.build(config, StageConfig(ARCFACE))
    assert [each.path for each in model.get_layer("logits").weights] == [
        "logits/kernel"
    ]
