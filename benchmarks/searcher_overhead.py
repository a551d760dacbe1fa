"""What searchers cost beside the evaluations: ask and tell, a proposed design, as more is told.

Problems are smooth, constrained, and of 10 or 30 discrete parameters; their model's time is left out, and
nothing is stored. A searcher is asked from the start, at default settings, for its own batches (at most as
many as the least number told). A row holds the mean cost of the designs that led up to each number told, in
CPU time, for which other work on the machine matters less. Set OMP_NUM_THREADS=1.

    python benchmarks/searcher_overhead.py local nsga2 nsga3 [--told 100 500 2000 10000] [--objectives 2 3]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from dse import Categorical, Integer, Minimize, Ordinal, Problem, Space, cost_model
from dse.searchers import BUILT_IN, make_searcher

# The mean is over the batches that end between this share of the number told and all of it.
FROM = 0.7


def problem_of(parameters: int, objectives: int) -> Problem:
    """Distances to points of the space, with a limit: fronts are as large as the objectives allow."""
    kinds = [
        lambda name: Ordinal(name, [1, 2, 4, 8, 16, 32, 64, 128]),
        lambda name: Integer(name, 1, 32),
        lambda name: Categorical(name, ["a", "b", "c", "d"]),
    ]
    space = Space(
        [kinds[index % 3](f"x{index}") for index in range(parameters)],
        ["x0 * x1 <= 2048", "x3 * x4 + x6 * x7 <= 5000", "x1 + x4 >= 8", "x2 != 'd' or x3 >= 4"],
    )
    targets = np.random.default_rng(7).random((objectives, parameters))
    names = [f"f{index}" for index in range(objectives)]

    @cost_model(metrics=dict.fromkeys(names, ""), columns=space.names, version="1")
    def distances(d: Any) -> dict[str, Any]:
        unit = np.stack([item.scaled(d.codes[:, at]) for at, item in enumerate(space.parameters)], axis=1)
        found = ((unit[:, None] - targets) ** 2).mean(axis=2)
        return dict(zip(names, found.T, strict=True))

    return Problem(space, distances, [Minimize(name) for name in names], ["f0 <= 0.3"])


def costs(name: str, problem: Problem, told: Sequence[int], seed: int) -> list[float]:
    """Return microseconds of ask and tell a design, of the batches before each number told."""
    searcher = make_searcher(name, problem.space, seed)
    searcher.ask(1)  # tables of the space
    spent, ends = [0.0], [0]
    batch = min(searcher.batch, *told)
    while ends[-1] + batch <= max(told):
        began = time.process_time()
        designs = searcher.ask(batch)
        asked = time.process_time() - began
        if not len(designs):
            break
        evaluations = problem.evaluate(designs)
        began = time.process_time()
        searcher.tell(evaluations)
        spent.append(spent[-1] + asked + time.process_time() - began)
        ends.append(ends[-1] + len(designs))
    found = []
    for mark in told:
        last = int(np.searchsorted(ends, mark, side="right")) - 1
        first = min(int(np.searchsorted(ends, FROM * mark)), last - 1)
        reached = ends[last] > mark - batch
        found.append(1e6 * (spent[last] - spent[first]) / (ends[last] - ends[first]) if reached else np.nan)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("searchers", nargs="+", choices=sorted(BUILT_IN), metavar="SEARCHER")
    parser.add_argument("--told", type=int, nargs="+", default=[100, 500, 2_000, 10_000])
    parser.add_argument("--parameters", type=int, nargs="+", default=[10, 30])
    parser.add_argument("--objectives", type=int, nargs="+", default=[2, 3])
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print("microseconds of ask and tell a design, at so many told")
    print(f"{'searcher':12} parameters objectives" + "".join(f"{count:>9}" for count in options.told))
    for name in options.searchers:
        costs(name, problem_of(10, 2), [200], options.seed)  # imports
        for parameters in options.parameters:
            for objectives in options.objectives:
                found = costs(name, problem_of(parameters, objectives), options.told, options.seed)
                row = "".join(f"{value:9.1f}" for value in found)
                print(f"{name:12} {parameters:10} {objectives:10}{row}", flush=True)


if __name__ == "__main__":
    main()
