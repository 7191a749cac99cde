"""The versions and the commit that a figure depends on."""

import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = (
    "fer-tf",
    "tensorflow",
    "keras",
    "keras-cv",
    "tensorflow-datasets",
    "numpy",
    "opencv-python",
    "ai-edge-litert",
)


def environment() -> dict[str, Any]:
    """Return the versions and the commit that a figure depends on."""
    return {
        "python": platform.python_version(),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
        "commit": git_commit(),
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def git_commit() -> str:
    """Return the commit of the code, with `-dirty` if it was changed since, or ""."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    folder = Path(__file__).parent
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
