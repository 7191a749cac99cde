"""Losses: per-example, keyword-only, pure. The mean is taken once, in the loop."""

from fer_tf.losses.cross_entropy import cross_entropy
from fer_tf.losses.cross_entropy import focal
from fer_tf.losses.cross_entropy import smoothed
from fer_tf.losses.distillation import dkd
from fer_tf.losses.distillation import kd
from fer_tf.losses.imbalance import adjusted
from fer_tf.losses.imbalance import effective_number_weights
from fer_tf.losses.margin import with_margin
from fer_tf.losses.negative import complement
from fer_tf.losses.negative import is_unsure
from fer_tf.losses.negative import negative_learning

DISTILLATION = {"kd": kd, "dkd": dkd}

__all__ = [
    "DISTILLATION",
    "adjusted",
    "complement",
    "cross_entropy",
    "dkd",
    "effective_number_weights",
    "focal",
    "is_unsure",
    "kd",
    "negative_learning",
    "smoothed",
    "with_margin",
]
