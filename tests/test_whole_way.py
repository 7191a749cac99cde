"""The whole pipeline, tiny: the user's own commands, one after the other."""

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from click.testing import CliRunner

from fer_tf import config
from fer_tf import metrics
from fer_tf import models
from fer_tf.cli import main
from fer_tf.labels import CLASSES
from fer_tf.manifest import table
from fer_tf.picture import decode
from fer_tf.predictions import Predictions
from fer_tf.runtime import bundle as bundles
from fer_tf.sources import drawn

ROOT = Path(__file__).parents[1]


def fer_tf(*arguments):
    """Run `fer-tf` in this process; a bug keeps its stack trace."""
    found = CliRunner().invoke(main, [str(each) for each in arguments])
    if found.exception and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found


@pytest.fixture(scope="module")
def smoke(tmp_path_factory, backbone):
    """The folder in which the quickstart was run with `--smoke`, and its output.

    A stand-in for ResNet-18 goes the same way with a thousandth of the work.
    """
    folder = tmp_path_factory.mktemp("smoke")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setitem(models.MODELS, "resnet18", backbone(8))
        found = fer_tf(*smoke_command(folder))
        assert found.exit_code == 0, found.output
        yield folder, found.output


def smoke_command(folder):
    return (
        "run",
        "--config",
        ROOT / "configs" / "quickstart.yaml",
        "--smoke",
        "--runs",
        folder / "runs",
        f"data.data_dir={folder / 'records'}",
    )


@pytest.mark.slow
def test_the_quickstart_runs_with_its_own_model(tmp_path):
    found = fer_tf(*smoke_command(tmp_path))
    assert found.exit_code == 0, found.output
    bundle = tmp_path / "runs" / "quickstart-smoke" / "bundle"
    assert bundles.read(bundle).smoke
    # ResNet-18's 11 million weights, in 16 bits.
    assert (bundle / "model.tflite").stat().st_size > 22e6


@pytest.fixture(scope="module")
def experiment(smoke):
    return smoke[0] / "runs" / "quickstart-smoke"


def test_it_says_what_it_does_and_where_things_lie(smoke, experiment):
    _, output = smoke
    assert "SMOKE" in output
    assert "DKD" in output
    for path in ("report.html", "bundle", "live/annotated.mp4"):
        assert (experiment / path).exists()
        assert str(experiment / path) in output.replace("\n", "")


@pytest.mark.parametrize(
    "run", ["teachers/resnet18", "student-ce", "student-kd", "student-dkd"]
)
def test_every_model_leaves_what_others_build_on(experiment, run):
    """Its metrics are those of its predictions, of every record of the manifest."""
    names = {path.name for path in (experiment / run).iterdir()}
    assert {"checkpoints", "calibration.json"} <= names
    assert any(name.startswith("events.out") for name in names)
    content = json.loads((experiment / run / "metrics.json").read_text())
    predictions = Predictions.load(experiment / run / "predictions.npz")
    rows = table.read(experiment / "manifest.csv")
    rows = rows[rows.excluded == ""]
    for name, split in (("val", "validation"), ("test", "test")):
        predicted = predictions.split(split)
        assert {*predicted.keys} == {*rows.key[rows.split == split]}
        expected = metrics.summary(
            predicted.labels, metrics.softmax(predicted.logits)
        )
        raw = content[name]["raw"]
        for key in ("accuracy", "macro_f1", "nll", "ece", "brier"):
            assert raw[key] == pytest.approx(expected[key], abs=1e-6)
        assert raw["n"] == len(predicted.keys) > 0
        assert len(raw["per_class_f1"]) == len(CLASSES)
    test = predictions.split("test")
    probs = metrics.softmax(test.logits / content["temperature"])
    expected = metrics.summary(test.labels, probs)["nll"]
    calibrated = content["test"]["calibrated"]
    assert calibrated["nll"] == pytest.approx(expected, abs=1e-6)
    assert content["test"]["by_source"]["drawn_faces"]["n"] == calibrated["n"]


def test_the_experiment_has_the_files_others_read(experiment):
    for name in (
        "config.yaml",
        "manifest.csv",
        "manifest.json",
        "report.json",
        "report.html",
        "framing.json",
        "soft_labels/soft_labels.npz",
        "soft_labels/soft_labels.json",
    ):
        assert (experiment / name).stat().st_size > 0


def test_the_bundle_reads_and_is_stamped(experiment):
    bundle = bundles.read(experiment / "bundle")
    assert bundle.smoke
    assert bundle.classes == CLASSES
    assert bundle.face.framing.scale == pytest.approx(1.3, abs=0.4)
    assert "SMOKE" in (experiment / "bundle" / "MODEL_CARD.md").read_text()


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_the_student_is_exported_in_other_precisions_beside_it(
    smoke, experiment, tmp_path, precision
):
    """Calibrated anew by what the file answers itself on validation."""
    out = tmp_path / precision
    arguments = smoke_command(smoke[0])[1:]
    found = fer_tf(
        "export", *arguments, f"export.precision={precision}", "--out", out
    )
    assert found.exit_code == 0, found.output
    assert str(out) in found.output.replace("\n", "")
    first, other = bundles.read(experiment / "bundle"), bundles.read(out)
    assert (first.precision, other.precision) == ("float16", precision)
    exported = other.metrics["exported"]
    assert exported["parity"]["n"] == other.metrics["val"]["raw"]["n"]
    calibration = json.loads(
        (experiment / other.metrics["model"] / "calibration.json").read_text()
    )
    if precision == "float32":
        assert other.temperature == calibration["temperature"]
        assert "validation" not in exported
        return
    assert other.temperature != calibration["temperature"]
    assert other.output == "logits"
    assert {"model", "as_converted", "refitted"} == set(exported["validation"]["runs"])
    assert "int8" in (out / "MODEL_CARD.md").read_text()


def test_the_bundle_is_not_replaced_behind_its_records_back(smoke, experiment):
    """Nor by a path that leads to it."""
    before = (experiment / "bundle" / "bundle.json").read_bytes()
    found = fer_tf(
        *("export", *smoke_command(smoke[0])[1:], "export.precision=int8"),
        *("--out", experiment / "live" / ".." / "bundle"),
    )
    assert found.exit_code == 2, found.output
    assert re.search("precision .*'float16'.*'int8'", found.output.replace("\n", " "))
    assert (experiment / "bundle" / "bundle.json").read_bytes() == before


def test_what_loses_too_much_is_not_exported(
    smoke, experiment, tmp_path, monkeypatch
):
    """The bundle that is there stays, and the recipe may allow the loss."""
    from export import refit

    monkeypatch.setattr(refit, "MOST_NLL_GAINED", -1e9)
    (tmp_path / "older").mkdir()
    (tmp_path / "older" / "bundle.json").write_text("older")
    command = ("export", *smoke_command(smoke[0])[1:], "export.precision=dynamic")
    found = fer_tf(*command, "--out", tmp_path / "older")
    assert found.exit_code == 1
    assert "export.allow_loss=true" in found.output.replace("\n", " ")
    assert (tmp_path / "older" / "bundle.json").read_text() == "older"
    found = fer_tf(*command, "export.allow_loss=true", "--out", tmp_path / "older")
    assert found.exit_code == 0, found.output
    assert bundles.read(tmp_path / "older").precision == "dynamic"


def test_the_clip_plays(experiment):
    film = cv2.VideoCapture(str(experiment / "live" / "annotated.mp4"))
    read, frame = film.read()
    film.release()
    assert read
    assert frame.shape == (480, 640, 3)


def test_the_same_command_again_says_it_is_done(smoke, experiment):
    before = {
        path: path.stat().st_mtime_ns
        for path in experiment.rglob("*")
        if path.is_file() and "report" not in path.name
    }
    found = fer_tf(*smoke_command(smoke[0]))
    assert found.exit_code == 0, found.output
    for path, changed in before.items():
        assert path.stat().st_mtime_ns == changed, path


def test_another_recipe_under_the_same_name_is_refused(smoke):
    found = fer_tf(*smoke_command(smoke[0]), "face.clahe_clip=1.0")
    assert found.exit_code == 2
    assert "clahe_clip" in found.output
    assert "experiment=" in found.output
    recipe = config.load(smoke[0] / "runs" / "quickstart-smoke" / "config.yaml")
    assert recipe.face.clahe_clip == 2.0, "what it began with stays"


def test_the_bundle_is_live_where_nothing_of_training_can_be_imported(
    experiment, tmp_path
):
    """And its detector is a stand-in, so that no file is fetched."""
    program = """
import sys
for name in ("tensorflow", "keras", "keras_cv", "pandas", "scipy", "sklearn"):
    sys.modules[name] = None
from pathlib import Path
from fer_tf.config import LiveConfig
from fer_tf.live.rehearsal import rehearse
rehearse(Path(sys.argv[1]), Path(sys.argv[2]), LiveConfig(), seconds=1.0)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "out", experiment / "bundle"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    with open(tmp_path / "out" / "frames.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["face_id"] for row in rows} == {"1", "2"}


@pytest.mark.slow
@pytest.mark.shared
def test_fer2013s_recipe_walks_on_its_publishers_layout(detector_model, tmp_path):
    """Drawn faces in the challenge's CSV, and the real detector to frame them."""
    write_fer2013(tmp_path / "raw" / "fer2013" / "fer2013.csv")
    found = CliRunner(env={"FER_TF_DETECTOR": str(detector_model)}).invoke(
        main,
        [
            "run",
            "--config",
            str(ROOT / "configs" / "fer2013.yaml"),
            "--smoke",
            "--runs",
            str(tmp_path / "runs"),
            f"data.raw={tmp_path / 'raw'}",
            f"data.data_dir={tmp_path / 'records'}",
        ],
    )
    assert found.exit_code == 0, found.output
    bundle = bundles.read(tmp_path / "runs" / "fer2013-smoke" / "bundle")
    assert bundle.smoke
    assert bundle.face.framing.scale == pytest.approx(1.3, abs=0.4)


def write_fer2013(path):
    """Write 140 drawn faces, 48 pixels and grey, as the challenge's CSV."""
    path.parent.mkdir(parents=True)
    usage = {"train": "Training", "validation": "PublicTest", "test": "PrivateTest"}
    with open(path, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["emotion", "pixels", "Usage"])
        for record in drawn.records(140, seed=5):
            grey = cv2.cvtColor(decode(record.image), cv2.COLOR_RGB2GRAY)
            small = cv2.resize(grey, (48, 48), interpolation=cv2.INTER_AREA)
            pixels = " ".join(map(str, small.ravel().tolist()))
            writer.writerow([CLASSES.index(record.label), pixels, usage[record.split]])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("run", "--config", "no.yaml"), "no.yaml"),
        (("run", "--dry-run", "face.sise=3"), "face.size"),
        (("run", "data.sources=[fer2014]"), "fer2013"),
        (("run", "data.sources=[rafdbb]"), "'rafdb'"),
        (("run", "student.model.name=mobilenet"), "mobilenetv3_large"),
        (("run", "student.model.weights=imagenet"), "resnet18"),
        (("run", "student.model.weights=a.weights.h5"), "a.weights.h5"),
        (("train", "--stage", "teachers"), "fer-tf data clean"),
        (("train", "--stage", "student"), "fer-tf data clean"),
        (("fuse",), "fer-tf train --stage teachers"),
        (("distill", "--loss", "kd"), "fer-tf data clean"),
        (("calibrate",), "fer-tf train --stage teachers"),
        (("evaluate",), "fer-tf train --stage teachers"),
        (("export",), "fer-tf data clean"),
        (("data", "build", "fer2013"), "fer2013.csv"),
        (("data", "clean", "fer2013"), "fer-tf data build"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_users_mistake_is_one_line_and_exit_code_2(
    arguments, says, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    found = fer_tf(*arguments)
    assert found.exit_code == 2, found.output
    assert says in found.output
    assert "Traceback" not in found.output


def test_dry_run_prints_the_resolved_recipe(tmp_path):
    found = fer_tf("run", "--dry-run", "train.epochs=3")
    (tmp_path / "c.yaml").write_text(found.output)
    assert config.load(tmp_path / "c.yaml").student.train.epochs == 3
