"""What the tests of warm starts share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def url(tmp_path: Path) -> str:
    """The address of a store of its own for each test."""
    return f"sqlite:///{tmp_path}/dse.db"
