"""`smsemoa`: SMS-EMOA, which keeps the designs that add most to the hypervolume.

N. Beume, B. Naujoks, M. Emmerich, "SMS-EMOA: multiobjective selection based on dominated hypervolume", Eur.
J. Oper. Res. 181(3), 2007.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from dse.searchers.nsga2 import NSGA2, survivors
from dse.searchers.ranges import Number, Range
from dse.searchers.settings import whole
from dse.space import Space

Floats = NDArray[np.float64]

# More objectives than this cost more than the rest of the search: crowding distance takes over.
MOST_OBJECTIVES = 5
# The reference point of a front whose objectives are scaled to 0..1: the paper's lies 1 beyond the worst
# values of unscaled objectives, which would depend on their units.
REFERENCE = 2.0


class SMSEMOA(NSGA2):
    """NSGA-II's operators, with survivors by nondominated rank and then by contribution to the hypervolume.

    Of the front that does not fit as a whole the design of least contribution leaves, one after another,
    each time by the contributions of those that are left. The paper makes one design at a time, of parents
    drawn at random; here a batch of `offspring` is made of one population, of parents that win tournaments
    by rank and contribution. Infeasible designs follow the feasible ones, by violation. Exact contributions
    cost some milliseconds a design with four objectives and tens of them with five; from six on, survivors
    are those of `NSGA2`, by crowding distance.

    Parameters
    ----------
    space
        The search space.
    seed
        Same seed and history, same designs.
    population
        Survivors; also the number of random designs at the start.
    offspring
        Designs of a batch: fewer are closer to the paper, more cost less time a design.
    crossover, mutation, eta_crossover, eta_mutation, exchange
        As of `NSGA2`.

    Raises
    ------
    SearcherError
        If a setting is out of range.
    """

    name = "smsemoa"

    ranges: ClassVar[Mapping[str, Range]] = {
        **NSGA2.ranges,
        "offspring": Number(10, 100, log=True, whole=True),
    }

    def __init__(
        self,
        space: Space,
        *,
        seed: int = 0,
        population: int = 100,
        offspring: int = 50,
        crossover: float = 0.9,
        mutation: float = 1.0,
        eta_crossover: float = 15.0,
        eta_mutation: float = 20.0,
        exchange: str = "uniform",
    ) -> None:
        super().__init__(
            space,
            seed=seed,
            population=population,
            crossover=crossover,
            mutation=mutation,
            eta_crossover=eta_crossover,
            eta_mutation=eta_mutation,
            exchange=exchange,
        )
        whole(self.name, 1, offspring=offspring)
        self.offspring = offspring
        self.batch = offspring
        self._least = offspring

    def _survivors(
        self, objectives: Floats, violation: Floats, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        feasible = np.flatnonzero(violation == 0)
        if not 1 < objectives.shape[1] <= MOST_OBJECTIVES or len(feasible) <= self.population:
            return survivors(objectives, violation, self.population, rng)
        return feasible[contributing(objectives[feasible], self.population)]


def contributing(objectives: Floats, count: int) -> NDArray[np.int64]:
    """Return the positions of `count` designs by rank, then by hypervolume contribution, best first.

    Parameters
    ----------
    objectives
        Of feasible designs (n, m), to be minimised; at least `count`.
    """
    from moocore import hv_contributions
    from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

    *whole, last = NonDominatedSorting().do(objectives, n_stop_if_ranked=count)
    left = count - sum(map(len, whole))
    low, high = objectives[last].min(axis=0), objectives[last].max(axis=0)
    scaled = (objectives[last] - low) / np.where(high > low, high - low, 1.0)
    reference = np.full(objectives.shape[1], REFERENCE)

    def added() -> Floats:
        # What is left is always a front: `dse.pareto.hypervolume_contributions` would look for one each time.
        return np.asarray(hv_contributions(scaled, ref=reference, ignore_dominated=True))

    volumes = added()
    while len(last) > left:
        leaves = volumes.argmin()
        last, scaled = np.delete(last, leaves), np.delete(scaled, leaves, axis=0)
        volumes = added()
    return np.concatenate([*whole, last[np.argsort(-volumes, kind="stable")]]).astype(np.int64)
