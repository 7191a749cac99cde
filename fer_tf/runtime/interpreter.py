"""The one place that picks a TFLite interpreter.

`ai_edge_litert` is `tflite_runtime` under its new name, so it comes first.
"""

import importlib
from pathlib import Path
from typing import Any

import numpy as np

from fer_tf.errors import UserError

PACKAGES = ("ai_edge_litert", "tflite_runtime")


def load(model: Path, threads: int = 1) -> Any:
    """Return an interpreter of the TFLite file `model`.

    Args:
        threads: how many it may use; two hurt as often as they help.

    Raises:
        UserError: no interpreter is installed, the one that is cannot work here, or
            the file is not a TFLite model.
    """
    if threads < 1:
        raise UserError(f"threads must be 1 or more, received {threads}.")
    interpreter = _interpreter_class()
    try:
        return interpreter(model_content=model.read_bytes(), num_threads=threads)
    except ValueError as error:
        raise UserError(f"{model} is not a TFLite model: {error}") from None


def _interpreter_class() -> type:
    for package in PACKAGES:
        try:
            module = importlib.import_module(f"{package}.interpreter")
        except ModuleNotFoundError as error:
            if error.name not in (package, f"{package}.interpreter"):
                raise
        except (ImportError, AttributeError) as error:
            raise _clash(package, error) from None
        else:
            return module.Interpreter
    raise UserError(
        "no TFLite interpreter is installed. Do: pip install ai-edge-litert "
        "(or, with NumPy 1: pip install tflite-runtime)."
    )


def _clash(package: str, error: Exception) -> UserError:
    """Return the error for a package that is installed but cannot be imported.

    `tflite_runtime` is built against NumPy 1, and under NumPy 2 it says so in ways
    that do not name the cure.
    """
    if package == "tflite_runtime" and int(np.__version__.partition(".")[0]) >= 2:
        return UserError(
            f"tflite_runtime needs NumPy 1, but NumPy {np.__version__} is installed. "
            "Do: pip install ai-edge-litert "
            '(or, to stay with it: pip install "fer-tf[tflite-runtime]").'
        )
    return UserError(f"{package} is installed but cannot be imported: {error}")
