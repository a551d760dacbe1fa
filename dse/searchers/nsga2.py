"""`nsga2`: NSGA-II on mixed, constrained, conditional spaces, with pymoo's operators.

Deb, Pratap, Agarwal and Meyarivan, "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE
Trans. Evol. Comput. 6(2), 2002: nondominated sorting, crowding distance, constrained domination, simulated
binary crossover and polynomial mutation. It works on codes: ordered parameters by SBX and polynomial
mutation, rounded; categorical ones by exchange and random choice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dse.designs import Designs
from dse.evaluations import Evaluations
from dse.searchers.batch import Batch
from dse.searchers.fresh import fresh
from dse.searchers.genes import Genes
from dse.searchers.held import Held
from dse.searchers.mending import towards
from dse.searchers.ranges import Choice, Number, Range
from dse.searchers.settings import choice, positive, probability, whole
from dse.space import Space

Array = NDArray[Any]
Floats = NDArray[np.float64]

EXCHANGES = ("uniform", "two-point")
REJECTIONS = 3
REPAIRS = 3


class NSGA2:
    """The genetic algorithm of Deb et al. 2002; proposes only feasible members of the space, each once.

    Children that break a constraint of the space are drawn anew, then repaired: they keep as many of their
    changes, tried in random order from a parent, as stay within the space. Where mating brings nothing new,
    random designs fill the batch.

    Parameters
    ----------
    space
        The search space.
    seed
        Same seed and history, same designs.
    population
        Survivors of a generation; also the number of random designs at the start.
    crossover
        Probability that a pair of parents is crossed (0.9 in Deb et al.).
    mutation
        Mutated parameters a child, on average (1 in Deb et al.: probability 1 / parameters).
    eta_crossover, eta_mutation
        Distribution indices of SBX and polynomial mutation: larger stays closer to the parents. pymoo's
        defaults for NSGA-II (Deb et al. use 20 for both).
    exchange
        How parents exchange categorical parameters: "uniform", each with probability 1/2, or "two-point",
        those between two cuts in the order of the space, which keeps neighbours together: better on ZDT5,
        whose bits belong together by fives, worse on bit-widths of a network's layers.

    Raises
    ------
    SearcherError
        If a setting is out of range.
    """

    name = "nsga2"
    distinct = True
    ranges: ClassVar[Mapping[str, Range]] = {
        "population": Number(10, 200, log=True, whole=True),
        "crossover": Number(0.5, 1.0),
        "mutation": Number(0.3, 5.0, log=True),
        "eta_crossover": Number(2.0, 50.0, log=True),
        "eta_mutation": Number(2.0, 50.0, log=True),
        "exchange": Choice(EXCHANGES),
    }

    def __init__(
        self,
        space: Space,
        *,
        seed: int = 0,
        population: int = 100,
        crossover: float = 0.9,
        mutation: float = 1.0,
        eta_crossover: float = 15.0,
        eta_mutation: float = 20.0,
        exchange: str = "uniform",
    ) -> None:
        whole(self.name, 2, population=population)
        choice(self.name, EXCHANGES, exchange=exchange)
        probability(self.name, crossover=crossover)
        positive(self.name, mutation=mutation, eta_crossover=eta_crossover, eta_mutation=eta_mutation)
        self.space = space
        self.seed = seed
        self.population = population
        self.crossover = crossover
        self.mutation = mutation
        self.eta_crossover = eta_crossover
        self.eta_mutation = eta_mutation
        self.exchange = exchange
        self.batch = population
        # Children that are made at once, at least: for few that are missing, a few more cost next to nothing.
        self._least = 1
        self._seen: set[bytes] = set()
        self._told = 0
        # The population, best first.
        self._held = Held.none(space)
        self._genes = Genes(space)

    def ask(self, n: int) -> Designs:
        """Return n designs: random ones until a population is told, then children of it."""
        if self._told < self.population or len(self._held) < 2:
            return Designs(self.space, fresh(self.space, n, self.seed, self._told, self._seen))
        rng = np.random.default_rng([self.seed, self._told])
        batch = Batch(self.space, n, self._seen)
        for attempt in range(REJECTIONS + REPAIRS):
            parents, children = self._mate(max(batch.missing, self._least), rng)
            inside = self.space.satisfies(children)
            if not inside.all() and attempt >= REJECTIONS:
                children = towards(self.space, parents, children, rng)
                inside = np.ones(len(children), dtype=bool)
            batch.add(children[inside])
            if not batch.missing:
                break
        return batch.filled(self.seed, self._told)

    def tell(self, evaluations: Evaluations) -> None:
        """Merge evaluations into the population and keep the best by rank and crowding."""
        self._seen.update(self.space.keys(evaluations.designs.codes))
        self._told += len(evaluations)
        new = Held.of(evaluations)
        if not len(new):
            return
        merged = self._held.joined(new)
        rng = np.random.default_rng([self.seed, self._told])
        self._held = merged.take(self._survivors(merged.objectives, merged.violation, rng))

    def _survivors(
        self, objectives: Floats, violation: Floats, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Return the positions of the next population, best first."""
        return survivors(objectives, violation, self.population, rng)

    def _parents(self, pairs: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return the positions (2, pairs) of designs to be crossed, by tournaments of two.

        Entrants are drawn without replacement, as in the authors' own program: of a generation of children
        every design enters two tournaments, so that none is left out, or has many children, by chance.
        """
        count, entrants = len(self._held), 4 * pairs
        rounds = np.tile(np.arange(count), (-(-entrants // count), 1))
        drawn = rng.permuted(rounds, axis=1).reshape(-1)[:entrants]
        # The population is sorted best first, so the lower of two positions wins.
        return np.asarray(drawn.reshape(2, pairs, 2).min(axis=2))

    def _mate(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """Return n children, within their domains and canonical, and for each the closer parent."""
        from pymoo.operators.crossover.sbx import cross_sbx
        from pymoo.operators.mutation.pm import mut_pm

        pairs = (n + 1) // 2
        parents: Array = self._held.codes[self._parents(pairs, rng)]
        genes = self._genes.of(parents.reshape(2 * pairs, -1)).reshape(parents.shape)

        unordered, high = self._genes.choice, self._genes.top
        low, ordered = np.zeros_like(high), ~unordered
        children: Floats = genes.copy()
        if ordered.any():
            children[:, :, ordered] = cross_sbx(
                genes[:, :, ordered], low[ordered], high[ordered],
                np.full((pairs, 1), self.eta_crossover), 0.5, np.full((pairs, 1), 0.5), random_state=rng,
            )  # fmt: skip
        swap = unordered & self._exchanged(genes.shape[1:], rng)
        children[:, swap] = children[::-1, swap]
        uncrossed = rng.random(pairs) >= self.crossover
        children[:, uncrossed] = genes[:, uncrossed]

        children = children.reshape(2 * pairs, -1)
        mutate = rng.random(children.shape) < min(1.0, self.mutation / children.shape[1])
        if ordered.any():
            before = np.round(children[:, ordered])
            mutated = mut_pm(
                children[:, ordered], low[ordered], high[ordered],
                np.full(len(children), self.eta_mutation), np.ones(len(children)),
                at_least_once=False, random_state=rng,
            )  # fmt: skip
            # Rounding must not undo a mutation: move a discrete parameter by one step at least.
            step = np.where(rng.random(mutated.shape) < 0.5, -1.0, 1.0)
            stuck = (np.round(mutated) == before) & ~self._genes.real[ordered]
            mutated = np.where(stuck, before + step, mutated)
            children[:, ordered] = np.where(mutate[:, ordered], mutated, children[:, ordered])
        drawn = np.floor(rng.random(children.shape) * (high + 1))
        children = np.where(mutate & unordered, drawn, children)
        return parents.reshape(2 * pairs, -1)[:n], self._genes.codes(children)[:n]

    def _exchanged(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.bool_]:
        """Return which parameters (pairs, parameters) a pair of parents exchanges."""
        if self.exchange == "uniform":
            return rng.random(shape) < 0.5
        cuts = np.sort(rng.integers(0, shape[1] + 1, size=(shape[0], 2)), axis=1)
        place = np.arange(shape[1])
        return np.asarray((place >= cuts[:, :1]) & (place < cuts[:, 1:]))


def survivors(
    objectives: Floats, violation: Floats, count: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return the positions of the best `count` designs, best first.

    Constrained domination (Deb et al. 2002, section VI-A): feasible before infeasible, the latter by
    violation; feasible ones by nondominated rank, then by crowding distance, ties at random.

    Parameters
    ----------
    objectives
        Matrix (n, m), to be minimised.
    violation
        Array (n,), 0 where feasible.
    """
    from pymoo.operators.survival.rank_and_crowding.metrics import calc_crowding_distance
    from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

    feasible = np.flatnonzero(violation == 0)
    kept: list[NDArray[np.int64]] = []
    have = 0
    if len(feasible):
        for front in NonDominatedSorting().do(objectives[feasible], n_stop_if_ranked=count):
            if have >= count:
                break
            members = feasible[front]
            crowding = calc_crowding_distance(objectives[members])
            order = np.lexsort((rng.random(len(members)), -crowding))
            kept.append(members[order][: count - have])
            have += len(kept[-1])
    if have < count:
        infeasible = np.flatnonzero(violation > 0)
        order = np.lexsort((rng.random(len(infeasible)), violation[infeasible]))
        kept.append(infeasible[order][: count - have])
    return np.concatenate(kept) if kept else np.empty(0, np.int64)
