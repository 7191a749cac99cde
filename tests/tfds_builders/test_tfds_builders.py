"""Each builder on its dummy data, by TFDS' own test, and `build` around them."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

tfds = pytest.importorskip("tensorflow_datasets")

import tfds_builders  # noqa: E402
from fer_tf import picture  # noqa: E402
from fer_tf.config import DataConfig  # noqa: E402
from fer_tf.data import records  # noqa: E402
from fer_tf.errors import UserError  # noqa: E402
from fer_tf.sources import Record  # noqa: E402
from fer_tf.sources import drawn  # noqa: E402
from fer_tf.sources import fer2013  # noqa: E402
from tfds_builders import builder  # noqa: E402

BUILDERS = Path(tfds_builders.__file__).parent
DUMMY_FER2013 = BUILDERS / "fer2013" / "dummy_data" / "fer2013.csv"


class DrawnFacesTest(tfds.testing.DatasetBuilderTestCase):
    DATASET_CLASS = tfds_builders.BUILDERS["drawn_faces"]
    BUILDER_CONFIG_NAMES_TO_TEST = [DATASET_CLASS.get_builder_config("n60_seed1")]
    SPLITS = {"train": 39, "validation": 14, "test": 7}


class Fer2013Test(tfds.testing.DatasetBuilderTestCase):
    DATASET_CLASS = tfds_builders.BUILDERS["fer2013"]
    SPLITS = {"train": 8, "validation": 2, "test": 2}


@pytest.fixture
def raw(tmp_path):
    """A raw folder that holds FER2013's dummy data."""
    folder = tmp_path / "raw" / "fer2013"
    folder.mkdir(parents=True)
    (folder / "fer2013.csv").write_bytes(DUMMY_FER2013.read_bytes())
    return folder.parent


def test_every_record_comes_back_as_it_went_in(raw, tmp_path):
    folder = tfds_builders.build("fer2013", raw, tmp_path / "records", DataConfig())
    written = list(fer2013.read(DUMMY_FER2013, pytest.fail))
    by_key = {record.key: record for record in records.read(folder)}
    assert by_key == {record.key: record for record in written}
    assert not picture.decode(by_key["fer2013/5"].image).any(), "black rows stay"


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


def test_a_broken_corpus_leaves_no_records(raw, tmp_path):
    (raw / "fer2013" / "fer2013.csv").write_text("emotion,pixels,Usage\n9,1,Training\n")
    with pytest.raises(UserError, match="1 of 1 rows cannot be read"):
        tfds_builders.build("fer2013", raw, tmp_path / "records", DataConfig())
    with pytest.raises(UserError, match="there are no records of fer2013"):
        records.locate(tmp_path / "records", "fer2013", DataConfig())


def test_a_missing_corpus_is_described(tmp_path):
    with pytest.raises(UserError) as caught:
        tfds_builders.build("fer2013", tmp_path / "raw", tmp_path, DataConfig())
    message = str(caught.value)
    assert str(tmp_path / "raw" / "fer2013") in message
    assert "fer2013.csv" in message and "https://www.kaggle.com/" in message


@pytest.mark.parametrize(
    "source, message",
    [("fer2031", "Did you mean 'fer2013'"), ("affectnet", "not written yet")],
)
def test_a_source_without_a_builder_is_refused(tmp_path, source, message):
    with pytest.raises(UserError, match=message):
        tfds_builders.build(source, tmp_path, tmp_path, DataConfig())


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
    assert records.count(tmp_path / "fer2013" / "1.0.0") == 12
