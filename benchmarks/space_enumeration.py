"""Building and walking constrained spaces: designs a second, peak memory, and Kernel Tuner beside it.

    python benchmarks/space_enumeration.py [--data FOLDER] [--repeats N]

1. The GEMM space of the FAIR benchmark hub (CLBlast's Xgemm; 116,928 legal of 663,552), stated and listed in
   full, against the construction of Kernel Tuner's own `Searchspace` (extra `peers`) from the same file.
2. A synthetic space of more than 10^6 feasible designs: designs a second, peak memory while it is walked in
   chunks and all designs are dropped, and the size of all designs beside it.
3. Wide budgets, pruned by bounds, against the same without them: nine digits with a sum of at most 12,
   counted; and 1,000 samples of 32 layers of four formats, of which a budget of bits leaves one in 10^6.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import resource
import statistics
import time
import tracemalloc
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dse import Integer, Ordinal, Space
from dse.errors import SpaceError
from dse.space import plan

ROOT = Path(__file__).resolve().parents[1]
CHUNK = 10_000


def median_seconds(work: Callable[[], Any], repeats: int) -> float:
    taken = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def gemm(file: Path, repeats: int) -> None:
    stated = json.loads(file.read_text())["ConfigurationSpace"]
    values = {item["Name"]: json.loads(item["Values"]) for item in stated["TuningParameters"]}
    rules = [item["Expression"] for item in stated["Conditions"]]

    def ours() -> int:
        space = Space([Ordinal(name, domain) for name, domain in values.items()], rules)
        return sum(len(designs) for designs in space.enumerate())

    count = ours()
    seconds = median_seconds(ours, repeats)
    print(f"  dse                {count:>9,} designs  {seconds:8.4f} s  {count / seconds:>12,.0f} designs/s")
    try:
        from kernel_tuner.searchspace import Searchspace
    except ImportError as error:
        print(f"  Kernel Tuner       not installed ({error}): pip install kernel_tuner")
        return

    def theirs() -> int:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            found = Searchspace(dict(values), list(rules), max_threads=2**31)
        return int(found.size)

    peer_count = theirs()
    peer_seconds = median_seconds(theirs, repeats)
    print(
        f"  Kernel Tuner {version('kernel_tuner'):<5} {peer_count:>9,} designs  {peer_seconds:8.4f} s  "
        f"{peer_count / peer_seconds:>12,.0f} designs/s"
    )
    print(f"  ratio: Kernel Tuner takes {peer_seconds / seconds:.1f} times as long")
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        listed = {
            tuple(map(int, row)) for row in Searchspace(dict(values), list(rules), max_threads=2**31).list
        }
    space = Space([Ordinal(name, domain) for name, domain in values.items()], rules)
    ours_listed = {
        row
        for designs in space.enumerate()
        for row in zip(*(designs[name].tolist() for name in space.names), strict=True)
    }
    if peer_count != count or listed != ours_listed:
        raise SystemExit(f"the two disagree: {count} and {peer_count} designs")
    print("  the two sets of configurations are the same")


def synthetic(repeats: int) -> None:
    def build() -> Space:
        return Space(
            [
                *(Ordinal(f"tile_{axis}", [2**power for power in range(9)]) for axis in "mnk"),
                Integer("stages", 1, 8),
                Integer("warps", 1, 16),
                Ordinal("vector", [1, 2, 4, 8]),
                Integer("split", 1, 12),
            ],
            [
                "(tile_m * tile_k + tile_n * tile_k) * 2 * stages <= 98_304",
                "tile_m * tile_n >= 16 * warps",
                "tile_k % vector == 0",
                "split * tile_k <= 1_024",
            ],
        )

    def walk() -> int:
        return sum(len(designs) for designs in build().enumerate(CHUNK))

    count = walk()
    seconds = median_seconds(walk, repeats)
    tracemalloc.start()
    walk()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    space = build()
    whole = count * len(space.names) * space.code_dtype.itemsize
    counted = median_seconds(lambda: build().count(), repeats)
    print(f"  {count:,} feasible of {space.size:,} combinations, in chunks of {CHUNK:,}")
    print(f"  enumerate          {seconds:8.3f} s  {count / seconds:>12,.0f} designs/s")
    print(f"  count              {counted:8.3f} s")
    print(
        f"  peak memory        {peak / 1e6:8.1f} MB while walking; all designs at once: {whole / 1e6:.1f} MB"
    )
    print(f"  the process        {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:8.1f} MB at most")


def wide() -> None:
    def budget(values: list[int], columns: int, most: int) -> Space:
        names = [f"x{index}" for index in range(columns)]
        return Space([Ordinal(name, values) for name in names], [f"{' + '.join(names)} <= {most}"])

    def report(task: str, work: Callable[[], object]) -> None:
        for label, least in (("with bounds", plan.WIDE), ("without", 10**9)):
            before, plan.WIDE = plan.WIDE, least
            started = time.perf_counter()
            try:
                result = work()
            except SpaceError as error:
                result = f"{str(error)[:60]}..."
            finally:
                plan.WIDE = before
            print(f"  {task:<18} {label:<12} {time.perf_counter() - started:8.3f} s  {result}")

    report("count nine digits", lambda: budget(list(range(10)), 9, 12).count())
    report("sample 32 layers", lambda: f"{len(budget([2, 4, 8, 16], 32, 116).sample(1_000, 0)):,} designs")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    default = Path(os.environ.get("DSE_DATA", ROOT.parent / "shared" / "data"))
    parser.add_argument("--data", type=Path, default=default, help="folder of the reference data ($DSE_DATA)")
    parser.add_argument("--repeats", type=int, default=7, help="times each; the median is shown")
    options = parser.parse_args()

    # First, so that the process's peak is its own.
    print("Synthetic tiling space")
    synthetic(options.repeats)
    print("\nWide budgets")
    wide()
    print("\nGEMM space of the FAIR benchmark hub: construct and list")
    file = options.data / "gpu" / "T1_gemm_milo.json"
    if file.is_file():
        gemm(file, options.repeats)
    else:
        print(f"  skipped: there is no {file}; set --data or DSE_DATA")


if __name__ == "__main__":
    main()
