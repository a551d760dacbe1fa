"""Dominance, fronts and their quality, thin over `moocore`.

Points are matrices (n, m) in the objectives' own units; every objective is minimised unless `maximize` (m,)
says otherwise.
"""

from dse.pareto.archive import ArchiveChange, ParetoArchive
from dse.pareto.dominance import dominates, nondominated, nondominated_ranks
from dse.pareto.indicators import (
    attainment,
    attainment_differences,
    epsilon_additive,
    epsilon_multiplicative,
    igd_plus,
)
from dse.pareto.knees import knee_points
from dse.pareto.volume import hypervolume, hypervolume_contributions, reference_point

__all__ = [
    "ArchiveChange",
    "ParetoArchive",
    "attainment",
    "attainment_differences",
    "dominates",
    "epsilon_additive",
    "epsilon_multiplicative",
    "hypervolume",
    "hypervolume_contributions",
    "igd_plus",
    "knee_points",
    "nondominated",
    "nondominated_ranks",
    "reference_point",
]
