"""A small problem whose studies surrogates are trained on; importable by subprocesses."""

from __future__ import annotations

from typing import Any

import numpy as np

from dse import Categorical, Integer, Minimize, Problem, Space, Study, cost_model

MODEL = "ridge"  # the fastest to train


def problem(
    *,
    shift: float = 0.0,
    limit: float | None = None,
    failing: bool = False,
    high: int = 40,
    version: str = "1",
    unit: str = "ms",
) -> Problem:
    """Two metrics of five parameters; on request another limit, range, version or unit.

    A `shift` changes what is measured, and not what the problem says it is: a device that has aged.
    """
    space = Space(
        [Integer("x", 0, high), *(Integer(name, 0, 40) for name in "yzw"), Categorical("kind", ["a", "b"])]
    )

    @cost_model(metrics={"time": unit, "energy": "mJ"}, version=version)
    def device(d: Any) -> dict[str, Any]:
        x, y, z, w = (np.asarray(d[name], float) for name in "xyzw")
        jitter = np.sin(12.9898 * x + 78.233 * y + 37.719 * z + 11.131 * w)  # what no model learns
        time = 100 + 3 * x + 0.1 * x * y + 0.05 * z * w + 20 * (d["kind"] == "b") + 2 * jitter + shift
        lost = failing & (d["x"] % 10 == 3) & (y > 20)
        return {"time": np.where(lost, np.nan, time), "energy": 5.0 + y + 0.05 * w * x + jitter}

    limits = [] if limit is None else [f"time <= {limit}"]
    return Problem(space, device, [Minimize("time"), Minimize("energy")], limits)


def run(url: str, name: str = "bench", budget: int = 60, seed: int = 0, **changes: Any) -> Study:
    """Run a study to a budget of evaluations, at random."""
    return Study(name, problem(**changes), "random", seed, url).run(budget)
