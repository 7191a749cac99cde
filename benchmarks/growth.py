"""How a run's time grows with its pictures, and with the views that teachers answer.

    python benchmarks/growth.py --work DIR

The user's own commands on drawn faces, an epoch for each stage; the times are those of
the steps' own records. Building and cleaning have none: see cleaning.py. Pictures are
all that are drawn: seven tenths are trained on and answered in views, the others are
for validation and test.

A start and a graph cost the same for any number, so each picture seems to become
cheaper; what grows in proportion has one price for each picture that is added.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from fer_tf import files
from fer_tf.experiment import Experiment

MODEL = "resnet18"
ANSWERS, FUSE, ALL = "a teacher answers", "teachers are fused", "all of these"
ON_VIEWS = (ANSWERS, FUSE, ALL)
PICTURES = (500, 1000, 2000, 4000)
VIEWS = (8, 16, 32)


def main() -> None:
    """Print two tables, a row for each step and number."""
    options = _options()
    options.work.mkdir(parents=True, exist_ok=True)
    by_pictures = [(count, options.base_views) for count in options.pictures]
    by_views = [(options.base_pictures, views) for views in options.views]
    seconds = {run: [] for run in by_pictures + by_views}
    for run in track([*seconds] * options.rounds, console=Console(stderr=True)):
        seconds[run].append(_seconds(*run, options.size, options.work))
    medians = {run: _medians(rounds) for run, rounds in seconds.items()}
    print(f"{os.cpu_count()} CPU cores, {MODEL}, {options.size} px, ", end="")
    print(f"medians of {options.rounds} rounds")
    print(f"\nWith {options.base_views} views of each picture:\n")
    _print_table("pictures", {run[0]: medians[run] for run in by_pictures})
    print(f"\nWith {options.base_pictures} pictures, the steps that hang on views:\n")
    on_views = {
        pictures * views: {step: medians[pictures, views][step] for step in ON_VIEWS}
        for pictures, views in by_views
    }
    _print_table("pictures x views", on_views)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--pictures", type=int, nargs="+", default=PICTURES)
    parser.add_argument("--base-views", type=int, default=8, help="of all pictures")
    parser.add_argument("--views", type=int, nargs="+", default=VIEWS)
    parser.add_argument("--base-pictures", type=int, default=1000, help="of all views")
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=1)
    return parser.parse_args()


def _seconds(pictures: int, views: int, size: int, work: Path) -> dict[str, float]:
    """Run the commands in a folder of their own; return what each step took."""
    with tempfile.TemporaryDirectory(dir=work) as folder:
        experiment = Experiment(Path(folder, "growth"))
        recipe = [
            f"experiment={experiment.root.name}",
            f"data.data_dir={folder}",
            f"data.drawn_count={pictures}",
            f"face.size={size}",
            f"teachers=[{{model: {{name: {MODEL}}}}}]",
            f"student.model.name={MODEL}",
            f"soft_labels.views={views}",
            "train.epochs=1",
        ]
        runs = ["--runs", folder]
        _call(["data", "build", *recipe])
        _call(["data", "clean", "--out", str(experiment.manifest), *recipe])
        _call(["train", "--stage", "teachers", *runs, *recipe])
        _call(["train", "--stage", "student", *runs, *recipe])
        _call(["fuse", *runs, *recipe])
        _call(["distill", "--loss", "kd", *runs, *recipe])
        return _recorded(experiment)


def _call(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "fer_tf.cli", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")


def _recorded(experiment: Experiment) -> dict[str, float]:
    teacher = experiment.teacher(MODEL)
    records = {
        "a teacher learns": teacher.asked,
        ANSWERS: teacher.path / "predict.json",
        FUSE: experiment.fused.path / "fuse.json",
        "the student learns, CE": experiment.student("ce").asked,
        "the student learns, KD": experiment.student("kd").asked,
    }
    seconds = {step: files.read_json(path)["seconds"] for step, path in records.items()}
    return {**seconds, ALL: sum(seconds.values())}


def _medians(rounds: list[dict[str, float]]) -> dict[str, float]:
    steps = rounds[0]
    return {step: statistics.median(each[step] for each in rounds) for step in steps}


def _print_table(of: str, runs: Mapping[int, Mapping[str, float]]) -> None:
    """Print what each step takes by `of`, and the ratio to the first of its rows."""
    print(f"| step | {of} | time, s | of each, ms | ratio | of each added, ms |")
    print("|---|---|---|---|---|---|")
    counts = np.array(sorted(runs))
    for step in runs[counts[0]]:
        time_s = np.array([runs[count][step] for count in counts])
        each_ms = 1e3 * time_s / counts
        added_ms = 1e3 * np.diff(time_s) / np.diff(counts)
        columns = (
            [f"{count:,}" for count in counts],
            [f"{seconds:.1f}" for seconds in time_s],
            [f"{ms:.2f}" for ms in each_ms],
            [f"{ratio:.2f}" for ratio in each_ms / each_ms[0]],
            ["", *(f"{ms:.2f}" for ms in added_ms)],
        )
        for row in zip(*columns, strict=True):
            print(f"| {step} | {' | '.join(row)} |")


if __name__ == "__main__":
    main()
