"""`moead`: MOEA/D, which searches along many weights at once.

Q. Zhang, H. Li, "MOEA/D: a multiobjective evolutionary algorithm based on decomposition", IEEE Trans. Evol.
Comput. 11(6), 2007. Each weight holds the design that is best along it; parents are of neighbouring weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from dse.errors import SearcherError
from dse.evaluations import Evaluations
from dse.pareto import nondominated
from dse.searchers.held import Held
from dse.searchers.nsga2 import NSGA2
from dse.searchers.nsga3 import directions
from dse.searchers.ranges import Choice, Number, Range
from dse.searchers.settings import probability, whole
from dse.space import Space

Floats = NDArray[np.float64]

# Penalty of the distance from a weight's line: Zhang and Li 2007.
THETA = 5.0
# In place of a weight of zero, by which nothing can be divided.
LEAST_WEIGHT = 1e-6


class MOEAD(NSGA2):
    """NSGA-II's operators on designs of neighbouring weights, each of which keeps what is best along it.

    Weights are those of `nsga3` (`dse.searchers.nsga3.directions`), as many as the population allows.
    Objectives are scaled by the best values of all that was told and the worst of the front that is held.
    What was told goes to the weight along which it is best, and takes that weight and its neighbours where it
    is better than what they hold: Z. Wang, Q. Zhang, A. Zhou, M. Gong, L. Jiao, "Adaptive replacement
    strategies for MOEA/D", IEEE Trans. Cybern. 46(2), 2016. So it does not matter for which weight a design
    was made, or by whom. The paper makes one design at a time; here a batch of `offspring` is made of what
    the weights hold. A feasible design is better than an infeasible one, and of these the one of less
    violation, as in H. Jain, K. Deb, "An evolutionary many-objective optimization algorithm using
    reference-point based nondominated sorting approach, part II", IEEE Trans. Evol. Comput. 18(4), 2014. With
    one objective there are no weights: the search is as `NSGA2`'s.

    Parameters
    ----------
    space
        The search space.
    seed
        Same seed and history, same designs.
    population
        Weights at most; also the number of random designs at the start.
    offspring
        Designs of a batch, of parents around as many weights as there are pairs: fewer are closer to the
        paper, more cost less time a design.
    neighbours
        Weights, itself among them, of which a weight's parents are and which a design may take.
    outside
        Probability that parents are of any weights.
    decomposition
        How good a design is along a weight: "tchebycheff", by the greatest objective over its weight, or
        "pbi", by penalised boundary intersection.
    crossover, mutation, eta_crossover, eta_mutation, exchange
        As of `NSGA2`; by default what Zhang and Li use.

    Raises
    ------
    SearcherError
        If a setting is out of range.
    """

    name = "moead"

    ranges: ClassVar[Mapping[str, Range]] = {
        **NSGA2.ranges,
        "offspring": Number(10, 100, log=True, whole=True),
        "neighbours": Number(5, 40, log=True, whole=True),
        "outside": Number(0.0, 0.5),
        "decomposition": Choice(("tchebycheff", "pbi")),
    }

    def __init__(
        self,
        space: Space,
        *,
        seed: int = 0,
        population: int = 100,
        offspring: int = 50,
        neighbours: int = 20,
        outside: float = 0.1,
        decomposition: str = "tchebycheff",
        crossover: float = 1.0,
        mutation: float = 1.0,
        eta_crossover: float = 20.0,
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
        whole(self.name, 2, neighbours=neighbours)
        probability(self.name, outside=outside)
        if decomposition not in DECOMPOSITIONS:
            known = ", ".join(DECOMPOSITIONS)
            raise SearcherError(f"moead: decomposition={decomposition!r} must be one of {known}")
        self.offspring = offspring
        self.batch = offspring
        self._least = offspring
        self.neighbours = neighbours
        self.outside = outside
        self.decomposition = decomposition
        self._weights: Floats = np.empty((0, 0))
        self._near: NDArray[np.int64] = np.empty((0, 0), np.int64)
        self._best: Floats = np.empty(0)

    def tell(self, evaluations: Evaluations) -> None:
        """Give evaluations to the weights along which they are better than what these hold."""
        new = Held.of(evaluations)
        if evaluations.objectives.shape[1] == 1 or not len(new):
            super().tell(evaluations)
            return
        self._seen.update(self.space.keys(evaluations.designs.codes))
        self._told += len(evaluations)
        if not len(self._weights):
            self._decompose(new.objectives.shape[1])
        if not len(self._held):
            # As in the paper, the first designs are shared out whatever they are.
            self._held = new.take(np.resize(np.arange(len(new)), len(self._weights)))
        self._replace(new)

    def _decompose(self, objectives: int) -> None:
        """Make the weights and their neighbourhoods, nearest first."""
        self._weights = np.maximum(directions(objectives, self.population), LEAST_WEIGHT)
        apart = np.linalg.norm(self._weights[:, None] - self._weights, axis=2)
        self._near = np.argsort(apart, axis=1, kind="stable")[:, : self.neighbours]
        self._best = np.full(objectives, np.inf)

    def _replace(self, new: Held) -> None:
        """Let each weight keep the best of what it holds and of the new designs that may take it."""
        held = len(self._weights)
        merged = self._held.joined(new)
        low, high = self._range(merged)
        scaled = (merged.objectives - low) / np.where(high > low, high - low, 1.0)
        along = DECOMPOSITIONS[self.decomposition](scaled, self._weights)
        # Designs are compared by violation first, by what they are along the weight where that is equal.
        taken = self._near[along[held:].argmin(axis=1)]
        allowed = np.zeros(along.shape, dtype=bool)
        allowed[np.arange(held), np.arange(held)] = True
        np.put_along_axis(allowed[held:], taken, True, axis=1)
        broken = np.where(allowed, merged.violation[:, None], np.inf)
        along = np.where(broken == broken.min(axis=0), along, np.inf)
        self._held = merged.take(along.argmin(axis=0))

    def _range(self, told: Held) -> tuple[Floats, Floats]:
        """Return the best values of what was told so far, and the worst of the front: of feasible designs."""
        feasible = told.violation == 0
        if not feasible.any():
            return told.objectives.min(axis=0), told.objectives.max(axis=0)
        found = told.objectives[feasible]
        self._best = np.minimum(self._best, found.min(axis=0))
        return self._best, found[nondominated(found)].max(axis=0)

    def _parents(self, pairs: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return positions (2, pairs), of neighbours of weights in random order or of any weights."""
        weights = len(self._weights)
        if not weights:
            return super()._parents(pairs, rng)
        centre = np.resize(rng.permutation(weights), pairs)
        near = rng.random(pairs) >= self.outside
        size = np.where(near, self._near.shape[1], weights)
        first = rng.integers(size)
        second = (first + 1 + rng.integers(size - 1)) % size
        picked = np.stack([first, second])
        return np.where(near, self._near[centre, np.where(near, picked, 0)], picked)


def tchebycheff(scaled: Floats, weights: Floats) -> Floats:
    """Return the greatest objective over its weight (n, weights), of scaled objectives (n, m).

    The best design along a weight then lies in its direction: Y. Qi, X. Ma, F. Liu, L. Jiao, J. Sun, J. Wu,
    "MOEA/D with adaptive weight adjustment", Evol. Comput. 22(2), 2014.
    """
    return np.asarray((scaled[:, None] / weights).max(axis=2))


def boundary_intersection(scaled: Floats, weights: Floats) -> Floats:
    """Return the distance along each weight's line, and `THETA` times that from it (n, weights)."""
    unit = weights / np.linalg.norm(weights, axis=1, keepdims=True)
    along = scaled @ unit.T
    apart = np.linalg.norm(scaled[:, None] - along[:, :, None] * unit, axis=2)
    return np.asarray(along + THETA * apart)


DECOMPOSITIONS = {"tchebycheff": tchebycheff, "pbi": boundary_intersection}
