"""Settings shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# One thread a process, set before NumPy is loaded: tests run in as many processes as there are cores, and
# threads that wait for each other take most of the time of small matrices.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Reproducible and without clocks: a failing example fails again, on a slow machine too.
settings.register_profile(
    "dse",
    deadline=None,
    derandomize=True,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("dse")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def reference_data() -> Path:
    """The folder of measured data, ``$DSE_DATA``; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("DSE_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no reference data in {folder}: set DSE_DATA to its folder")
    return folder
