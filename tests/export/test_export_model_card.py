"""The model card says what must be said."""

import pytest

from export import model_card
from fer_tf.labels import CLASSES
from fer_tf.preprocess import FaceSpec
from fer_tf.runtime.bundle import Abstain
from fer_tf.runtime.bundle import PredictionSets

F1 = [0.11, 0.22, 0.33, 0.44, 0.55, 0.66, 0.77]
FIGURES = {
    "accuracy": 0.6125,
    "macro_f1": 0.5,
    "nll": 1.1,
    "ece": 0.021,
    "brier": 0.52,
    "n": 1234,
    "per_class_f1": dict(zip(CLASSES, F1, strict=True)),
}


def card(**changes):
    facts = {
        "name": "quickstart",
        "smoke": False,
        "face": FaceSpec(size=48),
        "precision": "float16",
        "temperature": 1.2345,
        "abstain": Abstain(0.55, 0.9, "validation"),
        "metrics": {
            "val": {"raw": FIGURES, "calibrated": FIGURES},
            "test": {
                "raw": FIGURES,
                "calibrated": FIGURES,
                "by_source": {"fer2013": FIGURES | {"n": 99}},
            },
        },
        "sources": {"fer2013": "research only"},
        "commit": "abc123",
    }
    return model_card.text(**facts | changes)


@pytest.mark.parametrize(
    "needed",
    [
        "# quickstart",
        "commit `abc123`",
        "float16; input 48x48 pixels, grey",
        "Article 5(1)(f)",
        "workplace",
        "education",
        "medical or safety reasons",
        "**fer2013**: research only",
        "Temperature 1.234",
        "Below a confidence of 0.550",
        "right 90% of the time",
        "## Limits",
        "| val | 1234 | 0.613 | 0.500 | 1.100 | 0.021 | 0.520 |",
        "| test: fer2013 | 99 |",
        "| test, F1 | 0.110 | 0.220 | 0.330 | 0.440 | 0.550 | 0.660 | 0.770 |",
    ],
)
def test_the_card_says(needed):
    assert needed in card()


def test_a_smoke_bundle_is_stamped_and_no_other():
    assert "SMOKE" in card(smoke=True)
    assert "SMOKE" not in card(smoke=False)


def test_per_class_f1_may_be_a_list_in_class_order():
    as_list = {"val": {"calibrated": FIGURES | {"per_class_f1": F1}}}
    row = "| val, F1 | 0.110 | 0.220 | 0.330 | 0.440 | 0.550 | 0.660 | 0.770 |"
    assert row in card(metrics=as_list)


def test_the_card_tells_of_prediction_sets_and_what_they_gave():
    sets = PredictionSets(0.125, 0.9, "validation")
    assert "probability 0.125 or more" in card(prediction_sets=sets)
    assert "chosen on validation so that the set holds the label 90%" in " ".join(
        card(prediction_sets=sets).split()
    )
    found = {
        "coverage": 0.912,
        "mean_size": 1.75,
        "singletons": 0.5,
        "empty": 0.002,
        "intervals": {"coverage": [0.9, 0.925]},
    }
    metrics = {"test": {"calibrated": FIGURES, "sets": found}}
    told = " ".join(card(prediction_sets=sets, metrics=metrics).split())
    assert "does 91.2% of the time (95 % interval 90.0% to 92.5%)" in told
    assert "1.75 classes on average, one alone 50% of the time and none 0.2%" in told


def test_without_sets_the_card_is_silent_of_them():
    assert "rediction set" not in card()


def test_the_card_tells_of_vector_scaling():
    figures = {"method": "vector", "val": {"calibrated": FIGURES}}
    assert "1.234 and vector scaling after it" in card(metrics=figures)
    assert "ector scaling" not in card()
