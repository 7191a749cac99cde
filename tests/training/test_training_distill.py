"""From teachers to a distilled student, with models of a few weights."""

import dataclasses

import keras
import numpy as np
import pytest

from fer_tf import files
from fer_tf import fusion
from fer_tf import predictions
from fer_tf.cli import evaluate as fusing
from fer_tf.cli import train as commands
from fer_tf.data import pipeline
from fer_tf.errors import CheckFailed
from fer_tf.errors import UserError
from fer_tf.evaluation import kept
from fer_tf.evaluation import predict
from fer_tf.experiment import Experiment
from fer_tf.predictions import Predictions
from fer_tf.training import stages
from fer_tf.training.validation import Validation


def test_predictions_know_manifest_and_weights(trained, recipe):
    made_from = fusion.checked(recipe(), trained).made_from
    assert len(set(made_from.values())) == 5
    student = Predictions.load(trained.student("ce").predictions)
    assert student.made_from["manifest"] == made_from["manifest"]
    commands.distill_student(recipe(), trained, "kd")
    assert trained.student("kd").predictions.exists()
    # Stored and online soft labels are not mixed in one run.
    with pytest.raises(UserError, match="teacher.*'stored'.*'live'"):
        commands.distill_student(recipe("distill.teacher=live"), trained, "kd")


def test_distillation_reports_first_whether_the_teachers_are_better(
    trained, recipe, monkeypatch, caplog
):
    run, logged = trained.student("kd"), []

    def train(*arguments, **options):
        logged.extend(caplog.messages)
        assert files.read_json(run.judgement)["students"].keys() == {"student-ce"}
        raise KeyboardInterrupt

    caplog.clear()
    monkeypatch.setattr(stages.loop, "train", train)
    with pytest.raises(KeyboardInterrupt):
        commands.distill_student(recipe(), trained, "kd")
    warnings = files.read_json(run.judgement)["warnings"]
    # After one epoch no teacher beats the student.
    assert any("student-ce" in warning for warning in warnings)
    for warning in warnings:
        assert any(message.startswith(warning) for message in logged)


@pytest.mark.parametrize("wrong", ["manifest", "a key", "a teacher"])
def test_wrong_soft_labels_are_reported_before_the_first_step(
    trained, recipe, wrong, monkeypatch
):
    soft_labels = fusion.checked(recipe(), trained)
    if wrong == "manifest":
        trained.manifest.write_text(trained.manifest.read_text() + "\n")
        match = "manifest"
    elif wrong == "a teacher":
        trained.teacher("wide").weights.write_bytes(b"")
        match = str(trained.teacher("wide").weights)
    else:
        fewer = {"keys": soft_labels.keys[1:], "log_probs": soft_labels.log_probs[1:]}
        dataclasses.replace(soft_labels, **fewer).save(trained.soft_labels)
        # Nothing knows any more what they were when they were made.
        trained.fused.fused.unlink()
        match = rf"\b1 of .*: {soft_labels.keys[0]}"
    monkeypatch.setattr(
        keras.optimizers.AdamW, "apply_gradients", lambda *_: pytest.fail("a step")
    )
    with pytest.raises(UserError, match=match):
        commands.distill_student(recipe(), trained, "kd")
    assert not trained.student("kd").path.exists()


@pytest.fixture
def without_teachers(trained, recipe):
    """An experiment with the manifest alone, and a config that names what was kept."""
    again = Experiment(trained.root / "again")
    again.root.mkdir()
    again.manifest.write_bytes(trained.manifest.read_bytes())
    return recipe(f"soft_labels.stored={trained.root / 'kept'}"), again


@pytest.mark.slow
def test_a_student_is_repeated_without_its_teachers(
    trained, without_teachers, recipe, written
):
    config, again = without_teachers
    fusing.fuse_teachers(config, again)
    commands.train_student(config, again)
    commands.distill_student(recipe(), trained, "kd")
    commands.distill_student(config, again, "kd")
    first, second = (
        predict.trained(config, config.student, each.student("kd").weights)
        for each in (trained, again)
    )
    for one, other in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    judgement = files.read_json(again.student("kd").judgement)
    assert judgement["students"].keys() == {"student-ce"}
    before = written(again.fused.path)
    fusing.fuse_teachers(config, again)
    assert written(again.fused.path) == before


def test_kept_predictions_are_the_teachers_in_half_precision(
    trained, without_teachers
):
    config, again = without_teachers
    fusing.fuse_teachers(config, again)
    for name in ("wide", "narrow"):
        before = Predictions.load(trained.teacher(name).predictions)
        after = Predictions.load(again.teacher(name).predictions)
        assert after.model == before.model
        assert set(after.splits) == {"validation", "test"}
        for split in after.splits:
            one, other = predictions.align(
                {"before": before.split(split), "after": after.split(split)}
            ).values()
            np.testing.assert_allclose(other.logits, one.logits, rtol=1e-3, atol=1e-6)
            assert (other.groups == one.groups).all()
            np.testing.assert_array_equal(other.distribution, one.distribution)


def test_kept_predictions_have_no_key_and_no_label(trained, drawn_faces):
    arrays, metadata = predictions.read_arrays(trained.root / "kept" / kept.ANSWERS)
    assert {each.dtype for each in arrays.values()} == {np.dtype("f2")}
    assert {each.shape[1:] for each in arrays.values()} == {(7,)}
    assert drawn_faces["test"].keys[0] not in str(metadata)


@pytest.mark.parametrize("wrong", ["another image", "a teacher", "the file"])
def test_kept_predictions_of_others_are_refused(
    trained, without_teachers, recipe, drawn_faces, wrong, monkeypatch
):
    config, again = without_teachers
    match = "wide/validation .*drawn_faces"
    if wrong == "another image":
        part = drawn_faces["validation"]
        fewer = {**drawn_faces, "validation": part.take(np.arange(len(part) - 1))}
        monkeypatch.setattr(pipeline, "load", lambda config, manifest: fewer)
    elif wrong == "a teacher":
        other = '[{model: {name: small}}, {model: {name: narrow}}]'
        stored = config.soft_labels.stored
        config = recipe(f"soft_labels.stored={stored}", f"teachers={other}")
        match = match.replace("wide", "small")
    else:
        (trained.root / "kept" / kept.ANSWERS).unlink()
        match = rf"{kept.ANSWERS}.*fer-tf fuse --keep"
    with pytest.raises(UserError, match=match):
        fusing.fuse_teachers(config, again)
    assert not again.teacher("narrow").predictions.exists()
    assert not (again.fused.path / "answers.json").exists()


def test_logits_that_are_not_finite_are_reported(drawn_faces, tiny, recipe):
    """Whatever the weights, BatchNormalization keeps a training loss finite."""
    model = stages.build(recipe(), recipe().student)
    validate = Validation(recipe(), drawn_faces["validation"])
    assert np.isfinite(validate(model)["nll"])
    model.set_weights([np.full_like(each, np.nan) for each in model.get_weights()])
    with pytest.raises(CheckFailed, match="NaN.*train.learning_rate"):
        validate(model)


@pytest.mark.slow
def test_teachers_that_predicted_other_views_are_not_fused(experiment, recipe):
    """The student would be shown what they have not seen."""
    turned = recipe("augment.rotate_deg=40")
    for teacher in turned.teachers:
        commands.train_teacher(turned, experiment, teacher)
    with pytest.raises(UserError, match=r"wide.*rotate_deg.*\b40\b"):
        fusion.run(recipe(), experiment)
    assert not experiment.fused.path.exists()
    fusion.run(turned, experiment)
    with pytest.raises(UserError, match=r"narrow.*rotate_deg.*\b40\b"):
        predict.predict_run(
            recipe(),
            experiment,
            experiment.teacher("narrow"),
            recipe().teachers[1],
            views=3,
        )


def test_a_start_of_another_model_is_refused_and_can_be_mended(
    trained, recipe, monkeypatch
):
    with pytest.raises(UserError, match="small.*`enlarge`"):
        commands.distill_student(recipe("student.model.enlarge=2"), trained, "kd")

    def train(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(stages.loop, "train", train)
    with pytest.raises(KeyboardInterrupt):
        commands.distill_student(recipe(), trained, "kd")
