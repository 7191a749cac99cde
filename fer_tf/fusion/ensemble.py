"""The teachers as one: fused on validation, checked there, written for the student."""

import dataclasses
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fer_tf import files
from fer_tf import metrics
from fer_tf import predictions
from fer_tf.config import Config
from fer_tf.config import SoftLabelsConfig
from fer_tf.errors import UserError
from fer_tf.experiment import Experiment
from fer_tf.experiment import RunFolder
from fer_tf.experiment import Step
from fer_tf.experiment import StepRecord
from fer_tf.experiment import verify
from fer_tf.fusion import memorised
from fer_tf.fusion import stored
from fer_tf.fusion.cross_fit import cross_fit
from fer_tf.fusion.cross_fit import first_of
from fer_tf.fusion.cross_fit import logits_of
from fer_tf.fusion.cross_fit import shortfalls
from fer_tf.fusion.pool import fit_pool
from fer_tf.fusion.soft_labels import SoftLabels
from fer_tf.labels import CLASSES
from fer_tf.predictions import Predictions
from fer_tf.predictions import SplitPredictions

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Fused:
    """The fused teachers.

    Attributes:
        predictions: the pool's logits for every split, not yet calibrated, so that it
            is calibrated and evaluated as any model is.
        soft_labels: its calibrated answers to the training views.
        report: what `soft_labels.json` holds.
    """

    predictions: Predictions
    soft_labels: SoftLabels
    report: dict[str, Any]


def fuse(
    teachers: Mapping[str, Predictions], config: SoftLabelsConfig, seed: int
) -> Fused:
    """Fit the pool on validation and answer every split with it.

    Args:
        teachers: by name; all asked about the same records and views.
        seed: parts validation in two for cross-fitting, and draws the bootstrap.

    Raises:
        UserError: the teachers were asked about different records or views.
    """
    view_seed = _common_view_seed(teachers)
    splits = _aligned_splits(teachers)
    _check_views(splits["train"], config.views)
    validation = splits["validation"]
    pool = fit_pool(
        logits_of(validation),
        first_of(validation).labels,
        config.search,
        config.per_class,
    )
    answers = {
        name: first_of(split).with_logits(pool.logits(logits_of(split)))
        for name, split in splits.items()
    }
    calibrated = {
        name: answers[name].with_logits(answers[name].logits / pool.temperature)
        for name in ("train", "validation")
    }
    confidence = {name: memorised.confidence(each) for name, each in calibrated.items()}
    softened_by = 1.0
    if config.memorised == "soften":
        softened_by = memorised.softening(confidence, calibrated["train"].logits)
    log_probs = metrics.log_softmax(calibrated["train"].logits / softened_by)
    report = {
        "classes": CLASSES,
        "view_seed": view_seed,
        "search": config.search,
        "fitted_on": "validation",
        **dataclasses.asdict(pool),
        "confidence": confidence,
        "softened_by": softened_by,
        "warnings": memorised.warnings(confidence, softened_by),
        "cross_fit": _cross_fit(validation, config, seed),
    }
    return Fused(
        predictions=Predictions("fused", view_seed, answers),
        soft_labels=SoftLabels(
            answers["train"].keys, log_probs.astype(np.float32), view_seed
        ),
        report=report,
    )


def run(config: Config, experiment: Experiment) -> None:
    """Fuse an experiment's teachers, or say that it is done.

    Writes `soft_labels/`: soft_labels.npz, soft_labels.json and predictions.npz. Where
    the recipe brings soft labels along, those are taken and nothing is fused.
    """
    if config.soft_labels.stored:
        stored.take(config, experiment)
        return
    names = [teacher.model.name for teacher in config.teachers]
    paths = {
        name: experiment.need(
            experiment.teacher(name).predictions, "fer-tf train --stage teachers"
        )
        for name in names
    }
    for name in names:
        _check_answered(config, experiment.teacher(name))
    settings = {"soft_labels": dataclasses.asdict(config.soft_labels)}
    step = Step(
        experiment.fused.fused,
        {
            **settings,
            "seed": config.seed,
            "teachers": names,
            "views_of": stored.views_of(config),
        },
        paths.values(),
    )
    if step.is_done():
        return
    teachers = {name: Predictions.load(path) for name, path in paths.items()}
    made_from = _made_from(teachers, paths)
    fused = fuse(teachers, config.soft_labels, config.seed)
    soft_labels = dataclasses.replace(fused.soft_labels, made_from=made_from)
    report = experiment.soft_labels.with_suffix(".json")
    fused.predictions.save(experiment.fused.predictions)
    soft_labels.save(experiment.soft_labels)
    told = {**fused.report, "views_of": stored.views_of(config), "inputs": step.inputs}
    files.write_json(report, told)
    step.finish([experiment.fused.predictions, experiment.soft_labels, report])


def _check_answered(config: Config, run: RunFolder) -> None:
    """Hold the views that a teacher has answered against the recipe's, where it tells.

    Raises:
        UserError: they are others: soft labels of them would teach other pixels.
    """
    if not run.answered.exists():
        return
    told = StepRecord.load(run.answered).settings.get("views_of")
    if told is None:
        return
    differing = stored.other_views(told, config)
    if differing:
        raise UserError(
            f"{run.path} has answered other views than the recipe's: "
            f"{'; '.join(differing)}. Give the overrides that it was trained with, or "
            f"delete {run.answered} and give `fer-tf train --stage teachers`."
        )


def _cross_fit(
    validation: Mapping[str, SplitPredictions], config: SoftLabelsConfig, seed: int
) -> dict[str, Any]:
    """Return the pool beside each of its teachers, and log where it is no better."""
    fused, table = cross_fit(validation, validation, config, seed)
    # One teacher is its own pool.
    warnings = shortfalls(table, config.search) if len(validation) > 1 else []
    for warning in warnings:
        log.warning(warning)
    n = len(first_of(validation))
    return {"n": n, "fused": fused, "teachers": table, "warnings": warnings}


def checked(config: Config, experiment: Experiment) -> SoftLabels:
    """Return an experiment's soft labels, held against its files and the recipe.

    Raises:
        UserError: there are none, or they were made from another manifest, or from
            other teachers than those that are there, or are not of the recipe's views.
            A teacher need not be there; live ones answer views of their own.
    """
    path = experiment.need(experiment.soft_labels, "fer-tf fuse")
    verify([path, path.with_suffix(".json")])
    soft_labels = SoftLabels.load(path)
    if config.distill.teacher == "stored":
        stored.checked_report(path, config)
    paths = {"manifest": experiment.manifest}
    # Those that came along were made from teachers who stayed where they were trained.
    for teacher in () if config.soft_labels.stored else config.teachers:
        run = experiment.teacher(teacher.model.name)
        paths[f"{teacher.model.name}/weights"] = run.weights
        paths[f"{teacher.model.name}/predictions"] = run.predictions
    verify(paths.values())
    soft_labels.check(
        {name: files.sha256_of(path) for name, path in paths.items() if path.exists()}
    )
    return soft_labels


def _made_from(
    teachers: Mapping[str, Predictions], paths: Mapping[str, Path]
) -> dict[str, str]:
    """Return the SHA-256 of the files behind the teachers' answers, by name."""
    manifests = {
        name: each.made_from.get("manifest") for name, each in teachers.items()
    }
    if len(set(manifests.values())) != 1:
        raise UserError(
            "teachers must have answered the pictures of one manifest, received "
            f"SHA-256 {manifests}. Train those of an old one again."
        )
    digests = {
        f"{name}/{key}": digest
        for name, each in teachers.items()
        for key, digest in each.made_from.items()
        if key != "manifest"
    }
    for name, path in paths.items():
        digests[f"{name}/predictions"] = files.sha256_of(path)
    manifest = first_of(manifests)
    return {"manifest": manifest, **digests} if manifest else digests


def _common_view_seed(teachers: Mapping[str, Predictions]) -> int:
    seeds = {name: teacher.view_seed for name, teacher in teachers.items()}
    if len(set(seeds.values())) != 1:
        raise UserError(f"teachers must have answered the same views, not {seeds}.")
    return first_of(seeds)


def _aligned_splits(
    teachers: Mapping[str, Predictions],
) -> dict[str, dict[str, SplitPredictions]]:
    """Return the teachers' answers by split, then by teacher, in one order of rows."""
    names = dict.fromkeys(["train", "validation", *first_of(teachers).splits])
    return {
        name: predictions.align({who: t.split(name) for who, t in teachers.items()})
        for name in names
    }


def _check_views(teachers: Mapping[str, SplitPredictions], views: int) -> None:
    for name, split in teachers.items():
        if split.logits.ndim != 3 or split.logits.shape[1] != views:
            raise UserError(
                f"soft_labels.views is {views}, but {name}'s training logits are "
                f"{list(split.logits.shape)}, expected [n, {views}, 7]."
            )
