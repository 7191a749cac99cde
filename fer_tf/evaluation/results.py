"""The figures of finished experiments, from their folders alone.

Experiments whose recipes differ in nothing but `seed` are one recipe's seeds; some may
have brought along the soft labels of another's teachers. Every `metrics.json` is held
against the files that it was made from before it is believed.
"""

import dataclasses
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from fer_tf import config as recipes
from fer_tf import predictions
from fer_tf.config import Config
from fer_tf.errors import UserError
from fer_tf.evaluation import comparison
from fer_tf.evaluation import evidence
from fer_tf.evaluation import stages
from fer_tf.experiment import STUDENT_STAGES
from fer_tf.experiment import Experiment
from fer_tf.experiment import RunFolder
from fer_tf.experiment import verify
from fer_tf.fusion import SoftLabels

FIGURES = ("accuracy", "macro_f1", "nll", "ece")
STUDENTS = tuple(f"student-{stage}" for stage in STUDENT_STAGES)
BASELINE, *DISTILLED = STUDENTS


def collect(roots: Sequence[Path]) -> list[dict[str, Any]]:
    """Return the figures of each recipe among the experiments.

    Args:
        roots: the experiments' folders.

    Returns:
        A recipe each: its `experiments`, `seeds` and `smoke`; `taught_by`, the seed of
        the teachers of all, None where each seed has its own; `test_sets`, by corpus,
        with `n`, `n_per_class`, and by model `raw` and `calibrated` figures;
        `differences`, the distilled students minus CE, by corpus; `chosen` and
        `made_from`, see `evaluation.evidence`.

    Raises:
        UserError: a folder is no evaluated experiment, a file has changed since its
            figures were made, or seeds of one recipe lack a model, share a seed, or
            brought along soft labels that are not the others'.
    """
    by_recipe: dict[Config, list[tuple[Config, Experiment]]] = {}
    for root in roots:
        experiment = Experiment(root)
        if not experiment.config.exists():
            raise UserError(
                f"expected the folder of an experiment, which has a config.yaml, "
                f"received {root}. Make one with: fer-tf run"
            )
        config = recipes.load(experiment.config)
        recipe = dataclasses.replace(
            config,
            # The same for all, so that experiments differ by the rest alone.
            experiment=Config.experiment,
            seed=0,
            soft_labels=dataclasses.replace(config.soft_labels, stored=""),
        )
        by_recipe.setdefault(recipe, []).append((config, experiment))
    return [_recipe(seeds) for seeds in by_recipe.values()]


def _recipe(experiments: Sequence[tuple[Config, Experiment]]) -> dict[str, Any]:
    configs = [config for config, _ in experiments]
    taught_by = _taught_by(experiments)
    answered = _answered(experiments)
    if taught_by is not None:
        answered = _teachers_once(experiments, answered)
    runs = _by_model(answered)
    checked = [
        {name: evidence.checked_metrics(run, experiment) for name, run in each.items()}
        for each, (_, experiment) in zip(answered, experiments, strict=True)
    ]
    figures = {name: [each[name] for each in checked if name in each] for name in runs}
    return {
        "experiments": [config.experiment for config in configs],
        "seeds": [config.seed for config in configs],
        "smoke": configs[0].smoke,
        "taught_by": taught_by,
        "test_sets": _test_sets(figures),
        "differences": _differences(runs),
        "chosen": evidence.chosen(figures, runs),
        "made_from": [
            evidence.made_from(experiment, each)
            for each, (_, experiment) in zip(answered, experiments, strict=True)
        ],
    }


def _taught_by(experiments: Sequence[tuple[Config, Experiment]]) -> int | None:
    """Return the seed of the teachers of all; None where each seed has its own."""
    roots = [experiment.root for _, experiment in experiments]
    paths = [experiment.soft_labels for _, experiment in experiments]
    brought = any(config.soft_labels.stored for config, _ in experiments)
    if not brought or not all(path.exists() for path in paths):
        return None
    verify(paths)
    first, *others = map(SoftLabels.load, paths)
    for root, other in zip(roots[1:], others, strict=True):
        if not first.is_like(other):
            raise UserError(
                f"expected {roots[0]} and {root} to have the same soft labels, since "
                "they are seeds of one recipe and some came along: received others. "
                "Give them to two commands."
            )
    return first.view_seed


def _answered(
    experiments: Sequence[tuple[Config, Experiment]],
) -> list[dict[str, RunFolder]]:
    """Return each seed's folders by model, the same models in each."""
    seeds = [config.seed for config, _ in experiments]
    roots = ", ".join(str(experiment.root) for _, experiment in experiments)
    if len(set(seeds)) < len(seeds):
        raise UserError(
            f"{roots} are of one recipe: expected different seeds, received {seeds}."
        )
    answered = [stages.answered_runs(*each) for each in experiments]
    if any(each.keys() != answered[0].keys() for each in answered):
        raise UserError(
            f"{roots} are seeds of one recipe: expected the same models in each, "
            f"received {' and '.join(', '.join(each) for each in answered)}. Make the "
            "missing ones, or give fewer seeds."
        )
    return answered


def _teachers_once(
    experiments: Sequence[tuple[Config, Experiment]],
    answered: Sequence[Mapping[str, RunFolder]],
) -> list[dict[str, RunFolder]]:
    """Leave the teachers where they were trained, else in the first experiment alone.

    What the others have of them are copies of their answers, and no further seeds.
    """
    brought = [bool(config.soft_labels.stored) for config, _ in experiments]
    home = brought.index(False) if False in brought else 0
    return [
        {name: run for name, run in each.items() if k == home or name in STUDENTS}
        for k, each in enumerate(answered)
    ]


def _by_model(
    answered: Sequence[Mapping[str, RunFolder]],
) -> dict[str, list[RunFolder]]:
    """Return each model's folders: one for each seed, or one where all share it."""
    names = max(answered, key=len)
    runs = {name: [each[name] for each in answered if name in each] for name in names}
    for name, folders in runs.items():
        # The fused teachers have not been trained: fusing asks nothing of its own.
        if len(folders) > 1 and name != "fused":
            comparison.check_one_recipe([run.path for run in folders])
    return runs


def _test_sets(figures: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Return the figures by test set and model, each over its seeds."""
    by_model = {
        name: [_by_set(each["test"]) for each in seeds]
        for name, seeds in figures.items()
    }
    every = [each for seeds in by_model.values() for each in seeds]
    sizes = [
        {name: both["raw"]["n_per_class"] for name, both in each.items()}
        for each in every
    ]
    odd = [each for each in sizes if each != sizes[0]]
    if odd:
        raise UserError(
            "expected one test for all models and seeds, received records by class "
            f"of {sizes[0]} and {odd[0]}."
        )
    return {
        test_set: {
            "n": both["raw"]["n"],
            "n_per_class": both["raw"]["n_per_class"],
            "models": {
                name: {
                    state: _over_seeds([each[test_set][state] for each in seeds])
                    for state in ("raw", "calibrated")
                }
                for name, seeds in by_model.items()
            },
        }
        for test_set, both in every[0].items()
    }


def _by_set(test: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return raw and calibrated figures by test set; voters' agreement makes a set."""
    found = {}
    for source, calibrated in test["by_source"].items():
        both = {"raw": test["by_source_raw"][source], "calibrated": calibrated}
        found[source] = both
        if "agreed" in calibrated:
            found[f"{source}, agreed"] = {
                state: figures["agreed"] for state, figures in both.items()
            }
    return found


def _over_seeds(seeds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return each figure's mean and interval, and over several seeds its spread.

    Of several seeds an interval is the mean of theirs: how far the figure of one
    training may lie off because the test is a sample.
    """
    content = comparison.mean_and_spread(seeds, FIGURES)
    content["intervals"] = {
        name: np.mean([each["intervals"][name] for each in seeds], axis=0).tolist()
        for name in FIGURES
        if name in seeds[0]["intervals"]
    }
    if len(seeds) > 1:
        content["by_seed"] = {
            name: [each[name] for each in seeds] for name in FIGURES
        }
    return content


def _differences(runs: Mapping[str, list[RunFolder]]) -> dict[str, Any]:
    """Return what each distilled student has over CE on each corpus' test records."""
    distilled = [name for name in DISTILLED if name in runs]
    if BASELINE not in runs or not distilled:
        return {}
    loaded = {
        name: comparison.load_seeds([run.path for run in runs[name]], "test")
        for name in (BASELINE, *distilled)
    }
    answers = predictions.align(loaded)
    sources = answers[BASELINE].sources
    found = {}
    for source in track(
        np.unique(sources).tolist(),
        description="Comparing the students",
        console=Console(stderr=True),
        transient=True,
    ):
        rows = sources == source
        here = {name: each.take(rows) for name, each in answers.items()}
        probs = {name: comparison.probs_by_seed(each) for name, each in here.items()}
        labels, groups = here[BASELINE].labels, here[BASELINE].groups
        found[source] = {
            name: comparison.minus(labels, probs[name], probs[BASELINE], groups)
            for name in distilled
        }
    return found
