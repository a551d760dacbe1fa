"""`local`: Pareto local search.

L. Paquete, M. Chiarandini, T. Stützle, "Pareto local optimum sets in the biobjective traveling salesman
problem: an experimental study", in Metaheuristics for Multiobjective Optimisation, LNEMS 535, 2004: the
neighbours of nondominated designs are evaluated, and the nondominated among all go on, until none of them has
a neighbour that was not seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dse.designs import Designs
from dse.evaluations import Evaluations
from dse.pareto import nondominated
from dse.searchers.batch import Batch
from dse.searchers.held import Held
from dse.searchers.ranges import Number, Range
from dse.searchers.settings import whole
from dse.space import Categorical, Real, Space

Array = NDArray[Any]
Floats = NDArray[np.float64]

# Standard deviation of a step of a real parameter, of its scaled range.
REAL_STEP = 0.1
# Most values of a categorical parameter that are all tried from one design; of more, as many are drawn.
MOST_VALUES = 16
# Designs of least violation that are gone on from while none is feasible.
LEAST_BROKEN = 10


class Local:
    """Pareto local search over the designs that differ from one of the front in one parameter.

    An ordered parameter goes one step up or down, a categorical one takes any other value. Designs of the
    front come in turn, those in its least crowded parts first. When none has a neighbour that was not seen,
    two parameters change at once, and then random designs fill the batch: the search goes on until the space
    is exhausted.

    Parameters
    ----------
    space
        The search space.
    seed
        Same seed and history, same designs.
    initial
        Random designs at the start.

    Raises
    ------
    SearcherError
        If a setting is out of range.
    """

    batch = 50
    distinct = True
    ranges: ClassVar[Mapping[str, Range]] = {"initial": Number(5, 200, log=True, whole=True)}

    def __init__(self, space: Space, *, seed: int = 0, initial: int = 50) -> None:
        whole("local", 1, initial=initial)
        self.space = space
        self.seed = seed
        self.initial = initial
        self._seen: set[bytes] = set()
        self._told = 0
        # The front, or the designs of least violation while none is feasible.
        self._front = Held.none(space)
        # Where a design's neighbours are always the same, and all were seen, they need no second look: how
        # many they are.
        self._exhausted: dict[bytes, int] = {}
        self._listed = all(
            parameter.discrete
            and not (isinstance(parameter, Categorical) and parameter.cardinality > MOST_VALUES)
            for parameter in space.parameters
        )

    def ask(self, n: int) -> Designs:
        """Return n designs: random ones at first, then neighbours of the front."""
        batch = Batch(self.space, n, self._seen)
        if self._told >= self.initial and len(self._front):
            rng = np.random.default_rng([self.seed, self._told])
            parents = self._front.codes[self._order(rng)]
            keys = self.space.keys(parents)
            for changes in (1, 2):
                for row, key in enumerate(keys):
                    if not batch.missing:
                        break
                    if changes == 1 and key in self._exhausted:
                        rng.permutation(self._exhausted[key])  # random numbers as if it were looked at again
                        continue
                    near = neighbours(self.space, parents[row : row + 1], rng)
                    if changes == 2 and len(near):
                        near = neighbours(self.space, near[rng.integers(len(near), size=1)], rng)
                    found = self.space.keys(near)
                    if changes == 1 and self._listed and self._seen.issuperset(found):
                        self._exhausted[key] = len(near)
                    for other, codes in zip(found, near, strict=True):
                        batch.offer(other, codes)
        return batch.filled(self.seed, self._told)

    def tell(self, evaluations: Evaluations) -> None:
        """Merge evaluations into the front."""
        self._seen.update(self.space.keys(evaluations.designs.codes))
        self._told += len(evaluations)
        new = Held.of(evaluations)
        if not len(new):
            return
        merged = self._front.joined(new)
        feasible = np.flatnonzero(merged.violation == 0)
        if len(feasible):
            kept = feasible[nondominated(merged.objectives[feasible])]
        else:
            kept = np.argsort(merged.violation, kind="stable")[:LEAST_BROKEN]
        self._front = merged.take(kept)

    def _order(self, rng: np.random.Generator) -> NDArray[np.intp]:
        """Return the positions of the front's designs, least crowded first, ties at random."""
        from pymoo.operators.survival.rank_and_crowding.metrics import calc_crowding_distance

        feasible = not self._front.violation.any()
        first = -calc_crowding_distance(self._front.objectives) if feasible else self._front.violation
        return np.lexsort((rng.random(len(self._front)), first))


def neighbours(space: Space, codes: Array, rng: np.random.Generator) -> Array:
    """Return the members of the space that differ from designs in one parameter, in random order.

    Parameters
    ----------
    space
        The search space.
    codes
        Designs (n, parameters).
    rng
        For the order, steps of reals, and values of categorical parameters that have many.

    Returns
    -------
    Codes (m, parameters); canonical, without the designs themselves. A change that alters what is active
    counts as one.
    """
    positions: list[int] = []
    values: list[Array] = []
    for position, parameter in enumerate(space.parameters):
        column = codes[:, position]
        if isinstance(parameter, Real):
            scaled = parameter.scaled(column.astype(float))
            steps = [scaled + rng.normal(0.0, REAL_STEP, len(codes)) for _ in range(2)]
            tried = [parameter.unscaled(np.clip(step, 0.0, 1.0)) for step in steps]
        elif isinstance(parameter, Categorical):
            count = int(parameter.cardinality)
            every = np.arange(count)
            drawn = every if count <= MOST_VALUES else rng.choice(count, MOST_VALUES, replace=False)
            tried = list(np.repeat(drawn[:, None], len(codes), axis=1))
        else:
            tried = [column - 1, column + 1]
        positions += [position] * len(tried)
        values += tried
    where, value = np.repeat(positions, len(codes)), np.concatenate(values)
    near = np.tile(codes, (len(positions), 1))
    near[np.arange(len(near)), where] = value
    low = np.array([-np.inf if isinstance(item, Real) else 0.0 for item in space.parameters])
    high = np.array([item.cardinality - 1.0 for item in space.parameters])
    near = space.canonical(near[(value >= low[where]) & (value <= high[where])])
    own = set(space.keys(codes))
    # One design may be reached by several changes.
    rows = {key: row for row, key in enumerate(space.keys(near)) if key not in own}
    near = near[list(rows.values())]
    near = near[space.satisfies(near)] if len(near) else near
    return near[rng.permutation(len(near))]
