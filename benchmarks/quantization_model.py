"""How many mixed-precision configurations of a language model are costed a second, on one core.

python -m benchmarks.quantization_model [--model llama-3.1-8b] [--batch 100000]
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from threadpoolctl import threadpool_limits

from dse.designs import Designs
from studies.quantization import problem

REPEATS = 7


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", default="llama-3.1-8b")
    parser.add_argument("--device", default="h200")
    parser.add_argument("--batch", type=int, default=100_000)
    given = parser.parse_args()
    for groups in ("part", "layer"):
        began = time.perf_counter()
        of = problem(given.model, device=given.device, groups=groups)
        few = of.space.sample(1_000, 0)
        of.model.evaluate(few)
        prepared = time.perf_counter() - began
        rows = np.random.default_rng(0).integers(0, len(few), given.batch)
        designs = Designs(of.space, few.codes[rows])
        seconds = []
        with threadpool_limits(1):
            for _ in range(REPEATS):
                began = time.perf_counter()
                of.model.evaluate(designs)
                seconds.append(time.perf_counter() - began)
        rates = given.batch / np.array(seconds)
        print(
            f"{given.model} by {groups}: {len(of.space.names)} parameters, {np.median(rates):,.0f} "
            f"configurations/s (slowest {rates.min():,.0f}), {prepared:.1f} s to prepare"
        )


if __name__ == "__main__":
    main()
