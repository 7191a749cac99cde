"""The one place that picks a TFLite interpreter.

`ai_edge_litert` is `tflite_runtime` under its new name, so it comes first.
"""

import importlib
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from fer_tf.errors import UserError

PACKAGES = ("ai_edge_litert", "tflite_runtime")

# What a TFLite file has in its bytes 4 to 8.
IDENTIFIER = b"TFL3"


def load(model: Path, threads: int = 1) -> Any:
    """Return an interpreter of the TFLite file `model`, ready to run.

    Args:
        threads: how many it may use; two hurt as often as they help.

    Raises:
        UserError: no interpreter is installed, the one that is cannot work here or
            lacks what the model needs, or the file is not a TFLite model.
    """
    if threads < 1:
        raise UserError(f"threads must be 1 or more, received {threads}.")
    content = model.read_bytes()
    if content[4:8] != IDENTIFIER:
        raise UserError(f"{model} is not a TFLite model. Export it again.")
    package, interpreter = _interpreter()
    try:
        loaded = interpreter(model_content=content, num_threads=threads)
        loaded.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(
            f"{model} cannot be run by the installed {package}: {reason} Do: pip "
            "install --upgrade ai-edge-litert, or export it again with "
            "export.precision=float32."
        ) from None
    return loaded


def _interpreter() -> tuple[str, type]:
    """Return the package that serves, and its interpreter."""
    for package in PACKAGES:
        _check_numpy(package)
        try:
            module = importlib.import_module(f"{package}.interpreter")
        except ModuleNotFoundError as error:
            if error.name not in (package, f"{package}.interpreter"):
                raise
        except (ImportError, AttributeError) as error:
            raise UserError(
                f"{package} is installed but cannot be imported: {error}"
            ) from None
        else:
            return package, module.Interpreter
    raise UserError(
        "no TFLite interpreter is installed. Do: pip install ai-edge-litert "
        "(or, with NumPy 1: pip install tflite-runtime)."
    )


def _check_numpy(package: str) -> None:
    """Raise UserError where `package` is there and cannot work with this NumPy.

    `tflite_runtime` is built against NumPy 1. Under NumPy 2 it fails while it is
    imported or only when it is given a model, in ways that do not name the cure.
    """
    if package != "tflite_runtime" or int(np.__version__.partition(".")[0]) < 2:
        return
    if importlib.util.find_spec(package):
        raise UserError(
            f"tflite_runtime needs NumPy 1, but NumPy {np.__version__} is installed. "
            "Do: pip install ai-edge-litert "
            '(or, to stay with it: pip install "fer-tf[tflite-runtime]").'
        )
