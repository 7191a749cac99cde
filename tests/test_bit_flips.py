"""A few flips of each kind of file that is read without TensorFlow.

The whole campaign, with 200 flips of each kind and the user's own commands, is
`python benchmarks/bit_flips.py`.
"""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from fer_tf import files
from fer_tf.calibration import Calibration
from fer_tf.errors import UserError
from fer_tf.fusion.soft_labels import SoftLabels
from fer_tf.manifest import table
from fer_tf.manifest.clean import clean
from fer_tf.sources import drawn

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "bit_flips.py"


@pytest.fixture(scope="module")
def bit_flips():
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("bit_flips", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    # Where its dataclasses look for their annotations.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture
def kinds(bit_flips, tmp_path, answer):
    """One file of each kind."""
    rows = clean(drawn.records(14, seed=0))
    manifest = tmp_path / "manifest.csv"
    table.write(manifest, rows)
    report = {"rows": 14, table.SHA256: files.sha256_of(manifest)}
    files.write_json(manifest.with_suffix(".json"), report)
    answer("m").save(tmp_path / "predictions.npz")
    answers = answer("m").split("test")
    Calibration.fit(answers.logits, answers.labels, 0.9, "validation").save(
        tmp_path / "calibration.json"
    )
    for name in ("metrics.json", "training.json", "soft_labels.json"):
        files.write_json(tmp_path / name, {"test": {"raw": {"accuracy": 0.5}}})
    framing = {"framing": {"scale": 1.25, "dx": 0.0, "dy": -0.0625}}
    files.write_json(tmp_path / "framing.json", framing)
    keys, log_probs = np.array(["a/1", "a/2"]), np.full((2, 3, 7), -2.0)
    soft_labels = tmp_path / "soft_labels.npz"
    SoftLabels(keys, log_probs, 0, {"manifest": "0" * 64}).save(soft_labels)
    return bit_flips.light_kinds(
        tmp_path, run=tmp_path, manifest=manifest, soft_labels=soft_labels
    )


def test_no_flip_is_silent_or_a_traceback(bit_flips, kinds):
    for kind in kinds:
        whole = kind.path.read_bytes()
        found = bit_flips.flip_bits(kind, 12, seed=1)
        assert found.total() == 12
        assert not any(found[name] for name in bit_flips.BAD), (kind.name, found)
        assert found["detected"], kind.name
        assert kind.path.read_bytes() == whole


@pytest.mark.parametrize(
    ("read", "outcome"),
    [
        (lambda path: path.read_bytes(), "silent"),
        (lambda path: None, "harmless"),
        (lambda path: 1 / (path.read_bytes() == b"whole"), "traceback"),
    ],
)
def test_the_campaign_tells_outcomes_apart(bit_flips, tmp_path, read, outcome):
    path = tmp_path / "a.bin"
    path.write_bytes(b"whole")
    kind = bit_flips.Kind("a", path, lambda: read(path))
    assert bit_flips.flip_bits(kind, 5) == {outcome: 5}


def test_an_error_must_name_the_file(bit_flips, tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"whole")

    def read(message):
        if path.read_bytes() != b"whole":
            raise UserError(message)

    named = bit_flips.Kind("a", path, lambda: read("a.bin is damaged"))
    assert bit_flips.flip_bits(named, 3) == {"detected": 3}
    unnamed = bit_flips.Kind("a", path, lambda: read("it is damaged"))
    assert bit_flips.flip_bits(unnamed, 3) == {"traceback": 3}
