"""`nsga2` beside pymoo's own NSGA-II, on problems with known fronts and on designs from engineering.

    python -m benchmarks.pymoo_problems [--problems a,b] [--budget N] [--seeds N] [--workers N] [-o FILE.csv]

Both have a population of 100, simulated binary crossover (probability 0.9, index 15) and polynomial mutation
(of 0.9 parameters a child, index 20), which are pymoo's defaults, and the same number of evaluations. pymoo
solves its own problems; RE and CRE are handed to it as `dse.interop.pymoo.VectorProblem`, in spaces with
discrete parameters with `SpaceSampling` and `SpaceRepair`. On ZDT5, of bits, both exchange what is between
two points and flip one bit a child, which is what pymoo documents for it.

Measured is the front of all evaluations: its hypervolume, as a fraction of that of the best front known, of
all runs here together and the exact front where there is one; the reference point is a tenth of that front's
range beyond its nadir point. Beside it, where the front is known, is the mean distance of what was found to
the nearest point of the exact front (the convergence metric of Deb, Pratap, Agarwal, Meyarivan 2002, section
V-B). Printed are medians over the seeds with quartiles, and the probability of differences as large if there
was none (Wilcoxon's signed-rank test), also after Holm's correction over all problems.

With ``-o`` the fronts of runs are kept beside the file, and not run again.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dse.interop.pymoo import Benchmark, SpaceRepair, SpaceSampling, VectorProblem, benchmark, benchmark_names
from dse.pareto import ParetoArchive, hypervolume, nondominated, reference_point
from dse.searchers import make_searcher
from dse.significance import holm, pairs

Floats = NDArray[np.float64]

POPULATION = 100
PROBLEMS = (
    *(f"zdt{number}" for number in range(1, 7)),
    "dtlz2",
    *(f"mw{number}" for number in range(1, 15)),
    "re21", "re22", "re23", "re24", "re25", "re31", "re32", "re33", "re34", "re35", "re36", "re37",
    "cre21", "cre22", "cre23", "cre24", "cre25",
)  # fmt: skip
SEARCHERS = ("nsga2", "pymoo")

made = cache(benchmark)


def ours(of: Benchmark, budget: int, seed: int) -> Floats:
    """Return the front (n, m) of all evaluations of `nsga2`."""
    # pymoo's polynomial mutation leaves one child in ten as it is.
    settings: dict[str, Any] = {"population": POPULATION, "mutation": 0.9}
    if of.name == "zdt5":
        # Half of the random values of a bit are what it was.
        settings |= {"mutation": 2.0, "exchange": "two-point"}
    searcher = make_searcher("nsga2", of.problem.space, seed, settings)
    archive = ParetoArchive(len(of.problem.objectives))
    for first in range(0, budget, POPULATION):
        found = of.problem.evaluate(searcher.ask(min(POPULATION, budget - first)))
        searcher.tell(found)
        archive.add(found.objectives[found.feasible], first + np.flatnonzero(found.feasible))
    return archive.points


def theirs(of: Benchmark, budget: int, seed: int) -> Floats:
    """Return the front (n, m) of all evaluations of pymoo's NSGA-II."""
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.core.callback import Callback
    from pymoo.operators.crossover.pntx import TwoPointCrossover
    from pymoo.operators.mutation.bitflip import BitflipMutation
    from pymoo.operators.sampling.rnd import BinaryRandomSampling
    from pymoo.optimize import minimize
    from pymoo.problems import get_problem

    archive = ParetoArchive(len(of.problem.objectives))

    class Keep(Callback):  # type: ignore[misc]
        done = 0

        def notify(self, algorithm: Any) -> None:
            feasible = algorithm.off.get("FEAS").reshape(-1)
            archive.add(algorithm.off.get("F")[feasible], self.done + np.flatnonzero(feasible))
            self.done += len(feasible)

    operators: dict[str, Any] = {}
    if "re" in of.name:
        problem = VectorProblem(of.problem)
        if not all(not parameter.discrete for parameter in of.problem.space.parameters):
            operators = {"sampling": SpaceSampling(), "repair": SpaceRepair()}
    else:
        problem = get_problem(of.name)
    if of.name == "zdt5":
        operators = {
            "sampling": BinaryRandomSampling(),
            "crossover": TwoPointCrossover(),
            "mutation": BitflipMutation(),
        }
    algorithm = NSGA2(pop_size=POPULATION, **operators)
    minimize(problem, algorithm, ("n_gen", budget // POPULATION), seed=seed, callback=Keep())
    return archive.points


def run(name: str, searcher: str, budget: int, seed: int) -> Floats:
    """Return the front of one run."""
    return (ours if searcher == "nsga2" else theirs)(made(name), budget, seed)


def measured(name: str, fronts: dict[tuple[str, int], Floats]) -> pd.DataFrame:
    """Return a row a run: its fraction of the hypervolume, and its distance to the exact front."""
    exact = made(name).front
    together = np.concatenate([*fronts.values(), *([] if exact is None else [exact])])
    best = together[nondominated(together)]
    corner = reference_point(best)
    whole = hypervolume(best, corner)
    rows = []
    for (searcher, seed), front in fronts.items():
        row: dict[str, Any] = {"problem": name, "searcher": searcher, "seed": seed}
        row["fraction"] = hypervolume(front, corner) / whole if len(front) else 0.0
        row["distance"] = np.nan
        if exact is not None and len(front):
            from scipy.spatial import cKDTree

            row["distance"] = float(cKDTree(exact).query(front)[0].mean())
        rows.append(row)
    return pd.DataFrame(rows)


def report(table: pd.DataFrame) -> None:
    """Print a row a problem."""
    tests: list[tuple[str, float]] = []
    lines = []
    for name, part in table.groupby("problem", sort=False):
        wide = part.pivot(index="seed", columns="searcher", values="fraction")[list(SEARCHERS)]
        far = part.groupby("searcher")["distance"].median()
        tests.append((str(name), pairs(wide.to_numpy(float))[0].p))
        known = "" if np.isnan(far["nsga2"]) else f"{far['nsga2']:.4f} | {far['pymoo']:.4f}"
        low, high = wide.quantile(0.25), wide.quantile(0.75)
        cells = [f"{wide[s].median():.4f} ({low[s]:.4f}–{high[s]:.4f})" for s in SEARCHERS]
        lines.append((str(name), *cells, known or " | "))
    corrected = holm([p for _, p in tests])
    print("| problem | `nsga2` | pymoo | p | Holm | distance, `nsga2` | pymoo |\n" + "|---" * 7 + "|")
    for (name, one, other, known), (_, p), after in zip(lines, tests, corrected, strict=True):
        print(f"| {name} | {one} | {other} | {p:.3f} | {after:.2f} | {known} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--problems", default=",".join(PROBLEMS))
    parser.add_argument("--budget", type=int, default=10_000)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("-o", "--output", type=Path, help="CSV of all runs; their fronts are kept beside it")
    options = parser.parse_args()
    names = options.problems.split(",")
    if unknown := [name for name in names if name not in benchmark_names()]:
        raise SystemExit(f"{unknown[0]!r} is unknown; known are {', '.join(benchmark_names())}")
    kept = options.output.with_suffix("") if options.output else None
    if kept is not None:
        kept.mkdir(exist_ok=True)
    tables = []
    with ProcessPoolExecutor(options.workers) as pool:
        for name in names:
            fronts: dict[tuple[str, int], Floats] = {}
            waiting = {}
            for searcher in SEARCHERS:
                for seed in range(options.seeds):
                    file = kept / f"{name}-{searcher}-{options.budget}-{seed}.npy" if kept else None
                    if file is not None and file.is_file():
                        fronts[searcher, seed] = np.load(file)
                    else:
                        job = pool.submit(run, name, searcher, options.budget, seed)
                        waiting[searcher, seed] = (job, file)
            for key, (job, file) in waiting.items():
                fronts[key] = job.result()
                if file is not None:
                    np.save(file, fronts[key])
            tables.append(measured(name, fronts))
            if options.output:
                pd.concat(tables).to_csv(options.output, index=False)
    report(pd.concat(tables))


if __name__ == "__main__":
    main()
