"""`pymoo`: an algorithm of pymoo as a searcher, by its ask and tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pymoo.core.individual import Individual
from pymoo.core.population import Population

from dse.designs import Designs
from dse.errors import SearcherError
from dse.evaluations import Evaluations
from dse.interop.pymoo.algorithms import Recipe
from dse.interop.pymoo.told import Told
from dse.searchers.batch import Batch
from dse.searchers.fresh import fresh
from dse.searchers.genes import Genes
from dse.searchers.mending import mended, nearest_members
from dse.searchers.nsga2 import survivors
from dse.searchers.ranges import Number, Range
from dse.searchers.settings import whole
from dse.space import Space
from dse.space.constraints import code_hash

Array = NDArray[Any]
Floats = NDArray[np.float64]

# Random members of the space from which proposals outside of it are mended, beside the population.
POOL = 64
# Generations in a row that may bring nothing new, before random designs are proposed.
IDLE = 8


class Pymoo:
    """Proposes what an algorithm of pymoo proposes, mended: members of the space, each once.

    The algorithm works on the vectors of `dse.searchers.genes.Genes`. A proposal that is outside the space
    becomes a member near it; one that was told before, a neighbour that was not
    (`dse.searchers.mending.mended`). The algorithm is told of the design that it became. A generation is told
    to it as a whole, once it is complete; where more designs are asked for, random ones follow.

    The first population is the algorithm's own sample. Where others were evaluated before (baselines, a warm
    start), it is the best of all that is known, and the sample fills what is missing.

    Limits are constraints, as `Problem.margins` gives them where the study has it, else one: the violation.
    Failed designs have the worst objectives told so far and break every constraint. An algorithm that takes
    no constraints (MOEAD) sees objectives worse than any for a broken limit; one for several objectives is
    told a single one twice. The algorithm's own termination does not end a search.

    Parameters
    ----------
    space
        The search space.
    seed
        Same seed and history, same designs.
    algorithm
        A name of `dse.interop.pymoo.algorithms.ALGORITHMS`, or a function that returns an algorithm of pymoo.
    population
        Of an algorithm given by name. Where it takes reference directions, at most so many.
    options
        More arguments of an algorithm given by name, as in ``{"n_offsprings": 20}``; RVEA needs
        ``{"termination": ["n_gen", 100]}``.
    reference, margins
        Handed over by a study: `Problem.reference`, `Problem.margins`.

    Raises
    ------
    SearcherError
        If the name or an option is unknown, a setting out of range, or pymoo refuses an option or the number
        of objectives, here or when it is told.
    """

    name = "pymoo"
    distinct = True
    ranges: ClassVar[Mapping[str, Range]] = {"population": Number(10, 200, log=True, whole=True)}

    def __init__(
        self,
        space: Space,
        *,
        seed: int = 0,
        algorithm: str | Callable[[], Any] = "NSGA2",
        population: int = 100,
        options: Mapping[str, Any] | None = None,
        reference: Floats | None = None,
        margins: Callable[[Mapping[str, Floats]], Floats] | None = None,
    ) -> None:
        whole(self.name, 2, population=population)
        self.space = space
        self.seed = seed
        self.recipe = Recipe(algorithm, population, {} if options is None else options)
        self._genes = Genes(space)
        self._told = Told(margins)
        self._generation = 0
        # What the algorithm waits for: individuals, and the designs that they became.
        self._waiting: list[Individual] | None = None
        self._wanted: Array = np.empty((0, len(space.names)), dtype=space.code_dtype)
        self._keys: list[bytes] = []
        self._single = False
        # How many objectives there are is known when some are told: until then it is supposed.
        supposed = 1 + self.recipe.several
        self._begin(supposed if reference is None else len(reference), 1)

    @property
    def batch(self) -> int:
        """What is left to evaluate of a generation."""
        waiting = self._prepare()
        if not self._algorithm.is_initialized:
            return max(1, len(waiting) - len(self._told))
        return max(1, len(set(self._keys) - self._told.keys))

    def ask(self, n: int) -> Designs:
        """Return n designs: what is left of the algorithm's generation, then random ones."""
        self._prepare()
        batch = Batch(self.space, n, self._told.keys)
        batch.add(self._wanted)
        return batch.filled(self.seed, len(self._told))

    def tell(self, evaluations: Evaluations) -> None:
        """Remember evaluations; a generation that is complete is told to the algorithm."""
        if not len(evaluations):
            return
        waiting = self._prepare()
        if not len(self._told) and self._told.shape(evaluations) != self._shape:
            # What was proposed stays: the first population is of what is told.
            self._begin(*self._told.shape(evaluations))
            waiting = self._infill()
        self._told.add(evaluations)
        if not self._algorithm.is_initialized:
            if len(self._told) >= len(waiting) and any(self._told.known):
                self._advance(self._first(len(waiting)))
        elif all(key in self._told.keys for key in self._keys):
            self._advance([self._told.rows[key] for key in self._keys])

    def _begin(self, objectives: int, constraints: int) -> None:
        """Make the algorithm, for a number of objectives and of constraints."""
        self._shape = objectives, constraints
        # Most algorithms for several objectives cannot do with one: they are told it twice.
        self._doubled = objectives == 1 and self.recipe.several
        word = int(np.random.SeedSequence(self.seed).generate_state(1)[0])
        self._algorithm, self._constrained = self.recipe.ready(
            self._genes.top, objectives + self._doubled, constraints, word
        )

    def _prepare(self) -> list[Individual]:
        """Return what the algorithm waits for; ask it for a generation if it waits for none."""
        for _ in range(IDLE):
            if self._waiting is not None:
                return self._waiting
            waiting = self._infill()
            vectors = np.array([individual.X for individual in waiting], float)
            self._wanted = self._members(vectors.reshape(len(waiting), len(self.space.names)))
            self._keys = self.space.keys(self._wanted)
            known = [self._told.rows[key] for key in self._keys if key in self._told.keys]
            if self._algorithm.is_initialized and waiting and len(known) == len(waiting):
                self._advance(known)  # all of it is known: the algorithm goes on without an evaluation
        self._waiting, self._keys, self._wanted = [], [], self._wanted[:0]
        return self._waiting

    def _infill(self) -> list[Individual]:
        with self._explained():
            found = self._algorithm.infill()
        self._generation += 1
        self._single = isinstance(found, Individual)
        self._waiting = [found] if self._single else [] if found is None else list(found)
        return self._waiting

    def _first(self, count: int) -> list[int]:
        """Return the rows of the first population: the best of what is known, in order."""
        rows = list(range(len(self._told)))
        if len(rows) <= count:
            return rows
        known = np.flatnonzero(self._told.known).tolist()
        rng = np.random.default_rng([self.seed, len(rows)])
        best = survivors(self._told.objectives(known), self._told.violation(known), count, rng)
        chosen = [known[place] for place in best.tolist()]
        failed = [row for row in rows if not self._told.known[row]]
        return sorted([*chosen, *failed[: count - len(chosen)]])

    def _advance(self, rows: Sequence[int]) -> None:
        """Tell the algorithm what became of its individuals: rows of what was told."""
        waiting, self._waiting = self._waiting, None
        if not waiting:
            return  # it had nothing to propose: it is asked again
        objectives, constraints = self._told.judged(rows, self._constrained)
        if self._doubled:
            objectives = np.repeat(objectives, 2, axis=1)
        vectors = self._genes.of(self._told.codes(rows))
        for individual, vector, values, broken in zip(waiting, vectors, objectives, constraints, strict=True):
            individual.X, individual.F, individual.G = vector, values, broken
            individual.evaluated.update(("F", "G", "H"))
        self._algorithm.evaluator.n_eval += len(waiting)
        with self._explained():
            self._algorithm.advance(infills=waiting[0] if self._single else Population.create(*waiting))

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            raise SearcherError(
                f"{self.name}: {self.recipe.kind.__name__} failed with {self._shape[0]} objectives: "
                f"{type(error).__name__}: {error}"
            ) from error

    def _members(self, vectors: Floats) -> Array:
        """Return proposals (n, parameters) as members of the space, new ones as far as there are any."""
        codes = self._genes.codes(np.nan_to_num(vectors))
        outside = ~self.space.satisfies(codes)
        keys = self.space.keys(codes)
        if not outside.any() and len(set(keys)) == len(keys) and self._told.keys.isdisjoint(keys):
            return codes
        rng = np.random.default_rng([self.seed, len(self._told), self._generation])
        pool = fresh(self.space, POOL, self.seed, len(self._told), set())
        if self._algorithm.is_initialized:
            members = np.array([individual.X for individual in self._algorithm.pop], float)
            pool = np.concatenate([self._genes.codes(members), pool])
        if outside.any():
            codes[outside] = nearest_members(self.space, codes[outside], pool, rng)
        taken = set(self._told.keys)
        for row, key in enumerate(self.space.keys(codes)):
            new = key
            if key in taken:
                near = mended(self.space, codes[row], pool, taken, rng)
                if near is None:
                    continue
                codes[row] = near
                new = self.space.keys(near[None])[0]
            taken.add(new)
        return codes


class PymooSearcher:
    """Makes a searcher of an algorithm of pymoo, for ``Study(..., searcher=PymooSearcher(...))``.

    Parameters
    ----------
    make
        Returns a new algorithm of pymoo. Its code is part of the study's identity: a stored study refuses to
        go on with another.

    Raises
    ------
    SearcherError
        If it is no function, or returns no algorithm that asks and tells.

    Examples
    --------
    >>> from pymoo.algorithms.moo.spea2 import SPEA2
    >>> from dse.interop.pymoo import PymooSearcher
    >>> searcher = PymooSearcher(lambda: SPEA2(pop_size=50))
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        if not callable(make):
            raise SearcherError(
                f"make={make!r} must be a function that returns an algorithm of pymoo, as in lambda: NSGA2()"
            )
        made = make()
        for method in ("setup", "infill", "advance"):
            if not hasattr(made, method):
                raise SearcherError(
                    f"make() returned {type(made).__name__}, which has no {method!r}: return an algorithm of "
                    "pymoo"
                )
        self.make = make
        self.__qualname__ = f"{type(made).__name__}({code_hash(make)})"

    def __call__(
        self,
        space: Space,
        *,
        seed: int = 0,
        reference: Floats | None = None,
        margins: Callable[[Mapping[str, Floats]], Floats] | None = None,
    ) -> Pymoo:
        """Return the searcher of a space; see `Pymoo`."""
        return Pymoo(space, seed=seed, algorithm=self.make, reference=reference, margins=margins)
