"""Every command, with the mistakes that users make: one message, the right exit code.

The message holds the value or the path that is wrong, and nothing of the program's
inside: no stack trace, no `[Errno 2]`, no representation of an object.
"""

import os
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from fer_tf.cli import main
from fer_tf.errors import OutsideError
from fer_tf.errors import UserError
from fer_tf.errors import of_system
from fer_tf.live import recogniser
from fer_tf.live import yunet
from fer_tf.live.detection import Detection
from fer_tf.picture import encode_png

INSIDE = re.compile(r"Traceback|Errno|<[\w.]+ object|\w+Error\(|Interval\(|\x1b")
LONG = "x" * 300
LABELS = "labels.csv"
# The files of a user who makes mistakes; the names say what they are.
FILES = {
    "empty": b"",
    "text.txt": b"hello\n",
    "bytes": bytes(range(256)),
    "list.json": b"[]",
    "bad.yaml": b"a: [\n",
    "date.yaml": b"seed: 2020-13-45\n",
    "twice.yaml": b"seed: 1\nseed: 2\n",
    "video.mp4": b"no video",
    "broken.png": b"\x89PNG\r\n\x1a\nbroken",
    LABELS: b"a;b\n1;2\n",
    "nan.csv": b"start_ms,end_ms,label\nnan,9,happy\n",
    "back.csv": b"start_ms,end_ms,label\n0,9000,happy\n5,2,sad\n",
    "class.csv": b"start_ms,end_ms,label\n0,9000,hapy\n",
    "session/session.json": b"[]",
    "session/frames.csv": b"x\n",
    "bundle/bundle.json": b"{}",
    "experiment/config.yaml": b"seed: x\n",
    "raw/mine/readme.txt": b"",
}

# (arguments, exit code, what the message holds)
LIGHT = [
    # the group, and names of commands and options
    ("liv", 2, "live"),
    ("--bogus", 2, "--bogus"),
    ("data", 2, "build"),
    ("data buld", 2, "build"),
    ("live --bogus", 2, "--bogus"),
    # live
    ("live --source nowhere", 2, "nowhere"),
    ("live --source empty", 2, "empty"),
    ("live --source folder", 2, "folder"),
    ("live --source text.txt --headless", 3, "text.txt"),
    ("live --source video.mp4 --headless", 3, "video.mp4"),
    ("live --source broken.png --headless", 3, "broken.png"),
    ("live --source text.txt/x", 2, "text.txt/x"),
    ("live --source loop", 2, "loop"),
    ("live --source LONG", 2, LONG[:90]),
    ("live --source ''", 2, "empty"),
    ("live --bundle nowhere", 2, "nowhere"),
    ("live --bundle text.txt", 2, "text.txt"),
    ("live --bundle folder", 2, "bundle.json"),
    ("live --bundle bundle", 2, "bundle"),
    ("live --bundle ''", 2, "--bundle"),
    ("live --out session --source face.png --headless", 2, "session"),
    ("live --out text.txt --source face.png", 2, "text.txt"),
    ("live --out text.txt/x --source face.png --headless", 2, "text.txt"),
    ("live --out '' --source face.png", 2, "--out"),
    ("live --threads 0", 2, "0"),
    ("live --threads nan", 2, "nan"),
    ("live --threads 99999999999999999999", 2, "99999999999999999999"),
    ("live --record", 2, "--out"),
    ("live --config nowhere.yaml", 2, "nowhere.yaml"),
    ("live --config folder", 2, "folder"),
    ("live --config bytes", 2, "bytes"),
    ("live --config bad.yaml", 2, "bad.yaml"),
    ("live --config date.yaml", 2, "date.yaml"),
    ("live --config twice.yaml", 2, "twice"),
    ("live smoothing_ms=0", 2, "live.smoothing_ms"),
    ("live live.smoothing_ms=.nan", 2, "live.smoothing_ms"),
    ("live live.detect_every=many", 2, "many"),
    ("live seed=2020-13-45", 2, "seed"),
    ("live surplus", 2, "surplus"),
    # predict
    ("predict", 2, "--out"),
    ("predict --out faces.csv", 2, "images"),
    ("predict nowhere.png --out faces.csv", 2, "nowhere.png"),
    ("predict folder --out faces.csv", 2, "folder"),
    ("predict empty --out faces.csv", 3, "empty"),
    ("predict broken.png --out faces.csv", 3, "broken.png"),
    ("predict video.mp4 --out faces.csv", 2, "fer-tf live --source video.mp4"),
    ("predict '' --out faces.csv", 2, "empty"),
    ("predict face.png --out faces.txt", 2, "faces.txt"),
    ("predict face.png --out folder", 2, "folder"),
    ("predict face.png --out text.txt/faces.csv", 2, "text.txt"),
    ("predict face.png --out ''", 2, "--out"),
    ("predict face.png --out /dev/null/faces.csv", 2, "/dev/null"),
    ("predict face.png --bundle nowhere --out faces.csv", 2, "nowhere"),
    ("predict face.png --cropped --bundle bundle --out faces.csv", 2, "bundle"),
    ("predict face.png --threads -1 --out faces.csv", 2, "-1"),
    # score
    ("score", 2, "SESSION"),
    ("score nowhere", 2, "nowhere"),
    ("score folder", 2, "folder"),
    ("score text.txt", 2, "text.txt"),
    ("score session", 2, "session"),
    ("score good --labels nowhere.csv", 2, "nowhere.csv"),
    ("score good --labels folder", 2, "folder"),
    ("score good --labels empty", 2, "empty"),
    ("score good --labels bytes", 2, "bytes"),
    (f"score good --labels {LABELS}", 2, "start_ms"),
    ("score good --labels nan.csv", 2, "line 2"),
    ("score good --labels back.csv", 2, "line 3"),
    ("score good --labels class.csv", 2, "happy"),
    ("score good --against text.txt", 2, "text.txt"),
    ("score good --out folder", 2, "folder"),
    ("score good --out /dev/null", 2, "/dev/null"),
    # replay
    ("replay session", 2, "--out"),
    ("replay nowhere --out again", 2, "nowhere"),
    ("replay folder --out again", 2, "folder"),
    ("replay session --out again", 2, "session.json"),
    ("replay good --out session", 2, "session"),
    ("replay good --out text.txt", 2, "text.txt"),
    ("replay good --out again --film nowhere.mp4", 2, "nowhere.mp4"),
    ("replay good --out again live.detect_every=2", 2, "live.detect_every"),
    ("replay good --out again live.hold_ms=.inf", 2, "live.hold_ms"),
    ("replay good --out again --bundle nowhere", 2, "nowhere"),
    # benchmark
    ("benchmark --bundle nowhere", 2, "nowhere"),
    ("benchmark --out folder", 2, "folder"),
    ("benchmark --out text.txt/x.json", 2, "text.txt"),
    ("benchmark --out /dev/null", 2, "/dev/null"),
    ("benchmark --source folder", 2, "folder"),
    ("benchmark --threads nan", 2, "nan"),
    ("benchmark --config bad.yaml", 2, "bad.yaml"),
    ("benchmark surplus", 2, "surplus"),
    ("benchmark seed=-1", 2, "-1"),
    # compare, gate, results: of experiments
    ("compare", 2, "two or more"),
    ("compare experiment", 2, "experiment"),
    ("compare nowhere folder", 2, "nowhere"),
    ("compare text.txt bytes", 2, "text.txt"),
    ("compare folder experiment --split train", 2, "train"),
    ("compare folder experiment --seed -1", 2, "-1"),
    ("compare folder experiment --seed x", 2, "x"),
    ("compare folder experiment --out folder", 2, "folder"),
    ("compare folder experiment --out text.txt/x", 2, "text.txt"),
    ("gate", 2, "CANDIDATE"),
    ("gate nowhere folder", 2, "nowhere"),
    ("gate folder nowhere", 2, "nowhere"),
    ("gate text.txt folder", 2, "text.txt"),
    ("gate folder folder --rules nowhere.yaml", 2, "nowhere.yaml"),
    ("gate folder folder --rules folder", 2, "folder"),
    ("gate folder folder --split all", 2, "all"),
    ("gate folder folder --seed nan", 2, "nan"),
    ("gate folder folder --out folder", 2, "folder"),
    ("results", 2, "RUN"),
    ("results nowhere", 2, "nowhere"),
    ("results text.txt", 2, "text.txt"),
    ("results folder", 2, "folder"),
    ("results experiment", 2, "seed"),
    ("results folder --into folder", 2, "folder"),
    ("results folder --out text.txt/x", 2, "text.txt"),
    # calibrate
    ("calibrate", 2, "fer-tf train"),
    ("calibrate --runs text.txt", 2, "text.txt"),
    ("calibrate --runs text.txt/x", 2, "text.txt"),
    ("calibrate --runs ''", 2, "--runs"),
    ("calibrate --config nowhere.yaml", 2, "nowhere.yaml"),
    ("calibrate calibrate.method=vektor", 2, "vector"),
    ("calibrate calibrate.wanted_accuracy=90", 2, "90"),
    ("calibrate experiment=../../x", 2, "../../x"),
    ("calibrate seed=x", 2, "seed"),
    ("calibrate surplus", 2, "surplus"),
    # --dry-run refuses what a run refuses, and needs no TensorFlow for it
    ("run --dry-run student.model.name=resnet81", 2, "resnet18"),
    ("train --stage student --dry-run teachers=[{model: {name: vgg}}]", 2, "vgg"),
    ("distill --loss kd --dry-run student.model.weights=nowhere.h5", 2, "nowhere.h5"),
    ("run --dry-run student.model.weights=imagenet", 2, "imagenet"),
    ("run --dry-run student.model.name=mobilenetv3_large face.size=24", 2, "24"),
]
OF_EXPERIMENTS = [
    "train --stage teachers",
    "train --stage student",
    "distill --loss kd",
    "fuse",
    "evaluate",
    "export",
    "run",
]
HEAVY = [
    *(
        (f"{command} {mistake}", 2, told)
        for command in OF_EXPERIMENTS
        for mistake, told in [
            ("--runs text.txt", "text.txt"),
            ("--runs text.txt/x", "text.txt"),
            ("--runs ''", "--runs"),
            ("--config nowhere.yaml", "nowhere.yaml"),
            ("--config bytes", "bytes"),
            ("seed=2020-13-45", "seed"),
            ("experiment=../../x", "../../x"),
            ("experiment=CON", "CON"),
            ("data.sources=[../x]", "../x"),
            ("teachers=[{model: {name: ../x}}]", "../x"),
            ("face.size=.nan", "face.size"),
            ("epochs=3", "train.epochs"),
            ("--bogus", "--bogus"),
        ]
    ),
    *(
        (f"{command} surplus", 2, "surplus")
        for command in OF_EXPERIMENTS
        if command != "evaluate"
    ),
    ("train", 2, "--stage"),
    ("train --stage both", 2, "both"),
    ("train --stage student", 2, "manifest.csv"),
    ("train --stage student student.model.name=resnet81", 2, "resnet18"),
    ("train --stage student student.model.weights=nowhere.h5", 2, "nowhere.h5"),
    ("distill", 2, "--loss"),
    ("distill --loss ce", 2, "ce"),
    ("distill --loss kd distill.kd.weight=2", 2, "weight"),
    ("distill --loss kd", 2, "fer-tf"),
    ("fuse", 2, "fer-tf train"),
    ("fuse --keep text.txt", 2, "text.txt"),
    ("fuse soft_labels.stored=nowhere", 2, "nowhere"),
    ("fuse soft_labels.folds=1", 2, "folds"),
    ("evaluate", 2, "fer-tf train"),
    ("evaluate nowhere", 2, "nowhere"),
    ("evaluate text.txt", 2, "text.txt"),
    ("evaluate bundle", 2, "bundle"),
    ("evaluate folder --crops two", 2, "two"),
    ("evaluate --crops ten", 2, "--crops"),
    ("evaluate folder --manifest nowhere.csv", 2, "nowhere.csv"),
    ("evaluate folder --out text.txt", 2, "text.txt"),
    ("export", 2, "manifest.csv"),
    ("export --out text.txt", 2, "text.txt"),
    ("export --detector-model folder", 2, "folder"),
    ("export export.precision=floot16", 2, "float16"),
    ("run data.dummy=[fer2013]", 2, "fer2013"),
    ("data build fer2014", 2, "fer2013"),
    ("data build fer2013 --raw nowhere", 2, "nowhere"),
    ("data build fer2013 --raw text.txt", 2, "text.txt"),
    ("data build mine --raw raw", 2, "mine"),
    ("data build ../x --raw raw", 2, "../x"),
    ("data build drawn_faces --data-dir text.txt", 2, "text.txt"),
    ("data build drawn_faces --data-dir text.txt/x", 2, "text.txt"),
    ("data build drawn_faces data.drawn_count=0", 2, "drawn_count"),
    ("data build --config nowhere.yaml", 2, "nowhere.yaml"),
    ("data build ''", 2, "empty"),
    ("data clean fer2013 --data-dir nowhere", 2, "nowhere"),
    ("data clean fer2013 --data-dir text.txt", 2, "text.txt"),
    ("data clean fer2013 --out folder", 2, "folder"),
    ("data clean fer2013 --out text.txt/m.csv", 2, "text.txt"),
    ("data clean fer2013 --out m.json", 2, "m.json"),
    ("data clean CON", 2, "CON"),
    ("data clean seed=x", 2, "seed"),
    ("data validate", 2, "MANIFEST"),
    ("data validate nowhere.csv", 2, "nowhere.csv"),
    ("data validate folder", 2, "folder"),
    ("data validate bytes", 2, "bytes"),
    ("data validate empty", 2, "empty"),
    ("data validate a.csv b.csv", 2, "2"),
    ("data validate text.txt --data-dir text.txt", 2, "text.txt"),
    ("data stats", 2, "MANIFEST"),
    ("data stats nowhere.csv", 2, "nowhere.csv"),
    ("data stats folder", 2, "folder"),
    ("data stats bytes", 2, "bytes"),
    ("data stats empty", 2, "empty"),
    (f"data stats {LABELS}", 2, LABELS),
    ("data stats list.json", 2, "list.json"),
    ("data stats ''", 2, "empty"),
    ("data stats --bogus", 2, "--bogus"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with `FILES`, an image, a loop of links and a session."""
    root = tmp_path_factory.mktemp("mistakes")
    for name, content in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    (root / "folder").mkdir()
    (root / "loop").symlink_to("loop")
    image = np.full((64, 96, 3), 128, np.uint8)
    (root / "face.png").write_bytes(encode_png(image))
    return root


@pytest.fixture
def call(folder, monkeypatch, caplog):
    """A function that calls `fer-tf` in that folder, a stand-in for the detector."""
    found = [Detection(np.array([20.0, 10, 40, 40]), np.zeros((5, 2)), 0.9)]
    monkeypatch.setattr(recogniser.yunet_model, "find", lambda given: given)
    monkeypatch.setattr(yunet, "load", lambda model, **options: lambda frame: found)
    monkeypatch.chdir(folder)

    def invoke(line):
        words = re.findall(r"\w[\w.]*=[\[{].*[\]}]|''|\S+", line)
        words = [{"''": "", "LONG": LONG}.get(word, word) for word in words]
        caplog.clear()
        return CliRunner().invoke(main, words), caplog.text

    return invoke


def check(result_and_log, exit_code, told):
    result, log = result_and_log
    assert isinstance(result.exception, SystemExit), result.exception
    message = " ".join(result.stderr.split())
    assert result.exit_code == exit_code, message
    # The log names each image that cannot be decoded.
    assert told in message + log
    assert not INSIDE.search(result.output + log), message + log
    # Of a failure of the whole command there is one.
    assert len(re.findall(r"^[Ee]rror: ", result.stderr, re.MULTILINE)) <= 1
    assert re.search(r"^([Ee]rror|Usage): ", result.stderr, re.MULTILINE)


@pytest.fixture
def good(call, folder):
    """A session that can be scored and replayed."""
    if not (folder / "good").exists():
        done = call("live --source face.png --headless --out good")
        assert done[0].exit_code == 0, done[0].output
    return folder / "good"


@pytest.mark.parametrize(("line", "exit_code", "told"), LIGHT, ids=lambda value: value)
def test_a_mistake_is_one_message(call, good, line, exit_code, told):
    check(call(line), exit_code, told)


@pytest.mark.parametrize(("line", "exit_code", "told"), HEAVY, ids=lambda value: value)
def test_a_mistake_in_an_experiment_is_one_message(call, line, exit_code, told):
    pytest.importorskip("tensorflow_datasets")
    check(call(line), exit_code, told)


def test_nothing_is_written_outside_runs(call, folder):
    before = {path.name for path in folder.parent.iterdir()}
    for command in ("calibrate", "fuse"):
        call(f"{command} --runs folder experiment=../../outside")
    assert {path.name for path in folder.parent.iterdir()} == before


@pytest.mark.parametrize(
    ("error", "kind", "told"),
    [
        (FileNotFoundError(2, "No such file", "a/b"), UserError, "a/b"),
        (NotADirectoryError(20, "Not a directory", "a/b"), UserError, "a/b"),
        (IsADirectoryError(21, "Is a directory", "a/b"), UserError, "a/b"),
        (OSError(36, "File name too long", LONG), UserError, LONG[:90]),
        (PermissionError(13, "Permission denied", "/a"), OutsideError, "/a"),
        (OSError(30, "Read-only file system", "/a"), OutsideError, "/a"),
        (OSError(28, "No space left on device", "/a"), OutsideError, "/a"),
        (OSError(5, "Input/output error", b"/a"), OutsideError, "/a"),
        (OSError(117, "Structure needs cleaning", "/a"), OutsideError, "cleaning"),
        (OSError(28, "No space left on device"), OutsideError, "no space"),
    ],
    ids=str,
)
@pytest.mark.skipif(os.name != "posix", reason="names Linux' numbers of errors")
def test_what_the_system_reports_is_told_in_words(error, kind, told):
    found = of_system(error)
    assert type(found) is kind
    assert told in str(found) and not INSIDE.search(str(found))


def test_a_path_that_may_not_be_written_is_outside(call, monkeypatch):
    def refused(self, *arguments, **options):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "mkdir", refused)
    check(call("calibrate --runs locked/x"), 3, "locked/x")
