"""Built records are found, read in one order, and known by their content."""

import itertools
import re
import shutil

import pytest

pytest.importorskip("tensorflow_datasets")

import tfds_builders  # noqa: E402
from fer_tf.config import DataConfig  # noqa: E402
from fer_tf.data import records  # noqa: E402
from fer_tf.errors import OutsideError  # noqa: E402
from fer_tf.errors import UserError  # noqa: E402

CONFIG = DataConfig(drawn_count=40)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """A folder with forty drawn faces as records."""
    folder = tmp_path_factory.mktemp("records")
    tfds_builders.build("drawn_faces", folder, folder, CONFIG)
    return folder


@pytest.fixture(scope="module")
def folder(data_dir):
    """The folder of these records."""
    return records.locate(data_dir, "drawn_faces", CONFIG)


def test_records_are_found_by_the_recipe(data_dir, folder):
    assert folder == data_dir / "drawn_faces" / "n40_seed0" / "1.0.0"


def test_records_that_are_not_built_say_how_to_build_them(data_dir):
    with pytest.raises(UserError, match="fer-tf data build drawn_faces"):
        records.locate(data_dir, "drawn_faces", DataConfig(drawn_count=41))
    with pytest.raises(UserError, match="nowhere.*fer-tf data build"):
        next(records.read(data_dir / "nowhere"))
    with pytest.raises(UserError, match="nowhere.*fer-tf data build"):
        records.count(data_dir / "nowhere")


def test_the_newest_version_is_taken(tmp_path):
    for version in ("1.0.0", "1.10.0", "1.9.0"):
        (tmp_path / "fer2013" / version).mkdir(parents=True)
    (tmp_path / "fer2013" / "incomplete.ABC_2.0.0").mkdir()
    found = records.locate(tmp_path, "fer2013", DataConfig())
    assert found.name == "1.10.0"


def test_records_come_in_one_order_split_after_split(folder):
    first, again = ([*records.read(folder)] for _ in range(2))
    assert first == again and len(first) == records.count(folder) == 40
    splits = [record.split for record in first]
    assert splits == sorted(splits, key=["train", "validation", "test"].index)


def test_damaged_records_are_told(folder, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    for shard in copy.glob("*.tfrecord*"):
        shard.write_bytes(shard.read_bytes()[:-500])
    with pytest.raises(OutsideError, match=re.escape(str(copy))):
        list(records.read(copy))


def damaged(path, count):
    """Yield after each of `count` single bits of a file is flipped; then restore it."""
    whole = path.read_bytes()
    for bit in range(3, 8 * len(whole), 8 * len(whole) // count):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        yield bit
    path.write_bytes(whole)


@pytest.mark.parametrize("name", ["features.json", "dataset_info.json"])
def test_no_flipped_bit_of_a_description_is_read(folder, tmp_path, name):
    copy = shutil.copytree(folder, tmp_path / "copy")
    for _ in damaged(copy / name, 40):
        with pytest.raises(UserError, match=name):
            records.count(copy)
        with pytest.raises(UserError, match=name):
            next(records.read(copy))


@pytest.mark.parametrize("name", ["features.json", "dataset_info.json"])
def test_without_a_fingerprint_damage_ends_in_no_traceback(folder, tmp_path, name):
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / records.FINGERPRINT_FILE).unlink()
    refused = 0
    for _ in damaged(copy / name, 12):
        try:
            list(itertools.islice(records.read(copy), 2))
        except (UserError, OutsideError):
            refused += 1
    assert refused


def test_pictures_are_not_decoded(folder):
    assert next(records.read(folder)).image.startswith(b"\x89PNG")


def test_the_fingerprint_follows_the_content(folder, data_dir, tmp_path):
    again = tfds_builders.build("drawn_faces", tmp_path, tmp_path, CONFIG)
    assert records.fingerprint(again) == records.fingerprint(folder)
    other = DataConfig(drawn_count=40, drawn_seed=1)
    another = tfds_builders.build("drawn_faces", tmp_path, tmp_path, other)
    assert records.fingerprint(another) != records.fingerprint(folder)
