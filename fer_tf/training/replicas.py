"""On how many devices, and in how many processes, a model is trained.

One device, all GPUs of a machine, or as many processes as `TF_CONFIG` names, each
started with the same command and each seeing the same files.
"""

import functools
import os
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from fer_tf import write_lock
from fer_tf.errors import OutsideError
from fer_tf.errors import UserError
from fer_tf.training.epochs import Epochs
from fer_tf.training.epochs import Share


@functools.cache
def strategy() -> tf.distribute.Strategy:
    """Return this process' strategy; its first call comes before any other of TF's.

    Without a GPU, operations are deterministic from then on: a run that was killed ends
    in the very weights of one that was not. On GPUs that would cost too much time.

    Raises:
        UserError: `TF_CONFIG` does not say which process of which this is.
        OutsideError: the port that it names cannot be opened.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        tf.config.experimental.enable_op_determinism()
    if "TF_CONFIG" in os.environ:
        try:
            return tf.distribute.MultiWorkerMirroredStrategy()
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"TF_CONFIG={os.environ['TF_CONFIG']!r} is of no use: {error} Expected "
                '{"cluster": {"worker": ["host:port", ...]}, "task": {"type": '
                '"worker", "index": 0}}, with another index in every process. Unset '
                "it to train in this process alone."
            ) from None
        except tf.errors.OpError as error:
            raise OutsideError(
                f"TF_CONFIG={os.environ['TF_CONFIG']!r}: this process' port cannot be "
                f"opened: {error.message} Is another process on it?"
            ) from None
    if len(gpus) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Tell whether it is this process that writes files."""
    resolver = strategy.cluster_resolver
    if resolver is None or resolver.task_type is None:
        return True
    return resolver.task_type == "chief" or (
        resolver.task_id == 0 and "chief" not in resolver.cluster_spec().jobs
    )


def in_chief(work: Callable[[], None]) -> None:
    """Do something in the chief alone; the other processes wait for it."""
    ours = strategy()
    if is_chief(ours):
        work()
    # They meet in a sum.
    if ours.num_replicas_in_sync > 1:
        ones = ours.run(lambda: tf.ones(()))
        ours.reduce(tf.distribute.ReduceOp.SUM, ones, axis=None)


@contextmanager
def write_lock_of(folder: Path) -> Iterator[None]:
    """Hold a folder's write lock in the chief, who alone writes to it.

    Raises:
        OutsideError: another training is writing to the folder.
    """
    if is_chief(strategy()):
        with write_lock.folder(folder):
            yield
    else:
        yield


def synchronize(strategy: tf.distribute.Strategy, model: keras.Model) -> None:
    """Let BatchNormalization see the whole batch, not a replica's part of it.

    Else each replica's statistics are its own, and they drift apart.
    """
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            synchronize(strategy, layer)
        elif isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = strategy.num_replicas_in_sync > 1


def check(strategy: tf.distribute.Strategy, data: Epochs) -> None:
    """Raise UserError unless a batch can be shared out evenly."""
    count = strategy.num_replicas_in_sync
    if data.batch_size % count:
        raise UserError(
            f"train.batch_size must be a multiple of the {count} replicas that share "
            f"it, received {data.batch_size}."
        )


def shared_out(
    strategy: tf.distribute.Strategy, data: Epochs, epoch: int, first_step: int
) -> Any:
    """Return an epoch from `first_step` on, each batch shared out among replicas."""

    def of(context: tf.distribute.InputContext) -> tf.data.Dataset:
        hosts = context.num_input_pipelines
        pieces = context.num_replicas_in_sync // hosts
        share = Share(context.input_pipeline_id, hosts, pieces)
        return data.of(epoch, first_step, share)

    return strategy.distribute_datasets_from_function(of)


def rows_of(strategy: tf.distribute.Strategy, batch: Mapping[str, Any]) -> list[int]:
    """Return the rows of a batch that this process has."""
    parts = strategy.experimental_local_results(batch["row"])
    return [row for part in parts for row in part.numpy().tolist()]
