"""TFLite metadata: tells other tools what a file takes, and what its answers mean.

A FlatBuffer of the published schema (`metadata_schema.fbs` of TensorFlow Lite Support,
identifier M001) in a buffer of the model, and the file of labels that it speaks of as a
zip archive after the model. Written here, for of the two libraries that write it
`tflite-support` asks for a protobuf that TensorFlow cannot work with, and MediaPipe
installs another OpenCV over ours.
"""

import io
import zipfile
from collections.abc import Mapping
from collections.abc import Sequence

import flatbuffers
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.tools import flatbuffer_utils

from fer_tf.labels import CLASSES
from fer_tf.preprocess import FaceSpec
from fer_tf.runtime.bundle import LABELS
from fer_tf.runtime.classifier import INPUT

FIELD = "TFLITE_METADATA"
IDENTIFIER = b"M001"
PARSER_VERSION = "1.0.0"

DESCRIPTION = (
    "Which of seven expressions a face shows. Faces are framed and equalised before, "
    "as the bundle's `face` says, by `fer_tf.preprocess.prepare`."
)
INPUT_DESCRIPTION = "A prepared face, RGB of 0..255."
OUTPUT_DESCRIPTIONS = {
    "probabilities": "Calibrated probabilities of the classes.",
    "logits": "Logits of the classes. Calibrated probabilities are the softmax of what "
    "`temperature` and `vector` in the bundle make of them.",
}

# Of the schema's enumerations and unions, what is used here.
_TENSOR_AXIS_LABELS = 2
_RGB = 1
_FEATURES = 1
_IMAGE = 2
_NORMALISATION = 1

Slots = Mapping[int, tuple[str, int]]


def with_labels(tflite: bytes, *, name: str, face: FaceSpec, output: str) -> bytes:
    """Return a TFLite file with metadata, and with `labels.txt` at its end.

    Args:
        name: of the model.
        output: what the file answers, `probabilities` or `logits`.
    """
    model = flatbuffer_utils.read_model_from_bytearray(bytearray(tflite))
    buffer = schema.BufferT()
    buffer.data = list(_model_metadata(name, face, output))
    field = schema.MetadataT()
    field.name, field.buffer = FIELD, len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or []), field]
    return flatbuffer_utils.convert_object_to_bytearray(model, _archive())


def labels_text() -> str:
    """Return the content of `labels.txt`: the classes in the order of the answers."""
    return "\n".join(CLASSES) + "\n"


def _archive() -> bytes:
    """Return a zip archive of the labels, the same bytes at any time of writing.

    Its offsets count from its own start; readers of zip archives allow for what comes
    before.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(zipfile.ZipInfo(LABELS), labels_text())
    return packed.getvalue()


def _model_metadata(name: str, face: FaceSpec, output: str) -> bytes:
    """Return the FlatBuffer `ModelMetadata`."""
    builder = flatbuffers.Builder()
    subgraph = _table(
        builder,
        {
            2: _vector(builder, [_input(builder, face)]),
            3: _vector(builder, [_output(builder, output)]),
        },
    )
    root = _table(
        builder,
        {
            0: _text(builder, name),
            1: _text(builder, DESCRIPTION),
            3: _vector(builder, [subgraph]),
            7: _text(builder, PARSER_VERSION),
        },
    )
    builder.Finish(root, IDENTIFIER)
    return bytes(builder.Output())


def _input(builder: flatbuffers.Builder, face: FaceSpec) -> int:
    """Write the input's `TensorMetadata`: an image, whose values are not to change."""
    size = _table(builder, {0: ("uint32", face.size), 1: ("uint32", face.size)})
    image = _table(builder, {0: ("int8", _RGB), 1: ("offset", size)})
    unchanged = {0: _floats(builder, [0.0]), 1: _floats(builder, [1.0])}
    options = _table(builder, unchanged)
    unit = _table(builder, {0: ("uint8", _NORMALISATION), 1: ("offset", options)})
    largest, least = _floats(builder, [255.0]), _floats(builder, [0.0])
    return _table(
        builder,
        {
            0: _text(builder, INPUT),
            1: _text(builder, INPUT_DESCRIPTION),
            3: _content(builder, _IMAGE, image),
            4: _vector(builder, [unit]),
            5: ("offset", _table(builder, {0: largest, 1: least})),
        },
    )


def _output(builder: flatbuffers.Builder, output: str) -> int:
    """Write the output's `TensorMetadata`: a number for each label."""
    labels = _table(
        builder,
        {
            0: _text(builder, LABELS),
            1: _text(builder, "The class of each number."),
            2: ("int8", _TENSOR_AXIS_LABELS),
        },
    )
    return _table(
        builder,
        {
            0: _text(builder, output),
            1: _text(builder, OUTPUT_DESCRIPTIONS[output]),
            3: _content(builder, _FEATURES, _table(builder, {})),
            6: _vector(builder, [labels]),
        },
    )


def _content(
    builder: flatbuffers.Builder, kind: int, properties: int
) -> tuple[str, int]:
    content = _table(builder, {0: ("uint8", kind), 1: ("offset", properties)})
    return "offset", content


def _table(builder: flatbuffers.Builder, slots: Slots) -> int:
    """Write a table whose fields stand at `slots`, as the schema counts them."""
    put = {
        "int8": builder.PrependInt8Slot,
        "offset": builder.PrependUOffsetTRelativeSlot,
        "uint8": builder.PrependUint8Slot,
        "uint32": builder.PrependUint32Slot,
    }
    builder.StartObject(max(slots, default=-1) + 1)
    for slot, (kind, value) in slots.items():
        put[kind](slot, value, 0)
    return builder.EndObject()


def _text(builder: flatbuffers.Builder, text: str) -> tuple[str, int]:
    return "offset", builder.CreateString(text)


def _vector(
    builder: flatbuffers.Builder, tables: Sequence[int]
) -> tuple[str, int]:
    builder.StartVector(4, len(tables), 4)
    for table in reversed(tables):
        builder.PrependUOffsetTRelative(table)
    return "offset", builder.EndVector()


def _floats(
    builder: flatbuffers.Builder, values: Sequence[float]
) -> tuple[str, int]:
    builder.StartVector(4, len(values), 4)
    for value in reversed(values):
        builder.PrependFloat32(value)
    return "offset", builder.EndVector()
