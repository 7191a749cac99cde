"""`fer-tf data` from raw to manifest, and what it says when it cannot."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("tensorflow_datasets")

import tfds_builders  # noqa: E402
from fer_tf import config as recipes  # noqa: E402
from fer_tf import files  # noqa: E402
from fer_tf.cli import main  # noqa: E402
from fer_tf.errors import UserError  # noqa: E402
from fer_tf.experiment import Experiment  # noqa: E402
from fer_tf.experiment import Step  # noqa: E402
from fer_tf.experiment import verify  # noqa: E402
from fer_tf.manifest import table  # noqa: E402

COUNT = "data.drawn_count=40"


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """A folder with forty drawn faces, built by the command."""
    folder = tmp_path_factory.mktemp("records")
    result = run("build", "drawn_faces", COUNT, "--data-dir", folder)
    assert result.exit_code == 0
    assert result.stdout.split() == [str(folder / "drawn_faces/n40_seed0/1.0.0")]
    return folder


@pytest.fixture
def manifest(data_dir, tmp_path):
    """The manifest of these, written by the command."""
    path = tmp_path / "manifest.csv"
    result = run("clean", "drawn_faces", COUNT, "--data-dir", data_dir, "--out", path)
    assert result.exit_code == 0 and "40 of 40 " in result.stdout
    return path


def run(*arguments):
    """Run `fer-tf data` with `arguments`."""
    return CliRunner().invoke(main, ["data", *map(str, arguments)])


def test_clean_writes_the_manifest_and_its_report(manifest):
    rows = table.read(manifest)
    summary = json.loads(manifest.with_suffix(".json").read_text())
    assert len(rows) == summary["rows"] == summary["kept"] == 40
    described = summary["records"]["drawn_faces"]
    assert described["folder"] == "drawn_faces/n40_seed0/1.0.0"
    assert len(described["sha256"]) == 64


def test_without_a_source_the_recipes_are_taken(data_dir, tmp_path):
    path = tmp_path / "manifest.csv"
    result = run("clean", COUNT, "data.limit=3", "--data-dir", data_dir, "--out", path)
    assert result.exit_code == 0 and "9 of 40 " in result.stdout
    assert "31 limit" in result.stdout


def test_validate_says_so_when_all_is_well(manifest, data_dir):
    result = run("validate", manifest, "--data-dir", data_dir)
    assert result.exit_code == 0 and "40 " in result.stdout


def test_validate_names_the_row_that_is_wrong(manifest, data_dir):
    rows = table.read(manifest)
    rows.loc[5, "sha256"] = "0" * 64
    table.write(manifest, rows)
    result = run("validate", manifest, "--data-dir", data_dir)
    assert result.exit_code == 1
    assert f"{rows.loc[5, 'key']}: " in result.stdout
    # And that the manifest is not as it was written.
    assert "2 findings" in result.stderr


def test_an_edited_manifest_is_refused_until_it_is_accepted(manifest, data_dir):
    rows = table.read(manifest)
    rows.loc[5, "excluded"] = "by hand"
    rows.loc[6, "group"] = "mine"
    table.write(manifest, rows)
    with pytest.raises(UserError) as error:
        table.read(manifest)
    assert "--accept" in str(error.value) and str(manifest) in str(error.value)
    assert run("validate", manifest, "--data-dir", data_dir).exit_code == 1

    accepted = run("validate", manifest, "--accept", "--data-dir", data_dir)
    assert accepted.exit_code == 0, accepted.output
    assert (table.read(manifest) == rows).all().all()
    summary = files.read_json(manifest.with_suffix(".json"))
    assert (summary["kept"], summary["rows"]) == (39, 40)
    assert summary["by_source"]["drawn_faces"]["attempted"] == 40
    assert run("validate", manifest, "--data-dir", data_dir).exit_code == 0


def test_an_accepted_manifest_is_what_its_experiment_recorded(manifest, data_dir):
    experiment = Experiment(manifest.parent)
    step = Step(experiment.cleaned, {})
    step.is_done()
    step.finish([manifest, manifest.with_suffix(".json")])
    verify([manifest])
    rows = table.read(manifest)
    rows.loc[5, "excluded"] = "by hand"
    table.write(manifest, rows)
    with pytest.raises(UserError):
        verify([manifest])
    accepted = run("validate", manifest, "--accept", "--data-dir", data_dir)
    assert accepted.exit_code == 0, accepted.output
    verify([manifest, manifest.with_suffix(".json")])


def test_what_is_wrong_is_not_accepted(manifest, data_dir):
    rows = table.read(manifest)
    rows.loc[5, "split"] = "tst"
    table.write(manifest, rows)
    result = run("validate", manifest, "--accept", "--data-dir", data_dir)
    assert result.exit_code == 1 and rows.loc[5, "key"] in result.stdout
    assert table.changed(manifest)


@pytest.mark.parametrize("report", ["{}", "[]"])
def test_validate_names_a_report_that_is_none(manifest, data_dir, report):
    manifest.with_suffix(".json").write_text(report)
    result = run("validate", manifest, "--data-dir", data_dir)
    assert result.exit_code == 2
    assert f"{manifest.with_suffix('.json')}" in result.stderr
    assert "`records`" in result.stderr


@pytest.mark.parametrize("suffix", [".json", ".html", ".HTML"])
def test_the_report_does_not_take_the_manifests_place(data_dir, tmp_path, suffix):
    out = tmp_path / f"m{suffix}"
    result = run("clean", "drawn_faces", COUNT, "--data-dir", data_dir, "--out", out)
    assert result.exit_code == 2 and str(out) in result.stderr
    assert not out.exists()


def test_what_is_built_already_is_told(data_dir, caplog):
    result = run("build", "drawn_faces", COUNT, "--data-dir", data_dir)
    assert result.exit_code == 0
    assert str(data_dir / "drawn_faces" / "n40_seed0") in caplog.text


def test_stats_show_a_split_that_is_none(manifest, caplog):
    """`validate` is there to say what is wrong with it."""
    rows = table.read(manifest)
    rows.loc[5, "split"] = "tst"
    table.write(manifest, rows)
    result = run("stats", manifest)
    assert result.exit_code == 0 and "tst" in result.stdout
    assert [each.levelname for each in caplog.records] == ["WARNING"]


def test_stats_are_a_table_with_every_class(manifest):
    result = run("stats", manifest)
    assert result.exit_code == 0
    for word in ("drawn_faces", "validation", "Surprise", "Neutral"):
        assert word in result.stdout


def test_a_corpus_that_is_not_there_is_the_users_mistake(tmp_path):
    result = run("build", "fer2013", "--raw", tmp_path, "--data-dir", tmp_path)
    assert result.exit_code == 2
    assert str(tmp_path / "fer2013") in result.stderr and "fer2013.csv" in result.stderr


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("build", "drawn_face"), "'drawn_faces'"),
        (("build", "rafdb", "--raw", "nowhere"), "rafdb needs EmoLabel/"),
        (("clean", "fer2013", "--data-dir", "nowhere"), "fer-tf data build fer2013"),
        (("stats", "nowhere.csv"), "nowhere.csv"),
        (("validate",), "MANIFEST"),
        (("stats",), "'MANIFEST'"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_two(arguments, message):
    result = run(*arguments)
    assert result.exit_code == 2 and message in result.stderr


@pytest.mark.parametrize("command", ["build", "clean", "validate", "stats"])
def test_help_holds_an_example(command):
    assert f"fer-tf data {command} " in run(command, "--help").stdout


def test_a_dry_run_prints_the_recipe_and_builds_nothing(tmp_path):
    result = run("build", COUNT, "--data-dir", tmp_path, "--dry-run")
    assert "drawn_count: 40" in result.stdout
    assert not any(tmp_path.iterdir())


FULL = Path(__file__).parents[2] / "configs" / "full.yaml"


@pytest.mark.slow
def test_in_a_smoke_run_dummy_data_stands_in_for_what_is_absent(tmp_path):
    """The recipe of all corpora, on a machine that has one of them."""
    raw, records_dir = tmp_path / "raw", tmp_path / "records"
    dummy = Path(tfds_builders.__file__).parent / "rafdb" / "dummy_data"
    shutil.copytree(dummy, raw / "rafdb")
    asked = ("--smoke", "--config", FULL, "--data-dir", records_dir)
    built = run("build", *asked, "--raw", raw)
    assert built.exit_code == 0, built.output
    swapped = built.stderr.count("dummy data")
    assert swapped == len(recipes.load(FULL).data.sources) - 1
    assert " rafdb." not in built.stderr
    assert "efficientnet_b3" in built.stderr
    assert str(records_dir / "rafdb" / "1.0.0") in built.stdout.split()
    out = tmp_path / "manifest.csv"
    cleaned = run("clean", *asked, "--out", out)
    assert cleaned.exit_code == 0, cleaned.output
    rows = table.read(out)
    assert set(rows["source"]) == set(recipes.load(FULL).data.sources)
    assert set(rows["split"][table.kept(rows)]) == {"train", "validation", "test"}
