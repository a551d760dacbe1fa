"""Members of a space near a design that is not one, or that is no longer wanted."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.searchers.candidates import unseen
from dse.searchers.local import neighbours
from dse.space import Categorical, Space

Array = NDArray[Any]
Floats = NDArray[np.float64]

# Designs that are walked from, and whose neighbours are looked at.
STARTS = 16


def mended(
    space: Space, wanted: Array, known: Array, seen: Set[bytes], rng: np.random.Generator
) -> Array | None:
    """Return a member of the space that is not in `seen`, near the one that is wanted.

    Parameters
    ----------
    space
        The search space.
    wanted
        Canonical codes (parameters,), each in its domain; the design may break constraints.
    known
        Codes of members (n, parameters) to start from, at least one where `wanted` is no member.
    seen
        Keys of designs to leave out (`Space.keys`).
    rng
        For the order of changes.

    Returns
    -------
    Codes (parameters,); None where nothing new was found. From the nearest of `known` as many parameters as
    may be become what is wanted, through members only; of what is reached the nearest is taken. Where all of
    it is in `seen`, a random one of its neighbours is (one parameter changed, then two).
    """
    goal = wanted[None]
    reached = goal
    if not space.satisfies(goal)[0]:
        nearest = np.argsort(distances(space, known, wanted), kind="stable")[:STARTS]
        reached = np.unique(towards(space, known[nearest], goal, rng), axis=0)
        reached = reached[np.argsort(distances(space, reached, wanted), kind="stable")]
        new = unseen(space, reached, seen)
        if len(new):
            return np.asarray(new[0])
    for _ in range(2):
        near = neighbours(space, reached[:STARTS], rng)
        new = unseen(space, near, seen)
        if len(new):
            return np.asarray(new[0])
        reached = near
    return None


def distances(space: Space, codes: Array, wanted: Array) -> Floats:
    """Return how far designs (n, parameters) are from one (parameters,).

    The sum over the parameters of the difference in their scaled range, or of 1 where the values of a
    categorical parameter differ.
    """
    total = np.zeros(len(codes))
    for position, parameter in enumerate(space.parameters):
        column, value = codes[:, position], wanted[position : position + 1]
        if isinstance(parameter, Categorical):
            total += column != value
        else:
            total += np.abs(parameter.scaled(column) - parameter.scaled(value))
    return total


def nearest_members(space: Space, wanted: Array, known: Array, rng: np.random.Generator) -> Array:
    """Return members of the space near designs that break its constraints.

    Parameters
    ----------
    space
        The search space.
    wanted
        Canonical codes (n, parameters), each in its domain.
    known
        Codes of members (k, parameters) to start from, at least one.
    rng
        For the order of changes.

    Returns
    -------
    Codes (n, parameters): the nearest of `known`, in which as many parameters as may be are what is wanted.
    """
    starts = [known[int(np.argmin(distances(space, known, row)))] for row in wanted]
    return towards(space, np.array(starts, wanted.dtype), wanted, rng)


def towards(space: Space, starts: Array, goals: Array, rng: np.random.Generator) -> Array:
    """Walk from members towards goals, parameter by parameter, through members only.

    Parameters
    ----------
    space
        The search space.
    starts
        Members of the space (n, parameters).
    goals
        Codes (n, parameters), or (1, parameters) for all, each within its domain.
    rng
        For the order of the parameters.

    Returns
    -------
    Members of the space (n, parameters).
    """
    current = starts.copy()
    for _ in range(2):  # a change that was refused may fit after the others
        for position in rng.permutation(current.shape[1]).tolist():
            trial = current.copy()
            trial[:, position] = goals[:, position]
            trial = space.canonical(trial)
            moved = (trial != current).any(axis=1)
            if moved.any():
                moved[moved] = space.satisfies(trial[moved])
                current[moved] = trial[moved]
    return current
