"""How many real evaluations a surrogate saves: `surrogate` with a quarter of what plain NSGA-II is given.

    python -m benchmarks.two_stage run --store DIR [--studies a,b] [--seeds 10]
    python -m benchmarks.two_stage report --store DIR

``run`` goes on from its folder: one file a study and seed. Hypervolumes are of objectives scaled to the range
of the front of all runs of a study, with the reference point a tenth beyond its worst values.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from dse.definitions import find
from dse.pareto import hypervolume, nondominated
from dse.study import Study

STUDIES = ("lut-accelerator", "nas-accelerator", "quantization", "gpu-tiling", "llm-codesign")
PLAIN, SPARING = ("nsga2", 2_000), ("surrogate", 500)
BUDGETS = (100, 200, 300, 400, 500)


def objectives(name: str, searcher: str, budget: int, seed: int) -> tuple[Any, list[bool], float]:
    """Return minimised objectives in order of evaluation, which are feasible, and the seconds of the run."""
    problem = find(name).build()
    with tempfile.TemporaryDirectory() as folder:
        study = Study("run", problem, searcher=searcher, seed=seed, store=f"sqlite:///{folder}/store.db")
        began = time.perf_counter()
        study.run(budget)
        seconds = time.perf_counter() - began
        frame = study.evaluations()
    values = frame[[item.metric for item in problem.objectives]].to_numpy(float) * problem.signs
    return values.tolist(), (frame["state"] == "complete").tolist(), seconds


def run(store: Path, studies: list[str], seeds: int) -> None:
    """Make the runs that are not there."""
    store.mkdir(parents=True, exist_ok=True)
    for seed in range(seeds):
        for name in studies:
            path = store / f"{name}-{seed}.json"
            if path.exists():
                continue
            made = {
                searcher: dict(
                    zip(
                        ("values", "feasible", "seconds"),
                        objectives(name, searcher, budget, seed),
                        strict=True,
                    )
                )
                for searcher, budget in (PLAIN, SPARING)
            }
            part = path.with_suffix(".part")
            part.write_text(json.dumps(made))
            part.rename(path)
            print(f"{name} seed {seed}: {made[SPARING[0]]['seconds']:.0f} s", flush=True)


def report(store: Path) -> None:
    """Print a row a study: what the plain run reached, and what the sparing one did with how many."""
    print("| study | seeds | NSGA-II, 2,000 | " + " | ".join(f"surrogate, {n}" for n in BUDGETS)
          + " | seeds that reach it with 500 | evaluations to reach it, median | s a run |")  # fmt: skip
    print("|---" * (len(BUDGETS) + 6) + "|")
    names = sorted({path.stem.rpartition("-")[0] for path in store.glob("*.json")})
    for name in names:
        runs = [json.loads(path.read_text()) for path in sorted(store.glob(f"{name}-*.json"))]
        arrays = [
            {
                searcher: (np.array(item["values"], float), np.array(item["feasible"]))
                for searcher, item in found.items()
            }
            for found in runs
        ]
        every = np.concatenate([values[good] for found in arrays for values, good in found.values()])
        front = every[nondominated(every)]
        low, high = front.min(axis=0), front.max(axis=0)
        width = np.where(high > low, high - low, 1.0)

        def reached(item: Any, count: int, low: Any = low, width: Any = width) -> float:
            values, good = item[0][:count], item[1][:count]
            return float(hypervolume((values[good] - low) / width, np.full(len(low), 1.1)))

        plain = np.array([reached(found[PLAIN[0]], PLAIN[1]) for found in arrays])
        sparing = np.array([[reached(found[SPARING[0]], count) for count in BUDGETS] for found in arrays])
        steps = np.arange(20, SPARING[1] + 1, 20)
        needed = []
        for found, goal in zip(arrays, plain, strict=True):
            ways = [count for count in steps if reached(found[SPARING[0]], count) >= goal]
            needed.append(float(ways[0]) if ways else np.inf)
        middle = float(np.median(needed))
        reach = f"{middle:.0f}" if np.isfinite(middle) else f"over {SPARING[1]}"
        seconds = np.median([found[SPARING[0]]["seconds"] for found in runs])
        print(
            f"| {name} | {len(runs)} | {np.median(plain):.4f} | "
            + " | ".join(f"{value:.4f}" for value in np.median(sparing, axis=0))
            + f" | {int((sparing[:, -1] >= plain).sum())} of {len(runs)} | {reach}"
            f" | {seconds:.0f} |"
        )


def main() -> None:
    """Run as the module's text says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", choices=["run", "report"])
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--studies", default=",".join(STUDIES))
    parser.add_argument("--seeds", type=int, default=10)
    given = parser.parse_args()
    if given.action == "run":
        run(given.store, given.studies.split(","), given.seeds)
    else:
        report(given.store)


if __name__ == "__main__":
    main()
