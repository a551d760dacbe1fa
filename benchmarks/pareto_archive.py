"""What keeping the front costs an evaluation, beside sorting everything anew at every batch.

A million points, added in batches: random ones (small fronts) and some near a sphere (large ones). The peer,
moocore's filter over all points so far after every batch, would take hours: it is timed in the same run at
four sizes between nothing and all, and their mean is taken for every batch.

    python benchmarks/pareto_archive.py [--points 1000000]
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from moocore import is_nondominated

from dse.pareto import ParetoArchive


def points(kind: str, count: int, objectives: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    if kind == "random":
        return rng.random((count, objectives))
    ball = np.abs(rng.standard_normal((count, objectives)))
    ball /= np.linalg.norm(ball, axis=1, keepdims=True)
    return 1 - ball * rng.beta(12, 1, (count, 1))


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
    """Microseconds an evaluation of filtering all points so far after every batch, from four sizes."""
    seconds = []
    for share in (0.125, 0.375, 0.625, 0.875):
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
    print(f"{'points':18} {'batch':>7} {'front':>7} {'archive':>14} {'moocore anew':>16}")
    for kind in ("random", "near a sphere"):
        for objectives in (2, 3):
            given = points(kind, options.points, objectives)
            for batch in (100, 10_000):
                cost, size = archive(given, batch)
                peer = anew(given, batch)
                label = f"{kind} {objectives}-D"
                figures = f"{cost:8.2f} us/pt {peer:10.1f} us/pt  {peer / cost:8.1f} x"
                print(f"{label:18} {batch:7,} {size:7,} {figures}")


if __name__ == "__main__":
    main()
