"""Members of a space from tables of designs: exactly those, or the nearest."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.designs import Designs
from dse.errors import DesignError, StudyError
from dse.searchers.mending import towards
from dse.space import Categorical, Integer, Ordinal, Parameter, Real, Space
from dse.warm.tables import EMPTY, Table, code_of, number_of

Array = NDArray[Any]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

POOL = 1_024  # members of which what a design lacks is taken
STARTS = 16  # members from which a walk sets out towards a design that is not in the space
NEAREST = "take the nearest members of the space (warm_nearest=True, --warm-nearest)"
MEND = f"correct it, leave the row out, or {NEAREST}"


def exact_members(space: Space, table: Table) -> Designs:
    """Return the designs of a table.

    Parameters
    ----------
    space
        The search space.
    table
        A column for each parameter; others are left out. Where a parameter is not active its cell may be
        empty, or hold anything of its domain.

    Raises
    ------
    StudyError
        Naming the row, the column, the value and the mend, if a value is outside its domain, an active
        parameter has none, or a design breaks a constraint. Rows are counted from 1.
    """
    _check_columns(space, table, space.names)
    codes = np.empty((table.rows, len(space.names)), dtype=space.code_dtype)
    empty = np.zeros(codes.shape, dtype=bool)
    for position, parameter in enumerate(space.parameters):
        values = table.columns.get(parameter.name, [EMPTY] * table.rows)
        codes[:, position], empty[:, position] = _codes(parameter, values, table.label)
    codes = space.canonical(codes)
    missing = empty & ~space.inactive(codes)
    if missing.any():
        row, position = (int(place[0]) for place in np.nonzero(missing))
        raise StudyError(f"{table.label}, row {row + 1}: {space.names[position]!r} has no value: {MEND}")
    designs = Designs(space, codes)
    for constraint in space.constraints:
        holds = constraint.holds(designs, len(designs))
        if not holds.all():
            row = int(np.argmin(holds))
            values = ", ".join(f"{name}={designs[name][row].item()!r}" for name in constraint.columns)
            raise StudyError(
                f"{table.label}, row {row + 1} breaks the constraint {constraint.name!r} ({values}): {MEND}"
            )
    return designs


def _check_columns(space: Space, table: Table, needed: tuple[str, ...]) -> None:
    if not any(name in table.columns for name in space.names):
        shown = ", ".join(list(table.columns)[:8]) or "no columns"
        raise StudyError(
            f"{table.label} has none of the parameters ({', '.join(space.names[:8])}), only {shown}: "
            "name the columns as the parameters"
        )
    for name in needed:
        if name not in table.columns and space[name].condition is None:
            raise StudyError(f"{table.label} has no column {name!r}: add it, or {NEAREST}")


def _codes(parameter: Parameter, values: Any, label: str) -> tuple[Array, Mask]:
    """Return codes (n,), any where a cell is empty, and which are."""
    try:
        return parameter.encode(values), np.zeros(len(values), dtype=bool)
    except (DesignError, TypeError, ValueError, OverflowError):
        pass  # text, empty cells, or a value that is to be named
    found: list[int | float | None] = []
    for row, value in enumerate(values):
        try:
            found.append(code_of(parameter, value))
        except DesignError as error:
            raise StudyError(f"{label}, row {row + 1}: {error}: {MEND}") from None
    empty = np.array([code is None for code in found], dtype=bool)
    return np.array([parameter.first_code if code is None else code for code in found]), empty


@dataclass(frozen=True)
class NearestMembers:
    """Members of a space in place of given designs.

    Attributes
    ----------
    designs
        One member (n,) for each given design, in their order.
    distance
        Array (n,): by how much a member differs in what was given, 0 where in nothing. The sum over the
        parameters of the distance between values scaled to [0, 1], or of 1 for an unordered one that differs.
    """

    designs: Designs
    distance: Floats


def nearest_members(space: Space, table: Table, seed: int = 0) -> NearestMembers:
    """Return members of a space that are like the designs of a table.

    A number that an ordered parameter does not have becomes the nearest that it has, the lower of two that
    are as near; another unknown value counts as not given. What is not given is taken from random members of
    the space, so that the whole is a member that keeps the most of what is given. Where there is none, some
    members walk towards the design, parameter by parameter, as far as the space allows, and the one that
    comes nearest is taken.

    Parameters
    ----------
    space
        The search space.
    table
        Columns that are no parameters are left out.
    seed
        Of the random members.

    Raises
    ------
    StudyError
        If no column is a parameter.
    SpaceError
        If the space has no feasible design.
    """
    _check_columns(space, table, ())
    wanted = np.empty((table.rows, len(space.names)), dtype=space.code_dtype)
    given = np.zeros(wanted.shape, dtype=bool)
    moved = np.zeros(table.rows)
    for position, parameter in enumerate(space.parameters):
        for row, value in enumerate(table.columns.get(parameter.name, ())):
            code, away = _near(parameter, value)
            if code is not None:
                wanted[row, position], given[row, position] = code, True
                moved[row] += away
    rng = np.random.default_rng([seed, 0x3A3])
    pool = space.sampler.sample(POOL, rng) if table.rows else wanted
    codes = np.empty_like(wanted)
    for row in range(table.rows):
        codes[row], distance = _nearest(space, wanted[row], given[row], pool, rng)
        moved[row] += distance
    return NearestMembers(Designs(space, codes), moved)


def _nearest(
    space: Space, wanted: Array, given: Mask, pool: Array, rng: np.random.Generator
) -> tuple[Array, float]:
    """Return the codes of a member that is like a design (parameters,), and how far from it."""
    if given.all():
        candidates = wanted[None]
    else:  # in an order of its own: of members that keep as much, each design takes another
        candidates = np.where(given, wanted, pool[rng.permutation(len(pool))]).astype(space.code_dtype)
    candidates = space.canonical(candidates)
    candidates = candidates[space.satisfies(candidates)]
    if not len(candidates):
        near = np.argsort(_distances(space, pool, wanted, given), kind="stable")[:STARTS]
        parents = pool[near]
        candidates = towards(space, parents, np.where(given, wanted, parents), rng)
    distances = _distances(space, candidates, wanted, given)
    best = int(np.argmin(distances))
    return candidates[best], float(distances[best])


def _distances(space: Space, codes: Array, wanted: Array, given: Mask) -> Floats:
    total = np.zeros(len(codes))
    for position in np.flatnonzero(given).tolist():
        parameter = space.parameters[position]
        if isinstance(parameter, Categorical):
            total += codes[:, position] != wanted[position]
        else:
            total += np.abs(
                parameter.scaled(codes[:, position]) - parameter.scaled(wanted[position : position + 1])
            )
    return total


def _near(parameter: Parameter, value: Any) -> tuple[int | float | None, float]:
    """Return the code nearest to a value, None where nothing is near, and how far it is, scaled to [0, 1]."""
    try:
        return code_of(parameter, value), 0.0
    except DesignError:
        number = number_of(value)
    if number is None or math.isnan(number):
        return None, 0.0
    if isinstance(parameter, Real):
        low, high = parameter.low, parameter.high
        code = min(max(float(number), low), high)
    elif isinstance(parameter, Integer):
        low, high = parameter.low, parameter.high
        code = math.ceil((min(max(number, low), high) - low) / parameter.step - 0.5)
    elif isinstance(parameter, Ordinal) and all(number_of(item) is not None for item in parameter.listed):
        values = np.array(parameter.listed, float)
        low, high = values.min(), values.max()
        order = np.argsort(values, kind="stable")
        code = int(order[np.argmin(np.abs(values[order] - number))])
    else:
        return None, 0.0
    reached = float(parameter.decode(np.array([code]))[0])
    return code, min(1.0, abs(reached - number) / max(float(high - low), 1e-300))
