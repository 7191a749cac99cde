"""AffectNet's three forms: annotations, lists with boxes, and folders of classes."""

import csv
import io
import re
import shutil
import pickle

import numpy as np
import pytest

from fer_tf import labels
from fer_tf import picture
from fer_tf.errors import UserError
from fer_tf.preprocess import cut
from fer_tf.sources import affectnet
from fer_tf.sources.rejects import Rejects

CLASSES = {
    "0": "Neutral",
    "1": "Happy",
    "2": "Sad",
    "3": "Surprise",
    "4": "Fear",
    "5": "Disgust",
    "6": "Angry",
    "7": "",
    "8": "",
    "9": "",
    "10": "",
}


@pytest.fixture
def listed(tmp_path):
    """A function that lists rows for one photograph, and returns the folder."""
    pictures = tmp_path / "Manually_Annotated_Images" / "1"
    pictures.mkdir(parents=True)
    rows, columns = np.mgrid[:90, :160]
    ramp = np.dstack([columns, rows, rows]).astype(np.uint8)
    for name in "abcdefghijkl":
        (pictures / f"{name}.png").write_bytes(picture.encode_png(ramp))

    def write(*rows, name="training.csv", header=affectnet.HEADER):
        with (tmp_path / name).open("w", newline="") as file:
            csv.writer(file).writerows([header, *rows])
        for other in {"training.csv", "validation.csv"} - {name}:
            if not (tmp_path / other).exists():
                (tmp_path / other).write_text(",".join(affectnet.HEADER) + "\n")
        return tmp_path

    write.ramp = ramp
    return write


def row(code="1", name="1/a.png", box=("60", "30", "40", "40")):
    """Return a row of a list."""
    return [name, *box, "1;2", code, "0.1", "-0.1"]


def annotate(folder, number, value):
    """Write an annotation."""
    data = io.BytesIO()
    np.save(data, value)
    (folder / "annotations" / f"{number}_exp.npy").write_bytes(data.getvalue())


@pytest.mark.parametrize(
    "value",
    [np.array("6"), np.array(6), np.array([6]), np.array(6.0), np.array(b"6")],
)
def test_an_annotation_holds_a_number_or_a_text(corpus, read, value):
    root = corpus("affectnet", "sets")
    annotate(root / "val_set", 0, value)
    found, rejected = read(affectnet, root)
    by_key = {record.key: record for record in found}
    record = by_key["affectnet/val_set/0"]
    assert rejected == {} and len(found) == 7
    assert (record.label, record.label_original, record.split) == ("Angry", "6", "test")
    assert record.image == (root / "val_set" / "images" / "0.jpg").read_bytes()
    assert by_key["affectnet/train_set/4"].split == "train"


@pytest.mark.parametrize("code, label", CLASSES.items())
def test_every_code_is_its_class_or_none_in_every_form(
    corpus, listed, read, code, label
):
    root = corpus("affectnet", "sets")
    annotate(root / "train_set", 0, np.array(code))
    annotated = read(affectnet, root)[0][0]
    folders = root.parent / "folders" / "train" / code
    folders.mkdir(parents=True)
    (root.parent / "folders" / "val" / "0").mkdir(parents=True)
    (root / "train_set" / "images" / "0.jpg").rename(folders / "0.jpg")
    (in_folder,), _ = read(affectnet, root.parent / "folders")
    (in_list,), _ = read(affectnet, listed(row(code)))
    for record in (annotated, in_folder, in_list):
        assert (record.label_original, record.label) == (code, label)
        assert record.distribution == labels.one_hot(label)


@pytest.mark.parametrize(
    "data, why",
    [
        (b"", "NumPy"),
        (b"7", "NumPy"),
        (pickle.dumps(7), "NumPy"),
        (b"PK\x03\x04", "NumPy"),
        (np.arange(3), r"\b3\b"),
        (np.array([], int), r"\b0\b"),
        (np.array("11"), "'11'"),
        (np.array("sleepy"), "'sleepy'"),
        (np.array(np.nan), "'nan'"),
        (np.array(1.5), "'1.5'"),
    ],
)
def test_an_annotation_without_a_label_is_a_reject(corpus, read, data, why):
    root = corpus("affectnet", "sets")
    if isinstance(data, bytes):
        (root / "train_set" / "annotations" / "2_exp.npy").write_bytes(data)
    else:
        annotate(root / "train_set", 2, data)
    found, rejected = read(affectnet, root)
    assert len(found) == 6
    assert re.search(why, rejected["train_set/annotations/2_exp.npy"])


def test_an_annotation_with_any_bytes_changed_is_read_or_a_reject(corpus, read):
    root = corpus("affectnet", "sets")
    path = root / "val_set" / "annotations" / "0_exp.npy"
    data = np.frombuffer(path.read_bytes(), np.uint8)
    rng = np.random.default_rng(0)
    for _ in range(300):
        changed = data.copy()
        changed[rng.integers(0, len(data), 3)] = rng.integers(0, 256, 3)
        path.write_bytes(changed.tobytes())
        found, rejected = read(affectnet, root)
        assert len(found) + len(rejected) == 7
        assert rejected.keys() <= {"val_set/annotations/0_exp.npy"}


def test_an_archive_of_annotations_is_a_reject(corpus, read):
    root = corpus("affectnet", "sets")
    data = io.BytesIO()
    np.savez(data, np.array(3))
    (root / "train_set" / "annotations" / "2_exp.npy").write_bytes(data.getvalue())
    _, rejected = read(affectnet, root)
    assert "NumPy" in rejected["train_set/annotations/2_exp.npy"]


def test_an_annotation_that_would_run_code_is_not_unpickled(corpus, read):
    root = corpus("affectnet", "sets")
    data = io.BytesIO()
    np.save(data, np.array([{"label": 1}], dtype=object), allow_pickle=True)
    (root / "train_set" / "annotations" / "2_exp.npy").write_bytes(data.getvalue())
    _, rejected = read(affectnet, root)
    assert "NumPy" in rejected["train_set/annotations/2_exp.npy"]


def test_a_listed_face_is_cropped_once_with_slack(listed, read):
    (record,), rejected = read(affectnet, listed(row()))
    assert rejected == {}
    assert (record.key, record.photo) == ("affectnet/1/a.png", "1/a.png")
    stored = picture.decode(record.image)
    assert stored.shape == (60, 60, 3)
    assert record.square_xywh_px == record.box_xywh_px == (10, 10, 40, 40)
    shown = cut(stored, record.square_xywh_px).astype(int)
    assert np.abs(shown - listed.ramp[30:70, 60:100]).max() <= 6


def test_the_lists_are_the_splits_and_the_validation_list_is_the_test(listed, read):
    listed(row(name="1/a.png"), row(name="1/b.png"))
    root = listed(row(name="1/c.png"), name="validation.csv")
    found, _ = read(affectnet, root)
    assert [record.split for record in found] == ["train", "train", "test"]


@pytest.mark.parametrize("box", [("NULL",) * 4, ("0", "0", "0", "0")])
def test_a_row_without_a_face_keeps_its_picture(listed, read, box):
    (record,), rejected = read(affectnet, listed(row("10", box=box)))
    assert rejected == {}
    assert (record.label, record.label_original) == ("", "10")
    assert picture.decode(record.image).shape == (90, 160, 3)
    assert record.box_xywh_px == record.square_xywh_px == ()


@pytest.mark.parametrize(
    "bad, why",
    [
        (row(box=("NULL",) * 4), "'NULL'"),
        (row(box=("160", "0", "9", "9")), "outside"),
        (row(box=("0", "0", "0", "9")), "no area"),
        (row("11"), "'11'"),
        (row("happy"), "'happy'"),
        (row()[:-1], r"\b9\b.*\b8\b"),
    ],
)
def test_a_row_that_cannot_be_read_is_a_reject(listed, read, bad, why):
    found, rejected = read(affectnet, listed(row(name="1/b.png"), bad))
    assert len(found) == 1 and re.search(why, rejected["training.csv, row 1"])


def test_another_header_is_another_file(listed, read):
    header = [*affectnet.HEADER[:-3], "emotion", "valence", "arousal"]
    with pytest.raises(UserError, match="training.csv"):
        read(affectnet, listed(row(), header=header))


@pytest.mark.parametrize(
    "place",
    [
        "Manually_Annotated_Images/Manually_Annotated_Images",
        "Manually_Annotated/Manually_Annotated_Images",
    ],
)
def test_the_pictures_and_lists_may_lie_deeper(listed, read, place):
    root = listed(row())
    before = read(affectnet, root)
    moved = (root / "Manually_Annotated_Images").rename(root / "moved")
    (root / place).parent.mkdir()
    moved.rename(root / place)
    (root / "Manually_Annotated_file_lists").mkdir()
    for name in ("training.csv", "validation.csv"):
        (root / name).rename(root / "Manually_Annotated_file_lists" / name)
    found, rejected = read(affectnet, root)
    assert (found, rejected) == before


def test_folders_are_named_by_number_or_word(corpus, read):
    root = corpus("affectnet", "folders")
    (root / "train" / "7").rename(root / "train" / "Contempt")
    found, rejected = read(affectnet, root)
    assert rejected == {}
    assert [(one.split, one.label_original, one.label) for one in found] == [
        ("train", "0", "Neutral"),
        ("train", "1", "Happy"),
        ("train", "2", "Sad"),
        ("train", "Contempt", ""),
        ("test", "3", "Surprise"),
        ("test", "4", "Fear"),
    ]
    assert found[0].key == "affectnet/train/0/0.png"


@pytest.mark.parametrize(
    "form, half",
    [
        ("sets", "train_set/images"),
        ("sets", "val_set/annotations"),
        ("lists", "Manually_Annotated_Images"),
        ("lists", "validation.csv"),
        ("lists", "training.csv"),
    ],
)
def test_half_a_corpus_is_named(corpus, form, half):
    root = corpus("affectnet", form)
    (root / half).rename(root / "elsewhere")
    with pytest.raises(UserError, match=f"{root / half}"):
        next(affectnet.read(root, Rejects("affectnet")))


@pytest.mark.parametrize(
    ("form", "half", "missing"),
    [
        ("sets", "val_set", "val_set/images"),
        ("sets", "train_set", "train_set/images"),
        ("folders", "val", r"val/.*valid/.*validation/\S*$"),
        ("folders", "train", r" train/\S*$"),
    ],
)
def test_no_split_is_cut_out_of_the_other(corpus, form, half, missing):
    """It would pass for the publisher's own."""
    root = corpus("affectnet", form)
    shutil.rmtree(root / half)
    with pytest.raises(UserError, match=missing):
        next(affectnet.read(root, Rejects("affectnet")))


def test_none_of_the_forms_is_named(tmp_path):
    with pytest.raises(UserError, match=rf"train_set/.*training\.csv.*{tmp_path}"):
        next(affectnet.read(tmp_path, Rejects("affectnet")))
