"""RAF-DB's two sets and RAF-ML: their labels, splits and faces."""

import re

import numpy as np
import pytest

from fer_tf import labels
from fer_tf.errors import UserError
from fer_tf.sources import rafdb
from fer_tf.sources import rafdb_compound
from fer_tf.sources import rafml
from fer_tf.sources.rejects import Rejects


def rewrite(path, *lines):
    """Write a label file anew."""
    path.write_text("".join(f"{line}\n" for line in lines))


def test_every_basic_code_is_a_class(corpus, read):
    root = corpus("rafdb")
    found, rejected = read(rafdb, root)
    assert rejected == {}
    train = [record for record in found if record.split == "train"]
    assert [(record.label_original, record.label) for record in train] == [
        ("1", "Surprise"),
        ("2", "Fear"),
        ("3", "Disgust"),
        ("4", "Happy"),
        ("5", "Sad"),
        ("6", "Angry"),
        ("7", "Neutral"),
    ]
    assert [record.key for record in found if record.split == "test"] == [
        "rafdb/test_00001",
        "rafdb/test_00002",
    ]
    first = root / "Image" / "aligned" / "train_00001_aligned.jpg"
    assert train[0].key == "rafdb/train_00001"
    assert train[0].image == first.read_bytes()
    assert train[0].distribution == labels.one_hot("Surprise")


def test_every_compound_code_is_its_leading_class(corpus, read):
    found, rejected = read(rafdb_compound, corpus("rafdb_compound"))
    assert rejected == {} and len(found) == 13
    assert {int(record.label_original): record.label for record in found} == {
        1: "Happy",
        2: "Happy",
        3: "Sad",
        4: "Sad",
        5: "Sad",
        6: "Sad",
        7: "Fear",
        8: "Fear",
        9: "Angry",
        10: "Angry",
        11: "Disgust",
    }
    assert found[0].key == "rafdb_compound/train_0001"


def test_the_basic_set_may_lie_in_its_own_folder(corpus, read, tmp_path):
    root = corpus("rafdb")
    before = read(rafdb, root)
    root.rename(tmp_path / "basic")
    assert read(rafdb, tmp_path) == before


@pytest.mark.parametrize("place", ["rafdb_compound/compound", "rafdb/compound"])
def test_the_compound_set_may_lie_in_three_places(corpus, read, place):
    root = corpus("rafdb_compound")
    before = read(rafdb_compound, root)
    moved = root.rename(root.parent / "moved")
    (root.parent / place).parent.mkdir()
    moved.rename(root.parent / place)
    assert read(rafdb_compound, root) == before


@pytest.mark.parametrize("source", [rafdb, rafdb_compound])
@pytest.mark.parametrize(
    "line, why",
    [
        ("train_1.jpg 0", "'0'"),
        ("train_1.jpg 12", "'12'"),
        ("train_1.jpg happy", "'happy'"),
        ("train_1.jpg", r"\b2\b.*\b1\b"),
        ("train_1.jpg 1 2", r"\b2\b.*\b3\b"),
        ("valid_1.jpg 1", "train_.*test_.*'valid_1.jpg'"),
        ("train_1.jpg 1", r"train_1_aligned\.jpg"),
    ],
)
def test_a_line_that_cannot_be_read_is_a_reject(corpus, read, source, line, why):
    root = corpus(source.NAME)
    rewrite(root / rafdb.LABELS, "", line)
    found, rejected = read(source, root)
    assert found == []
    assert re.search(why, rejected["EmoLabel/list_patition_label.txt, row 1"])


@pytest.mark.parametrize(
    "source, half",
    [
        (rafdb, "EmoLabel/list_patition_label.txt"),
        (rafdb, "Image/aligned"),
        (rafdb_compound, "Image/aligned"),
        (rafml, "EmoLabel/partition_label.txt"),
        (rafml, "EmoLabel/distribution.txt"),
        (rafml, "Image/aligned"),
    ],
)
def test_half_a_corpus_is_named(corpus, source, half):
    root = corpus(source.NAME)
    (root / half).rename(root / "elsewhere")
    with pytest.raises(UserError, match=f"{root / half}"):
        next(source.read(root, Rejects(source.NAME)))


def test_a_label_file_that_is_no_text_is_named(corpus):
    root = corpus("rafdb")
    (root / rafdb.LABELS).write_bytes(b"train_00001.jpg 5\n\xff\xfa")
    with pytest.raises(UserError, match=r"list_patition_label\.txt"):
        next(rafdb.read(root, Rejects("rafdb")))


def test_a_distribution_is_normalised_and_its_first_largest_part_is_the_label(
    corpus, read
):
    root = corpus("rafml")
    rewrite(
        root / rafml.LABELS,
        "0001.jpg 1 0 0 3 0 0",
        "0002.jpg 0.2 0.2 0 0 0 0",
        "0003.jpg 0 0 0.1 0 0.3 0.3",
        "0004.jpg 0 0 0 0 0 1",
        "0005.jpg 0 1 0 0 0 0",
    )
    found, rejected = read(rafml, root)
    assert rejected == {}
    assert [(record.key, record.label, record.split) for record in found] == [
        ("rafml/0001", "Happy", "train"),
        ("rafml/0002", "Surprise", "train"),
        ("rafml/0003", "Sad", "train"),
        ("rafml/0004", "Angry", "test"),
        ("rafml/0005", "Fear", "test"),
    ]
    np.testing.assert_allclose(
        [record.distribution for record in found[:3]],
        [
            (0, 0, 0, 0.75, 0, 0.25, 0),
            (0, 0, 0.5, 0, 0, 0.5, 0),
            (3 / 7, 1 / 7, 0, 0, 3 / 7, 0, 0),
        ],
    )
    assert found[0].label_original == "Happy"


@pytest.mark.parametrize(
    "line, why",
    [
        ("0001.jpg 0 0 0 0 0 0", r"\[0\.0, .*\]"),
        ("0001.jpg 1 -0.1 0 0 0 0", r"-0\.1"),
        ("0001.jpg nan 0 0 0 0 1", "'nan'"),
        ("0001.jpg much 0 0 0 0 1", "'much'"),
        ("0001.jpg 0 0 0 0 1", r"\b6\b.*\b5\b"),
        ("0009.jpg 0 0 0 0 0 1", r"0009\.jpg"),
    ],
)
def test_a_distribution_that_says_nothing_is_a_reject(corpus, read, line, why):
    root = corpus("rafml")
    rewrite(root / rafml.LABELS, line)
    rewrite(root / rafml.PARTITION, "0001.jpg 0")
    found, rejected = read(rafml, root)
    assert found == [] and re.search(why, rejected["EmoLabel/distribution.txt, row 0"])


def test_a_picture_with_a_split_and_without_a_distribution_is_a_reject(corpus, read):
    root = corpus("rafml")
    rewrite(root / rafml.LABELS, "0001.jpg 1 0 0 3 0 0")
    rewrite(root / rafml.PARTITION, "0001.jpg 0", "0002.jpg 1")
    found, rejected = read(rafml, root)
    assert len(found) == 1
    assert list(rejected) == ["EmoLabel/partition_label.txt, 0002.jpg"]


def test_a_picture_in_two_splits_is_another_corpus(corpus, read):
    root = corpus("rafml")
    rewrite(root / rafml.PARTITION, "0001.jpg 0", "0001.jpg 1")
    with pytest.raises(UserError, match=r"row 1: 0001\.jpg"):
        read(rafml, root)
