"""How fast the LUT model is: designs a second on one core, and what a synthesis of one takes beside it.

``python -m benchmarks.lut_model``
"""

from __future__ import annotations

import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

from dse.compare import exact_front
from objectives.lut import Core
from objectives.lut.rtl import TOP, verilog
from objectives.synthesis import synthesize
from studies.lut_accelerator import problem

BATCH = 100_000


def main() -> None:
    """Print the figures."""
    chosen = problem()
    designs = chosen.space.sample(BATCH, 0)
    rates = []
    for _ in range(7):
        started = time.perf_counter()
        chosen.model.evaluate(designs)
        rates.append(BATCH / (time.perf_counter() - started))
    rates.sort()
    print(f"model, a batch of {BATCH:,}: median {rates[3]:,.0f} designs/s (slowest {rates[0]:,.0f})")
    started = time.perf_counter()
    front, count = exact_front(chosen)
    seconds = time.perf_counter() - started
    print(f"exact front: {len(front)} points of {count:,} designs in {seconds:.1f} s")
    core = Core(group_size=2, tables=8, readers=16, zero="gate")
    made = synthesize(verilog(core), TOP)
    print(
        f"synthesis of a core of {made.area_um2:,.0f} um2 ({made.tool}): {made.seconds:.1f} s, "
        f"{made.seconds * rates[3]:,.0f} times the model's time"
    )


if __name__ == "__main__":
    main()
