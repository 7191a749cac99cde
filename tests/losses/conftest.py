"""How a loss falls and rises, by TensorFlow and by small steps."""

import numpy as np
import pytest
import tensorflow as tf


@pytest.fixture(scope="session")
def gradient():
    """(loss, logits) to d sum(loss) / d logits as TensorFlow has it."""

    def of(loss, logits):
        variable = tf.Variable(logits)
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(loss(variable))
        return tape.gradient(total, variable).numpy()

    return of


@pytest.fixture(scope="session")
def numerical_gradient():
    """The same by central differences, in float64."""

    def of(loss, logits, step=1e-4):
        logits = logits.astype(np.float64)
        found = np.zeros_like(logits)
        for index in np.ndindex(logits.shape):
            shift = np.zeros_like(logits)
            shift[index] = step
            rise = loss(logits + shift).sum() - loss(logits - shift).sum()
            found[index] = rise / (2 * step)
        return found

    return of
