"""The model card: what a bundle was made from, what it can do, and who must not."""

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

from export.convert import output_of
from fer_tf.calibration import Calibration
from fer_tf.labels import CLASSES
from fer_tf.preprocess import FaceSpec
from fer_tf.sources.terms import FREE as FREE_SOURCES

FIGURES = ("accuracy", "macro_f1", "nll", "ece", "brier")
LOSS_FIGURES = ("accuracy", "macro_f1", "nll", "ece")
CONVERTED = {
    "model": "model",
    "as_converted": "file, scaled as the model",
    "refitted": "file, scaled anew",
}

SMOKE_STAMP = """\
> **SMOKE: this bundle was made by a smoke run.** It was trained for seconds, to see
> that every part works. Its answers mean nothing; use it for nothing.

"""

CARD = """\
# {name}

{stamp}A picture of a face goes in; calibrated probabilities come out:
{classes}.

Made at commit `{commit}`; in {precision}; input {size}x{size} pixels, {colour}.

## Who should not use it

It reads what a face *shows*, not what a person *feels*. It must decide nothing about
anyone: no hiring, grading, policing, insurance, medical or lie-detection use.

In the European Union, Article 5(1)(f) of the AI Act (Regulation (EU) 2024/1689)
prohibits AI systems that infer emotions of a natural person in the areas of workplace
and education institutions, except for medical or safety reasons. Elsewhere in the Union
emotion recognition is a high-risk use (Annex III), and people must be told that they
are exposed to it (Article 50(3)).

Pictures of faces are personal data. Process them with consent, on the device, and keep
no more than you need.

## Data and terms

{data}

## Licence of the weights

{licence}

## Figures

Calibrated; `ece` over 15 bins. Validation chose, test reports. {figures_of}

{figures}

{per_class}
{two_labels}
## Conversion

{conversion}
## Calibration

Temperature {temperature:.4g}{vector}, {where}.

Below a confidence of {threshold:.3f} the answer is "unsure". {chosen}
{sets}
## Limits

- Labels are what annotators saw in posed, acted or collected pictures; they disagree
  with one another, most on fear, disgust and anger.
- Accuracy differs between people, ages, skin tones, lights, poses and cameras that the
  data does not hold in equal parts; it has not been measured for each of them here.
- Covered, turned, blurred or small faces (below about 50 pixels) are read badly, or not
  at all.
- Probabilities are calibrated for data like that of the splits above, and only there.
{results}"""

REACHED = """\
The threshold was chosen
on {fitted_on} so that the answers that remain are right {wanted:.0%} of the time."""
NOT_REACHED = """\
**At no confidence
were the answers on {fitted_on} right {wanted:.0%} of the time, as was wanted: nearly
all of them are "unsure".**"""
RESEARCH = """\
**Research use only.** fer-tf's own licence is of its code and does not cover these
weights. They were learnt from pictures that came under the terms above, and may be
used only as all of those allow."""
FREE = """\
Free for any use, as is the data. fer-tf's own licence is of its code."""
TWO_LABELS = """
`fer2013` and `ferplus` are the same pictures under two labels: the challenge's own, and
the majority of ten voters, which often differ. Their figures answer two questions, and
`test`, which pools all corpora, neither of them.
"""
HELD_OUT = " (tested on, never trained on)"
RESULTS = """
## All models of this run

{section}
"""
IN_MODEL = "already inside the model"
IN_RUNTIME = """\
and softmax, which the runtime applies to the model's
logits"""
VECTOR = """\
 and vector scaling after it (each class by a factor and a
bias, which may change the likeliest class)"""
PARITY = """\
On {n:,} validation faces, through the live view's classifier, the file's probabilities
differ by {max_difference:.1e} at most from those of the model it was made of; the label
is the same for {same_labels:.2%}.
"""
LOSS = """
What {precision} costs, on validation (n = {n:,}, each half scaled as fits the other):

{table}

{per_class}

The model is the student before conversion. The file is scaled first as fits the model,
then as fits its own answers, which is what is shipped; the abstain and set thresholds
below were chosen anew as well. The last row has 95 % intervals, paired.
"""
SETS = """
A prediction set holds every class of probability {set_threshold:.3f} or more. The
threshold was chosen on {fitted_on} so that the set holds the label
{wanted_coverage:.0%} of the time.
"""
FOUND_SETS = """\
On test it does {coverage:.1%} of the time (95 % interval {low:.1%} to {high:.1%}), with
{mean_size:.2f} classes on average, one alone {singletons:.0%} of the time and none
{empty:.1%}.
"""


def text(
    *,
    name: str,
    smoke: bool,
    face: FaceSpec,
    precision: str,
    calibration: Calibration,
    metrics: Mapping[str, Any],
    sources: Mapping[str, str],
    held_out: Collection[str],
    commit: str,
    results: str = "",
) -> str:
    """Return the text of a `MODEL_CARD.md`.

    Args:
        calibration: as it is shipped.
        metrics: as a bundle has them.
        sources: each corpus' name to the terms it comes under.
        held_out: those of them that were not trained on.
        results: Markdown of the results of all models of the run; "" leaves them out.
    """
    return CARD.format(
        name=name,
        stamp=SMOKE_STAMP if smoke else "",
        classes=", ".join(CLASSES),
        commit=commit or "unknown",
        precision=precision,
        size=face.size,
        colour="grey" if face.grey else "colour",
        data="\n".join(_data(sources, held_out)),
        licence=FREE if {*sources} - {*held_out} <= {*FREE_SOURCES} else RESEARCH,
        figures=_table(["split", "n", *FIGURES], _figure_rows(metrics)),
        per_class=_table(["split", *CLASSES], _per_class_rows(metrics)),
        figures_of=_figures_of(precision),
        two_labels=TWO_LABELS if {"fer2013", "ferplus"} <= {*sources} else "",
        conversion=_conversion(precision, metrics.get("exported", {})),
        temperature=calibration.temperature,
        vector=VECTOR if calibration.weights else "",
        where=IN_RUNTIME if output_of(precision) == "logits" else IN_MODEL,
        threshold=calibration.threshold,
        chosen=_chosen(calibration),
        sets=_sets(calibration, precision, metrics),
        results=RESULTS.format(section=results) if results else "",
    )


def _chosen(calibration: Calibration) -> str:
    """Say how the threshold of "unsure" came about."""
    text = REACHED if calibration.threshold_reached else NOT_REACHED
    return text.format(
        fitted_on=calibration.fitted_on, wanted=calibration.wanted_accuracy
    )


def _data(sources: Mapping[str, str], held_out: Collection[str]) -> Iterator[str]:
    for source, terms in sources.items():
        yield f"- **{source}**{HELD_OUT if source in held_out else ''}: {terms}"


def _figures_of(precision: str) -> str:
    if precision == "float32":
        return ""
    return (
        "These are of the student\nbefore its conversion to "
        f"{precision}; what that changed is below."
    )


def _conversion(precision: str, exported: Mapping[str, Any]) -> str:
    """Return what the file itself answers, beside the model that it was made of."""
    text = PARITY.format(**exported["parity"]) if "parity" in exported else ""
    judged = exported.get("validation")
    if judged is None:
        return text
    head = ["", *LOSS_FIGURES]
    change = judged["differences"]["refitted"]
    rows = [
        [title, *(f"{judged['runs'][name][key]:.3f}" for key in LOSS_FIGURES)]
        for name, title in CONVERTED.items()
    ]
    rows.append(["change", *(_change(*change[key]) for key in LOSS_FIGURES)])
    return text + LOSS.format(
        precision=precision,
        n=judged["n"],
        table=_table(head, rows),
        per_class=_table(["F1", *CLASSES], _converted_f1(judged["runs"])),
    )


def _converted_f1(runs: Mapping[str, Any]) -> Iterator[list[str]]:
    for name, title in CONVERTED.items():
        yield [title, *_f1(runs[name])]


def _change(value: float, low: float, high: float) -> str:
    return f"{value:+.3f} ({low:+.3f} to {high:+.3f})"


def _sets(calibration: Calibration, precision: str, metrics: Mapping[str, Any]) -> str:
    """Return the paragraph on prediction sets, and what they gave on test."""
    if calibration.set_threshold is None:
        return ""
    text = SETS.format(**vars(calibration))
    found = metrics.get("test", {}).get("sets")
    if found and precision == "float32":
        low, high = found["intervals"]["coverage"]
        text += FOUND_SETS.format(low=low, high=high, **found)
    return text


def _splits(metrics: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the name and the calibrated figures of each split and each test source."""
    for split in ("val", "test"):
        if split in metrics:
            yield split, metrics[split]["calibrated"]
    for source, figures in metrics.get("test", {}).get("by_source", {}).items():
        yield f"test: {source}", figures.get("calibrated", figures)


def _figure_rows(metrics: Mapping[str, Any]) -> Iterator[list[str]]:
    for split, figures in _splits(metrics):
        yield [split, str(figures["n"]), *(f"{figures[key]:.3f}" for key in FIGURES)]


def _per_class_rows(metrics: Mapping[str, Any]) -> Iterator[list[str]]:
    for split, figures in _splits(metrics):
        yield [f"{split}, F1", *_f1(figures)]


def _f1(figures: Mapping[str, Any]) -> list[str]:
    return [f"{value:.3f}" for value in figures["per_class_f1"]]


def _table(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
