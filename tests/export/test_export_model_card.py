"""The model card says what must be said."""

import dataclasses
import re

import pytest

from export import model_card
from fer_tf.calibration import Calibration
from fer_tf.preprocess import FaceSpec

F1 = [0.11, 0.22, 0.33, 0.44, 0.55, 0.66, 0.77]
FIGURES = {
    "accuracy": 0.6125,
    "macro_f1": 0.5,
    "nll": 1.1,
    "ece": 0.021,
    "brier": 0.52,
    "n": 1234,
    "per_class_f1": F1,
}
CALIBRATION = Calibration(
    temperature=1.2345,
    threshold=0.55,
    wanted_accuracy=0.9,
    threshold_reached=True,
    threshold_coverage=0.7,
    fitted_on="validation",
    n=1234,
)


def card(**changes):
    facts = {
        "name": "quickstart",
        "smoke": False,
        "face": FaceSpec(size=48),
        "precision": "float16",
        "calibration": CALIBRATION,
        "metrics": {
            "val": {"raw": FIGURES, "calibrated": FIGURES},
            "test": {
                "raw": FIGURES,
                "calibrated": FIGURES,
                "by_source": {"fer2013": FIGURES | {"n": 99}},
            },
        },
        "sources": {"fer2013": "research only", "wild": "unknown"},
        "held_out": ["wild"],
        "commit": "abc123",
    }
    return model_card.text(**facts | changes)


@pytest.mark.parametrize(
    "needed",
    [
        "# quickstart",
        "`abc123`",
        "float16",
        "48x48",
        "Article 5(1)(f)",
        "workplace",
        "education",
        "medical",
        "**fer2013**: research only",
        "**wild**",
        "Research",
        " 1.234",
        " 0.550 ",
        " 90% ",
        "## Limits",
        "| val | 1234 | 0.613 | 0.500 | 1.100 | 0.021 | 0.520 |",
        "| test: fer2013 | 99 |",
        "| test, F1 | 0.110 | 0.220 | 0.330 | 0.440 | 0.550 | 0.660 | 0.770 |",
    ],
)
def test_the_card_says(needed):
    assert needed in card()


def test_the_card_says_where_no_threshold_was_good_enough():
    never = dataclasses.replace(CALIBRATION, threshold=1.0, threshold_reached=False)
    reached, text = card(), card(calibration=never)
    assert "90%" in reached and "90%" in text
    shown = f"{CALIBRATION.threshold:.3f}"
    assert reached.count(shown) == text.count(shown) + 1


def test_two_labels_of_the_same_images_get_a_line_more():
    both = {"fer2013": "research only", "ferplus": "MIT"}
    renamed = {"fer2013": "research only", "corpus2": "MIT"}
    lines, fewer = (len(card(sources=each).splitlines()) for each in (both, renamed))
    assert lines > fewer


def test_weights_are_free_only_where_all_that_was_trained_on_is():
    drawn = {"drawn_faces": "free", "wild": "unknown"}
    assert "Free" in card(sources=drawn)
    assert "Research" not in card(sources=drawn)
    assert "Research" in card(sources=drawn, held_out=[])
    assert "Free" not in card(sources=drawn, held_out=[])


def test_the_results_of_all_models_stand_at_the_end():
    told = card(results="### `demo`\n\n| model |")
    assert told.endswith("\n\n### `demo`\n\n| model |\n")
    assert "`demo`" not in card()


def test_a_smoke_bundle_is_stamped_and_no_other():
    assert "SMOKE" in card(smoke=True)
    assert "SMOKE" not in card(smoke=False)


def flowing(**changes):
    """The card's words, wherever its lines break."""
    return " ".join(card(**changes).split())


def has(text, *numbers):
    """Tell whether a text has each of these, whatever stands around them."""
    found = text.replace("(", " ").replace(")", " ").split()
    return {*numbers} <= {word.rstrip(".,:;") for word in found}


SETS = dataclasses.replace(CALIBRATION, set_threshold=0.125, wanted_coverage=0.9)


def test_the_card_tells_of_prediction_sets_and_what_they_gave():
    assert has(card(calibration=SETS), "0.125", "90%")
    found = {
        "coverage": 0.912,
        "mean_size": 1.75,
        "singletons": 0.5,
        "empty": 0.002,
        "intervals": {"coverage": [0.9, 0.925]},
    }
    metrics = {"test": {"calibrated": FIGURES, "sets": found}}
    told = flowing(calibration=SETS, metrics=metrics, precision="float32")
    assert has(told, "91.2%", "90.0%", "92.5%", "1.75", "50%", "0.2%")
    # They are of another threshold than the one that was fitted after conversion.
    told = flowing(calibration=SETS, metrics=metrics, precision="int8")
    assert has(told, "0.125") and not has(told, "91.2%")


def test_without_sets_the_card_is_silent_of_them():
    assert not has(card(), "0.125")
    assert len(card().split()) < len(card(calibration=SETS).split())


def test_the_card_tells_of_vector_scaling_and_where_it_is_done():
    vector = dataclasses.replace(CALIBRATION, weights=(1.0,) * 7, biases=(0.0,) * 7)
    told = flowing(calibration=vector)
    assert re.search("1.234 .*vector", told)
    assert "vector" not in card().lower()
    # Whether the model or the runtime applies it.
    assert flowing(precision="float16") != flowing(precision="int8")


def test_the_card_tells_what_conversion_cost():
    run = {"accuracy": 0.8, "macro_f1": 0.7, "nll": 0.61, "ece": 0.02}
    runs = {
        name: run
        | {"nll": 0.61 + worse, "per_class_f1": [value + worse for value in F1]}
        for name, worse in [("model", 0), ("as_converted", 0.09), ("refitted", 0.01)]
    }
    change = dict.fromkeys(run, [0.0, -0.01, 0.01]) | {"nll": [0.01, -0.002, 0.022]}
    judged = {"n": 1234, "runs": runs, "differences": {"refitted": change}}
    parity = {"n": 1234, "max_difference": 0.0312, "same_labels": 0.9512}
    metrics = {"exported": {"parity": parity, "validation": judged}}
    told = flowing(metrics=metrics, precision="int8")
    assert has(told, "1,234", "3.1e-02", "95.12%", "int8")
    rows = [
        "| 0.800 | 0.700 | 0.610 | 0.020 |",
        "| 0.800 | 0.700 | 0.700 | 0.020 |",
        "| 0.800 | 0.700 | 0.620 | 0.020 |",
    ]
    places = [told.index(row) for row in rows]
    assert places == sorted(places)
    assert "| +0.010 (-0.002 to +0.022) |" in told
    assert "| 0.120 | 0.230 |" in told


def test_of_float32_there_is_nothing_to_tell_but_parity():
    parity = {"n": 9, "max_difference": 1e-6, "same_labels": 1.0}
    told = flowing(metrics={"exported": {"parity": parity}}, precision="float32")
    assert has(told, "1.0e-06") and not has(told, "int8")
    assert told.count("float32") < flowing(precision="int8").count("float32") + 9
