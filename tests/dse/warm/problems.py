"""Problems and spaces of the tests of warm starts; importable by subprocesses."""

from __future__ import annotations

from typing import Any

import numpy as np

from dse import Categorical, Designs, Integer, Minimize, Ordinal, Problem, Real, Space, cost_model

SPACE = Space(
    [
        Ordinal("tile", [16, 32, 64, 128]),
        Integer("stages", 1, 5),
        Categorical("dtype", ["fp16", "8", "a, b"]),
        Categorical("mode", [None, "on", 3, 2.5]),
        Categorical("split", [False, True]),
        Integer("splits", 2, 8, step=2, active_if="split == True"),
        Real("volts", 0.5, 1.5, active_if="mode != None", inactive=1.0),
    ],
    ["tile * stages <= 256"],
)


def counted(problem: Problem) -> tuple[Problem, list[bytes]]:
    """Return the same problem, and the keys of all designs that its model evaluates from now on."""
    seen: list[bytes] = []
    model = problem.model

    class Counting:
        name, version, settings, metrics, columns = (
            model.name, model.version, model.settings, model.metrics, model.columns
        )  # fmt: skip

        def evaluate(self, designs: Designs) -> Any:
            seen.extend(designs.space.keys(designs.codes))
            return model.evaluate(designs)

    same = Problem(problem.space, Counting(), problem.objectives, [limit.text for limit in problem.limits])
    assert same.fingerprint == problem.fingerprint
    return same, seen


def small(limits: list[str] | None = None, objectives: Any = None, low: int = 0, high: int = 30) -> Problem:
    """900 designs of one model, under limits, objectives and bounds of one's choice."""

    @cost_model(metrics={"a": "", "b": "", "c": ""}, version="1")
    def grid(d: Any) -> dict[str, Any]:
        return {"a": d["x"] * 1.0, "b": (d["y"] - d["x"]) ** 2 * 1.0, "c": -1.0 * d["x"] * d["y"]}

    space = Space([Integer("x", low, high), Integer("y", 0, 30)])
    return Problem(space, grid, objectives or [Minimize("a"), Minimize("b")], limits or [])


def other_problem() -> Problem:
    """Like the tiling, with a parameter less, one more, a finer and a narrower one, and another rule."""
    space = Space(
        [
            Ordinal("tile_m", [8, 24, 48, 96, 128]),
            Integer("stages", 1, 3),
            Categorical("dtype", ["int8", "int4"]),
            Categorical("split", [True, False]),
            Integer("splits", 2, 40, active_if="split == True"),
            Categorical("layout", ["row", "column", "tiled"]),
            Real("voltage", 0.6, 1.1),
        ],
        ["tile_m * stages <= 200"],
    )

    @cost_model(metrics={"time": "s", "power": "W"}, version="1")
    def model(d: Any) -> dict[str, Any]:
        return {"time": 1.0 / (d["tile_m"] * d["voltage"]), "power": d["stages"] * d["voltage"] ** 2}

    return Problem(space, model, [Minimize("time"), Minimize("power")])


def problem_of(space: Space) -> Problem:
    @cost_model(metrics={"f": ""}, version="1", columns=[space.names[0]])
    def model(d: Any) -> dict[str, Any]:
        return {"f": np.asarray(d[space.names[0]], float)}

    return Problem(space, model, [Minimize("f")])
