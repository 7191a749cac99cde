"""The clip of `fer-tf run` is stale when what it is played with has changed."""

import dataclasses

import pytest

from fer_tf.cli import run
from fer_tf.config import Config
from fer_tf.config import LiveConfig
from fer_tf.errors import UserError
from fer_tf.experiment import Experiment
from fer_tf.live import rehearsal

OTHERS = {
    "detector_score": 0.7,
    "detect_side_px": 320,
    "detect_every": 2,
    "smoothing_ms": 100.0,
    "hysteresis": 0.1,
    "hold_ms": 100.0,
    "forget_ms": 100.0,
}


@pytest.fixture
def play(tmp_path, monkeypatch):
    """A function that plays the clip, and returns whether it was played."""
    experiment = Experiment(tmp_path)
    experiment.bundle.mkdir()
    for name in ("bundle.json", "model.tflite"):
        (experiment.bundle / name).write_text(name)
    played = []

    def rehearse(folder, bundle, live, *, seed, seconds):
        folder.mkdir(exist_ok=True)
        (folder / "frames.csv").write_text(str((live, seed, seconds)))
        played.append(live)

    monkeypatch.setattr(rehearsal, "rehearse", rehearse)

    def of(config):
        played.clear()
        run._rehearse(config, experiment)
        return bool(played)

    return of


def test_it_is_played_once(play):
    assert play(Config())
    assert not play(Config())


@pytest.mark.parametrize("name", OTHERS)
def test_each_field_of_the_live_view_makes_it_stale(play, name):
    play(Config())
    live = dataclasses.replace(LiveConfig(), **{name: OTHERS[name]})
    with pytest.raises(UserError) as raised:
        play(Config(live=live))
    assert f"live.{name} was" in str(raised.value)


def test_all_fields_are_tested_above():
    fields = {each.name for each in dataclasses.fields(LiveConfig)}
    # Whether there is a clip at all.
    assert fields - {"drawn_clip"} == set(OTHERS)


@pytest.mark.parametrize("change", [{"seed": 3}, {"smoke": True}])
def test_seed_and_length_make_it_stale(play, change):
    play(Config())
    with pytest.raises(UserError):
        play(Config(**change))


def test_other_parts_of_a_config_do_not(play):
    play(Config())
    assert not play(Config(experiment="other"))
