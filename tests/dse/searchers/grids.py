"""Test problems on grids, and pymoo's algorithms on the same problems, operators and budget."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse import Designs, Integer, Minimize, Problem, Space, cost_model
from dse.pareto import hypervolume


def sphere(parameters: int, top: int) -> Problem:
    """DTLZ2 (Deb, Thiele, Laumanns and Zitzler, 2005) of three objectives, with its front on the grid."""
    space = Space([Integer(f"x{index}", 0, top) for index in range(parameters)])

    @cost_model(metrics={"f0": "", "f1": "", "f2": ""}, columns=space.names, version="1")
    def model(d: Any) -> dict[str, Any]:
        x = np.stack([d[name] for name in space.names], axis=1) / top
        distance = 1 + ((x[:, 2:] - (top // 2) / top) ** 2).sum(axis=1)
        one, two = x[:, 0] * np.pi / 2, x[:, 1] * np.pi / 2
        return {
            "f0": distance * np.cos(one) * np.cos(two),
            "f1": distance * np.cos(one) * np.sin(two),
            "f2": distance * np.sin(one),
        }

    return Problem(space, model, [Minimize(f"f{index}") for index in range(3)])


def operators(prob: float, eta: float) -> dict[str, Any]:
    """Return pymoo's crossover, mutation and sampling on whole numbers."""
    from pymoo.operators.crossover.sbx import SBX
    from pymoo.operators.mutation.pm import PM
    from pymoo.operators.repair.rounding import RoundingRepair
    from pymoo.operators.sampling.rnd import IntegerRandomSampling

    return {
        "sampling": IntegerRandomSampling(),
        "crossover": SBX(prob=prob, eta=eta, vtype=float, repair=RoundingRepair()),
        "mutation": PM(eta=20, vtype=float, repair=RoundingRepair()),
    }


def pymoo_volume(
    problem: Problem, algorithm: Any, budget: int, seed: int, reference: tuple[float, ...]
) -> float:
    """Return the hypervolume of all that a pymoo algorithm evaluated within a budget."""
    from pymoo.core.problem import Problem as PymooProblem
    from pymoo.optimize import minimize

    found: list[NDArray[np.float64]] = []

    class Grid(PymooProblem):  # type: ignore[misc]
        def __init__(self) -> None:
            top = [parameter.cardinality - 1 for parameter in problem.space.parameters]
            super().__init__(n_var=len(top), n_obj=len(problem.objectives), xl=0, xu=top, vtype=int)

        def _evaluate(self, x: Any, out: dict[str, Any], *args: Any, **kwargs: Any) -> None:
            out["F"] = problem.evaluate(Designs(problem.space, np.atleast_2d(x).astype(int))).objectives
            found.append(out["F"])

    minimize(Grid(), algorithm, ("n_eval", budget), seed=seed)
    return hypervolume(np.concatenate(found)[:budget], np.array(reference))
