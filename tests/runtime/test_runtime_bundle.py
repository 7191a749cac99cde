"""A bundle that is not what it says is refused before anything is loaded."""

import json
import shutil
from pathlib import Path

import pytest

from fer_tf import files
from fer_tf.errors import UserError
from fer_tf.runtime import bundle as schema

SHIPPED = Path(schema.__file__).parents[1] / "assets" / "student"


@pytest.fixture
def folder(tiny_bundle, tmp_path):
    """A copy of the bundle that a test may damage."""
    return shutil.copytree(tiny_bundle, tmp_path / "bundle")


def change(folder, **changes):
    """Write `bundle.json` anew with `changes`; None removes a key."""
    content = files.read_json(folder / "bundle.json") | changes
    content = {key: value for key, value in content.items() if value is not None}
    (folder / "bundle.json").write_text(json.dumps(content))


def test_every_field_is_read(folder):
    bundle = schema.read(folder)
    assert bundle.name == "tiny"
    assert bundle.smoke is True
    assert bundle.face.size == 32
    assert bundle.temperature == 1.5
    assert bundle.abstain == schema.Abstain(0.3, 0.9, "validation")
    assert bundle.data == {"manifest.csv": "0" * 64}
    assert set(bundle.sha256) == set(schema.FILES)
    assert bundle.versions["numpy"]


def test_prediction_sets_are_read_and_a_bundle_without_them_too(folder):
    before = schema.read(folder)
    assert before.prediction_sets is None
    assert "prediction_sets" not in before.to_dict()
    stored = {"threshold": 0.2, "wanted_coverage": 0.9, "fitted_on": "validation"}
    change(folder, prediction_sets=stored)
    bundle = schema.read(folder)
    assert bundle.prediction_sets == schema.PredictionSets(0.2, 0.9, "validation")
    assert bundle.to_dict() == files.read_json(folder / "bundle.json")


def test_vector_scaling_is_read(folder):
    vector = {"weights": [1.0] * 7, "biases": [0.5] * 7}
    change(folder, vector=vector)
    bundle = schema.read(folder)
    assert bundle.vector == schema.Vector((1.0,) * 7, (0.5,) * 7)
    written = json.loads(json.dumps(bundle.to_dict()))
    assert written == files.read_json(folder / "bundle.json")


def test_the_digest_names_the_content_and_not_the_place(folder, tiny_bundle):
    assert schema.read(folder).digest == schema.read(tiny_bundle).digest
    change(folder, name="other")
    assert schema.read(folder).digest != schema.read(tiny_bundle).digest


@pytest.mark.parametrize("name", ["model.tflite", "labels.txt", "MODEL_CARD.md"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(UserError, match=name):
        schema.read(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema_version": 2}, r"\b2\b.*\b1\b"),
        ({"schema_version": None}, "None"),
        ({"classes": ["Happy", "Sad"]}, "Angry.*Happy, Sad"),
        ({"output": "probs"}, "'probs'.*'probabilities'"),
        ({"precision": "float61"}, "'float61'.*'float16'"),
        ({"temperature": 0}, r"temperature.*\b0\b"),
        ({"temperature": None}, "temperature"),
        ({"face": None}, "'face'"),
        ({"face": {"size": 32}}, "'framing'"),
        ({"abstain": {"threshold": 2}}, "bundle.json"),
        (
            {"abstain": {"threshold": 2, "wanted_accuracy": 1, "fitted_on": "val"}},
            r"abstain\.threshold.*0\.\.1.*\b2\b",
        ),
        ({"prediction_sets": {"threshold": 0.2}}, "bundle.json"),
        (
            {
                "prediction_sets": {
                    "threshold": -1,
                    "wanted_coverage": 0.9,
                    "fitted_on": "val",
                }
            },
            r"prediction_sets\.threshold.*0\.\.1.*-1",
        ),
        ({"vector": {"weights": [1.0] * 7}}, "biases"),
        (
            {"vector": {"weights": [1.0] * 6, "biases": [0.0] * 7}},
            r"vector\.weights.*\b7\b",
        ),
        ({"smoke": "no"}, "smoke.*bool.*'no'"),
        ({"sha256": ["ab"]}, "sha256.*ab"),
        ({"surprise": 1}, "surprise"),
        ({"sha256": {}}, "SHA-256.*None"),
    ],
)
def test_a_wrong_bundle_json_says_what_is_wrong(folder, changes, message):
    change(folder, **changes)
    with pytest.raises(UserError, match=message):
        schema.read(folder)


NASTY = [None, True, -1, 10**400, float("nan"), "", "x", [], [1], {}, {"a": 1}]


def places(value, place=()):
    """Yield the place of every value in nested dicts and lists."""
    yield place
    children = value.items() if isinstance(value, dict) else ()
    children = enumerate(value) if isinstance(value, list) else children
    for key, child in children:
        yield from places(child, (*place, key))


def changed(value, place, new):
    """Return a copy with something else at a place, at any depth."""
    if not place:
        return new
    value = value.copy()
    value[place[0]] = changed(value[place[0]], place[1:], new)
    return value


def test_whatever_stands_in_bundle_json_is_read_or_refused_and_never_a_crash(folder):
    path = folder / "bundle.json"
    sets = {"threshold": 0.2, "wanted_coverage": 0.9, "fitted_on": "validation"}
    vector = {"weights": [1.0] * 7, "biases": [0.5] * 7}
    change(folder, prediction_sets=sets, vector=vector, versions={}, metrics={})
    content = files.read_json(path)
    refused = 0
    for place in places(content):
        for new in NASTY:
            path.write_text(json.dumps(changed(content, place, new)))
            try:
                assert isinstance(schema.read(folder), schema.Bundle)
            except UserError as error:
                assert str(folder) in str(error)
                refused += 1
    assert refused > 300


@pytest.mark.parametrize(
    "text", ["", "{", "[" * 100_000, "1" * 5000, "\udcff", '{"schema_version": 1}', "1"]
)
def test_what_is_no_bundle_json_is_named(folder, text):
    (folder / "bundle.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(UserError, match="bundle"):
        schema.read(folder)


@pytest.mark.parametrize("name", ["model.tflite", "labels.txt", "MODEL_CARD.md"])
def test_a_flipped_bit_anywhere_is_refused_before_anything_is_loaded(folder, name):
    """A damaged model can crash the process that loads it."""
    whole = (folder / name).read_bytes()
    for place in range(0, len(whole), max(1, len(whole) // 25)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        (folder / name).write_bytes(damaged)
        with pytest.raises(UserError, match=f"{name}.*SHA-256"):
            schema.read(folder)


def test_no_flipped_bit_of_bundle_json_changes_what_is_read(folder):
    path = folder / "bundle.json"
    bundle = schema.read(folder)
    files.write_json(path, bundle.to_dict())
    assert files.sealed(bundle.to_dict())["digest"] == bundle.digest
    whole = path.read_bytes()
    refused = 0
    for bit in range(0, 8 * len(whole), 61):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            # Of white space.
            assert schema.read(folder) == bundle
        except UserError as error:
            assert str(folder) in str(error)
            refused += 1
    assert refused > 100


@pytest.mark.parametrize(
    ("place", "new"),
    [
        (("face", "clahe_clip"), float("nan")),
        (("face", "framing", "dx"), float("nan")),
        (("face", "framing", "scale"), 1e4),
        (("face", "size"), 48.0),
        (("face", "clahe_tiles"), 10**9),
        (("face", "clahe_tiles"), 100_000),
        (("face", "clahe_tiles"), True),
        (("temperature",), float("inf")),
        (("temperature",), True),
        (("temperature",), 1e-9),
        (("abstain", "threshold"), False),
        (("abstain", "wanted_accuracy"), 1.5),
        (("abstain", "fitted_on"), 1),
        (("prediction_sets", "wanted_coverage"), "0.9"),
        (("vector", "biases", 3), float("nan")),
        (("vector", "weights", 0), 1e9),
        (("metrics", "accuracy"), float("nan")),
        (("metrics", "deep"), [{"n": 10**400}]),
        (("versions", "numpy"), 2),
    ],
)
def test_every_number_is_checked(folder, place, new):
    path = folder / "bundle.json"
    sets = {"threshold": 0.2, "wanted_coverage": 0.9, "fitted_on": "validation"}
    vector = {"weights": [1.0] * 7, "biases": [0.5] * 7}
    metrics = {"accuracy": 0.9, "deep": [], "by_source": {"x": None}}
    change(folder, prediction_sets=sets, vector=vector, metrics=metrics)
    schema.read(folder)
    content = changed(files.read_json(path), place, new)
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match="bundle"):
        schema.read(folder)


def test_the_shipped_bundle_has_its_digest():
    bundle = schema.read(SHIPPED)
    content = json.loads((SHIPPED / "bundle.json").read_text())
    assert content["digest"] == bundle.digest


def test_a_cut_off_model_is_refused(folder):
    whole = (folder / "model.tflite").read_bytes()
    (folder / "model.tflite").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="model.tflite.*SHA-256"):
        schema.read(folder)


def test_labels_that_are_no_text_are_refused(folder):
    (folder / "labels.txt").write_bytes(b"\xff\xfe")
    hashes = files.read_json(folder / "bundle.json")["sha256"]
    digest = files.sha256_of(folder / "labels.txt")
    change(folder, sha256=hashes | {"labels.txt": digest})
    with pytest.raises(UserError, match="labels.txt.*Angry, Disgust"):
        schema.read(folder)


def test_every_precision_of_a_recipe_is_one_of_a_bundle():
    from fer_tf import config

    for precision in schema.PRECISIONS:
        assert config.load(None, [f"export.precision={precision}"])
    with pytest.raises(UserError) as error:
        config.load(None, ["export.precision=float"])
    known = str(error.value).partition("Known: ")[2].rstrip(".").split(", ")
    assert sorted(known) == sorted(schema.PRECISIONS)


def test_classes_in_another_order_are_refused_in_labels_too(folder):
    swapped = "Disgust\nAngry\nFear\nHappy\nSad\nSurprise\nNeutral\n"
    (folder / "labels.txt").write_text(swapped)
    digest = files.sha256_of(folder / "labels.txt")
    hashes = files.read_json(folder / "bundle.json")["sha256"]
    change(folder, sha256=hashes | {"labels.txt": digest})
    with pytest.raises(UserError, match="labels.txt.*Disgust, Angry.*Angry, Disgust"):
        schema.read(folder)


def test_a_folder_that_is_no_bundle_says_how_to_make_one(tmp_path):
    with pytest.raises(UserError, match="fer-tf run"):
        schema.read(tmp_path)
