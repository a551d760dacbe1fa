"""Figures of a study, for notebooks, reports and papers.

Each function takes a `dse.Study` or `dse.StudyView`, those that begin with ``studies`` several, those that
begin with ``comparison`` a `dse.compare.Comparison`, those of surrogates a surrogate and a study; and returns
a plotly figure: units and the direction of better on the axes, colours that colour-blind readers tell apart,
dominated designs faded, infeasible ones crossed, knees labelled. `caption` returns what is to be said below
it.
"""

from dse.plots.attainment import comparison_attainment, comparison_difference
from dse.plots.comparison import comparison_anytime, comparison_by_budget, comparison_lottery
from dse.plots.effects import parameter_effects
from dse.plots.fronts import front_2d, front_3d, front_matrix
from dse.plots.parameters import parallel_coordinates, parameter_importance
from dse.plots.progress import failures, hypervolume_history, objective_history
from dse.plots.ranks import average_ranks
from dse.plots.studies import studies_attainment, studies_fronts, studies_progress
from dse.plots.style import caption
from dse.plots.surrogates import interval_coverage, predicted_against_actual

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
    "interval_coverage",
    "objective_history",
    "parallel_coordinates",
    "parameter_effects",
    "parameter_importance",
    "predicted_against_actual",
    "studies_attainment",
    "studies_fronts",
    "studies_progress",
]
