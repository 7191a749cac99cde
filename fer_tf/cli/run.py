"""`fer-tf run`: the whole way, step by step."""

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

from fer_tf import config as recipes
from fer_tf import write_lock
from fer_tf.cli import terminal
from fer_tf.cli.options import pictures_option
from fer_tf.cli.options import recipe
from fer_tf.cli.options import runs_option
from fer_tf.cli.options import started
from fer_tf.config import Config
from fer_tf.config.backbones import check_models
from fer_tf.errors import UserError
from fer_tf.experiment import Experiment
from fer_tf.experiment import Step

# What the manifest hangs on, beside the records.
DECIDES_ON_ROWS = (
    "sources",
    "held_out",
    "validate_on",
    "ferplus_weight",
    "disagreeing",
    "limit",
)

Steps = list[tuple[str, Callable[[], object]]]


@click.command()
@recipe(tensorflow=True, check=check_models)
@runs_option
@pictures_option
def run(config: Config, runs: Path, pictures: bool) -> None:
    """Walk the whole way: corpora, teachers, student, bundle, report, live clip.

    A run that was stopped goes on; one that is done says so.

    \b
    Example: fer-tf run --config configs/quickstart.yaml
    """
    begun = time.monotonic()
    if "TF_CONFIG" in os.environ:
        raise UserError(
            "`fer-tf run` walks in one process, but TF_CONFIG names several. Unset it, "
            "or give `fer-tf train` and `fer-tf distill` in each process, and the "
            "other commands in one."
        )
    experiment = started(config, runs)
    steps = _steps(config, experiment, pictures)
    if config.smoke:
        terminal.say("SMOKE: every part is tiny; the figures mean nothing.")
    with write_lock.folder(experiment.root):
        for number, (title, step) in enumerate(steps, 1):
            terminal.say(f"[{number}/{len(steps)}] {title}")
            step()
    terminal.say(f"Done in {time.monotonic() - begun:.0f} s.")
    _say_where(config, experiment)


def _steps(config: Config, experiment: Experiment, pictures: bool) -> Steps:
    """Return what is to be done, in order, each with its title."""
    from export import framing
    from export.stage import export_student
    from fer_tf.cli import data
    from fer_tf.cli import evaluate
    from fer_tf.evaluation import stages

    sources, data_dir = config.data.sources, Path(config.data.data_dir)
    steps: Steps = [
        (
            f"Build records of {', '.join(sources)}",
            partial(data.build_sources, config, Path(config.data.raw), data_dir),
        ),
        (
            "Clean: one leak-free manifest",
            partial(_clean, config, experiment, pictures),
        ),
        ("Fit live framing", partial(framing.fit, config, experiment)),
    ]
    steps += _training(config, experiment, pictures)
    steps += [
        ("Calibrate", partial(stages.calibrate_all, config, experiment)),
        (
            "Evaluate",
            partial(evaluate.evaluate_experiment, config, experiment, pictures),
        ),
        ("Export the student", partial(export_student, config, experiment)),
    ]
    if config.live.drawn_clip:
        steps.append(("Live on a drawn film", partial(_rehearse, config, experiment)))
    return steps


def _training(config: Config, experiment: Experiment, pictures: bool) -> Steps:
    """Return the steps that train, of which stored soft labels save the teachers'."""
    from fer_tf.cli import evaluate
    from fer_tf.cli import train

    stored = config.soft_labels.stored
    teachers = () if stored else config.teachers
    return [
        *(
            (
                f"Train the teacher {teacher.model.name}",
                partial(train.train_teacher, config, experiment, teacher, pictures),
            )
            for teacher in teachers
        ),
        (
            "Train the student: CE",
            partial(train.train_student, config, experiment, pictures),
        ),
        (
            f"Take the soft labels {stored}" if stored else "Fuse the teachers",
            partial(evaluate.fuse_teachers, config, experiment),
        ),
        *(
            (
                f"Distil the student: {loss.upper()}",
                partial(train.distill_student, config, experiment, loss, pictures),
            )
            for loss in ("kd", "dkd")
        ),
    ]


def _clean(config: Config, experiment: Experiment, pictures: bool) -> None:
    from fer_tf.cli import data
    from fer_tf.data import records

    data_dir = Path(config.data.data_dir)
    built = {
        source: records.fingerprint(records.locate(data_dir, source, config.data))
        for source in config.data.sources
    }
    step = Step(
        experiment.cleaned,
        {
            **{name: getattr(config.data, name) for name in DECIDES_ON_ROWS},
            "records": built,
        },
    )
    if not step.is_done():
        data.clean_sources(config, data_dir, experiment.manifest, pictures)
        report = experiment.manifest.with_suffix(".json")
        step.finish([experiment.manifest, report])
    elif pictures:
        data.write_page(experiment.manifest, data_dir, pictures)


def _rehearse(config: Config, experiment: Experiment) -> None:
    from fer_tf.live.rehearsal import rehearse

    seconds = 2.0 if config.smoke else 12.0
    bundle = experiment.bundle
    step = Step(
        experiment.rehearsed,
        {
            "seed": config.seed + 1,
            "seconds": seconds,
            "live": recipes.to_dict(config.live),
        },
        [bundle / "bundle.json", bundle / "model.tflite"],
    )
    if step.is_done():
        return
    with write_lock.folder(experiment.live):
        rehearse(
            experiment.live,
            experiment.bundle,
            config.live,
            seed=config.seed + 1,
            seconds=seconds,
        )
        step.finish([experiment.live / "frames.csv"])


def _say_where(config: Config, experiment: Experiment) -> None:
    terminal.say(f"  report   {experiment.report.with_suffix('.html')}")
    terminal.say(f"  bundle   {experiment.bundle}")
    if config.live.drawn_clip:
        terminal.say(f"  clip     {experiment.live / 'annotated.mp4'}")
    terminal.say(f"  live     fer-tf live --source 0 --bundle {experiment.bundle}")
