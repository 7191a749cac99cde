"""Recipes: frozen dataclasses, read from YAML, changed by dotted overrides.

A YAML file may name a `base:` beside it, whose values it changes. An unknown key is
an error that names the nearest known one. `Config()` is `configs/quickstart.yaml`.
"""

from fer_tf.config.loading import flat
from fer_tf.config.loading import load
from fer_tf.config.loading import smoke
from fer_tf.config.loading import to_dict
from fer_tf.config.loading import to_yaml
from fer_tf.config.pictures import AugmentConfig
from fer_tf.config.pictures import DataConfig
from fer_tf.config.pictures import FaceConfig
from fer_tf.config.recipe import CalibrateConfig
from fer_tf.config.recipe import Config
from fer_tf.config.recipe import ExportConfig
from fer_tf.config.recipe import LiveConfig
from fer_tf.config.stages import DistillConfig
from fer_tf.config.stages import DistillStages
from fer_tf.config.stages import ModelConfig
from fer_tf.config.stages import SoftLabelsConfig
from fer_tf.config.stages import StageConfig
from fer_tf.config.stages import TrainConfig

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
    "flat",
    "load",
    "smoke",
    "to_dict",
    "to_yaml",
]
