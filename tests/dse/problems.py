"""Small problems that several tests share; importable by subprocesses."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from dse import Categorical, Integer, Maximize, Minimize, Ordinal, Problem, Real, Space, cost_model


def tiling_space() -> Space:
    return Space(
        [
            Ordinal("tile_m", [16, 32, 64, 128]),
            Ordinal("tile_n", [16, 32, 64, 128]),
            Integer("stages", 1, 5),
            Categorical("dtype", ["fp16", "int8", "fp8"]),
            Categorical("split", [False, True]),
            Integer("splits", 2, 9, active_if="split == True"),
        ],
        ["tile_m * stages <= 512", "tile_m * tile_n <= 8192"],
    )


def tiling_problem(*, delay: float = 0.0, fail_every: int = 0) -> Problem:
    """Two objectives against each other, a limit that binds; on request slow, or failing now and then."""

    @cost_model(metrics={"latency_ms": "ms", "energy_mj": "mJ", "quality": ""}, version="1")
    def model(d: Any) -> dict[str, Any]:
        if delay:
            time.sleep(delay)
        tile = d["tile_m"] * d["tile_n"]
        speed = np.where(d["dtype"] == "fp16", 1.0, np.where(d["dtype"] == "fp8", 1.6, 2.0))
        latency = 1e5 / (tile * speed * d["stages"] ** 0.5) + d["splits"] * 0.1
        if fail_every:
            latency = np.where((d["tile_n"] + d["stages"] + d["splits"]) % fail_every == 0, np.nan, latency)
        energy = 0.01 * tile * speed**0.3 + d["stages"] + d["splits"] * 0.01
        return {"latency_ms": latency, "energy_mj": energy, "quality": 1 / speed}

    objectives = [Minimize("latency_ms"), Minimize("energy_mj"), Maximize("quality")]
    return Problem(tiling_space(), model, objectives, ["energy_mj <= 60"])


def mixed_problem() -> Problem:
    """With a real parameter and a single objective."""
    space = Space([Real("x", 1e-3, 10.0, log=True), Categorical("kind", ["a", "b"]), Integer("n", 1, 50)])

    @cost_model(metrics={"cost": "s"}, version="1")
    def model(d: Any) -> dict[str, Any]:
        return {"cost": np.log(d["x"]) ** 2 + np.abs(d["n"] - 20) + (d["kind"] == "a")}

    return Problem(space, model, [Minimize("cost")])
