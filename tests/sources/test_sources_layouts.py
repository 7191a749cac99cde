"""The layouts in which corpora are passed round: classes, splits and labels of each."""

import io
import tarfile
from collections import Counter

import cv2
import numpy as np
import pytest

from fer_tf import picture
from fer_tf.errors import UserError
from fer_tf.labels import CLASSES
from fer_tf.sources import SPLITS
from fer_tf.sources import affectnet
from fer_tf.sources import classes
from fer_tf.sources import fer2013
from fer_tf.sources import ferplus
from fer_tf.sources import pictures
from fer_tf.sources import rafdb
from fer_tf.sources.rejects import Rejects

RAFDB = dict(
    zip("1234567", "Surprise Fear Disgust Happy Sad Angry Neutral".split(), strict=True)
)
AFFECTNET = ["Neutral", "Happy", "Sad", "Surprise", "Fear", "Disgust", "Angry", ""]
WORDS = ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]


def png(seed, side=12):
    """Return a PNG of noise that differs for each seed."""
    noise = np.random.default_rng(seed).integers(0, 256, (side, side), np.uint8)
    return picture.encode_png(noise)


@pytest.fixture
def write(tmp_path):
    """A function that writes images, or texts, below `<tmp>/<corpus>/`."""

    def make(corpus, contents):
        for seed, (name, content) in enumerate(contents.items()):
            path = tmp_path / corpus / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, str):
                content = content.encode()
            path.write_bytes(png(seed) if content is None else content)
        return tmp_path / corpus

    return make


def counts(records):
    """Return how many records each split and class have."""
    return Counter((record.split, record.label) for record in records)


def by_key(records):
    return {record.key: record for record in records}


# FER2013

USAGES = ["Training"] * 14 + ["PublicTest"] * 7 + ["PrivateTest"] * 7
FACES = [
    np.random.default_rng(row).integers(0, 256, (48, 48), np.uint8) for row in range(28)
]
TEXTS = [" ".join(map(str, face.ravel())) for face in FACES]
CELLS = [(row % 7, TEXTS[row], USAGES[row]) for row in range(28)]


def fer2013_csv(header, order, end="\n", quote=""):
    rows = [
        ",".join(f"{quote}{cells[place]}{quote}" for place in order)
        for cells in [(*cells, row) for row, cells in enumerate(CELLS)]
    ]
    return end.join([header, *rows]) + end


FER2013_FILES = {
    "published": ("fer2013.csv", fer2013_csv("emotion,pixels,Usage", (0, 1, 2))),
    "quoted": (
        "fer2013.csv",
        fer2013_csv("emotion,pixels,Usage", (0, 1, 2), quote='"'),
    ),
    "challenge": (
        "icml_face_data.csv",
        fer2013_csv("emotion, Usage, pixels", (0, 2, 1)),
    ),
    "renamed": ("fer2013.csv", fer2013_csv("emotion, Usage, pixels", (0, 2, 1))),
    "pandas": ("fer2013.csv", fer2013_csv(",emotion,pixels,Usage", (3, 0, 1, 2))),
    "windows": (
        "fer2013.csv",
        fer2013_csv("\ufeffemotion,pixels,Usage", (0, 1, 2), "\r\n"),
    ),
}


@pytest.mark.parametrize("kind", FER2013_FILES)
def test_fer2013s_file_is_read_in_every_form(write, read, kind):
    name, content = FER2013_FILES[kind]
    found, rejected = read(fer2013, write("fer2013", {name: content}))
    assert rejected == {}
    assert [record.key for record in found] == [f"fer2013/{row}" for row in range(28)]
    splits = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
    for row, record in enumerate(found):
        assert record.label == CLASSES[row % 7]
        assert record.label_original == str(row % 7)
        assert record.split == splits[USAGES[row]]
        seen = picture.decode(record.image)[..., 0]
        np.testing.assert_array_equal(seen, FACES[row])


def test_a_training_file_whose_test_has_no_labels_is_named(write):
    train = "emotion,pixels\n" + "".join(f'{c},"{p}"\n' for c, p, _ in CELLS[:14])
    test = "pixels\n" + "".join(f'"{p}"\n' for _, p, _ in CELLS[14:])
    root = write("fer2013", {"train.csv": train, "test.csv": test})
    with pytest.raises(UserError) as caught:
        fer2013.find(root)
    for word in ("train.csv", "test.csv", "icml_face_data.csv"):
        assert word in str(caught.value)


def test_a_training_and_a_test_file_with_labels_are_read(write, read):
    def rows(cells):
        return "emotion,pixels\n" + "".join(f'{c},"{p}"\n' for c, p, _ in cells)

    files = {"train.csv": rows(CELLS[:14]), "test.csv": rows(CELLS[14:])}
    found, rejected = read(fer2013, write("fer2013", files))
    assert rejected == {}
    assert counts(found) == {
        (split, name): 2 for split in ("train", "test") for name in CLASSES
    }
    assert by_key(found)["fer2013/test.csv/3"].label == CLASSES[(14 + 3) % 7]


def test_the_file_with_every_row_is_read_where_there_are_several(write, read):
    files = {
        "train.csv": "emotion,pixels\n0,1\n",
        "icml_face_data.csv": FER2013_FILES["challenge"][1],
    }
    found, _ = read(fer2013, write("fer2013", files))
    assert len(found) == 28


def test_an_archive_in_the_files_place_is_named(tmp_path):
    (tmp_path / "fer2013").mkdir()
    data = FER2013_FILES["published"][1].encode()
    with tarfile.open(tmp_path / "fer2013" / "fer2013.csv", "w") as archive:
        member = tarfile.TarInfo("fer2013/fer2013.csv")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    with pytest.raises(UserError, match="tar archive"):
        next(fer2013.read(tmp_path / "fer2013", Rejects("fer2013")))


@pytest.mark.parametrize("wrap", ["", "images/"])
def test_fer2013_split_in_another_way_is_not_fer2013(write, wrap):
    splits = ("train", "validation")
    names = [f"{wrap}{split}/{word}/1.png" for split in splits for word in WORDS]
    with pytest.raises(UserError) as caught:
        fer2013.find(write("fer2013", dict.fromkeys(names)))
    for word in ("train", "validation", "name of your own"):
        assert word in str(caught.value)


@pytest.mark.parametrize("wrap", ["", "images/", "archive/images/"])
def test_it_is_read_under_a_name_of_its_own(write, read, wrap):
    names = [
        f"{wrap}{split}/{word}/{n}.png"
        for split, count in (("train", 3), ("validation", 2))
        for word in WORDS
        for n in range(count)
    ]
    root = write("fer_kaggle", dict.fromkeys(names))
    assert pictures.looks_like(root)
    found, rejected = read(pictures, root)
    assert rejected == {}
    assert counts(found) == {
        (split, name): count
        for split, count in (("train", 3), ("validation", 2))
        for name in CLASSES
    }
    assert by_key(found)[f"fer_kaggle/{wrap}train/sad/2.png"].label == "Sad"


def test_kaggles_folders_of_fer2013_may_be_wrapped(write, read):
    names = [f"archive/{s}/{w}/x_{w}.png" for s in ("train", "test") for w in WORDS]
    found, rejected = read(fer2013, write("fer2013", dict.fromkeys(names)))
    assert rejected == {}
    assert counts(found) == {
        (split, name): 1 for split in ("train", "test") for name in CLASSES
    }


# FERPlus

HEADER = ",".join(ferplus.HEADER)
VOTES = [[10 * (column == row % 7) for column in range(10)] for row in range(28)]
VOTED = ["Neutral", "Happy", "Surprise", "Sad", "Angry", "Disgust", "Fear"]


def ferplus_csv():
    rows = [
        f"{USAGES[row]},fer{row:07d}.png,{','.join(map(str, VOTES[row]))}"
        for row in range(28)
    ]
    return "\n".join([HEADER, *rows]) + "\n"


@pytest.mark.parametrize("kind", ["published", "challenge", "pandas"])
def test_ferplus_is_joined_with_fer2013_in_every_form(write, read, kind):
    name, content = FER2013_FILES[kind]
    root = write("ferplus", {"fer2013new.csv": ferplus_csv(), name: content})
    found, rejected = read(ferplus, root)
    assert rejected == {}
    for row, record in enumerate(found):
        assert (record.key, record.label) == (f"ferplus/{row}", VOTED[row % 7])
        seen = picture.decode(record.image)[..., 0]
        np.testing.assert_array_equal(seen, FACES[row])


def test_ferplus_is_not_joined_with_rows_in_another_order(write):
    first, *rows = FER2013_FILES["pandas"][1].splitlines()
    rows[3], rows[4] = rows[4], rows[3]
    moved = "\n".join([first, *rows]) + "\n"
    root = write("ferplus", {"fer2013new.csv": ferplus_csv(), "fer2013.csv": moved})
    with pytest.raises(UserError, match="row 3"):
        list(ferplus.read(root, Rejects("ferplus")))


def test_ferplus_as_its_own_program_leaves_it(write, read):
    starts = {"FER2013Train": 0, "FER2013Valid": 28709, "FER2013Test": 32298}
    contents = {}
    for folder, start in starts.items():
        rows = []
        for row in range(7):
            name = f"fer{start + row:07d}.png"
            contents[f"{folder}/{name}"] = None
            rows.append(f'{name},"(0, 0, 48, 48)",{",".join(map(str, VOTES[row]))}')
        contents[f"{folder}/label.csv"] = "\n".join(rows) + "\n"
    found, rejected = read(ferplus, write("ferplus", contents))
    assert rejected == {}
    assert counts(found) == {
        (split, name): 1 for split in SPLITS for name in CLASSES
    }
    record = by_key(found)["ferplus/28712"]
    assert (record.split, record.label, record.votes) == (
        "validation",
        "Sad",
        (0, 0, 0, 10, 0, 0, 0, 0, 0, 0),
    )


def test_the_label_files_of_ferplus_repository_are_no_images(write, read):
    contents = {
        "fer2013new.csv": ferplus_csv(),
        "fer2013.csv": FER2013_FILES["published"][1],
        "FER2013Train/label.csv": "fer0000000.png,x\n",
    }
    assert len(read(ferplus, write("ferplus", contents))[0]) == 28


# RAF-DB


def rafdb_folders(wrap, names=RAFDB):
    """Return four faces of each class for training and two for the test."""
    contents, listed = {}, {"train": [], "test": []}
    for split, count, digits in (("train", 4, 5), ("test", 2, 4)):
        number = 0
        for code, name in names.items():
            for _ in range(count):
                number += 1
                file = f"{split}_{number:0{digits}d}_aligned.jpg"
                contents[f"{wrap}{split}/{code}/{file}"] = None
                listed[split].append(f"{file},{code}")
    for split, rows in listed.items():
        text = "\n".join(["image,label", *rows]) + "\n"
        contents[f"{split}_labels.csv"] = text
    return contents


@pytest.mark.parametrize("wrap", ["", "DATASET/"])
@pytest.mark.parametrize("named", [False, True])
def test_rafdbs_folders_of_numbers_or_names(write, read, wrap, named):
    names = {name.lower(): name for name in RAFDB.values()} if named else RAFDB
    root = write("rafdb", rafdb_folders(wrap, names))
    found, rejected = read(rafdb, root)
    assert rejected == {}
    assert counts(found) == {
        (split, name): count
        for split, count in (("train", 4), ("test", 2))
        for name in CLASSES
    }
    keys = by_key(found)
    assert [keys[f"rafdb/train_{n:05d}"].label for n in (1, 5, 9, 13, 17, 21, 25)] == [
        "Surprise",
        "Fear",
        "Disgust",
        "Happy",
        "Sad",
        "Angry",
        "Neutral",
    ]
    assert keys["rafdb/test_0014"].split == "test"


def test_a_rafdb_label_that_its_folder_denies_is_a_reject(write, read):
    contents = rafdb_folders("DATASET/")
    rows = contents["train_labels.csv"]
    wrong = rows.replace("train_00005_aligned.jpg,2", "train_00005_aligned.jpg,4")
    contents["train_labels.csv"] = wrong
    found, rejected = read(rafdb, write("rafdb", contents))
    assert list(rejected) == ["DATASET/train/2/train_00005_aligned.jpg"]
    assert len(found) == 41


def test_a_rafdb_face_in_the_other_split_is_a_reject(write, read):
    contents = rafdb_folders("") | {"train/1/test_0099_aligned.jpg": None}
    _, rejected = read(rafdb, write("rafdb", contents))
    assert list(rejected) == ["train/1/test_0099_aligned.jpg"]


def test_numbers_from_zero_are_not_rafdbs(write):
    names = {str(code): CLASSES[code] for code in range(7)}
    with pytest.raises(UserError, match="1 Surprise, 2 Fear"):
        rafdb.find(write("rafdb", rafdb_folders("", names)))


def test_rafdb_under_another_name_is_named(write):
    root = write("raf_kaggle", rafdb_folders("DATASET/"))
    assert pictures.looks_like(root)
    with pytest.raises(UserError, match=r"raf_kaggle.*\brafdb\b"):
        pictures.find(root)


# AffectNet


def numbered(splits):
    return [
        f"{split}/{code}/image{code}{n}.png"
        for split, count in splits.items()
        for code in range(8)
        for n in range(count)
    ]


def expected_counts(splits):
    return {
        (split, name): count for split, count in splits.items() for name in AFFECTNET
    }


def test_affectnets_val_is_validation_where_there_is_a_test(write, read):
    names = numbered({"train": 3, "val": 2, "test": 1})
    found, rejected = read(affectnet, write("affectnet", dict.fromkeys(names)))
    assert rejected == {}
    assert counts(found) == expected_counts({"train": 3, "validation": 2, "test": 1})
    keys = by_key(found)
    assert keys["affectnet/val/3/image30.png"].label == "Surprise"
    assert keys["affectnet/test/5/image50.png"].split == "test"


@pytest.mark.parametrize("name", ["val", "validation", "valid"])
def test_affectnets_val_is_the_test_where_there_is_none(write, read, name):
    names = numbered({"train": 3, name: 2})
    found, _ = read(affectnet, write("affectnet", dict.fromkeys(names)))
    assert counts(found) == expected_counts({"train": 3, "test": 2})


def test_numbers_from_one_are_not_affectnets(write):
    names = [f"{s}/{code}/a.png" for s in ("train", "val") for code in range(1, 9)]
    with pytest.raises(UserError, match="0 Neutral, 1 Happy"):
        affectnet.find(write("affectnet", dict.fromkeys(names)))


@pytest.mark.parametrize(
    "source, splits",
    [
        (affectnet, ("train", "val")),
        (affectnet, ("train",)),
        (fer2013, ("train",)),
        (rafdb, ("train",)),
    ],
)
def test_a_test_folder_without_labels_is_no_test(write, source, splits):
    """Another test would be cut out of training, and pass for the publisher's."""
    names = [f"{split}/{word}/1.png" for split in splits for word in WORDS]
    root = write(source.NAME, dict.fromkeys([*names, "test/1.png", "test/2.png"]))
    with pytest.raises(UserError) as caught:
        list(source.entries(root))
    assert "test" in str(caught.value)


KAGGLE_CLASSES = "anger contempt disgust fear happy neutral sad surprise".split()
OURS = ["Angry", "", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise"]


def affect_kaggle():
    """Return five images of each class, the last of which its list calls surprised."""
    contents, rows = {}, []
    for place, name in enumerate(KAGGLE_CLASSES):
        for n in range(5):
            file = f"{name}/image{5 * place + n:07d}.jpg"
            contents[file] = None
            label = "surprise" if n == 4 else name
            rows.append(f"{len(rows)},{file},{label},0.8730{n}")
    contents["labels.csv"] = "\n".join([",pth,label,relFCs", *rows]) + "\n"
    return contents


def test_affectnets_class_folders_without_splits_are_recognized(write):
    with pytest.raises(UserError, match="validation"):
        affectnet.find(write("affectnet", affect_kaggle()))


def test_affectnets_automatic_lists_are_recognized(write):
    root = write("affectnet", {"Automatically_Annotated_file_lists/x.csv": "a\n"})
    with pytest.raises(UserError, match="Automatically_Annotated_file_lists"):
        affectnet.find(root)


def test_a_list_with_other_columns_names_and_folders_that_disagree(write, read):
    root = write("affect_kaggle", affect_kaggle())
    found, rejected = read(pictures, root)
    assert rejected == {}
    expected = {("train", name): 4 for name in OURS} | {("train", "Surprise"): 12}
    assert counts(found) == expected
    record = by_key(found)["affect_kaggle/anger/image0000004.jpg"]
    assert (record.label, record.label_original) == ("Surprise", "surprise")
    rejects = Rejects("affect_kaggle")
    list(pictures.read(root, rejects))
    assert rejects.notes == {pictures.DISAGREES: 7}
    assert rejects.classes == dict(zip(KAGGLE_CLASSES, OURS, strict=True))


def test_what_a_mac_leaves_in_an_archive_is_skipped(corpus, read):
    root = corpus("affectnet", "sets")
    before = read(affectnet, root)
    for name in ("train_set", "val_set"):
        for path in sorted((root / name).rglob("*.*")):
            (path.parent / f"._{path.name}").write_bytes(b"\0\5\x16\7")
    (root / "__MACOSX").mkdir()
    (root / ".DS_Store").write_bytes(b"Bud1")
    assert read(affectnet, root) == before


# Somebody's own


@pytest.mark.parametrize("codes", ["0123456", "1234567", "01234567"])
@pytest.mark.parametrize("split", ["", "train/"])
def test_numbers_are_never_guessed(write, read, codes, split):
    root = write("mine", dict.fromkeys(f"{split}{code}/a.png" for code in codes))
    assert pictures.looks_like(root)
    with pytest.raises(UserError) as caught:
        pictures.find(root)
    for word in (classes.FILE, "FER2013", "RAF-DB", "AffectNet"):
        assert word in str(caught.value)


def test_numbers_in_a_list_are_never_guessed(write, read):
    root = write("mine", {"images/a.png": None, "labels.csv": "image,label\na.png,3\n"})
    with pytest.raises(UserError, match=classes.FILE):
        read(pictures, root)


def test_a_mapping_says_what_numbers_mean(write, read):
    codes = "class,emotion\n1,surprise\n2,Fear\n3,contempt\n"
    contents = dict.fromkeys(f"train/{code}/a.png" for code in "123")
    found, rejected = read(pictures, write("mine", contents | {"classes.csv": codes}))
    assert rejected == {}
    assert [(one.label_original, one.label) for one in found] == [
        ("1", "Surprise"),
        ("2", "Fear"),
        ("3", ""),
    ]


@pytest.mark.parametrize(
    "codes", ["1,sleepy", "1,happy\n1,sad", "1", "1,2"], ids=repr
)
def test_a_mapping_with_a_fault_is_refused(write, read, codes):
    contents = {"train/1/a.png": None, "classes.csv": f"class,emotion\n{codes}\n"}
    with pytest.raises(UserError, match="classes.csv, row"):
        read(pictures, write("mine", contents))


def test_a_number_that_the_mapping_lacks_is_a_reject(write, read):
    contents = {"1/a.png": None, "2/a.png": None}
    codes = {"classes.csv": "class,emotion\n1,sad\n"}
    found, rejected = read(pictures, write("mine", contents | codes))
    assert [one.label for one in found] == ["Sad"] and list(rejected) == ["2/a.png"]


def test_a_stray_file_is_skipped_and_listed(write):
    contents = {f"happy/{n}.png": None for n in range(3)} | {
        "happy/notes.txt": "words",
        "happy/.thumbnails/1.png": None,
        "cover.png": None,
        "Thumbs.db": "x",
    }
    rejects = Rejects("mine")
    found = list(pictures.read(write("mine", contents), rejects))
    assert len(found) == 3 and rejects.rejected == {}
    assert set(rejects.skipped) == {
        "happy/notes.txt",
        "happy/.thumbnails",
        "cover.png",
        "Thumbs.db",
    }


def test_a_class_folder_that_is_a_link_is_not_lost(write, tmp_path):
    root = write("mine", {"happy/1.png": None, "sad/1.png": None})
    (root / "sad").rename(tmp_path / "sad")
    (root / "sad").symlink_to(tmp_path / "sad")
    with pytest.raises(UserError, match=f"{root / 'sad'}"):
        list(pictures.read(root, Rejects("mine")))


ROWS = [(rf"train\{word}\{n}.jpg", word) for n, word in enumerate(WORDS)]


def listing(sep=",", head=("image", "emotion"), name=lambda name: name, end=""):
    rows = [sep.join((name(file), word)) + end for file, word in ROWS]
    return "\r\n".join([sep.join(head) + end, *rows]) + "\r\n"


def slashed(name):
    return name.replace("\\", "/")


LISTS = {
    "backslashes": listing().encode(),
    "semicolons": listing(";", name=slashed).encode("utf-8-sig"),
    "tabs in UTF-16": listing("\t", name=slashed).encode("utf-16"),
    "spaces": listing(", ", name=slashed).encode(),
    "capitals": listing(head=("Image", "Emotion"), name=slashed).encode(),
    "empty columns": (listing(name=slashed, end=",,") + ",,,\r\n").encode(),
}


@pytest.mark.parametrize("kind", LISTS)
def test_a_list_as_spreadsheets_and_windows_write_it(write, read, kind):
    contents = {f"images/{slashed(name)}": None for name, _ in ROWS}
    root = write("mine", contents | {"labels.csv": LISTS[kind]})
    found, rejected = read(pictures, root)
    assert rejected == {}
    assert {one.key: one.label.lower() for one in found} == {
        f"mine/images/{slashed(name)}": word for name, word in ROWS
    }
    assert cv2.imdecode(np.frombuffer(found[0].image, np.uint8), 0).shape == (12, 12)


def test_paths_that_cannot_be_followed_say_what_to_do(write, read):
    contents = {f"images/{slashed(name)}": None for name, _ in ROWS}
    rows = "image,emotion\nC:\\Users\\me\\a.jpg,sad\ntrain/angry/0.JPG,angry\n"
    root = write("mine", contents | {"labels.csv": rows})
    _, rejected = read(pictures, root)
    assert "relative to images/" in rejected["labels.csv, row 0"]
    assert "0.jpg" in rejected["labels.csv, row 1"]
