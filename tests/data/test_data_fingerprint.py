"""A fingerprint follows the content of records, not the process that wrote them."""

import dataclasses
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("tensorflow_datasets")

import tensorflow as tf  # noqa: E402

import tfds_builders  # noqa: E402
from fer_tf import files  # noqa: E402
from fer_tf.config import DataConfig  # noqa: E402
from fer_tf.data import records  # noqa: E402

CONFIG = DataConfig(drawn_count=35)
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of 35 synthetic records; only to be read."""
    data_dir = tmp_path_factory.mktemp("records")
    return tfds_builders.build("drawn_faces", data_dir, data_dir, CONFIG)


@pytest.fixture
def copied(built, tmp_path):
    return Path(shutil.copytree(built, tmp_path / "1.0.0"))


def varint(number):
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    return bytes([*encoded, number])


def field(number, content):
    """Return one length-delimited field of a protobuf message."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def reversed_features(example):
    """Return a serialized `tf.train.Example` whose features are in reversed order."""
    features = tf.train.Example.FromString(example).features.feature
    entries = b"".join(
        field(
            1,
            field(1, name.encode()) + field(2, features[name].SerializeToString()),
        )
        for name in sorted(features, reverse=True)
    )
    return field(1, entries)


def rewrite(folder, change):
    """Write every record of every shard again, each as `change` returns it."""
    for shard in folder.glob("*.tfrecord*"):
        examples = [each.numpy() for each in tf.data.TFRecordDataset(str(shard))]
        with tf.io.TFRecordWriter(str(shard)) as writer:
            for example in examples:
                writer.write(change(example))


def test_the_order_of_the_features_of_an_example_makes_no_difference(built, copied):
    """This order depends on addresses and hashes in the process that writes it."""
    rewrite(copied, reversed_features)
    same = [
        (copied / shard.name).read_bytes() == shard.read_bytes()
        for shard in built.glob("*.tfrecord*")
    ]
    assert same and not any(same)
    assert [*records.read(copied)] == [*records.read(built)]
    assert records.fingerprint(copied) == records.fingerprint(built)


@pytest.mark.parametrize(
    "change",
    [
        {"key": "drawn_faces/other"},
        {"image": b"other"},
        {"label": ""},
        {"label_original": "other"},
        {"distribution": (1.0, 0, 0, 0, 0, 0, 0)},
        {"split": "other"},
        {"votes": (1, 2)},
        {"subject": "other"},
        {"photo": "other"},
        {"box_xywh_px": (1.0, 2.0, 3.0, 4.0)},
        {"square_xywh_px": (1.0, 2.0, 3.0, 4.0)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_field_of_a_record_is_in_the_digest(change):
    plain = records.Record("drawn_faces/1", b"a", "Happy", "happy", (0.0,) * 7, "train")
    other = dataclasses.replace(plain, **change)
    assert records.content_digest([plain]) != records.content_digest([other])


def test_all_fields_of_a_record_are_tested_above():
    # Notes are for the build's report; records do not store them.
    fields = {each.name for each in dataclasses.fields(records.Record)} - {"notes"}
    (mark,) = test_every_field_of_a_record_is_in_the_digest.pytestmark
    assert {name for change in mark.args[1] for name in change} == fields


def test_the_order_of_records_is_in_the_digest():
    one, other = (
        records.Record(f"drawn_faces/{n}", b"a", "Happy", "happy", (0.0,) * 7, "train")
        for n in (1, 2)
    )
    first = records.content_digest([one, other])
    assert records.content_digest([other, one]) != first


def test_it_is_saved_when_records_are_built(built, monkeypatch):
    saved = files.read_json(built / records.FINGERPRINT_FILE)["sha256"]
    monkeypatch.setattr(records, "read", lambda folder: pytest.fail("read again"))
    assert records.fingerprint(built) == saved


def test_a_saved_one_is_not_believed_when_the_files_have_changed(built, copied):
    rewrite(copied, lambda example: example.replace(b"drawn_faces/", b"drawn_paces/"))
    changed = records.fingerprint(copied)
    assert changed == records.content_digest(records.read(copied))
    assert changed != records.fingerprint(built)


def test_a_damaged_saved_one_is_computed_again(built, copied, monkeypatch):
    read = [*records.read(built)]
    monkeypatch.setattr(records, "read", lambda folder: read)
    path = copied / records.FINGERPRINT_FILE
    whole = path.read_bytes()
    for place in range(0, len(whole), max(1, len(whole) // 12)):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        path.write_bytes(damaged)
        assert records.fingerprint(copied) == records.fingerprint(built)
    assert path.read_bytes() == whole


def test_where_nothing_can_be_written_it_is_computed(built, copied, monkeypatch):
    def refuse(path, value):
        raise PermissionError(13, "Permission denied")

    (copied / records.FINGERPRINT_FILE).unlink()
    monkeypatch.setattr(files, "write_json", refuse)
    assert records.fingerprint(copied) == records.fingerprint(built)


PROGRAM = """
import sys
from pathlib import Path
import tfds_builders
from fer_tf.config import DataConfig
from fer_tf.data import records
folder = Path(sys.argv[1])
built = tfds_builders.build("drawn_faces", folder, folder, DataConfig(drawn_count=35))
print(records.fingerprint(built))
"""


@pytest.mark.slow
def test_simultaneous_builds_of_the_same_files_have_one_fingerprint(built, tmp_path):
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, tmp_path / seed],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
        )
        for seed in ("0", "1", "2")
    ]
    found = [process.communicate()[0].split()[-1] for process in processes]
    assert found == [records.fingerprint(built)] * 3
