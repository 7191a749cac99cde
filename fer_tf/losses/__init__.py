"""Losses: per-example, keyword-only, pure. The mean is taken once, in the loop."""

from fer_tf.losses.cross_entropy import cross_entropy
from fer_tf.losses.distillation import dkd
from fer_tf.losses.distillation import kd

DISTILLATION = {"kd": kd, "dkd": dkd}

__all__ = ["DISTILLATION", "cross_entropy", "dkd", "kd"]
