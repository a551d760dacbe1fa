"""pymoo (Blank and Deb, "pymoo: multi-objective optimization in Python", IEEE Access 8, 2020), both ways.

- A `dse.Problem` as a problem of pymoo: `VectorProblem`, `MixedProblem`; with `SpaceSampling` and
  `SpaceRepair`, pymoo's algorithms stay within its space.
- An algorithm of pymoo as a searcher of studies: `PymooSearcher`, or by name, ``--searcher pymoo``.
- Benchmark problems with known fronts as problems of ours: `benchmark`.
"""

from dse.interop.pymoo.benchmarks import Benchmark, benchmark, benchmark_names
from dse.interop.pymoo.problems import MixedProblem, SpaceRepair, SpaceSampling, VectorProblem
from dse.interop.pymoo.searcher import Pymoo, PymooSearcher

__all__ = [
    "Benchmark",
    "MixedProblem",
    "Pymoo",
    "PymooSearcher",
    "SpaceRepair",
    "SpaceSampling",
    "VectorProblem",
    "benchmark",
    "benchmark_names",
]
