"""Kills commands at random times, and counts what is lost and what is left.

    python benchmarks/interrupts.py --kills 25

After SIGTERM a command has closed its files: a live session is finished, and nothing
hidden is left. After SIGKILL the next command that writes there removes what is left.
"""

import csv
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import click
import cv2
import numpy as np

# The detector is a stand-in that takes its time, so that most kills hit a frame.
PROGRAM = """
import sys, time
import numpy
from fer_tf.live import yunet, yunet_model
from fer_tf.live.detection import Detection

def detect(frame):
    time.sleep(0.02)
    return [Detection(numpy.array([20.0, 10, 40, 40]), numpy.zeros((5, 2)), 0.9)]

yunet_model.find = lambda given: given
yunet.load = lambda model, **options: detect
print("started", flush=True)
from fer_tf.cli import main
main(sys.argv[1:], prog_name="fer-tf")
"""
SECONDS = 4.0
# Done, killed before Python was ready for the signal, killed, ended by SIGTERM.
EXPECTED = (0, -signal.SIGTERM, -signal.SIGKILL, 143)


def start(*arguments: object) -> subprocess.Popen:
    """Start `fer-tf` in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def killed(number: int, rng: random.Random, *arguments: object) -> tuple[int, str]:
    """Kill a command at a random time; return its exit code and what it said."""
    process = start(*arguments)
    process.stdout.readline()
    time.sleep(rng.uniform(0.2, SECONDS))
    process.send_signal(number)
    _, said = process.communicate()
    return process.returncode, said


def hidden(folder: Path) -> list[str]:
    """Return the names of hidden files and folders below `folder`."""
    return [path.name for path in folder.rglob(".*")]


def session_fault(out: Path) -> str:
    """Return what is wrong with an ended session's folder, or ""."""
    if not (out / "frames.csv").exists():
        return "" if not out.exists() else "a folder without a session"
    summary = json.loads((out / "session.json").read_text())
    rows = list(csv.DictReader((out / "frames.csv").read_text().splitlines()))
    if not summary["finished"]:
        return "not finished"
    return "" if summary["frames"] == len(rows) else "rows are missing"


def campaign(command: str, number: int, kills: int, inputs: Path) -> Counter:
    """Kill a command `kills` times; return the faults and leftovers, counted."""
    rng, found = random.Random(number), Counter()
    for _ in range(kills):
        with tempfile.TemporaryDirectory() as work:
            out = Path(work, "out")
            if command == "live":
                source = ("--source", inputs / "video.mp4", "--headless")
                line = ("live", *source, "--out", out)
            else:
                line = ("predict", inputs / "images", "--out", out / "faces.csv")
            code, said = killed(number, rng, *line)
            found[f"exit code {code}"] += 1
            if code not in EXPECTED:
                print(f"exit code {code}: {said.strip()[-500:]}", flush=True)
            found["stack traces"] += "Traceback" in said
            found["hidden after the kill"] += bool(hidden(Path(work)))
            if number == signal.SIGTERM and command == "live":
                if fault := session_fault(out):
                    found[f"session: {fault}"] += 1
                    print(f"exit code {code}, {fault}: {said[-500:]}", flush=True)
            if number == signal.SIGKILL:
                start(*line).communicate()
                found["hidden after the next command"] += bool(hidden(Path(work)))
    return found


@click.command()
@click.option("--kills", type=click.IntRange(1), default=25, show_default=True)
def main(kills: int) -> None:
    """Kill `live` and `predict`, each by SIGTERM and by SIGKILL."""
    noise = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        inputs = Path(folder)
        (inputs / "images").mkdir()
        fourcc = cv2.VideoWriter.fourcc(*"mp4v")
        video = cv2.VideoWriter(str(inputs / "video.mp4"), fourcc, 25.0, (96, 64))
        for index in range(150):
            frame = noise.integers(0, 256, (64, 96, 3), dtype=np.uint8)
            video.write(frame)
            cv2.imwrite(str(inputs / "images" / f"{index}.png"), frame)
        video.release()
        os.environ.setdefault("PYTHONPATH", str(Path(__file__).parents[1]))
        for command in ("live", "predict"):
            for number in (signal.SIGTERM, signal.SIGKILL):
                found = campaign(command, number, kills, inputs)
                line = f"{command}, {number.name}, {kills} kills: {dict(found)}"
                print(line, flush=True)


if __name__ == "__main__":
    main()
