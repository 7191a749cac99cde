"""Recipes: frozen dataclasses, read from YAML, changed by dotted overrides.

A YAML file may name a `base:` beside it, whose values it changes. An unknown key is
an error that names the nearest known one. `Config()` is `configs/quickstart.yaml`.
"""

from fer_tf.config.loading import load
from fer_tf.config.loading import smoke
from fer_tf.config.loading import to_dict
from fer_tf.config.loading import to_yaml
from fer_tf.config.sections import AugmentConfig
from fer_tf.config.sections import CalibrateConfig
from fer_tf.config.sections import Config
from fer_tf.config.sections import DataConfig
from fer_tf.config.sections import DistillConfig
from fer_tf.config.sections import DistillStages
from fer_tf.config.sections import ExportConfig
from fer_tf.config.sections import FaceConfig
from fer_tf.config.sections import LiveConfig
from fer_tf.config.sections import ModelConfig
from fer_tf.config.sections import SoftLabelsConfig
from fer_tf.config.sections import StageConfig
from fer_tf.config.sections import TrainConfig

__all__ = [
    "AugmentConfig",
    "CalibrateConfig",
    "Config",
    "DataConfig",
    "DistillConfig",
    "DistillStages",
    "ExportConfig",
    "FaceConfig",
    "LiveConfig",
    "ModelConfig",
    "SoftLabelsConfig",
    "StageConfig",
    "TrainConfig",
    "load",
    "smoke",
    "to_dict",
    "to_yaml",
]
