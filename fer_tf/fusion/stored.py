"""Soft labels that a recipe brings along: a student repeated without its teachers."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fer_tf import files
from fer_tf.config import Config
from fer_tf.config import flat
from fer_tf.config import to_dict
from fer_tf.errors import UserError
from fer_tf.experiment import Experiment
from fer_tf.experiment import Step
from fer_tf.experiment import differences
from fer_tf.fusion.soft_labels import SoftLabels


def views_of(config: Config) -> dict[str, Any]:
    """Return, as JSON, what makes a recipe's training views: all but their seed."""
    views = {"face": to_dict(config.face), "augment": to_dict(config.augment)}
    return json.loads(json.dumps({**views, "views": config.soft_labels.views}))


def other_views(told: Mapping[str, Any], config: Config) -> list[str]:
    """Say what of the views that were answered is not as the recipe has it.

    Args:
        told: what `views_of` said of them.
    """
    expected = views_of(config)
    # An earlier fer-tf wrote the seed too, which soft labels have in their own file.
    received = {name: value for name, value in told.items() if name in expected}
    return differences(flat(received), flat(expected))


def take(config: Config, experiment: Experiment) -> None:
    """Make the soft labels that the recipe names the experiment's, or say it is done.

    They bring the seed of their views along: that of the recipe may be another.

    Raises:
        UserError: they or their report are not there, or are of other views.
    """
    stored = Path(config.soft_labels.stored) / experiment.soft_labels.name
    # Looked at before the step leaves a trace.
    soft_labels = SoftLabels.load(stored)
    told = checked_report(stored, config)
    step = Step(
        experiment.fused.fused,
        {
            "soft_labels": dataclasses.asdict(config.soft_labels),
            "views_of": views_of(config),
        },
        [stored, stored.with_suffix(".json"), experiment.manifest],
    )
    if step.is_done():
        return
    made_from = {
        "manifest": files.sha256_of(experiment.manifest),
        "stored": files.sha256_of(stored),
    }
    report = experiment.soft_labels.with_suffix(".json")
    dataclasses.replace(soft_labels, made_from=made_from).save(experiment.soft_labels)
    files.write_json(report, {**told, "inputs": step.inputs})
    step.finish([experiment.soft_labels, report])


def checked_report(path: Path, config: Config) -> dict[str, Any]:
    """Return what is told beside soft labels, if they are of the recipe's views.

    Raises:
        UserError: they are of others, or nothing is told beside them.
    """
    report = files.read_json(path.with_suffix(".json"))
    differing = other_views(report.get("views_of", {}), config)
    if differing:
        raise UserError(
            f"{path} is of other views: {'; '.join(differing)}. The student would be "
            "taught on other pixels. Give the recipe that it was made by, or another "
            "experiment= and soft_labels.stored= to train teachers by this one."
        )
    return report
