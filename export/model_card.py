"""The model card: what a bundle was made from, what it can do, and who must not."""

from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

from fer_tf.labels import CLASSES
from fer_tf.preprocess import FaceSpec
from fer_tf.runtime.bundle import Abstain
from fer_tf.runtime.bundle import PredictionSets

FIGURES = ("accuracy", "macro_f1", "nll", "ece", "brier")

SMOKE_STAMP = """\
> **SMOKE: this bundle was made by a smoke run.** It was trained for seconds, to see
> that every part works. Its answers mean nothing; use it for nothing.

"""

CARD = """\
# {name}

{stamp}A picture of a face goes in; calibrated probabilities come out:
{classes}.

Made at commit `{commit}`; weights in {precision}; input {size}x{size} pixels, {colour}.

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

## Figures

Calibrated; `ece` over 15 bins. Validation chose, test reports.

{figures}

{per_class}

## Calibration

Temperature {temperature:.4g}{vector}, already inside the model.

Below a confidence of {threshold:.3f} the answer is "unsure". The threshold was chosen
on {fitted_on} so that the answers that remain are right {wanted:.0%} of the time.
{sets}
## Limits

- Labels are what annotators saw in posed, acted or collected pictures; they disagree
  with one another, most on fear, disgust and anger.
- Accuracy differs between people, ages, skin tones, lights, poses and cameras that the
  data does not hold in equal parts; it has not been measured for each of them here.
- Covered, turned, blurred or small faces (below about 50 pixels) are read badly, or not
  at all.
- Probabilities are calibrated for data like that of the splits above, and only there.
"""

VECTOR = """\
 and vector scaling after it (each class by a factor and a
bias, which may change the likeliest class)"""
SETS = """
A prediction set holds every class of probability {threshold:.3f} or more. The
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
    temperature: float,
    abstain: Abstain,
    metrics: Mapping[str, Any],
    sources: Mapping[str, str],
    commit: str,
    prediction_sets: PredictionSets | None = None,
) -> str:
    """Return the text of a `MODEL_CARD.md`.

    Args:
        metrics: as in a run's `metrics.json`.
        sources: each corpus' name to the terms it comes under.
    """
    return CARD.format(
        name=name,
        stamp=SMOKE_STAMP if smoke else "",
        classes=", ".join(CLASSES),
        commit=commit or "unknown",
        precision=precision,
        size=face.size,
        colour="grey" if face.grey else "colour",
        data="\n".join(f"- **{source}**: {terms}" for source, terms in sources.items()),
        figures=_table(["split", "n", *FIGURES], _figure_rows(metrics)),
        per_class=_table(["split", *CLASSES], _per_class_rows(metrics)),
        temperature=temperature,
        vector=VECTOR if metrics.get("method") == "vector" else "",
        threshold=abstain.threshold,
        fitted_on=abstain.fitted_on,
        wanted=abstain.wanted_accuracy,
        sets=_sets(prediction_sets, metrics),
    )


def _sets(sets: PredictionSets | None, metrics: Mapping[str, Any]) -> str:
    """Return the paragraph on prediction sets, and what they gave on test."""
    if sets is None:
        return ""
    text = SETS.format(**vars(sets))
    found = metrics.get("test", {}).get("sets")
    if found:
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
        f1 = figures["per_class_f1"]
        values = [f1[name] for name in CLASSES] if isinstance(f1, Mapping) else f1
        yield [f"{split}, F1", *(f"{value:.3f}" for value in values)]


def _table(head: list[str], rows: Iterator[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
