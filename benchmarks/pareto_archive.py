"""What keeping the front costs an evaluation, beside sorting everything anew.

A million points, added in batches: random ones (small fronts) and some near a sphere (large ones). Filtering
all points so far with moocore after every batch would take hours: it is timed in the same run at four sizes
between nothing and all, and their mean taken for every batch (an extrapolation). pymoo's NonDominatedSorting
is run after every batch in full, on the first few thousand points only. The last lines give single additions
of 100 points to a front of a given size, all on a sphere, so that all 100 enter: the archive's worst case.

    python benchmarks/pareto_archive.py [--points 1000000]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial

import numpy as np
from moocore import is_nondominated
from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

from dse.pareto import ParetoArchive

SORTED_BY_PYMOO = 20_000
ADDITIONS = 9


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def near_a_sphere(rng: np.random.Generator, count: int, objectives: int, depth: bool = True) -> np.ndarray:
    ball = np.abs(rng.standard_normal((count, objectives)))
    ball /= np.linalg.norm(ball, axis=1, keepdims=True)
    return 1 - ball * (rng.beta(12, 1, (count, 1)) if depth else 1.0)


def points(kind: str, count: int, objectives: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.random((count, objectives)) if kind == "random" else near_a_sphere(rng, count, objectives)


def kept(given: np.ndarray, batch: int) -> ParetoArchive:
    archive = ParetoArchive(given.shape[1])
    for start in range(0, len(given), batch):
        part = given[start : start + batch]
        archive.add(part, np.arange(start, start + len(part)))
    return archive


def anew(given: np.ndarray, batch: int) -> float:
    """Seconds an evaluation of filtering all points so far after every batch, from four sizes."""
    sizes = [int(share * len(given)) for share in (0.125, 0.375, 0.625, 0.875)]
    spent = [seconds(partial(is_nondominated, given[:size], keep_weakly=True)) for size in sizes]
    return float(np.mean(spent)) / batch


def pymoo_anew(given: np.ndarray, batch: int) -> None:
    for end in range(batch, len(given) + 1, batch):
        NonDominatedSorting().do(given[:end], only_non_dominated_front=True)


def many(count: int) -> None:
    print(f"{'points':18} {'batch':>7} {'front':>7} {'archive':>14} {'moocore anew':>20} {'times':>9}")
    for kind in ("random", "near a sphere"):
        for objectives in (2, 3):
            given = points(kind, count, objectives)
            front = int(is_nondominated(given, keep_weakly=True).sum())
            for batch in (100, 10_000):
                began = time.perf_counter()
                archive = kept(given, batch)
                cost = (time.perf_counter() - began) / len(given)
                assert len(archive) == front
                peer = anew(given, batch)
                print(
                    f"{kind + f' {objectives}-D':18} {batch:7,} {front:7,} {1e6 * cost:8.2f} us/pt "
                    f"{1e6 * peer:14.1f} us/pt {peer / cost:8.1f}x"
                )


def few() -> None:
    print(f"\nfirst {SORTED_BY_PYMOO:,} points in batches of 100, beside pymoo's sorting after every batch")
    for kind in ("random", "near a sphere"):
        for objectives in (2, 3):
            given = points(kind, SORTED_BY_PYMOO, objectives)
            cost, peer = seconds(partial(kept, given, 100)), seconds(partial(pymoo_anew, given, 100))
            print(
                f"{kind + f' {objectives}-D':18} archive {1e3 * cost:7.1f} ms   pymoo {1e3 * peer:8.1f} ms "
                f"{peer / cost:8.1f}x"
            )


def additions() -> None:
    print("\none addition of 100 points that all enter, median, beside moocore on front and batch together")
    for objectives in (2, 3, 4):
        for size in (1_000, 10_000, 40_000):
            rng = np.random.default_rng(0)
            front = near_a_sphere(rng, size, objectives, depth=False)
            own, peer = [], []
            for _ in range(ADDITIONS):
                archive = kept(front, size)
                batch = near_a_sphere(rng, 100, objectives, depth=False)
                own.append(seconds(partial(archive.add, batch, np.arange(size, size + 100))))
                together = np.concatenate([front, batch])
                peer.append(seconds(partial(is_nondominated, together, keep_weakly=True)))
            print(
                f"{objectives}-D front {size:7,}: archive {1e3 * np.median(own):7.2f} ms   "
                f"moocore {1e3 * np.median(peer):7.2f} ms {np.median(peer) / np.median(own):6.1f}x"
            )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--points", type=int, default=1_000_000)
    options = parser.parse_args()
    many(options.points)
    few()
    additions()


if __name__ == "__main__":
    main()
