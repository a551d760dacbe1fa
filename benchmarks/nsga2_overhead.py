"""What the engine costs a design with `nsga2`, beside plain pymoo NSGA-II in the same run.

Both search the same integer-coded space with population 100 and the same vectorised model. pymoo keeps
nothing; the engine asks, evaluates, looks for repeats, stores every evaluation and a front snapshot in SQLite
(a commit a generation) and tells. The model's own time is subtracted from both. Runs alternate; medians.

    python benchmarks/nsga2_overhead.py [--generations 100] [--repeats 5]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.core.problem import Problem as PymooProblem
from pymoo.operators.crossover.sbx import SBX
from pymoo.operators.mutation.pm import PM
from pymoo.operators.repair.rounding import RoundingRepair
from pymoo.operators.sampling.rnd import IntegerRandomSampling
from pymoo.optimize import minimize

from dse import Integer, Minimize, Problem, Space, Study, cost_model
from dse.pareto import hypervolume

PARAMETERS, TOP, POPULATION = 30, 255, 100
REFERENCE = (1.1, 8.0)


class Clock:
    """Time spent in the model."""

    seconds = 0.0


def objectives(x: np.ndarray[Any, Any], clock: Clock) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """ZDT1 (Zitzler, Deb and Thiele 2000) on a grid."""
    began = time.perf_counter()
    unit = x / TOP
    g = 1 + 9 * unit[:, 1:].mean(axis=1)
    result = unit[:, 0], g * (1 - np.sqrt(unit[:, 0] / g))
    clock.seconds += time.perf_counter() - began
    return result


def run_pymoo(generations: int, seed: int) -> tuple[float, int, float]:
    clock = Clock()

    class Grid(PymooProblem):
        def __init__(self) -> None:
            super().__init__(n_var=PARAMETERS, n_obj=2, xl=0, xu=TOP, vtype=int)

        def _evaluate(self, x: Any, out: dict[str, Any], *args: Any, **kwargs: Any) -> None:
            out["F"] = np.column_stack(objectives(x, clock))

    algorithm = NSGA2(
        pop_size=POPULATION,
        sampling=IntegerRandomSampling(),
        crossover=SBX(prob=0.9, eta=15, vtype=float, repair=RoundingRepair()),
        mutation=PM(eta=20, vtype=float, repair=RoundingRepair()),
        eliminate_duplicates=True,
    )
    began = time.perf_counter()
    result = minimize(Grid(), algorithm, ("n_gen", generations), seed=seed, verbose=False)
    spent = time.perf_counter() - began - clock.seconds
    evaluations = result.algorithm.evaluator.n_eval
    return spent, evaluations, hypervolume(result.F, np.array(REFERENCE))


def run_engine(generations: int, seed: int, folder: Path) -> tuple[float, int, float]:
    clock = Clock()
    space = Space([Integer(f"x{i}", 0, TOP) for i in range(PARAMETERS)])

    @cost_model(metrics={"f1": "", "f2": ""}, version="1")
    def model(d: Any) -> dict[str, Any]:
        f1, f2 = objectives(np.column_stack([d[f"x{i}"] for i in range(PARAMETERS)]), clock)
        return {"f1": f1, "f2": f2}

    problem = Problem(space, model, [Minimize("f1"), Minimize("f2")])
    began = time.perf_counter()
    study = Study("bench", problem, seed=seed, store=f"sqlite:///{folder}/{time.monotonic_ns()}.db")
    study.run(generations * POPULATION)
    spent = time.perf_counter() - began - clock.seconds
    return spent, sum(study.counts().values()), study.hypervolume(REFERENCE)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--generations", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    costs: dict[str, list[float]] = {"pymoo": [], "engine": []}
    volumes: dict[str, list[float]] = {"pymoo": [], "engine": []}
    with tempfile.TemporaryDirectory() as folder:
        run_pymoo(3, 0)
        run_engine(3, 0, Path(folder))
        for seed in range(options.repeats):
            for name, (spent, evaluations, volume) in (
                ("pymoo", run_pymoo(options.generations, seed)),
                ("engine", run_engine(options.generations, seed, Path(folder))),
            ):
                costs[name].append(1e3 * spent / evaluations)
                volumes[name].append(volume)
    for name in costs:
        low, middle, high = min(costs[name]), statistics.median(costs[name]), max(costs[name])
        volume = statistics.median(volumes[name])
        print(f"{name:8} {middle:.4f} ms a design ({low:.4f} to {high:.4f}), hypervolume {volume:.4f}")
    ratios = [engine / peer for engine, peer in zip(costs["engine"], costs["pymoo"], strict=True)]
    print(f"engine / pymoo: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
