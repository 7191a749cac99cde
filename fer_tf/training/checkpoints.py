"""The state of training, saved so that a killed run goes on as if it had not been."""

from pathlib import Path

import keras
import tensorflow as tf


class Checkpoint:
    """Everything a step depends on: weights, optimiser, seeds, and the epoch reached.

    Args:
        folder: where checkpoints lie; `tf.train.CheckpointManager` writes them so that
            a kill while saving leaves the one before.
    """

    def __init__(
        self, folder: Path, model: keras.Model, optimizer: keras.optimizers.Optimizer
    ) -> None:
        self.epoch = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.best = tf.Variable(float("-inf"), dtype=tf.float64, trainable=False)
        optimizer.build(model.trainable_variables)
        state = tf.train.Checkpoint(
            model=model,
            optimizer=optimizer,
            seeds=_seed_states(model),
            epoch=self.epoch,
            best=self.best,
        )
        self._manager = tf.train.CheckpointManager(state, str(folder), max_to_keep=1)

    def restore(self) -> int:
        """Restore the newest state, if there is one; return the epochs done."""
        if self._manager.latest_checkpoint:
            status = self._manager.checkpoint.restore(self._manager.latest_checkpoint)
            status.assert_existing_objects_matched()
        return int(self.epoch.numpy())

    def save(self, epochs_done: int) -> None:
        """Save the state after `epochs_done` epochs."""
        self.epoch.assign(epochs_done)
        self._manager.save(checkpoint_number=epochs_done)

    def is_best(self, score: float) -> bool:
        """Tell whether `score` is the highest yet, and keep it if so."""
        if score <= float(self.best.numpy()):
            return False
        self.best.assign(score)
        return True


def _seed_states(model: keras.Model) -> list[tf.Variable]:
    """Return Dropout's and the like's random states, which no checkpoint of a Keras
    model holds of itself."""
    weights = {id(weight) for weight in model.weights}
    return [each.value for each in model.variables if id(each) not in weights]
