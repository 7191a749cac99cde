"""A run, a Keras file and a bundle evaluated by themselves, by one crop or by ten."""

import dataclasses
import re

import keras
import numpy as np
import pytest
from scipy.special import logsumexp

import tfds_builders
from fer_tf import config as recipes
from fer_tf import files
from fer_tf import metrics
from fer_tf import models
from fer_tf.calibration import Calibration
from fer_tf.config import CalibrateConfig
from fer_tf.data import pipeline
from fer_tf.data import records
from fer_tf.data.ten_crops import COUNT
from fer_tf.data.ten_crops import ten_crop
from fer_tf.errors import UserError
from fer_tf.evaluation import predict
from fer_tf.evaluation import single
from fer_tf.evaluation import stages
from fer_tf.evaluation import subjects
from fer_tf.evaluation.subjects import Asked
from fer_tf.experiment import Experiment
from fer_tf.experiment import RunFolder
from fer_tf.manifest import clean
from fer_tf.manifest import table
from fer_tf.predictions import Predictions
from fer_tf.preprocess import prepare
from fer_tf.runtime import bundle as bundles
from fer_tf.runtime.classifier import Classifier

OVERRIDES = [
    "experiment=demo",
    "data.drawn_count=420",
    "face.size=32",
    "face.clahe_tiles=2",
    "student.model.name=tiny",
    "teachers=[{model: {name: tiny}}]",
]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The recipe of drawn faces, which are built, and its manifest."""
    folder = tmp_path_factory.mktemp("demo")
    config = recipes.load(None, [*OVERRIDES, f"data.data_dir={folder}"])
    tfds_builders.build("drawn_faces", folder, folder, config.data)
    rows = clean.clean(records.read(records.locate(folder, "drawn_faces", config.data)))
    table.write(folder / "manifest.csv", rows)
    return config, folder / "manifest.csv"


@pytest.fixture(scope="module")
def faces(demo):
    return pipeline.load(*demo)


@pytest.fixture(scope="module", autouse=True)
def tiny():
    """An architecture of a few weights, called `tiny`."""

    def backbone(side):
        picture = keras.Input((side, side, 3))
        x = keras.layers.AveragePooling2D(4)(keras.layers.Rescaling(1 / 255)(picture))
        x = keras.layers.Dense(32, "relu")(keras.layers.Flatten()(x))
        return keras.Model(picture, x)

    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(models.MODELS, "tiny", backbone)
        yield


def network(size=32, classes=7, activation=None):
    backbone = models.MODELS["tiny"](size)
    answer = keras.layers.Dense(classes, activation)(backbone.output)
    return keras.Model(backbone.input, answer)


@pytest.fixture(scope="module")
def model(demo, faces, tiny):
    """A model that knows a little, so that a temperature fits."""
    model = models.build("tiny", size=32)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    train = faces["train"]
    model.fit(plain(train, demo[0]), train.labels, epochs=30, verbose=0)
    return model


@pytest.fixture
def experiment(demo, model, tmp_path):
    """An experiment with a student and a teacher, which have not answered."""
    config, manifest = demo
    experiment = Experiment(tmp_path / "runs" / "demo")
    files.write_text(experiment.config, recipes.to_yaml(config))
    files.write_text(experiment.manifest, manifest.read_text())
    for run in (experiment.student("ce"), experiment.teacher("tiny")):
        run.path.mkdir(parents=True)
        model.save_weights(run.weights)
    return experiment


@pytest.fixture
def asked(demo, experiment):
    return Asked(demo[0], experiment)


def evaluated(subject, out, **options):
    options = {"manifest": subject.experiment.manifest, **options}
    return single.evaluate(subject, out, **options), Predictions.load(
        RunFolder(out).predictions
    )


def plain(faces, config):
    spec = pipeline.face_spec(config)
    return np.stack([prepare(crop.plain, spec) for crop in faces.crops])


def said(model, pictures):
    return model(pictures, training=False).numpy()


def answer_before(experiment, config):
    """Let the student answer and be calibrated, as training's stages do."""
    run = experiment.student("ce")
    predict.predict_run(config, experiment, run, config.student)
    stages.calibrate_all(config, experiment)
    return run


def test_a_run_answers_what_its_model_says(
    experiment, asked, faces, model, tmp_path
):
    subject = subjects.find(experiment.student("ce").path, asked)
    content, predictions = evaluated(subject, tmp_path / "out")
    for name in ("validation", "test"):
        answers = predictions.split(name)
        np.testing.assert_array_equal(answers.keys, faces[name].keys)
        expected = said(model, plain(faces[name], asked.config))
        np.testing.assert_allclose(answers.logits, expected, atol=1e-4)
    calibration = Calibration.load(tmp_path / "out" / "calibration.json")
    assert calibration.fitted_on == "validation"
    assert calibration.n == len(faces["validation"])
    assert calibration.temperature != 1
    assert content["temperature"] == calibration.temperature
    assert content["test"]["raw"]["n"] == len(faces["test"])
    assert content["evaluated"]["crops"] == "one"
    page = (tmp_path / "out" / "report.html").read_text()
    assert re.search("<h1>student-ce\\b", page)
    report = files.read_json(tmp_path / "out" / "report.json")
    assert report["models"] == {"student-ce": content}


def test_a_run_is_not_answered_or_calibrated_twice(
    experiment, asked, tmp_path, monkeypatch
):
    run = answer_before(experiment, asked.config)
    monkeypatch.setattr(subjects, "trained", None)
    monkeypatch.setattr(stages, "calibrate", None)
    subject = subjects.find(run.path, asked)
    _, predictions = evaluated(subject, tmp_path / "out")
    own = Predictions.load(run.predictions)
    for name in ("validation", "test"):
        np.testing.assert_array_equal(
            predictions.split(name).logits, own.split(name).logits
        )
    found = (tmp_path / "out" / "calibration.json").read_bytes()
    assert found == run.calibration.read_bytes()


def test_what_a_run_answered_of_another_manifest_is_not_taken(
    experiment, asked, faces, tmp_path
):
    run = answer_before(experiment, asked.config)
    rows = table.read(experiment.manifest)
    left_out = rows.index[rows["split"] == "test"][0]
    rows.loc[left_out, "excluded"] = "by hand"
    other = tmp_path / "other.csv"
    table.write(other, rows)
    subject = subjects.find(run.path, asked)
    _, predictions = evaluated(subject, tmp_path / "out", manifest=other)
    keys = set(faces["test"].keys) - {rows.loc[left_out, "key"]}
    assert set(predictions.split("test").keys) == keys


def test_what_was_calibrated_otherwise_is_fitted_anew(experiment, asked, tmp_path):
    run = answer_before(experiment, asked.config)
    asked = dataclasses.replace(asked, overrides=["calibrate.wanted_accuracy=0.3"])
    subject = subjects.find(run.path, asked)
    evaluated(subject, tmp_path / "out")
    calibration = Calibration.load(tmp_path / "out" / "calibration.json")
    assert calibration.wanted_accuracy == 0.3
    assert Calibration.load(run.calibration).wanted_accuracy == 0.9


def test_ten_crops_are_averaged_as_probabilities_and_fitted_as_such(
    experiment, asked, faces, model, tmp_path
):
    answer_before(experiment, asked.config)
    subject = subjects.find(experiment.student("ce").path, asked)
    content, predictions = evaluated(subject, tmp_path / "out", crops="ten")
    spec = pipeline.face_spec(asked.config)
    for name in ("validation", "test"):
        crops = [
            [ten_crop(crop, number, spec) for number in range(COUNT)]
            for crop in faces[name].crops
        ]
        probs = [metrics.softmax(said(model, np.stack(each))) for each in crops]
        found = np.exp(predictions.split(name).logits)
        np.testing.assert_allclose(found, np.mean(probs, axis=1), atol=1e-5)
    validation = predictions.split("validation")
    fitted = Calibration.fit(validation.logits, validation.labels, 0.9, "validation")
    found = Calibration.load(tmp_path / "out" / "calibration.json")
    assert found.temperature == pytest.approx(fitted.temperature)
    assert content["evaluated"]["crops"] == "ten"
    page = (tmp_path / "out" / "report.html").read_text()
    assert re.search("<h1>student-ce\\b.*ten", page)


def test_the_mean_of_probabilities_is_scipys_whatever_the_logits():
    logits = np.random.default_rng(0).normal(scale=900, size=(5, 10, 7))
    log_probs = logits - logsumexp(logits, axis=2, keepdims=True)
    expected = logsumexp(log_probs, axis=1) - np.log(10)
    np.testing.assert_allclose(predict.log_mean_probs(logits), expected, rtol=1e-12)


def test_the_mean_of_probabilities_by_hand():
    """Of (.9, .1) and (.1, .9) it is (.5, .5), and of one crop its own."""
    two = np.log([[[0.9, 0.1], [0.1, 0.9]], [[0.6, 0.4], [0.2, 0.8]]])
    found = np.exp(predict.log_mean_probs(two))
    np.testing.assert_allclose(found, [[0.5, 0.5], [0.4, 0.6]])
    np.testing.assert_allclose(predict.log_mean_probs(two[:, :1]), two[:, 0])


def test_a_keras_file_answers_as_the_model_that_was_saved(
    experiment, asked, faces, model, tmp_path
):
    model.save(tmp_path / "mine.keras")
    subject = subjects.find(tmp_path / "mine.keras", asked)
    assert (subject.name, subject.kind) == ("mine", "keras")
    _, predictions = evaluated(subject, tmp_path / "out")
    expected = said(model, plain(faces["test"], asked.config))
    np.testing.assert_allclose(predictions.split("test").logits, expected, atol=1e-4)
    digest = files.sha256_of(tmp_path / "mine.keras")
    assert predictions.made_from["weights"] == digest


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"size": 48},
            r"\(n, 32, 32, 3\).*\(n, 48, 48, 3\).*face\.size",
        ),
        ({"classes": 8}, r"\(n, 7\).*\(n, 8\)"),
        ({"activation": "softmax"}, "logits.*softmax"),
    ],
)
def test_a_keras_file_that_does_not_fit_is_refused(options, message, asked, tmp_path):
    network(**options).save(tmp_path / "other.keras")
    subject = subjects.find(tmp_path / "other.keras", asked)
    with pytest.raises(UserError, match=message):
        evaluated(subject, tmp_path / "out")
    network().save(tmp_path / "other.keras")
    evaluated(subject, tmp_path / "out")


def test_a_keras_file_that_is_damaged_or_runs_code_is_refused(asked, tmp_path):
    (tmp_path / "damaged.keras").write_bytes(b"no archive")
    picture = keras.Input((32, 32, 3))
    code = keras.layers.Lambda(lambda x: x / 2)(picture)
    keras.Model(picture, code).save(tmp_path / "code.keras")
    for name in ("damaged", "code"):
        subject = subjects.find(tmp_path / f"{name}.keras", asked)
        with pytest.raises(UserError, match=rf"{name}\.keras"):
            evaluated(subject, tmp_path / "out")


@pytest.mark.filterwarnings("ignore:You are saving a model")
def test_a_keras_file_that_was_never_built_is_refused(asked, tmp_path):
    keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(7)]).save(
        tmp_path / "unbuilt.keras"
    )
    subject = subjects.find(tmp_path / "unbuilt.keras", asked)
    with pytest.raises(UserError, match=r"unbuilt\.keras"):
        evaluated(subject, tmp_path / "out")


def test_a_bundle_is_scored_as_it_ships_and_fitted_anew(
    asked, tiny_bundle, tmp_path
):
    """By its own face, whatever the recipe's, and through the runtime."""
    other = recipes.load(None, [*OVERRIDES, "face.size=48", "face.grey=false"])
    data = dataclasses.replace(other.data, data_dir=asked.config.data.data_dir)
    asked = dataclasses.replace(asked, config=dataclasses.replace(other, data=data))
    subject = subjects.find(tiny_bundle, asked)
    content, predictions = evaluated(subject, tmp_path / "out")
    shipped = bundles.read(tiny_bundle)
    faces = pipeline.load(subject.config, asked.experiment.manifest)["test"]
    pictures = np.stack([prepare(crop.plain, shipped.face) for crop in faces.crops])
    probs = Classifier(shipped).classify(pictures)
    found = metrics.softmax(predictions.split("test").logits)
    np.testing.assert_allclose(found, probs, atol=1e-5)
    assert content["test"]["raw"]["nll"] == pytest.approx(
        metrics.nll(faces.labels, probs), abs=1e-5
    )
    assert "T = 1.500" in content["evaluated"]["raw"]
    page = (tmp_path / "out" / "report.html").read_text()
    assert "SMOKE" in page


def test_what_is_done_is_not_done_again_and_nothing_is_mixed(
    experiment, asked, tmp_path, monkeypatch
):
    subject = subjects.find(experiment.student("ce").path, asked)
    out = tmp_path / "out"
    evaluated(subject, out)
    kept = [out / "predictions.npz", out / "calibration.json", out / "metrics.json"]
    before = [path.stat().st_mtime_ns for path in kept]
    monkeypatch.setattr(subjects, "trained", None)
    evaluated(subject, out)
    assert [path.stat().st_mtime_ns for path in kept] == before
    with pytest.raises(UserError, match="crops.*'one'.*'ten'"):
        evaluated(subject, out, crops="ten")


def test_one_that_was_stopped_goes_on(experiment, asked, tmp_path, monkeypatch):
    subject = subjects.find(experiment.student("ce").path, asked)

    def stopped(run, wanted):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(stages, "calibrate", stopped)
        with pytest.raises(KeyboardInterrupt):
            evaluated(subject, tmp_path / "out")
    monkeypatch.setattr(subjects, "trained", None)
    content, _ = evaluated(subject, tmp_path / "out")
    assert content["model"] == "student-ce"


def test_pictures_are_on_the_page_only_where_asked_for(experiment, asked, tmp_path):
    subject = subjects.find(experiment.student("ce").path, asked)
    page = tmp_path / "out" / "report.html"
    evaluated(subject, tmp_path / "out")
    assert "data:image/png" not in page.read_text()
    evaluated(subject, tmp_path / "out", pictures=True)
    assert page.read_text().count("data:image/png") >= 7


def test_each_is_written_into_its_experiment(experiment, asked, tiny_bundle, tmp_path):
    root = experiment.root / "evaluations"
    student = subjects.find(experiment.student("ce").path, asked)
    teacher = subjects.find(experiment.teacher("tiny").path, asked)
    assert single.folder(student, "one") == root / "student-ce"
    assert single.folder(student, "ten") == root / "student-ce-ten-crops"
    assert single.folder(teacher, "one") == root / "tiny"
    assert single.folder(subjects.find(tiny_bundle, asked), "one") == root / "bundle"


def test_a_model_in_an_experiments_folder_is_asked_about_its_pictures(
    experiment, asked, model, tmp_path
):
    """Unless --config chose others, which a run has no use for."""
    elsewhere = Asked(recipes.load(None, ["seed=5"]), Experiment(tmp_path / "other"))
    path = experiment.root / "mine.keras"
    model.save(path)
    assert subjects.find(path, elsewhere).experiment == experiment
    assert subjects.find(path, elsewhere).config.experiment == "demo"
    chosen = dataclasses.replace(elsewhere, chosen=True)
    assert subjects.find(path, chosen).experiment == elsewhere.experiment
    assert subjects.find(path, chosen).config.seed == 5
    run = subjects.find(experiment.student("ce").path, chosen)
    assert run.experiment == experiment


def test_overrides_reach_a_runs_recipe_but_not_what_it_is(experiment, asked):
    path = experiment.student("ce").path
    wanted = dataclasses.replace(asked, overrides=["calibrate.wanted_accuracy=0.5"])
    assert subjects.find(path, wanted).config.calibrate == CalibrateConfig(0.5)
    other = dataclasses.replace(asked, overrides=["face.clahe_clip=0"])
    with pytest.raises(UserError, match="face.clahe_clip=0.*student-ce"):
        subjects.find(path, other)


def test_an_override_is_refused_though_the_run_has_answered(experiment, asked):
    """What it answered before was of pictures prepared as the recipe had it."""
    run = experiment.student("ce")
    config = asked.config
    face = recipes.to_dict(config.face)
    model = recipes.to_dict(config.student.model)
    files.write_json(run.asked, {"settings": {"face": face, "model": model}})
    assert subjects.find(run.path, asked)
    other = dataclasses.replace(asked, overrides=["face.clahe_clip=0"])
    with pytest.raises(UserError, match=r"face\.clahe_clip.*2\.0.*0\.0"):
        subjects.find(run.path, other)


@pytest.mark.parametrize("taught", [True, False])
def test_weights_are_loaded_by_the_recipe_they_were_trained_by(demo, tmp_path, taught):
    """Another CLAHE or size inside would fit as well, and answer something else."""
    config, _ = demo
    run = RunFolder(tmp_path)
    predict.stages.build(config, config.student).save_weights(run.weights)
    model = recipes.to_dict(config.student.model)
    own = {"model": model} if taught else {"stage": {"model": model}}
    face = recipes.to_dict(config.face)
    files.write_json(run.asked, {"settings": {"face": face, **own}})
    harmless = ["face.framing_from=yunet", "student.model.dropout=0.5"]
    same = recipes.load(None, [*OVERRIDES, *harmless])
    assert predict.trained(same, same.student, run.weights).count_params()
    for change in ("face.clahe_clip=0", "student.model.enlarge=2"):
        other = recipes.load(None, [*OVERRIDES, change])
        name = change.partition("=")[0].removeprefix("student.")
        with pytest.raises(UserError, match=rf"{name}\b"):
            predict.trained(other, other.student, run.weights)


def test_what_is_no_model_is_refused(experiment, asked, tmp_path):
    (tmp_path / "m.h5").write_bytes(b"")
    for path in (tmp_path / "nothing", tmp_path / "m.h5", experiment.root):
        with pytest.raises(UserError, match=re.escape(str(path))):
            subjects.find(path, asked)
    stray = RunFolder(experiment.root / "student-of-mine")
    stray.path.mkdir()
    stray.weights.write_bytes(b"")
    with pytest.raises(UserError, match="student-of-mine.*student-ce"):
        subjects.find(stray.path, asked)
    lonely = RunFolder(tmp_path / "lonely")
    lonely.path.mkdir()
    lonely.weights.write_bytes(b"")
    with pytest.raises(UserError, match="lonely.*config.yaml"):
        subjects.find(lonely.path, asked)
