"""What a student costs and answers in each precision: latency, size, and figures.

    python benchmarks/exports.py
    python benchmarks/exports.py --runs runs/large runs/minimalistic

Without `--runs` the models are untrained, which changes neither latency nor size.
Experiments are exported as `fer-tf export` does, losses allowed, and their figures are
validation's, calibrated and cross-fitted, of what each file answers itself. All files
of one input size run in one process, on one thread and in turns, whose order is
reversed every round.
"""

import argparse
import dataclasses
import os
import tempfile
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fer_tf import quiet

# Before anything else imports it, or it greets whoever reads the table.
quiet.import_tensorflow()

import keras  # noqa: E402
import numpy as np  # noqa: E402
from rich.progress import track  # noqa: E402

from export import convert  # noqa: E402
from export import refit  # noqa: E402
from export.stage import export_student  # noqa: E402
from fer_tf import config as recipes  # noqa: E402
from fer_tf import models  # noqa: E402
from fer_tf.experiment import Experiment  # noqa: E402
from fer_tf.runtime import bundle as bundles  # noqa: E402
from fer_tf.runtime import interpreter  # noqa: E402
from fer_tf.runtime.classifier import INPUT  # noqa: E402

BASE = "mobilenetv3_large"
PRECISIONS = {
    BASE: ("float32", "float16", "int8"),
    "mobilenetv3_large_minimalistic": ("float32", "int8"),
}
SIDES_PX = (64, 96, 112, 160)
FIGURES = ("accuracy", "nll", "ece")
QUARTILES = (0.25, 0.5, 0.75)
HEAD = (
    "side, px",
    "model",
    "precision",
    "size, MB",
    "latency, ms",
    "times the first's",
    "its quartiles",
    *FIGURES,
)


@dataclass(frozen=True)
class File:
    """An exported model, and what it reaches on validation, if it was trained."""

    model: str
    side_px: int
    precision: str
    path: Path
    figures: dict[str, Any] | None = None


def main() -> None:
    """Print the table, a row per file."""
    options = _options()
    print(f"{os.cpu_count()} CPU cores, one thread, one face, medians of ", end="")
    print(f"{options.rounds} rounds of {options.calls} calls\n")
    with tempfile.TemporaryDirectory() as folder:
        files = list(_files(options, Path(folder)))
        print(f"| {' | '.join(HEAD)} |")
        print(f"|{'---|' * len(HEAD)}")
        for side in sorted({file.side_px for file in files}):
            _print([file for file in files if file.side_px == side], options)
    if not options.runs:
        print("\nUntrained models: there are no figures. Give --runs for those.")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--runs", nargs="+", type=Path, default=(), metavar="EXPERIMENT"
    )
    parser.add_argument("--sides", nargs="+", type=int, default=SIDES_PX)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--calls", type=int, default=100, help="of each, in a round")
    return parser.parse_args()


def _files(options: argparse.Namespace, folder: Path) -> Iterator[File]:
    if options.runs:
        for root in options.runs:
            yield from _trained(root, folder)
        return
    wanted = [
        (name, side, precision)
        for side in options.sides
        for name, precisions in PRECISIONS.items()
        for precision in precisions
    ]
    for name, side, precision in track(wanted, "Convert", transient=True):
        yield _untrained(name, side, precision, folder)


def _trained(root: Path, folder: Path) -> Iterator[File]:
    """Export an experiment's student in every precision of its model."""
    experiment = Experiment(root)
    config = recipes.load(experiment.config)
    name = config.student.model.name
    for precision in PRECISIONS.get(name, PRECISIONS[BASE]):
        asked = dataclasses.replace(
            config.export, precision=precision, allow_loss=True
        )
        out = folder / f"{root.name}-{precision}"
        export_student(dataclasses.replace(config, export=asked), experiment, out)
        bundle = bundles.read(out)
        yield File(name, bundle.face.size, precision, bundle.model, _figures(bundle))


def _figures(bundle: bundles.Bundle) -> dict[str, Any]:
    converted = bundle.metrics["exported"].get("validation")
    if converted:
        return converted["runs"]["refitted"]
    return bundle.metrics["val"]["calibrated"]


def _untrained(name: str, side: int, precision: str, folder: Path) -> File:
    keras.utils.clear_session()
    noise = np.random.default_rng(0).integers(0, 256, (32, side, side, 3), np.uint8)
    tflite = convert.to_tflite(
        models.build(name, size=side),
        refit.IDENTITY,
        precision,
        noise if precision == "int8" else None,
    )
    path = folder / f"{name}-{side}-{precision}.tflite"
    path.write_bytes(tflite)
    return File(name, side, precision, path)


def _print(files: Sequence[File], options: argparse.Namespace) -> None:
    """Print the rows of one input size; ratios are to the first of them."""
    times = _times_ms([_call(file) for file in files], options)
    ratios = np.quantile(times / times[:, :1], QUARTILES, axis=0)
    for place, file in enumerate(files):
        low, ratio, high = ratios[:, place]
        figures = [
            f"{file.figures[name]:.3f}" if file.figures else "" for name in FIGURES
        ]
        cells = (
            str(file.side_px),
            file.model,
            file.precision,
            f"{file.path.stat().st_size / 1e6:.1f}",
            f"{np.median(times[:, place]):.2f}",
            f"{ratio:.2f}",
            f"{low:.2f} to {high:.2f}",
            *figures,
        )
        print(f"| {' | '.join(cells)} |", flush=True)


def _call(file: File) -> Callable[[], object]:
    run = interpreter.load(file.path).get_signature_runner()
    noise = np.random.default_rng(0)
    crop = noise.integers(0, 256, (1, file.side_px, file.side_px, 3), np.uint8)
    return lambda: run(**{INPUT: crop})


def _times_ms(
    calls: Sequence[Callable[[], object]], options: argparse.Namespace
) -> np.ndarray:
    """Return the median time of a call in each round, [rounds, files]."""
    for call in calls:
        _median_ms(call, options.calls)
    times = np.zeros((options.rounds, len(calls)))
    for number in range(options.rounds):
        places = range(len(calls))
        for place in places if number % 2 == 0 else reversed(places):
            times[number, place] = _median_ms(calls[place], options.calls)
    return times


def _median_ms(call: Callable[[], object], count: int) -> float:
    times = []
    for _ in range(count):
        started = time.perf_counter()
        call()
        times.append(1e3 * (time.perf_counter() - started))
    return float(np.median(times))


if __name__ == "__main__":
    main()
