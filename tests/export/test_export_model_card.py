"""The model card says what must be said."""

import dataclasses

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
        "commit `abc123`",
        "in float16; input 48x48 pixels, grey",
        "Article 5(1)(f)",
        "workplace",
        "education",
        "medical or safety reasons",
        "**fer2013**: research only",
        "**wild** (tested on, never trained on): unknown",
        "**Research use only.**",
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


def test_the_card_says_where_no_threshold_was_good_enough():
    reached = "so that the answers that remain are right 90% of the time"
    assert reached in card()
    never = dataclasses.replace(CALIBRATION, threshold=1.0, threshold_reached=False)
    text = card(calibration=never)
    assert reached not in text
    assert "right 90% of the time, as was wanted" in text


def test_two_labels_of_the_same_pictures_are_told_apart():
    told = "same pictures under two labels"
    assert told not in card()
    assert told in card(sources={"fer2013": "research only", "ferplus": "MIT"})


def test_weights_are_free_only_where_all_that_was_trained_on_is():
    drawn = {"drawn_faces": "free", "wild": "unknown"}
    assert "Free for any use" in card(sources=drawn)
    assert "Research" not in card(sources=drawn)
    assert "**Research use only.**" in card(sources=drawn, held_out=[])


def test_the_results_of_all_models_stand_at_the_end():
    told = card(results="### `demo`\n\n| model |")
    assert told.endswith("## All models of this run\n\n### `demo`\n\n| model |\n")
    assert "All models" not in card()


def test_a_smoke_bundle_is_stamped_and_no_other():
    assert "SMOKE" in card(smoke=True)
    assert "SMOKE" not in card(smoke=False)


def flowing(**changes):
    """The card's words, wherever its lines break."""
    return " ".join(card(**changes).split())


SETS = dataclasses.replace(CALIBRATION, set_threshold=0.125, wanted_coverage=0.9)


def test_the_card_tells_of_prediction_sets_and_what_they_gave():
    assert "probability 0.125 or more" in card(calibration=SETS)
    assert "chosen on validation so that the set holds the label 90%" in flowing(
        calibration=SETS
    )
    found = {
        "coverage": 0.912,
        "mean_size": 1.75,
        "singletons": 0.5,
        "empty": 0.002,
        "intervals": {"coverage": [0.9, 0.925]},
    }
    metrics = {"test": {"calibrated": FIGURES, "sets": found}}
    told = flowing(calibration=SETS, metrics=metrics, precision="float32")
    assert "does 91.2% of the time (95 % interval 90.0% to 92.5%)" in told
    assert "1.75 classes on average, one alone 50% of the time and none 0.2%" in told
    # They are of another threshold than the one that was fitted after conversion.
    assert "does 91.2%" not in flowing(
        calibration=SETS, metrics=metrics, precision="int8"
    )


def test_without_sets_the_card_is_silent_of_them():
    assert "rediction set" not in card()


def test_the_card_tells_of_vector_scaling_and_where_it_is_done():
    vector = dataclasses.replace(CALIBRATION, weights=(1.0,) * 7, biases=(0.0,) * 7)
    told = flowing(calibration=vector)
    assert "1.234 and vector scaling after it" in told
    assert "already inside the model" in told
    assert "ector scaling" not in card()
    assert "the runtime applies to the model's logits" in flowing(precision="int8")


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
    assert "On 1,234 validation faces" in told
    assert "differ by 3.1e-02 at most" in told
    assert "the same for 95.12%" in told
    assert "What int8 costs, on validation (n = 1,234" in told
    assert "| model | 0.800 | 0.700 | 0.610 | 0.020 |" in told
    assert "| file, scaled as the model | 0.800 | 0.700 | 0.700 | 0.020 |" in told
    assert "| file, scaled anew | 0.800 | 0.700 | 0.620 | 0.020 |" in told
    assert "| +0.010 (-0.002 to +0.022) |" in told
    assert "| file, scaled anew | 0.120 | 0.230 |" in told
    assert "before its conversion to int8" in told


def test_of_float32_there_is_nothing_to_tell_but_parity():
    parity = {"n": 9, "max_difference": 1e-6, "same_labels": 1.0}
    told = flowing(metrics={"exported": {"parity": parity}}, precision="float32")
    assert "differ by 1.0e-06 at most" in told
    assert "costs" not in told
    assert "before its conversion" not in told
