"""Benchmark problems with known fronts as a study, so that searchers can be checked."""

from __future__ import annotations

from dse import Problem
from dse.definitions import StudyDefinition


def problem(problem: str = "zdt1", parameters: int = 0, objectives: int = 0) -> Problem:
    """Return a benchmark problem of `dse.interop.pymoo.benchmark`.

    Parameters
    ----------
    problem
        zdt1 to zdt6, dtlz1 to dtlz7, c1dtlz1 and others, mw1 to mw14, re21 to re37, cre21 to cre25: all are
        in `dse.interop.pymoo.benchmark_names`.
    parameters, objectives
        How many, where the problem has any number of them; 0 for the usual.
    """
    from dse.interop.pymoo import benchmark

    return benchmark(problem, parameters=parameters or None, objectives=objectives or None).problem


study = StudyDefinition(
    "pymoo-benchmark", "ZDT, DTLZ, MW and RE problems with known fronts: --set problem=NAME", problem, "nsga2"
)

if __name__ == "__main__":
    study.main()
