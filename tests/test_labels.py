"""The seven classes, their order, and each corpus' way to them."""

import math

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


@pytest.mark.parametrize("name", ["FER2013", "NAMES", "RAFDB", "AFFECTNET", "EXPW"])
def test_a_map_reaches_all_of_our_classes(name):
    assert set(getattr(labels, name).values()) - {""} == set(labels.CLASSES)


def test_a_compound_is_what_its_adverb_says():
    assert set(labels.RAFDB_COMPOUND) == set(labels.RAFDB_COMPOUND_NAMES)
    for code, name in labels.RAFDB_COMPOUND_NAMES.items():
        adverb = labels.RAFDB_COMPOUND[code].lower().replace("y", "i")[:3]
        assert name.startswith(adverb)


def test_what_is_none_of_ours_is_no_label():
    codes = [code for code, name in labels.AFFECTNET.items() if not name]
    assert codes == ["7", "8", "9", "10"]
    assert not set(labels.NOT_OURS) & set(labels.NAMES)
    assert {labels.of_word(word) for word in labels.NOT_OURS} == {""}


@pytest.mark.parametrize(
    "word, label",
    [("happy", "Happy"), (" Anger ", "Angry"), ("No-Face", ""), ("no_face", "")],
)
def test_a_word_is_read_in_any_case(word, label):
    assert labels.of_word(word) == label


def test_another_word_or_code_is_refused():
    with pytest.raises(ValueError, match="anger.*'sleepy'"):
        labels.of_word("sleepy")
    with pytest.raises(ValueError, match=r"\b1, 2, .*\b7, .*'0'"):
        labels.of_code("0", labels.RAFDB)


@pytest.mark.parametrize(
    "source, label, name",
    [
        ("affectnet", "7", "contempt"),
        ("affectnet", "10", "no face"),
        ("affectnet", "Contempt", "Contempt"),
        ("rafdb_compound", "11", "disgustedly surprised"),
        ("ferplus", "NF", "NF"),
        ("wild", "contempt", "contempt"),
    ],
)
def test_a_label_has_the_name_its_publisher_gave_it(source, label, name):
    assert labels.published_name(source, label) == name


def test_distributions_by_hand():
    assert labels.one_hot("Fear") == (0, 0, 1, 0, 0, 0, 0)
    assert labels.one_hot("") == (0,) * 7
    assert labels.to_distribution([1, 0, 0, 3, 0, 0, 0]) == (0.25, 0, 0, 0.75, 0, 0, 0)


@pytest.mark.parametrize(
    "votes",
    [
        [0] * 7,
        [1] * 6,
        [1, -1, 1, 0, 0, 0, 0],
        [1, math.nan, 0, 0, 0, 0, 0],
        [1, math.inf, 0, 0, 0, 0, 0],
    ],
)
def test_votes_that_say_nothing_are_refused(votes):
    with pytest.raises(ValueError, match="`votes`"):
        labels.to_distribution(votes)


@pytest.mark.parametrize(
    "votes, agreed",
    [
        ((), True),
        ((10, 0, 0), True),
        ((6, 4, 0), True),
        ((5, 5, 0), False),
        ((4, 3, 3), False),
        # A single vote is an outlier, and is not counted.
        ((4, 3, 1, 1, 1), True),
        ((1, 1, 1), False),
    ],
)
def test_most_voters_agree_once_single_votes_are_left_out(votes, agreed):
    assert labels.agreed(votes) is agreed
