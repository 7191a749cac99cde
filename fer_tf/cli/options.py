"""What every command shares: the recipe, its overrides, where runs lie."""

import functools
import json
import logging
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from fer_tf import config as recipes
from fer_tf import files
from fer_tf import quiet
from fer_tf import sources
from fer_tf.cli import terminal
from fer_tf.cli.paths import FILE
from fer_tf.cli.paths import FOLDER
from fer_tf.errors import UserError
from fer_tf.experiment import Experiment
from fer_tf.sources import CORPORA

log = logging.getLogger(__name__)

QUICKSTART = Path("configs", "quickstart.yaml")
SOURCE = "SOURCE"
MODEL = "[MODEL]"
OVERRIDE = re.compile(r"[a-z_][a-z0-9_.]*=")


def unchecked(config: recipes.Config) -> None:
    """Accept every config that can be read."""


def recipe(
    names: str = "",
    tensorflow: bool = False,
    check: Callable[[recipes.Config], None] = unchecked,
) -> Callable:
    """Give a command `--config`, dotted overrides and `--dry-run`.

    A config that `check` refuses is refused, with --dry-run as well. With `tensorflow`
    it is imported before the callback is called, and quietly. The callback receives
    `config`, and where `names` says what the command's own arguments are called
    (`PATH`), also `names`, a tuple of strings. Those called `SOURCE` take the place of
    the recipe's `data.sources` instead. With `MODEL`, whose recipe may be its own, it
    also receives the `overrides`, and whether a recipe was `chosen`.
    """
    metavar = f"{names}... [KEY=VALUE]..." if names else "[KEY=VALUE]..."

    def decorate(callback: Callable) -> Callable:
        @click.argument("arguments", nargs=-1, metavar=metavar)
        @click.option(
            "--config",
            "path",
            type=FILE,
            help=f"The recipe, in YAML.  [default: {QUICKSTART}]",
        )
        @click.option("--smoke", is_flag=True, help="Make every part of it tiny.")
        @click.option("--dry-run", is_flag=True, help="Print the resolved recipe.")
        @functools.wraps(callback)
        def command(
            arguments: tuple[str, ...],
            path: Path | None,
            smoke: bool,
            dry_run: bool,
            **options: Any,
        ) -> Any:
            given, overrides = _split(arguments)
            if given and not names:
                raise UserError(f"expected KEY=VALUE, received {given[0]!r}.")
            if names == SOURCE and given:
                overrides = (*overrides, f"data.sources={json.dumps(given)}")
            config = recipes.load(_recipe_path(path), overrides)
            config = _smoke(config, **options) if smoke else config
            # Before --dry-run, which is to accept what a run accepts.
            check(config)
            if dry_run:
                if names == MODEL and given:
                    raise UserError(f"--dry-run: expected no MODEL, received {given}.")
                terminal.say(recipes.to_yaml(config).rstrip())
                return None
            if names not in ("", SOURCE):
                options["names"] = given
            if names == MODEL:
                options |= {"overrides": overrides, "chosen": path is not None}
            if tensorflow:
                quiet.import_tensorflow()
            return callback(config=config, **options)

        return command

    return decorate


def _smoke(
    config: recipes.Config,
    raw: Path | None = None,
    data_dir: Path | None = None,
    **options: Any,
) -> recipes.Config:
    """Return the recipe made tiny, and say what stands in for what is not there.

    Args:
        raw, data_dir: as a command gives them, in place of the recipe's.
    """
    raw = raw or Path(config.data.raw)
    data_dir = data_dir or Path(config.data.data_dir)
    absent = [
        source
        for source in config.data.sources
        if source in CORPORA
        and not (data_dir / source).is_dir()
        and sources.absent(source, raw)
    ]
    for source in absent:
        terminal.say(f"SMOKE: dummy data stands in for {source}.", err=True)
    for stage in [*config.teachers, config.student]:
        if stage.model.weights != "none":
            terminal.say(
                f"SMOKE: {stage.model.name} starts from random weights, not from "
                f"{stage.model.weights}.",
                err=True,
            )
    return recipes.smoke(config, absent)


def runs_option(callback: Callable) -> Callable:
    """Give a command `--runs`, the folder that holds experiments."""
    return click.option(
        "--runs",
        type=FOLDER,
        default="runs",
        show_default=True,
        help="The folder that holds experiments.",
    )(callback)


def pictures_option(callback: Callable) -> Callable:
    """Give a command `--pictures`, without which nobody's face is shown."""
    return click.option(
        "--pictures",
        is_flag=True,
        help="Show pictures, in TensorBoard and on pages; faces are personal data.",
    )(callback)


def _split(arguments: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Part a command's own arguments from its overrides; a file may hold a `=`."""
    if "" in arguments:
        raise UserError("an argument is empty: expected a path or KEY=VALUE.")
    is_override = [
        bool(OVERRIDE.match(argument)) and not os.path.exists(argument)
        for argument in arguments
    ]
    both = list(zip(arguments, is_override, strict=True))
    return (
        tuple(argument for argument, override in both if not override),
        tuple(argument for argument, override in both if override),
    )


def _recipe_path(path: Path | None) -> Path | None:
    """Return the recipe asked for; without one, and away from a checkout, none.

    `config.Config()` is the same recipe as `configs/quickstart.yaml`.
    """
    if path is None and QUICKSTART.exists():
        return QUICKSTART
    return path


def started(config: recipes.Config, runs: Path) -> Experiment:
    """Return the recipe's experiment under `runs`, its resolved recipe written down.

    From the first training on that recipe stays; a stage that is asked for something
    else has that in its own record.
    """
    experiment = Experiment(runs / config.experiment)
    if not experiment.has_begun():
        files.write_text(experiment.config, recipes.to_yaml(config))
    elif recipes.load(experiment.config) != config:
        log.warning(
            "This recipe is not the one that %s began with (%s).",
            experiment.root,
            experiment.config.name,
        )
    return experiment
