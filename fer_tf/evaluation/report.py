"""The report of models: `report.json`, and the same as a page."""

import dataclasses
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fer_tf import config as recipes
from fer_tf import figures
from fer_tf import files
from fer_tf import metrics
from fer_tf import page
from fer_tf import picture
from fer_tf.calibration import Calibration
from fer_tf.config import Config
from fer_tf.evaluation import comparison
from fer_tf.evaluation import examples
from fer_tf.experiment import STUDENT_STAGES
from fer_tf.experiment import Experiment
from fer_tf.experiment import RunFolder
from fer_tf.experiment import environment
from fer_tf.experiment import verify
from fer_tf.labels import CLASSES
from fer_tf.predictions import Predictions
from fer_tf.predictions import SplitPredictions

TEMPLATE = Path(__file__).with_name("report.html")
COMPARED = ("student-ce", "student-kd", "student-dkd", "fused")

# Keys to pictures as the model is shown them, uint8 [size, size, 3]: see `pictures`.
Find = Callable[[Collection[str]], Mapping[str, np.ndarray]]


@dataclass(frozen=True, eq=False)
class Evaluated:
    """A model with its figures.

    Attributes:
        predictions: its raw logits, of test at least.
        calibration: fitted on another split than test.
        metrics: what `scoring.score` returns; of a model that was not asked about
            validation it may lack `val`.
    """

    predictions: Predictions
    calibration: Calibration
    metrics: Mapping[str, Any]

    @classmethod
    def load(cls, run: RunFolder) -> "Evaluated":
        """Read a run folder that `evaluate` has written to."""
        return cls(
            Predictions.load(run.predictions),
            Calibration.load(run.calibration),
            files.read_json(run.metrics),
        )

    @property
    def raw(self) -> SplitPredictions:
        """Its answers to test, as it gave them."""
        return self.predictions.split("test")

    @property
    def calibrated(self) -> SplitPredictions:
        """Its answers to test, calibrated."""
        return self.raw.with_logits(self.calibration.scale(self.raw.logits, "test"))


def check_inputs(experiment: Experiment) -> None:
    """Verify what the report reads beside the files of the models' own stages.

    Raises:
        UserError: a file has changed since its stage wrote it.
    """
    students = [experiment.student(stage) for stage in STUDENT_STAGES]
    verify(
        [
            experiment.manifest.with_suffix(".json"),
            experiment.soft_labels.with_suffix(".json"),
            *(run.judgement for run in students),
        ]
    )


def write_experiment(
    config: Config,
    experiment: Experiment,
    runs: Mapping[str, RunFolder],
    stage: str,
    find: Find | None = None,
) -> None:
    """Write an experiment's report from what its steps have written, and verify that.

    Args:
        runs: the evaluated models, by name.
        stage: of the exported student, which is shown; "" for the last run.
        find: as of `write`.

    Raises:
        UserError: a file has changed since its stage wrote it.
    """
    check_inputs(experiment)
    verify(run.metrics for run in runs.values())
    write(
        experiment.report,
        {name: Evaluated.load(run) for name, run in runs.items()},
        title=config.experiment,
        shown=f"student-{stage}" if stage else list(runs)[-1],
        seed=config.seed,
        compared=[name for name in COMPARED if name in runs],
        sections=_sections(config, experiment),
        find=find,
    )


def write(
    path: Path,
    models: Mapping[str, Evaluated],
    *,
    title: str,
    shown: str,
    seed: int = 0,
    compared: Sequence[str] = (),
    sections: Mapping[str, Any] | None = None,
    find: Find | None = None,
) -> None:
    """Write the report of some models as JSON to `path`, and as a page beside it.

    Args:
        models: by the name that they have on the page.
        shown: the model whose curves, tables and pictures are on the page.
        seed: of the bootstrap of what is compared.
        compared: of two or more models each is compared with the first, on the same
            records of test.
        sections: what else is known, by the name of a part of the page: `notes`, a
            list of what a reader must know of these figures, and `smoke`, `fusion`,
            `judgements`, `data` and `config` as `write_experiment` fills them.
        find: gives the pixels of the surest right and wrong answers; None shows no
            picture, since faces are personal data.

    Raises:
        UserError: those compared were not asked about the same records.
    """
    content = collect(models, title, shown, seed, compared, sections or {})
    files.write_json(path, content)
    drawn = drawings(models[shown])
    pixels = find(examples.keys(content["examples"])) if find else {}
    files.write_text(path.with_suffix(".html"), render(content, drawn, pixels))


def collect(
    models: Mapping[str, Evaluated],
    title: str,
    shown: str,
    seed: int,
    compared: Sequence[str],
    sections: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the content of `report.json`; arguments as of `write`."""
    answers = models[shown].calibrated
    return {
        "title": title,
        "seed": seed,
        "classes": list(CLASSES),
        "shown": shown,
        "models": {name: model.metrics for name, model in models.items()},
        "calibrations": {
            name: dataclasses.asdict(model.calibration)
            for name, model in models.items()
        },
        "comparison": _comparison({name: models[name] for name in compared}, seed),
        "confusion": metrics.confusion(
            answers.labels, answers.logits.argmax(axis=1)
        ).tolist(),
        "chance_ece": metrics.chance_ece(metrics.softmax(answers.logits), seed=seed),
        "examples": examples.surest(answers),
        "made_from": {
            name: dict(model.predictions.made_from) for name, model in models.items()
        },
        "environment": environment(),
        **sections,
    }


def drawings(model: Evaluated) -> dict[str, str]:
    """Return the figures of a model's answers to test, as data URIs by name."""
    raw_probs = metrics.softmax(model.raw.logits)
    answers = model.calibrated
    labels, probs = answers.labels, metrics.softmax(answers.logits)
    drawn = {
        "reliability_raw": figures.reliability_diagram(labels, raw_probs),
        "reliability": figures.reliability_diagram(labels, probs),
        "confusion": figures.confusion_matrix(labels, probs.argmax(axis=1)),
        "risk_coverage": figures.risk_coverage_curve(
            labels, probs, model.calibration.threshold
        ),
    }
    return {name: figures.data_uri(figure) for name, figure in drawn.items()}


def render(
    content: Mapping[str, Any],
    drawn: Mapping[str, str],
    pixels: Mapping[str, np.ndarray] | None = None,
) -> str:
    """Return the page: one file, nothing to fetch.

    Args:
        content: what `collect` returns.
        drawn: what `drawings` returns.
        pixels: by key, of the examples; none are shown without.
    """
    return page.render(
        TEMPLATE,
        report=content,
        images=drawn,
        pictures={
            key: page.data_uri(picture.encode_png(each), "image/png")
            for key, each in (pixels or {}).items()
        },
    )


def _comparison(models: Mapping[str, Evaluated], seed: int) -> dict[str, Any] | None:
    """Return how each model differs from the first, on test."""
    if len(models) < 2:
        return None
    answers = {name: model.calibrated for name, model in models.items()}
    return comparison.compare(answers, seed)


def _sections(config: Config, experiment: Experiment) -> dict[str, Any]:
    """Return what an experiment knows beyond its models, as far as it has come."""
    judgements = {
        f"student-{stage}": experiment.student(stage).judgement
        for stage in STUDENT_STAGES
    }
    return {
        "smoke": config.smoke,
        "fusion": _read_if_there(experiment.soft_labels.with_suffix(".json")),
        "judgements": {
            name: files.read_json(path)
            for name, path in judgements.items()
            if path.exists()
        },
        "data": _read_if_there(experiment.manifest.with_suffix(".json")),
        "config": recipes.to_dict(config),
    }


def _read_if_there(path: Path) -> Any:
    return files.read_json(path) if path.exists() else None
