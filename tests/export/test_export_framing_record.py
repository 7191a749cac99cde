"""Framing is fitted again, or refused, when what it depends on has changed."""

import dataclasses

import pytest

pytest.importorskip("tensorflow_datasets")

from export import framing  # noqa: E402
from fer_tf.config import Config  # noqa: E402
from fer_tf.config import FaceConfig  # noqa: E402
from fer_tf.config import LiveConfig  # noqa: E402
from fer_tf.errors import UserError  # noqa: E402
from fer_tf.experiment import Experiment  # noqa: E402
from fer_tf.preprocess import Framing  # noqa: E402

YUNET = Config(face=FaceConfig(framing_from="yunet"), live=LiveConfig(0.6))
RECORDS = dataclasses.replace(YUNET, face=FaceConfig(framing_from="records"))


@pytest.fixture
def fit(tmp_path, monkeypatch):
    """A function that fits framing and returns the detector's score it was fitted by.

    It returns None where the step says that it is done.
    """
    experiment = Experiment(tmp_path)
    experiment.manifest.write_text("rows")
    scores = []

    def fitted(pictures, detector=None):
        scores.append(detector)
        return Framing(1.0, 0.0, 0.0), {"n": 1}

    monkeypatch.setattr(framing, "kept_records", lambda *_: iter(()))
    monkeypatch.setattr(framing.yunet_model, "find", lambda path: path)
    monkeypatch.setattr(framing.yunet, "load", lambda path, score: score)
    monkeypatch.setattr(framing.framing, "fit", fitted)
    monkeypatch.setattr(framing, "_from_records", fitted)

    def run(config):
        scores.clear()
        framing.fit(config, experiment)
        return scores[0] if scores else None

    return run


def test_another_score_of_the_detector_is_not_reported_as_done(fit):
    assert fit(YUNET) == 0.6
    assert fit(YUNET) is None
    with pytest.raises(UserError) as raised:
        fit(dataclasses.replace(YUNET, live=LiveConfig(0.7)))
    assert "detector_score was 0.6, is 0.7" in str(raised.value)


def test_no_other_field_of_the_live_view_matters(fit):
    fit(YUNET)
    live = LiveConfig(0.6, 320, 3, 100.0, 0.1, 100.0, 100.0, False)
    changed = dataclasses.replace(YUNET, live=live)
    for field in dataclasses.fields(LiveConfig)[1:]:
        assert getattr(live, field.name) != getattr(YUNET.live, field.name)
    assert fit(changed) is None


def test_boxes_of_records_come_from_no_detector(fit):
    fit(RECORDS)
    assert fit(dataclasses.replace(RECORDS, live=LiveConfig(0.7))) is None
    with pytest.raises(UserError):
        fit(YUNET)
