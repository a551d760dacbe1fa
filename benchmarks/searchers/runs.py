"""Runs on disk: a file a problem, searcher and seed, and the reference fronts beside them."""

from __future__ import annotations

import json
import os
import platform
import time
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.searchers import ours, peers
from benchmarks.searchers.bench import Before, Bench, SpentError
from benchmarks.searchers.problems import Case
from dse.compare import exact_front
from dse.evaluations import Evaluations
from dse.pareto import nondominated

Floats = NDArray[np.float64]

PACKAGES = ("numpy", "scikit-learn", "pymoo", "optuna", "torch", "botorch", "gpytorch", "smac", "ConfigSpace")


@dataclass(frozen=True)
class Run:
    """A stored run.

    Attributes
    ----------
    problem, searcher, seed
        What was run.
    objectives
        Of its unique evaluations in order (n, m), minimised; NaN where a limit is broken or nothing is known.
    overhead
        The processor's seconds of the searcher's own until each was proposed (n,).
    facts
        Budget, counts of proposals, versions.
    """

    problem: str
    searcher: str
    seed: int
    objectives: Floats
    overhead: Floats
    facts: dict[str, Any]


class Store:
    """A folder of runs and reference fronts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, problem: str, searcher: str, seed: int) -> Path:
        return self.folder / "runs" / problem / searcher / f"seed{seed}.npz"

    def has(self, case: Case, searcher: str, seed: int, budget: int) -> bool:
        """Return whether a run of at least that budget is there, of the same problem."""
        path = self.path(case.name, searcher, seed)
        if not path.exists():
            return False
        facts = _read(path).facts
        return bool(facts["budget"] >= budget and facts["fingerprint"] == case.problem.fingerprint)

    def run(self, case: Case, searcher: str, seed: int, budget: int) -> Run:
        """Run a searcher or peer, and store what it did.

        A run that is cut short leaves its last full hundred. The next time it goes on from there if it is of
        a peer that decides by its data alone, drawing other random numbers; else it starts again.
        """
        began = time.perf_counter()
        path = self.path(case.name, searcher, seed)
        before, earlier = None, []
        if searcher in peers.GO_ON and self.has(case, searcher, seed, 1):
            facts = _read(path).facts
            began -= facts["seconds"]
            earlier = [*facts.get("earlier", []), {name: facts[name] for name in ("budget", "versions")}]
            with np.load(path) as file:
                before = Before(file["codes"], file["overhead"], facts["counts"])

        def keep() -> None:
            found, overhead = bench.trace()
            if self.has(case, searcher, seed, len(found)):
                return
            facts = {
                "budget": len(found),
                "fingerprint": case.problem.fingerprint,
                "seconds": time.perf_counter() - began,
                "counts": bench.counts,
                "versions": _versions(),
                "earlier": earlier,
            }
            _write(
                path,
                codes=found.designs.codes,
                objectives=found.objectives,
                violation=found.violation,
                overhead=overhead,
                facts=np.array(json.dumps(facts)),
            )

        bench = Bench(case.problem, budget, seed, case.corner, keep, before)
        propose = peers.find(searcher)
        with suppress(SpentError):
            if propose is None:
                ours.run(searcher, bench, seed)
            else:
                propose(bench, seed if before is None else seed + 1000 * len(before.codes))
        keep()
        return _read(path)

    def runs(self, problem: str) -> list[Run]:
        """Return the stored runs of a problem."""
        return [_read(path) for path in sorted((self.folder / "runs" / problem).glob("*/seed*.npz"))]

    def front(self, case: Case) -> tuple[Floats, bool]:
        """Return the reference front (k, m), minimised, and whether it is exact.

        It is that of all designs where they can be walked, else that of the long runs and of all stored ones
        together. What took long is kept.
        """
        path = self.folder / "fronts" / f"{case.name}.npz"
        if path.exists():
            with np.load(path) as file:
                points, known = file["points"], str(file["fingerprint"]) == case.problem.fingerprint
        if not path.exists() or not known:
            points = _long(case) if case.long_runs else exact_front(case.problem)[0]
            _write(path, points=points, fingerprint=np.array(case.problem.fingerprint))
        if not case.long_runs:
            return points, True
        together = np.concatenate([points, *(run.objectives for run in self.runs(case.name))])
        return np.unique(together[nondominated(together)], axis=0), False


def _long(case: Case) -> Floats:
    """Return the front of a problem's long runs together."""
    parts = []
    for searcher, budget in case.long_runs:
        bench = Bench(case.problem, budget, 0, case.corner)
        with suppress(SpentError):
            ours.run(searcher, bench, 0, fill=False)
        parts.append(_feasible(bench.trace()[0]))
    together = np.concatenate(parts)
    return np.asarray(np.unique(together[nondominated(together)], axis=0))


def _feasible(found: Evaluations) -> Floats:
    return np.where(found.feasible[:, None], found.objectives, np.nan)


def _read(path: Path) -> Run:
    with np.load(path) as file:
        objectives = np.where((file["violation"] == 0)[:, None], file["objectives"], np.nan)
        return Run(
            path.parents[1].name,
            path.parent.name,
            int(path.stem.removeprefix("seed")),
            objectives,
            file["overhead"],
            json.loads(str(file["facts"])),
        )


def _write(path: Path, **arrays: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # No name that runs are looked for by, and one a process: several may write to one store.
    beside = path.with_name(f"part-{os.getpid()}-{path.name}")
    np.savez_compressed(beside, **arrays)
    os.replace(beside, path)


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
