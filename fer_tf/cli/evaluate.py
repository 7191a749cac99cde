"""`fer-tf fuse`, `calibrate`, `evaluate`, `compare` and `gate`."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

import click
from rich import box
from rich.table import Table

from fer_tf import files
from fer_tf import quiet
from fer_tf import write_lock
from fer_tf.cli import terminal
from fer_tf.cli.options import MODEL
from fer_tf.cli.options import pictures_option
from fer_tf.cli.options import recipe
from fer_tf.cli.options import runs_option
from fer_tf.cli.options import started
from fer_tf.cli.paths import EXISTING
from fer_tf.cli.paths import EXISTING_FILE
from fer_tf.cli.paths import FOLDER
from fer_tf.cli.paths import OUT_FILE
from fer_tf.config import Config
from fer_tf.errors import CheckFailed
from fer_tf.errors import UserError
from fer_tf.experiment import Experiment

if TYPE_CHECKING:
    from fer_tf.evaluation.subjects import Asked

split_option = click.option(
    "--split",
    type=click.Choice(["validation", "test"]),
    default="test",
    show_default=True,
    help="The records on which they are compared.",
)
seed_option = click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Of the bootstrap.",
)
out_option = click.option(
    "--out", type=OUT_FILE, help="Write JSON there."
)


@click.command()
@recipe(tensorflow=True)
@runs_option
@click.option(
    "--keep",
    type=FOLDER,
    help="Write what a student needs to be repeated without the teachers there.",
)
def fuse(config: Config, runs: Path, keep: Path | None) -> None:
    """Fuse the teachers' logits to soft labels, weighted on validation.

    Needs every teacher's predictions (`fer-tf train --stage teachers`), or the folder
    that --keep wrote, as soft_labels.stored.

    \b
    Example: fer-tf fuse soft_labels.search=macro_f1
    """
    from fer_tf.evaluation import kept

    experiment = started(config, runs)
    fuse_teachers(config, experiment)
    if keep:
        with write_lock.folder(keep):
            kept.keep(config, experiment, keep)


def fuse_teachers(config: Config, experiment: Experiment) -> None:
    """Fuse the teachers, or take what was kept of them."""
    from fer_tf import fusion
    from fer_tf.evaluation import kept

    with write_lock.folder(experiment.fused.path):
        fusion.run(config, experiment)
        if config.soft_labels.stored:
            kept.take(config, experiment)


@click.command()
@recipe()
@runs_option
def calibrate(config: Config, runs: Path) -> None:
    """Fit each model's scaling, abstain threshold and sets, on validation.

    \b
    Example: fer-tf calibrate calibrate.wanted_accuracy=0.8
    """
    from fer_tf.evaluation import stages

    stages.calibrate_all(config, started(config, runs))


@click.command()
@recipe(MODEL)
@runs_option
@pictures_option
@click.option(
    "--crops",
    type=click.Choice(["one", "ten"]),
    default="one",
    show_default=True,
    help="Ten: the corners and the centre, each mirrored; probabilities are averaged.",
)
@click.option(
    "--manifest",
    type=EXISTING_FILE,
    help="Whose pictures are answered.  [default: the experiment's]",
)
@click.option(
    "--out",
    type=FOLDER,
    help="Of one MODEL.  [default: EXPERIMENT/evaluations/NAME]",
)
def evaluate(
    config: Config,
    runs: Path,
    names: tuple[str, ...],
    overrides: tuple[str, ...],
    chosen: bool,
    pictures: bool,
    crops: str,
    manifest: Path | None,
    out: Path | None,
) -> None:
    """Score every calibrated model of an experiment and write its report; or a MODEL.

    A MODEL is a run's folder, a bundle's folder, or a .keras file that takes RGB
    [n, size, size, 3] in 0..255 and answers logits [n, 7]. It answers validation and
    test, is calibrated on validation, and gets a report of its own. A run is as its
    experiment's recipe says; a bundle or a Keras file in an experiment's folder is
    asked about that experiment's pictures, unless --config names others.

    \b
    Example: fer-tf evaluate --config configs/quickstart.yaml
    A model: fer-tf evaluate runs/quickstart/student-kd --crops ten
    """
    experiment = Experiment(runs / config.experiment)
    if names:
        quiet.import_tensorflow()
        from fer_tf.evaluation.subjects import Asked

        asked = Asked(config, experiment, chosen, overrides)
        _evaluate_models(names, asked, crops, manifest, out, pictures)
        return
    if out or manifest or crops != "one":
        raise UserError(
            "--out, --manifest and --crops are for models: expected a run's folder, a "
            "bundle's folder or a .keras file, received none."
        )
    experiment = started(config, runs)
    evaluate_experiment(config, experiment, pictures)
    terminal.say(experiment.report.with_suffix(".html"))


def _evaluate_models(
    names: tuple[str, ...],
    asked: "Asked",
    crops: str,
    manifest: Path | None,
    out: Path | None,
    pictures: bool,
) -> None:
    from fer_tf.evaluation import single
    from fer_tf.evaluation import subjects

    found = [subjects.find(Path(name), asked) for name in names]
    folders = [out or single.folder(subject, crops) for subject in found]
    if len(set(folders)) < len(folders):
        raise UserError(
            f"expected models that are written apart, but {', '.join(names)} would "
            f"share {folders[0]}. Give each its own --out, in a command of its own."
        )
    for subject, folder in zip(found, folders, strict=True):
        asked_about = manifest or subject.experiment.need(
            subject.experiment.manifest, "fer-tf data clean, or give --manifest"
        )
        with write_lock.folder(folder):
            content = single.evaluate(
                subject, folder, manifest=asked_about, crops=crops, pictures=pictures
            )
        terminal.show(_figures_table(subject.name, content["test"]))
        terminal.say(folder / "report.html")


def evaluate_experiment(
    config: Config, experiment: Experiment, pictures: bool
) -> None:
    """Score an experiment's models and write its report, with `pictures` if wanted."""
    from fer_tf.evaluation import stages

    find = None
    if pictures:
        quiet.import_tensorflow()
        from fer_tf.evaluation import pictures as pixels

        find = partial(pixels.find, config, experiment.manifest)
    stages.evaluate_all(config, experiment, find)


def _figures_table(name: str, test: Mapping[str, Any]) -> Table:
    raw, final = test["raw"], test["calibrated"]
    headings = ("test", "raw", "calibrated", "95 % interval")
    title = terminal.cell(f"{name}, n = {final['n']:,}")
    table = Table(*headings, box=box.SIMPLE, title=title)
    for figure in ("accuracy", "macro_f1", "nll", "brier", "ece"):
        ends = final["intervals"].get(figure)
        interval = "{:.3f} to {:.3f}".format(*ends) if ends else ""
        table.add_row(figure, f"{raw[figure]:.3f}", f"{final[figure]:.3f}", interval)
    return table


@click.command()
@split_option
@seed_option
@out_option
@click.argument("names", nargs=-1, metavar="RUN...")
def compare(
    names: tuple[str, ...], split: str, seed: int, out: Path | None
) -> None:
    """Compare runs with the first, paired on the same records.

    A run is a model's folder, or the predictions.npz in it. Several seeds of one
    recipe, joined by commas, count as one run and are shown as mean and spread. The
    table is Markdown, ready for a README.

    \b
    Example: fer-tf compare runs/quickstart/student-ce runs/quickstart/student-kd
    Seeds:   fer-tf compare runs/a0/student-ce,runs/a1/student-ce runs/b/student-ce
    """
    from fer_tf.evaluation import comparison
    from fer_tf.evaluation import markdown

    runs = [_seeds(name) for name in names]
    content = comparison.compare(comparison.load_all(runs, split), seed)
    inputs = comparison.inputs([path for seeds in runs for path in seeds])
    _write(out, {**content, "split": split, "seed": seed, "inputs": inputs})
    terminal.say(markdown.of_comparison(content))


@click.command()
@click.argument("candidate", type=EXISTING)
@click.argument("baseline", type=EXISTING)
@click.option(
    "--rules",
    type=EXISTING_FILE,
    help="YAML, as fer_tf/evaluation/gate.yaml, the default.",
)
@click.option(
    "--allow-inconclusive", is_flag=True, help="Let a candidate pass that may be worse."
)
@split_option
@seed_option
@out_option
def gate(
    candidate: Path,
    baseline: Path,
    rules: Path | None,
    allow_inconclusive: bool,
    split: str,
    seed: int,
    out: Path | None,
) -> None:
    """Tell whether a candidate may take the baseline's place; exit 1 if not.

    It fails a rule where it is worse by more than the limit and the paired interval
    excludes zero. Where that interval still reaches beyond the limit, the verdict is
    `inconclusive`: exit 1 as well, unless that is allowed.

    \b
    Example: fer-tf gate runs/new/student-kd runs/old/student-kd --out gate.json
    """
    from fer_tf.evaluation import comparison
    from fer_tf.evaluation import gate as gates

    paths = [candidate, baseline]
    answers = [comparison.load_answers(path, split) for path in paths]
    verdict = gates.judge(*answers, gates.load_rules(rules or gates.SHIPPED), seed)
    asked = {
        "candidate": str(candidate),
        "baseline": str(baseline),
        "rules": str(rules or gates.SHIPPED.name),
        "split": split,
        "seed": seed,
        "inputs": comparison.inputs(paths),
    }
    _write(out, {**verdict, **asked})
    terminal.show(_findings_table(verdict))
    if verdict["verdict"] == "pass":
        return
    if verdict["verdict"] == "fail" or not allow_inconclusive:
        raise CheckFailed(f"the gate's verdict on {candidate}: {verdict['verdict']}.")


def _seeds(name: str) -> list[Path]:
    """Return the runs that commas join; a path may hold a comma itself."""
    whole = Path(name)
    return [whole] if whole.exists() else [Path(part) for part in name.split(",")]


def _write(out: Path | None, content: Mapping[str, Any]) -> None:
    if out:
        files.write_json(out, content)


def _findings_table(verdict: Mapping[str, Any]) -> Table:
    headings = ("figure", "worse by", "95 % interval", "limit", "verdict")
    table = Table(*headings, box=box.SIMPLE)
    for finding in verdict["findings"]:
        table.add_row(
            finding["figure"],
            f"{finding['worse_by']:+.4f}",
            "{:+.4f} to {:+.4f}".format(*finding["interval"]),
            f"{finding['limit']:.4f}",
            finding["verdict"],
        )
    return table
