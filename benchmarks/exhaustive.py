"""`exhaustive` on a million feasible designs and more: designs a second, peak memory, the exact front.

Each size runs in a process of its own, so that its peak memory is its own. The front is compared with that of
all objectives at once (moocore).

    python benchmarks/exhaustive.py [--sizes 1 2 4]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from dse import Integer, Minimize, Ordinal, Problem, Space, Study, cost_model
from dse.pareto import nondominated


def problem(millions: int) -> Problem:
    """About `millions` million feasible of four times as many designs."""
    space = Space(
        [
            Ordinal("tile_m", [16, 32, 48, 64, 96, 128, 192, 256]),
            Ordinal("tile_n", [16, 32, 48, 64, 96, 128, 192, 256]),
            Ordinal("tile_k", [8, 16, 24, 32, 48, 64, 96, 128]),
            Integer("stages", 1, 8),
            Integer("warps", 1, 16),
            Integer("unroll", 1, 2 * millions),
            Integer("split", 1, 32),
        ],
        [
            "(tile_m + tile_n) * tile_k * stages <= 49152",
            "warps * 512 <= tile_m * tile_n",
            "unroll * split <= 32",
        ],
    )

    @cost_model(metrics={"time": "", "energy": "", "memory": ""}, version="1")
    def model(d: Any) -> dict[str, Any]:
        work = 1e9 / (d["warps"] * np.log2(1 + d["unroll"])) * (1 + 0.1 / d["stages"]) / d["split"] ** 0.5
        traffic = 1e9 * (1 / d["tile_m"] + 1 / d["tile_n"])
        memory = (d["tile_m"] + d["tile_n"]) * d["tile_k"] * d["stages"] + 1e3 * d["split"]
        return {"time": work + traffic, "energy": traffic * 2 + work + memory, "memory": memory}

    return Problem(space, model, [Minimize("time"), Minimize("energy"), Minimize("memory")])


def run(millions: int) -> dict[str, float]:
    chosen = problem(millions)
    began = time.perf_counter()
    count = chosen.space.count()
    counted = time.perf_counter() - began
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        study = Study("bench", chosen, "exhaustive", store=f"sqlite:///{folder}/dse.db").run()
        spent = time.perf_counter() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        disk = (Path(folder) / "dse.db").stat().st_size / 1e6
        front = study.front().index
        assert sum(study.counts().values()) == count
        began = time.perf_counter()
        walked = sum(len(chosen.evaluate(part)) for part in chosen.space.enumerate(50_000))
        unstored = time.perf_counter() - began
        assert walked == count
        objectives = np.concatenate(
            [chosen.evaluate(part).objectives for part in chosen.space.enumerate(50_000)]
        )
        assert sorted(front) == np.flatnonzero(nondominated(objectives)).tolist()
    return {
        "designs": count,
        "raw": chosen.space.size,
        "count_seconds": counted,
        "seconds": spent,
        "peak_mb": peak,
        "disk_mb": disk,
        "front": len(front),
        "unstored_seconds": unstored,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(run(options.child)))
        return
    for size in options.sizes:
        child = [sys.executable, __file__, "--child", str(size)]
        done = subprocess.run(child, capture_output=True, text=True, check=True)
        r = json.loads(done.stdout)
        print(
            f"{r['designs']:,} of {r['raw']:,} designs, front of {r['front']:,}, exact: "
            f"{r['designs'] / r['seconds']:,.0f} designs/s stored ({r['disk_mb']:,.0f} MB), "
            f"{r['designs'] / r['unstored_seconds']:,.0f} designs/s walked and evaluated; "
            f"peak memory {r['peak_mb']:,.0f} MB; counted in {r['count_seconds']:.3f} s"
        )


if __name__ == "__main__":
    main()
