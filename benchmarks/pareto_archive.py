"""What keeping the front costs an evaluation, beside sorting everything anew at every batch.

A million points, added in batches; on random points (small fronts) and near a sphere (large ones). The peers are
timed at a few sizes in the same run and extrapolated by the mean over a run, since they would take hours:
moocore's filter over all points so far, and pymoo's nondominated sorting.

    python benchmarks/pareto_archive.py [--points 1000000]
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from moocore import is_nondominated
from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

from dse.pareto import ParetoArchive


def points(kind: str, count: int, objectives: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    if kind == "random":
        return rng.random((count, objectives))
    ball = np.abs(rng.standard_normal((count, objectives)))
    ball /= np.linalg.norm(ball, axis=1, keepdims=True)
    return 1 - ball * rng.beta(60, 1, (count, 1))


def archive(given: np.ndarray, batch: int) -> tuple[float, int]:
    kept = ParetoArchive(given.shape[1])
    began = time.perf_counter()
    for start in range(0, len(given), batch):
        part = given[start : start + batch]
        kept.add(part, np.arange(start, start + len(part)))
    spent = time.perf_counter() - began
    assert len(kept) == is_nondominated(given, keep_weakly=True).sum()
    return 1e6 * spent / len(given), len(kept)


def anew(given: np.ndarray, batch: int) -> float:
    """Microseconds an evaluation of filtering all points so far after every batch, from ten sizes of a run."""
    seconds = []
    for share in np.linspace(0.05, 0.95, 10):
        part = given[: int(share * len(given))]
        began = time.perf_counter()
        is_nondominated(part, keep_weakly=True)
        seconds.append(time.perf_counter() - began)
    return 1e6 * float(np.mean(seconds)) / batch


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--points", type=int, default=1_000_000)
    options = parser.parse_args()
    print(f"{'points':14} {'batch':>7} {'front':>7} {'archive':>14} {'moocore anew':>16}")
    for kind in ("random", "near a sphere"):
        for objectives in (2, 3):
            given = points(kind, options.points, objectives)
            for batch in (100, 10_000):
                cost, size = archive(given, batch)
                peer = anew(given, batch)
                print(
                    f"{kind + f' {objectives}-D':14} {batch:7,} {size:7,} {cost:8.2f} us/pt {peer:10.1f} us/pt"
                    f"  {peer / cost:8.1f} x"
                )
    given = points("random", 20_000, 3)
    began = time.perf_counter()
    NonDominatedSorting().do(given, only_non_dominated_front=True)
    pymoo = time.perf_counter() - began
    began = time.perf_counter()
    ParetoArchive(3).add(given, np.arange(len(given)))
    print(
        f"20,000 points at once: pymoo {1e3 * pymoo:.1f} ms, archive {1e3 * (time.perf_counter() - began):.1f} ms"
    )


if __name__ == "__main__":
    main()
