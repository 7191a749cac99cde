"""What is wrong with one picture or path is one reject, whatever the corpus."""

import os
import re

import numpy as np
import pytest

from fer_tf import picture
from fer_tf.errors import OutsideError
from fer_tf.errors import UserError
from fer_tf.sources import SPLITS
from fer_tf.sources import affectnet
from fer_tf.sources import disk
from fer_tf.sources import expw
from fer_tf.sources import fer2013
from fer_tf.sources import pictures
from fer_tf.sources import rafdb
from fer_tf.sources import rafdb_compound
from fer_tf.sources import rafml
from fer_tf.sources.rejects import Rejects

# A form of each corpus, one of its pictures, and the row that has it.
FORMS = {
    "affectnet-folders": (affectnet, "train/1/1.png", "train/1/1.png"),
    "affectnet-lists": (
        affectnet,
        "Manually_Annotated_Images/training/1.jpg",
        "training.csv, row 1",
    ),
    "affectnet-sets": (
        affectnet,
        "train_set/images/3.jpg",
        "train_set/annotations/3_exp.npy",
    ),
    "expw": (expw, "origin/friends_1.jpg", "label.lst, row 2"),
    "fer2013-folders": (
        fer2013,
        "test/neutral/PrivateTest_1.jpg",
        "test/neutral/PrivateTest_1.jpg",
    ),
    "pictures-folders": (pictures, "val/anger/0.jpg", "val/anger/0.jpg"),
    "pictures-list": (pictures, "images/b/1.jpg", "labels.csv, row 2"),
    "rafdb": (
        rafdb,
        "Image/aligned/train_00003_aligned.jpg",
        "EmoLabel/list_patition_label.txt, row 2",
    ),
    "rafdb_compound": (
        rafdb_compound,
        "Image/aligned/test_0001_aligned.jpg",
        "EmoLabel/list_patition_label.txt, row 11",
    ),
    "rafml": (
        rafml,
        "Image/aligned/0002_aligned.jpg",
        "EmoLabel/distribution.txt, row 1",
    ),
}
WHY = {
    "empty": "empty",
    "truncated": "damaged",
    "html": "not an image",
    "animated": "animated",
    "400 megapixels": "pixels",
}


@pytest.fixture(params=FORMS)
def form(request, corpus, read):
    """A corpus with its source, one of its pictures, and that one's row."""
    source, path, where = FORMS[request.param]
    root = corpus(*request.param.split("-"))
    before, rejected = read(source, root)
    assert rejected == {}
    return source, root, root / path, where, before


def check_rejected(form, read, why):
    """The picture's row, or rows if it has several faces, is missing, and no other."""
    source, root, path, where, before = form
    found, rejected = read(source, root)
    assert why in rejected[where] and path.name in rejected[where]
    assert str(root) not in rejected[where], "another machine has other folders"
    assert len(found) == len(before) - len(rejected)
    assert len(rejected) == (2 if source is expw else 1)
    assert [record for record in before if record in found] == found


@pytest.mark.parametrize("kind", WHY)
def test_a_picture_that_no_corpus_may_hold_is_a_reject(form, read, unusable, kind):
    form[2].write_bytes(unusable[kind])
    check_rejected(form, read, WHY[kind])


@pytest.mark.parametrize(
    "kind, note",
    [
        ("four channels", "converted from RGBA"),
        ("sixteen bits", "converted from 16-bit gray"),
        ("CMYK", "converted from CMYK"),
    ],
)
def test_an_image_of_another_kind_is_converted_and_counted(
    form, read, convertible, kind, note
):
    source, root, path, where, before = form
    data, expected = convertible[kind]
    path.write_bytes(data)
    found, rejected = read(source, root)
    assert rejected == {}
    assert [one.key for one in found] == [one.key for one in before]
    changed = [
        record
        for record, old in zip(found, before, strict=True)
        if record.image != old.image
    ]
    assert len(changed) == (2 if source is expw else 1)
    for record in changed:
        assert record.notes == (note,)
        if not record.photo:
            # As every program reads it: eight bits, three channels.
            pixels = picture.decode(record.image)
            assert picture.read(record.image).converted == ""
            assert np.abs(pixels.astype(int) - expected).mean() < 25


def test_a_picture_that_leads_out_of_the_corpus_is_a_reject(form, read, tmp_path):
    outside = form[2].rename(tmp_path / "outside.jpg")
    form[2].symlink_to(outside)
    check_rejected(form, read, "a link that leaves its folder")


def test_a_picture_that_leads_in_circles_is_a_reject(form, read):
    form[2].unlink()
    form[2].symlink_to(form[2])
    check_rejected(form, read, "cannot be followed")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs")
@pytest.mark.parametrize(
    "form", [name for name in FORMS if "folders" not in name], indirect=True
)
@pytest.mark.timeout(20)
def test_a_fifo_in_an_images_place_is_a_reject_and_does_not_hang(form, read):
    form[2].unlink()
    os.mkfifo(form[2])
    check_rejected(form, read, "FIFO")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs")
@pytest.mark.timeout(20)
def test_a_fifo_in_a_label_files_place_does_not_hang(corpus, read):
    root = corpus("expw")
    (root / "label.lst").unlink()
    os.mkfifo(root / "label.lst")
    with pytest.raises(OutsideError):
        read(expw, root)


@pytest.mark.parametrize(
    "form", [name for name in FORMS if "folders" not in name], indirect=True
)
def test_a_picture_that_is_listed_and_missing_is_a_reject(form, read):
    form[2].unlink()
    check_rejected(form, read, "there is no file")


@pytest.mark.parametrize(
    "form", [name for name in FORMS if "folders" not in name], indirect=True
)
def test_a_folder_in_a_pictures_place_is_a_reject(form, read):
    form[2].unlink()
    form[2].mkdir()
    check_rejected(form, read, "cannot be read")


LISTED = {
    "affectnet-lists": (affectnet, "training.csv", "training/1.jpg"),
    "expw": (expw, "label.lst", "friends_0.jpg"),
    "pictures-list": (pictures, "labels.csv", "a/1.jpg"),
    "rafdb": (rafdb, "EmoLabel/list_patition_label.txt", "train_00003.jpg"),
}


@pytest.mark.parametrize("name", LISTED)
@pytest.mark.parametrize(
    "path",
    [
        "../train_1.jpg",
        "train_/../../train_1.jpg",
        "/etc/train_1.jpg",
        r"..\train_1.jpg",
        r"C:\train_1.jpg",
        "train_\0.jpg",
        "train_" + 300 * "x" + ".jpg",
    ],
)
def test_a_listed_path_out_of_the_corpus_is_a_reject(corpus, read, name, path):
    source, file, listed = LISTED[name]
    root = corpus(*name.split("-"))
    before, _ = read(source, root)
    text = (root / file).read_text()
    (root / file).write_text(text.replace(listed, path))
    found, rejected = read(source, root)
    assert rejected and all(where.startswith(f"{file}, row ") for where in rejected)
    assert len(found) + len(rejected) == len(before)
    assert [record for record in before if record in found] == found


def test_a_path_that_climbs_and_comes_back_is_not_taken_either(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(ValueError, match="'a/../b.jpg'"):
        disk.inside(tmp_path, "a/../b.jpg")
    assert disk.inside(tmp_path, "a/b.jpg") == tmp_path / "a/b.jpg"


@pytest.mark.parametrize("name", LISTED)
def test_a_path_with_backslashes_is_the_same_path(corpus, read, name):
    source, file, _ = LISTED[name]
    root = corpus(*name.split("-"))
    before = read(source, root)
    text = (root / file).read_text()
    changed = re.sub(r"(?<=[\w.])/(?=[\w.])", r"\\", text)
    assert (changed == text) is (name in ("expw", "rafdb"))
    (root / file).write_text(changed)
    after = read(source, root)
    assert [(one.image, one.label, one.split) for one in after[0]] == [
        (one.image, one.label, one.split) for one in before[0]
    ]
    assert [one.key for one in after[0]] == [one.key for one in before[0]]
    assert after[1] == {}


def test_the_folder_of_the_pictures_may_itself_be_a_link(corpus, read):
    root = corpus("expw")
    before = read(expw, root)
    (root / "origin").rename(root.parent / "large_disk")
    (root / "origin").symlink_to(root.parent / "large_disk")
    assert read(expw, root) == before


def test_a_wrong_root_is_not_a_smaller_corpus(tmp_path, noise):
    """The original dropped such rows, and its mixed test was one source alone."""
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "here.png").write_bytes(picture.encode_png(noise))
    rows = [f"elsewhere/{row}.png,happy" for row in range(500)]
    rows.insert(0, "here.png,happy")
    (tmp_path / "labels.csv").write_text("\n".join(["image,emotion", *rows]) + "\n")
    rejects = Rejects("mine")
    with pytest.raises(UserError, match="mine: 11 of 12 "):
        for split in SPLITS:
            list(pictures.read(tmp_path, rejects, split, name="mine"))
    assert rejects.to_dict()["rejected"]["labels.csv, row 1"] == (
        "there is no file elsewhere/0.png."
    )
