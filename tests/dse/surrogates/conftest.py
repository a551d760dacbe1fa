"""Stores with a study and a surrogate, made once and copied for each test."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dse.surrogates.registry import Registry

from .stored import MODEL, run


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the study ``bench`` of 60 evaluations, and a surrogate of it that serves."""
    path = tmp_path_factory.mktemp("trained") / "dse.db"
    study = run(f"sqlite:///{path}")
    Registry(study.store).train("bench", ["bench"], model=MODEL)
    study.store.close()
    return path


@pytest.fixture
def url(trained: Path, tmp_path: Path) -> str:
    """The address of a copy of that store."""
    shutil.copy(trained, tmp_path / "dse.db")
    return f"sqlite:///{tmp_path}/dse.db"
