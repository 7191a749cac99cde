"""How soon `fer-tf live` labels its first frame, and what memory it holds.

    python -m venv laptop && laptop/bin/pip install ".[live]"
    laptop/bin/python benchmarks/live_startup.py --source FILM --bundle DIR

To be run by the Python of a laptop that only runs the live view: without TensorFlow,
pandas and SciPy. From the start of the process to the first row with a face in the
session's `frames.csv`. Linux alone tells of memory so.
"""

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MOST_S = 1.0
MOST_MB = 250
WATCHED_S = 60


def main() -> None:
    """Print the table, a row per way to start."""
    options = _options()
    present = [
        name for name in ("tensorflow", "pandas") if importlib.util.find_spec(name)
    ]
    print(f"{os.cpu_count()} CPU cores, Python {sys.version.split()[0]}, ", end="")
    print(f"installed as well: {', '.join(present) or 'none of those'}; ", end="")
    print(f"medians of {options.runs} starts\n")
    print("| start | first labelled frame, s | fastest, s | memory, MB | wanted |")
    print("|---|---|---|---|---|")
    ways = {"headless": ["--headless"]}
    if "DISPLAY" in os.environ:
        ways["with a window"] = []
    for name, flags in ways.items():
        starts = sorted(_start(options, flags) for _ in range(options.runs))
        seconds, megabytes = starts[len(starts) // 2]
        kept = seconds <= MOST_S and megabytes <= MOST_MB
        print(f"| {name} | {seconds:.2f} | {starts[0][0]:.2f} ", end="")
        print(f"| {megabytes:.0f} ", end="")
        print(f"| below {MOST_S:g} s, {MOST_MB} MB{'' if kept else ': missed'} |")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", required=True, help="a film with a face at once")
    parser.add_argument("--bundle", required=True)
    parser.add_argument("--runs", type=int, default=9)
    return parser.parse_args()


def _start(options: argparse.Namespace, flags: list[str]) -> tuple[float, float]:
    """Return the seconds to the first labelled frame, and the memory half a second on.

    The memory is the process' resident set, in MB.
    """
    with tempfile.TemporaryDirectory() as folder:
        session = Path(folder, "session")
        asked = ["--source", options.source, "--bundle", options.bundle]
        command = [sys.executable, "-m", "fer_tf.cli", "live", *asked, *flags]
        began = time.perf_counter()
        process = subprocess.Popen(
            [*command, "--out", str(session)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        try:
            seconds = _first_label(process, session / "frames.csv", began)
            time.sleep(0.5)
            return seconds, _resident_mb(process.pid)
        finally:
            process.kill()
            process.wait()
            process.stderr.close()


def _first_label(process: subprocess.Popen, frames: Path, began: float) -> float:
    while time.perf_counter() - began < WATCHED_S:
        if frames.exists() and _is_labelled(frames.read_text(encoding="utf-8")):
            return time.perf_counter() - began
        if process.poll() is not None:
            raise SystemExit(f"it ended: {process.stderr.read().decode()}")
        time.sleep(0.002)
    raise SystemExit(f"no frame was labelled within {WATCHED_S} s.")


def _is_labelled(frames_csv: str) -> bool:
    """Tell whether a frame has a face: its row is whole and names an identity."""
    rows = frames_csv.split("\n")[1:-1]
    return any(row.split(",")[2] for row in rows)


def _resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
