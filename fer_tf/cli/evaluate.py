"""`fer-tf fuse`, `calibrate`, `evaluate`, `compare` and `gate`."""

from collections.abc import Mapping
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
    """Fit each model's scaling, abstain threshold and sets, on validation.

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
    click.echo(markdown.of_comparison(content))


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
    Console().print(_findings_table(verdict))
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
