"""Every stage verifies what it reads, and records what it depends on."""

import dataclasses
import shutil

import pytest

from export import framing
from export import stage as exporting
from fer_tf import config as recipes
from fer_tf import files
from fer_tf import fusion
from fer_tf.cli import run as whole
from fer_tf.cli import train as commands
from fer_tf.errors import UserError
from fer_tf.evaluation import comparison
from fer_tf.evaluation import results
from fer_tf.evaluation import stages
from fer_tf.experiment import Experiment
from fer_tf.experiment import Step
from fer_tf.live import rehearsal
from fer_tf.manifest import report
from fer_tf.manifest import table
from fer_tf.picture import decode

# As the shared fixtures name the experiment's folder.
NAME = "finished"
MODELS = ("teachers/wide", "teachers/narrow", "student-ce", "student-kd")
MORE = (
    "face.framing_from=records",
    "distill.kd.start=ce",
    "export.allow_loss=true",
    "live.hold_ms=200",
)


@pytest.fixture
def framed(monkeypatch, drawn_records):
    """Framing is fitted to synthetic records, which have boxes."""
    pairs = [(record, decode(record.image)) for record in drawn_records[:20]]
    monkeypatch.setattr(framing, "kept_records", lambda *_: iter(pairs))


def kd(config, experiment):
    commands.distill_student(config, experiment, "kd")


def kd_again(config, experiment):
    shutil.rmtree(experiment.student("kd").path)
    kd(config, experiment)


def ce_again(config, experiment):
    shutil.rmtree(experiment.student("ce").path)
    commands.train_student(config, experiment)


def predict_again(config, experiment):
    experiment.teacher("wide").answered.unlink()
    commands.train_teacher(config, experiment, config.teachers[0])


def fuse_again(config, experiment):
    shutil.rmtree(experiment.fused.path)
    fusion.run(config, experiment)


def calibrate_again(config, experiment):
    for record in experiment.root.rglob("calibrate.json"):
        record.unlink()
    stages.calibrate_all(config, experiment)


def evaluate_again(config, experiment):
    for record in experiment.root.rglob("evaluate.json"):
        record.unlink()
    stages.evaluate_all(config, experiment)


def frame_again(config, experiment):
    experiment.framed.unlink()
    framing.fit(config, experiment)


def export_again(config, experiment):
    shutil.rmtree(experiment.exported.parent)
    exporting.export_student(config, experiment)


def export_elsewhere(config, experiment):
    exporting.export_student(config, experiment, experiment.root / "other")


def play(folder, bundle, live, *, seed, seconds):
    """Stand in for a session: write what depends on everything that was asked."""
    asked = {**dataclasses.asdict(live), "seed": seed, "seconds": seconds}
    files.write_text(folder / "frames.csv", str(asked))


def show_results(config, experiment):
    results.collect([experiment.root])


def compare(config, experiment):
    pair = [[experiment.student("ce").path], [experiment.student("kd").path]]
    comparison.load_all(pair, "test")


def play_again(config, experiment):
    experiment.rehearsed.unlink(missing_ok=True)
    whole._rehearse(config, experiment)


@pytest.fixture(scope="module")
def finished_once(
    tmp_path_factory, trained_once, drawn_records, drawn_faces, recipe, tiny_models
):
    """An experiment whose stages are all done, but for the clip at its end."""
    root = tmp_path_factory.mktemp("once") / NAME
    experiment = Experiment(shutil.copytree(trained_once, root))
    config = recipe(*MORE)
    files.write_text(experiment.config, recipes.to_yaml(config))
    summary = experiment.manifest.with_suffix(".json")
    rejects = {"drawn_faces": {"attempted": 140, "rejected": {}}}
    content = report.report(table.read(experiment.manifest), rejects)
    content["records"] = {"drawn_faces": {"sha256": "0" * 64}}
    files.write_json(summary, content)
    step = Step(experiment.cleaned, {})
    step.is_done()
    step.finish([experiment.manifest, summary])
    pairs = [(record, decode(record.image)) for record in drawn_records[:20]]
    with pytest.MonkeyPatch.context() as monkeypatch:
        tiny_models(monkeypatch, drawn_faces)
        monkeypatch.setattr(framing, "kept_records", lambda *_: iter(pairs))
        framing.fit(config, experiment)
        kd(config, experiment)
        stages.calibrate_all(config, experiment)
        stages.evaluate_all(config, experiment)
        exporting.export_student(config, experiment)
    return root


@pytest.fixture
def finished(tmp_path, tiny, framed, finished_once, monkeypatch):
    """A copy of a finished experiment, in a folder of the same name."""
    monkeypatch.setattr(rehearsal, "rehearse", play)
    return Experiment(shutil.copytree(finished_once, tmp_path / NAME))


def of_all(name):
    return [f"{model}/{name}" for model in MODELS]


READS = {
    ce_again: ["manifest.csv"],
    predict_again: ["manifest.csv", "teachers/wide/best.weights.h5"],
    fuse_again: [
        *(f"teachers/{name}/predictions.npz" for name in ("wide", "narrow")),
        *(f"teachers/{name}/best.weights.h5" for name in ("wide", "narrow")),
    ],
    kd_again: [
        "manifest.csv",
        "soft_labels/soft_labels.npz",
        "soft_labels/soft_labels.json",
        "student-ce/best.weights.h5",
        "student-ce/predictions.npz",
        "teachers/wide/predictions.npz",
    ],
    calibrate_again: [
        *of_all("predictions.npz"),
        *of_all("best.weights.h5"),
        "soft_labels/predictions.npz",
    ],
    evaluate_again: [
        *of_all("predictions.npz"),
        *of_all("calibration.json"),
        "soft_labels/predictions.npz",
        "soft_labels/soft_labels.json",
        "student-kd/judgement.json",
        "manifest.json",
    ],
    frame_again: ["manifest.csv"],
    **dict.fromkeys(
        (export_again, export_elsewhere),
        [
            *("framing.json", "manifest.csv", "manifest.json"),
            *(f"{{student}}/{name}" for name in ("best.weights.h5", "predictions.npz")),
            *(f"{{student}}/{name}" for name in ("calibration.json", "metrics.json")),
            # Which student is the best is read from all of them.
            *("student-ce/metrics.json", "student-kd/metrics.json"),
        ],
    ),
    show_results: [
        *of_all("metrics.json"),
        *of_all("predictions.npz"),
        *of_all("calibration.json"),
        "soft_labels/soft_labels.json",
    ],
    compare: [
        *(f"student-ce/{name}" for name in ("predictions.npz", "calibration.json")),
        *(f"student-kd/{name}" for name in ("predictions.npz", "calibration.json")),
    ],
    play_again: ["bundle/bundle.json", "bundle/model.tflite"],
}
CASES = [(stage, name) for stage, names in READS.items() for name in names]


def snapshot(root):
    return {
        path.relative_to(root): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file()
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stage", "name"), CASES, ids=[f"{stage.__name__}-{name}" for stage, name in CASES]
)
def test_a_flipped_bit_in_an_input_stops_a_stage(finished, recipe, stage, name):
    config = recipe(*MORE)
    student = stages.exported_student(config, finished)
    path = finished.root / name.format(student=f"student-{student}")
    content = bytearray(path.read_bytes())
    # Past headers, in the data themselves.
    content[len(content) // 3] ^= 1
    path.write_bytes(content)
    before = snapshot(finished.root)
    with pytest.raises(UserError) as raised:
        stage(config, finished)
    assert str(path) in str(raised.value)
    after = snapshot(finished.root)
    assert {each: after[each] for each in after if each not in before} == {}
    assert all(before[each] == content for each, content in after.items())


@pytest.mark.slow
@pytest.mark.parametrize("stage", READS, ids=lambda stage: stage.__name__)
def test_without_damage_the_same_stages_run(finished, recipe, stage):
    if stage is ce_again:
        shutil.rmtree(finished.student("kd").path)
    stage(recipe(*MORE), finished)


@pytest.mark.slow
def test_a_finished_experiment_is_done(finished, recipe, written):
    config = recipe(*MORE)
    before = written(finished.root)
    for teacher in config.teachers:
        commands.train_teacher(config, finished, teacher)
    commands.train_student(config, finished)
    fusion.run(config, finished)
    kd(config, finished)
    framing.fit(config, finished)
    stages.calibrate_all(config, finished)
    exporting.export_student(config, finished)
    assert written(finished.root) == before


# What a stage is asked, of a config: each is done in a finished experiment.
ASKED = {
    "train_teacher": lambda config, experiment: commands.train_teacher(
        config, experiment, config.teachers[0]
    ),
    "train_student": commands.train_student,
    "fuse": fusion.run,
    "distill": kd,
    "frame": framing.fit,
    "calibrate": stages.calibrate_all,
    "export": exporting.export_student,
    "play": whole._rehearse,
}
# Where files lie; and whether there is a stage at all.
PLACES = {"data.data_dir", "data.raw", "live.drawn_clip"}
# What a stage reads, and what it writes does not depend on.
EXEMPT = {
    **dict.fromkeys(
        ("train_teacher", "train_student", "distill"),
        {
            # The title of a run in TensorBoard.
            "experiment",
            # Whether the manifest has the labels that all teachers need.
            *("teachers.0.model.head", "teachers.1.model.head"),
            # How many folds there are, which matters to a fold alone.
            "soft_labels.folds",
            # Where soft labels came from, which are an input themselves.
            "soft_labels.stored",
        },
    ),
    # Which runs there are: each has a record of its own.
    "calibrate": {"teachers.0.model.name", "teachers.1.model.name"},
    # The framing itself is an input.
    "export": {"face.framing_from"},
}
OTHER_TEXT = {
    "model.name": ("narrow", "wide", "small"),
    "framing_from": ("records", "yunet"),
    "head": ("linear", "arcface"),
    "best_by": ("macro_f1", "nll"),
    "precision": ("float32", "float16", "mixed_bfloat16"),
    "sampling": ("shuffle", "balanced"),
    "imbalance": ("none", "focal"),
    "search": ("nll", "macro_f1"),
    "memorised": ("warn", "soften"),
    "disagreeing": ("list", "merge"),
    "method": ("temperature", "vector"),
    "export.student": ("ce", "kd"),
    "start": ("ce", "scratch"),
    "teacher": ("stored", "live"),
    "weights": ("none", "imagenet"),
}


def recording(value, reads, prefix=""):
    """Return a copy of a config that notes which of its fields are read."""
    names = [each.name for each in dataclasses.fields(value)]

    def read(self, name):
        found = super(kind, self).__getattribute__(name)
        if name in names and not dataclasses.is_dataclass(found):
            if not is_tuple_of_configs(found):
                reads.add(f"{prefix}{name}")
        return found

    kind = type(type(value).__name__, (type(value),), {"__getattribute__": read})
    copy = object.__new__(kind)
    for name in names:
        found = getattr(value, name)
        if dataclasses.is_dataclass(found):
            found = recording(found, reads, f"{prefix}{name}.")
        elif is_tuple_of_configs(found):
            found = tuple(
                recording(each, reads, f"{prefix}{name}.{index}.")
                for index, each in enumerate(found)
            )
        object.__setattr__(copy, name, found)
    return copy


def is_tuple_of_configs(value):
    return isinstance(value, tuple) and any(map(dataclasses.is_dataclass, value))


def others(path, value):
    """Yield other values for a field; some may be out of bounds."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield from (value + 1, value + 2, value - 1)
    elif isinstance(value, float):
        yield from (value / 2, value + 0.1, value + 1, 0.9)
    elif isinstance(value, tuple):
        weights = path.endswith("source_weights")
        yield from [(1.0,)] if weights else [("drawn_faces", "fer2013"), ("fer2013",)]
    else:
        known = [names for end, names in OTHER_TEXT.items() if path.endswith(end)]
        yield from (known[0] if known else (f"{value}-other", "imagenet"))


def changed(config, path):
    """Return a config with another value in one field; None if none is valid."""
    name, _, rest = path.partition(".")
    value = getattr(config, name)
    if rest and isinstance(value, tuple):
        index, _, rest = rest.partition(".")
        part = changed(value[int(index)], rest)
        if part is None:
            return None
        parts = [*value]
        parts[int(index)] = part
        return replaced(config, name, tuple(parts))
    if rest:
        part = changed(value, rest)
        return None if part is None else replaced(config, name, part)
    for other in others(path, value):
        found = replaced(config, name, other) if other != value else None
        if found is not None:
            return found
    return None


def replaced(config, name, value):
    try:
        return dataclasses.replace(config, **{name: value})
    except (UserError, TypeError):
        return None


def leaves(config):
    reads = set()
    dataclasses.asdict(recording(config, reads))
    return sorted(reads)


def is_stale(stage, config, experiment):
    """Tell whether a stage that was done refuses to be done for another config."""
    try:
        ASKED[stage](config, experiment)
    except UserError:
        return True
    return False


@pytest.mark.slow
@pytest.mark.parametrize("stage", ASKED)
def test_a_changed_field_that_a_stage_reads_makes_it_stale(
    finished, recipe, stage, monkeypatch
):
    config, reads = recipe(*MORE), set()
    again = {
        "train_teacher": lambda *_: shutil.rmtree(finished.teacher("wide").path),
        "train_student": lambda *_: shutil.rmtree(finished.student("ce").path),
        "fuse": lambda *_: shutil.rmtree(finished.fused.path),
        "distill": lambda *_: shutil.rmtree(finished.student("kd").path),
        "frame": lambda *_: finished.framed.unlink(),
        "calibrate": lambda *_: [
            each.unlink() for each in finished.root.rglob("calibrate.json")
        ],
        "export": lambda *_: shutil.rmtree(finished.exported.parent),
        "play": lambda *_: None,
    }
    again[stage]()
    ASKED[stage](recording(config, reads), finished)
    others = {path: changed(config, path) for path in leaves(config)}
    tried = [path for path, other in others.items() if other and path not in PLACES]
    assert len(tried) > 60
    stale = {path for path in tried if is_stale(stage, others[path], finished)}
    known = reads & {*tried} - EXEMPT.get(stage, set())
    assert known - stale == set(), "read, and not in the record"
    if stage in ("frame", "play"):
        assert stale == known
