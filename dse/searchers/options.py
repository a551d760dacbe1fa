"""What the terms of additive tables can be: options that a space allows, and rules that cross terms."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dse.designs import Designs
from dse.errors import SpaceError
from dse.linear import LinearProblem, half_space
from dse.pareto import nondominated
from dse.space import Space
from dse.space.constraints import Constraint

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Mask = NDArray[np.bool_]

# Options at most of groups that are joined because rules read several of them.
JOINED = 4_096


@dataclass(frozen=True)
class Group:
    """Parameters whose codes are chosen together.

    Attributes
    ----------
    positions
        Of the parameters.
    codes
        Of the options (options, parameters).
    objectives, limits
        What options add (options, objectives) and (options, limits).
    """

    positions: Codes
    codes: Codes
    objectives: Floats
    limits: Floats

    def keep(self, rows: Mask | Codes) -> Group:
        """Return the group with some of its options."""
        return Group(self.positions, self.codes[rows], self.objectives[rows], self.limits[rows])

    def joined(self, other: Group) -> Group:
        """Return one group of all pairs of options."""
        one = np.repeat(np.arange(len(self.codes)), len(other.codes))
        two = np.tile(np.arange(len(other.codes)), len(self.codes))
        return Group(
            np.concatenate([self.positions, other.positions]),
            np.concatenate([self.codes[one], other.codes[two]], axis=1),
            self.objectives[one] + other.objectives[two],
            self.limits[one] + other.limits[two],
        )

    def undominated(self) -> Group:
        """Return the group without options that another is nowhere worse than; the first of equals stays."""
        values = np.column_stack([self.objectives, self.limits])
        _, first = np.unique(values, axis=0, return_index=True)
        rows = np.sort(first)
        return self.keep(rows[nondominated(values[rows])])


@dataclass(frozen=True)
class Rule:
    """Something that every design of the space satisfies.

    Attributes
    ----------
    positions
        Of the parameters that it reads.
    holds
        Returns for codes (n, parameters) a mask (n,).
    sums
        Parts of it that are linear: factors of parameters, and what the sum of the products is at most.
    linear
        Whether these are all of it.
    """

    positions: frozenset[int]
    holds: Callable[[NDArray[np.generic]], Mask]
    sums: tuple[tuple[dict[str, float], float], ...] = ()
    linear: bool = False


def space_rules(space: Space) -> list[Rule]:
    """Return a space's constraints, and that parameters which are not active have their canonical value."""
    rules = []
    for item in space.constraints:
        positions = frozenset(space.position(name) for name in item.columns)
        rules.append(Rule(positions, _satisfied(space, item), *_linear_parts(space, item)))
    for position, parameter in enumerate(space.parameters):
        if parameter.condition is None:
            continue
        # A parameter is not active where one that its condition reads is not: all before it count.
        reads, left = {position}, [parameter]
        while left:
            condition = left.pop().condition
            for name in condition.names if condition is not None else ():
                if space.position(name) not in reads:
                    reads.add(space.position(name))
                    left.append(space[name])
        rules.append(Rule(frozenset(reads), _settled(space, position)))
    return rules


def _satisfied(space: Space, constraint: Constraint) -> Callable[[NDArray[np.generic]], Mask]:
    return lambda codes: constraint.holds(Designs(space, codes), len(codes))


def _linear_parts(
    space: Space, constraint: Constraint
) -> tuple[tuple[tuple[dict[str, float], float], ...], bool]:
    """Return the comparisons of a text that are linear in parameters, and whether there are no others."""
    if constraint.expression is None:
        return (), False
    tree = constraint.expression.tree
    found, whole = [], True
    for part in tree.values if isinstance(tree, ast.BoolOp) and isinstance(tree.op, ast.And) else [tree]:
        if not isinstance(part, ast.Compare):
            whole = False
            continue
        terms = [part.left, *part.comparators]
        for operator, left, right in zip(part.ops, terms[:-1], terms[1:], strict=True):
            pairs = []
            if isinstance(operator, ast.Lt | ast.LtE | ast.Eq):
                pairs.append((left, right))
            if isinstance(operator, ast.Gt | ast.GtE | ast.Eq):
                pairs.append((right, left))
            halves = [half_space(*pair) for pair in pairs]
            known = [half for half in halves if half is not None and _numbers(space, half[0])]
            found += known
            whole = whole and bool(known) and len(known) == len(pairs)
    return tuple(found), whole


def _numbers(space: Space, names: Iterable[str]) -> bool:
    first = np.zeros(1, np.int64)
    return all(np.asarray(space[name].decode(first)).dtype.kind in "biuf" for name in names)


def _settled(space: Space, position: int) -> Callable[[NDArray[np.generic]], Mask]:
    return lambda codes: space.canonical(codes)[:, position] == codes[:, position]


@dataclass(frozen=True)
class Choices:
    """What a program chooses from.

    Attributes
    ----------
    groups
        Their options' limits are those of the problem, and linear constraints of the space after them.
    bounds
        What the limits' sums over the groups, without constants, are at most.
    crossing
        Rules that read several groups.
    """

    groups: list[Group]
    bounds: Floats
    crossing: list[Rule]


def choices(space: Space, linear: LinearProblem) -> Choices:
    """Return the groups of parameters with the options that may matter, and the rules that cross groups.

    Raises
    ------
    SpaceError
        If rules leave a group without an option.

    Notes
    -----
    A group is a term of the tables, or a parameter of no term. Groups that rules tie together are joined
    where the union is small: the rules are then kept by leaving options out. Constraints that are linear by
    their form become limits. Options that others dominate are left out of groups that no other crossing rule
    reads: another choice of theirs is never needed.
    """
    rules = space_rules(space)
    groups = [_allowed(space, group, rules) for group in _single(space, linear, rules)]
    groups = _joined(space, groups, rules)
    crossing = [rule for rule in rules if len(_read(groups, rule)) > 1]
    constants = np.array(list(linear.additive.constants.values()))
    bounds = (linear.bounds - constants @ linear.limits).tolist()
    tied: set[int] = set()
    for rule in crossing:
        for weights, bound in rule.sums:
            bounds.append(bound)
            groups = [_weighed(space, group, weights) for group in groups]
        if not rule.linear:
            tied.update(_read(groups, rule))
    kept = [group if index in tied else group.undominated() for index, group in enumerate(groups)]
    return Choices(kept, np.array(bounds), crossing)


def _joined(space: Space, groups: Sequence[Group], rules: Sequence[Rule]) -> list[Group]:
    """Return groups with those that are tied by rules made one, where it is of at most `JOINED` options."""
    # Whole components only: a part of one leaves rules across, which larger groups make harder.
    component = list(range(len(groups)))
    for rule in rules:
        read = {component[index] for index in _read(groups, rule)}
        component = [min(read) if item in read else item for item in component]
    out = []
    for label in sorted(set(component)):
        parts = [group for group, item in zip(groups, component, strict=True) if item == label]
        if len(parts) > 1 and math.prod(len(part.codes) for part in parts) <= JOINED:
            union = parts[0]
            for part in parts[1:]:
                union = union.joined(part)
            parts = [_allowed(space, union, rules)]
        out += parts
    return out


def _weighed(space: Space, group: Group, weights: Mapping[str, float]) -> Group:
    """Return a group with a limit more: a weighted sum of its parameters' values."""
    added = np.zeros(len(group.codes))
    for column, position in enumerate(group.positions):
        name = space.names[position]
        if name in weights:
            added += weights[name] * np.asarray(space[name].decode(group.codes[:, column]), float)
    return replace(group, limits=np.column_stack([group.limits, added]))


def _read(groups: Sequence[Group], rule: Rule) -> list[int]:
    return [index for index, group in enumerate(groups) if not rule.positions.isdisjoint(group.positions)]


def _single(space: Space, linear: LinearProblem, rules: Sequence[Rule]) -> list[Group]:
    additive = linear.additive
    read = frozenset[int]().union(*(rule.positions for rule in rules))
    used = {column for term in additive.terms for column in term.columns}
    columns = [term.columns for term in additive.terms]
    columns += [(name,) for name in space.names if name not in used]
    groups = []
    for index, names in enumerate(columns):
        shape = tuple(int(space[name].cardinality) for name in names)
        if index >= len(additive.terms) and space.position(names[0]) not in read:
            shape = (1,)  # its value does not matter, and there may be very many
        codes = np.stack(np.unravel_index(np.arange(int(np.prod(shape))), shape), 1).astype(np.int64)
        metrics = np.zeros((len(codes), len(additive.metrics)))
        if index < len(additive.rows):
            metrics = additive.rows[index][2]
        positions = np.array([space.position(name) for name in names], np.int64)
        groups.append(Group(positions, codes, metrics @ linear.objectives, metrics @ linear.limits))
    return groups


def _allowed(space: Space, group: Group, rules: Sequence[Rule]) -> Group:
    """Return a group with the options that satisfy the rules that read nothing else."""
    first = np.array([parameter.first_code for parameter in space.parameters], np.int64)
    whole = np.tile(first, (len(group.codes), 1))
    whole[:, group.positions] = group.codes
    mask = np.ones(len(whole), dtype=bool)
    held = set(group.positions.tolist())
    for rule in rules:
        if rule.positions <= held:
            mask &= rule.holds(whole.astype(space.code_dtype))
    if not mask.any():
        names = ", ".join(space.names[position] for position in group.positions)
        raise SpaceError(f"no combination of {names} satisfies the constraints: loosen them")
    return group.keep(mask)
