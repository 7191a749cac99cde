"""MixUp and CutMix: targets are mixed as pixels are."""

import numpy as np
import pytest
import tensorflow as tf

from fer_tf.config import TrainConfig
from fer_tf.data.mixing import cutmix
from fer_tf.data.mixing import mixed
from fer_tf.data.mixing import mixup

COUNT, SIZE = 6, 20
MIXUP, CUTMIX = TrainConfig(mixup=0.4), TrainConfig(cutmix=1.0)


@pytest.fixture
def images():
    """Each of one grey level, so that a pixel says which picture it is from."""
    levels = np.arange(COUNT, dtype=np.uint8) * 40
    return np.tile(levels[:, None, None, None], (1, SIZE, SIZE, 3))


@pytest.fixture
def targets():
    """One-hot by picture, as if there were as many classes."""
    return np.eye(COUNT, dtype=np.float32)


@pytest.mark.parametrize("seed", range(20))
def test_mixups_targets_weigh_as_its_pixels_do(images, targets, seed):
    rng = np.random.default_rng(seed)
    found, mixture = mixup(images, targets, alpha=0.4, rng=rng)
    levels = images[:, 0, 0, 0].astype(float)
    np.testing.assert_allclose(found[:, 0, 0, 0], mixture @ levels, atol=0.51)
    assert (np.ptp(found, axis=(1, 2, 3)) == 0).all()
    np.testing.assert_allclose(mixture.sum(axis=1), 1, atol=1e-6)
    assert (found.dtype, mixture.dtype) == (np.uint8, np.float32)


def test_mixup_by_hand(images, targets):
    """The same generator gives the partners and lambda that were used."""
    found, mixture = mixup(images, targets, alpha=1.0, rng=np.random.default_rng(3))
    rng = np.random.default_rng(3)
    other, kept = rng.permutation(COUNT), rng.beta(1.0, 1.0)
    expected = kept * images + (1 - kept) * images[other].astype(float)
    np.testing.assert_allclose(found, expected, atol=0.51)
    np.testing.assert_allclose(
        mixture, kept * targets + (1 - kept) * targets[other], atol=1e-6
    )


@pytest.mark.parametrize("seed", range(50))
def test_cutmixs_targets_are_the_very_areas(images, targets, seed):
    rng = np.random.default_rng(seed)
    found, mixture = cutmix(images, targets, alpha=1.0, rng=rng)
    for picture, target in zip(found, mixture, strict=True):
        shares = [(picture == level).mean() for level in images[:, 0, 0, 0]]
        np.testing.assert_allclose(target, shares, atol=1e-6)
    assert (found.dtype, mixture.dtype) == (np.uint8, np.float32)


def test_cutmix_pastes_a_box_from_the_same_place(targets):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (COUNT, SIZE, SIZE, 3), np.uint8)
    found, mixture = cutmix(images, targets, alpha=1.0, rng=np.random.default_rng(1))
    for picture, own, target in zip(found, images, mixture, strict=True):
        differs = (picture != own).any(axis=-1)
        rows, columns = (np.flatnonzero(differs.any(axis=axis)) for axis in (1, 0))
        other = images[target.argsort()[::-1]]
        box = np.ix_(rows, columns)
        assert any((picture[box] == each[box]).all() for each in other)


@pytest.mark.parametrize("mix", [mixup, cutmix])
def test_the_pictures_given_are_left_alone(images, targets, mix):
    before = images.copy()
    mix(images, targets, alpha=1.0, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize("mix", [mixup, cutmix])
def test_a_batch_of_one_is_itself(images, targets, mix):
    found, mixture = mix(
        images[:1], targets[:1], alpha=1.0, rng=np.random.default_rng(0)
    )
    np.testing.assert_array_equal(found, images[:1])
    np.testing.assert_allclose(mixture, targets[:1])


def batches(images, targets, train, seed=(1, 2), first_step=0, steps=4):
    data = tf.data.Dataset.from_tensors(
        {"image": images, "target": targets, "row": np.arange(COUNT)}
    ).repeat(steps)
    data = mixed(data, train, seed=seed, first_step=first_step)
    return [{name: each.numpy() for name, each in batch.items()} for batch in data]


@pytest.mark.parametrize(
    ("train", "mix", "alpha"), [(MIXUP, mixup, 0.4), (CUTMIX, cutmix, 1.0)]
)
def test_in_the_graph_as_out_of_it(images, targets, train, mix, alpha):
    found = batches(images, targets, train, first_step=7)
    for step, batch in enumerate(found, 7):
        rng = np.random.default_rng([1, 2, step, 1])
        image, target = mix(images, targets, alpha=alpha, rng=rng)
        np.testing.assert_array_equal(batch["image"], image)
        np.testing.assert_array_equal(batch["target"], target)
        np.testing.assert_array_equal(batch["row"], np.arange(COUNT))


@pytest.mark.parametrize("train", [MIXUP, CUTMIX])
def test_every_step_and_every_seed_mixes_otherwise(images, targets, train):
    found = batches(images, targets, train)
    assert len({batch["target"].tobytes() for batch in found}) == 4
    other = batches(images, targets, train, seed=(1, 3))
    assert (found[0]["target"] != other[0]["target"]).any()


def test_shapes_are_known_to_the_graph(images, targets):
    data = tf.data.Dataset.from_tensors({"image": images, "target": targets})
    found = mixed(data, MIXUP, seed=(0,), first_step=0).element_spec
    assert found["image"] == tf.TensorSpec((COUNT, SIZE, SIZE, 3), tf.uint8)
    assert found["target"] == tf.TensorSpec((COUNT, COUNT), tf.float32)


def test_without_mixing_the_data_is_what_it_was(images, targets):
    data = tf.data.Dataset.from_tensors({"image": images, "target": targets})
    assert mixed(data, TrainConfig(), seed=(0,), first_step=0) is data
