"""Multi-objective design-space exploration: state a space, a cost model and objectives; get the front."""

from dse.command import CommandModel
from dse.designs import Designs
from dse.errors import DseError
from dse.evaluations import Evaluations, State
from dse.models import CostModel, Outcome, cost_model
from dse.problem import Limit, Maximize, Metric, Minimize, Problem
from dse.space import Categorical, Constraint, Integer, Ordinal, Parameter, Real, Space
from dse.study import Study, StudyView
from dse.version import __version__

__all__ = [
    "Categorical",
    "CommandModel",
    "Constraint",
    "CostModel",
    "Designs",
    "DseError",
    "Evaluations",
    "Integer",
    "Limit",
    "Maximize",
    "Metric",
    "Minimize",
    "Ordinal",
    "Outcome",
    "Parameter",
    "Problem",
    "Real",
    "Space",
    "State",
    "Study",
    "StudyView",
    "__version__",
    "cost_model",
]
