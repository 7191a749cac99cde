"""Folds: by group, all of them, and nothing else."""

import numpy as np
import pytest

from fer_tf.data import cache
from fer_tf.data import folds
from fer_tf.data.crops import crop_of
from fer_tf.data.pipeline import Faces
from fer_tf.errors import UserError

GROUPS = np.array([f"g{row // 3}" for row in range(300)])


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    pictures = np.random.default_rng(0).integers(0, 256, (60, 20, 20, 3), np.uint8)
    crops = enumerate(crop_of(picture, (), 16) for picture in pictures)
    labels = np.arange(60) % 7
    return Faces(
        keys=np.array([f"a/{row}" for row in range(60)]),
        crops=cache.write(tmp_path_factory.mktemp("crops") / "a", crops, 60),
        targets=np.eye(7, dtype=np.float32)[labels],
        labels=labels,
        sources=np.array(["a", "b"])[np.arange(60) % 2],
        groups=GROUPS[:60],
        agreed=np.ones(60, bool),
    )


@pytest.mark.parametrize("count", [2, 5])
def test_a_group_is_in_one_fold_and_folds_are_of_about_one_size(count):
    found = folds.fold_of(GROUPS, count, seed=0)
    assert len({*zip(GROUPS, found, strict=True)}) == 100
    sizes = np.bincount(found, minlength=count)
    assert len(sizes) == count
    assert sizes.min() > 0.5 * 300 / count


def test_a_fold_hangs_on_group_and_seed_alone():
    found = folds.fold_of(GROUPS, 4, seed=0)
    order = np.random.default_rng(0).permutation(300)[:90]
    np.testing.assert_array_equal(folds.fold_of(GROUPS[order], 4, 0), found[order])
    assert (folds.fold_of(GROUPS, 4, seed=1) != found).any()


def test_the_parts_are_disjoint_and_whole(faces):
    answered = []
    for fold in range(3):
        shown, unseen = folds.part(faces, fold, 3, seed=0)
        assert not {*shown.groups} & {*unseen.groups}
        assert {*shown.keys} | {*unseen.keys} == {*faces.keys}
        assert len(shown) + len(unseen) == len(faces)
        answered += unseen.keys.tolist()
    assert sorted(answered) == sorted(faces.keys.tolist())


def test_what_is_taken_is_the_rows_in_their_order(faces):
    rows = np.array([7, 3, 50])
    some = faces.take(rows).take(np.array([2, 0]))
    for name in ("keys", "targets", "labels", "sources", "groups"):
        np.testing.assert_array_equal(
            getattr(some, name), getattr(faces, name)[[50, 7]]
        )
    for crop, row in zip(some.crops, [50, 7], strict=True):
        np.testing.assert_array_equal(crop.pixels, faces.crops[row].pixels)


def test_an_empty_fold_is_told(faces):
    one_group = faces.take(np.arange(3))
    for fold in range(2):
        with pytest.raises(UserError, match=r"soft_labels\.folds.*\b2\b.*\b3\b.*\b1\b"):
            folds.part(one_group, fold, 2, seed=0)
