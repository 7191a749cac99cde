"""`fer-tf`: the group of commands, and what a user sees when one fails."""

import errno
import importlib
import logging
from typing import Any

import click
from rich.console import Console
from rich.logging import RichHandler

from fer_tf import __version__
from fer_tf.errors import FerTfError
from fer_tf.errors import OutsideError

log = logging.getLogger(__name__)

# command -> the module in this package that defines it, imported when it is called.
COMMANDS = {
    "benchmark": "benchmark",
    "calibrate": "evaluate",
    "compare": "evaluate",
    "data": "data",
    "distill": "train",
    "evaluate": "evaluate",
    "export": "export",
    "fuse": "evaluate",
    "gate": "evaluate",
    "live": "live",
    "predict": "sessions",
    "replay": "sessions",
    "results": "results",
    "run": "run",
    "score": "sessions",
    "train": "train",
}


class Commands(click.Group):
    """Commands that are imported when they are called; errors without stack traces."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Return the command called `name`."""
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"fer_tf.cli.{COMMANDS[name]}")
        return getattr(module, name)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; an error that is the user's to mend is one line."""
        try:
            return super().invoke(ctx)
        except FerTfError as error:
            click.echo(f"error: {error}", err=True)
            ctx.exit(error.exit_code)
        except OSError as error:
            # A pipe that nobody reads is click's to end; what has no number is no file.
            if error.errno in (None, errno.EPIPE):
                raise
            log.debug("what went wrong:", exc_info=True)
            click.echo(f"error: {error}", err=True)
            ctx.exit(OutsideError.exit_code)
        except ModuleNotFoundError as error:
            if error.name and error.name.partition(".")[0] == "fer_tf":
                raise
            click.echo(
                f"error: {error.name} is not installed. "
                'This command needs: pip install "fer-tf[train,live]"',
                err=True,
            )
            ctx.exit(2)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
@click.option("-v", "--verbose", is_flag=True, help="Say more.")
def main(verbose: bool) -> None:
    """Facial expressions: from corpora to a calibrated student that runs live.

    \b
    fer-tf run --config configs/quickstart.yaml     the whole way, on drawn faces
    fer-tf live --source 0                          the first camera
    """
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.WARNING,
        format="%(message)s",
        datefmt="[%X]",
        # What a command answers is alone on standard output.
        handlers=[RichHandler(console=Console(stderr=True), show_path=False)],
    )
    for room in ("fer_tf", "export", "tfds_builders"):
        logging.getLogger(room).setLevel(logging.DEBUG if verbose else logging.INFO)
