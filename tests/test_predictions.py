import dataclasses
import io
import zipfile

import numpy as np
import pytest

from fer_tf import predictions
from fer_tf.errors import UserError
from fer_tf.predictions import Predictions
from fer_tf.predictions import SplitPredictions


def two_rows(**changes):
    columns = {
        "keys": ["a/1", "b/é"],
        "labels": [0, 6],
        "sources": ["a", "b"],
        "groups": ["g", "h"],
        "distribution": np.eye(7)[[0, 6]],
        "agreed": [True, False],
        "logits": np.zeros((2, 7)),
    }
    return SplitPredictions(**{**columns, **changes})


def assert_same(one, other):
    for item in dataclasses.fields(SplitPredictions):
        before, after = getattr(one, item.name), getattr(other, item.name)
        np.testing.assert_array_equal(before, after)
        assert before.dtype == after.dtype


def test_predictions_survive_their_file(tmp_path, answer):
    stored = answer("teachers/resnet18", views=3)
    stored.save(tmp_path / "predictions.npz")
    loaded = Predictions.load(tmp_path / "predictions.npz")
    assert (loaded.model, loaded.view_seed) == ("teachers/resnet18", 0)
    assert loaded.splits.keys() == stored.splits.keys()
    assert loaded.split("train").logits.shape == (210, 3, 7)
    for split, answers in stored.splits.items():
        assert_same(answers, loaded.split(split))


def test_predictions_keep_what_they_were_made_from(tmp_path, answer):
    made_from = {"manifest": "1" * 64, "weights": "2" * 64}
    stored = dataclasses.replace(answer("m"), made_from=made_from)
    stored.save(tmp_path / "p.npz")
    assert Predictions.load(tmp_path / "p.npz").made_from == made_from


def test_a_key_may_hold_any_character(tmp_path):
    Predictions("m", 1, {"test": two_rows()}).save(tmp_path / "p.npz")
    assert_same(two_rows(), Predictions.load(tmp_path / "p.npz").split("test"))


def test_the_same_predictions_are_the_same_bytes(tmp_path, answer):
    for name in ("one.npz", "two.npz"):
        answer("m").save(tmp_path / name)
    one, two = (tmp_path / name for name in ("one.npz", "two.npz"))
    assert one.read_bytes() == two.read_bytes()


def test_a_split_that_was_not_asked_for_is_named(answer):
    with pytest.raises(UserError, match="'train'.*validation, test"):
        answer("m").split("train")
    with pytest.raises(ValueError, match=r"`splits`.*\['val'\]"):
        Predictions("m", 0, {"val": two_rows()})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"logits": np.zeros((2, 8))}, r"`logits`.*\[n, 7\].*\[2, 8\]"),
        ({"logits": np.full((2, 7), np.nan)}, "`logits`.*NaN"),
        ({"labels": [0, 7]}, r"`labels`.*0\.\.6.*7\]"),
        ({"labels": [0.0, 1.0]}, "`labels`.*float64"),
        ({"labels": [0]}, r"'labels': \(1,\)"),
        ({"keys": ["a/1", "a/1"]}, "`keys`"),
        ({"agreed": [True]}, r"'agreed': \(1,\)"),
        ({"distribution": np.eye(2)}, r"'distribution': \(2, 2\)"),
        ({"distribution": np.full((2, 7), 0.5)}, r"`distribution`.*3\.5"),
    ],
)
def test_malformed_predictions_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        two_rows(**changes)


def test_align_brings_rows_into_the_first_order(answer):
    first = answer("m").split("test")
    shuffled = first.take(np.random.default_rng(0).permutation(len(first)))
    aligned = predictions.align({"one": first, "two": shuffled})
    assert_same(aligned["one"], first)
    assert_same(aligned["two"], first)


def test_align_refuses_other_records_and_other_labels():
    one = two_rows()
    with pytest.raises(UserError, match=r"\bx\b.*\by\b.*\b2\b.*b/3"):
        predictions.align({"x": one, "y": two_rows(keys=["a/1", "b/3"])})
    with pytest.raises(UserError, match=r"\bx and y\b.*labels"):
        predictions.align({"x": one, "y": two_rows(labels=[0, 5])})


def test_a_missing_or_damaged_file_is_named(tmp_path, answer):
    with pytest.raises(UserError, match="none.npz"):
        Predictions.load(tmp_path / "none.npz")
    path = tmp_path / "cut.npz"
    answer("m").save(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match="cut.npz"):
        Predictions.load(path)
    np.savez(tmp_path / "foreign.npz", x=np.zeros(3))
    with pytest.raises(UserError, match="foreign.npz"):
        Predictions.load(tmp_path / "foreign.npz")
    for metadata in ("{}", "[]", '{"classes": null}'):
        np.savez(tmp_path / "foreign.npz", metadata=np.array(metadata))
        with pytest.raises(UserError, match="foreign.npz"):
            Predictions.load(tmp_path / "foreign.npz")
    # An archive whose first part says to be packed as nobody can unpack it.
    packed = bytearray((tmp_path / "foreign.npz").read_bytes())
    directory = packed.index(b"PK\x01\x02")
    packed[directory + 10] = packed[8] = 99
    path.write_bytes(packed)
    with pytest.raises(UserError, match="cut.npz"):
        Predictions.load(path)


@pytest.mark.parametrize("part", ["header", "directory", "end"])
def test_no_flipped_bit_changes_what_is_read(tmp_path, part):
    """CRC-32 covers the arrays; what surrounds them is covered by being checked."""
    path, stored = tmp_path / "p.npz", Predictions("m", 1, {"test": two_rows()})
    stored.save(path)
    whole = path.read_bytes()
    directory = whole.index(b"PK\x01\x02")
    first, last = {
        "header": (0, 200),
        "directory": (directory, directory + 120),
        "end": (len(whole) - 90, len(whole)),
    }[part]
    refused = 0
    for bit in range(8 * first, 8 * last, 7):
        path.write_bytes(flipped(whole, bit))
        try:
            loaded = Predictions.load(path)
        except UserError as error:
            assert str(path) in str(error)
            refused += 1
        else:
            assert (loaded.model, loaded.view_seed) == ("m", 1)
            assert_same(loaded.split("test"), two_rows())
    assert refused > 20


def flipped(content, bit):
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@pytest.mark.parametrize(
    "shape", [(10**12, 7), (1, 7), (3, 7), (-1, 7), (10**30,), ()]
)
def test_an_array_is_as_large_as_it_claims_or_refused(tmp_path, shape, monkeypatch):
    """Before anything of the claimed size is allocated."""
    path = tmp_path / "p.npz"
    raw = io.BytesIO()
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(raw, header)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", raw.getvalue() + bytes(2 * 7 * 4))
    monkeypatch.setattr(np.lib.format, "read_array", lambda *a, **k: pytest.fail())
    with pytest.raises(UserError, match="p.npz"):
        predictions.read_arrays(path)


@pytest.mark.parametrize("change", [{"model": 1}, {"view_seed": "a"}, {"made": 1}])
def test_metadata_of_another_kind_are_refused(tmp_path, change):
    names = {item.name for item in dataclasses.fields(SplitPredictions)}
    arrays = {f"test/{name}": getattr(two_rows(), name) for name in names}
    if "made" in change:
        del arrays["test/labels"]
    predictions.write_arrays(
        tmp_path / "p.npz", arrays, **{"model": "m", "view_seed": 1, **change}
    )
    with pytest.raises(UserError, match="p.npz"):
        Predictions.load(tmp_path / "p.npz")


def test_pickled_objects_are_not_loaded(tmp_path):
    np.savez(tmp_path / "p.npz", metadata=np.array([{}], dtype=object))
    with pytest.raises(UserError, match="allow_pickle"):
        Predictions.load(tmp_path / "p.npz")


def test_another_class_order_is_refused(tmp_path, monkeypatch):
    with monkeypatch.context() as other:
        other.setattr(predictions, "CLASSES", tuple("abcdefg"))
        Predictions("m", 0, {"test": two_rows()}).save(tmp_path / "p.npz")
    with pytest.raises(UserError, match="p.npz.*'a', 'b'.*'Angry'"):
        Predictions.load(tmp_path / "p.npz")
