"""ExpW: each line of the list is one face, cropped once."""

import re

import numpy as np
import pytest

from fer_tf import labels
from fer_tf import picture
from fer_tf.errors import UserError
from fer_tf.preprocess import cut
from fer_tf.sources import expw
from fer_tf.sources.rejects import Rejects


@pytest.fixture
def photo(tmp_path):
    """A function that lists faces in one photograph; it returns the corpus' folder."""
    rng = np.random.default_rng(0)
    grey = np.kron(rng.integers(0, 256, (12, 20)), np.ones((10, 10)))
    pixels = np.dstack([grey.astype(np.uint8)] * 3)
    (tmp_path / "origin").mkdir()
    (tmp_path / "origin" / "party 1.png").write_bytes(picture.encode_png(pixels))

    def listed(*rows):
        lines = [f"party 1.png {row}\n" for row in rows]
        (tmp_path / "label.lst").write_text("".join(lines))
        return tmp_path

    listed.pixels = pixels
    return listed


def test_the_square_of_the_stored_crop_is_exactly_the_face_at_its_box(photo, read):
    """The original's crops were cropped a second time with the photograph's box."""
    root = photo("0 30 80 120 70 99.5 3", "1 0 0 60 60 80 4")
    (happy, sad), rejected = read(expw, root)
    assert rejected == {}
    for record, (top, left) in ((happy, (30, 80)), (sad, (0, 0))):
        stored = picture.decode(record.image)
        shown = cut(stored, record.square_xywh_px).astype(int)
        side = 40 if record is happy else 60
        wanted = photo.pixels[top:top + side, left:left + side].astype(int)
        assert shown.shape == wanted.shape
        assert np.abs(shown - wanted).mean() < 3, "JPEG's error; a pixel beside it is 8"
        assert record.box_xywh_px == record.square_xywh_px
    assert picture.decode(happy.image).shape == (60, 60, 3)


def test_a_face_is_known_by_its_photograph_and_number(photo, read):
    (record,), _ = read(expw, photo("7 30 80 120 70 99.5 3"))
    assert record.key == "expw/party 1.png#7"
    assert record.photo == "party 1.png"
    assert (record.split, record.votes, record.subject) == ("train", (), "")


def test_every_code_is_a_class(photo, read):
    rows = [f"{code} 30 80 120 70 99.5 {code}" for code in range(7)]
    found, _ = read(expw, photo(*rows))
    assert tuple(record.label for record in found) == labels.CLASSES
    assert [record.label_original for record in found] == list("0123456")
    assert found[3].distribution == labels.one_hot("Happy")


@pytest.mark.parametrize(
    "row, why",
    [
        ("0 30 80 120 70 99.5 7", "'7'"),
        ("0 30 80 120 70 99.5", "'99.5'"),
        ("3", r"\b8\b.*\b3\b"),
        ("0 30 80 80 70 99.5 3", "no area"),
        ("0 30 800 840 70 99.5 3", "outside"),
        ("0 thirty 80 120 70 99.5 3", "'thirty'"),
        ("0 nan 80 120 70 99.5 3", "'nan'"),
        ("0 30 80 1e300 70 99.5 3", "'1e300'"),
    ],
)
def test_a_line_that_says_no_face_is_a_reject(photo, read, row, why):
    found, rejected = read(expw, photo("1 30 80 120 70 99.5 3", "", row))
    assert len(found) == 1
    assert re.search(why, rejected["label.lst, row 2"])


def test_a_face_that_is_listed_twice_is_read_once(photo, read):
    row = "0 30 80 120 70 99.5 3"
    found, rejected = read(expw, photo(row, row))
    assert len(found) == 1 and [*rejected] == ["label.lst, row 1"]


def test_the_photographs_may_lie_a_folder_deeper(corpus, read):
    root = corpus("expw")
    before = read(expw, root)
    (root / "image").mkdir()
    (root / "origin").rename(root / "image" / "origin")
    assert read(expw, root) == before and len(before[0]) == 4


@pytest.mark.parametrize("half", ["label.lst", "origin"])
def test_half_a_corpus_is_named(corpus, half):
    root = corpus("expw")
    (root / half).rename(root / "elsewhere")
    with pytest.raises(UserError, match=f"{root / half}"):
        next(expw.read(root, Rejects("expw")))
