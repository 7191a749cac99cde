"""The seven classes, their order, and each corpus' way to them."""

import pytest

from fer_tf import labels


def test_the_order_is_the_one_that_every_file_was_written_in():
    assert labels.CLASSES == (
        "Angry",
        "Disgust",
        "Fear",
        "Happy",
        "Sad",
        "Surprise",
        "Neutral",
    )


def test_every_map_ends_in_our_classes_and_reaches_all_of_them():
    for corpus in (labels.FER2013, labels.NAMES):
        assert set(corpus.values()) == set(labels.CLASSES)


def test_contempt_is_none_of_ours():
    assert "contempt" not in labels.NAMES


def test_distributions_by_hand():
    assert labels.one_hot("Fear") == (0, 0, 1, 0, 0, 0, 0)
    assert labels.to_distribution([1, 0, 0, 3, 0, 0, 0]) == (0.25, 0, 0, 0.75, 0, 0, 0)


@pytest.mark.parametrize("votes", [[0] * 7, [1] * 6, [1, -1, 1, 0, 0, 0, 0]])
def test_votes_that_say_nothing_are_refused(votes):
    with pytest.raises(ValueError, match="votes"):
        labels.to_distribution(votes)
