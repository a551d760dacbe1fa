"""A space from one of ConfigSpace's."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any

from dse.errors import SpaceError
from dse.expressions import Expression
from dse.interop.activity import guarded
from dse.interop.configspace.library import library
from dse.interop.configspace.writing import META, to_json
from dse.interop.names import identifiers, settle
from dse.space import Categorical, Integer, Ordinal, Parameter, Real, Space
from dse.space.parameters import parameter_from_dict

_SIGNS = {
    "LessThan": "<", "LessThanEquals": "<=", "GreaterThan": ">", "GreaterThanEquals": ">=", "Equals": "=="
}  # fmt: skip


def from_json(data: Mapping[str, Any], *, lost: list[str] | None = None) -> Space:
    """Return the space of ConfigSpace's JSON form; see `from_configspace`.

    Raises
    ------
    SpaceError
        Also if the form is not that of a configuration space.
    """
    kind = library().ConfigurationSpace
    try:
        made = kind.from_serialized_dict(deepcopy(dict(data)))  # it empties what it is given
    except Exception as error:  # of many types, the library's own and Python's
        raise SpaceError(f"this is no JSON of ConfigSpace: {type(error).__name__}: {error}") from error
    return from_configspace(made, lost=lost)


def from_configspace(given: Any, *, lost: list[str] | None = None) -> Space:
    """Return the space of a `ConfigSpace.ConfigurationSpace`.

    Conditions become ``active_if``, forbidden clauses constraints of the form ``not (...)``, each guarded by
    the conditions of what it reads: a clause holds only of parameters that are active. The default
    configuration is no part of a space. One that `to_configspace` wrote, and nobody changed, gives the same
    parameters again.

    Parameters
    ----------
    given
        Theirs.
    lost
        Where to put what has no place here, a line each; None to refuse it: weights of choices, distributions
        other than the uniform, names that have to change, an order of numbers that neither rise nor fall,
        relations of texts.

    Raises
    ------
    SpaceError
        If ConfigSpace is not installed, or something has no place and `lost` is None.
    """
    missing: list[str] = []
    names = identifiers(list(given))
    parameters = _written(given)
    if parameters is None:
        missing += [
            f"the name {label!r}, which becomes {name!r}" for label, name in names.items() if label != name
        ]
        parameters = [_parameter(names[label], item, missing) for label, item in dict(given).items()]
        parameters = _with_conditions(given, parameters, names, missing)
    space = Space(parameters)
    constraints = []
    for clause in given.forbidden_clauses:
        text = _forbidden(clause, space, names)
        if text is None:
            missing.append(f"the forbidden clause {clause}")
        else:
            tree = guarded(space, Expression(text).tree)
            constraints.append(f"not ({ast.unparse(tree)})")
    settle(missing, lost, "a space")
    return Space(parameters, list(dict.fromkeys(constraints)))


def _written(given: Any) -> list[Parameter] | None:
    """Return the parameters as they were before they were written, if they say the same as what is there."""
    notes: list[Any] = [(item.meta or {}).get(META) for item in dict(given).values()]
    try:
        listed = sorted(notes, key=lambda note: note["position"])
        parameters = [parameter_from_dict(note["parameter"]) for note in listed]
        form = to_json(Space(parameters), lost=[])
    except (SpaceError, TypeError, KeyError):
        return None  # none of ours, or changed by hand
    theirs = given.to_serialized_dict()
    for part in (form, theirs):
        for item in part["hyperparameters"]:
            item.pop("default_value", None)
            item.pop("meta", None)
    same = all(_sorted(form[key]) == _sorted(theirs[key]) for key in ("hyperparameters", "conditions"))
    return parameters if same else None


def _sorted(items: list[dict[str, Any]]) -> list[str]:
    return sorted(map(repr, items))


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def _parameter(name: str, item: Any, missing: list[str]) -> Parameter:
    kinds = library()
    if isinstance(item, kinds.Constant):
        return Categorical(name, [_plain(item.value)])
    if isinstance(item, kinds.CategoricalHyperparameter):
        if item.weights is not None and len(set(item.probabilities)) > 1:
            missing.append(f"the weights of {name!r}")
        return Categorical(name, [_plain(value) for value in item.choices])
    if isinstance(item, kinds.OrdinalHyperparameter):
        values = [_plain(value) for value in item.sequence]
        try:
            return Ordinal(name, values)
        except SpaceError:
            missing.append(f"the order of {name!r}, whose numbers neither rise nor fall")
            return Categorical(name, values)
    low, high = _plain(item.lower), _plain(item.upper)
    if not isinstance(item, kinds.UniformFloatHyperparameter | kinds.UniformIntegerHyperparameter):
        missing.append(f"the distribution of {name!r}, {type(item).__name__}")
    log = bool(getattr(item, "log", False))
    if isinstance(item, kinds.hyperparameters.IntegerHyperparameter):
        return Integer(name, int(low), int(high), log=log)
    return Real(name, float(low), float(high), log=log)


def _with_conditions(
    given: Any, parameters: list[Parameter], names: Mapping[str, str], missing: list[str]
) -> list[Parameter]:
    known = {parameter.name: parameter for parameter in parameters}
    texts: dict[str, list[str]] = {}
    for condition in given.conditions:
        child = names[_child(condition).name]
        text = _condition(condition, known, names)
        if text is None:
            missing.append(f"the condition {condition}")
        else:
            texts.setdefault(child, []).append(text)
    # Of several conditions of one child all have to hold.
    joined = {
        child: parts[0] if len(parts) == 1 else " and ".join(f"({part})" for part in parts)
        for child, parts in texts.items()
    }
    return [
        replace(parameter, active_if=joined[parameter.name]) if parameter.name in joined else parameter
        for parameter in parameters
    ]


def _child(condition: Any) -> Any:
    return condition.child if hasattr(condition, "child") else condition.get_children()[0]


def _condition(condition: Any, known: Mapping[str, Parameter], names: Mapping[str, str]) -> str | None:
    kinds = library()
    if isinstance(condition, kinds.AndConjunction | kinds.OrConjunction):
        word = " and " if isinstance(condition, kinds.AndConjunction) else " or "
        parts = [_condition(item, known, names) for item in condition.components]
        return None if None in parts else word.join(f"({part})" for part in parts)
    parameter = known[names[condition.parent.name]]
    if isinstance(condition, kinds.InCondition):
        return _among(parameter, condition.values)
    signs = {
        kinds.EqualsCondition: "==", kinds.NotEqualsCondition: "!=",
        kinds.LessThanCondition: "<", kinds.GreaterThanCondition: ">",
    }  # fmt: skip
    return _compared(parameter, signs[type(condition)], condition.value)


def _forbidden(clause: Any, space: Space, names: Mapping[str, str]) -> str | None:
    kinds = library(".forbidden")
    if isinstance(clause, kinds.ForbiddenAndConjunction | kinds.ForbiddenOrConjunction):
        word = " and " if isinstance(clause, kinds.ForbiddenAndConjunction) else " or "
        parts = [_forbidden(item, space, names) for item in clause.components]
        return None if None in parts else word.join(f"({part})" for part in parts)
    if isinstance(clause, kinds.ForbiddenRelation):
        left, right = space[names[clause.left.name]], space[names[clause.right.name]]
        sign = _SIGNS[type(clause).__name__.removeprefix("Forbidden").removesuffix("Relation")]
        return f"{left.name} {sign} {right.name}" if _numeric(left) and _numeric(right) else None
    parameter = space[names[clause.hyperparameter.name]]
    if isinstance(clause, kinds.ForbiddenInClause):
        return _among(parameter, clause.values)
    sign = _SIGNS[type(clause).__name__.removeprefix("Forbidden").removesuffix("Clause")]
    return _compared(parameter, sign, clause.value)


def _numeric(parameter: Parameter) -> bool:
    if isinstance(parameter, Integer | Real):
        return True
    assert isinstance(parameter, Categorical | Ordinal)
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in parameter.listed)


def _compared(parameter: Parameter, sign: str, value: Any) -> str:
    """Return a comparison with a constant; with one of an order of texts, as the values that are meant."""
    value = _plain(value)
    if sign in ("==", "!=") or _numeric(parameter):
        return f"{parameter.name} {sign} {value!r}"
    assert isinstance(parameter, Categorical | Ordinal)
    place = parameter.listed.index(value)
    first, last = {
        "<": (0, place), "<=": (0, place + 1), ">": (place + 1, None), ">=": (place, None)
    }[sign]  # fmt: skip
    return _among(parameter, parameter.listed[first:last])


def _among(parameter: Parameter, values: Any) -> str:
    listed = [_plain(value) for value in values]
    if len(listed) == 1:
        return f"{parameter.name} == {listed[0]!r}"
    return f"{parameter.name} in ({', '.join(map(repr, listed))})" if listed else "1 == 0"
