"""The report of an experiment: `report.json`, and the same as a page."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fer_tf import config as recipes
from fer_tf import figures
from fer_tf import files
from fer_tf import metrics
from fer_tf import page
from fer_tf.config import Config
from fer_tf.evaluation import comparison
from fer_tf.experiment import Experiment
from fer_tf.experiment import RunFolder
from fer_tf.experiment import environment
from fer_tf.labels import CLASSES
from fer_tf.predictions import SplitPredictions

TEMPLATE = Path(__file__).with_name("report.html")
COMPARED = ("student-ce", "student-kd", "student-dkd", "fused")


def write(
    config: Config, experiment: Experiment, runs: Mapping[str, RunFolder], stage: str
) -> None:
    """Write `report.json` and `report.html` from what `evaluate` has written.

    Args:
        runs: the evaluated models, by name.
        stage: of the exported student, whose figures are drawn; "" for the last run.
    """
    shown = f"student-{stage}" if stage else list(runs)[-1]
    content = collect(config, experiment, runs, shown)
    answers = comparison.load_answers(runs[shown].path, "test")
    drawn = drawings(answers)
    files.write_json(experiment.report, content)
    files.write_text(experiment.report.with_suffix(".html"), render(content, drawn))


def collect(
    config: Config, experiment: Experiment, runs: Mapping[str, RunFolder], shown: str
) -> dict[str, Any]:
    """Return the content of `report.json`."""
    return {
        "experiment": config.experiment,
        "smoke": config.smoke,
        "seed": config.seed,
        "classes": list(CLASSES),
        "shown": shown,
        "models": {name: files.read_json(run.metrics) for name, run in runs.items()},
        "comparison": _comparison(runs, config.seed),
        "fusion": _read_if_there(experiment.soft_labels.with_suffix(".json")),
        "data": _read_if_there(experiment.manifest.with_suffix(".json")),
        "environment": environment(),
        "config": recipes.to_dict(config),
    }


def drawings(answers: SplitPredictions) -> dict[str, str]:
    """Return the three figures of a model's calibrated answers [n, 7], as data URIs."""
    labels, probs = answers.labels, metrics.softmax(answers.logits)
    drawn = {
        "reliability": figures.reliability_diagram(labels, probs),
        "confusion": figures.confusion_matrix(labels, probs.argmax(axis=1)),
        "risk_coverage": figures.risk_coverage_curve(labels, probs),
    }
    return {name: figures.data_uri(figure) for name, figure in drawn.items()}


def render(content: Mapping[str, Any], images: Mapping[str, str]) -> str:
    """Return the page: one file, nothing to fetch.

    Args:
        content: what `collect` returns.
        images: what `drawings` returns.
    """
    return page.render(TEMPLATE, report=content, images=images)


def _comparison(runs: Mapping[str, RunFolder], seed: int) -> dict[str, Any] | None:
    """Return the students and the fused teachers beside the first student, on test."""
    compared = [name for name in COMPARED if name in runs]
    if len(compared) < 2:
        return None
    answers = {
        name: comparison.load_answers(runs[name].path, "test") for name in compared
    }
    return comparison.compare(answers, seed)


def _read_if_there(path: Path) -> Any:
    return files.read_json(path) if path.exists() else None
