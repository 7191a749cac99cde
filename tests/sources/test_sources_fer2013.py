"""FER2013's CSV, row by row: what is read, what is refused, and how it is named."""

import numpy as np
import pytest

from fer_tf import picture
from fer_tf.errors import UserError
from fer_tf.sources import fer2013

HEADER = "emotion,pixels,Usage"


def pixels(seed: int = 0) -> np.ndarray:
    """Return a picture of noise, uint8 [48, 48]."""
    return np.random.default_rng(seed).integers(0, 256, (48, 48), dtype=np.uint8)


def line(code="0", grey=None, usage="Training") -> str:
    """Return a row of the CSV."""
    grey = pixels() if grey is None else grey
    return f"{code},{' '.join(map(str, np.ravel(grey)))},{usage}"


@pytest.fixture
def csv(tmp_path):
    """Return a function that writes lines under a header and returns the path."""

    def write(*lines: str, header: str = HEADER):
        path = tmp_path / "fer2013.csv"
        path.write_text("\n".join([header, *lines]) + "\n")
        return path

    return write


def read(path, split: str = ""):
    """Return the records and the rejections."""
    rejected = []
    return list(fer2013.read(path, rejected.append, split)), rejected


def test_a_row_becomes_a_record_with_its_very_pixels(csv):
    records, rejected = read(csv(line("3", pixels(1)), line("6", pixels(2))))
    assert rejected == []
    assert [record.key for record in records] == ["fer2013/0", "fer2013/1"]
    assert [record.label for record in records] == ["Happy", "Neutral"]
    assert [record.label_original for record in records] == ["3", "6"]
    assert records[0].distribution == (0, 0, 0, 1, 0, 0, 0)
    for seed, record in enumerate(records, start=1):
        decoded = picture.decode(record.image)
        np.testing.assert_array_equal(decoded, np.dstack([pixels(seed)] * 3))


def test_usage_is_the_split_and_rows_keep_their_number(csv):
    usages = ("PrivateTest", "Training", "PublicTest", "Training")
    path = csv(*[line(usage=usage) for usage in usages])
    splits = [record.split for record in read(path)[0]]
    assert splits == ["test", "train", "validation", "train"]
    assert [record.key for record in read(path, "train")[0]] == [
        "fer2013/1",
        "fer2013/3",
    ]


def test_a_black_row_is_a_record_like_any_other(csv):
    (record,), rejected = read(csv(line(grey=np.zeros(2304, int))))
    assert rejected == [] and not picture.decode(record.image).any()


@pytest.mark.parametrize(
    "bad, why",
    [
        (line("7"), "received '7'"),
        (line("angry"), "received 'angry'"),
        (line(grey=np.zeros(2303, int)), "expected 2304 pixels, received 2303"),
        (line(grey=np.full(2304, 256)), "range(0, 256)"),
        (line(grey=np.full(2304, -1)), "range(0, 256)"),
        (line(grey=["x"] * 2304), "'x'"),
        (line(usage="Test"), "received 'Test'"),
        ("3,1 2 3", "expected 3 cells, received 2"),
        ("", "expected 3 cells, received 0"),
    ],
)
def test_an_unreadable_row_is_rejected_by_file_and_row(csv, bad, why):
    good = [line()] * 120
    path = csv(*good[:7], bad, *good)
    records, (message,) = read(path)
    assert len(records) == 127
    assert message.startswith(f"{path}, row 7: ") and why in message
    assert [record.key for record in records[6:8]] == ["fer2013/6", "fer2013/8"]


@pytest.mark.parametrize("good, stops", [(99, False), (98, True)])
def test_more_than_one_row_in_a_hundred_stops(csv, good, stops):
    path = csv(*[line()] * good, line("7"))
    if stops:
        with pytest.raises(UserError, match="1 of 99 rows"):
            read(path)
    else:
        assert len(read(path)[0]) == good


@pytest.mark.parametrize("header", ["", "emotion,Usage,pixels", "label,pixels,Usage"])
def test_another_header_is_another_file(csv, header):
    with pytest.raises(UserError, match="expected the header emotion,pixels,Usage"):
        read(csv(line(), header=header))


def test_a_missing_or_binary_file_is_named(tmp_path):
    path = tmp_path / "fer2013.csv"
    with pytest.raises(UserError, match=f"{path} does not exist"):
        read(path)
    path.write_bytes(b"\x89PNG\xff\xfe\x00")
    with pytest.raises(UserError, match="not readable as CSV"):
        read(path)


def test_rows_are_read_one_at_a_time(csv):
    path = csv(line(), line("7"))
    first = next(fer2013.read(path, pytest.fail))
    assert first.key == "fer2013/0", "the second row must not have been read yet"
