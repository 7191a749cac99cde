"""Teachers' saved logits to fused, calibrated soft labels, all fitted on validation."""

from fer_tf.fusion.ensemble import Fused
from fer_tf.fusion.ensemble import checked
from fer_tf.fusion.ensemble import fuse
from fer_tf.fusion.ensemble import run
from fer_tf.fusion.judgement import judge
from fer_tf.fusion.out_of_fold import out_of_fold
from fer_tf.fusion.soft_labels import SoftLabels
from fer_tf.fusion.stored import views_of

__all__ = [
    "Fused",
    "SoftLabels",
    "checked",
    "fuse",
    "judge",
    "out_of_fold",
    "run",
    "views_of",
]
