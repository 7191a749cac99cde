"""The page tells a stranger what was measured, on what, and nothing else."""

import copy
import dataclasses
import re

import numpy as np
import pytest

from fer_tf import files
from fer_tf import metrics
from fer_tf.calibration import Calibration
from fer_tf.config import Config
from fer_tf.evaluation import examples
from fer_tf.evaluation import report
from fer_tf.evaluation import scoring
from fer_tf.experiment import Experiment
from fer_tf.labels import CLASSES
from fer_tf.predictions import Predictions

CHARTS = 4
WARNING = "the teachers together are not shown to beat resnet18"
BETTER = {"nll": [-0.2, -0.3, -0.1]}
SAME = {"nll": [0.0, -0.1, 0.1]}


def voted(predictions: Predictions) -> Predictions:
    """Give source `b` of test ten voters, of whom every fourth picture parts half."""
    test = predictions.splits["test"]
    distribution = np.array(test.distribution)
    agreed = np.array(test.agreed)
    rows = np.flatnonzero(test.sources == "b")
    for place, row in enumerate(rows):
        label, other = test.labels[row], (test.labels[row] + 1) % 7
        distribution[row] = 0
        share = 0.5 if place % 4 == 0 else 0.8
        distribution[row, label], distribution[row, other] = share, 1 - share
        agreed[row] = share > 0.5
    changed = dataclasses.replace(test, distribution=distribution, agreed=agreed)
    splits = {**predictions.splits, "test": changed}
    return dataclasses.replace(predictions, splits=splits)


@pytest.fixture(scope="module")
def models(answer):
    """Two students of sources a and b, the second of which has votes."""
    found = {}
    for name, skill in {"student-ce": 1.2, "student-kd": 3.0}.items():
        predictions = voted(answer(name, skill=skill, scale=2))
        validation = predictions.split("validation")
        calibration = Calibration.fit(
            validation.logits,
            validation.labels,
            0.8,
            "validation",
            groups=validation.groups,
            wanted_coverage=0.9,
        )
        scored = scoring.score(predictions, calibration, seed=0)
        found[name] = report.Evaluated(predictions, calibration, scored)
    return found


@pytest.fixture(scope="module")
def content(models):
    return report.collect(models, "a <b> & c", "student-kd", 0, list(models), {})


@pytest.fixture(scope="module")
def drawn(models):
    return report.drawings(models["student-kd"])


@pytest.fixture(scope="module")
def page(content, drawn):
    return report.render(content, drawn)


def text_of(page: str) -> str:
    """Return what a page says, in one line."""
    words = re.sub(r"<[^>]*>", " ", re.sub(r"<style>.*?</style>", "", page, flags=re.S))
    return " ".join(words.replace("&nbsp;", " ").replace("&#34;", '"').split())


def table(page: str, title: str) -> list[list[str]]:
    """Return the words of each row of the table that is called `title`."""
    region = page.split(f'aria-label="{title}"')[1].split("</table>")[0]
    return [text_of(row).split() for row in re.split("<tr[^>]*>", region)[1:]]


def row_of(page: str, title: str, name: str) -> list[str]:
    """Return the words of one row of a table."""
    (row,) = [row for row in table(page, title) if name in row]
    return row


def test_the_page_needs_nothing_else_and_escapes_what_it_is_given(page):
    assert "<h1>a &lt;b&gt; &amp; c</h1>" in page
    assert "<script" not in page and "url(" not in page and "@import" not in page
    sources = re.findall(r'src="([^"]{0,30})', page)
    assert len(sources) == CHARTS
    assert all(source.startswith("data:image/svg+xml;base64,") for source in sources)
    links = re.findall(r'href="#(\w+)"', page)
    assert len(links) == page.count("href=") > 5
    assert all(f'id="{link}"' in page for link in links)


def test_a_phone_scrolls_tables_and_a_reader_hears_figures(page):
    assert 'name="viewport" content="width=device-width' in page
    assert page.count("<table>") == page.count('<div class="wide" role="region"') > 8
    alts = re.findall(r'<img class="chart" [^>]*alt="([^"]*)"', page)
    assert len(alts) == CHARTS
    assert all(len(alt) > 40 and "student-kd on test" in alt for alt in alts)


def test_the_lead_is_the_shown_models_calibrated_figures(page, models):
    test = models["student-kd"].metrics["test"]
    lead = text_of(page.split('<ul class="cards">')[1].split("</ul>")[0])
    for name in ("accuracy", "macro_f1", "nll", "ece"):
        assert f"{test['calibrated'][name]:.3f}" in lead
    assert f"{test['raw']['nll']:.3f}" in lead
    assert f"{test['raw']['ece']:.3f}" in lead
    assert f"{100 * test['answered']['accuracy']:.1f} %" in lead
    assert f"{100 * test['sets']['coverage']:.1f} %" in lead


@pytest.mark.parametrize("split", ["val", "test"])
def test_every_models_raw_figures_stand_beside_its_calibrated_ones(page, models, split):
    title = "Figures on validation" if split == "val" else "Figures on test"
    for name, model in models.items():
        row = row_of(page, title, name)
        both = [model.metrics[split][kind] for kind in ("raw", "calibrated")]
        for figure in ("ece", "brier"):
            told = [f"{each[figure]:.3f}" for each in both]
            place = row.index(told[0])
            assert row[place : place + 2] == told
        for each in both:
            ends = "–".join(f"{end:.3f}" for end in each["intervals"]["nll"])
            assert ends in row
    said = text_of(page)
    assert "420" in said
    assert scoring.CROSS_FITTED in said


def test_each_class_and_source_has_precision_recall_f1_and_n(page, models):
    test = models["student-kd"].metrics["test"]
    parts = {"all sources": test["calibrated"], **test["by_source"]}
    for part, figures in parts.items():
        for index, name in enumerate(CLASSES):
            told = [str(figures["n_per_class"][index])]
            for figure in ("precision", "recall", "f1"):
                told.append(f"{figures[f'per_class_{figure}'][index]:.3f}")
            assert row_of(page, f"Figures by class, {part}", name)[-4:] == told
    rows = [row for row in table(page, "Figures by source") if "student-kd" in row]
    for row, (source, figures) in zip(rows, test["by_source"].items(), strict=True):
        raw = test["by_source_raw"][source]
        for value in (figures["accuracy"], raw["nll"], figures["nll"], raw["ece"]):
            assert f"{value:.3f}" in row


def test_what_calibration_changed_is_said_where_it_did(content, drawn, page):
    changed = copy.deepcopy(content)
    raw = changed["models"]["student-kd"]["test"]["raw"]
    raw["per_class_f1"][2] = 0.123
    raw["accuracy"] = 0.321
    changed["calibrations"]["student-kd"]["method"] = "vector"
    changed["models"]["student-kd"]["test"]["calibrated"]["n_per_class"][1] = 0
    told = report.render(changed, drawn)
    assert "raw" not in row_of(page, "Figures by class, all sources", "Fear")
    row = row_of(told, "Figures by class, all sources", "Fear")
    assert row[-2:] == ["raw", "0.123"]
    assert "0.321" in row_of(told, "Figures on test", "student-kd")
    assert "vector" in text_of(told) and "vector" not in text_of(page)
    absent = row_of(told, "Figures by class, all sources", "Disgust")
    assert absent == ["Disgust", "0", "–", "–", "–"]


def test_abstaining_and_sets_are_told_as_chosen_and_as_found(page, models):
    for name, model in models.items():
        test, fitted = model.metrics["test"], model.calibration
        told = " ".join(row_of(page, "What abstaining gave", name))
        answered = test["answered"]
        assert "80 %" in told and f"{fitted.threshold:.3f}" in told
        for share in (
            fitted.threshold_coverage, answered["coverage"], answered["accuracy"]
        ):
            assert f"{100 * share:.1f} %" in told
        told = " ".join(row_of(page, "What prediction sets gave", name))
        assert f"90 % {100 * test['sets']['coverage']:.1f} %" in told
        assert f"{test['sets']['mean_size']:.2f}" in told


def test_votes_are_shown_of_the_source_that_has_them(page, models):
    test = models["student-kd"].metrics["test"]
    raw, calibrated = test["by_source_raw"]["b"], test["by_source"]["b"]
    row = row_of(page, "Figures against the votes of b", "student-kd")
    assert row[1:5] == [
        "210",
        f"{calibrated['votes']['expected_accuracy']:.3f}",
        f"{raw['votes']['cross_entropy']:.3f}",
        f"{calibrated['votes']['cross_entropy']:.3f}",
    ]
    best = row_of(page, "Figures against the votes of b", "best")
    assert f"{calibrated['votes']['most_expected_accuracy']:.3f}" in best
    agreed = row_of(page, "Records of b on which most voters agree", "student-kd")
    assert agreed[1:3] == ["157", f"{calibrated['agreed']['accuracy']:.3f}"]
    assert "votes of a" not in page


def test_models_are_compared_in_pairs(page, content):
    row = content["comparison"]["differences"]["student-kd"]
    told = row_of(page, "Paired differences on test", "student-kd")
    assert f"{row['accuracy'][0]:+.3f}" in told
    assert f"{row['nll'][0]:+.3f}".replace("-", "−") in told
    assert 'class="better"' in page and 'class="worse"' not in page


def test_one_model_that_was_never_asked_about_validation_is_enough(models, tmp_path):
    model = models["student-kd"]
    scored = {name: part for name, part in model.metrics.items() if name != "val"}
    alone = dataclasses.replace(model, metrics=scored)
    out, notes = tmp_path / "report.json", {"notes": ["A note, verbatim."]}
    report.write(out, {"mine": alone}, title="mine", shown="mine", sections=notes)
    assert files.read_json(out)["comparison"] is None
    page = out.with_suffix(".html").read_text()
    assert "A note, verbatim." in text_of(page)
    for title in ("Figures on validation", "Paired differences", "F1 of each class"):
        assert f'aria-label="{title}' not in page
    assert "SMOKE" not in page
    assert row_of(page, "Figures on test", "mine")


def test_an_experiment_shows_its_data_its_teachers_and_what_was_left_out(
    models, tmp_path
):
    experiment = Experiment(tmp_path)
    for name, model in models.items():
        run = experiment.student(name.removeprefix("student-"))
        model.predictions.save(run.predictions)
        model.calibration.save(run.calibration)
        files.write_json(run.metrics, model.metrics)
    files.write_json(experiment.soft_labels.with_suffix(".json"), fused())
    files.write_json(experiment.manifest.with_suffix(".json"), cleaned())
    judged = judgement(SAME, [WARNING])
    for stage in ("kd", "dkd"):
        files.write_json(experiment.student(stage).judgement, judged)
    runs = {f"student-{stage}": experiment.student(stage) for stage in ("ce", "kd")}
    config = Config(experiment="demo", smoke=True)
    report.write_experiment(config, experiment, runs, "ce")
    content = files.read_json(experiment.report)
    assert content["shown"] == "student-ce"
    assert content["comparison"]["baseline"] == "student-ce"
    page = experiment.report.with_suffix(".html").read_text()
    said = text_of(page)
    assert "SMOKE RUN" in page
    assert said.count(WARNING) == 1
    before = said.partition(WARNING)[0].split()[-9:]
    assert {"student-kd", "student-dkd"} <= {word.strip(":,") for word in before}
    for shown in ("1,234", "1,229", "contempt", "77"):
        assert shown in page
    fitted = row_of(page, "The fused teachers, on validation", "resnet18")
    assert fitted[:3] == ["resnet18", "0.75", "1.50"]
    assert row_of(page, "The fused teachers, on validation", "student-ce")


def test_teachers_that_beat_the_student_are_said_to(content, drawn):
    sections = {
        "fusion": fused(), "judgements": {"student-kd": judgement(BETTER, [])}
    }
    said = text_of(report.render({**content, **sections}, drawn))
    assert re.search(r"student-kd .* resnet18, b3, student-ce .*NLL", said)


def fused():
    """What `soft_labels.json` holds, as far as the page reads it."""
    sure = {"confidence": 0.6, "accuracy": 0.5}
    return {
        "search": "nll",
        "weights": {"resnet18": 0.75, "b3": 0.25},
        "temperatures": {"resnet18": 1.5, "b3": 1.0},
        "temperature": 0.9,
        "confidence": {"train": sure, "validation": sure},
        "softened_by": 1.25,
        "warnings": [],
        "cross_fit": judgement(SAME, []),
    }


def judgement(minus, warnings):
    """What `judgement.json` holds, as far as the page reads it."""
    figures = {"accuracy": 0.5, "macro_f1": 0.4, "nll": 1.2}
    beside = {name: [0.1, -0.1, 0.2] for name in figures} | minus
    row = {**figures, "fused_minus": beside}
    return {
        "n": 420,
        "fused": figures,
        "teachers": {"resnet18": row, "b3": row},
        "students": {"student-ce": row},
        "warnings": warnings,
    }


def cleaned():
    """What `manifest.json` holds, as far as the page reads it."""
    split = {"rows": 1234, "kept": 1229, "by_class": dict.fromkeys(CLASSES, 175)}
    split["imbalance"] = 1.0
    counts = ("pictures", "rows", "within_split", "across_splits", "other_label")
    near = dict(zip(counts, (77, 154, 70, 7, 3), strict=True))
    part = {"excluded": {"contempt": 5}, "by_split": {"train": split}}
    return {**part, "by_source": {"a": part}, "duplicates": {"a": {"near": near}}}


def test_no_picture_is_shown_unless_it_was_asked_for(page):
    assert page.count("<img") == CHARTS


def test_pictures_are_those_of_the_examples_and_say_what_was_answered(
    models, tmp_path
):
    asked = []

    def find(keys):
        asked.extend(keys)
        return {key: np.full((8, 8, 3), 99, np.uint8) for key in keys}

    out = tmp_path / "report.json"
    report.write(out, models, title="mine", shown="student-kd", find=find)
    content = files.read_json(out)
    assert asked == examples.keys(content["examples"])
    page = out.with_suffix(".html").read_text()
    shown = re.findall(r'<img src="data:image/png;base64,[^"]+" alt="([^:"]+)', page)
    assert shown == asked
    worst = content["examples"]["Angry"]["wrong"][0]
    assert (
        f"{worst['answer']} {100 * worst['confidence']:.0f} % {worst['key']}"
        in text_of(page)
    )


def test_the_surest_of_each_class_come_first_and_one_of_each_group(answer):
    answers = answer("some", skill=1.0).split("test")
    probs = metrics.softmax(answers.logits)
    group_of = dict(zip(answers.keys, answers.groups, strict=True))
    found = examples.surest(answers, most=3)
    assert list(found) == list(CLASSES)
    for index, name in enumerate(CLASSES):
        own = answers.labels == index
        right = probs.argmax(axis=1) == index
        for kind, rows in (("right", own & right), ("wrong", own & ~right)):
            shown = found[name][kind]
            told = [row["confidence"] for row in shown]
            assert told == sorted(told, reverse=True)
            assert told[0] == probs[rows].max()
            assert len({group_of[row["key"]] for row in shown}) == len(shown) == 3
            assert all((row["answer"] == name) == (kind == "right") for row in shown)


def test_a_group_shows_its_surest_picture_alone(answer):
    answers = answer("some").split("test")
    together = dataclasses.replace(answers, groups=np.full(len(answers), "one"))
    found = examples.surest(together)
    assert all(len(rows) <= 1 for kinds in found.values() for rows in kinds.values())


def test_a_class_without_a_record_is_missing(answer):
    answers = answer("some").split("test")
    assert "Fear" not in examples.surest(answers.take(answers.labels != 2))
