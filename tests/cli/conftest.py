"""What the tests of several commands share."""

import pytest
from click.testing import CliRunner

from fer_tf.cli.main import main


@pytest.fixture
def call(tmp_path, monkeypatch):
    """A function that runs `fer-tf` in an empty folder and returns its result."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(main, arguments)
