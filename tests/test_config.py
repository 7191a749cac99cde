"""Recipes: what is read is what was written, and a wrong key names the nearest."""

from pathlib import Path

import pytest

from fer_tf import config as recipes
from fer_tf.errors import UserError

CONFIGS = sorted((Path(__file__).parents[1] / "configs").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_recipe_loads_and_shrinks(path):
    config = recipes.load(path)
    assert config.experiment == path.stem
    small = recipes.smoke(config)
    assert small.smoke
    assert small.student.train.epochs == 1
    assert small.data.limit > 0


def test_a_smoke_run_fetches_nothing_and_has_dummy_data_for_what_is_absent():
    config = recipes.load(None, ["student.model.weights=imagenet", "face.size=224"])
    small = recipes.smoke(config, ["drawn_faces"])
    assert small.data.dummy == ("drawn_faces",)
    assert small.student.model.weights == "none"
    assert small.face.size == 64


def test_a_recipe_that_is_small_gets_no_smaller():
    """So `--smoke --config` of a smoke run's own folder finds that run."""
    small = recipes.smoke(recipes.load(None, ["experiment=demo"]))
    assert small.experiment == "demo-smoke"
    assert recipes.smoke(small) == small


def test_dummy_data_is_for_smoke_runs_alone():
    with pytest.raises(UserError, match=r"data\.dummy"):
        recipes.load(None, ["data.dummy=[fer2013]"])


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_a_resolved_recipe_reads_back_the_same(path, tmp_path):
    config = recipes.load(path)
    (tmp_path / "c.yaml").write_text(recipes.to_yaml(config))
    assert recipes.load(tmp_path / "c.yaml") == config


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_recipe_has_its_run_book(path):
    header = path.read_text().split("\nexperiment:")[0]
    for word in ("fer-tf run", "Hardware", "Time", "Reaches"):
        assert word in header


def test_the_defaults_are_the_quickstart():
    quickstart = next(path for path in CONFIGS if path.stem == "quickstart")
    assert recipes.load(quickstart) == recipes.Config()


def test_train_at_the_top_lies_under_every_stage(tmp_path):
    (tmp_path / "c.yaml").write_text(
        "train: {epochs: 9, batch_size: 5}\ndistill: {kd: {train: {epochs: 2}}}\n"
    )
    config = recipes.load(tmp_path / "c.yaml")
    assert config.student.train.epochs == 9
    assert config.distill.kd.train.epochs == 2
    assert config.distill.kd.train.batch_size == 5
    assert config.distill.kd.start == "ce"


def test_an_override_of_train_reaches_every_stage(tmp_path):
    (tmp_path / "c.yaml").write_text("student: {train: {epochs: 2}}\n")
    config = recipes.load(tmp_path / "c.yaml", ["train.epochs=3"])
    stages = [*config.teachers, config.student, config.distill.kd, config.distill.dkd]
    assert {stage.train.epochs for stage in stages} == {3}


@pytest.mark.parametrize("order", [1, -1])
def test_a_stages_own_override_is_above_that_of_all(order):
    overrides = ["train.epochs=1", "student.train.epochs=20", "distill.kd.start=ce"]
    config = recipes.load(None, overrides[::order])
    assert config.student.train.epochs == 20
    assert config.teachers[0].train.epochs == config.distill.kd.train.epochs == 1


def test_a_recipe_changes_its_base(tmp_path):
    (tmp_path / "base.yaml").write_text("seed: 3\nface: {size: 48, grey: false}\n")
    (tmp_path / "c.yaml").write_text("base: base.yaml\nface: {size: 96}\n")
    config = recipes.load(tmp_path / "c.yaml")
    assert (config.seed, config.face.size, config.face.grey) == (3, 96, False)


def test_numbers_in_scientific_notation_are_numbers():
    config = recipes.load(None, ["train.learning_rate=1e-4"])
    assert config.student.train.learning_rate == 1e-4


@pytest.mark.parametrize(
    ("override", "nearest"),
    [
        ("trian.epochs=3", "train"),
        ("face.sise=48", "face.size"),
        ("distill.dkd.bta=1", "distill.dkd.beta"),
        ("train.epoch=3", "teachers[0].train.epochs"),
        ("train.best_by=macro-f1", "macro_f1"),
        ("export.precision=floot16", "float16"),
    ],
)
def test_a_wrong_name_is_answered_with_the_nearest(override, nearest):
    with pytest.raises(UserError) as raised:
        recipes.load(None, [override])
    assert raised.value.suggestion == nearest


@pytest.mark.parametrize(
    "override",
    [
        "train.epochs=three",
        "train.epochs=1.5",
        "train.epochs=0",
        "seed=true",
        "data=3",
        "data.sources=fer2013",
        "teachers=[]",
        "teachers=[{}]",
        "teachers=[3]",
        "distill=4",
        "distill.kd.weight=2",
        "seed.deep=1",
        "train=5",
        "train={epochs: 5}",
        "seed",
        "=3",
        "face={",
        "base=configs/full.yaml",
    ],
)
def test_a_wrong_value_is_the_users_mistake(override):
    with pytest.raises(UserError):
        recipes.load(None, [override])


@pytest.mark.parametrize(
    "override",
    [
        "augment.shift=-0.1",
        "augment.downscale=1.0",
        "augment.grey=1.5",
        "augment.jpeg_quality=96",
        "augment.blur=.nan",
        "calibrate.wanted_accuracy=90",
        "data.drawn_count=0",
        "data.limit=-1",
        "live.smoothing_ms=-1",
        "seed=-1",
        "student.model.dropout=1.5",
        "student.train.warmup=5",
        "student.train.weight_decay=-1",
        "student.train.mixup=-1",
        "student.train.cutmix=.inf",
        "student.train.learning_rate=.inf",
        "data.source_weights=[.nan]",
        "data.source_weights=[.inf]",
        "seed=4294967295",
        "face.size=0",
        "face.clahe_tiles=0",
        "face.clahe_clip=.nan",
        "student.train.sampling=class_balanced",
    ],
)
def test_a_value_out_of_its_range_is_named(override):
    name = override.partition("=")[0].removeprefix("student.")
    with pytest.raises(UserError, match=name):
        recipes.load(None, [override])


def test_a_batch_is_mixed_in_one_way():
    with pytest.raises(UserError, match=r"mixup.*cutmix"):
        recipes.load(None, ["student.train.mixup=0.2", "student.train.cutmix=1"])


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
@pytest.mark.parametrize("where", ["train", "distill.kd.train", "distill.dkd.train"])
def test_mixing_is_for_training_on_labels_alone(name, where):
    """`train.mixup` reaches every stage: the error says what does not."""
    with pytest.raises(UserError, match=f"student.train.{name}=0.3"):
        recipes.load(None, [f"{where}.{name}=0.3"])
    config = recipes.load(None, [f"student.train.{name}=0.3"])
    assert getattr(config.student.train, name) == 0.3


def test_a_recipe_may_mix_in_all_stages_but_distillation(tmp_path):
    none = "{train: {mixup: 0.0}}"
    (tmp_path / "c.yaml").write_text(
        f"train: {{mixup: 0.3}}\ndistill: {{kd: {none}, dkd: {none}}}\n"
    )
    config = recipes.load(tmp_path / "c.yaml")
    assert config.teachers[0].train.mixup == config.student.train.mixup == 0.3
    assert config.distill.kd.train.mixup == 0


@pytest.mark.parametrize(
    "text",
    [
        "- a\n",
        "a: [\n",
        "seed: 1\nseeed: 2\n",
        "base: [a]\n",
        "base: c.yaml\n",
        "train: 5\n",
        "train: {epochs: 2}\nteachers:\n",
        "train: {epochs: 2}\nteachers: [3]\n",
        "train: {epochs: 2}\nstudent: {train: 5}\n",
        "train: {epochs: 2}\ndistill: x\n",
    ],
)
def test_a_file_that_is_no_recipe_is_refused(tmp_path, text):
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(UserError):
        recipes.load(tmp_path / "c.yaml")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match="nowhere.yaml"):
        recipes.load(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize("wanted", ["0", "1", "90"])
def test_a_coverage_that_no_set_can_have_is_refused(wanted):
    with pytest.raises(UserError, match=f"calibrate.wanted_coverage.* {wanted}"):
        recipes.load(CONFIGS[0], [f"calibrate.wanted_coverage={wanted}"])


def test_an_unknown_calibration_method_names_the_nearest():
    with pytest.raises(UserError, match="calibrate.method.*'vektor'") as raised:
        recipes.load(CONFIGS[0], ["calibrate.method=vektor"])
    assert raised.value.suggestion == "vector"


SOURCES = "data.sources=[fer2013,posed,wild]"


def test_a_source_to_validate_on_is_one_of_the_sources():
    config = recipes.load(None, [SOURCES, "data.validate_on=[posed]"])
    assert config.data.validate_on == ("posed",)
    with pytest.raises(UserError, match="validate_on.*'pozed'.*'posed'"):
        recipes.load(None, [SOURCES, "data.validate_on=[pozed]"])


@pytest.mark.parametrize(
    ("overrides", "datum"),
    [
        (["data.validate_on=[posed]", "data.held_out=[posed]"], "posed"),
        (["data.validate_on=[fer2013,posed,wild]"], "validate_on"),
        (["data.validate_on=[fer2013,posed]", "data.held_out=[wild]"], "held_out"),
    ],
)
def test_sources_to_validate_on_leave_something_to_train_on(overrides, datum):
    with pytest.raises(UserError, match=datum):
        recipes.load(None, [SOURCES, *overrides])


@pytest.mark.parametrize("key", ["train.best_by", "soft_labels.search"])
def test_a_criterion_is_named_by_its_nearest(key):
    with pytest.raises(UserError, match="'balanced_nll'"):
        recipes.load(None, [f"{key}=balanced_nnl"])
