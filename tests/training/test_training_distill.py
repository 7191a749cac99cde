"""From teachers to a distilled student, with models of a few weights."""

import dataclasses

import cv2
import keras
import numpy as np
import pytest

from fer_tf import config as recipes
from fer_tf import files
from fer_tf import fusion
from fer_tf import models
from fer_tf import predictions
from fer_tf.calibration import fit_temperature
from fer_tf.cli import evaluate as fusing
from fer_tf.cli import train as commands
from fer_tf.data import cache
from fer_tf.data import pipeline
from fer_tf.data.crops import crop_of
from fer_tf.data.pipeline import Faces
from fer_tf.errors import CheckFailed
from fer_tf.errors import UserError
from fer_tf.evaluation import kept
from fer_tf.evaluation import predict
from fer_tf.experiment import Experiment
from fer_tf.labels import INDEX
from fer_tf.labels import NUM_CLASSES
from fer_tf.manifest import table
from fer_tf.manifest.clean import clean
from fer_tf.picture import decode
from fer_tf.predictions import Predictions
from fer_tf.sources import drawn
from fer_tf.training import epochs
from fer_tf.training import loop
from fer_tf.training import stages
from fer_tf.training.validation import Validation

VIEWS = 3


def backbone(filters):
    """Return a stand-in for an architecture, which normalises as they all do."""

    def build(side, imagenet=False):
        picture = keras.Input((side, side, 3))
        x = keras.layers.Rescaling(1 / 127.5, -1)(picture)
        x = keras.layers.Conv2D(filters, 5, strides=4)(x)
        x = keras.layers.BatchNormalization()(x)
        x = keras.layers.ReLU()(x)
        return keras.Model(picture, keras.layers.Flatten()(x))

    return build


@pytest.fixture(scope="module")
def drawn_records():
    return list(drawn.records(140, seed=0))


@pytest.fixture(scope="module")
def drawn_faces(drawn_records, tmp_path_factory):
    """Drawn faces by split, in pairs that share a group."""
    folder = tmp_path_factory.mktemp("crops")
    return {
        split: faces_of(
            [each for each in drawn_records if each.split == split], folder / split
        )
        for split in ("train", "validation", "test")
    }


def faces_of(records, folder):
    labels = np.array([INDEX[record.label] for record in records])
    pictures = [cv2.resize(decode(record.image), (40, 40)) for record in records]
    return Faces(
        keys=np.array([record.key for record in records]),
        crops=cache.write(
            folder,
            enumerate(crop_of(picture, (), 32) for picture in pictures),
            len(records),
        ),
        targets=np.eye(NUM_CLASSES, dtype=np.float32)[labels],
        labels=labels,
        sources=np.array(["drawn_faces"] * len(records)),
        groups=np.array([f"g{row // 2}" for row in range(len(records))]),
        agreed=np.ones(len(records), bool),
    )


@pytest.fixture
def tiny(monkeypatch, drawn_faces):
    """Two tiny teachers and a tiny student, and faces that are in memory."""
    made = {"wide": backbone(6), "narrow": backbone(4), "small": backbone(2)}
    monkeypatch.setattr(models, "MODELS", made)
    monkeypatch.setattr(pipeline, "load", lambda config, manifest: drawn_faces)


@pytest.fixture
def experiment(tmp_path, tiny, drawn_records):
    experiment = Experiment(tmp_path)
    table.write(experiment.manifest, clean(drawn_records))
    return experiment


def recipe(*overrides):
    return recipes.load(
        None,
        [
            "face.size=32",
            f"soft_labels.views={VIEWS}",
            "teachers=[{model: {name: wide}}, {model: {name: narrow}}]",
            "student.model.name=small",
            "train.epochs=1",
            "train.batch_size=16",
            *overrides,
        ],
    )


def taught_by(config, experiment):
    """Train what distillation needs, and fuse."""
    for teacher in config.teachers:
        commands.train_teacher(config, experiment, teacher)
    commands.train_student(config, experiment)
    fusion.run(config, experiment)


def test_predictions_know_manifest_and_weights(experiment):
    config = recipe()
    taught_by(config, experiment)
    made_from = fusion.checked(config, experiment).made_from
    assert len(set(made_from.values())) == 5
    student = Predictions.load(experiment.student("ce").predictions)
    assert student.made_from["manifest"] == made_from["manifest"]
    commands.distill_student(config, experiment, "kd")
    assert experiment.student("kd").predictions.exists()


def test_distillation_says_first_whether_there_is_anything_to_teach(
    experiment, monkeypatch, caplog
):
    config = recipe()
    taught_by(config, experiment)
    run, said = experiment.student("kd"), []

    def train(*arguments, **options):
        said.extend(caplog.messages)
        assert files.read_json(run.judgement)["students"].keys() == {"student-ce"}
        raise KeyboardInterrupt

    caplog.clear()
    monkeypatch.setattr(stages.loop, "train", train)
    with pytest.raises(KeyboardInterrupt):
        commands.distill_student(config, experiment, "kd")
    warnings = files.read_json(run.judgement)["warnings"]
    # After an epoch nobody knows anything.
    assert any("not shown to beat student-ce" in warning for warning in warnings)
    for warning in warnings:
        assert any(message.startswith(warning) for message in said)


@pytest.mark.parametrize("wrong", ["manifest", "a key", "a teacher"])
def test_what_is_wrong_with_soft_labels_is_told_before_the_first_step(
    experiment, wrong, monkeypatch
):
    config = recipe()
    taught_by(config, experiment)
    soft_labels = fusion.checked(config, experiment)
    if wrong == "manifest":
        experiment.manifest.write_text(experiment.manifest.read_text() + "\n")
        match = "another manifest"
    elif wrong == "a teacher":
        experiment.teacher("wide").weights.write_bytes(b"")
        match = "another wide/weights"
    else:
        less = {"keys": soft_labels.keys[1:], "log_probs": soft_labels.log_probs[1:]}
        dataclasses.replace(soft_labels, **less).save(experiment.soft_labels)
        match = f"1 of .* no soft labels: {soft_labels.keys[0]}"
    monkeypatch.setattr(
        keras.optimizers.AdamW, "apply_gradients", lambda *_: pytest.fail("a step")
    )
    with pytest.raises(UserError, match=match):
        commands.distill_student(config, experiment, "kd")
    assert not experiment.student("kd").path.exists()


@pytest.fixture
def brought(experiment):
    """What was kept of an experiment's teachers, and another one without any."""
    config = recipe()
    taught_by(config, experiment)
    folder = experiment.root / "kept"
    kept.keep(config, experiment, folder)
    again = Experiment(experiment.root / "again")
    again.root.mkdir()
    again.manifest.write_bytes(experiment.manifest.read_bytes())
    return recipe(f"soft_labels.stored={folder}"), again


def test_a_student_is_repeated_without_its_teachers(experiment, brought):
    config, again = brought
    fusing.fuse_teachers(config, again)
    commands.train_student(config, again)
    commands.distill_student(recipe(), experiment, "kd")
    commands.distill_student(config, again, "kd")
    first, second = (each.student("kd").weights for each in (experiment, again))
    assert same_weights(first, second)
    told = files.read_json(again.student("kd").judgement)
    assert told["students"].keys() == {"student-ce"}
    written_once = written(again.fused.path)
    fusing.fuse_teachers(config, again)
    assert written(again.fused.path) == written_once


def same_weights(first, second):
    student = recipe().student
    pair = [predict.trained(recipe(), student, path) for path in (first, second)]
    weights = zip(*(model.get_weights() for model in pair), strict=True)
    return all(np.array_equal(one, other) for one, other in weights)


def test_kept_answers_are_the_teachers_but_for_half_precision(experiment, brought):
    config, again = brought
    fusing.fuse_teachers(config, again)
    for name in ("wide", "narrow"):
        before = Predictions.load(experiment.teacher(name).predictions)
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


def test_kept_answers_name_nobody_and_no_label(experiment, brought, drawn_faces):
    config, again = brought
    arrays, metadata = predictions.read_arrays(experiment.root / "kept" / kept.ANSWERS)
    assert {each.dtype for each in arrays.values()} == {np.dtype("f2")}
    assert {each.shape[1:] for each in arrays.values()} == {(7,)}
    assert drawn_faces["test"].keys[0] not in str(metadata)


@pytest.mark.parametrize("wrong", ["another picture", "a teacher", "the file"])
def test_kept_answers_of_others_are_refused(
    experiment, brought, drawn_faces, wrong, monkeypatch
):
    config, again = brought
    match = "no answers of wide/validation to these .* of drawn_faces"
    if wrong == "another picture":
        part = drawn_faces["validation"]
        fewer = {**drawn_faces, "validation": part.take(np.arange(len(part) - 1))}
        monkeypatch.setattr(pipeline, "load", lambda config, manifest: fewer)
    elif wrong == "a teacher":
        other = '[{model: {name: small}}, {model: {name: narrow}}]'
        stored = config.soft_labels.stored
        config = recipe(f"soft_labels.stored={stored}", f"teachers={other}")
        match = match.replace("wide", "small")
    else:
        (experiment.root / "kept" / kept.ANSWERS).unlink()
        match = "answers.npz does not exist yet. Make it with: fer-tf fuse --keep"
    with pytest.raises(UserError, match=match):
        fusing.fuse_teachers(config, again)
    assert not again.teacher("narrow").predictions.exists()
    assert not (again.fused.path / "answers.json").exists()


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


def test_a_folds_model_answers_what_it_was_not_shown(experiment, noted, drawn_faces):
    config = recipe("soft_labels.folds=2")
    wide = config.teachers[0]
    commands.train_teacher(config, experiment, wide)
    run, train = experiment.teacher("wide"), drawn_faces["train"]
    everything, *parts = noted
    assert everything == set(train.keys.tolist())
    answers = Predictions.load(run.predictions)
    assert set(answers.split("train").keys.tolist()) == everything
    own = answers.split("validation")
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
        views = predict.view_logits(model, config, train.take(unseen), VIEWS)
        place = {key: row for row, key in enumerate(answers.split("train").keys)}
        rows = [place[key] for key in train.keys[unseen]]
        np.testing.assert_allclose(
            answers.split("train").logits[rows], scale * views, rtol=1e-4, atol=1e-4
        )
    assert parts[0] | parts[1] == everything
    assert answers.made_from["fold-1/weights"] == files.sha256_of(run.fold(1).weights)
    # Validation and test are the teacher's own.
    model = predict.trained(config, wide, run.weights)
    np.testing.assert_allclose(
        own.logits,
        predict.plain_logits(model, config, drawn_faces["validation"]),
        atol=1e-5,
    )


def test_folds_go_on_where_they_were_stopped(experiment, monkeypatch):
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


def written(folder):
    return {
        path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()
    }


@pytest.mark.parametrize("folds", [-1, 1])
def test_one_fold_is_none(folds):
    with pytest.raises(UserError, match="soft_labels.folds must be 0, or 2 or more"):
        recipe(f"soft_labels.folds={folds}")


def test_smoke_has_few_folds():
    assert recipes.smoke(recipe("soft_labels.folds=5")).soft_labels.folds == 2
    assert recipes.smoke(recipe()).soft_labels.folds == 0


@pytest.fixture
def lessons(monkeypatch):
    """The data and the task of each training, in order."""
    seen, train = [], loop.train

    def noting(model, task, data, *more, **options):
        seen.append((data, task))
        return train(model, task, data, *more, **options)

    monkeypatch.setattr(loop, "train", noting)
    return seen


LIVE = ("distill.teacher=live",)


@pytest.mark.parametrize(
    "overrides",
    [(), ("soft_labels.per_class=true",), ("soft_labels.memorised=soften",)],
)
def test_live_teachers_say_of_the_stored_views_what_is_stored(
    experiment, drawn_faces, overrides
):
    config, live = recipe(*overrides), recipe(*overrides, *LIVE)
    taught_by(config, experiment)
    train = drawn_faces["train"]
    data, _ = stages._lesson(config, experiment, "kd", train)
    _, task = stages._lesson(live, experiment, "kd", train)
    said = []
    task = dataclasses.replace(
        task, task=lambda logits, batch: said.append(batch["soft_label"])
    )
    for batch in data.of(1):
        task(None, batch)
        # Those that are stored have the eleven bits of float16.
        np.testing.assert_allclose(
            said[-1], batch["soft_label"], rtol=2**-11, atol=1e-4
        )
    assert len(said) == data.steps > 1


def test_live_teachers_teach_new_views_and_stay_as_they_are(
    experiment, lessons, monkeypatch
):
    config = recipe(*LIVE, "train.epochs=2")
    taught_by(config, experiment)
    asked, batches = [], pipeline.batches

    def noting(faces, *, rows, views, **more):
        asked.extend(zip(rows.tolist(), views.tolist(), strict=True))
        return batches(faces, rows=rows, views=views, **more)

    monkeypatch.setattr(pipeline, "batches", noting)
    commands.distill_student(config, experiment, "kd")
    data, task = lessons[-1]
    trained = [pair for pair in asked if pair[1] != pipeline.PLAIN]
    assert len(set(trained)) == len(trained) == 2 * 16 * data.steps
    assert min(view for _, view in trained) >= epochs.FIRST_LIVE_VIEW
    assert task.teachers.keys() == {"wide", "narrow"}
    for stage in config.teachers:
        name = stage.model.name
        own = predict.trained(config, stage, experiment.teacher(name).weights)
        for one, other in zip(
            task.teachers[name].get_weights(), own.get_weights(), strict=True
        ):
            np.testing.assert_array_equal(one, other)
    start, end = (
        predict.trained(config, config.student, experiment.student(loss).weights)
        for loss in ("ce", "kd")
    )
    assert (start.get_weights()[0] != end.get_weights()[0]).any()


def test_a_live_teacher_must_be_there(experiment):
    config = recipe(*LIVE)
    taught_by(config, experiment)
    experiment.teacher("narrow").weights.unlink()
    with pytest.raises(UserError, match="narrow.*fer-tf train --stage teachers"):
        commands.distill_student(config, experiment, "kd")
    assert not experiment.student("kd").path.exists()


def test_stored_and_live_are_not_mixed_in_one_run(experiment):
    taught_by(recipe(), experiment)
    commands.distill_student(recipe(), experiment, "kd")
    with pytest.raises(UserError, match="teacher was 'stored', is 'live'"):
        commands.distill_student(recipe(*LIVE), experiment, "kd")


def test_live_teachers_have_no_folds():
    with pytest.raises(UserError, match="soft_labels.folds 3, expected 0"):
        recipe(*LIVE, "soft_labels.folds=3")
    with pytest.raises(UserError, match="distill.teacher"):
        recipe("distill.teacher=lively")


def test_answers_that_are_no_numbers_are_told(drawn_faces, tiny):
    """Whatever the weights, BatchNormalization keeps a training loss finite."""
    model = stages.build(recipe(), recipe().student)
    validate = Validation(recipe(), drawn_faces["validation"])
    assert np.isfinite(validate(model)["nll"])
    model.set_weights([np.full_like(each, np.nan) for each in model.get_weights()])
    with pytest.raises(CheckFailed, match="NaN or infinity.*lower train.learning_rate"):
        validate(model)


def test_live_teachers_are_those_of_the_recipe(experiment):
    """Their weights fit other pictures too, of which nobody scored their answers."""
    taught_by(recipe(), experiment)
    other = recipe(*LIVE, "face.grey=false", "distill.dkd.start=scratch")
    with pytest.raises(UserError, match="another recipe: face.grey was True, is False"):
        commands.distill_student(other, experiment, "dkd")
    assert not experiment.student("dkd").path.exists()
    with pytest.raises(UserError, match="live and soft_labels.stored 'kept', expected"):
        recipe(*LIVE, "soft_labels.stored=kept")


def test_teachers_that_answered_other_views_are_not_fused(experiment):
    """The student would be shown what they have not seen."""
    commands.train_student(recipe(), experiment)
    turned = recipe("augment.rotate_deg=40")
    for teacher in turned.teachers:
        commands.train_teacher(turned, experiment, teacher)
    with pytest.raises(UserError, match="wide has answered other views.*was 40.*, is"):
        fusion.run(recipe(), experiment)
    assert not experiment.fused.path.exists()
    fusion.run(turned, experiment)
    with pytest.raises(UserError, match="narrow was made differently: .*was 40"):
        teacher = recipe().teachers[1]
        predict.predict_run(
            recipe(), experiment, experiment.teacher("narrow"), teacher, views=VIEWS
        )


def test_a_start_of_another_model_is_told_and_can_be_mended(experiment):
    taught_by(recipe(), experiment)
    with pytest.raises(UserError, match="has no weights for small.*same `enlarge`"):
        commands.distill_student(recipe("student.model.enlarge=2"), experiment, "kd")
    commands.distill_student(recipe(), experiment, "kd")
    assert experiment.student("kd").predictions.exists()
