"""`fer-tf run --pictures` reaches the cleaning page and the report."""

import importlib
from pathlib import Path

import pytest

pytest.importorskip("tensorflow_datasets")

from fer_tf import config as recipes  # noqa: E402
from fer_tf.cli import data  # noqa: E402
from fer_tf.cli import evaluate  # noqa: E402
from fer_tf.evaluation import stages  # noqa: E402
from fer_tf.experiment import Experiment  # noqa: E402

run = importlib.import_module("fer_tf.cli.run")


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """A recipe whose forty drawn faces are built; three of each split are kept."""
    folder = tmp_path_factory.mktemp("records")
    overrides = ["data.drawn_count=40", "data.limit=3", f"data.data_dir={folder}"]
    config = recipes.load(None, overrides)
    data.build_sources(config, Path(config.data.raw), folder)
    return config


def test_the_cleaning_page_shows_them_even_where_cleaning_is_done(config, tmp_path):
    experiment = Experiment(tmp_path)
    page = experiment.manifest.with_suffix(".html")
    run._clean(config, experiment, pictures=False)
    plain = page.read_text()
    assert "<img" not in plain
    before = experiment.manifest.stat().st_mtime_ns
    run._clean(config, experiment, pictures=True)
    assert page.read_text().count('src="data:image/png;base64,') > 3
    assert experiment.manifest.stat().st_mtime_ns == before


def test_a_first_cleaning_shows_them_as_well(config, tmp_path):
    experiment = Experiment(tmp_path)
    run._clean(config, experiment, pictures=True)
    assert "<img" in experiment.manifest.with_suffix(".html").read_text()


def test_the_report_is_given_pixels_only_where_asked_for(
    config, tmp_path, monkeypatch
):
    experiment, given = Experiment(tmp_path), []
    monkeypatch.setattr(stages, "evaluate_all", lambda *args: given.append(args[-1]))
    run._clean(config, experiment, pictures=False)
    evaluate.evaluate_experiment(config, experiment, pictures=False)
    assert given.pop() is None
    evaluate.evaluate_experiment(config, experiment, pictures=True)
    (key,) = _kept_test_keys(experiment)[:1]
    found = given.pop()([key])
    assert list(found) == [key]
    size = config.face.size
    assert found[key].shape == (size, size, 3)


def _kept_test_keys(experiment):
    from fer_tf.manifest import table

    rows = table.read(experiment.manifest)
    return rows["key"][table.kept(rows) & (rows["split"] == "test")].tolist()
