"""What a student's recipe is chosen by: short trainings, one choice changed in each.

    python benchmarks/choices.py --config configs/laptop.yaml \
        --manifest runs/laptop/manifest.csv --soft-labels configs/laptop --work DIR

All are from scratch, of the same pictures, views and steps. Figures are validation's,
calibrated and cross-fitted; each is held against the first of its loss, on the same
pictures, with an interval of 95 % over groups. One seed each, so a difference that
another seed would turn round may have an interval that excludes zero. Trainings that
are done are read from DIR, one that was stopped goes on, and one that was asked for
otherwise is refused. Overrides follow the options.
"""

import argparse
import dataclasses
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from fer_tf import quiet

# Before anything else imports it, or it greets whoever reads the table.
quiet.import_tensorflow()

import keras  # noqa: E402
import numpy as np  # noqa: E402

from fer_tf import config as recipes  # noqa: E402
from fer_tf import files  # noqa: E402
from fer_tf import metrics  # noqa: E402
from fer_tf.calibration import cross_calibrated  # noqa: E402
from fer_tf.config import Config  # noqa: E402
from fer_tf.data import pipeline  # noqa: E402
from fer_tf.data.pipeline import Faces  # noqa: E402
from fer_tf.evaluation import comparison  # noqa: E402
from fer_tf.evaluation import predict  # noqa: E402
from fer_tf.evaluation.markdown import change  # noqa: E402
from fer_tf.experiment import RunFolder  # noqa: E402
from fer_tf.experiment import Step  # noqa: E402
from fer_tf.fusion import SoftLabels  # noqa: E402
from fer_tf.fusion import stored  # noqa: E402
from fer_tf.predictions import Predictions  # noqa: E402
from fer_tf.predictions import SplitPredictions  # noqa: E402
from fer_tf.training import epochs  # noqa: E402
from fer_tf.training import loop  # noqa: E402
from fer_tf.training import stages  # noqa: E402
from fer_tf.training.board import Board  # noqa: E402
from fer_tf.training.tasks import Distilled  # noqa: E402
from fer_tf.training.tasks import Supervised  # noqa: E402
from fer_tf.training.validation import Validation  # noqa: E402

PLAIN = (
    "shift",
    "scale",
    "rotate_deg",
    "noise",
    "cutout",
    "brightness",
    "contrast",
)
# By loss, what is changed and by which overrides; the first changes nothing.
CHOICES = {
    "ce": {
        "as the recipe has it": (),
        "only mirrored": tuple(f"augment.{name}=0" for name in PLAIN),
        "no cutout, no noise": ("augment.cutout=0", "augment.noise=0"),
        "weights not averaged": ("student.train.ema=0",),
        "learning rate 1e-3": ("student.train.learning_rate=1e-3",),
        "learning rate 2e-3": ("student.train.learning_rate=2e-3",),
        "learning rate 4e-3": ("student.train.learning_rate=4e-3",),
    },
    "dkd": {
        "as the recipe has it": (),
        "temperature 1": ("distill.dkd.temperature=1",),
        "temperature 4": ("distill.dkd.temperature=4",),
        "weight 0.9": ("distill.dkd.weight=0.9",),
        "beta 0.5": ("distill.dkd.beta=0.5",),
        "beta 4": ("distill.dkd.beta=4",),
        "beta 8": ("distill.dkd.beta=8",),
        "one view of eight": ("soft_labels.views=1",),
    },
}
FIGURES = ("accuracy", "macro_f1", "nll")
HEAD = ("loss", "changed", "accuracy", "macro-F1", "NLL", "accuracy minus", "NLL minus")


def main() -> None:
    """Train what is not there yet, then print the table."""
    options = _options()
    config = _config(options, ())
    kept = options.soft_labels / "soft_labels.npz"
    stored.checked_report(kept, config)
    faces = pipeline.load(config, options.manifest)
    faces["train"] = _some(faces["train"], options.pictures)
    print(f"| {' | '.join(HEAD)} |")
    print(f"|{'---|' * len(HEAD)}", flush=True)
    for loss, choices in CHOICES.items():
        first = None
        for title, overrides in choices.items():
            run = RunFolder(options.work / loss / title.replace(" ", "-"))
            config = _config(options, overrides)
            step = Step(run.asked, _asked(config, loss, options), [options.manifest])
            # The loop shows how far it is on stdout, which is the table's.
            with redirect_stdout(sys.stderr):
                if not step.is_done():
                    _train(config, loss, faces, run, options)
                    step.finish([run.predictions])
            answers = _calibrated(run)
            first = first or answers
            _print(loss, title, answers, first)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--soft-labels", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=8000, help="to train on")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    return parser.parse_args()


def _config(options: argparse.Namespace, overrides: tuple[str, ...]) -> Config:
    """Return the recipe, changed; all its students are trained alike, from scratch."""
    config = recipes.load(options.config, [*options.overrides, *overrides])
    train = dataclasses.replace(config.student.train, epochs=options.epochs)
    losses = {
        loss: dataclasses.replace(
            getattr(config.distill, loss), start="scratch", train=train
        )
        for loss in ("kd", "dkd")
    }
    return dataclasses.replace(
        config,
        student=dataclasses.replace(config.student, train=train),
        distill=dataclasses.replace(config.distill, **losses),
    )


def _asked(config: Config, loss: str, options: argparse.Namespace) -> dict[str, Any]:
    """Return what a training hangs on, as JSON."""
    tree = recipes.to_dict(config)
    asked = {name: tree[name] for name in ("seed", "face", "augment", "student")}
    asked["pictures"] = options.pictures
    if loss != "ce":
        asked |= {"distill": tree["distill"][loss], "views": config.soft_labels.views}
    return {"loss": loss, **asked}


def _train(
    config: Config,
    loss: str,
    faces: dict[str, Faces],
    run: RunFolder,
    options: argparse.Namespace,
) -> None:
    """Train a student, and write what it answers to validation."""
    keras.utils.clear_session()
    shown, validation = faces["train"], faces["validation"]
    stage = config.student
    model = stages.build(config, stage)
    counts = epochs.class_counts(config, shown, stage.train)
    if loss == "ce":
        task = Supervised(stage.train, counts, stage.model.head)
        data = epochs.labelled(config, shown, stage.train)
    else:
        task = Distilled(loss, getattr(config.distill, loss), counts)
        path = _soft_labels(config, run, options)
        data = epochs.taught(config, shown, stage.train, path)
    validate = Validation(config, validation)
    board = Board(run, run.path.name)
    loop.train(model, task, data, validate, stage.train, run, board)
    board.close()
    # It has the last epoch's weights.
    model.load_weights(run.weights)
    logits = predict.plain_logits(model, config, validation)
    answers = predict.answers(validation, logits)
    Predictions(run.path.name, config.seed, {"validation": answers}).save(
        run.predictions
    )


def _some(faces: Faces, count: int) -> Faces:
    """Return pictures by the digest of their keys, the same ones for every training."""
    order = np.argsort([files.digest_of(key) for key in faces.keys.tolist()])
    return faces.take(np.sort(order[:count]))


def _soft_labels(config: Config, run: RunFolder, options: argparse.Namespace) -> Path:
    """Return the file of the recipe's first `views`."""
    kept = options.soft_labels / "soft_labels.npz"
    labels = SoftLabels.load(kept)
    views = labels.log_probs[:, : config.soft_labels.views]
    path = run.path / "soft_labels.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    dataclasses.replace(labels, log_probs=views).save(path)
    return path


def _calibrated(run: RunFolder) -> SplitPredictions:
    answers = Predictions.load(run.predictions).split("validation")
    return answers.with_logits(
        cross_calibrated(answers.logits, answers.labels, answers.groups, seed=0)
    )


def _print(
    loss: str, title: str, answers: SplitPredictions, first: SplitPredictions
) -> None:
    probs = metrics.softmax(answers.logits)
    figures = metrics.summary(answers.labels, probs)
    cells = [loss.upper(), title, *(f"{figures[name]:.3f}" for name in FIGURES)]
    cells += ["", ""] if answers is first else _minus(answers, first)
    print(f"| {' | '.join(cells)} |", flush=True)


def _minus(answers: SplitPredictions, first: SplitPredictions) -> list[str]:
    minus = comparison.minus(
        answers.labels,
        comparison.probs_by_seed(answers),
        comparison.probs_by_seed(first),
        answers.groups,
    )
    return [change(*minus[name]) for name in ("accuracy", "nll")]


if __name__ == "__main__":
    main()
