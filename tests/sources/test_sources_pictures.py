"""Anybody's own pictures: folders of classes, or a list, under a name of their own."""

import io
import re

import pytest
from PIL import Image

from fer_tf import labels
from fer_tf import picture
from fer_tf.errors import UserError
from fer_tf.sources import pictures
from fer_tf.sources.rejects import Rejects


@pytest.fixture
def folder(tmp_path, noise):
    """A function that writes pictures at paths and returns the folder `mine`."""

    def write(*names):
        for name in names:
            path = tmp_path / "mine" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(picture.encode_png(noise))
        return tmp_path / "mine"

    return write


def test_folders_of_splits_and_classes(corpus, read):
    root = corpus("pictures", "folders")
    found, rejected = read(pictures, root)
    assert rejected == {}
    assert [(one.key, one.label, one.split) for one in found] == [
        ("pictures/train/Sad/1.jpg", "Sad", "train"),
        ("pictures/train/contempt/2.jpg", "", "train"),
        ("pictures/train/happy/0.jpg", "Happy", "train"),
        ("pictures/val/anger/0.jpg", "Angry", "validation"),
        ("pictures/test/fear/0.jpg", "Fear", "test"),
    ]
    assert found[2].image == (root / "train/happy/0.jpg").read_bytes()


def test_a_list_gives_classes_splits_and_subjects(corpus, read):
    root = corpus("pictures", "list")
    found, rejected = read(pictures, root)
    assert rejected == {}
    assert [(one.key, one.label, one.split, one.subject) for one in found] == [
        ("pictures/images/a/1.jpg", "Happy", "train", "ann"),
        ("pictures/images/a/2.jpg", "Surprise", "train", "ann"),
        ("pictures/images/b/1.jpg", "", "test", "bob"),
        ("pictures/images/b/2.jpg", "Neutral", "test", "bob"),
    ]
    assert found[2].label_original == "contempt"
    assert found[0].image == (root / "images/a/1.jpg").read_bytes()


def test_the_own_name_may_be_given(corpus):
    root = corpus("pictures", "list")
    first = next(pictures.read(root, Rejects("wild"), name="wild"))
    assert (first.key, first.source) == ("wild/images/a/1.jpg", "wild")


@pytest.mark.parametrize("name", ["Mine", "my-pictures", "../wild", "1st", "", "a b"])
def test_a_name_that_is_no_safe_folder_is_refused(name):
    with pytest.raises(UserError, match=re.escape(repr(name))):
        pictures.check_name(name)
    pictures.check_name("wild_2")


def test_every_word_is_its_class_in_any_case(folder, read):
    words = [*labels.NAMES, "HAPPY", "Contempt", "No-Face"]
    found, rejected = read(pictures, folder(*[f"{word}/a.png" for word in words]))
    assert rejected == {} and len(found) == len(words)
    for record in found:
        assert record.label == labels.of_word(record.label_original)
        assert record.distribution == labels.one_hot(record.label)
        assert record.split == "train"
        assert record.key == f"mine/{record.label_original}/a.png"
    assert {one.label_original for one in found if not one.label} == {
        "Contempt",
        "No-Face",
    }


def test_folders_lie_as_deep_as_one_likes_and_hold_any_kind_of_picture(folder, read):
    root = folder("happy/ann/1.png", "happy/bob/2024/2.png")
    (root / "happy" / "3.TIF").write_bytes((root / "happy/ann/1.png").read_bytes())
    found, rejected = read(pictures, root)
    assert rejected == {}
    assert [record.key for record in found] == [
        "mine/happy/3.TIF",
        "mine/happy/ann/1.png",
        "mine/happy/bob/2024/2.png",
    ]


def test_a_picture_that_is_neither_png_nor_jpeg_is_stored_as_png(folder, read, noise):
    root = folder("happy/1.png")
    data = io.BytesIO()
    Image.fromarray(noise).save(data, "BMP")
    (root / "happy" / "2.bmp").write_bytes(data.getvalue())
    found, _ = read(pictures, root)
    assert found[0].image == found[1].image == picture.encode_png(noise)


def test_columns_come_in_any_order_and_all_but_two_may_be_missing(folder, read):
    root = folder("images/a.png")
    (root / "labels.csv").write_text("emotion,image\nfear,a.png\n")
    (record,), _ = read(pictures, root)
    assert (record.label, record.split, record.subject) == ("Fear", "train", "")


@pytest.mark.parametrize(
    "row, why",
    [
        ("a.png,sleepy,", "'sleepy'"),
        ("a.png,,", "''"),
        ("a.png,happy,tomorrow", "'tomorrow'"),
        ("a.png,happy", r"\b3\b.*\b2\b"),
        ("missing.png,happy,", r"missing\.png"),
        (",happy,", ""),
    ],
)
def test_a_row_that_cannot_be_read_is_a_reject(folder, read, row, why):
    root = folder("images/a.png", "images/b.png")
    (root / "labels.csv").write_text(f"image,emotion,split\nb.png,happy,\n{row}\n")
    found, rejected = read(pictures, root)
    assert [record.key for record in found] == ["mine/images/b.png"]
    assert re.search(why, rejected["labels.csv, row 1"])


@pytest.mark.parametrize(
    "header",
    [
        "image",
        "image,spilt",
        "image,emotion,age",
        "image,emotion,image",
        "image,emotion,label",
        "",
    ],
)
def test_other_columns_are_another_file(folder, read, header):
    root = folder("images/a.png")
    (root / "labels.csv").write_text(f"{header}\na.png,happy\n")
    with pytest.raises(UserError, match=r"labels\.csv.*image,emotion"):
        read(pictures, root)


def test_a_list_may_lie_beside_its_images(folder, read):
    root = folder("faces/a.png")
    (root / "labels.csv").write_text("image,emotion\nfaces/a.png,happy\n")
    (record,), rejected = read(pictures, root)
    assert rejected == {} and record.key == "mine/faces/a.png"
    (root / "labels.csv").write_text("image,emotion\na.png,happy\n")
    assert list(read(pictures, root)[1]) == ["labels.csv, row 0"]


def test_an_empty_folder_says_what_it_lacks(tmp_path, read):
    with pytest.raises(UserError, match=f"{tmp_path} .*labels.csv.*images/"):
        read(pictures, tmp_path)


@pytest.mark.parametrize(
    "names, looks",
    [
        (["happy/1.png"], True),
        (["train/Anger/1.png"], True),
        (["labels.csv"], True),
        (["holidays/1.png"], False),
        (["origin/1.png", "image/2.png"], False),
    ],
)
def test_what_looks_like_labelled_pictures(folder, names, looks):
    assert pictures.looks_like(folder(*names)) == looks


def test_no_folder_looks_like_none(tmp_path):
    assert not pictures.looks_like(tmp_path / "nowhere")


@pytest.mark.parametrize("split", ["test", "Val", "training"])
def test_splits_inside_classes_are_refused(folder, read, split):
    """Their images would all be `train`."""
    root = folder("happy/train/a.png", f"happy/{split}/b.png", "sad/c.png")
    with pytest.raises(UserError, match="happy/"):
        read(pictures, root)


def test_a_class_may_hold_other_folders(folder, read):
    found, _ = read(pictures, folder("happy/2019/a.png", "sad/b.png"))
    assert [record.label for record in found] == ["Happy", "Sad"]


def test_two_ways_to_write_a_path_are_one_image(folder, read):
    root = folder("images/a.png")
    (root / "labels.csv").write_text("image,emotion\na.png,happy\n./a.png,sad\n")
    found, rejected = read(pictures, root)
    assert [record.key for record in found] == ["mine/images/a.png"]
    assert list(rejected) == ["labels.csv, row 1"]
