"""A damaged state file never restarts training, and never deletes a checkpoint."""

import keras
import pytest
import tensorflow as tf

from fer_tf.config import TrainConfig
from fer_tf.errors import UserError
from fer_tf.training import checkpoints
from fer_tf.training.average import Average
from fer_tf.training.checkpoints import Checkpoint
from fer_tf.training.schedules import adamw


class Run:
    """A tiny training whose state is saved in a folder."""

    def __init__(self, folder):
        self.folder = folder
        self._model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        self._optimizer = adamw(TrainConfig(), 1)
        self._optimizer.build(self._model.trainable_variables)

    def checkpoint(self):
        average = Average(self._model, 0.0, tf.distribute.get_strategy())
        return Checkpoint(self.folder, self._model, self._optimizer, average)

    def save(self, times):
        """Save the state of as many epochs."""
        checkpoint = self.checkpoint()
        checkpoint.restore()
        for _ in range(times):
            checkpoint.progress.end_epoch({"loss": 1.0})
            checkpoint.save()

    def epochs(self):
        """Return how many epochs are done in the state that is restored."""
        checkpoint = self.checkpoint()
        checkpoint.restore()
        return len(checkpoint.progress.history)

    def files(self):
        return {path.name: path.read_bytes() for path in self.folder.iterdir()}


@pytest.fixture
def run(tmp_path):
    run = Run(tmp_path / "run" / "checkpoints")
    run.save(11)
    return run


def test_no_flip_of_a_bit_restarts_training(run):
    """Each bit of the state file is flipped in turn; as sampled, more than 200."""
    state = run.folder / checkpoints.STATE_FILE
    whole, before = state.read_bytes(), run.files()
    refused = resumed = 0
    for bit in range(0, 8 * len(whole), 5):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        state.write_bytes(damaged)
        try:
            checkpoints.check_state(run.folder)
            assert run.epochs() == 11
            resumed += 1
        except UserError as error:
            assert str(state) in str(error)
            refused += 1
        assert {**run.files(), state.name: whole} == before
    # Time stamps, which nothing here depends on, are a third of the file.
    assert refused > 100 and refused + resumed > 200


@pytest.mark.parametrize("content", [b"", None, b'model_checkpoint_path: "ckpt-9"\n'])
def test_checkpoints_without_a_state_file_are_an_error(run, content):
    state = run.folder / checkpoints.STATE_FILE
    state.unlink()
    if content is not None:
        state.write_bytes(content)
    before = run.files()
    with pytest.raises(UserError) as raised:
        run.checkpoint()
    assert str(state) in str(raised.value)
    assert run.files() == before


def test_what_the_message_says_repairs_it(run):
    state = run.folder / checkpoints.STATE_FILE
    state.write_text("no state")
    with pytest.raises(UserError) as raised:
        run.checkpoint()
    lines = [
        line[line.index(key) :]
        for key in ("model_checkpoint_path: ", "all_model_checkpoint_paths: ")
        for line in str(raised.value).splitlines()
        if key in line
    ]
    state.write_text("\n".join(lines))
    assert run.epochs() == 11
    run.save(1)
    assert run.epochs() == 12


def test_an_interrupted_first_save_begins_again(tmp_path):
    """TensorFlow writes the state file last."""
    run = Run(tmp_path / "run" / "checkpoints")
    run.save(1)
    (run.folder / checkpoints.STATE_FILE).unlink()
    assert run.epochs() == 0
    run.save(1)
    assert run.epochs() == 1


def test_an_interrupted_later_save_resumes_from_the_one_before(run):
    """The files of the next checkpoint are complete, the state file is not yet."""
    for path in run.folder.glob("ckpt-11.*"):
        newer = path.with_name(path.name.replace("11", "12", 1))
        newer.write_bytes(path.read_bytes())
    assert run.epochs() == 11
