"""Searchers against each other and against the exact front, with paired seeds.

`compare` runs them on a problem and returns a `Comparison`: tables of what was found, by whom, at what cost.
`ranks_over_problems` and `differences_over_problems` put several together.
"""

from dse.compare.entries import Entry
from dse.compare.problems import differences_over_problems, ranks_over_problems
from dse.compare.reference import Reference, exact_front
from dse.compare.run import Task, compare
from dse.compare.tables import Comparison

__all__ = [
    "Comparison",
    "Entry",
    "Reference",
    "Task",
    "compare",
    "differences_over_problems",
    "exact_front",
    "ranks_over_problems",
]
