"""FER2013's CSV, row by row, and its folders: what is read and what is refused."""

import re
import shutil

import numpy as np
import pytest

from fer_tf import labels
from fer_tf import picture
from fer_tf.errors import UserError
from fer_tf.sources import fer2013
from fer_tf.sources.rejects import Rejects

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
    """A function that writes lines under a header and returns the corpus' folder."""

    def write(*lines: str, header: str = HEADER):
        (tmp_path / "fer2013.csv").write_text("\n".join([header, *lines]) + "\n")
        return tmp_path

    return write


def test_a_row_becomes_a_record_with_its_very_pixels(csv, read):
    root = csv(line("3", pixels(1)), line("6", pixels(2)))
    records, rejected = read(fer2013, root)
    assert rejected == {}
    assert [record.key for record in records] == ["fer2013/0", "fer2013/1"]
    assert [record.label for record in records] == ["Happy", "Neutral"]
    assert [record.label_original for record in records] == ["3", "6"]
    assert records[0].distribution == (0, 0, 0, 1, 0, 0, 0)
    for seed, record in enumerate(records, start=1):
        decoded = picture.decode(record.image)
        np.testing.assert_array_equal(decoded, np.dstack([pixels(seed)] * 3))


def test_every_code_is_a_class(csv, read):
    found, _ = read(fer2013, csv(*map(line, "0123456")))
    assert tuple(record.label for record in found) == labels.CLASSES


def test_usage_is_the_split_and_rows_keep_their_number(csv, read):
    usages = ("PrivateTest", "Training", "PublicTest", "Training")
    found, _ = read(fer2013, csv(*[line(usage=usage) for usage in usages]))
    assert {record.key: record.split for record in found} == {
        "fer2013/0": "test",
        "fer2013/1": "train",
        "fer2013/2": "validation",
        "fer2013/3": "train",
    }


def test_a_black_row_is_a_record_like_any_other(csv, read):
    (record,), rejected = read(fer2013, csv(line(grey=np.zeros(2304, int))))
    assert rejected == {} and not picture.decode(record.image).any()


@pytest.mark.parametrize(
    "bad, why",
    [
        (line("7"), "'7'"),
        (line("angry"), "'angry'"),
        (line(grey=np.zeros(2303, int)), r"\b2304\b.*\b2303\b"),
        (line(grey=np.full(2304, 256)), r"0\b.*\b25[56]\b"),
        (line(grey=np.full(2304, -1)), r"0\b.*\b25[56]\b"),
        (line(grey=["x"] * 2304), "'x'"),
        (line(usage="Test"), "'Test'"),
        ("3,1 2 3", r"\b3\b.*\b2\b"),
        ("", r"\b3\b.*\b0\b"),
    ],
)
def test_an_unreadable_row_is_rejected_by_file_and_row(csv, bad, why):
    good = [line()] * 120
    rejects = Rejects("fer2013")
    found = list(fer2013.read(csv(*good[:7], bad, *good), rejects))
    ((where, reason),) = rejects.rejected.items()
    assert where == "fer2013.csv, row 7" and re.search(why, reason)
    assert [record.key for record in found[6:8]] == ["fer2013/6", "fer2013/8"]
    assert len(found) == 127


@pytest.mark.parametrize("header", ["", "emotion,pixels", "label,pixels,Usage"])
def test_another_header_is_another_file(csv, header, read):
    with pytest.raises(UserError, match="fer2013.csv"):
        read(fer2013, csv(line(), header=header))


def test_a_missing_or_binary_file_is_named(tmp_path, read):
    path = tmp_path / "fer2013.csv"
    with pytest.raises(UserError, match=f"{path}"):
        read(fer2013, tmp_path)
    path.write_bytes(b"\x89PNG\xff\xfe\x00")
    with pytest.raises(UserError, match=f"{path}"):
        read(fer2013, tmp_path)


def test_a_byte_order_mark_is_no_part_of_the_header(csv, read):
    folder = csv(line())
    path = folder / "fer2013.csv"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(read(fer2013, folder)[0]) == 1


def test_folders_are_read_where_there_is_no_csv(corpus, read):
    root = corpus("fer2013", "folders")
    found, rejected = read(fer2013, root)
    assert rejected == {}
    assert [(record.split, record.label_original) for record in found] == [
        ("train", "angry"),
        ("train", "disgust"),
        ("train", "fear"),
        ("train", "happy"),
        ("train", "sad"),
        ("test", "neutral"),
        ("test", "surprise"),
    ]
    assert [record.label.lower() for record in found] == [
        record.label_original for record in found
    ]
    assert found[0].key == "fer2013/train/angry/Training_0.jpg"
    assert found[0].image == (root / "train/angry/Training_0.jpg").read_bytes()
    assert found[0].distribution == labels.one_hot("Angry")


def test_the_csv_is_read_where_there_are_both(csv, corpus, read):
    root = corpus("fer2013", "folders")
    (root / "fer2013.csv").write_text(f"{HEADER}\n{line('3')}\n")
    assert [record.key for record in read(fer2013, root)[0]] == ["fer2013/0"]


def test_a_folder_of_no_class_is_rejected_picture_by_picture(corpus, read):
    root = corpus("fer2013", "folders")
    (root / "train" / "sad").rename(root / "train" / "sleepy")
    found, rejected = read(fer2013, root)
    assert len(found) == 6
    assert "'sleepy'" in rejected["train/sleepy/Training_4.jpg"]


def test_a_folder_beside_those_of_the_splits_is_not_overlooked(corpus, read):
    root = corpus("fer2013", "folders")
    (root / "validation").mkdir()
    with pytest.raises(UserError, match=r"train.*\(validation\)"):
        read(fer2013, root)


@pytest.mark.parametrize("split", ["train", "test"])
def test_no_split_is_cut_out_of_the_other(corpus, read, split):
    root = corpus("fer2013", "folders")
    shutil.rmtree(root / split)
    with pytest.raises(UserError, match=rf" {split}/\S*$"):
        read(fer2013, root)


def test_a_picture_is_tried_whatever_its_suffix(corpus, read):
    """As a row that is left out without a word would be none at all."""
    root = corpus("fer2013", "folders")
    sad = root / "train" / "sad"
    for name in ("a.jfif", "without"):
        (sad / name).write_bytes(picture.encode_png(pixels()))
    (sad / "b.heic").write_bytes(b"of a kind that is not read here")
    (sad / "circle").symlink_to(sad)
    (sad / ".hidden").mkdir()
    (sad / ".hidden" / "c.png").write_bytes(picture.encode_png(pixels()))
    found, rejected = read(fer2013, root)
    assert len(found) == 9 and list(rejected) == ["train/sad/b.heic"]


def test_rubbish_that_systems_leave_behind_is_no_picture(corpus, read):
    root = corpus("fer2013", "folders")
    (root / "__MACOSX").mkdir()
    (root / "train" / "sad" / "._Training_4.jpg").write_bytes(b"Mac OS X")
    (root / "train" / "sad" / "Thumbs.db").write_bytes(b"Windows")
    found, rejected = read(fer2013, root)
    assert len(found) == 7 and rejected == {}
