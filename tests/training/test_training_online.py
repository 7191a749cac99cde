"""Online teachers: soft labels of views that are made while the student trains."""

import dataclasses

import numpy as np
import pytest

from fer_tf import fusion
from fer_tf.cli import train as commands
from fer_tf.data import pipeline
from fer_tf.errors import UserError
from fer_tf.evaluation import predict
from fer_tf.training import epochs
from fer_tf.training import loop
from fer_tf.training import stages

ONLINE = ("distill.teacher=live",)


@pytest.fixture
def lessons(monkeypatch):
    """The data and the task of each training, in order."""
    seen, train = [], loop.train

    def noting(model, task, data, *more, **options):
        seen.append((data, task))
        return train(model, task, data, *more, **options)

    monkeypatch.setattr(loop, "train", noting)
    return seen


@pytest.mark.parametrize(
    "overrides",
    [(), ("soft_labels.per_class=true",), ("soft_labels.memorised=soften",)],
)
def test_online_teachers_predict_of_the_stored_views_what_is_stored(
    trained, recipe, drawn_faces, overrides
):
    config, online = recipe(*overrides), recipe(*overrides, *ONLINE)
    if overrides:
        trained.fused.path.rename(trained.root / "unused")
        fusion.run(config, trained)
    train = drawn_faces["train"]
    data, _ = stages._lesson(config, trained, "kd", train)
    _, task = stages._lesson(online, trained, "kd", train)
    predicted = []
    task = dataclasses.replace(
        task, task=lambda logits, batch: predicted.append(batch["soft_label"])
    )
    for batch in data.of(1):
        task(None, batch)
        # Those that are stored have the eleven bits of float16.
        np.testing.assert_allclose(
            predicted[-1], batch["soft_label"], rtol=2**-11, atol=1e-4
        )
    assert len(predicted) == data.steps > 1


def test_online_teachers_predict_new_views_and_stay_as_they_are(
    trained, recipe, lessons, monkeypatch
):
    config = recipe(*ONLINE, "train.epochs=2")
    asked, batches = [], pipeline.batches

    def noting(faces, *, rows, views, **more):
        asked.extend(zip(rows.tolist(), views.tolist(), strict=True))
        return batches(faces, rows=rows, views=views, **more)

    monkeypatch.setattr(pipeline, "batches", noting)
    commands.distill_student(config, trained, "kd")
    data, task = lessons[-1]
    pairs = [pair for pair in asked if pair[1] != pipeline.PLAIN]
    assert len(set(pairs)) == len(pairs) == 2 * 16 * data.steps
    assert min(view for _, view in pairs) >= epochs.FIRST_LIVE_VIEW
    assert task.teachers.keys() == {"wide", "narrow"}
    for stage in config.teachers:
        name = stage.model.name
        own = predict.trained(config, stage, trained.teacher(name).weights)
        for one, other in zip(
            task.teachers[name].get_weights(), own.get_weights(), strict=True
        ):
            np.testing.assert_array_equal(one, other)
    start, end = (
        predict.trained(config, config.student, trained.student(loss).weights)
        for loss in ("ce", "kd")
    )
    assert (start.get_weights()[0] != end.get_weights()[0]).any()


def test_an_online_teacher_must_be_there(trained, recipe):
    trained.teacher("narrow").weights.unlink()
    with pytest.raises(UserError, match="narrow.*fer-tf train --stage teachers"):
        commands.distill_student(recipe(*ONLINE), trained, "kd")
    assert not trained.student("kd").path.exists()


def test_online_teachers_have_no_folds(recipe):
    with pytest.raises(UserError, match="soft_labels.folds 3"):
        recipe(*ONLINE, "soft_labels.folds=3")
    with pytest.raises(UserError, match="distill.teacher.*'lively'"):
        recipe("distill.teacher=lively")


def test_online_teachers_are_those_of_the_config(trained, recipe):
    """Their weights fit other images too, whose predictions nobody scored."""
    other = recipe(*ONLINE, "face.grey=false", "distill.dkd.start=scratch")
    with pytest.raises(UserError, match=r"face\.grey.*True.*False"):
        commands.distill_student(other, trained, "dkd")
    assert not trained.student("dkd").path.exists()
    with pytest.raises(UserError, match="soft_labels.stored 'kept'"):
        recipe(*ONLINE, "soft_labels.stored=kept")
