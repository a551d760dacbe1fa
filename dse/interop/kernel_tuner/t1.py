"""T1, the input format of the auto-tuning community: spaces both ways."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

from dse.errors import ExpressionError, SpaceError
from dse.expressions import Expression
from dse.interop.activity import always_canonical
from dse.interop.kernel_tuner.names import macros, renamed
from dse.interop.kernel_tuner.reading import OURS
from dse.interop.names import identifiers, settle
from dse.space import Categorical, Constraint, Integer, Ordinal, Parameter, Real, Space

MOST_VALUES = 100_000
# Python's own, which evaluates the conditions in Kernel Tuner; others of ours are unknown there.
_KNOWN_CALLS = {"abs", "max", "min", "round"}


def to_t1(
    space: Space,
    *,
    name: str = "space",
    kernel: Mapping[str, Any] | None = None,
    lost: list[str] | None = None,
) -> dict[str, Any]:
    """Return a space as the JSON form T1.

    Every parameter is a list of values, every constraint a condition. Truth values are 0 and 1, as kernels
    are compiled with; dots in names become underscores. A parameter that is not active must have its
    canonical value: T1 knows no activity. What is ours alone is kept under ``General.dse``.

    Parameters
    ----------
    space
        Without reals.
    name
        Of the benchmark.
    kernel
        The ``KernelSpecification``, which T1's schema asks for and a space does not know; left out by
        default.
    lost
        Where to put what T1 has no place for, a line each; None to refuse it.

    Raises
    ------
    SpaceError
        If a parameter is real or has more than a hundred thousand values; or if something has no place and
        `lost` is None.
    """
    names = macros(space)
    default = next(iter(space.sample(1, 0).rows()))
    tuned = [
        _tuned(parameter, names[parameter.name], default[parameter.name]) for parameter in space.parameters
    ]
    rules, missing = always_canonical(space), []
    for constraint in space.constraints:
        if constraint.expression is None:
            missing.append(f"the constraint {constraint.name!r}, which is a function")
            continue
        unknown = sorted(_calls(constraint.expression) - _KNOWN_CALLS)
        if unknown:
            missing.append(f"the constraint {constraint.name!r}, which uses {unknown[0]}()")
            continue
        rules.append(constraint.expression.text)
    settle(missing, lost, "T1")
    conditions = []
    for text in rules:
        expression = Expression(text)
        conditions.append(
            {
                "Expression": ast.unparse(renamed(expression, names)),
                "Parameters": [names[column] for column in expression.names],
            }
        )
    made: dict[str, Any] = {
        "General": {"BenchmarkName": name, "OutputFormat": "JSON", OURS: space.to_dict()},
        "ConfigurationSpace": {"TuningParameters": tuned, "Conditions": conditions},
    }
    if kernel is not None:
        made["KernelSpecification"] = dict(kernel)
    return made


def from_t1(data: Mapping[str, Any], *, lost: list[str] | None = None) -> Space:
    """Return the space of a T1 file.

    Numbers that rise are ordinal, other values categorical; conditions become constraints. A file that
    `to_t1` wrote, and nobody changed, gives the same space again, but for functions among its constraints.

    Parameters
    ----------
    data
        The parsed file.
    lost
        Where to put what has no place here; None to refuse it: conditions that are no expression of ours,
        names that have to change.

    Raises
    ------
    SpaceError
        If the file is no T1, values are no list of constants or ``range(...)``, or something has no place and
        `lost` is None.
    """
    stated = data.get("ConfigurationSpace")
    if not isinstance(stated, Mapping) or not isinstance(stated.get("TuningParameters"), list):
        raise SpaceError("this is no T1: it lacks ConfigurationSpace.TuningParameters")
    ours = _written(data)
    if ours is not None:
        return ours
    missing: list[str] = []
    try:
        listed = {str(item["Name"]): _values(item) for item in stated["TuningParameters"]}
    except (KeyError, TypeError):
        raise SpaceError("T1: each of TuningParameters needs 'Name' and 'Values'") from None
    names = identifiers(listed)
    missing += [
        f"the name {label!r}, which becomes {name!r}" for label, name in names.items() if label != name
    ]
    parameters = [_parameter(names[label], values) for label, values in listed.items()]
    space = Space(parameters)
    rules: list[Constraint] = []
    for item in stated.get("Conditions", ()):
        text = str(item.get("Expression"))
        try:
            rules.extend(Space(parameters, [text]).constraints)
        except (SpaceError, ExpressionError) as error:
            missing.append(f"the condition {text!r} ({error})")
    settle(missing, lost, "a space")
    return Space(space.parameters, rules)


def _tuned(parameter: Parameter, name: str, default: Any) -> dict[str, Any]:
    if isinstance(parameter, Real) or parameter.cardinality > MOST_VALUES:
        what = "is real" if isinstance(parameter, Real) else f"has {parameter.cardinality:,} values"
        raise SpaceError(f"T1 lists all values, and {parameter.name!r} {what}: make it Ordinal")
    values: list[Any]
    if isinstance(parameter, Integer):
        values = list(range(parameter.low, parameter.high + 1, parameter.step))
    else:
        assert isinstance(parameter, Categorical | Ordinal)
        values = list(parameter.listed)
    if all(isinstance(value, bool) for value in values):
        values, default = [int(value) for value in values], int(default)
    whole = all(isinstance(value, int) and not isinstance(value, bool) for value in values)
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    kind = "int" if whole else "float" if numbers else "string"
    return {"Name": name, "Type": kind, "Values": repr(values), "Default": default}


def _calls(expression: Expression) -> set[str]:
    return {
        node.func.id
        for node in ast.walk(expression.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }


def _written(data: Mapping[str, Any]) -> Space | None:
    """Return the space as it was before it was written, if it says the same as what is there."""
    form = (data.get("General") or {}).get(OURS)
    if not isinstance(form, Mapping):
        return None
    try:
        known = [rule for rule in form.get("constraints", ()) if "expression" in rule]
        space = Space.from_dict({**form, "constraints": known})
        same = to_t1(space, lost=[])["ConfigurationSpace"] == data["ConfigurationSpace"]
    except (SpaceError, ExpressionError, TypeError, AttributeError):
        return None  # changed by hand
    return space if same else None


def _values(item: Mapping[str, Any]) -> list[Any]:
    stated = item["Values"]
    if isinstance(stated, str):
        stated = _listed(str(item["Name"]), stated)
    if not isinstance(stated, Sequence) or isinstance(stated, str) or not stated:
        raise SpaceError(f"T1: the values of {item['Name']!r} are {stated!r}: a list is needed")
    return list(stated)


def _listed(name: str, text: str) -> Sequence[Any]:
    """Return what ``[16, 32]`` or ``list(range(1, 5))`` lists, without running it."""
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        match tree:
            case ast.Call(func=ast.Name(id="list" | "tuple"), args=[inner], keywords=[]):
                tree = inner
        match tree:
            case ast.Call(func=ast.Name(id="range"), args=arguments, keywords=[]):
                numbers = range(*(ast.literal_eval(argument) for argument in arguments))
                if len(numbers) > MOST_VALUES:
                    raise ValueError(f"more than {MOST_VALUES:,} values")
                return numbers
        found: Sequence[Any] = ast.literal_eval(tree)
    except (ValueError, SyntaxError, TypeError) as error:
        raise SpaceError(
            f"T1: the values of {name!r} ({text[:60]}) are no list of constants and no range(...): {error}"
        ) from None
    return found


def _parameter(name: str, values: Sequence[Any]) -> Parameter:
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    if numbers and list(values) == sorted(values):
        return Ordinal(name, values)
    return Categorical(name, values)
