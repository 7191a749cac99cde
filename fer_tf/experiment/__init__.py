"""The folder of an experiment, and the records by which its stages trust its files."""

from fer_tf.experiment.environment import environment
from fer_tf.experiment.environment import git_commit
from fer_tf.experiment.folders import STUDENT_STAGES
from fer_tf.experiment.folders import Experiment
from fer_tf.experiment.folders import RunFolder
from fer_tf.experiment.steps import Step
from fer_tf.experiment.steps import differences
from fer_tf.experiment.written import StepRecord
from fer_tf.experiment.written import accept
from fer_tf.experiment.written import verify

__all__ = [
    "STUDENT_STAGES",
    "Experiment",
    "RunFolder",
    "Step",
    "StepRecord",
    "accept",
    "differences",
    "environment",
    "git_commit",
    "verify",
]
