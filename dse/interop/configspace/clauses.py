"""Conditions as alternatives of clauses, each about one parameter or two: what ConfigSpace can say."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from dse.designs import Designs
from dse.expressions import Expression, dotted_name
from dse.interop.activity import activity, names_of
from dse.space import Constraint, Integer, Ordinal, Parameter, Real, Space

# Combinations of values that are looked at one by one, and clauses that are worth writing.
MOST_COMBINATIONS = 20_000
MOST_CLAUSES = 1_000

_NEGATED = {"<": ">=", ">=": "<", ">": "<=", "<=": ">", "==": "!=", "!=": "=="}
_MIRRORED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "==": "==", "!=": "!="}
_SIGNS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="
}  # fmt: skip


@dataclass(frozen=True)
class Among:
    """A parameter has one of some values."""

    name: str
    values: tuple[Any, ...]


@dataclass(frozen=True)
class Bound:
    """A parameter is below or above a number: `sign` is ``<`` or ``>``."""

    name: str
    sign: str
    value: float


@dataclass(frozen=True)
class Relation:
    """A parameter compared with another: `sign` is ``<``, ``<=``, ``>``, ``>=`` or ``==``."""

    left: str
    sign: str
    right: str


Clause = Among | Bound | Relation
Alternatives = list[tuple[Clause, ...]]  # one of them holds; of each, all clauses


class Unsayable(Exception):  # noqa: N818
    """A condition is no alternatives of clauses, or too many."""


def alternatives(
    space: Space, tree: ast.expr, *, negate: bool = False, relations: bool = True
) -> Alternatives:
    """Return a condition over a space, or its negation, as alternatives.

    Parameters
    ----------
    space
        Of the columns.
    tree
        The condition.
    negate
        Whether its negation is wanted.
    relations
        Whether one parameter can be compared with another.

    Raises
    ------
    Unsayable
        If it is none.
    """

    def of(part: ast.expr, negate: bool = negate) -> Alternatives:
        return alternatives(space, part, negate=negate, relations=relations)

    match tree:
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return of(operand, not negate)
        case ast.BoolOp(op=operator, values=values):
            parts = [of(value) for value in values]
            every = isinstance(operator, ast.And) != negate
            return every_of(parts) if every else _limited([item for part in parts for item in part])
        case ast.Constant(value=bool() as truth):
            return [()] if truth != negate else []
        case ast.Compare(left=left, ops=operators, comparators=rights):
            lefts = [left, *rights[:-1]]
            parts = [
                _pair(space, ast.Compare(one, [operator], [other]), negate, relations)
                for one, operator, other in zip(lefts, operators, rights, strict=True)
            ]
            return every_of(parts) if not negate else _limited([item for part in parts for item in part])
    name = dotted_name(tree)
    if name is None:
        raise Unsayable
    return [(Among(name, (not negate,)),)]


def every_of(parts: Iterable[Alternatives]) -> Alternatives:
    """Return the alternatives of all of several conditions holding."""
    found: Alternatives = [()]
    for part in parts:
        if len(found) * len(part) > MOST_CLAUSES:
            raise Unsayable
        merged = (_merged((*one, *other)) for one, other in product(found, part))
        found = [item for item in merged if item is not None]
    return found


def violations(space: Space, constraint: Constraint) -> Alternatives:
    """Return where a constraint of a space is broken by designs, whose inactive parameters are canonical.

    A clause about a parameter is meant to hold only where that is active, as ConfigSpace has it.
    """
    if constraint.expression is None:
        return _observed(space, constraint)
    tree = constraint.expression.tree
    conditional = [name for name in constraint.columns if space[name].condition is not None]
    if len(conditional) > 6:
        raise Unsayable
    found: Alternatives = []
    for idle in product((False, True), repeat=len(conditional)):
        canonical = {name: space[name] for name, inactive in zip(conditional, idle, strict=True) if inactive}
        broken = alternatives(space, _substituted(tree, canonical), negate=True)
        unmet = []
        for name in canonical:
            active = activity(space, name)
            assert active is not None
            unmet.append(alternatives(space, active, negate=True))
        found += every_of([broken, *unmet])
    return _limited(found)


def _limited(found: Alternatives) -> Alternatives:
    distinct = list(dict.fromkeys(found))
    if len(distinct) > MOST_CLAUSES:
        raise Unsayable
    return distinct


def _merged(clauses: Sequence[Clause]) -> tuple[Clause, ...] | None:
    """Return clauses with one list of values a parameter; None where they contradict."""
    among: dict[str, tuple[Any, ...]] = {}
    rest: dict[Clause, None] = {}
    for clause in clauses:
        if isinstance(clause, Among):
            before = among.get(clause.name, clause.values)
            among[clause.name] = tuple(value for value in before if value in clause.values)
        else:
            rest[clause] = None
    if not all(among.values()):
        return None
    return (*(Among(name, values) for name, values in among.items()), *rest)


def _pair(space: Space, tree: ast.Compare, negate: bool, relations: bool) -> Alternatives:
    """Return the alternatives of one comparison."""
    names = names_of(tree)
    parameters = [space[name] for name in names]
    sizes = [parameter.cardinality for parameter in parameters]
    condition = Expression(ast.unparse(tree))
    if not names:
        return [()] if bool(condition.evaluate({})) != negate else []
    relation = _relation(tree, negate) if relations else None
    if relation is not None and all(map(_ordered, parameters)):
        return relation
    if math.prod(sizes) <= MOST_COMBINATIONS:
        return _combinations(parameters, condition, negate)
    if len(names) == 1 and isinstance(parameters[0], Real | Integer):
        return _bound(tree, parameters[0], negate)
    raise Unsayable


def _ordered(parameter: Parameter) -> bool:
    if isinstance(parameter, Ordinal):
        values = parameter.listed
        return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    return isinstance(parameter, Real | Integer)


def _relation(tree: ast.Compare, negate: bool) -> Alternatives | None:
    left, right = dotted_name(tree.left), dotted_name(tree.comparators[0])
    sign = _SIGNS.get(type(tree.ops[0]))
    if left is None or right is None or sign is None or left == right:
        return None
    sign = _NEGATED[sign] if negate else sign
    if sign == "!=":
        return [(Relation(left, "<", right),), (Relation(left, ">", right),)]
    return [(Relation(left, sign, right),)]


def _bound(tree: ast.Compare, parameter: Parameter, negate: bool) -> Alternatives:
    """Return ``x <= 3`` of a real, or a long integer, as a strict bound on floating-point numbers."""
    name, sign = parameter.name, _SIGNS.get(type(tree.ops[0]))
    left, right = tree.left, tree.comparators[0]
    if dotted_name(left) is None:
        left, right = right, left
        sign = None if sign is None else _MIRRORED[sign]
    if dotted_name(left) != name or sign is None or names_of(right):
        raise Unsayable
    value = float(np.asarray(Expression(ast.unparse(right)).evaluate({})))
    sign = _NEGATED[sign] if negate else sign
    below: float
    above: float
    if isinstance(parameter, Integer):
        below, above = math.ceil(value) - 1, math.floor(value) + 1
    else:
        below, above = math.nextafter(value, -math.inf), math.nextafter(value, math.inf)
    match sign:
        case "<" | ">":
            return [(Bound(name, sign, value),)]
        case "<=":
            return [(Bound(name, "<", above),)]
        case ">=":
            return [(Bound(name, ">", below),)]
        case "==":
            return [(Bound(name, ">", below), Bound(name, "<", above))]
        case _:
            return [(Bound(name, "<", value),), (Bound(name, ">", value),)]


def _combinations(parameters: Sequence[Parameter], condition: Expression, negate: bool) -> Alternatives:
    """Return a condition over discrete parameters by all combinations of their values."""
    grid = np.indices([int(parameter.cardinality) for parameter in parameters]).reshape(len(parameters), -1)
    columns = {
        parameter.name: parameter.decode(codes) for parameter, codes in zip(parameters, grid, strict=True)
    }
    holds = np.broadcast_to(np.asarray(condition.evaluate(columns), bool), grid.shape[1:]) != negate
    values = [columns[parameter.name][holds].tolist() for parameter in parameters]
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True)]
    widest = max(parameters, key=lambda parameter: parameter.cardinality).name
    return _grouped(rows, widest)


def _grouped(rows: Sequence[dict[str, Any]], widest: str) -> Alternatives:
    """Return designs, by their active parameters, as alternatives: those alike but for one are one."""
    groups: dict[tuple[tuple[str, Any], ...], list[Any]] = {}
    for row in rows:
        rest = tuple((name, value) for name, value in row.items() if name != widest)
        key = (*rest, (widest, ...)) if widest in row else rest
        groups.setdefault(key, []).append(row.get(widest))
    found: Alternatives = []
    for key, values in groups.items():
        clauses = [Among(name, (value,)) for name, value in key if value is not ...]
        if key and key[-1] == (widest, ...):
            clauses.append(Among(widest, tuple(values)))
        found.append(tuple(clauses))
    return _limited(found)


def _observed(space: Space, constraint: Constraint) -> Alternatives:
    """Return where a function is false, by all combinations of the parameters that it depends on."""
    needed = set(constraint.columns)
    while True:
        more = {name for item in needed if (found := space[item].condition) for name in found.names}
        if more <= needed:
            break
        needed |= more
    part = Space([parameter for parameter in space.parameters if parameter.name in needed])
    if part.size > MOST_COMBINATIONS:
        raise Unsayable
    grid = np.indices([int(parameter.cardinality) for parameter in part.parameters])
    codes = np.unique(part.canonical(grid.reshape(len(part.names), -1).T), axis=0)
    designs = Designs(part, codes)
    broken = designs.take(~constraint.holds(designs, len(designs)))
    rows = [
        {name: value for name, value, active in zip(row, row.values(), actives, strict=True) if active}
        for row, actives in zip(broken.rows(), broken.active.tolist(), strict=True)
    ]
    widest = max(part.parameters, key=lambda parameter: parameter.cardinality).name
    return _grouped(rows, widest)


def _substituted(tree: ast.expr, canonical: dict[str, Parameter]) -> ast.expr:
    """Return an expression with the canonical values of parameters in their place."""

    class Substitution(ast.NodeTransformer):
        def _replace(self, node: ast.expr) -> ast.expr:
            name = dotted_name(node)
            if name not in canonical:
                return node
            parameter = canonical[name]
            return ast.Constant(parameter.decode(np.array([parameter.inactive_code])).tolist()[0])

        def visit_Name(self, node: ast.Name) -> ast.expr:
            return self._replace(node)

        def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
            return self._replace(node)

        def visit_Call(self, node: ast.Call) -> ast.expr:
            node.args = [self.visit(argument) for argument in node.args]
            return node

    copied: ast.expr = Substitution().visit(ast.parse(ast.unparse(tree), mode="eval").body)
    return copied
