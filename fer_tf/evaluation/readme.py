"""The results of experiments as a README's section."""

import html
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from fer_tf.evaluation.markdown import change
from fer_tf.evaluation.markdown import estimate
from fer_tf.evaluation.markdown import table
from fer_tf.labels import CLASSES

# As the tables head their columns.
TITLES = {"accuracy": "accuracy", "macro_f1": "macro-F1", "nll": "NLL", "ece": "ECE"}
NO_BREAK = "\N{NO-BREAK SPACE}"
SMOKE = (
    "> **SMOKE RUN.** Every part of it was tiny, to walk the whole way. Its figures "
    "mean nothing."
)
LEGEND = (
    "In brackets: 95 % bootstrap intervals over groups of test pictures. ECE (15 bins) "
    "has none, since it rises under resampling. Where an arrow stands, it leads from "
    "the raw figure to the calibrated one; elsewhere they are equal."
)
OF_MEANS = "The interval of a mean over seeds is the mean of the seeds' intervals."
OF_DIFFERENCES = (
    "Intervals of differences are paired, and draw the seeds as well where there are "
    "several; **bold** ones exclude zero."
)
AGREED = (
    "*Agreed*: the pictures on which more than half of the voters agree, votes that "
    "stand alone left out."
)
ABSENT = "In macro-F1 a class without pictures counts as 0."


def section(results: Sequence[Mapping[str, Any]], command: str) -> str:
    """Return the Markdown of what `results.collect` returned.

    Args:
        command: the one that makes this section, as a user types it.
    """
    parts = [part for recipe in results for part in _recipe(recipe)]
    return "\n\n".join([*parts, _legend(results), *_files(results, command)])


def _recipe(recipe: Mapping[str, Any]) -> Iterator[str]:
    names = ", ".join(f"`{name}`" for name in dict.fromkeys(recipe["experiments"]))
    yield f"### {names}"
    if recipe["smoke"]:
        yield SMOKE
    seeds = _seeds(recipe["seeds"], recipe["taught_by"])
    yield f"{seeds} {_chosen(recipe['chosen'])}"
    for name, test_set in recipe["test_sets"].items():
        yield _caption(name, test_set)
        yield _models(test_set["models"])
    if recipe["differences"]:
        yield "**Distilled students minus CE**, calibrated, on the same pictures."
        yield _differences(recipe["differences"])


def _seeds(seeds: Sequence[int], taught_by: int | None) -> str:
    if len(seeds) == 1:
        return f"One seed ({seeds[0]}): how far another would lie off is not known."
    listed = ", ".join(map(str, seeds))
    text = (
        f"{len(seeds)} seeds of one recipe ({listed}): means over them ± their "
        "standard deviation."
    )
    if taught_by is None:
        return text
    return f"{text} All students were taught by the same teachers (seed {taught_by})."


def _chosen(chosen: Mapping[str, Sequence[Any]]) -> str:
    """Say which split chose what; what the files do not tell is not said."""
    parts = [
        f"{what} (by {_joined(chosen[by])})"
        for what, by in (
            ("each model's epoch", "epochs_by"),
            ("the teachers' weights", "weights_by"),
            ("their calibration", "calibrated_by"),
        )
        if chosen[by]
    ]
    counts = _joined([f"{n:,}" for n in chosen["n"]])
    return (
        f"Chosen on {_joined(chosen['on'])} (n = {counts}): {', '.join(parts)}. Test "
        "only reports."
    )


def _joined(names: Sequence[str]) -> str:
    return " or ".join(TITLES.get(name, name) for name in names)


def _caption(name: str, test_set: Mapping[str, Any]) -> str:
    corpus, _, part = name.partition(", ")
    title = f"`{corpus}`, {part}" if part else f"`{corpus}`"
    counts = zip(CLASSES, test_set["n_per_class"], strict=True)
    listed = ", ".join(f"{label} {count:,}" for label, count in counts)
    return f"**{title}**, n = {test_set['n']:,}: {listed}."


def _models(models: Mapping[str, Any]) -> str:
    rows = [
        [_title(name), *(_raw_and_calibrated(both, figure) for figure in TITLES)]
        for name, both in models.items()
    ]
    return table([["model", *TITLES.values()], *rows])


def _title(name: str) -> str:
    if name == "fused":
        return "teachers, fused"
    role, _, stage = name.partition("-")
    return f"student, {stage.upper()}" if role == "student" else f"teacher, {name}"


def _raw_and_calibrated(both: Mapping[str, Mapping[str, Any]], figure: str) -> str:
    raw, calibrated = both["raw"][figure], both["calibrated"][figure]
    text = _unbroken(estimate(both["calibrated"], figure))
    return text if raw == calibrated else f"{raw:.3f} → {text}"


def _unbroken(text: str) -> str:
    """Keep a spread and an interval on one line each where a cell is narrow."""
    for joint in ("±", "to"):
        text = text.replace(f" {joint} ", f"{NO_BREAK}{joint}{NO_BREAK}")
    return text


def _differences(differences: Mapping[str, Any]) -> str:
    rows = [["test", "model", *TITLES.values()]]
    for source, students in differences.items():
        for name, minus in students.items():
            cells = (_unbroken(change(*minus[figure])) for figure in TITLES)
            rows.append([f"`{source}`", _title(name), *cells])
    return table(rows)


def _legend(results: Sequence[Mapping[str, Any]]) -> str:
    test_sets = {
        name: test_set
        for recipe in results
        for name, test_set in recipe["test_sets"].items()
    }
    notes = {
        LEGEND: True,
        OF_MEANS: any(len(recipe["seeds"]) > 1 for recipe in results),
        OF_DIFFERENCES: any(recipe["differences"] for recipe in results),
        AGREED: any(name.endswith(", agreed") for name in test_sets),
        ABSENT: any(0 in each["n_per_class"] for each in test_sets.values()),
    }
    return " ".join(note for note, applies in notes.items() if applies)


def _files(results: Sequence[Mapping[str, Any]], command: str) -> Iterator[str]:
    """Say what made the section, and of which files; folded up until asked for."""
    folders = [each for recipe in results for each in recipe["made_from"]]
    models = dict.fromkeys(name for each in folders for name in each["predictions"])
    commits = dict.fromkeys(commit for each in folders for commit in each["commits"])
    yield (
        f"<details><summary>Made by <code>{html.escape(command)}</code> from these "
        "files</summary>"
    )
    rows = [
        [_title(name), *(each["predictions"].get(name, "")[:12] for each in folders)]
        for name in models
    ]
    head = ["SHA-256 of predictions", *(f"`{each['folder']}`" for each in folders)]
    yield table([head, *rows])
    yield (
        f"The code's commits: {', '.join(commits) or 'unknown'}. Each folder's "
        "`config.yaml` is the recipe it began with, which `fer-tf run --config` takes; "
        "each model's `train.json` is what it was trained by."
    )
    yield "</details>"
