"""Which rows an epoch shows: shares, no needless repetition, and anew every time."""

import numpy as np
import pytest

from fer_tf.data.sampling import epoch_rows
from fer_tf.data.sampling import occurrences
from fer_tf.errors import UserError

LABELS = np.repeat([0, 1, 2, 6], [120, 60, 17, 3])
SOURCES = np.array(["a", "b"])[np.arange(200) % 2]
WAYS = [
    {},
    {"sampling": "balanced"},
    {"weights": {"a": 3.0, "b": 1.0}},
    {"sampling": "balanced", "weights": {"a": 3.0, "b": 1.0}},
]


def rows_of(seed=0, epoch=0, labels=LABELS, sources=SOURCES, **more):
    return epoch_rows(seed=seed, epoch=epoch, labels=labels, sources=sources, **more)


def shares(values, epochs=200, **more):
    """Return how often each value came in many epochs, as a part of all."""
    drawn = [values[rows_of(epoch=epoch, **more)] for epoch in range(epochs)]
    names, counts = np.unique(np.concatenate(drawn), return_counts=True)
    return dict(zip(names.tolist(), counts / counts.sum(), strict=True))


def test_by_default_an_epoch_is_a_permutation():
    np.testing.assert_array_equal(np.sort(rows_of()), np.arange(200))


@pytest.mark.parametrize("way", WAYS)
def test_the_same_seed_and_epoch_are_the_same_rows_and_no_others(way):
    first, again = rows_of(**way), rows_of(**way)
    np.testing.assert_array_equal(first, again)
    assert first.dtype == np.int64 and len(first) == 200
    epochs = {rows_of(epoch=epoch, **way).tobytes() for epoch in range(60)}
    assert len(epochs) == 60
    assert (rows_of(seed=1, **way) != first).any()


@pytest.mark.parametrize("way", WAYS)
def test_every_epoch_draws_other_pictures_not_another_order_alone(way):
    """Of a class or source that is drawn less often than it has pictures."""
    sets = {np.sort(rows_of(epoch=epoch, **way)).tobytes() for epoch in range(60)}
    assert len(sets) == (60 if way else 1)


def test_balanced_shows_each_class_equally_often():
    found = shares(LABELS, sampling="balanced")
    assert found == pytest.approx(dict.fromkeys([0, 1, 2, 6], 0.25), abs=1e-6)


def test_shares_that_are_no_whole_numbers_are_right_in_expectation():
    labels = np.repeat([0, 1, 2], [80, 15, 5])
    found = shares(labels, labels=labels, sources=SOURCES[:100], sampling="balanced")
    assert found == pytest.approx(dict.fromkeys([0, 1, 2], 1 / 3), abs=0.002)


def test_sources_are_shown_by_their_weights():
    assert shares(SOURCES, weights={"a": 3.0, "b": 1.0}) == pytest.approx(
        {"a": 0.75, "b": 0.25}, abs=1e-6
    )
    assert shares(SOURCES, weights={"a": 0.0, "b": 2.0}) == {"b": 1.0}


def test_balanced_and_weighted_is_both_where_every_source_has_every_class():
    way = {"sampling": "balanced", "weights": {"a": 3.0, "b": 1.0}}
    pairs = np.char.add(LABELS.astype(str), SOURCES)
    found = shares(pairs, **way)
    for name, share in found.items():
        assert share == pytest.approx(0.1875 if name[-1] == "a" else 0.0625, abs=1e-3)


def test_classes_stay_balanced_where_a_source_lacks_one():
    labels = np.array([0, 0, 1, 1, 0, 0, 0, 0])
    sources = np.array(["a"] * 4 + ["b"] * 4)
    found = shares(
        labels,
        labels=labels,
        sources=sources,
        sampling="balanced",
        weights={"a": 1.0, "b": 1.0},
    )
    assert found == pytest.approx({0: 0.5, 1: 0.5}, abs=0.01)


@pytest.mark.parametrize(
    ("way", "like"),
    [
        (WAYS[1], LABELS.astype(str)),
        (WAYS[2], SOURCES),
        (WAYS[3], np.char.add(LABELS.astype(str), SOURCES)),
    ],
)
def test_no_row_comes_again_before_its_like_have_come(way, like):
    counts = np.bincount(rows_of(**way), minlength=200)
    for name in np.unique(like):
        assert np.ptp(counts[like == name]) <= 1


def test_a_class_of_few_pictures_shows_them_often():
    counts = np.bincount(rows_of(sampling="balanced"), minlength=200)
    np.testing.assert_array_equal(np.sort(counts[LABELS == 6]), [16, 17, 17])


def test_a_source_with_a_weight_but_no_rows_is_told():
    with pytest.raises(UserError, match=r"data\.source_weights.*\bc\b.*\b0\.5\b"):
        rows_of(weights={"a": 1.0, "b": 1.0, "c": 0.5})
    assert len(rows_of(weights={"a": 1.0, "b": 1.0, "c": 0.0})) == 200


def test_a_source_without_a_weight_is_told():
    with pytest.raises(UserError, match=r"\bb\b.*data\.source_weights"):
        rows_of(weights={"a": 1.0})


def test_occurrences_by_hand():
    found = occurrences(np.array([5, 2, 5, 5, 0, 2]))
    np.testing.assert_array_equal(found, [0, 0, 1, 2, 0, 1])
    assert occurrences(np.array([], np.int64)).shape == (0,)
