"""Teachers' out-of-fold predictions."""

import numpy as np
import pytest

from fer_tf import config as recipes
from fer_tf import files
from fer_tf.calibration import fit_temperature
from fer_tf.cli import train as commands
from fer_tf.errors import UserError
from fer_tf.evaluation import predict
from fer_tf.predictions import Predictions
from fer_tf.training import epochs
from fer_tf.training import loop


@pytest.fixture
def noted(monkeypatch):
    """The keys that each model is trained on, in order."""
    shown = []
    labelled = epochs.labelled

    def noting(config, faces, train, *more):
        shown.append(set(faces.keys.tolist()))
        return labelled(config, faces, train, *more)

    monkeypatch.setattr(epochs, "labelled", noting)
    return shown


@pytest.mark.slow
def test_a_folds_model_predicts_what_it_was_not_trained_on(
    experiment, recipe, noted, drawn_faces
):
    config = recipe("soft_labels.folds=2")
    wide = config.teachers[0]
    commands.train_teacher(config, experiment, wide)
    run, train = experiment.teacher("wide"), drawn_faces["train"]
    everything, *parts = noted
    assert everything == set(train.keys.tolist())
    predicted = Predictions.load(run.predictions)
    assert set(predicted.split("train").keys.tolist()) == everything
    own = predicted.split("validation")
    temperature = fit_temperature(own.logits, own.labels)
    for fold, shown in enumerate(parts):
        unseen = np.flatnonzero(~np.isin(train.keys, list(shown)))
        assert 0 < len(unseen) < len(train)
        assert not {*train.groups[unseen]} & {
            group for key, group in zip(train.keys, train.groups) if key in shown
        }
        model = predict.trained(config, wide, run.fold(fold).weights)
        plain = predict.plain_logits(model, config, drawn_faces["validation"])
        scale = temperature / fit_temperature(plain, own.labels)
        count = config.soft_labels.views
        views = predict.view_logits(model, config, train.take(unseen), count)
        place = {key: row for row, key in enumerate(predicted.split("train").keys)}
        rows = [place[key] for key in train.keys[unseen]]
        np.testing.assert_allclose(
            predicted.split("train").logits[rows], scale * views, rtol=1e-4, atol=1e-4
        )
    assert parts[0] | parts[1] == everything
    assert predicted.made_from["fold-1/weights"] == files.sha256_of(run.fold(1).weights)
    # Validation and test are the teacher's own.
    model = predict.trained(config, wide, run.weights)
    np.testing.assert_allclose(
        own.logits,
        predict.plain_logits(model, config, drawn_faces["validation"]),
        atol=1e-5,
    )


@pytest.mark.slow
def test_folds_resume_where_they_were_stopped(
    experiment, recipe, monkeypatch, written
):
    config = recipe("soft_labels.folds=2")
    run, train = experiment.teacher("narrow"), loop.train

    def stopped(model, task, data, validate, config, folder, *more, **options):
        if folder.path.name == "fold-1":
            raise KeyboardInterrupt
        return train(model, task, data, validate, config, folder, *more, **options)

    with monkeypatch.context() as patched:
        patched.setattr(loop, "train", stopped)
        with pytest.raises(KeyboardInterrupt):
            commands.train_teacher(config, experiment, config.teachers[1])
    assert run.fold(0).predictions.exists()
    assert not run.predictions.exists()
    before = written(run.fold(0).path)
    commands.train_teacher(config, experiment, config.teachers[1])
    assert written(run.fold(0).path) == before
    assert run.predictions.exists()
    everything = written(run.path)
    commands.train_teacher(config, experiment, config.teachers[1])
    assert written(run.path) == everything


@pytest.mark.parametrize("folds", [-1, 1])
def test_one_fold_is_refused(recipe, folds):
    with pytest.raises(UserError, match=f"soft_labels.folds.*{folds}"):
        recipe(f"soft_labels.folds={folds}")


def test_smoke_has_few_folds(recipe):
    assert recipes.smoke(recipe("soft_labels.folds=5")).soft_labels.folds == 2
    assert recipes.smoke(recipe()).soft_labels.folds == 0
