"""A model that builds in no time, for tests of what holds for every model."""

import pytest

from fer_tf import models


@pytest.fixture(autouse=True)
def small_models(monkeypatch, backbone):
    """Two more names in the registry."""
    monkeypatch.setitem(models.MODELS, "tiny", backbone(8))
    monkeypatch.setitem(models.MODELS, "tinier", backbone(4))
