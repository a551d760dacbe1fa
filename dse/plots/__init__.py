"""Figures of a study, for notebooks, reports and papers.

Each function takes a `dse.Study` or `dse.StudyView`, those that begin with ``comparison`` a
`dse.compare.Comparison`, and returns a plotly figure: units and the direction of
better on the axes, colours that colour-blind readers tell apart, dominated designs faded, infeasible ones
crossed, knees labelled. `caption` returns what is to be said below it.
"""

from dse.plots.attainment import comparison_attainment, comparison_difference
from dse.plots.comparison import comparison_anytime, comparison_by_budget, comparison_lottery
from dse.plots.fronts import front_2d, front_3d, front_matrix
from dse.plots.parameters import parallel_coordinates, parameter_importance
from dse.plots.progress import failures, hypervolume_history, objective_history
from dse.plots.ranks import average_ranks
from dse.plots.style import caption

__all__ = [
    "average_ranks",
    "caption",
    "comparison_anytime",
    "comparison_attainment",
    "comparison_by_budget",
    "comparison_difference",
    "comparison_lottery",
    "failures",
    "front_2d",
    "front_3d",
    "front_matrix",
    "hypervolume_history",
    "objective_history",
    "parallel_coordinates",
    "parameter_importance",
]
