"""A space as ConfigSpace has it."""

from __future__ import annotations

import ast
from typing import Any

from dse.errors import ExpressionError, SpaceError
from dse.interop.activity import guarded
from dse.interop.configspace.clauses import (
    Alternatives,
    Among,
    Bound,
    Clause,
    Relation,
    Unsayable,
    alternatives,
    violations,
)
from dse.interop.configspace.library import library
from dse.interop.names import settle
from dse.space import Categorical, Integer, Ordinal, Parameter, Real, Space

# Values of an integer with a step that are listed one by one.
MOST_VALUES = 10_000
META = "dse"


def to_configspace(space: Space, *, lost: list[str] | None = None) -> Any:
    """Return a space as a `ConfigSpace.ConfigurationSpace`.

    Parameters with one value are constants; an integer with a step is ordinal. Conditions and constraints
    become conditions and forbidden clauses where all of their parts are said by values, bounds, or one
    parameter compared with another, or their values can be listed: at most 20,000 combinations are looked at,
    and a thousand clauses written. The default configuration is a random member of the space. What is ours
    alone (steps, the order of parameters, the text of conditions) is kept in the parameters' ``meta``.

    Parameters
    ----------
    space
        Any.
    lost
        Where to put what ConfigSpace has no place for, a line each; None to refuse it.

    Raises
    ------
    SpaceError
        If ConfigSpace is not installed, the space has no feasible design, or something has no place and
        `lost` is None.
    """
    made = library().ConfigurationSpace()
    missing: list[str] = []
    default = next(iter(space.sample(1, 0).rows()))
    known = {}
    for position, parameter in enumerate(space.parameters):
        meta = {META: {"position": position, "parameter": parameter.to_dict()}}
        known[parameter.name] = _hyperparameter(parameter, default[parameter.name], meta, missing)
    made.add(*known.values())
    for parameter in space.parameters:
        if parameter.condition is not None:
            try:
                found = _condition(space, parameter)
                made.add(_any_condition(known, parameter.name, found))
            except (Unsayable, ExpressionError):
                missing.append(f"the condition of {parameter.name!r} ({parameter.active_if})")
    for constraint in space.constraints:
        try:
            clauses = [_forbidden(known, item) for item in violations(space, constraint)]
        except (Unsayable, ExpressionError):
            missing.append(f"the constraint {constraint.name!r}")
            continue
        made.add(*clauses)
    settle(missing, lost, "ConfigSpace")
    return made


def to_json(space: Space, *, lost: list[str] | None = None) -> dict[str, Any]:
    """Return a space as ConfigSpace's own JSON form; see `to_configspace`."""
    found: dict[str, Any] = to_configspace(space, lost=lost).to_serialized_dict()
    return found


def _hyperparameter(parameter: Parameter, default: Any, meta: dict[str, Any], missing: list[str]) -> Any:
    kinds, name = library(), parameter.name
    if parameter.cardinality == 1:
        return kinds.Constant(name, default, meta=meta)
    if isinstance(parameter, Categorical):
        return kinds.CategoricalHyperparameter(name, parameter.listed, default_value=default, meta=meta)
    if isinstance(parameter, Ordinal):
        return kinds.OrdinalHyperparameter(name, parameter.listed, default_value=default, meta=meta)
    assert isinstance(parameter, Integer | Real)
    kind = kinds.UniformFloatHyperparameter
    if isinstance(parameter, Integer):
        kind = kinds.UniformIntegerHyperparameter
        if parameter.step > 1 and parameter.cardinality <= MOST_VALUES:
            if parameter.log:
                missing.append(f"the logarithm of {name!r}, which has a step")
            values = list(range(parameter.low, parameter.high + 1, parameter.step))
            return kinds.OrdinalHyperparameter(name, values, default_value=default, meta=meta)
        if parameter.step > 1:
            missing.append(f"the step of {name!r}, which has {parameter.cardinality:,} values")
    return kind(name, parameter.low, parameter.high, log=parameter.log, default_value=default, meta=meta)


def _condition(space: Space, parameter: Parameter) -> Alternatives:
    assert parameter.condition is not None
    tree = parameter.condition.tree
    if any(isinstance(node, ast.Not) for node in ast.walk(tree)):
        tree = guarded(space, tree)
    return alternatives(space, tree, relations=False)


def _any_condition(known: dict[str, Any], child: str, found: Alternatives) -> Any:
    kinds = library()
    if not found or not all(found):
        raise Unsayable  # it never holds, or always
    options = []
    for clauses in found:
        made = [_one_condition(known, child, clause) for clause in clauses]
        options.append(made[0] if len(made) == 1 else kinds.AndConjunction(*made))
    return options[0] if len(options) == 1 else kinds.OrConjunction(*options)


def _one_condition(known: dict[str, Any], child: str, clause: Clause) -> Any:
    kinds = library()
    match clause:
        case Among(name=name, values=(value,)):
            return kinds.EqualsCondition(known[child], known[name], value)
        case Among(name=name, values=values):
            return kinds.InCondition(known[child], known[name], list(values))
        case Bound(name=name, sign="<", value=bound):
            return kinds.LessThanCondition(known[child], known[name], bound)
        case Bound(name=name, value=bound):
            return kinds.GreaterThanCondition(known[child], known[name], bound)
    raise Unsayable


def _forbidden(known: dict[str, Any], clauses: tuple[Clause, ...]) -> Any:
    if not clauses:
        raise SpaceError("a constraint forbids every design: loosen it")
    made = [_one_forbidden(known, clause) for clause in clauses]
    return made[0] if len(made) == 1 else library().ForbiddenAndConjunction(*made)


def _one_forbidden(known: dict[str, Any], clause: Clause) -> Any:
    # Of the forbidden bounds only the strict ones are used: ConfigSpace 1.2.2 samples by the others wrongly.
    kinds = library(".forbidden")
    match clause:
        case Among(name=name, values=(value,)):
            return kinds.ForbiddenEqualsClause(known[name], value)
        case Among(name=name, values=values):
            return kinds.ForbiddenInClause(known[name], list(values))
        case Bound(name=name, sign="<", value=bound):
            return kinds.ForbiddenLessThanClause(known[name], bound)
        case Bound(name=name, value=bound):
            return kinds.ForbiddenGreaterThanClause(known[name], bound)
        case Relation(left=left, sign=sign, right=right):
            relations = {
                "<": kinds.ForbiddenLessThanRelation,
                "<=": kinds.ForbiddenLessThanEqualsRelation,
                ">": kinds.ForbiddenGreaterThanRelation,
                ">=": kinds.ForbiddenGreaterThanEqualsRelation,
                "==": kinds.ForbiddenEqualsRelation,
            }
            return relations[sign](known[left], known[right])
