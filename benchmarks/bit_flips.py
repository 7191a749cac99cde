"""What happens when one bit of a file that the program wrote is flipped?

    python benchmarks/bit_flips.py --work DIR [--flips 200] [--kinds manifest.csv ...]

A tiny experiment is made in DIR (synthetic faces, a tiny backbone), once. Then single
bits of each kind of file are flipped, and the file is read by the command that reads
it, in this process. Expected are no silent changes and no tracebacks. Printed are, by
kind, how many flips were

    detected    an error that the user can read, or a warning
    harmless    the command did what it does with the whole file
    silent      the command ended well with another result
    traceback   anything else was raised
    hang        the command took more than five minutes

The process exits with 1 if a flip was silent, a traceback or a hang. HDF5 itself can
crash the process on a damaged file without a digest; then nothing is printed.
"""

import argparse
import faulthandler
import logging
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from click.testing import CliRunner

from fer_tf import files
from fer_tf.calibration import Calibration
from fer_tf.cli import main as fer_tf
from fer_tf.errors import FerTfError
from fer_tf.fusion.soft_labels import SoftLabels
from fer_tf.manifest import table
from fer_tf.predictions import Predictions
from fer_tf.preprocess import Framing

OUTCOMES = ("detected", "harmless", "silent", "traceback", "hang")
BAD = OUTCOMES[2:]
# Where other programs have the processors, a whole file may need a minute.
TIMEOUT_S = 300
CONFIG = Path(__file__).parents[1] / "configs" / "quickstart.yaml"


class Detected(Exception):
    """The command ended with an error that the user can read."""


class Hang(BaseException):
    """The command took too long; no `except Exception` may catch this."""


@dataclass(frozen=True)
class Kind:
    """One kind of file.

    Attributes:
        name: how the table calls it.
        path: the file whose bits are flipped.
        read: reads it; its results are compared with `==`.
    """

    name: str
    path: Path
    read: Callable[[], Any]


def flip_bits(kind: Kind, count: int, seed: int = 0) -> Counter[str]:
    """Flip `count` single bits of a file, one at a time; count what happened.

    The file is as it was when the function returns or raises.
    """
    expected = kind.read()
    whole = kind.path.read_bytes()
    bits = np.random.default_rng(seed).choice(8 * len(whole), count)
    found: Counter[str] = Counter()
    try:
        for bit in map(int, bits):
            damaged = bytearray(whole)
            damaged[bit // 8] ^= 1 << bit % 8
            kind.path.write_bytes(damaged)
            outcome, detail = _outcome(kind, expected)
            found[outcome] += 1
            if outcome in BAD:
                print(f"{kind.name}: bit {bit}: {outcome} {detail}", file=sys.stderr)
    finally:
        kind.path.write_bytes(whole)
    return found


def _outcome(kind: Kind, expected: Any) -> tuple[str, str]:
    warned = _Warnings()
    logging.getLogger("fer_tf").addHandler(warned)
    try:
        with _time_limit():
            received = kind.read()
    except (FerTfError, Detected) as error:
        # A message that does not say which file it is about helps nobody.
        text = str(error)
        named = kind.path.name in text or str(kind.path.parent) in text
        return ("detected", "") if named else ("traceback", f"unnamed: {text}")
    except Hang:
        return "hang", ""
    except Exception as error:
        return "traceback", f"{type(error).__name__}: {error}"
    finally:
        logging.getLogger("fer_tf").removeHandler(warned)
    if received == expected:
        return ("detected" if warned.count else "harmless"), ""
    return ("detected" if warned.count else "silent"), ""


class _Warnings(logging.Handler):
    """Counts warnings."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += 1


@contextmanager
def _time_limit() -> Iterator[None]:
    def stop(*_: object) -> None:
        # Where it waits; the original stream, since that of a command is captured.
        faulthandler.dump_traceback(sys.__stderr__)
        raise Hang

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(TIMEOUT_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def command(
    *arguments: object, out: Path | None = None, names: str = "*"
) -> Callable[[], Any]:
    """Return a function that runs a `fer-tf` command, and returns what it wrote.

    Args:
        out: the file or folder that the command writes, removed before each run; None
            where what it prints is its result.
        names: the files in a folder that are compared.
    """

    def read() -> Any:
        if out and out.is_dir():
            shutil.rmtree(out)
        elif out:
            out.unlink(missing_ok=True)
        done = CliRunner().invoke(fer_tf, [str(each) for each in arguments])
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        if done.exit_code:
            raise Detected(done.output)
        return _content(out, names) if out else done.stdout

    return read


def _content(path: Path, names: str) -> Any:
    """Return the bytes of a file, or of the files in a folder by their names."""
    if path.is_dir():
        return {each.name: each.read_bytes() for each in sorted(path.glob(names))}
    return path.read_bytes()


def numbers(*arrays: np.ndarray) -> list[Any]:
    """Return arrays in a form that `==` compares whole."""
    return [(array.dtype.str, array.shape, array.tobytes()) for array in arrays]


def light_kinds(
    folder: Path, *, run: Path, manifest: Path, soft_labels: Path
) -> list[Kind]:
    """Return the kinds that need no TensorFlow to be read.

    Args:
        run: the folder of a model, with predictions, calibration and metrics.
    """

    def predictions() -> Any:
        found = Predictions.load(run / "predictions.npz")
        columns = [
            numbers(*vars(split).values()) for split in found.splits.values()
        ]
        return found.model, found.view_seed, list(found.splits), columns

    def soft() -> Any:
        found = SoftLabels.load(soft_labels)
        return found.view_seed, found.made_from, numbers(found.keys, found.log_probs)

    report = soft_labels.with_suffix(".json")
    manifest_report = manifest.with_suffix(".json")
    return [
        Kind("manifest.csv", manifest, lambda: table.read(manifest).to_csv()),
        Kind(
            "manifest.json",
            manifest_report,
            lambda: (table.read(manifest).to_csv(), files.read_json(manifest_report)),
        ),
        Kind("predictions.npz", run / "predictions.npz", predictions),
        Kind("soft_labels.npz", soft_labels, soft),
        Kind("soft_labels.json", report, lambda: files.read_json(report)),
        Kind(
            "calibration.json",
            run / "calibration.json",
            lambda: Calibration.load(run / "calibration.json"),
        ),
        Kind(
            "metrics.json",
            run / "metrics.json",
            lambda: files.read_json(run / "metrics.json"),
        ),
        Kind(
            "training.json",
            run / "training.json",
            lambda: files.read_json(run / "training.json"),
        ),
        Kind(
            "framing.json",
            folder / "framing.json",
            lambda: Framing.load(folder / "framing.json"),
        ),
    ]


def runtime_kinds(bundle: Path, session: Path, scratch: Path) -> list[Kind]:
    """Return the files of a bundle and of a session, read by the user's commands."""
    faces = scratch / "faces.csv"
    scores = scratch / "score.json"
    again = scratch / "again"
    image = scratch / "face.png"
    _write_image(image)
    predict = command(
        "predict", image, "--cropped", "--bundle", bundle, "--out", faces, out=faces
    )
    score = command("score", session, "--out", scores, out=scores)
    replay = command(
        "replay", session, "--bundle", bundle, "--out", again, out=again, names="*.csv"
    )
    names = ("bundle.json", "model.tflite", "labels.txt", "MODEL_CARD.md")
    return [
        *(Kind(name, bundle / name, predict) for name in names),
        Kind("session.json", session / "session.json", replay),
        Kind("frames.csv, scored", session / "frames.csv", score),
        Kind("frames.csv, replayed", session / "frames.csv", replay),
    ]


def _write_image(path: Path) -> None:
    import cv2

    rows, columns = np.mgrid[:48, :48]
    pixels = 120 + 60 * np.sin(rows / 5) * np.cos(columns / 7)
    cv2.imwrite(str(path), pixels.astype(np.uint8))


def training_kinds(root: Path, data_dir: Path, scratch: Path) -> list[Kind]:
    """Return the kinds that are read with TensorFlow."""
    from fer_tf import config as recipes
    from fer_tf.data import cache
    from fer_tf.data import records

    config = recipes.load(root / "config.yaml")
    manifest = root / "manifest.csv"
    source = records.locate(data_dir, "drawn_faces", config.data)
    (crops,) = [path for path in (data_dir / "crops").iterdir() if path.is_dir()]
    validate = command("data", "validate", manifest, "--data-dir", data_dir)

    # As `pipeline.load` finds them; damaged ones it makes again from the records.
    count = len(np.load(crops / "squares.npy"))

    def found() -> Any:
        whole = cache.find(crops, count)
        if whole is None:
            return None
        return [
            numbers(crop.pixels, crop.plain, np.array(crop.square_xywh_px))
            for crop in whole
        ]

    weights = root / "student-ce" / "best.weights.h5"
    out = scratch / "bundle"
    export = command(
        "export", "--config", root / "config.yaml", "--runs", root.parent,
        "--out", out, f"experiment={root.name}", "export.student=ce", out=out,
    )  # fmt: skip
    described = ("features.json", "dataset_info.json", "fingerprint.json")
    shard = next(iter(sorted(source.glob("*.tfrecord*"))))
    return [
        Kind("manifest.csv, validated", manifest, validate),
        Kind("manifest.json, validated", manifest.with_suffix(".json"), validate),
        *(Kind(name, source / name, validate) for name in described),
        Kind("records (TFRecord)", shard, validate),
        *(Kind(f"crops/{name}", crops / name, found) for name in _files(cache)),
        Kind("best.weights.h5", weights, export),
        Kind("train.json", root / "student-ce" / "train.json", export),
    ]


def _files(cache: Any) -> tuple[str, ...]:
    return (*cache.FILES, cache.INDEX)


def make(work: Path) -> Path:
    """Return the folder of a tiny experiment under `work`, made where it is not."""
    root = work / "runs" / "quickstart-smoke"
    if not (root / "live" / "session.json").is_file():
        done = CliRunner().invoke(
            fer_tf,
            ["run", "--config", str(CONFIG), "--smoke", "--runs", str(work / "runs"),
             f"data.data_dir={work / 'records'}"],
            catch_exceptions=False,
        )  # fmt: skip
        if done.exit_code:
            raise SystemExit(done.output)
    return root


def record(folder: Path, bundle: Path) -> Path:
    """Return the folder of a session that `fer-tf replay` reads, made where it is not.

    It is of two seconds of a synthetic video, recorded as that of a camera is.
    """
    from fer_tf.config import LiveConfig
    from fer_tf.live import play
    from fer_tf.live.detection import no_detector
    from fer_tf.live.recogniser import Recogniser
    from fer_tf.live.rehearsal import AnnotatedSource
    from fer_tf.live.rehearsal import detect_annotated
    from fer_tf.runtime.bundle import read
    from fer_tf.runtime.classifier import Classifier
    from fer_tf.sources import drawn_film

    if folder.exists():
        return folder
    source = AnnotatedSource(drawn_film.film(0, 2.0, frames_per_second=25))
    source.is_live = True
    play.play(
        source,
        Recogniser(no_detector, Classifier(read(bundle))),
        LiveConfig(),
        name="0",
        folder=folder,
        record=True,
        detect=detect_annotated,
    )
    return folder


def tiny_backbone() -> None:
    """Replace the backbone of the quickstart: the same pipeline, far less work."""
    import keras

    from fer_tf import models

    def tiny(side: int, imagenet: bool = False) -> keras.Model:
        image = keras.Input((side, side, 3))
        x = keras.layers.Rescaling(1 / 127.5, -1)(image)
        x = keras.layers.Conv2D(8, 5, strides=4, use_bias=False)(x)
        x = keras.layers.BatchNormalization()(x)
        x = keras.layers.ReLU()(x)
        return keras.Model(image, keras.layers.GlobalAveragePooling2D()(x))

    models.MODELS["resnet18"] = tiny


def main() -> int:
    """Print the table; return the exit code."""
    options = _options()
    # A campaign that is stopped must not leave a damaged file in `--work`.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    tiny_backbone()
    root = make(options.work)
    scratch = options.work / "scratch"
    scratch.mkdir(exist_ok=True)
    session = record(options.work / "session", root / "bundle")
    kinds = [
        *light_kinds(
            root,
            run=root / "student-ce",
            manifest=root / "manifest.csv",
            soft_labels=root / "soft_labels" / "soft_labels.npz",
        ),
        *runtime_kinds(root / "bundle", session, scratch),
        *training_kinds(root, options.work / "records", scratch),
    ]
    wanted = [kind for kind in kinds if not options.kinds or kind.name in options.kinds]
    print(f"{'kind':28}" + "".join(f"{name:>11}" for name in OUTCOMES), flush=True)
    total: Counter[str] = Counter()
    for kind in wanted:
        found = flip_bits(kind, options.flips)
        total += found
        print(_line(kind.name, found), flush=True)
    print(_line("all", total))
    return int(any(total[name] for name in BAD))


def _line(name: str, found: Counter[str]) -> str:
    return f"{name:28}" + "".join(f"{found[outcome]:11}" for outcome in OUTCOMES)


def _options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--flips", type=int, default=200)
    parser.add_argument("--kinds", nargs="*", default=())
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
