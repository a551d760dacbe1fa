"""Search spaces: parameters, constraints, enumeration, sampling, composition."""

from dse.space.constraints import Constraint
from dse.space.parameters import Categorical, Integer, Ordinal, Parameter, Real
from dse.space.space import Space

__all__ = ["Categorical", "Constraint", "Integer", "Ordinal", "Parameter", "Real", "Space"]
