"""Building and cleaning FER2013: wall time, peak memory, and how both grow.

    python benchmarks/cleaning.py --work DIR --raw RAW

Each is the user's own command in a process of its own. `RAW/fer2013/fer2013.csv` is the
challenge's file. The growth is measured on files in its layout with 1, 2, 4 and 8 times
its rows, of drawn faces, which are drawn into DIR first: ten minutes on two cores, and
kept there. Without `--raw` only the growth is measured.
"""

import argparse
import csv
import os
import shutil
import statistics
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from fer_tf import labels
from fer_tf.sources import drawn
from fer_tf.sources import fer2013

ROWS = 35_887
ROWS_AT_ONCE = 500
# The usages of every ten rows.
USAGES = ("Training",) * 8 + ("PublicTest", "PrivateTest")


def main() -> None:
    """Print a table, a row per file."""
    options = _options()
    print("| rows | step | wall time, s | per row, ms | peak memory, MB |")
    print("|---|---|---|---|---|")
    if options.raw:
        _measure("FER2013", options.raw, options.work, options.rounds)
    if options.times:
        drawn_file = options.work / "drawn.csv"
        draw(drawn_file, max(options.times) * options.rows)
    for times in options.times:
        raw = options.work / f"raw-{times}x"
        _head(drawn_file, raw / fer2013.NAME / fer2013.FILE, times * options.rows)
        _measure(f"{times} x drawn", raw, options.work, 1)
        shutil.rmtree(raw)


def draw(path: Path, count: int) -> None:
    """Write `count` drawn faces, 48x48 and grey, in the challenge's layout."""
    if path.exists():
        return
    partial_path = path.with_suffix(".part")
    with open(partial_path, "w", newline="") as file, ProcessPoolExecutor() as pool:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(fer2013.HEADER)
        starts = range(0, count, ROWS_AT_ONCE)
        for rows in pool.map(partial(_rows, count=count), starts):
            writer.writerows(rows)
    partial_path.rename(path)


def _rows(start: int, count: int) -> list[tuple[int, str, str]]:
    return [_row(row) for row in range(start, min(start + ROWS_AT_ONCE, count))]


def _row(row: int) -> tuple[int, str, str]:
    code = row % labels.NUM_CLASSES
    rng = np.random.default_rng((7, row))
    face = drawn.draw(labels.CLASSES[code], rng, size=fer2013.SIDE_PX).pixels
    grey = cv2.cvtColor(face, cv2.COLOR_RGB2GRAY)
    return code, " ".join(map(str, grey.ravel())), USAGES[row % len(USAGES)]


def _head(path: Path, head: Path, rows: int) -> None:
    """Write the header and the first rows of a file to another."""
    head.parent.mkdir(parents=True, exist_ok=True)
    with open(path) as whole, open(head, "w") as part:
        part.writelines(islice(whole, rows + 1))


def _measure(name: str, raw: Path, work: Path, rounds: int) -> None:
    records = work / "records"
    manifest = work / "manifest.csv"
    build = ["build", fer2013.NAME, "--raw", raw, "--data-dir", records]
    clean = ["clean", fer2013.NAME, "--data-dir", records, "--out", manifest]
    measured: dict[str, list[tuple[float, float]]] = {"build": [], "clean": []}
    for _ in range(rounds):
        shutil.rmtree(records, ignore_errors=True)
        measured["build"].append(_run(build))
        measured["clean"].append(_run(clean))
    with open(manifest, encoding="utf-8") as file:
        rows = sum(1 for _ in file) - 1
    for step, figures in measured.items():
        seconds, megabytes = (statistics.median(each) for each in zip(*figures))
        print(
            f"| {name}: {rows:,} | {step} | {seconds:.0f} | {1e3 * seconds / rows:.2f} "
            f"| {megabytes:.0f} |",
            flush=True,
        )


def _run(arguments: list) -> tuple[float, float]:
    """Run `fer-tf data`; return its wall time in s and its peak memory in MB."""
    command = [sys.executable, "-m", "fer_tf.cli", "data", *map(str, arguments)]
    started = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.monotonic() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"{' '.join(command)} failed.")
    return seconds, usage.ru_maxrss / 1024


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--raw", type=Path)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--times", type=int, nargs="*", default=[1, 2, 4, 8])
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
