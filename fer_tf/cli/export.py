"""`fer-tf export`."""

from pathlib import Path

import click

from fer_tf.cli import terminal
from fer_tf.cli.live import detector_option
from fer_tf.cli.options import recipe
from fer_tf.cli.options import runs_option
from fer_tf.cli.options import started
from fer_tf.cli.paths import FOLDER
from fer_tf.config import Config


@click.command()
@recipe(tensorflow=True)
@runs_option
@detector_option
@click.option(
    "--out",
    type=FOLDER,
    help="The bundle's folder.  [default: bundle/ of the experiment]",
)
def export(
    config: Config, runs: Path, detector_model: Path | None, out: Path | None
) -> None:
    """Export the chosen student as a calibrated bundle that needs no TensorFlow.

    Needs evaluated students (`fer-tf evaluate`). Live framing is fitted first, on
    training pictures. The file is calibrated anew on validation, and refused where it
    loses too much there.

    \b
    Example: fer-tf export export.precision=int8 --out runs/quickstart/bundle-int8
    """
    from export import framing
    from export.stage import export_student

    experiment = started(config, runs)
    framing.fit(config, experiment, detector_model)
    export_student(config, experiment, out)
    terminal.say(f"The bundle lies in {out or experiment.bundle}")
