"""A bundle on films, live: under several ways of smoothing, and without.

    python benchmarks/live_score.py --bundle BUNDLE --film FILM --labels LABELS.csv \
        --unlabelled FILM --work DIR

The user's own commands: `fer-tf live` reads a film, `fer-tf replay` answers the same
faces again smoothed otherwise, and `fer-tf score` holds all against the labels. Of the
film without labels only changes are counted. YuNet is found as `fer-tf live` finds it.
Sessions that are in DIR are taken as they are.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from fer_tf.config import LiveConfig
from fer_tf.live.labelled import read_frames
from fer_tf.live.labelled import rows_by_face
from fer_tf.live.score import flips_per_minute
from fer_tf.live.session import FRAMES

# Time constant and hold, ms, and hysteresis.
OTHERS = {
    "none": (0, 0, 0),
    "100 ms, held for 250 ms": (100, 250, 0.08),
    "200 ms, held for 120 ms": (200, 120, 0.08),
    "300 ms, held for 250 ms": (300, 250, 0.08),
    "500 ms, held for 250 ms": (500, 250, 0.08),
}
HEAD = (
    "smoothing",
    "accuracy",
    "macro-F1",
    "lowest three F1",
    "label changes a minute",
    "with unsure",
    "unsure",
    "right if unsure is wrong",
    "right if it is left out",
    "label changes, no labels",
    "with unsure",
)


def main() -> None:
    """Print a table, a row per way of smoothing."""
    options = _options()
    live = LiveConfig()
    default = f"{live.smoothing_ms:g} ms, held for {live.hold_ms:g} ms: the default"
    print(f"| {' | '.join(HEAD)} |")
    print(f"|{'---|' * len(HEAD)}", flush=True)
    for name, smoothing in {default: None, **OTHERS}.items():
        overrides = _overrides(*smoothing) if smoothing else []
        folder = name.replace(" ", "-").replace(",", "") if smoothing else "default"
        labelled, unlabelled = (
            _session(film, options, options.work / film.stem, folder, overrides)
            for film in (options.film, options.unlabelled)
        )
        figures = _score(labelled, options.labels)
        cells = [*_cells(figures), *_changes(unlabelled)]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    name = json.loads((labelled / "session.json").read_text())["bundle"]["name"]
    print(
        f"\n{name}; {figures['faces_scored']:,} faces of {figures['labels_scored']} "
        f"labels scored, {figures['coverage']:.1%} of the time has one. Intervals, "
        "of 95 %, draw labels and not frames."
    )


def _session(
    film: Path,
    options: argparse.Namespace,
    work: Path,
    folder: str,
    overrides: list[str],
) -> Path:
    """Return the session of a film; those smoothed otherwise replay the first."""
    session = work / folder
    asked = ("--bundle", options.bundle, "--out", session)
    if session.exists():
        return session
    if overrides:
        _fer_tf("replay", work / "default", *asked, *overrides)
    else:
        _fer_tf("live", "--source", film, "--headless", *asked)
    return session


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


def _changes(session: Path) -> list[str]:
    """Return how often a minute the label, and what is read, changes for a face."""
    faces = rows_by_face(read_frames(session / FRAMES))
    return [f"{flips_per_minute(faces, answer):.1f}" for answer in ("shown", "told")]


def _fer_tf(*arguments: object) -> None:
    command = [sys.executable, "-m", "fer_tf.cli", *map(str, arguments)]
    subprocess.run(command, check=True, stdout=sys.stderr)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--film", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--unlabelled", type=Path, required=True, metavar="FILM")
    parser.add_argument("--work", type=Path, required=True, metavar="DIR")
    return parser.parse_args()


if __name__ == "__main__":
    main()
