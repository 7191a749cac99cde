"""Records, manifest and soft labels joined: order, views and what is evaluated."""

import numpy as np
import pytest

from fer_tf.config import AugmentConfig
from fer_tf.data import pipeline
from fer_tf.data.augment import view
from fer_tf.data.pipeline import Faces
from fer_tf.preprocess import FaceSpec
from fer_tf.preprocess import prepare

SPEC = FaceSpec(size=16)
AUGMENT = AugmentConfig()


@pytest.fixture
def faces():
    rng = np.random.default_rng(0)
    labels = np.arange(10) % 7
    return Faces(
        keys=np.array([f"a/{row}" for row in range(10)]),
        pictures=[rng.integers(0, 256, (20 + r, 24, 3), np.uint8) for r in range(10)],
        targets=np.eye(7, dtype=np.float32)[labels],
        labels=labels,
        sources=np.array(["a"] * 10),
        groups=np.array([f"a/{row}" for row in range(10)]),
    )


def take(faces, rows, views, **more):
    data = pipeline.batches(
        faces,
        spec=SPEC,
        augment=AUGMENT,
        seed=4,
        rows=np.array(rows),
        views=np.array(views),
        batch_size=4,
        **more,
    )
    return [{name: each.numpy() for name, each in batch.items()} for batch in data]


def test_rows_come_in_the_order_asked_for_with_their_targets(faces):
    rows = [7, 2, 2, 9, 0, 5]
    found = take(faces, rows, [0] * 6)
    assert [len(batch["row"]) for batch in found] == [4, 2]
    together = np.concatenate([batch["row"] for batch in found])
    np.testing.assert_array_equal(together, rows)
    targets = np.concatenate([batch["target"] for batch in found])
    np.testing.assert_array_equal(targets, faces.targets[rows])


def test_a_batch_holds_the_views_that_augment_gives_outside_it(faces):
    """The same pixels in the graph as out of it, whichever thread made them."""
    (found,) = take(faces, [3, 3, 8], [0, 5, 1])
    for image, row, number in zip(found["image"], [3, 3, 8], [0, 5, 1], strict=True):
        expected = view(
            faces.pictures[row],
            spec=SPEC,
            augment=AUGMENT,
            seed=4,
            key=f"a/{row}",
            number=number,
        )
        np.testing.assert_array_equal(image, expected)


def test_what_is_evaluated_is_what_live_prepares(faces):
    images = np.concatenate(
        [batch["image"].numpy() for batch in pipeline.plain_batches(faces, SPEC, 4)]
    )
    for image, picture in zip(images, faces.pictures, strict=True):
        np.testing.assert_array_equal(image, prepare(picture, SPEC))


def test_further_columns_stay_with_their_rows(faces):
    rows = np.array([4, 1, 6])
    (found,) = take(faces, rows, [0, 0, 0], extra={"soft_label": rows * 10.0})
    np.testing.assert_array_equal(found["soft_label"], found["row"] * 10.0)


def test_training_batches_are_all_of_one_size(faces):
    found = take(faces, range(10), [0] * 10, drop_remainder=True)
    assert [batch["image"].shape for batch in found] == [(4, 16, 16, 3)] * 2


def test_an_epoch_is_a_permutation_and_each_epoch_another():
    first, again, second, other = (
        pipeline.epoch_order(50, seed, epoch)
        for seed, epoch in ((0, 0), (0, 0), (0, 1), (1, 0))
    )
    np.testing.assert_array_equal(np.sort(first), np.arange(50))
    np.testing.assert_array_equal(first, again)
    assert (first != second).any()
    assert (first != other).any()
    assert (second != other).any()
