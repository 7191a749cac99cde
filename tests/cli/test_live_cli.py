"""`fer-tf live`, `predict`, `score`, `replay` and `benchmark`, as a user calls them."""

import csv
import json
import os
import re
import subprocess
import sys
import types
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from fer_tf.cli import main
from fer_tf.cli.live import warn_of
from fer_tf.live import camera
from fer_tf.live import recogniser
from fer_tf.live import yunet
from fer_tf.live.detection import Detection
from fer_tf.live.session import STAGES
from fer_tf.picture import encode_png
from fer_tf.runtime import bundle as bundles
from fer_tf.runtime import latency

ROOT = Path(__file__).parents[2]


def run(*arguments):
    """Run `fer-tf` in this process."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def one_face(frame_bgr):
    return [Detection(np.array([20.0, 10, 40, 40]), np.zeros((5, 2)), 0.9)]


@pytest.fixture
def detector(monkeypatch):
    """A stand-in for YuNet, which finds a face in every frame."""
    monkeypatch.setattr(recogniser.yunet_model, "find", lambda given: given)
    monkeypatch.setattr(yunet, "load", lambda model, **options: one_face)


@pytest.fixture
def film(tmp_path):
    """A film of ten frames of noise."""
    path = tmp_path / "noise.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25.0, (96, 64))
    noise = np.random.default_rng(0)
    for _ in range(10):
        writer.write(noise.integers(0, 256, (64, 96, 3), dtype=np.uint8))
    writer.release()
    return path


def test_live_reads_a_film_and_says_what_it_saw(detector, tiny_bundle, film, tmp_path):
    out = tmp_path / "session"
    result = run(
        "live", "--source", film, "--bundle", tiny_bundle, "--headless", "--out", out
    )
    assert result.exit_code == 0, result.output
    numbers = re.search("10 .*0 .*0 .*1$", result.output, re.MULTILINE)
    assert numbers, result.output
    for name in ("annotated.mp4", "frames.csv", "session.json"):
        assert name in result.output
    assert "smoke" in result.output
    assert json.loads((out / "session.json").read_text())["faces"] == 10

    again = run(
        "live", "--source", film, "--bundle", tiny_bundle, "--headless", "--out", out
    )
    assert again.exit_code == 2
    assert str(out) in again.output


def test_cameras_that_open_are_listed_without_a_bundle(monkeypatch):
    found = [camera.Found(0, 640, 480, 30.0), camera.Found(2, 1280, 720, 29.97)]
    monkeypatch.setattr(camera, "find_cameras", lambda: iter(found))
    result = run("live", "--list-cameras")
    assert result.exit_code == 0
    one, other = result.output.splitlines()
    assert re.match(r"--source 0 .*\b640\b.*\b480\b.*\b30\b", one)
    assert re.match(r"--source 2 .*\b1280\b.*\b720\b.*\b29\.97\b", other)


def test_where_no_camera_opens_that_is_said(monkeypatch):
    monkeypatch.setattr(camera, "find_cameras", lambda: iter([]))
    result = run("live", "--list-cameras")
    assert result.exit_code == 3
    assert "--source" not in result.stdout


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (["live", "--source", "missing.mp4"], 2, "missing.mp4"),
        (["live", "--source", "99999999999"], 2, "99999999999"),
        (["live", "--source", ""], 2, "source"),
        (["live", "--source", "x" * 300], 2, "x" * 90),
        (["live", "--bundle", "missing"], 2, "missing"),
        (["live", "--record"], 2, "--out"),
        (["live", "live.hold_mss=3"], 2, "live.hold_ms"),
        (["live", "live.detect_every=0"], 2, "detect_every"),
        (["live", "live.detector_score=65"], 2, "detector_score"),
        (["live", "surplus"], 2, "'surplus'"),
        (["predict", "--out", "faces.csv"], 2, "images"),
        (["score", "missing"], 2, "missing"),
        (["replay", "missing", "--out", "again"], 2, "session.json"),
        (["benchmark", "--bundle", "missing"], 2, "missing"),
    ],
)
def test_a_users_mistake_is_one_line(
    detector, tiny_bundle, arguments, exit_code, message
):
    if {"--source", "replay"} & {*arguments}:
        arguments = [*arguments, "--bundle", str(tiny_bundle)]
    result = run(*arguments)
    assert result.exit_code == exit_code
    assert message in result.output
    assert "Traceback" not in result.output


def test_what_is_outside_answers_3(detector, tiny_bundle, tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"not a film")
    result = run("live", "--source", broken, "--bundle", tiny_bundle, "--headless")
    assert result.exit_code == 3
    assert str(broken) in result.output


def test_a_window_without_a_display_answers_3(
    detector, tiny_bundle, film, monkeypatch
):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    result = run("live", "--source", film, "--bundle", tiny_bundle)
    assert result.exit_code == 3
    assert "--headless" in result.output


def test_predict_writes_a_row_per_face(detector, tiny_bundle, tmp_path):
    picture = tmp_path / "face.png"
    picture.write_bytes(encode_png(np.full((64, 96, 3), 128, np.uint8)))
    out = tmp_path / "faces.csv"
    result = run("predict", picture, "--bundle", tiny_bundle, "--out", out)
    assert result.exit_code == 0, result.output
    assert re.search("1 .*1 .*0 ", result.output)
    with open(out, newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["path"] == str(picture)
    assert (row["x"], row["y"], row["w"], row["h"]) == ("20.0", "10.0", "40.0", "40.0")


def test_predict_says_that_its_rows_have_no_place_before_any_work(
    detector, tiny_bundle, tmp_path
):
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "faces.csv"
    result = run("predict", "none.png", "--bundle", tiny_bundle, "--out", out)
    assert result.exit_code == 2
    assert str(out.parent) in result.output
    assert "Errno" not in result.output


def test_predict_names_pictures_whose_names_are_no_text(
    detector, tiny_bundle, tmp_path
):
    name = os.fsdecode(b"caf\xe9.png")
    (tmp_path / name).write_bytes(encode_png(np.full((64, 96, 3), 128, np.uint8)))
    out = tmp_path / "faces.csv"
    result = run("predict", tmp_path / name, "--bundle", tiny_bundle, "--out", out)
    assert result.exit_code == 0, result.output
    assert b"caf\xe9.png,1," in out.read_bytes()


def test_a_bundle_that_is_never_sure_is_told_of(capsys):
    def bundle(threshold):
        abstain = types.SimpleNamespace(threshold=threshold, wanted_accuracy=0.9)
        return types.SimpleNamespace(folder="b", smoke=False, abstain=abstain)

    warn_of(bundle(0.99))
    assert capsys.readouterr().err == ""
    warn_of(bundle(1.0))
    assert "90%" in capsys.readouterr().err


def test_live_that_saw_nothing_says_so(detector, tiny_bundle, tmp_path, monkeypatch):
    def stopped(source, reader, logs, screens):
        raise KeyboardInterrupt

    monkeypatch.setattr("fer_tf.live.loop.run", stopped)
    silent = types.SimpleNamespace(is_live=True, rate=25.0, close=lambda: None)
    monkeypatch.setattr(camera, "open_source", lambda source: silent)
    out = tmp_path / "session"
    result = run(
        *("live", "--source", 0, "--bundle", tiny_bundle),
        *("--headless", "--out", out),
    )
    assert result.exit_code == 0, result.output
    assert f"{out}: " in result.output and not out.exists()


def test_predict_of_cropped_faces_looks_for_no_detector(
    tiny_bundle, tmp_path, monkeypatch
):
    def refuse(*arguments):
        raise AssertionError("a detector was looked for")

    monkeypatch.setattr(recogniser.yunet_model, "find", refuse)
    picture = tmp_path / "face.png"
    picture.write_bytes(encode_png(np.full((48, 48), 128, np.uint8)))
    out = tmp_path / "faces.csv"
    result = run("predict", picture, "--cropped", "--bundle", tiny_bundle, "--out", out)
    assert result.exit_code == 0, result.output
    assert out.read_text().count("\n") == 2


def test_score_prints_a_table_and_writes_json(detector, tiny_bundle, film, tmp_path):
    session, labels = tmp_path / "session", tmp_path / "labels.csv"
    labels.write_text("start_ms,end_ms,label\n-600,650,happy\n")
    reads = ("--source", film, "--bundle", tiny_bundle, "--headless")
    run("live", *reads, "--out", session)
    out = tmp_path / "score.json"
    result = run("score", session, "--labels", labels, "--out", out)
    assert result.exit_code == 0, result.output
    figures = json.loads(out.read_text())
    for name in ("raw", "smoothed"):
        assert f"{figures[name]['accuracy']:.3f}" in result.output
    assert figures["faces_scored"] == 10
    assert figures["coverage"] == 1


def test_score_against_another_session_of_the_same_faces(
    detector, tiny_bundle, film, tmp_path
):
    session, labels = tmp_path / "session", tmp_path / "labels.csv"
    labels.write_text("start_ms,end_ms,label\n-1000,1000,happy\n")
    reads = ("--source", film, "--bundle", tiny_bundle, "--headless")
    run("live", *reads, "--out", session)
    out = tmp_path / "score.json"
    result = run(
        "score", session, "--labels", labels, "--against", session, "--out", out
    )
    # It is not better than itself.
    assert result.exit_code == 1, result.output
    assert re.search(r"fail.*\+0\.000", result.output)
    assert json.loads(out.read_text())["against"]["verdict"] == "fail"


def test_replay_answers_a_session_anew_byte_for_byte(
    detector, tiny_bundle, film, tmp_path
):
    session, again = tmp_path / "session", tmp_path / "again"
    reads = ("--source", film, "--bundle", tiny_bundle, "--headless")
    run("live", *reads, "--out", session)
    result = run("replay", session, "--bundle", tiny_bundle, "--out", again)
    assert result.exit_code == 0, result.output
    assert re.search("10 .*10 .*tiny", result.output)
    timed = {f"{stage}_ms" for stage in STAGES}
    before, after = (
        [
            {name: row[name] for name in row if name not in timed}
            for row in csv.DictReader((folder / "frames.csv").read_text().splitlines())
        ]
        for folder in (session, again)
    )
    assert before == after
    assert len({row["raw_happy"] for row in before}) > 5


def test_replay_takes_no_other_bundle_unasked(
    detector, tiny_bundle, film, tmp_path, monkeypatch
):
    """Else what looks like another smoothing would be another student too."""
    session, again = tmp_path / "session", tmp_path / "again"
    reads = ("--source", film, "--bundle", tiny_bundle, "--headless")
    run("live", *reads, "--out", session)
    result = run("replay", session, "--out", again, "live.smoothing_ms=0")
    assert result.exit_code == 2
    assert "tiny" in result.output and "--bundle" in result.output
    assert not again.exists()
    monkeypatch.setattr(recogniser, "find_bundle", lambda _: bundles.read(tiny_bundle))
    assert run("replay", session, "--out", again).exit_code == 0


def test_benchmark_times_the_classifier_and_every_stage(
    detector, tiny_bundle, film, tmp_path, monkeypatch
):
    monkeypatch.setattr(latency.measure, "__defaults__", (5, 1, lambda: 0.0))
    out = tmp_path / "latency.json"
    result = run("benchmark", "--bundle", tiny_bundle, "--source", film, "--out", out)
    assert result.exit_code == 0, result.output
    latencies = json.loads(out.read_text())["latencies"]
    assert {name: value["calls"] for name, value in latencies.items()} == {
        "classifier, batch 1": 5,
        "classifier, batch 4": 5,
        "live, detect": 10,
        "live, classify": 10,
        "live, total": 10,
    }
    assert all(value["p95_ms"] >= value["median_ms"] for value in latencies.values())


# A meta-path finder that comes first and refuses, so that an import of TensorFlow or
# Keras anywhere below `fer-tf live` ends it.
WITHOUT_TENSORFLOW = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"tensorflow", "keras", "keras_cv", "pandas",
                                      "scipy", "sklearn"}:
            raise ModuleNotFoundError(name + " is walled off", name=name)

sys.meta_path.insert(0, Refuse())
import numpy
from fer_tf.live import yunet
from fer_tf.live import yunet_model
from fer_tf.live.detection import Detection

box, points = numpy.array([20.0, 10, 40, 40]), numpy.zeros((5, 2))
yunet_model.find = lambda given: given
yunet.load = lambda model, **options: lambda frame: [Detection(box, points, 0.9)]
from fer_tf.cli import main
main(sys.argv[1:])
"""


def test_live_needs_no_tensorflow(tiny_bundle, film, tmp_path):
    out = tmp_path / "session"
    done = walled(
        "live", "--source", film, "--bundle", tiny_bundle, "--headless", "--out", out
    )
    assert done.returncode == 0, done.stderr
    assert "10 frames" in done.stdout
    assert (out / "annotated.mp4").exists()


def test_the_wall_is_one():
    done = walled("live", "--help", program="import tensorflow")
    assert "tensorflow" in done.stderr and done.returncode != 0


def walled(*arguments, program=""):
    """Run `fer-tf` in a process of its own in which there is no TensorFlow."""
    code = WITHOUT_TENSORFLOW.replace("import numpy\n", f"{program}\nimport numpy\n", 1)
    return subprocess.run(
        [sys.executable, "-c", code, *(str(argument) for argument in arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
