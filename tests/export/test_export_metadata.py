"""Other tools find in the file what it takes and what its answers mean."""

import zipfile

import flatbuffers
import pytest
from flatbuffers.table import Table
from tensorflow.lite.python import schema_py_generated as tflite_schema

from export import metadata
from fer_tf.calibration import Scaling
from fer_tf.labels import CLASSES
from fer_tf.preprocess import FaceSpec
from fer_tf.runtime import bundle as schema
from fer_tf.runtime import interpreter

NUMBERS = flatbuffers.number_types


@pytest.fixture
def labelled(converted):
    """The tiny model's file with metadata."""
    plain = converted("float32", Scaling(1.5))
    return metadata.with_labels(
        plain, name="tiny", face=FaceSpec(size=32), output="probabilities"
    )


class Reader:
    """Fields of a FlatBuffer by their slots: the format, and nothing of the writer."""

    def __init__(self, buffer, position):
        self.table = Table(buffer, position)

    @classmethod
    def of(cls, buffer):
        start = flatbuffers.encode.Get(flatbuffers.packer.uoffset, buffer, 0)
        return cls(buffer, start)

    def offset(self, slot):
        found = self.table.Offset(4 + 2 * slot)
        assert found, f"slot {slot} is empty"
        return found

    def text(self, slot):
        place = self.offset(slot) + self.table.Pos
        return self.table.String(place).decode()

    def number(self, slot, kind):
        return self.table.Get(kind, self.offset(slot) + self.table.Pos)

    def child(self, slot):
        place = self.table.Indirect(self.offset(slot) + self.table.Pos)
        return Reader(self.table.Bytes, place)

    def children(self, slot):
        offset = self.offset(slot)
        start, count = self.table.Vector(offset), self.table.VectorLen(offset)
        places = [self.table.Indirect(start + 4 * index) for index in range(count)]
        return [Reader(self.table.Bytes, place) for place in places]

    def floats(self, slot):
        offset = self.offset(slot)
        start, count = self.table.Vector(offset), self.table.VectorLen(offset)
        kind = NUMBERS.Float32Flags
        return [self.table.Get(kind, start + 4 * index) for index in range(count)]


@pytest.fixture
def content(labelled):
    """The metadata, read with the schema in the comments."""
    model = tflite_schema.Model.GetRootAsModel(labelled, 0)
    fields = [model.Metadata(index) for index in range(model.MetadataLength())]
    (field,) = [each for each in fields if each.Name() == b"TFLITE_METADATA"]
    buffer = model.Buffers(field.Buffer()).DataAsNumpy().tobytes()
    assert buffer[4:8] == b"M001"
    return Reader.of(buffer)


def test_the_model_and_what_its_reader_must_know_are_named(content):
    assert content.text(0) == "tiny"  # ModelMetadata.name
    assert "expressions" in content.text(1)  # description
    assert content.text(7) == "1.0.0"  # min_parser_version


def test_the_input_is_an_rgb_picture_that_is_not_to_be_changed(content):
    (subgraph,) = content.children(3)  # subgraph_metadata
    (tensor,) = subgraph.children(2)  # input_tensor_metadata
    assert tensor.text(0) == "crops"
    described = tensor.child(3)  # content
    assert described.number(0, NUMBERS.Uint8Flags) == 2  # ImageProperties
    image = described.child(1)
    assert image.number(0, NUMBERS.Int8Flags) == 1  # RGB
    size = image.child(1)
    assert [size.number(slot, NUMBERS.Uint32Flags) for slot in (0, 1)] == [32, 32]
    (unit,) = tensor.children(4)  # process_units
    assert unit.number(0, NUMBERS.Uint8Flags) == 1  # NormalizationOptions
    mean, deviation = (unit.child(1).floats(slot) for slot in (0, 1))
    assert (mean, deviation) == ([0.0], [1.0])
    largest, least = (tensor.child(5).floats(slot) for slot in (0, 1))  # stats
    assert (largest, least) == ([255.0], [0.0])


def test_the_output_has_the_file_of_labels(content):
    (subgraph,) = content.children(3)
    (tensor,) = subgraph.children(3)  # output_tensor_metadata
    assert tensor.text(0) == "probabilities"
    (file,) = tensor.children(6)  # associated_files
    assert file.text(0) == "labels.txt"
    assert file.number(2, NUMBERS.Int8Flags) == 2  # TENSOR_AXIS_LABELS


def test_labels_are_zipped_at_the_end(labelled, tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(labelled)
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["labels.txt"]
        assert archive.testzip() is None
        assert archive.read("labels.txt").decode().split() == list(CLASSES)


def test_the_model_is_the_same_and_runs(labelled, converted, tmp_path):
    plain = converted("float32", Scaling(1.5))
    (tmp_path / "model.tflite").write_bytes(labelled)
    loaded = interpreter.load(tmp_path / "model.tflite")
    assert loaded.get_signature_list() == {
        "serving_default": {"inputs": ["crops"], "outputs": ["probabilities"]}
    }
    before, after = (
        tflite_schema.Model.GetRootAsModel(each, 0) for each in (plain, labelled)
    )
    assert buffers(after)[:-1] == buffers(before)


def buffers(model):
    """All of the model's constants, as bytes."""
    found = [model.Buffers(index) for index in range(model.BuffersLength())]
    return [
        b"" if each.DataIsNone() else each.DataAsNumpy().tobytes() for each in found
    ]


def test_the_same_model_gives_the_same_bytes(labelled, converted):
    again = metadata.with_labels(
        converted("float32", Scaling(1.5)),
        name="tiny",
        face=FaceSpec(size=32),
        output="probabilities",
    )
    assert again == labelled


def test_the_bundles_hash_is_of_the_file_with_metadata(write):
    bundle = write("float16")
    assert zipfile.is_zipfile(bundle.model)
    assert schema.read(bundle.folder) == bundle


def test_an_independent_reader_agrees(labelled):
    """Where it is installed: it cannot be beside TensorFlow."""
    support = pytest.importorskip("tflite_support.metadata")
    shown = support.MetadataDisplayer.with_model_buffer(labelled)
    assert shown.get_packed_associated_file_list() == ["labels.txt"]
    assert "TENSOR_AXIS_LABELS" in shown.get_metadata_json()
