"""FERPlus: FER2013's rows, joined to ten votes each."""

import re

import numpy as np
import pytest

from fer_tf import labels
from fer_tf import picture
from fer_tf.errors import UserError
from fer_tf.sources import fer2013
from fer_tf.sources import ferplus

VOTES_HEADER = ",".join(ferplus.HEADER)
HAPPY = "0,8,2,0,0,0,0,0,0,0"


def pixels(seed: int) -> np.ndarray:
    """Return a picture of noise, uint8 [48, 48]."""
    return np.random.default_rng(seed).integers(0, 256, (48, 48), dtype=np.uint8)


@pytest.fixture
def joined(tmp_path):
    """A function that writes rows of votes, and as many faces; it returns the folder.

    A row is its votes, or its Usage, image name and votes.
    """

    def write(*rows, faces=None, usages=(), beside=False):
        short = len(labels.FERPLUS_COLUMNS)
        full = [
            f"Training,a.png,{row}" if row.count(",") < short else row for row in rows
        ]
        folder = tmp_path / "ferplus"
        folder.mkdir()
        (folder / "fer2013new.csv").write_text("\n".join([VOTES_HEADER, *full]) + "\n")
        lines = [",".join(fer2013.HEADER)]
        for row in range(len(rows) if faces is None else faces):
            usage = usages[row] if usages else full[row % len(full)].split(",")[0]
            lines.append(f"6,{' '.join(map(str, pixels(row).ravel()))},{usage}")
        place = tmp_path / "fer2013" if beside else folder
        place.mkdir(exist_ok=True)
        (place / "fer2013.csv").write_text("\n".join(lines) + "\n")
        return folder

    return write


def test_a_row_has_the_pixels_of_the_same_row_and_its_own_votes(joined, read):
    rows = ("Training,a.png," + HAPPY, "PrivateTest,b.png,0,0,0,7,0,0,3,0,0,0")
    found, rejected = read(ferplus, joined(*rows))
    assert rejected == {}
    assert [record.key for record in found] == ["ferplus/0", "ferplus/1"]
    assert [record.split for record in found] == ["train", "test"]
    assert [record.label for record in found] == ["Happy", "Sad"]
    assert found[1].votes == (0, 0, 0, 7, 0, 0, 3, 0, 0, 0)
    np.testing.assert_allclose(found[1].distribution, (0, 0, 0.3, 0, 0.7, 0, 0))
    for row, record in enumerate(found):
        stored = picture.decode(record.image)
        np.testing.assert_array_equal(stored, np.dstack([pixels(row)] * 3))


def test_every_column_is_its_class_or_none(joined, read, ferplus_columns):
    rows = [",".join(map(str, row)) for row in 9 * np.eye(10, dtype=int)]
    found, _ = read(ferplus, joined(*rows))
    by_column = {record.label_original: record.label for record in found}
    assert by_column == ferplus_columns
    for record in found[:7]:
        assert record.distribution == labels.one_hot(record.label)


@pytest.mark.parametrize(
    "votes, label, original, distribution",
    [
        ("0,4,0,0,4,0,0,0,2,0", "Happy", "happiness", (0.5, 0, 0, 0.5, 0, 0, 0)),
        ("0,0,0,0,3,0,0,3,4,0", "", "unknown", (0,) * 7),
        ("0,0,0,0,5,0,0,5,0,0", "Angry", "anger", (1, 0, 0, 0, 0, 0, 0)),
        ("2,0,0,0,2,0,0,6,0,0", "", "contempt", (0,) * 7),
    ],
)
def test_the_first_of_the_most_voted_columns_wins(
    joined, read, votes, label, original, distribution
):
    (record,), _ = read(ferplus, joined(votes))
    assert (record.label, record.label_original) == (label, original)
    assert record.distribution == distribution
    assert record.votes == tuple(map(int, votes.split(",")))


def test_a_row_without_a_face_stays(joined, read):
    (record,), _ = read(ferplus, joined("Training,,0,0,0,0,0,0,0,0,0,10"))
    assert (record.label, record.label_original) == ("", "NF")


@pytest.mark.parametrize(
    "row, why",
    [
        ("0,0,0,0,0,0,0,0,0,0", "votes"),
        ("9,0,0,0,-1,0,0,0,0,0", " -1 "),
        ("9,0,0,0,0.5,0,0,0,0,0", r" 0\.5 "),
        ("nine,0,0,0,0,0,0,0,0,0", "'nine'"),
        ("nan,0,0,0,0,0,0,0,0,9", "'nan'"),
        ("inf,0,0,0,0,0,0,0,0,9", "'inf'"),
        ("9,0,0,0,0,0,0,0,0", r"\b12\b.*\b11\b"),
        ("Test,a.png," + HAPPY, "Training.*'Test'"),
    ],
)
def test_votes_that_say_nothing_are_a_reject(joined, read, row, why):
    found, rejected = read(ferplus, joined(HAPPY, row, HAPPY))
    assert [record.key for record in found] == ["ferplus/0", "ferplus/2"]
    assert re.search(why, rejected["fer2013new.csv, row 1"])


def test_rows_of_different_usage_are_not_the_same_picture(joined, read):
    root = joined(HAPPY, HAPPY, usages=("Training", "PublicTest"))
    found, rejected = read(ferplus, root)
    assert len(found) == 1
    assert "'PublicTest'" in rejected["fer2013new.csv, row 1"]


@pytest.mark.parametrize("faces, shorter", [(1, "fer2013.csv"), (3, "fer2013new.csv")])
def test_files_of_different_length_are_not_joined(joined, read, faces, shorter):
    with pytest.raises(UserError, match=rf"{shorter} \D*\b{min(faces, 2)}\b"):
        read(ferplus, joined(HAPPY, HAPPY, faces=faces))


def test_the_pictures_may_lie_in_fer2013s_folder(joined, read):
    assert len(read(ferplus, joined(HAPPY, beside=True))[0]) == 1


def test_without_the_pictures_it_says_where_it_looked(joined, read):
    root = joined(HAPPY)
    (root / "fer2013.csv").unlink()
    with pytest.raises(UserError) as caught:
        read(ferplus, root)
    message = str(caught.value)
    assert str(root / "fer2013.csv") in message
    assert str(root.parent / "fer2013") in message


def test_without_the_votes_it_says_so(joined, read):
    root = joined(HAPPY)
    (root / "fer2013new.csv").unlink()
    with pytest.raises(UserError, match=f"{root / 'fer2013new.csv'}"):
        read(ferplus, root)
