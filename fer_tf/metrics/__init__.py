"""How good answers are: pure functions of labels, predictions and probabilities.

Everywhere `labels` and `predictions` are integers [n] in 0..6, `probs` is [n, 7] with
rows that sum to one, `distribution` is the same of votes, and a malformed argument is a
`ValueError`.
"""

from fer_tf.metrics.bootstrap import bootstrap_interval
from fer_tf.metrics.bootstrap import with_intervals
from fer_tf.metrics.calibration_error import Reliability
from fer_tf.metrics.calibration_error import chance_ece
from fer_tf.metrics.calibration_error import classwise_ece
from fer_tf.metrics.calibration_error import ece
from fer_tf.metrics.calibration_error import reliability
from fer_tf.metrics.class_prior import balanced_nll
from fer_tf.metrics.class_prior import mean_over_classes
from fer_tf.metrics.class_prior import source_prior
from fer_tf.metrics.class_prior import to_uniform_prior
from fer_tf.metrics.class_prior import uniform_prior_summary
from fer_tf.metrics.counts import accuracy
from fer_tf.metrics.counts import balanced_accuracy
from fer_tf.metrics.counts import confusion
from fer_tf.metrics.counts import lowest_f1
from fer_tf.metrics.counts import macro_f1
from fer_tf.metrics.counts import per_class_f1
from fer_tf.metrics.counts import per_class_precision
from fer_tf.metrics.counts import per_class_recall
from fer_tf.metrics.logits import log_softmax
from fer_tf.metrics.logits import logits_of
from fer_tf.metrics.logits import softmax
from fer_tf.metrics.proper_scores import TINY
from fer_tf.metrics.proper_scores import brier
from fer_tf.metrics.proper_scores import nll
from fer_tf.metrics.proper_scores import row_nll
from fer_tf.metrics.selection import aurc
from fer_tf.metrics.selection import coverage_at
from fer_tf.metrics.selection import risk_coverage
from fer_tf.metrics.summaries import WANTED_ACCURACIES
from fer_tf.metrics.summaries import differences
from fer_tf.metrics.summaries import headline
from fer_tf.metrics.summaries import summary
from fer_tf.metrics.summaries import votes_summary
from fer_tf.metrics.votes import cross_entropy
from fer_tf.metrics.votes import entropy
from fer_tf.metrics.votes import expected_accuracy
from fer_tf.metrics.votes import row_cross_entropy
from fer_tf.metrics.votes import votes_brier
from fer_tf.metrics.votes import votes_ece
from fer_tf.metrics.votes import votes_reliability

__all__ = [
    "Reliability",
    "TINY",
    "WANTED_ACCURACIES",
    "accuracy",
    "aurc",
    "balanced_accuracy",
    "balanced_nll",
    "bootstrap_interval",
    "brier",
    "chance_ece",
    "classwise_ece",
    "confusion",
    "coverage_at",
    "cross_entropy",
    "differences",
    "ece",
    "entropy",
    "expected_accuracy",
    "headline",
    "log_softmax",
    "logits_of",
    "lowest_f1",
    "macro_f1",
    "mean_over_classes",
    "nll",
    "per_class_f1",
    "per_class_precision",
    "per_class_recall",
    "reliability",
    "risk_coverage",
    "row_cross_entropy",
    "row_nll",
    "softmax",
    "source_prior",
    "summary",
    "to_uniform_prior",
    "uniform_prior_summary",
    "votes_brier",
    "votes_ece",
    "votes_reliability",
    "votes_summary",
    "with_intervals",
]
