"""Each builder on its dummy data, by TFDS' own test, and `build` around them."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

tfds = pytest.importorskip("tensorflow_datasets")

import tfds_builders  # noqa: E402
from fer_tf import picture  # noqa: E402
from fer_tf.config import DataConfig  # noqa: E402
from fer_tf.data import records  # noqa: E402
from fer_tf.errors import UserError  # noqa: E402
from fer_tf.sources import CORPORA  # noqa: E402
from fer_tf.sources import Record  # noqa: E402
from fer_tf.sources import drawn  # noqa: E402
from fer_tf.sources.entry import Entry  # noqa: E402
from tfds_builders import builder  # noqa: E402

BUILDERS = Path(tfds_builders.__file__).parent
DUMMY_FER2013 = BUILDERS / "fer2013" / "dummy_data" / "fer2013.csv"


class BuilderCase(tfds.testing.DatasetBuilderTestCase):
    """TFDS' own test of a builder, on one of the forms its corpus comes in."""

    FORM = ""

    def __init_subclass__(cls) -> None:
        cls.DATASET_CLASS = tfds_builders.BUILDERS[cls.SOURCE]
        cls.EXAMPLE_DIR = BUILDERS / cls.SOURCE / "dummy_data" / cls.FORM
        super().__init_subclass__()


class AffectnetFoldersTest(BuilderCase):
    SOURCE, FORM = "affectnet", "folders"
    SPLITS = {"train": 4, "test": 2}


class AffectnetListsTest(BuilderCase):
    SOURCE, FORM = "affectnet", "lists"
    SPLITS = {"train": 4, "test": 2}


class AffectnetSetsTest(BuilderCase):
    SOURCE, FORM = "affectnet", "sets"
    SPLITS = {"train": 5, "test": 2}


class DrawnFacesTest(BuilderCase):
    SOURCE = "drawn_faces"
    BUILDER_CONFIG_NAMES_TO_TEST = [
        tfds_builders.BUILDERS[SOURCE].get_builder_config("n60_seed1")
    ]
    SPLITS = {"train": 39, "validation": 14, "test": 7}


class ExpwTest(BuilderCase):
    SOURCE = "expw"
    SPLITS = {"train": 4}


class Fer2013Test(BuilderCase):
    SOURCE = "fer2013"
    SPLITS = {"train": 8, "validation": 2, "test": 2}


class Fer2013FoldersTest(BuilderCase):
    SOURCE, FORM = "fer2013", "folders"
    SPLITS = {"train": 5, "test": 2}


class FerplusTest(BuilderCase):
    SOURCE = "ferplus"
    SPLITS = {"train": 4, "validation": 1, "test": 1}


class PicturesFoldersTest(BuilderCase):
    SOURCE, FORM = "pictures", "folders"
    BUILDER_CONFIG_NAMES_TO_TEST = [
        tfds_builders.BUILDERS[SOURCE].get_builder_config("wild")
    ]
    SPLITS = {"train": 3, "validation": 1, "test": 1}


class PicturesListTest(BuilderCase):
    SOURCE, FORM = "pictures", "list"
    SPLITS = {"train": 2, "test": 2}


class RafdbTest(BuilderCase):
    SOURCE = "rafdb"
    SPLITS = {"train": 7, "test": 2}


class RafdbCompoundTest(BuilderCase):
    SOURCE = "rafdb_compound"
    SPLITS = {"train": 11, "test": 2}


class RafmlTest(BuilderCase):
    SOURCE = "rafml"
    SPLITS = {"train": 3, "test": 2}


del BuilderCase


@pytest.fixture
def raw(tmp_path):
    """A raw folder that holds FER2013's dummy data."""
    folder = tmp_path / "raw" / "fer2013"
    folder.mkdir(parents=True)
    (folder / "fer2013.csv").write_bytes(DUMMY_FER2013.read_bytes())
    return folder.parent


@pytest.mark.parametrize(
    "source, form",
    [
        ("affectnet", "folders"),
        ("affectnet", "lists"),
        ("affectnet", "sets"),
        ("expw", ""),
        ("fer2013", ""),
        ("fer2013", "folders"),
        ("ferplus", ""),
        ("pictures", "folders"),
        ("pictures", "list"),
        ("rafdb", ""),
        ("rafdb_compound", ""),
        ("rafml", ""),
    ],
)
def test_every_record_comes_back_as_it_went_in(tmp_path, source, form):
    dummy = BUILDERS / source / "dummy_data" / form
    copied = shutil.copytree(dummy, tmp_path / "raw" / source)
    folder = tfds_builders.build(source, copied.parent, tmp_path, DataConfig())
    assert folder == records.locate(tmp_path, source, DataConfig())
    entries = tfds_builders.BUILDERS[source].SOURCE.entries(copied)
    tried = [entry for entry in entries if isinstance(entry, Entry)]
    written = {record.key: record for record in (entry.make() for entry in tried)}
    read = {record.key: record for record in records.read(folder)}
    assert read.keys() == written.keys()
    for key, record in read.items():
        np.testing.assert_allclose(
            record.distribution, written[key].distribution, atol=1e-7
        )
        assert replace(record, distribution=()) == replace(
            written[key], distribution=()
        )
    report = records.rejects(folder)
    assert (report["attempted"], report["rejected"]) == (len(written), {})
    assert report["layout"]
    assert report["classes"] == {
        record.label_original: record.label for record in written.values()
    }


@pytest.fixture
def wild(tmp_path):
    """A raw folder `wild` of somebody's own: 150 small pictures and their list."""
    folder = tmp_path / "raw" / "wild"
    (folder / "images").mkdir(parents=True)
    for row in range(150):
        pixels = np.full((8, 8, 3), row, np.uint8)
        (folder / "images" / f"{row}.png").write_bytes(picture.encode_png(pixels))
    (folder / "labels.csv").write_text("image,emotion,split\n")
    add_rows(folder, *[f"{row}.png,happy,train" for row in range(150)])
    return folder


def add_rows(folder, *rows):
    """Append rows to the list of somebody's own pictures."""
    with (folder / "labels.csv").open("a") as file:
        file.writelines(f"{row}\n" for row in rows)


def test_drawn_faces_are_built_as_the_recipe_says(tmp_path):
    config = DataConfig(drawn_count=40, drawn_seed=2)
    folder = tfds_builders.build("drawn_faces", tmp_path, tmp_path, config)
    assert folder == tmp_path / "drawn_faces" / "n40_seed2" / "1.0.0"
    back = sorted(records.read(folder), key=lambda record: record.key)
    for record, sent in zip(back, drawn.records(40, seed=2), strict=True):
        assert (record.key, record.image, record.split) == (
            sent.key,
            sent.image,
            sent.split,
        )
        np.testing.assert_allclose(record.box_xywh_px, sent.box_xywh_px, rtol=1e-6)


def test_tfds_loads_them_by_name(tmp_path):
    config = DataConfig(drawn_count=40)
    tfds_builders.build("drawn_faces", tmp_path, tmp_path, config)
    test = tfds.load("drawn_faces/n40_seed0", split="test", data_dir=tmp_path)
    pictures = [example["image"].shape for example in test.as_numpy_iterator()]
    assert set(pictures) == {(96, 96, 3)}


def test_a_label_that_is_not_ours_is_no_label_and_keeps_its_name():
    record = Record(
        key="somewhere/1",
        image=b"not even a picture",
        label="",
        label_original="contempt",
        distribution=(0.0,) * 7,
        split="train",
        votes=(0, 10),
    )
    features = builder.features()
    encoded = features.encode_example(builder.example(record))
    stored = features.serialize_example(encoded)
    decoders = {"image": tfds.decode.SkipDecoding()}
    back = features.decode_example(
        features.deserialize_example(stored, decoders=decoders), decoders=decoders
    )
    assert int(back["label"]) == -1
    assert back["label_original"].numpy() == b"contempt"
    assert back["votes"].numpy().tolist() == [0, 10]
    assert back["image"].numpy() == record.image


def test_building_again_changes_nothing(raw, tmp_path):
    first = tfds_builders.build("fer2013", raw, tmp_path, DataConfig())
    before = {path: path.stat().st_mtime_ns for path in first.iterdir()}
    (raw / "fer2013" / "fer2013.csv").unlink()
    assert tfds_builders.build("fer2013", raw, tmp_path, DataConfig()) == first
    assert {path: path.stat().st_mtime_ns for path in first.iterdir()} == before


def test_what_a_killed_build_left_is_cleared_away(raw, tmp_path):
    stale = tmp_path / "fer2013" / "incomplete.ABCDEF_1.0.0"
    stale.mkdir(parents=True)
    (stale / "half.tfrecord").write_bytes(b"half")
    folder = tfds_builders.build("fer2013", raw, tmp_path, DataConfig())
    assert [path.name for path in folder.parent.iterdir()] == ["1.0.0"]


@pytest.mark.parametrize("source", sorted(set(CORPORA) - {"drawn_faces"}))
def test_dummy_data_is_built_apart_from_what_is_real(tmp_path, source):
    config = DataConfig(sources=(source,), dummy=(source,))
    folder = tfds_builders.build(source, tmp_path / "nothing", tmp_path, config)
    assert folder == records.locate(tmp_path, source, config)
    assert folder.is_relative_to(tmp_path / "dummy")
    assert records.count(folder) > 0
    with pytest.raises(UserError, match=f"{source}.*fer-tf data build {source}"):
        records.locate(tmp_path, source, DataConfig(sources=(source,)))


def test_a_broken_corpus_leaves_no_records(raw, tmp_path):
    (raw / "fer2013" / "fer2013.csv").write_text("emotion,pixels,Usage\n9,1,Training\n")
    with pytest.raises(UserError, match=r"fer2013: 1 of 1\b"):
        tfds_builders.build("fer2013", raw, tmp_path / "records", DataConfig())
    with pytest.raises(UserError, match="fer-tf data build fer2013"):
        records.locate(tmp_path / "records", "fer2013", DataConfig())


def test_a_corpus_of_no_rows_is_refused(raw, tmp_path):
    (raw / "fer2013" / "fer2013.csv").write_text("emotion,pixels,Usage\n")
    with pytest.raises(UserError, match="fer2013"):
        tfds_builders.build("fer2013", raw, tmp_path / "records", DataConfig())


def test_a_split_of_which_nothing_can_be_read_is_named(wild, tmp_path):
    add_rows(wild, "1.png,sleepy,test")
    with pytest.raises(UserError, match=r"\btest\b.*\bwild\b"):
        tfds_builders.build("wild", wild.parent, tmp_path, DataConfig())


def test_what_was_rejected_is_written_beside_the_records(wild, tmp_path):
    add_rows(wild, "missing.png,happy,train")
    folder = tfds_builders.build("wild", wild.parent, tmp_path, DataConfig())
    report = records.rejects(folder)
    assert report["attempted"] == 151
    assert report["rejected"] == {
        "labels.csv, row 150": "there is no file missing.png."
    }
    assert str(tmp_path) not in (folder / records.REJECTS_FILE).read_text()


def test_a_folder_from_before_rejects_were_counted_has_none(wild, tmp_path):
    folder = tfds_builders.build("wild", wild.parent, tmp_path, DataConfig())
    for name in (records.REJECTS_FILE, records.FINGERPRINT_FILE):
        (folder / name).unlink()
    assert records.rejects(folder) == {"attempted": 150, "rejected": {}}


def test_pictures_of_ones_own_are_built_under_their_own_name(wild, tmp_path):
    folder = tfds_builders.build("wild", wild.parent, tmp_path, DataConfig())
    assert folder == tmp_path / "pictures" / "wild" / "1.0.0"
    assert folder == records.locate(tmp_path, "wild", DataConfig())
    assert {record.source for record in records.read(folder)} == {"wild"}
    test = tfds.load("pictures/wild", split="train", data_dir=tmp_path)
    assert len(test) == 150


def test_pictures_that_are_built_need_their_raw_folder_no_more(wild, tmp_path):
    folder = tfds_builders.build("wild", wild.parent, tmp_path, DataConfig())
    shutil.rmtree(wild)
    assert tfds_builders.build("wild", wild.parent, tmp_path, DataConfig()) == folder


def test_pictures_under_an_unsafe_name_are_refused(wild, tmp_path):
    wild.rename(wild.parent / "My pictures")
    with pytest.raises(UserError, match="'My pictures'"):
        tfds_builders.build("My pictures", wild.parent, tmp_path, DataConfig())


def test_compounds_are_found_in_rafdbs_folder(tmp_path):
    dummy = BUILDERS / "rafdb_compound" / "dummy_data"
    shutil.copytree(dummy, tmp_path / "raw" / "rafdb" / "compound")
    folder = tfds_builders.build(
        "rafdb_compound", tmp_path / "raw", tmp_path, DataConfig()
    )
    assert records.count(folder) == 13


@pytest.mark.parametrize(
    "source, words",
    [
        ("affectnet", ("train_set/", "training.csv", "http://mohammadmahoor.com/")),
        ("expw", ("label.lst", "http://mmlab.ie.cuhk.edu.hk/")),
        ("fer2013", ("fer2013.csv", "https://www.kaggle.com/")),
        ("ferplus", ("fer2013new.csv", "https://github.com/microsoft/FERPlus")),
        ("rafdb", ("Image/aligned", "http://www.whdeng.cn/raf/model1.html")),
        ("rafdb_compound", ("Image/aligned", "http://www.whdeng.cn/raf/model1.html")),
        ("rafml", ("distribution.txt", "http://www.whdeng.cn/RAF/model2.html")),
        ("pictures", ("labels.csv", "a folder for each class")),
    ],
)
def test_a_missing_corpus_is_described(tmp_path, source, words):
    with pytest.raises(UserError) as caught:
        tfds_builders.build(source, tmp_path / "raw", tmp_path, DataConfig())
    message = str(caught.value)
    for word in (str(tmp_path / "raw" / source), *words):
        assert word in message


def test_a_source_that_is_neither_known_nor_there_is_refused(tmp_path):
    with pytest.raises(UserError) as caught:
        tfds_builders.build("fer2031", tmp_path, tmp_path, DataConfig())
    message = str(caught.value)
    assert "'fer2013'" in message and str(tmp_path / "fer2031") in message


def test_a_folder_without_labels_is_described(tmp_path):
    """A name like a corpus' is no hint where there is a folder of that name."""
    for name in ("a", "b"):
        path = tmp_path / "jaffe" / "faces" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture.encode_png(np.zeros((8, 8), np.uint8)))
    with pytest.raises(UserError) as caught:
        tfds_builders.build("jaffe", tmp_path, tmp_path, DataConfig())
    message = str(caught.value)
    for word in (str(tmp_path / "jaffe"), "2 images", "faces", "labels.csv"):
        assert word in message
    assert "?" not in message


def test_stray_files_and_conversions_are_reported_and_end_no_build(tmp_path):
    folder = tmp_path / "raw" / "shots"
    noise = np.random.default_rng(0).integers(0, 256, (14, 16, 16, 4), np.uint8)
    for row, pixels in enumerate(noise):
        path = folder / ("happy", "sad")[row % 2] / f"Screenshot {row}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
        (path.parent / f"._{path.name}").write_bytes(b"\0\5\x16\7")
    os.mkfifo(folder / "happy" / "pipe.png")
    built = tfds_builders.build("shots", folder.parent, tmp_path, DataConfig())
    report = records.rejects(built)
    assert (report["attempted"], report["rejected"]) == (14, {})
    assert report["notes"] == {"converted from RGBA": 14}
    assert len(report["skipped"]) == 15 and "happy/pipe.png" in report["skipped"]
    for record in records.read(built):
        row = int(record.key.split()[-1].removesuffix(".png"))
        alpha = noise[row][..., 3:] / 255
        # OpenCV's order is BGRA.
        expected = noise[row][..., 2::-1] * alpha + 255 * (1 - alpha)
        np.testing.assert_allclose(picture.decode(record.image), expected, atol=1.5)
        # As TFDS decodes it, too.
        assert cv2.imdecode(
            np.frombuffer(record.image, np.uint8), cv2.IMREAD_UNCHANGED
        ).shape == (16, 16, 3)


def test_there_is_a_builder_for_each_corpus_and_for_pictures_of_ones_own():
    assert sorted(tfds_builders.BUILDERS) == sorted((*CORPORA, "pictures"))


@pytest.mark.parametrize("source", tfds_builders.BUILDERS)
def test_a_builders_folder_is_complete(source):
    metadata = tfds_builders.BUILDERS[source].get_metadata()
    assert metadata.citation.startswith("@") and metadata.tags
    for word in ("Origin", "Terms", "How to get it", "Layout"):
        assert f"**{word}**" in metadata.description
    assert any((BUILDERS / source / "dummy_data").iterdir())


# `tfds build` itself needs Beam and Croissant; this is how it loads a folder's builder,
# and then what it calls.
TFDS_BUILD = """
import sys
import tensorflow_datasets as tfds
module, data_dir, manual_dir = sys.argv[1:]
builder_class = tfds.core.community.builder_cls_from_module(module)
download = tfds.download.DownloadConfig(manual_dir=manual_dir)
builder_class(data_dir=data_dir).download_and_prepare(download_config=download)
"""


@pytest.mark.slow
def test_tfds_build_works_inside_the_folder(tmp_path):
    module = "fer2013.fer2013_dataset_builder"
    arguments = [module, tmp_path, DUMMY_FER2013.parent]
    subprocess.run(
        [sys.executable, "-c", TFDS_BUILD, *map(str, arguments)],
        cwd=BUILDERS / "fer2013",
        env={**os.environ, "PYTHONPATH": f"{BUILDERS.parent}{os.pathsep}{BUILDERS}"},
        check=True,
        timeout=300,
    )
    folder = tmp_path / "fer2013" / "1.0.0"
    assert records.count(folder) == 12
    assert (folder / records.REJECTS_FILE).exists()
    report = records.rejects(folder)
    assert (report["attempted"], report["rejected"]) == (12, {})
