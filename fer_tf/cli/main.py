"""`fer-tf`: the group of commands, and what a user sees when one fails."""

import errno
import importlib
import logging
from typing import Any
from typing import NoReturn

import click
from rich.console import Console
from rich.logging import RichHandler

from fer_tf import __version__
from fer_tf.cli import signals
from fer_tf.cli import terminal
from fer_tf.cli.groups import SuggestingGroup
from fer_tf.errors import FerTfError
from fer_tf.errors import UserError
from fer_tf.errors import of_full_disk
from fer_tf.errors import of_system

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


class Commands(SuggestingGroup):
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

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Return the context of the group itself."""
        with terminal.escaped_usage_errors():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; what ends it, and is no fault of ours, is one line."""
        try:
            with signals.as_interrupts(), terminal.escaped_usage_errors():
                return super().invoke(ctx)
        except KeyboardInterrupt as error:
            terminal.say("stopped.", err=True)
            ctx.exit(getattr(error, "exit_code", signals.INTERRUPTED))
        except FerTfError as error:
            _fail(ctx, error)
        except Exception as error:
            reported = _reported(error)
            if reported is None:
                raise
            log.debug("what went wrong:", exc_info=True)
            _fail(ctx, reported)


def _reported(error: Exception) -> FerTfError | None:
    """Return the error that a user sees; None if the error is a fault of ours."""
    if isinstance(error, ModuleNotFoundError):
        if error.name and error.name.partition(".")[0] == "fer_tf":
            return None
        needed = f"{error.name} is not installed. This command needs: "
        return UserError(f'{needed}pip install "fer-tf[train,live]"')
    full = of_full_disk(error)
    if full:
        return full
    # A pipe that nobody reads is click's to end; what has no number is no file.
    if isinstance(error, OSError) and error.errno not in (None, errno.EPIPE):
        return of_system(error)
    return None


def _fail(ctx: click.Context, error: FerTfError) -> NoReturn:
    terminal.say_error(error)
    ctx.exit(error.exit_code)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
@click.option("-v", "--verbose", is_flag=True, help="Say more.")
def main(verbose: bool) -> None:
    """Facial expressions: from corpora to a calibrated student that runs live.

    \b
    fer-tf run --config configs/quickstart.yaml     the whole way, on drawn faces
    fer-tf live --source 0                          the first camera
    """
    # What a command answers is alone on standard output.
    handler = RichHandler(console=Console(stderr=True), show_path=False)
    handler.setFormatter(terminal.LogFormatter("%(message)s", datefmt="[%X]"))
    level = logging.DEBUG if verbose else logging.WARNING
    logging.basicConfig(level=level, handlers=[handler])
    logging.getLogger("filelock").setLevel(logging.WARNING)
    for room in ("fer_tf", "export", "tfds_builders"):
        logging.getLogger(room).setLevel(logging.DEBUG if verbose else logging.INFO)
