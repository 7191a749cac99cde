"""What training tells of itself: TensorBoard, and in `train.log` a line per epoch."""

import logging
from collections.abc import Callable
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

import numpy as np
import tensorflow as tf
from tensorboard.plugins.hparams import api as hparams_api
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams import summary as hparams_summary

from fer_tf import figures
from fer_tf import files
from fer_tf.experiment import RunFolder
from fer_tf.labels import CLASSES
from fer_tf.training.epochs import Epochs
from fer_tf.training.validation import Validation

if TYPE_CHECKING:
    from matplotlib.figure import Figure

log = logging.getLogger(__name__)

MOST_PICTURES = 32
# The other figures of an epoch are losses, or validation's.
GROUPS: Mapping[str, str] = {
    "gradient_norm": "optimizer",
    "learning_rate": "optimizer",
    "skipped_steps": "optimizer",
    "pictures_per_second": "speed",
}
# The validation metrics in the line that is logged for an epoch.
LOGGED: Mapping[str, str] = {
    "val_accuracy": "accuracy",
    "val_macro_f1": "macro-F1",
    "val_nll": "NLL",
    "val_balanced_nll": "balanced NLL",
}


def _local_time() -> datetime:
    return datetime.now().astimezone()


class Board:
    """One stage in TensorBoard, and its `train.log`.

    Nothing is written before the first note, so that of several processes only the
    one that notes leaves files.

    Args:
        folder: takes the event files and `train.log`.
        title: what the stage is called.
        hparams: what it was asked, as `config.flat` returns it.
        validation: whose answers are drawn; None draws none.
        pictures: the training data, for its first batch to be shown, and validation's
            worst mistakes; None shows no picture, since faces are personal data.
        now: the time.
    """

    def __init__(
        self,
        folder: RunFolder,
        title: str,
        hparams: Mapping[str, Any] | None = None,
        validation: Validation | None = None,
        pictures: Epochs | None = None,
        now: Callable[[], datetime] = _local_time,
    ) -> None:
        self.title = title
        self._folder = folder
        self._hparams = hparams or {}
        self._validation = validation
        self._pictures = pictures
        self._now = now
        self._writer: tf.summary.SummaryWriter | None = None

    def note(self, summary: Mapping[str, Any]) -> None:
        """Tell of the epoch that was done last.

        Args:
            summary: what `training.json` holds: "history" and "best".
        """
        epoch = summary["history"][-1]
        line = _line(self.title, epoch)
        log.info(line)
        time = self._now().isoformat(timespec="seconds")
        _log(self._folder.log, epoch["epoch"], f"{time} {line}")
        is_first = self._writer is None
        writer = self._opened()
        with writer.as_default(step=epoch["epoch"]):
            _write_scalars(epoch, summary["best"])
            if self._validation:
                _write_figures(self._validation)
            if self._pictures and is_first:
                _write_image("pictures/inputs", _inputs(self._pictures, epoch["epoch"]))
            if self._pictures and self._validation:
                _write_image("pictures/worst_mistakes", _mistakes(self._validation))
        writer.flush()

    def close(self) -> None:
        """Tell that the stage is done, if there was anything to tell of."""
        if self._writer is None:
            return
        end = hparams_summary.session_end_pb(
            api_pb2.STATUS_SUCCESS, self._now().timestamp()
        )
        with self._writer.as_default():
            tf.summary.experimental.write_raw_pb(end.SerializeToString(), step=0)
        self._writer.close()

    def _opened(self) -> tf.summary.SummaryWriter:
        if self._writer is None:
            self._writer = tf.summary.create_file_writer(str(self._folder.path))
            with self._writer.as_default():
                hparams_api.hparams(
                    self._hparams, start_time_secs=self._now().timestamp()
                )
        return self._writer


def _line(title: str, epoch: Mapping[str, float]) -> str:
    validation = ", ".join(
        f"{label} {epoch[name]:.3f}" for name, label in LOGGED.items() if name in epoch
    )
    return (
        f"{title}, epoch {epoch['epoch']}: loss {epoch['loss']:.3f}, "
        f"validation {validation}; {epoch['pictures_per_second']:.0f} pictures/s"
    )


def _log(path: Path, epoch: int, line: str) -> None:
    """Put an epoch's line in its place, behind those of the epochs before it."""
    # A run that was killed before its checkpoint comes to the same epoch again.
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    kept = [*lines[: epoch - 1], line]
    files.write_text(path, "".join(f"{each}\n" for each in kept))


def _write_scalars(epoch: Mapping[str, float], best: Mapping[str, float]) -> None:
    for name, value in epoch.items():
        if name != "epoch":
            tf.summary.scalar(_tag(name), value)
    # The last of these are the figures of the weights that are kept.
    for name, value in best.items():
        if name.startswith("val_"):
            tf.summary.scalar(_tag(name).replace("validation", "best", 1), value)


def _tag(name: str) -> str:
    if name == "loss":
        return "loss/total"
    if name.startswith("val_"):
        group, slash, metric = name.removeprefix("val_").partition("/")
        # `recall/Fear` and `posed/nll` each get a section of their own.
        return f"validation_{group}/{metric}" if slash else f"validation/{group}"
    return f"{GROUPS.get(name, 'loss')}/{name}"


def _write_figures(validation: Validation) -> None:
    labels, probs = validation.labels, validation.probs
    drawn = {
        "confusion_matrix": figures.confusion_matrix(labels, probs.argmax(axis=1)),
        "reliability_diagram": figures.reliability_diagram(labels, probs),
    }
    for name, figure in drawn.items():
        _write_image(f"validation/{name}", figure)


def _write_image(tag: str, figure: "Figure") -> None:
    pixels = tf.io.decode_png(figures.to_png(figure), channels=3)
    tf.summary.image(tag, pixels[tf.newaxis])


def _inputs(data: Epochs, epoch: int) -> "Figure":
    """Draw the first pictures of an epoch, counted from 1, as the model is shown them.

    Under each stands what it is taught.
    """
    batch = next(iter(data.of(epoch - 1).take(1)))
    targets = batch["target"][:MOST_PICTURES].numpy()
    return figures.picture_grid(
        batch["image"][:MOST_PICTURES].numpy(),
        [_told(each) for each in targets],
        f"The first inputs of epoch {epoch}",
    )


def _told(target: np.ndarray) -> str:
    """Return a distribution [7] in words: its class, or its two likeliest."""
    first, second = target.argsort()[::-1][:2]
    if target[second] < 0.005:
        return CLASSES[first]
    return "\n".join(f"{CLASSES[each]} {target[each]:.0%}" for each in (first, second))


def _mistakes(validation: Validation) -> "Figure":
    """Draw the wrong answers whose label was given the lowest probability."""
    labels, probs = validation.labels, validation.probs
    answers = probs.argmax(axis=1)
    wrong = np.flatnonzero(answers != labels)
    worst = wrong[probs[wrong, labels[wrong]].argsort(kind="stable")][:MOST_PICTURES]
    captions = [
        f"label {CLASSES[labels[row]]}\n"
        f"answer {CLASSES[answers[row]]} {probs[row].max():.0%}"
        for row in worst
    ]
    return figures.picture_grid(
        [validation.picture(row) for row in worst],
        captions,
        f"The worst of {len(wrong):,} mistakes in {len(labels):,} answers",
    )
