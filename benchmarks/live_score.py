"""A bundle on a labelled film, live: under several ways of smoothing, and without.

    python benchmarks/live_score.py --bundle BUNDLE --film FILM --labels LABELS.csv

The user's own commands: `fer-tf live` reads the film, `fer-tf replay` answers the same
faces again smoothed otherwise, and `fer-tf score` holds all against the labels. YuNet
is found as `fer-tf live` finds it. With `--work DIR` the sessions are kept there.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from fer_tf.config import LiveConfig

# Time constant and hold, ms, and hysteresis.
OTHERS = {
    "none": (0, 0, 0),
    "100 ms, held for 250 ms": (100, 250, 0.08),
    "200 ms, held for 120 ms": (200, 120, 0.08),
    "300 ms, held for 250 ms": (300, 250, 0.08),
    "500 ms, held for 250 ms": (500, 250, 0.08),
}


def main() -> None:
    """Print a table, a row per way of smoothing."""
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        work = options.work or Path(folder)
        default = work / "default"
        bundle = ("--bundle", options.bundle)
        if not default.exists():
            source = ("--source", options.film, "--headless")
            _fer_tf("live", *source, *bundle, "--out", default)
        print(
            "| smoothing | accuracy | macro-F1 | lowest three F1 | label changes a "
            "minute | with unsure | unsure | right if unsure is wrong | right if it is "
            "left out |"
        )
        print("|---|---|---|---|---|---|---|---|---|")
        figures = _score(default, options.labels)
        live = LiveConfig()
        name = f"{live.smoothing_ms:g} ms, held for {live.hold_ms:g} ms: the default"
        print(f"| {name} | {' | '.join(_cells(figures))} |", flush=True)
        for name, smoothing in OTHERS.items():
            session = work / name.replace(" ", "-").replace(",", "")
            if not session.exists():
                overrides = _overrides(*smoothing)
                _fer_tf("replay", default, *bundle, "--out", session, *overrides)
            cells = _cells(_score(session, options.labels))
            print(f"| {name} | {' | '.join(cells)} |", flush=True)
        name = json.loads((default / "session.json").read_text())["bundle"]["name"]
        print(
            f"\n{name}; {figures['faces_scored']:,} faces of "
            f"{figures['labels_scored']} labels scored, {figures['coverage']:.1%} of "
            "the frames have one. Intervals, of 95 %, draw labels and not frames."
        )


def _overrides(smoothing_ms: float, hold_ms: float, hysteresis: float) -> list[str]:
    return [
        f"live.smoothing_ms={smoothing_ms}",
        f"live.hold_ms={hold_ms}",
        f"live.hysteresis={hysteresis}",
    ]


def _score(session: Path, labels: Path) -> dict[str, Any]:
    out = session / "score.json"
    _fer_tf("score", session, "--labels", labels, "--out", out)
    return json.loads(out.read_text())


def _cells(figures: dict[str, Any]) -> list[str]:
    shown, unsure = figures["smoothed"], figures["unsure"]
    left_out = unsure["accuracy_if_left_out"]
    names = ("accuracy", "macro_f1", "lowest_three_f1")
    ends = [shown["intervals"][name] for name in names]
    return [
        *(
            f"{shown[name]:.3f} ({low:.3f} to {high:.3f})"
            for name, (low, high) in zip(names, ends, strict=True)
        ),
        f"{shown['flips_per_minute']:.1f}",
        f"{unsure['flips_per_minute']:.1f}",
        f"{unsure['share']:.1%}",
        f"{unsure['accuracy_if_wrong']:.3f}",
        "-" if left_out is None else f"{left_out:.3f}",
    ]


def _fer_tf(*arguments: object) -> None:
    command = [sys.executable, "-m", "fer_tf.cli", *map(str, arguments)]
    subprocess.run(command, check=True, stdout=sys.stderr)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--film", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--work", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
