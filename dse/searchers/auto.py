"""`auto`: what a user gets who names no searcher.

Hands over between searchers by what is known of the problem and what was learned on the way: exact programs
where objectives are sums of tables, Gaussian processes and local search while evaluations are few, local
search and a genetic algorithm when they are many; each as often as it has added to the front of late.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dse.designs import Designs
from dse.errors import SearcherError
from dse.evaluations import Evaluations
from dse.linear import LinearProblem
from dse.pareto import ParetoArchive
from dse.searchers.bayesian import Bayesian
from dse.searchers.ilp import ILP
from dse.searchers.local import Local
from dse.searchers.nsga2 import NSGA2
from dse.searchers.nsga3 import NSGA3
from dse.searchers.ranges import Number, Range
from dse.searchers.settings import whole
from dse.space import Space

Array = NDArray[Any]
Floats = NDArray[np.float64]

# How many times as many evaluations models propose where each costs more than they do.
COSTLY = 5
# From so many objectives on nearly all designs are nondominated, and niches tell more than crowding.
MANY_OBJECTIVES = 4
# Designs that a searcher of the last phase proposes at once.
PORTION = 50
# Evaluations before which the model alone proposes.
FIRST = 100
# What an evaluation counts, to the power of those since; the evaluations that a searcher is believed to have
# made before it made any; and the share of the turns that even one that adds nothing has.
MEMORY, SOME, LEAST_SHARE = 0.99, 10, 0.1
MODEL, LOCAL, POPULATION = range(3)


class Auto:
    """Exact programs, then Gaussian processes, then local search and a genetic algorithm, by their merits.

    - Where objectives are sums of tables (`dse.additive`), up to `programs` designs of the exact front come
      first (`ilp`).
    - The first hundred evaluations are `bayesian`'s: few tell most through a model. Up to `modelled` it
      shares the turns with `local`.
    - After that `local` and `nsga2` (`nsga3` from four objectives on) share them, at next to no cost a
      design, until a small space is exhausted.

    All are told of everything. The more designs of its own a searcher added to the front of late, for each
    that it proposed, the more turns it has, and never less than a tenth. Which is asked depends on what was
    told alone, so that a study is resumed as any other.

    Parameters
    ----------
    space
        The search space.
    seed
        Same seed and history, same designs.
    modelled
        Evaluations up to which `bayesian` has turns; five times as many where they are costly.
    programs
        Designs of exact fronts at the start, at most.
    costly
        Whether an evaluation costs more than a model of it. A study says so of cost models that take designs
        one by one, or by workers.
    prior, linear, reference, margins
        As of `dse.searchers.bayesian.Bayesian`.

    Raises
    ------
    SearcherError
        If a setting is out of range.
    """

    distinct = True
    ranges: ClassVar[Mapping[str, Range]] = {"modelled": Number(100, 1_000, log=True, whole=True)}

    def __init__(
        self,
        space: Space,
        *,
        seed: int = 0,
        modelled: int = 600,
        programs: int = 100,
        costly: bool = False,
        prior: Callable[[Designs], Floats] | None = None,
        linear: LinearProblem | None = None,
        reference: Floats | None = None,
        margins: Callable[[Mapping[str, Floats]], Floats] | None = None,
    ) -> None:
        if not isinstance(costly, bool):
            raise SearcherError(f"auto: costly={costly!r} must be true or false")
        whole("auto", 0, modelled=modelled, programs=programs)
        self.space = space
        self.seed = seed
        self.modelled = COSTLY * modelled if costly else modelled
        self.programs = programs
        self._exact = ILP(space, linear=linear) if linear is not None and programs else None
        self._model = Bayesian(space, seed=seed, prior=prior, reference=reference, margins=margins)
        # Told from the start, so that they go on from the front that was found.
        self._local = Local(space, seed=seed)
        self._population: NSGA2 | None = None
        self._told = 0
        self._archive: ParetoArchive | None = None
        self._turn = MODEL
        # By searcher: what it added to the front of late, and what it proposed.
        self._added, self._proposed = np.zeros(3), np.zeros(3)

    @property
    def batch(self) -> int:
        """How many designs the searcher whose turn it is likes to be asked for."""
        return self._model.batch if self._modelling else PORTION

    @property
    def _modelling(self) -> bool:
        return self._told < self.modelled

    def ask(self, n: int) -> Designs:
        """Return n designs."""
        if self._exact is not None:
            best = self._exact.untold(n, self.programs)
            if len(best):
                return best
        if self._turn == POPULATION and self._population is not None:
            return self._population.ask(n)
        return (self._model if self._turn == MODEL else self._local).ask(n)

    def tell(self, evaluations: Evaluations) -> None:
        """Tell all who may be asked, and settle whose turn it is."""
        if not len(evaluations):
            return
        objectives = evaluations.objectives.shape[1]
        if self._population is None or self._archive is None:
            kind = NSGA3 if objectives >= MANY_OBJECTIVES else NSGA2
            self._population = kind(self.space, seed=self.seed)
            self._archive = ParetoArchive(objectives)
        if self._exact is not None:
            self._exact.tell(evaluations)
        if self._modelling:
            self._model.tell(evaluations)
        for searcher in (self._local, self._population):
            searcher.tell(evaluations)
        feasible = evaluations.feasible
        numbers = self._told + np.flatnonzero(feasible)
        added = self._archive.add(evaluations.objectives[feasible], numbers).added
        forget = MEMORY ** len(evaluations)
        self._added *= forget
        self._proposed *= forget
        self._added[self._turn] += len(added)
        self._proposed[self._turn] += len(evaluations)
        self._told += len(evaluations)
        rng = np.random.default_rng([self.seed, self._told])
        self._turn = int(rng.choice(3, p=self._shares()))

    def _shares(self) -> Floats:
        """Return the share of turns that model, local search and population have."""
        if self._told < FIRST and self._modelling:
            return np.array([1.0, 0.0, 0.0])
        able = np.array([self._modelling, True, not self._modelling])
        worth = np.where(able, ((self._added + 1.0) / (self._proposed + SOME)) ** 2, 0.0)
        shares = np.where(able, np.maximum(worth / worth.sum(), LEAST_SHARE), 0.0)
        return np.asarray(shares / shares.sum())
