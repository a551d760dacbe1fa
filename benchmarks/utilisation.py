"""How much of their time workers spend on evaluations, synchronous and asynchronous.

    python -m benchmarks.utilisation [--workers 8] [--budget 400] [--seconds 0.5] [--searcher nsga2]

Evaluations sleep for log-normal times (deviation 1 of the logarithm: the longest of a hundred takes ten times
the median), in real worker processes; a sleeping worker needs no core, so more workers than cores are fair.
Beside it is what Python's own ProcessPoolExecutor reaches that is handed all designs at once, without a
searcher or a store.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any

import numpy as np

from dse import Integer, Minimize, Problem, Space, Study, cost_model


def seconds_of(x: int, y: int, median: float) -> float:
    """Return how long a design takes."""
    return median * float(np.random.default_rng([x, y]).lognormal(0.0, 1.0))


def sleep(design: tuple[int, int], median: float) -> float:
    """Sleep as long as a design takes, and return that."""
    spent = seconds_of(*design, median)
    time.sleep(spent)
    return spent


def problem(median: float) -> Problem:
    """Return a problem whose evaluations sleep."""

    @cost_model(metrics={"a": "", "b": ""}, per_design=True, version="1")
    def model(d: Any) -> dict[str, float]:
        sleep((d["x"], d["y"]), median)
        return {"a": d["x"] + 0.1 * d["y"], "b": (200 - d["x"]) ** 2 + d["y"]}

    space = Space([Integer("x", 0, 200), Integer("y", 0, 200)])
    return Problem(space, model, [Minimize("a"), Minimize("b")])


def main() -> None:
    """Run as the module's text says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--budget", type=int, default=400)
    parser.add_argument("--seconds", type=float, default=0.5, help="the median")
    parser.add_argument("--searcher", default="nsga2")
    given = parser.parse_args()
    print("| | busy | seconds |\n|---|---|---|")
    for asynchronous in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            study = Study("s", problem(given.seconds), given.searcher, store=f"sqlite:///{folder}/s.db")
            began = time.perf_counter()
            study.run(given.budget, workers=given.workers, asynchronous=asynchronous)
            spent = time.perf_counter() - began
            label = "asynchronous" if asynchronous else f"synchronous, batches of {study.batch}"
            print(f"| {given.searcher}, {label} | {study.utilisation:.1%} | {spent:.1f} |", flush=True)
    space = problem(given.seconds).space
    designs = [(row["x"], row["y"]) for row in space.sample(given.budget, 0).rows()]
    with ProcessPoolExecutor(given.workers, mp_context=get_context("spawn")) as pool:
        list(pool.map(len, [[]] * given.workers))  # all workers are up
        began = time.perf_counter()
        busy = sum(pool.map(partial(sleep, median=given.seconds), designs))
        spent = time.perf_counter() - began
    print(f"| ProcessPoolExecutor, all at once | {busy / spent / given.workers:.1%} | {spent:.1f} |")


if __name__ == "__main__":
    main()
