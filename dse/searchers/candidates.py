"""Designs that a model compares before one of them is evaluated: random ones, and moves from good ones."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.searchers.fresh import fresh
from dse.searchers.local import MOST_VALUES, neighbours
from dse.space import Space

Array = NDArray[Any]

# Parameters of a parent that a child takes from another design, at most; and donors that are drawn for them.
MOST_CHANGED = 4
DONORS = 256
# Numbers that the neighbours of parents are held in; of more parents some are drawn.
MOST_CODES = 4_000_000


def unseen(space: Space, codes: Array, seen: Set[bytes]) -> Array:
    """Return the codes whose designs are not in `seen` (keys, see `Space.keys`), each design once."""
    rows = {key: row for row, key in enumerate(space.keys(codes)) if key not in seen}
    return codes[list(rows.values())]


def everything(space: Space, most: int) -> Array | None:
    """Return all members of a space of at most `most`, None for a larger one."""
    sampler = space.sampler
    if not (sampler.tabulated and sampler.size <= most):
        return None
    return sampler.at(np.arange(int(sampler.size), dtype=np.uint64))


def near(space: Space, parents: Array, count: int, rng: np.random.Generator) -> Array:
    """Return at most `count` members that differ from one of the parents in one parameter."""
    if not len(parents):
        return parents
    each = sum(min(parameter.cardinality, MOST_VALUES) for parameter in space.parameters)
    most = max(1, int(MOST_CODES / (each * len(space.names))))
    if len(parents) > most:
        parents = parents[rng.permutation(len(parents))[:most]]
    return neighbours(space, parents, rng)[:count]


def crossed(space: Space, parents: Array, count: int, rng: np.random.Generator, seed: int, at: int) -> Array:
    """Return members made of parents and of what others have in a few parameters, about `count` at most.

    Parameters
    ----------
    space
        The search space.
    parents
        Codes (n, parameters), at least one.
    count
        Children that are tried; those outside the space are left out.
    rng
        For who is crossed, and where.
    seed, at
        Of the random designs that give, where not another parent does (`dse.searchers.fresh.fresh`).
    """
    donors = np.concatenate([fresh(space, DONORS, seed, at, set()), parents])
    children = parents[rng.integers(len(parents), size=count)]
    given = donors[rng.integers(len(donors), size=count)]
    changed = rng.integers(1, MOST_CHANGED + 1, size=count)
    # The parameters with the least of random numbers change.
    draws = rng.random(children.shape)
    order = np.argsort(np.argsort(draws, axis=1), axis=1)
    children = np.where(order < changed[:, None], given, children)
    children = space.canonical(children)
    return children[space.satisfies(children)]
