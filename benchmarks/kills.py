"""Does a command that is killed anywhere, and given again, end as one that was not?

    python benchmarks/kills.py --work DIR [--kills 25] [--commands train distill ...]

A tiny experiment is made in DIR (synthetic faces, a tiny backbone). Then each command
is started, killed by SIGKILL at a random moment of its time, up to three times in a
row, and given once more. It must end well, with the very results of an undisturbed run:
weights, logits and records bit by bit. Printed are, by command, how many kills were
tried, and how many failed: the command could not resume, or ended in other results.
`leftovers` counts hidden and incomplete files that are there after it has ended.

Each command is a process that is forked from this one, which has imported TensorFlow
and never used it. This needs Linux or macOS. The process exits with 1 if a kill failed.
"""

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fer_tf import quiet

quiet.import_tensorflow()

import keras  # noqa: E402
import numpy as np  # noqa: E402

import export.stage  # noqa: E402, F401
import tfds_builders  # noqa: E402, F401
from fer_tf import files  # noqa: E402
from fer_tf import models  # noqa: E402
from fer_tf.cli import main as fer_tf  # noqa: E402
from fer_tf.config import DataConfig  # noqa: E402
from fer_tf.data import records  # noqa: E402
from fer_tf.evaluation import stages  # noqa: E402, F401
from fer_tf.experiment import RunFolder  # noqa: E402
from fer_tf.predictions import Predictions  # noqa: E402
from fer_tf.training import stages as training  # noqa: E402, F401

FACES = 300
MOST_IN_A_ROW = 3
NAME = "kills"


def tiny(side: int, imagenet: bool = False) -> keras.Model:
    """Return a backbone of a few weights, with BatchNormalization as all have."""
    image = keras.Input((side, side, 3))
    x = keras.layers.Rescaling(1 / 127.5, -1)(image)
    x = keras.layers.Conv2D(8, 5, strides=4, use_bias=False)(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.ReLU()(x)
    return keras.Model(image, keras.layers.GlobalAveragePooling2D()(x))


@dataclass(frozen=True)
class Command:
    """A command that is killed.

    Attributes:
        arguments: what follows `fer-tf`.
        writes: the files and folders that it writes, relative to the work's folder.
        result: reads them; results are compared with `==`.
    """

    arguments: Sequence[object]
    writes: Sequence[str]
    result: Callable[[Path], Any]


def commands(work: Path) -> dict[str, Command]:
    """Return the commands by name; each builds on those before it."""
    config = (
        "--runs", work / "runs", f"experiment={NAME}", "face.size=32",
        f"data.data_dir={work / 'records'}", f"data.drawn_count={FACES}",
        "soft_labels.views=2",
        "teachers=[{model: {name: resnet18}, train: {epochs: 2}}]",
        "student.model.name=resnet18", "student.train.epochs=8",
        "distill.kd.train.epochs=8", "distill.kd.start=ce", "live.drawn_clip=false",
        "face.framing_from=records", "export.allow_loss=true",
    )  # fmt: skip
    manifest = f"runs/{NAME}/manifest.csv"
    data = [f"data.drawn_count={FACES}", "--data-dir", work / "records"]
    student = f"runs/{NAME}/student-"
    return {
        "data build": Command(
            ["data", "build", "drawn_faces", *data], ["records"], _records
        ),
        "data clean": Command(
            ["data", "clean", "drawn_faces", *data, "--out", work / manifest],
            [f"runs/{NAME}/manifest.{suffix}" for suffix in ("csv", "json", "html")],
            lambda work: [
                (work / manifest).read_bytes(),
                files.read_json((work / manifest).with_suffix(".json")),
            ],
        ),
        "train": Command(
            ["train", "--stage", "student", *config],
            [f"{student}ce"],
            lambda work: _run(RunFolder(work / f"{student}ce")),
        ),
        "train teachers": Command(["train", "--stage", "teachers", *config], [], len),
        "fuse": Command(["fuse", *config], [], len),
        "distill": Command(
            ["distill", "--loss", "kd", *config],
            [f"{student}kd"],
            lambda work: _run(RunFolder(work / f"{student}kd")),
        ),
        "calibrate": Command(["calibrate", *config], [], len),
        "evaluate": Command(["evaluate", *config], [], len),
        "export": Command(
            ["export", *config],
            [f"runs/{NAME}/{name}" for name in ("bundle", "framing.json", "steps")],
            lambda work: [
                (work / "runs" / NAME / name).read_bytes()
                for name in ("bundle/model.tflite", "bundle/labels.txt", "framing.json")
            ],
        ),
    }


OUTCOMES = ("tried", "failed", "leftovers")
KILLED = ("data build", "data clean", "train", "distill", "export")


def _records(work: Path) -> Any:
    config = DataConfig(drawn_count=FACES)
    folder = records.locate(work / "records", "drawn_faces", config)
    return records.content_digest(records.read(folder)), records.fingerprint(folder)


def _run(run: RunFolder) -> Any:
    """Return weights, history and logits of a trained model, as bytes."""
    import h5py

    weights: dict[str, Any] = {}

    def note(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            weights[name] = np.asarray(item).tobytes()

    with h5py.File(run.weights) as file:
        file.visititems(note)
    history = files.read_json(run.training)["history"]
    for epoch in history:
        del epoch["pictures_per_second"]
    predictions = Predictions.load(run.predictions)
    logits = {name: each.logits.tobytes() for name, each in predictions.splits.items()}
    return weights, history, logits


def start(arguments: Sequence[object], log: Path) -> int:
    """Start a `fer-tf` command in a process of its own, and return its number."""
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        with open(log, "w") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        models.MODELS = {"resnet18": tiny}
        try:
            fer_tf([str(each) for each in arguments], "fer-tf")
        except SystemExit as ended:
            code = int(ended.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def ask(read: Callable[[Path], Any], work: Path) -> Any:
    """Return the digest of a result, which is read in a process of its own."""
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        found = b"unreadable"
        try:
            found = files.digest_of(repr(read(work))).encode()
        finally:
            os.write(writer, found)
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        found = file.read()
    os.waitpid(pid, 0)
    return found


def finish(command: Command, log: Path) -> tuple[int, float]:
    """Run a command to its end; return its exit code and its seconds."""
    begun = time.monotonic()
    _, status = os.waitpid(start(command.arguments, log), 0)
    return os.waitstatus_to_exitcode(status), time.monotonic() - begun


def kill(command: Command, log: Path, after_s: float) -> bool:
    """Start a command and kill it; return False if it had ended by itself."""
    pid = start(command.arguments, log)
    time.sleep(after_s)
    ended, _ = os.waitpid(pid, os.WNOHANG)
    if ended:
        return False
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return True


def remove(command: Command, work: Path) -> None:
    """Remove what a command has written."""
    for name in command.writes:
        path = work / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


@contextmanager
def restored(command: Command, work: Path) -> Iterator[None]:
    """Put back what a command has written: others have added to it since."""
    with tempfile.TemporaryDirectory(dir=work) as saved:
        for name in command.writes:
            copy = Path(saved, name)
            copy.parent.mkdir(parents=True, exist_ok=True)
            is_folder = (work / name).is_dir()
            (shutil.copytree if is_folder else shutil.copy2)(work / name, copy)
        yield
        remove(command, work)
        for name in command.writes:
            shutil.move(Path(saved, name), work / name)


def leftovers(work: Path) -> list[Path]:
    """Return the hidden and incomplete files under a folder, locks excepted."""
    return [
        path
        for path in work.rglob("*")
        if path.name.startswith((".", "incomplete"))
        and not path.name.endswith(".lock")
        # TFDS' own, with no data.
        and ".config" not in path.parts
    ]


def campaign(command: Command, work: Path, kills: int, seed: int) -> Counter[str]:
    """Kill a command at random moments, resume it, and count what failed."""
    rng, log = random.Random(seed), work / "command.log"
    expected = ask(command.result, work)
    remove(command, work)
    code, seconds = finish(command, log)
    if code or ask(command.result, work) != expected:
        raise SystemExit(f"an undisturbed run ends otherwise (exit code {code}): {log}")
    found: Counter[str] = Counter()
    while found["tried"] < kills:
        remove(command, work)
        before = leftovers(work)
        row = 0
        for _ in range(rng.randint(1, min(MOST_IN_A_ROW, kills - found["tried"]))):
            row += kill(command, log, rng.uniform(0.02, 1) * seconds)
        code, _ = finish(command, log)
        failed = bool(code) or ask(command.result, work) != expected
        found["tried"] += row
        found["failed"] += row * failed
        left = [path for path in leftovers(work) if path not in before]
        found["leftovers"] += len(left)
        if failed or left:
            shown = f"exit code {code}, left {[*map(str, left)]}"
            print(f"{command.arguments[:3]}: {shown}", file=sys.stderr)
            print(log.read_text(), file=sys.stderr)
    return found


def main() -> None:
    """Make the experiment, kill its commands, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--commands", nargs="+", choices=KILLED, default=KILLED)
    options = parser.parse_args()
    work = options.work.absolute()
    work.mkdir(parents=True, exist_ok=True)
    every = commands(work)
    for name, command in every.items():
        code, _ = finish(command, work / "command.log")
        if code:
            raise SystemExit(f"{name}: {(work / 'command.log').read_text()}")
    print(f"| command | {' | '.join(OUTCOMES)} |\n|---|---|---|---|", flush=True)
    bad = 0
    for name in options.commands:
        with restored(every[name], work):
            found = campaign(every[name], work, options.kills, options.seed)
        counts = " | ".join(str(found[each]) for each in OUTCOMES)
        print(f"| `{name}` | {counts} |", flush=True)
        bad += found["failed"]
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
