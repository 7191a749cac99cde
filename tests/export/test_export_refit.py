"""What conversion costs is measured, undone where it can be, and refused otherwise."""

import dataclasses
import functools

import numpy as np
import pytest

from export import refit
from fer_tf import metrics
from fer_tf.calibration import Calibration
from fer_tf.errors import CheckFailed
from fer_tf.metrics import bootstrap


@pytest.fixture(autouse=True)
def few_draws(monkeypatch):
    """Intervals of twenty draws: these tests are about the values themselves."""
    fewer = functools.partial(bootstrap.bootstrap_interval, resamples=20)
    for module in (bootstrap, metrics):
        monkeypatch.setattr(module, "bootstrap_interval", fewer)


@pytest.fixture
def model(answer):
    """A model's validation logits."""
    return answer("model", skill=2.0).split("validation")


@pytest.fixture
def calibration(model):
    return Calibration.fit(
        model.logits,
        model.labels,
        0.9,
        "validation",
        groups=model.groups,
        wanted_coverage=0.8,
    )


def judge(model, logits, method="temperature"):
    return refit.judge(model, model.with_logits(logits), method, seed=0)


def test_a_file_that_is_three_times_as_sure_gets_three_times_the_temperature(
    model, calibration
):
    file = model.with_logits(3 * model.logits)
    found = refit.calibrate(file, like=calibration)
    assert found.temperature == pytest.approx(3 * calibration.temperature, rel=1e-6)
    unlike = {"temperature": calibration.temperature}
    # All else is as it was: calibrated, the two answer the same.
    np.testing.assert_allclose(
        dataclasses.astuple(dataclasses.replace(found, **unlike))[1:3],
        dataclasses.astuple(calibration)[1:3],
        rtol=1e-9,
    )
    assert found.set_threshold == pytest.approx(calibration.set_threshold)


def test_thresholds_are_fitted_on_what_the_file_answers(model, calibration):
    noise = np.random.default_rng(3).normal(size=model.logits.shape)
    file = model.with_logits(model.logits + noise)
    found = refit.calibrate(file, like=calibration)
    expected = Calibration.fit(
        file.logits,
        file.labels,
        0.9,
        "validation",
        groups=file.groups,
        wanted_coverage=0.8,
    )
    assert found == expected
    assert found.threshold != calibration.threshold
    assert found.set_threshold != calibration.set_threshold


def test_before_and_after_are_told_cross_fitted_with_their_split(model):
    """By the very function that scores a run's validation."""
    from fer_tf.calibration import cross_calibrated

    found = judge(model, 3 * model.logits)
    assert found["split"] == "validation"
    assert "half" in found["calibrated"]
    runs = found["runs"]
    cross = cross_calibrated(model.logits, model.labels, model.groups, seed=0)
    expected = metrics.nll(model.labels, metrics.softmax(cross))
    assert runs["model"]["nll"] == pytest.approx(expected)
    assert runs["refitted"]["nll"] == pytest.approx(expected)
    assert runs["as_converted"]["nll"] > expected + 0.1
    assert found["differences"]["refitted"]["accuracy"] == [0, 0, 0]


def test_vector_scaling_is_fitted_anew_too(model):
    shifted = model.logits + np.array([2.0, 0, 0, 0, 0, 0, 0])
    plain, vector = judge(model, shifted), judge(model, shifted, "vector")
    assert plain["runs"]["refitted"]["nll"] > plain["runs"]["model"]["nll"] + 0.1
    assert vector["runs"]["refitted"]["nll"] == pytest.approx(
        vector["runs"]["model"]["nll"], abs=1e-3
    )


def test_a_file_that_lost_nothing_passes(model):
    refit.check_loss(judge(model, 3 * model.logits), "int8")


def judged(accuracy=0.0, nll=0.0):
    before = {"accuracy": 0.8, "nll": 0.5}
    after = {"accuracy": 0.8 + accuracy, "nll": 0.5 + nll}
    return {"n": 1000, "runs": {"model": before, "refitted": after}}


@pytest.mark.parametrize(
    "change", [{"accuracy": -0.009}, {"nll": 0.019}, {"accuracy": 0.1, "nll": -0.1}]
)
def test_a_little_may_be_lost(change):
    refit.check_loss(judged(**change), "int8")


@pytest.mark.parametrize(
    "change", [{"accuracy": -0.011}, {"nll": 0.021}, {"nll": float("nan")}]
)
def test_more_is_refused_with_the_way_out(change):
    with pytest.raises(CheckFailed, match="int8.*1,000.*export.allow_loss"):
        refit.check_loss(judged(**change), "int8")


def test_noise_as_of_a_bad_quantisation_is_refused(model):
    noise = np.random.default_rng(1).normal(size=model.logits.shape)
    with pytest.raises(CheckFailed, match="dynamic.*export.allow_loss"):
        refit.check_loss(judge(model, model.logits + noise), "dynamic")
