from pathlib import Path

import pytest

from fer_tf import files
from fer_tf.experiment import Experiment
from fer_tf.fusion import SoftLabels

TINY = ["experiment=demo", "soft_labels.views=2"]


@pytest.fixture
def experiment(tmp_path, answer):
    experiment = Experiment(tmp_path / "runs" / "demo")
    answer("teachers/resnet18", views=2).save(
        experiment.teacher("resnet18").predictions
    )
    for stage, skill in {"ce": 1.2, "kd": 3.0}.items():
        predictions = answer(f"student-{stage}", skill=skill)
        predictions.save(experiment.student(stage).predictions)
    return experiment


@pytest.fixture
def calibrated(call, experiment):
    result = call("calibrate", *TINY)
    assert result.exit_code == 0, result.output
    return experiment


@pytest.mark.parametrize(
    "command", ["fuse", "calibrate", "evaluate", "compare", "gate"]
)
def test_help_has_an_example(call, command):
    result = call(command, "--help")
    assert result.exit_code == 0
    assert f"fer-tf {command} " in result.output


def test_fuse_calibrate_evaluate(call, experiment):
    for command in ("fuse", "calibrate", "evaluate"):
        result = call(command, *TINY)
        assert result.exit_code == 0, result.output
    assert SoftLabels.load(experiment.soft_labels).views == 2
    models = files.read_json(experiment.report)["models"]
    assert list(models) == ["resnet18", "fused", "student-ce", "student-kd"]
    assert result.output.strip().endswith("report.html")
    page = experiment.report.with_suffix(".html").read_text()
    assert all(name in page for name in models)


def test_the_report_shows_weights_for_each_class(call, experiment):
    for command in ("fuse", "calibrate", "evaluate"):
        result = call(command, *TINY, "soft_labels.per_class=true")
        assert result.exit_code == 0, result.output
    page = experiment.report.with_suffix(".html").read_text()
    assert "<th>resnet18<td>" + 7 * "1.00 " + "<td>" in page


def test_a_missing_input_is_the_users_to_mend(call):
    for command in ("fuse", "calibrate", "evaluate"):
        result = call(command, *TINY)
        assert result.exit_code == 2
        assert "fer-tf train --stage teachers" in result.output


def test_compare_prints_and_writes(call, calibrated, tmp_path):
    runs = [str(calibrated.student(stage).path) for stage in ("ce", "kd")]
    result = call("compare", *runs, "--out", "comparison.json")
    assert result.exit_code == 0, result.output
    table = files.read_json(tmp_path / "comparison.json")
    value, low, high = table["differences"]["student-kd"]["accuracy"]
    assert f"| **{value:+.3f} ({low:+.3f} to {high:+.3f})** |" in result.output
    assert low > 0
    assert (table["split"], table["seed"]) == ("test", 0)
    predictions = calibrated.student("ce").predictions
    assert table["inputs"][str(predictions)] == files.sha256_of(predictions)
    assert len(table["inputs"]) == 4
    assert call("compare", runs[0]).exit_code == 2


def test_compare_takes_several_seeds_as_one_run(call, tmp_path, answer):
    for seed in range(3):
        path = Experiment(tmp_path / f"seed,{seed}").student("kd").predictions
        answer(f"seed{seed}", skill=3.0).save(path)
    seeds = [f"seed,{seed}/student-kd" for seed in range(3)]
    (tmp_path / "seed,0").rename(tmp_path / "one")
    (tmp_path / "seed,1").rename(tmp_path / "two")
    result = call("compare", seeds[2], "one/student-kd,two/student-kd")
    assert result.exit_code == 0, result.output
    assert "student-kd, 2 seeds" in result.output
    assert "±" in result.output
    missing = call("compare", seeds[2], "one/student-kd,nowhere/student-kd")
    assert missing.exit_code == 2
    assert "nowhere/student-kd" in missing.output


def test_the_gate_fails_passes_and_forgives(call, calibrated, tmp_path, answer):
    weak, strong = (str(calibrated.student(stage).path) for stage in ("ce", "kd"))
    result = call("gate", weak, strong, "--out", "gate.json")
    assert result.exit_code == 1
    assert "verdict" in result.output
    content = files.read_json(tmp_path / "gate.json")
    assert content["verdict"] == "fail"
    assert (content["candidate"], content["baseline"]) == (weak, strong)
    assert content["rules"] == "gate.yaml"
    assert len(content["inputs"]) == 4
    assert {finding["figure"] for finding in content["findings"]} == {
        "macro_f1", "lowest_three_f1", "ece"
    }
    assert call("gate", weak, strong, "--allow-inconclusive").exit_code == 1
    assert call("gate", strong, strong).exit_code == 0

    rules = tmp_path / "rules.yaml"
    rules.write_text("max_drop: {macro_f1: 0.9}")
    assert call("gate", weak, strong, "--rules", str(rules)).exit_code == 0
    equal = Experiment(tmp_path / "equal").student("kd").predictions
    answer("equal", skill=3.0).save(equal)
    rules.write_text("max_drop: {macro_f1: 0.0}")
    options = ["gate", str(equal), strong, "--rules", str(rules)]
    assert call(*options).exit_code == 1
    assert call(*options, "--allow-inconclusive").exit_code == 0


@pytest.fixture
def evaluated(monkeypatch):
    """What each model is evaluated with, in place of being evaluated."""
    from fer_tf.evaluation import single

    noted = []
    figures = {"accuracy": 0.5, "macro_f1": 0.4, "nll": 1.2, "brier": 0.6, "ece": 0.1}
    figures |= {"n": 1234, "intervals": {"accuracy": [0.45, 0.55]}}

    def evaluate(subject, out, **options):
        noted.append((subject, out, options))
        return {"test": {"raw": figures, "calibrated": figures}}

    monkeypatch.setattr(single, "evaluate", evaluate)
    return noted


def test_models_are_evaluated_one_after_the_other(
    call, evaluated, tiny_bundle, tmp_path
):
    (tmp_path / "runs" / "demo").mkdir(parents=True)
    (tmp_path / "runs" / "demo" / "manifest.csv").write_text("")
    (tmp_path / "mine.keras").write_bytes(b"")
    models = [str(tiny_bundle), "mine.keras"]
    result = call("evaluate", *models, *TINY, "--crops", "ten", "--pictures")
    assert result.exit_code == 0, result.output
    root = Path("runs", "demo")
    names = ["bundle-ten-crops", "mine-ten-crops"]
    assert [out for _, out, _ in evaluated] == [root / "evaluations" / n for n in names]
    asked = {"manifest": root / "manifest.csv", "crops": "ten", "pictures": True}
    assert [options for _, _, options in evaluated] == [asked] * 2
    assert "n = 1,234" in result.output
    assert "0.450 to 0.550" in result.output
    for name in names:
        assert str(root / "evaluations" / name / "report.html") in result.output


def test_overrides_and_choice_of_a_recipe_reach_a_model(
    call, evaluated, tiny_bundle, tmp_path
):
    manifest = tmp_path / "m.csv"
    manifest.write_text("")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("seed: 7")
    options = [str(tiny_bundle), "--manifest", str(manifest), "--out", "here"]
    assert call("evaluate", *options, "calibrate.method=vector").exit_code == 0
    assert call("evaluate", *options, "--config", str(recipe)).exit_code == 0
    (one, out, asked), (other, _, _) = evaluated
    assert (one.config.seed, one.config.calibrate.method) == (0, "vector")
    assert (other.config.seed, other.config.calibrate.method) == (7, "temperature")
    assert (out, asked["manifest"]) == (Path("here"), manifest)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--crops", "ten"], "--out, --manifest"),
        (["--out", "here"], "--out, --manifest"),
        (["nowhere"], "nowhere"),
        (["a.keras", "--dry-run"], "'a.keras'"),
        (["a.keras"], "fer-tf data"),
        (["a.keras", "b/a.keras"], "evaluations/a"),
        (["a.keras", "c.keras", "--out", "here"], "here"),
    ],
)
def test_a_mistake_about_models_is_one_line(call, tmp_path, arguments, message):
    (tmp_path / "b").mkdir()
    for name in ("a.keras", "b/a.keras", "c.keras"):
        (tmp_path / name).write_bytes(b"")
    result = call("evaluate", *arguments, *TINY)
    assert result.exit_code == 2
    assert message in result.output.replace("\n", " ")


@pytest.mark.parametrize("flag", [(), ("--pictures",)], ids=["without", "with"])
def test_an_experiments_report_gets_pictures_only_where_asked_for(
    call, monkeypatch, flag
):
    from fer_tf.evaluation import stages

    noted = []
    monkeypatch.setattr(stages, "evaluate_all", lambda *given: noted.append(given[-1]))
    assert call("evaluate", *TINY, *flag).exit_code == 0
    assert [callable(find) for find in noted] == [bool(flag)]
