"""How commands end: by a signal, beside another command that writes the same folder."""

import csv
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from fer_tf import files
from fer_tf import write_lock
from fer_tf.cli import main
from fer_tf.cli import signals
from fer_tf.errors import OutsideError
from fer_tf.live import interrupts
from fer_tf.live import predict
from fer_tf.live import recogniser
from fer_tf.live import session
from fer_tf.live import video_writer
from fer_tf.live import yunet
from fer_tf.live.detection import Detection

ROOT = Path(__file__).parents[2]
posix = pytest.mark.skipif(os.name != "posix", reason="sends SIGTERM")
FACE = Detection(np.array([20.0, 10, 40, 40]), np.zeros((5, 2)), 0.9)


def write_video(path, frames):
    size = (96, 64)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25.0, size)
    noise = np.random.default_rng(0)
    for _ in range(frames):
        writer.write(noise.integers(0, 256, (64, 96, 3), dtype=np.uint8))
    writer.release()
    return path


@pytest.fixture(autouse=True)
def default_signals():
    """As in a terminal: a shell ignores SIGINT in background jobs, nohup SIGHUP."""
    defaults = {signal.SIGINT: signal.default_int_handler}
    if hasattr(signal, "SIGHUP"):
        defaults[signal.SIGHUP] = signal.SIG_DFL
    before = {number: signal.signal(number, do) for number, do in defaults.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def detect(monkeypatch):
    """What is done at each frame, to be changed by a test; every frame has a face."""
    hooks = {"frame": lambda: None}

    def detector(frame_bgr):
        hooks["frame"]()
        return [FACE]

    monkeypatch.setattr(recogniser.yunet_model, "find", lambda given: given)
    monkeypatch.setattr(yunet, "load", lambda model, **options: detector)
    return hooks


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return write_video(tmp_path_factory.mktemp("video") / "noise.mp4", 12)


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def at_frame(number, do):
    """Return a function that calls `do` when it is called for the n-th time."""
    seen = iter(range(1, 1000))
    return lambda: do() if next(seen) == number else None


def rows_of(session):
    return list(csv.DictReader((session / "frames.csv").read_text().splitlines()))


@posix
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_live_finishes_its_session_when_it_is_asked_to_end(
    detect, video, tmp_path, name
):
    number = getattr(signal, name)
    detect["frame"] = at_frame(5, lambda: os.kill(os.getpid(), number))
    out = tmp_path / "session"
    result = run("live", "--source", video, "--headless", "--out", out)
    assert result.exit_code == 0, result.output
    names = {path.name for path in out.iterdir()}
    assert {"frames.csv", "session.json", "annotated.mp4"} <= names
    assert not [path for path in tmp_path.rglob(".*")]
    summary = json.loads((out / "session.json").read_text())
    assert summary["finished"]
    assert summary["frames"] == len(rows_of(out)) >= 4
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@posix
@pytest.mark.parametrize("where", ["log", "annotate", "close"])
def test_live_is_not_interrupted_while_it_writes(
    detect, video, tmp_path, monkeypatch, where
):
    """An encoder that is interrupted within a frame cannot close its video."""
    whole = []

    def interrupted(method, at):
        number = iter(range(1, 1000))

        def call(self, *arguments):
            if next(number) == at:
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(0.01)
                whole.append(True)
            return method(self, *arguments)

        return call

    kind, name, at = {
        "log": (session.SessionLog, "__call__", 4),
        "annotate": (video_writer.VideoWriter, "write", 4),
        "close": (video_writer.VideoWriter, "close", 1),
    }[where]
    monkeypatch.setattr(kind, name, interrupted(getattr(kind, name), at))
    out = tmp_path / "session"
    result = run("live", "--source", video, "--headless", "--out", out)
    assert result.exit_code == (143 if where == "close" else 0), result.output
    assert whole == [True]
    assert json.loads((out / "session.json").read_text())["finished"]
    assert (out / "annotated.mp4").exists()
    assert not [path for path in tmp_path.rglob(".*")]


@posix
def test_a_signal_waits_until_the_block_is_left():
    done = []
    with pytest.raises(KeyboardInterrupt):
        with interrupts.deferred(), interrupts.deferred():
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)
            done.append(True)
    assert done == [True]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with pytest.raises(RuntimeError), interrupts.deferred():
        os.kill(os.getpid(), signal.SIGINT)
        raise RuntimeError
    threads = []
    thread = threading.Thread(target=lambda: threads.append(in_a_thread()))
    thread.start()
    thread.join()
    assert threads == [True]


def in_a_thread():
    with interrupts.deferred():
        return True


@posix
@pytest.mark.parametrize(
    ("name", "exit_code"), [("SIGTERM", 143), ("SIGHUP", 129), ("SIGINT", 130)]
)
def test_another_command_leaves_nothing_half_written(
    detect, video, tmp_path, monkeypatch, name, exit_code
):
    def killed(out, found):
        with files.replacing(out) as temporary:
            temporary.write_text("half")
            os.kill(os.getpid(), getattr(signal, name))
            time.sleep(5)

    monkeypatch.setattr(predict, "_write_csv", killed)
    image = tmp_path / "face.png"
    cv2.imwrite(str(image), np.full((64, 96, 3), 128, np.uint8))
    result = run("predict", image, "--cropped", "--out", tmp_path / "o" / "faces.csv")
    assert result.exit_code == exit_code
    assert [path.name for path in tmp_path.iterdir()] == ["face.png"]


@posix
def test_only_the_first_signal_interrupts(monkeypatch):
    """Whoever asks again must not break what is being closed."""
    with pytest.raises(signals.Terminated) as ended, signals.as_interrupts():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGHUP)
    assert ended.value.exit_code == 143


@posix
def test_a_signal_that_somebody_else_handles_is_left_alone():
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with signals.as_interrupts():
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
            os.kill(os.getpid(), signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


def check_told(result, path):
    """Check that a command was told who writes `path`."""
    assert result.exit_code == OutsideError.exit_code, result.output
    assert result.stderr.count("error: ") == 1
    assert f"{path} " in result.stderr and f" {os.getpid()} " in result.stderr
    assert "Traceback" not in result.output


def test_the_second_live_is_told(detect, video, tmp_path):
    out, second = tmp_path / "session", []
    again = ("live", "--source", video, "--headless", "--out", out)
    detect["frame"] = at_frame(3, lambda: second.append(run(*again)))
    first = run(*again)
    assert first.exit_code == 0, first.output
    check_told(second[0], out)
    # The first one's session is whole, and no other's rows are in it.
    assert [row["frame"] for row in rows_of(out)] == [str(n) for n in range(12)]
    assert run(*again).exit_code == 2


def test_replay_and_predict_are_told(detect, video, tmp_path):
    session, out = tmp_path / "session", tmp_path / "out"
    done = run("live", "--source", video, "--headless", "--out", session)
    assert done.exit_code == 0, done.output
    with write_lock.folder(out):
        check_told(run("replay", session, "--out", out), out)
    image, faces = tmp_path / "face.png", tmp_path / "faces.csv"
    cv2.imwrite(str(image), np.full((64, 96, 3), 128, np.uint8))
    with write_lock.file(faces):
        check_told(run("predict", image, "--cropped", "--out", faces), faces)
    assert not faces.exists()
    assert run("replay", session, "--out", out).exit_code == 0
    assert run("predict", image, "--cropped", "--out", faces).exit_code == 0


@pytest.fixture
def experiment(tmp_path, answer, monkeypatch):
    """The folder of an experiment whose teacher and student have answered."""
    from fer_tf.experiment import Experiment

    monkeypatch.chdir(tmp_path)
    found = Experiment(Path("runs", "demo"))
    answer("resnet18", views=2).save(found.teacher("resnet18").predictions)
    answer("student-ce").save(found.student("ce").predictions)
    found.manifest.write_text("")
    return found


DEMO = ("experiment=demo", "soft_labels.views=2")


def test_calibrate_and_evaluate_are_told(experiment):
    teacher = experiment.teacher("resnet18").path
    with write_lock.folder(teacher):
        check_told(run("calibrate", *DEMO), teacher)
    assert run("calibrate", *DEMO).exit_code == 0
    with write_lock.folder(teacher):
        check_told(run("evaluate", *DEMO), teacher)


@pytest.mark.parametrize(
    ("command", "folder"),
    [
        ("train --stage teachers", "teachers/resnet18"),
        ("train --stage student", "student-ce"),
        ("distill --loss kd", "student-kd"),
        ("fuse", "soft_labels"),
        ("run", "."),
    ],
)
def test_a_stage_is_told(experiment, command, folder):
    pytest.importorskip("tensorflow_datasets")
    path = experiment.root / folder
    with write_lock.folder(path):
        check_told(run(*command.split(), *DEMO), path)


def test_export_is_told(experiment):
    pytest.importorskip("tensorflow_datasets")
    from export.bundle import replacing

    with write_lock.file(experiment.framing):
        check_told(run("export", *DEMO), experiment.framing)
    with write_lock.file(experiment.bundle):
        with pytest.raises(OutsideError), replacing(experiment.bundle):
            pass


def test_data_is_told(tmp_path):
    pytest.importorskip("tensorflow_datasets")
    records, manifest = tmp_path / "records", tmp_path / "m.csv"
    build = ("data", "build", "drawn_faces", "data.drawn_count=35")
    folder = records / "drawn_faces" / "n35_seed0" / "1.0.0"
    with write_lock.file(folder):
        check_told(run(*build, "--data-dir", records), folder)
    stale = folder.parent / "incomplete.ABCDEF_1.0.0"
    stale.mkdir(parents=True)
    result = run(*build, "--data-dir", records)
    assert result.exit_code == 0, result.output
    assert not stale.exists()
    clean = ("data", "clean", "drawn_faces", "data.drawn_count=35")
    with write_lock.file(manifest):
        told = run(*clean, "--data-dir", records, "--out", manifest)
        check_told(told, manifest)
    done = run(*clean, "--data-dir", records, "--out", manifest)
    assert done.exit_code == 0, done.output


PROGRAM = """
import sys, time
import numpy
from fer_tf.live import yunet
from fer_tf.live import yunet_model
from fer_tf.live.detection import Detection

def detect(frame):
    time.sleep(0.1)
    return [Detection(numpy.array([20.0, 10, 40, 40]), numpy.zeros((5, 2)), 0.9)]

yunet_model.find = lambda given: given
yunet.load = lambda model, **options: detect
from fer_tf.cli import main
main(sys.argv[1:], prog_name="fer-tf")
"""


def start(*arguments):
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(condition, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def first(tmp_path):
    """A live session in another process, which has seen some frames of many."""
    video = write_video(tmp_path / "long.mp4", 1000)
    out = tmp_path / "session"
    reads = ("live", "--source", video, "--headless", "--out", out)
    process = start(*reads)
    wait_for(lambda: (out / "frames.csv").exists() and len(rows_of(out)) > 3)
    yield process, reads, out
    process.kill()
    process.communicate()


@posix
@pytest.mark.slow
def test_of_two_processes_the_second_is_told_and_sigterm_ends_the_first(first):
    process, reads, out = first
    second = start(*reads)
    _, said = second.communicate()
    assert second.returncode == 3
    assert f"{out} " in said and f" {process.pid} " in said
    process.terminate()
    _, said = process.communicate()
    assert process.returncode == 0, said
    names = sorted(path.name for path in out.iterdir())
    assert names[:3] == ["annotated.mp4", "frames.csv", "session.json"]
    assert not [name for name in names if name.startswith(".")]
    summary = json.loads((out / "session.json").read_text())
    assert summary["finished"] and summary["frames"] == len(rows_of(out))


@posix
@pytest.mark.slow
def test_what_a_killed_live_leaves_is_removed_by_the_next(first):
    process, reads, out = first
    process.kill()
    process.wait()
    hidden = {path.name for path in out.iterdir() if path.name.startswith(".")}
    assert len(hidden) == 2  # the lock file, and half an annotated video
    second = start(*reads)
    _, said = second.communicate()
    # Its session stays; what is hidden of it goes.
    assert second.returncode == 2, said
    names = sorted(path.name for path in out.iterdir())
    assert names == ["frames.csv", "session.json"]


@posix
@pytest.mark.slow
def test_of_two_processes_one_builds(tmp_path):
    pytest.importorskip("tensorflow_datasets")
    build = ("data", "build", "drawn_faces", "data.drawn_count=400")
    processes = [start(*build, "--data-dir", tmp_path / "records") for _ in range(2)]
    said = [process.communicate()[1] for process in processes]
    codes = [process.returncode for process in processes]
    # The second is told, or comes so late that all is built.
    assert sorted(codes) in ([0, 0], [0, 3]), said
    assert not any("Traceback" in text for text in said)
    folder = tmp_path / "records" / "drawn_faces" / "n400_seed0"
    assert [path.name for path in folder.iterdir()] == ["1.0.0"]
