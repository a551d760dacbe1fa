"""In which order to build designs: independent components, and steps that prune early."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dse.errors import SpaceError
from dse.space.bounds import Bound, bounds_of
from dse.space.constraints import Constraint
from dse.space.parameters import Parameter

WIDE = 3  # columns from which on bounds pay: with fewer, little is tried before the constraint itself applies


@dataclass(frozen=True)
class Step:
    """Extend partial designs by one parameter, then apply what has become known.

    Attributes
    ----------
    position
        The parameter's position in the space.
    constraints
        Those whose last column this is.
    bounds
        Comparisons within wide constraints that read the parameter: designs that they rule out whatever
        comes next are dropped.
    """

    position: int
    constraints: tuple[Constraint, ...]
    bounds: tuple[Bound, ...] = ()


@dataclass(frozen=True)
class Component:
    """Parameters that constraints or conditions tie together; components are independent."""

    steps: tuple[Step, ...]

    @property
    def positions(self) -> tuple[int, ...]:
        """The parameters' positions, in the order of the steps."""
        return tuple(step.position for step in self.steps)

    @property
    def free(self) -> bool:
        """Whether it is a single parameter without constraints."""
        return len(self.steps) == 1 and not self.steps[0].constraints


def ancestors(parameters: Sequence[Parameter], positions: dict[str, int]) -> list[tuple[int, ...]]:
    """Return for each parameter those that its activity depends on, directly or not, in a valid order.

    Raises
    ------
    SpaceError
        If conditions form a circle.
    """
    done: dict[int, tuple[int, ...]] = {}

    def visit(position: int, path: tuple[int, ...]) -> tuple[int, ...]:
        if position in path:
            names = " -> ".join(parameters[item].name for item in [*path[path.index(position) :], position])
            raise SpaceError(f"the conditions of {names} form a circle: break it")
        if position not in done:
            condition = parameters[position].condition
            before: dict[int, None] = {}
            for name in condition.names if condition is not None else ():
                before |= dict.fromkeys((*visit(positions[name], (*path, position)), positions[name]))
            done[position] = tuple(before)
        return done[position]

    return [visit(position, ()) for position in range(len(parameters))]


def plan(parameters: Sequence[Parameter], constraints: Sequence[Constraint]) -> tuple[Component, ...]:
    """Split a space into components, and order the steps of each so that constraints apply early.

    Greedy: the constraint that needs the fewest new combinations of values comes next. Components are
    ordered by their first parameter, so the plan is a function of the space alone.
    """
    positions = {parameter.name: position for position, parameter in enumerate(parameters)}
    before = ancestors(parameters, positions)
    reads = [tuple(positions[name] for name in constraint.columns) for constraint in constraints]

    group = list(range(len(parameters)))

    def root(position: int) -> int:
        while group[position] != position:
            group[position] = group[group[position]]
            position = group[position]
        return position

    for tied in (*reads, *((position, *chain) for position, chain in enumerate(before))):
        for position in tied[1:]:
            first, second = sorted((root(tied[0]), root(position)))
            group[second] = first

    members: dict[int, list[int]] = {}
    for position in range(len(parameters)):
        members.setdefault(root(position), []).append(position)
    return tuple(
        Component(_order(positions_in, parameters, before, constraints, reads))
        for positions_in in members.values()
    )


def _order(
    positions: list[int],
    parameters: Sequence[Parameter],
    before: list[tuple[int, ...]],
    constraints: Sequence[Constraint],
    reads: list[tuple[int, ...]],
) -> tuple[Step, ...]:
    waiting = [index for index, columns in enumerate(reads) if columns and columns[0] in set(positions)]
    placed: dict[int, list[Constraint]] = {}

    def missing(columns: Sequence[int]) -> list[int]:
        needed: dict[int, None] = {}
        for position in columns:
            needed |= dict.fromkeys((*before[position], position))
        return [position for position in needed if position not in placed]

    def price(index: int) -> tuple[float, int]:
        return sum(math.log(parameters[p].cardinality) for p in missing(reads[index])), index

    while waiting:
        chosen = min(waiting, key=price)
        for position in missing(reads[chosen]):
            placed[position] = []
        known = [index for index in waiting if not missing(reads[index])]
        for index in known:
            last = max((p for p in reads[index]), key=list(placed).index)
            placed[last].append(constraints[index])
            waiting.remove(index)
    for position in missing(positions):
        placed[position] = []
    names = {parameter.name: parameter for parameter in parameters}
    wide = [
        bound
        for rules in placed.values()
        for constraint in rules
        if len(constraint.columns) >= WIDE
        for bound in bounds_of(constraint, names)
    ]
    return tuple(
        Step(position, tuple(rules), tuple(b for b in wide if parameters[position].name in b.columns))
        for position, rules in placed.items()
    )
