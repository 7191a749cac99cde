"""`fer-tf results`."""

import shlex
from pathlib import Path

import click

from fer_tf import files
from fer_tf.cli import terminal
from fer_tf.cli.paths import EXISTING_FOLDER
from fer_tf.cli.paths import OUT_FILE


@click.command()
@click.argument(
    "runs",
    metavar="RUN...",
    nargs=-1,
    required=True,
    type=EXISTING_FOLDER,
)
@click.option(
    "--into", type=OUT_FILE, help="Put the tables between this file's markers."
)
@click.option("--out", type=OUT_FILE, help="Write JSON there.")
def results(runs: tuple[Path, ...], into: Path | None, out: Path | None) -> None:
    """Write the README's tables of results, from experiments' folders alone.

    Experiments whose recipes differ in nothing but the seed are shown as mean and
    spread, also where some brought along the soft labels of another's teachers. Figures
    whose predictions have changed since are refused. With --into they replace what
    stands between the markers <!-- fer-tf results: begin --> and <!-- fer-tf results:
    end --> in a Markdown file, else they are printed.

    \b
    Example: fer-tf results runs/laptop --into README.md
    Seeds:   fer-tf results runs/laptop runs/laptop-1 runs/laptop-2
    """
    from fer_tf.evaluation import markdown
    from fer_tf.evaluation import readme
    from fer_tf.evaluation import results as experiments

    content = experiments.collect(runs)
    target = ["--into", str(into)] if into else []
    command = shlex.join(["fer-tf", "results", *map(str, runs), *target])
    text = readme.section(content, command)
    if out:
        files.write_json(out, {"command": command, "recipes": content})
    if into:
        markdown.put_between_markers(into, text)
        terminal.say(into)
    else:
        terminal.say(text)
