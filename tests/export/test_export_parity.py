"""The parity check that guards a bundle."""

import keras
import numpy as np
import pytest

from export import parity
from fer_tf import metrics
from fer_tf.errors import CheckFailed


def expected(model, pictures, temperature=1.5):
    return metrics.softmax(parity.model_logits(model, [pictures]) / temperature)


def answers(bundle, pictures):
    """The bundle's answers to prepared pictures of noise, as they are."""
    from fer_tf.runtime.classifier import Classifier

    return Classifier(bundle).classify(pictures)


def test_parity_passes_for_a_faithful_bundle(write, tiny_model, pictures):
    bundle = write()
    found = parity.check(
        bundle, answers(bundle, pictures), expected(tiny_model, pictures)
    )
    assert found["n"] == 9
    assert found["max_difference"] < 1e-5
    assert found["same_labels"] == 1.0
    assert found["tolerance"] == {"max_difference": 1e-5, "same_labels": 1.0}


def test_the_bundle_answers_batches_of_crops_in_their_order(write, pictures):
    """Through the live view's classifier, which prepares them."""
    bundle = write()
    together = parity.bundle_probabilities(bundle, [list(pictures)])
    apart = parity.bundle_probabilities(bundle, [pictures[:5], [*pictures[5:]]])
    np.testing.assert_allclose(together, apart, atol=1e-6)
    assert np.abs(together - answers(bundle, pictures)).max() > 1e-3, "they have CLAHE"


def test_parity_fails_for_another_temperature(write, tiny_model, pictures):
    bundle = write()
    with pytest.raises(CheckFailed, match=r"\b9\b"):
        parity.check(
            bundle, answers(bundle, pictures), expected(tiny_model, pictures, 3.0)
        )


def test_parity_fails_for_other_weights(write, tiny_model, pictures):
    bundle, other = write(), keras.models.clone_model(tiny_model)
    with pytest.raises(CheckFailed):
        parity.check(bundle, answers(bundle, pictures), expected(other, pictures))


def test_parity_fails_for_one_label_in_nine(write, tiny_model, pictures):
    """Also where probabilities are as near as they must be."""
    bundle = write("float16")
    model = np.full((9, 7), 1 / 7)
    model[:, 2] += 1e-4
    received = model.copy()
    received[4, 3] += 2e-4
    with pytest.raises(CheckFailed, match=r"88\.89%"):
        parity.check(bundle, received, model)


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_parity_fails_for_a_bundle_that_answers_nan(write, pictures, precision):
    bundle = write(precision)
    broken = np.full((9, 7), np.nan)
    with pytest.raises(CheckFailed):
        parity.check(bundle, broken, np.full((9, 7), 1 / 7))


def test_int8_is_told_and_not_bound_to_a_tolerance(write, tiny_model, pictures):
    bundle = write("int8")
    found = parity.check(
        bundle, answers(bundle, pictures), expected(tiny_model, pictures)
    )
    assert 1e-4 < found["max_difference"] < 0.1
    assert "tolerance" not in found
