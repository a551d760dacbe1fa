"""Stored studies with all that an evaluation can come to."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import optuna
import pytest

from dse import Categorical, Integer, Minimize, Ordinal, Outcome, Problem, Real, Space, Study, StudyView
from dse.designs import Designs


class Chip:
    """Fails, times out, breaks a limit: by design."""

    name, version = "chip", "1"
    settings: dict[str, Any] = {"device": "chip-1"}  # noqa: RUF012
    metrics = {"latency_ms": "ms", "gflops": "GFLOP/s", "power_w": "W"}  # noqa: RUF012
    columns = ("core.tile", "core.stages", "core.kind", "core.splits", "core.double")

    def evaluate(self, d: Designs) -> Outcome:
        tile, stages, splits = d["core.tile"], d["core.stages"], d["core.splits"]
        latency = 100 / tile + stages + splits * 0.1 * (d["core.kind"] == "split")
        power = 0.01 * tile * stages + d["core.double"]
        errors = {
            int(row): f"stages {stages[row]} 'do' not fit\nat all"
            for row in np.flatnonzero((tile == 128) & (stages == 1))
        }
        timeouts = frozenset(np.flatnonzero((tile == 16) & (stages >= 4)).tolist())
        return Outcome(
            {"latency_ms": latency, "gflops": tile * splits, "power_w": power},
            errors,
            timeouts,
            np.full(len(d), 0.25),
        )


def chip_space(*, real: bool = False) -> Space:
    parameters = [
        Ordinal("core.tile", [16, 32, 64, 128]),
        Integer("core.stages", 1, 5),
        Categorical("core.kind", ["direct", "split"]),
        Integer("core.splits", 2, 8, step=2, active_if="core.kind == 'split'"),
        Categorical("core.double", [False, True]),
    ]
    if real:
        parameters.append(Real("core.clock", 0.5, 2.0, log=True))
    return Space(parameters, ["core.tile * core.stages <= 256", "core.double == False or core.stages >= 2"])


def chip_problem() -> Problem:
    goals = [Minimize("latency_ms"), Minimize("power_w")]
    return Problem(chip_space(), Chip(), goals, ["power_w <= 2.5", "gflops >= 40"])


@pytest.fixture(scope="module")
def chip(tmp_path_factory: pytest.TempPathFactory) -> StudyView:
    """A stored study of every member of the space."""
    store = f"sqlite:///{tmp_path_factory.mktemp('chip')}/dse.db"
    Study("chip", chip_problem(), searcher="exhaustive", store=store, batch=30).run()
    view = StudyView("chip", store)
    assert all(view.counts().values()), view.counts()
    return view


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield
    optuna.logging.set_verbosity(level)
