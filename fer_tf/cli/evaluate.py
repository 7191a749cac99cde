"""`fer-tf fuse`, `calibrate`, `evaluate`, `compare` and `gate`."""

from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.table import Table

from fer_tf import files
from fer_tf.cli.options import recipe
from fer_tf.cli.options import runs_option
from fer_tf.cli.options import started
from fer_tf.config import Config
from fer_tf.errors import CheckFailed

RUN = click.Path(path_type=Path, exists=True)
FIGURES = ("accuracy", "macro_f1", "lowest_three_f1", "nll", "ece")

split_option = click.option(
    "--split",
    type=click.Choice(["validation", "test"]),
    default="test",
    show_default=True,
    help="The records on which they are compared.",
)
seed_option = click.option(
    "--seed", default=0, show_default=True, help="Of the bootstrap."
)
out_option = click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="Write JSON there."
)


@click.command()
@recipe()
@runs_option
def fuse(config: Config, runs: Path) -> None:
    """Fuse the teachers' logits to soft labels, weighted on validation.

    Needs every teacher's predictions (`fer-tf train --stage teachers`).

    \b
    Example: fer-tf fuse soft_labels.search=macro_f1
    """
    from fer_tf import fusion

    fusion.run(config, started(config, runs))


@click.command()
@recipe()
@runs_option
def calibrate(config: Config, runs: Path) -> None:
    """Fit each model's temperature and abstain threshold, on validation.

    \b
    Example: fer-tf calibrate calibrate.wanted_accuracy=0.8
    """
    from fer_tf.evaluation import stages

    stages.calibrate_all(config, started(config, runs))


@click.command()
@recipe()
@runs_option
def evaluate(config: Config, runs: Path) -> None:
    """Score every calibrated model and write the report.

    \b
    Example: fer-tf evaluate --config configs/quickstart.yaml
    """
    from fer_tf.evaluation import stages

    experiment = started(config, runs)
    stages.evaluate_all(config, experiment)
    click.echo(experiment.report.with_suffix(".html"))


@click.command()
@split_option
@seed_option
@out_option
@recipe("RUN")
def compare(
    config: Config, names: tuple[str, ...], split: str, seed: int, out: Path | None
) -> None:
    """Compare runs with the first, paired on the same records.

    A run is a model's folder, or the predictions.npz in it.

    \b
    Example: fer-tf compare runs/quickstart/student-ce runs/quickstart/student-kd
    """
    from fer_tf.evaluation import comparison

    paths = [Path(name) for name in names]
    table = comparison.compare(comparison.load_all(paths, split), seed)
    _write(out, table)
    Console().print(*_comparison_tables(table))


@click.command()
@click.argument("candidate", type=RUN)
@click.argument("baseline", type=RUN)
@click.option(
    "--rules", type=RUN, help="YAML, as fer_tf/evaluation/gate.yaml, the default."
)
@click.option(
    "--allow-inconclusive", is_flag=True, help="Let a candidate pass that may be worse."
)
@split_option
@seed_option
@out_option
@recipe()
def gate(
    config: Config,
    candidate: Path,
    baseline: Path,
    rules: Path | None,
    allow_inconclusive: bool,
    split: str,
    seed: int,
    out: Path | None,
) -> None:
    """Tell whether a candidate may take the baseline's place; exit 1 if not.

    \b
    Example: fer-tf gate runs/new/student-kd runs/old/student-kd --out gate.json
    """
    from fer_tf.evaluation import comparison
    from fer_tf.evaluation import gate as gates

    answers = [comparison.load_answers(path, split) for path in (candidate, baseline)]
    verdict = gates.judge(*answers, gates.load_rules(rules or gates.SHIPPED), seed)
    _write(out, verdict)
    Console().print(_findings_table(verdict))
    if verdict["verdict"] == "pass":
        return
    if verdict["verdict"] == "fail" or not allow_inconclusive:
        raise CheckFailed(f"the gate's verdict on {candidate}: {verdict['verdict']}.")


def _write(out: Path | None, content: Mapping[str, Any]) -> None:
    if out:
        files.write_json(out, content)


def _comparison_tables(content: Mapping[str, Any]) -> list[Table]:
    """Return a table of the runs, and one of each run minus the first."""
    runs = {
        name: [_estimate(run, figure) for figure in FIGURES]
        for name, run in content["runs"].items()
    }
    changes = {
        name: [
            *(_change(row[figure]) for figure in FIGURES),
            f"{content['mcnemar'][name]['p']:.2g}",
        ]
        for name, row in content["differences"].items()
    }
    return [
        _table(f"n = {content['n']:,}, 95 % intervals", runs),
        _table(f"minus {content['baseline']}", changes),
    ]


def _table(title: str, columns: Mapping[str, Sequence[str]]) -> Table:
    """Return a table with a row per figure and a column per run."""
    table = Table("", *columns, title=title, box=box.SIMPLE, show_lines=True)
    names = [*FIGURES, "McNemar p"]
    for name, *row in zip(names, *columns.values()):
        table.add_row(name, *row)
    return table


def _estimate(run: Mapping[str, Any], figure: str) -> str:
    interval = run["intervals"].get(figure)
    ends = "\n{:.3f} to {:.3f}".format(*interval) if interval else ""
    return f"{run[figure]:.3f}{ends}"


def _change(values: Sequence[float]) -> str:
    return "{:+.3f}\n{:+.3f} to {:+.3f}".format(*values)


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
