"""Tasks: the stages' losses, put together as their recipes say."""

import numpy as np
import pytest

from fer_tf.config import DistillConfig
from fer_tf.errors import UserError
from fer_tf.losses import cross_entropy
from fer_tf.losses import dkd
from fer_tf.losses import kd
from fer_tf.training.tasks import Distilled
from fer_tf.training.tasks import Supervised

RNG = np.random.default_rng(3)
LOGITS = RNG.normal(size=(4, 7)).astype(np.float32)
BATCH = {
    "target": RNG.dirichlet(np.ones(7), 4).astype(np.float32),
    "soft_label": RNG.normal(size=(4, 7)).astype(np.float32),
}


def test_supervised_is_cross_entropy():
    expected = cross_entropy(
        targets=BATCH["target"], logits=LOGITS, label_smoothing=0.1
    )
    found = Supervised(label_smoothing=0.1)(LOGITS, BATCH)
    np.testing.assert_allclose(found["loss"], expected)


@pytest.mark.parametrize("loss", ["kd", "dkd"])
def test_distilled_weighs_its_parts(loss):
    config = DistillConfig(
        start="ce", temperature=3.0, weight=0.7, alpha=1.5, beta=2.5
    )
    found = Distilled(loss, config)(LOGITS, BATCH)
    given = {
        "teacher_logits": BATCH["soft_label"],
        "logits": LOGITS,
        "temperature": 3.0,
    }
    divergence = (
        kd(**given)
        if loss == "kd"
        else dkd(
            **given, target_index=BATCH["target"].argmax(-1), alpha=1.5, beta=2.5
        )
    )
    hard = cross_entropy(targets=BATCH["target"], logits=LOGITS)
    np.testing.assert_allclose(found["divergence"], divergence, rtol=1e-6)
    np.testing.assert_allclose(
        found["loss"], 0.3 * np.array(hard) + 0.7 * 9 * np.array(divergence), rtol=1e-5
    )


def test_an_unknown_loss_is_answered_with_the_nearest():
    with pytest.raises(UserError, match="Did you mean 'dkd'"):
        Distilled("ddk", DistillConfig(start="ce"))
