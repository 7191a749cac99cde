"""The state of training, saved so that a killed run goes on as if it had not been."""

import dataclasses
import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path

import keras
import tensorflow as tf

from fer_tf.errors import UserError
from fer_tf.training.average import Average


log = logging.getLogger(__name__)

# TensorFlow's names of the state file, and of the checkpoints that it lists.
STATE_FILE = "checkpoint"
PREFIX = "ckpt"


@dataclass
class Progress:
    """How far training is.

    Attributes:
        history: the figures of every epoch done.
        step: how many steps of the epoch that follows are done.
        sums: what these steps have reported, float32, added up by name.
        skipped: the rows of each step skipped since the last good one.
        averaged: how many variables have an average; None where it is not told.
    """

    history: list[dict[str, float]] = field(default_factory=list)
    step: int = 0
    sums: dict[str, float | tf.Tensor] = field(default_factory=dict)
    skipped: list[list[int]] = field(default_factory=list)
    averaged: int | None = None

    def add(self, values: Mapping[str, tf.Tensor]) -> None:
        """Count a step of the epoch that is under way, and what it reports."""
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
        self.step += 1

    def end_epoch(self, figures: dict[str, float]) -> None:
        """Close the epoch that was under way with its figures."""
        self.history.append({"epoch": len(self.history) + 1, **figures})
        self.step, self.sums = 0, {}


class Checkpoint:
    """Everything a step depends on: weights, their average, optimiser, seeds, progress.

    Args:
        folder: where checkpoints lie; `tf.train.CheckpointManager` writes them so that
            a kill while saving leaves the one before.
        optimizer: built.

    Raises:
        UserError: `folder` has checkpoints, and its state file is missing or damaged.
    """

    def __init__(
        self,
        folder: Path,
        model: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        average: Average,
    ) -> None:
        self.progress = Progress(averaged=len(average.variables))
        self._json = tf.Variable("", dtype=tf.string, trainable=False)
        state = tf.train.Checkpoint(
            model=model,
            optimizer=optimizer,
            average=average.variables,
            seeds=_seed_states(model),
            progress=self._json,
        )
        check_state(folder)
        self._manager = tf.train.CheckpointManager(
            state, str(folder), max_to_keep=1, checkpoint_name=PREFIX
        )

    def restore(self) -> None:
        """Restore the newest state, if there is one.

        Raises:
            UserError: it is not the state of such a model and optimiser.
        """
        if self._manager.latest_checkpoint:
            expected = self.progress.averaged
            self._read(self._manager.latest_checkpoint)
            self.progress = Progress(**json.loads(self._json.numpy()))
            self._check_average(expected)

    def _check_average(self, expected: int) -> None:
        """Hold the state against `train.ema`: an average would be lost unnoticed."""
        if self.progress.averaged not in (None, expected):
            raise UserError(
                f"{self._manager.directory} has an average of "
                f"{self.progress.averaged} variables, expected one of {expected}: "
                "train.ema was switched on or off. Set it as it was, or delete "
                f"{Path(self._manager.directory).parent} to train anew."
            )
        self.progress.averaged = expected

    def _read(self, path: str) -> None:
        try:
            status = self._manager.checkpoint.restore(path)
            status.assert_existing_objects_matched()
        except (AssertionError, IndexError, ValueError, tf.errors.OpError) as error:
            reason = str(error).partition("\n")[0]
            raise UserError(
                f"{path} cannot be gone on from: {reason} Expected the state of this "
                "model and optimiser, as this version of the program saves it. Delete "
                f"{Path(path).parent.parent} to train anew."
            ) from None

    def save(self) -> None:
        """Save the state and `progress`."""
        self._json.assign(json.dumps(dataclasses.asdict(self.progress), default=float))
        self._manager.save()


def check_state(folder: Path) -> None:
    """Check that the state file of a folder lists the checkpoint that is in it.

    TensorFlow starts from nothing where it cannot read the state file, and its next
    save deletes the checkpoints that the file does not list.

    Raises:
        UserError: there are checkpoints, and no state file that lists them. The message
            says how to repair it.
    """
    saved = _saved(folder)
    state = folder / STATE_FILE
    if not state.exists():
        # Killed during the first save: TensorFlow writes the state file last.
        if saved and max(saved) > 1:
            raise _unreadable(state, "it is missing", saved)
        if saved:
            log.warning("%s begins again: its first save was interrupted.", folder)
        return
    try:
        content = tf.train.get_checkpoint_state(str(folder))
    # Bytes that are no text, or no name of a checkpoint.
    except ValueError:
        content = None
    if content is None:
        raise _unreadable(state, "it cannot be parsed", saved)
    # TensorFlow returns them as paths, those in the folder as well.
    latest = content.model_checkpoint_path
    if latest not in {str(folder / _name(number)) for number in saved}:
        raise _unreadable(state, f"there is no {latest}", saved)
    if [latest] != content.all_model_checkpoint_paths[-1:]:
        raise _unreadable(state, "it contradicts itself", saved)


def _saved(folder: Path) -> list[int]:
    """Return the numbers of the complete checkpoints in a folder."""
    names = [path.name for path in folder.glob("*")]
    found = [re.fullmatch(rf"{PREFIX}-(\d+)[.]index", name) for name in names]
    return sorted(int(match[1]) for match in found if match)


def _name(number: int) -> str:
    return f"{PREFIX}-{number}"


def _unreadable(state: Path, reason: str, saved: list[int]) -> UserError:
    """Return the error for a state file, with the content that would repair it."""
    message = f"{state} cannot be used to resume training: {reason}. "
    if not saved:
        return UserError(
            f"{message}There is no complete checkpoint beside it. Delete "
            f"{state.parent.parent} to train from the beginning."
        )
    name = _name(saved[-1])
    return UserError(
        f"{message}Restore it from a copy; or, to resume from {name}, the latest "
        f"checkpoint there, replace its content with these two lines: "
        f'model_checkpoint_path: "{name}"\nall_model_checkpoint_paths: "{name}"\n'
        f"Nothing was changed. To train from the beginning, delete "
        f"{state.parent.parent}."
    )


def _seed_states(model: keras.Model) -> list[tf.Variable]:
    """Return Dropout's and the like's random states, which no checkpoint of a Keras
    model holds of itself."""
    weights = {id(weight) for weight in model.weights}
    return [each.value for each in model.variables if id(each) not in weights]
