"""`surrogate`: many designs by a learned model, few for real.

Surrogate-assisted evolution in generations (Y. Jin, "Surrogate-assisted evolutionary computation: recent
advances and future challenges", Swarm and Evolutionary Computation 1(2), 2011): regressions are learned from
all evaluations, NSGA-II searches them from the front on, and of what it finds the designs that are expected
to add most to the hypervolume are evaluated for real.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dse.designs import Designs
from dse.evaluations import Evaluations, State
from dse.pareto import nondominated, nondominated_ranks
from dse.searchers.batch import Batch
from dse.searchers.fresh import fresh
from dse.searchers.improvement import Belief, boxes
from dse.searchers.nsga2 import NSGA2
from dse.searchers.ranges import Number, Range
from dse.searchers.settings import positive, whole
from dse.space import Space

if TYPE_CHECKING:
    from dse.surrogates.selection import Fitted

Array = NDArray[Any]
Floats = NDArray[np.float64]
Margins = Callable[[Mapping[str, Floats]], Floats]

# What is compared for each objective; the choice is made anew whenever the history has doubled.
MODELS = ("forest", "gaussian_process", "ridge")
SECONDS = 20.0
POPULATION = 100
# Parts of cross-validation, for the widths of intervals.
FOLDS = 3
# Intervals of this confidence are a normal variable's deviation wide to either side.
ONE_DEVIATION = 0.6827
SMALLEST = 1e-12
# Designs of the greatest expected gain, among which a batch is chosen one by one.
POOL = 300
MOST_OBJECTIVES = 3
ROOM = 20
# That a design fails is believed beyond this probability.
LIKELY = 0.5
# Fewer designs with a result teach nothing.
FEWEST = 10
# The front is verified when no optimistic prediction is this much beyond it, as a share of its range.
TOLERANCE = 0.01


class Surrogate:
    """NSGA-II on models that are learned on the way; only what it finds is evaluated.

    Parameters
    ----------
    space
        The search space.
    seed
        Same seed and history, same designs.
    initial
        Random designs before the first models.
    batch
        Designs evaluated between models.
    generations
        Of NSGA-II on the models, a hundred designs each.
    until_verified
        Whether it ends, proposing nothing more, once no design that the models are asked of promises to be
        beyond the front by a hundredth of its range: predictions less one deviation are what counts.
    margins
        By how much limits are broken, given by a study whose problem has limits.

    Raises
    ------
    SearcherError
        If a setting is out of range.
    """

    distinct = True
    ranges: ClassVar[Mapping[str, Range]] = {
        "initial": Number(20, 200, log=True, whole=True),
        "batch": Number(5, 100, log=True, whole=True),
        "generations": Number(5, 100, log=True, whole=True),
    }

    def __init__(
        self,
        space: Space,
        *,
        seed: int = 0,
        initial: int = 60,
        batch: int = 25,
        generations: int = 15,
        until_verified: bool = False,
        margins: Margins | None = None,
    ) -> None:
        whole("surrogate", 1, initial=initial, batch=batch, generations=generations)
        positive("surrogate", initial=initial)
        self.space = space
        self.seed = seed
        self.initial = initial
        self.batch = batch
        self.generations = generations
        self.until_verified = until_verified
        self.margins = margins
        self._seen: set[bytes] = set()
        self._told: list[Evaluations] = []
        self._count = 0
        self._chosen: dict[tuple[int, int], Any] = {}

    def ask(self, n: int) -> Designs:
        """Return n designs: random ones at first, then what NSGA-II finds on models."""
        history = Evaluations.concat(self._told) if self._told else None
        if history is None or self._count < self.initial or history.evaluated.sum() < FEWEST:
            return Designs(self.space, fresh(self.space, n, self.seed, self._count, self._seen))
        models = _Models(self, history)
        found = np.concatenate([self._searched(models, history, optimistic) for optimistic in (True, False)])
        rows = list({key: row for row, key in enumerate(self.space.keys(found))}.values())
        codes = found[rows]
        order, promising = _chosen(models.believe(codes), history, n, self._count)
        if self.until_verified and not promising:
            return Designs(self.space, codes[:0])
        batch = Batch(self.space, n, self._seen)
        batch.add(codes[order])
        return batch.filled(self.seed, self._count)

    def tell(self, evaluations: Evaluations) -> None:
        """Remember evaluations."""
        self._seen.update(self.space.keys(evaluations.designs.codes))
        self._count += len(evaluations)
        self._told.append(evaluations)

    def _searched(self, models: _Models, history: Evaluations, optimistic: bool) -> Array:
        """Return the new designs (n, parameters) that NSGA-II asks models of."""
        seed = int(np.random.default_rng([self.seed, self._count, optimistic]).integers(1 << 31))
        search = NSGA2(self.space, seed=seed, population=POPULATION)
        search.tell(history)
        parts = [np.empty((0, len(self.space.names)), self.space.code_dtype)]
        for _ in range(self.generations):
            designs = search.ask(POPULATION)
            if not len(designs):
                break
            parts.append(designs.codes)
            search.tell(models.predict(designs, optimistic))
        return np.concatenate(parts)


@dataclass(frozen=True)
class Beliefs:
    """What models say of n designs.

    Attributes
    ----------
    objectives
        Of each objective, minimised.
    expected
        The objectives (n, m).
    optimistic
        Their lower ends (n, m).
    chance
        That a design neither fails nor breaks a limit (n,).
    """

    objectives: list[Belief]
    expected: Floats
    optimistic: Floats
    chance: Floats

    def take(self, rows: NDArray[np.intp]) -> Beliefs:
        """Return what is said of some of the designs."""
        beliefs = [
            replace(item, mean=item.mean[rows], deviation=item.deviation[rows]) for item in self.objectives
        ]
        return Beliefs(beliefs, self.expected[rows], self.optimistic[rows], self.chance[rows])


class _Models:
    """What is learned of objectives, limits and failures."""

    def __init__(self, searcher: Surrogate, history: Evaluations) -> None:
        from dse.surrogates.feasibility import Classifier
        from dse.surrogates.selection import Selection

        space, seed = searcher.space, searcher.seed
        evaluated = np.flatnonzero(history.evaluated)
        codes = history.designs.codes
        selection = Selection(space, codes, seed, SECONDS)
        self.objectives = []
        for column, values in enumerate(history.objectives.T):
            choice = searcher._chosen.get(key := (column, _doubled(len(evaluated))))
            if choice is None:
                rows = evaluated[: key[1]]
                choice = selection.choose(rows, values[rows], MODELS)
                searcher._chosen[key] = choice
            fitted, _ = selection.fit(evaluated, values[evaluated], choice, FOLDS)
            self.objectives.append(fitted)
        self.limits = []
        if searcher.margins is not None:
            margins = searcher.margins({
                name: np.asarray(values)[evaluated] for name, values in history.metrics.items()
            })  # fmt: skip
            for column in range(margins.shape[1]):
                values = np.zeros(len(codes))
                values[evaluated] = margins[:, column]
                if np.ptp(margins[:, column]) > 0:
                    choice = searcher._chosen.get(key := (-1 - column, _doubled(len(evaluated))))
                    if choice is None:
                        rows = evaluated[: key[1]]
                        choice = selection.choose(rows, values[rows], MODELS[:1])
                        searcher._chosen[key] = choice
                    self.limits.append(selection.fit(evaluated, values[evaluated], choice, FOLDS)[0])
        made = Classifier.fit(space, codes, ~history.evaluated, seed)
        self.failure = None if made is None else made[0]
        self.space = space

    def predict(self, designs: Designs, optimistic: bool) -> Evaluations:
        """Return designs as if the models' predictions, or their lower ends, were evaluations."""
        said = self.believe(designs.codes)
        violation = np.where(said.chance < LIKELY, 1.0 - said.chance, 0.0)
        state = np.where(violation > 0, State.INFEASIBLE.value, State.COMPLETE.value)
        objectives = said.optimistic if optimistic else said.expected
        return Evaluations(designs, {}, objectives, violation, state, {}, np.zeros(len(designs)))

    def believe(self, codes: Array) -> Beliefs:
        """Return what is believed of designs (n, parameters)."""
        from scipy.special import ndtr

        from dse.surrogates.encoding import Encoding

        encoded: dict[tuple[str, ...], Any] = {}

        def learned(item: Fitted) -> tuple[Floats, Floats]:
            sizes = item.choice.sizes
            if sizes not in encoded:
                encoded[sizes] = Encoding(self.space, sizes)(codes)
            mean, doubt = item.regressor.predict(encoded[sizes])
            return mean, np.maximum(item.calibration.width(doubt, ONE_DEVIATION), SMALLEST)

        beliefs, expected, optimistic = [], [], []
        for item in self.objectives:
            mean, deviation = learned(item)
            made = item.target
            mean = made.held(mean)
            beliefs.append(
                Belief(
                    mean * made.spread + made.centre,
                    deviation * made.spread,
                    made.floor if made.scale == "logarithm" else None,
                    made.least,
                )
            )
            expected.append(made.values(mean))
            optimistic.append(made.values(mean - deviation))
        chance = np.ones(len(codes))
        for item in self.limits:
            mean, deviation = learned(item)
            # The limit holds below zero, which in the target's own terms lies here.
            zero = -item.target.centre / item.target.spread
            chance *= ndtr((zero - mean) / deviation)
        if self.failure is not None:
            chance *= 1.0 - self.failure.predict(codes)
        return Beliefs(beliefs, np.column_stack(expected), np.column_stack(optimistic), chance)


def _doubled(count: int) -> int:
    """Return the greatest power of two times `FEWEST` that is not above a count."""
    return FEWEST * (1 << ((count // FEWEST).bit_length() - 1))


def _chosen(said: Beliefs, history: Evaluations, n: int, told: int) -> tuple[list[int], bool]:
    """Return the positions of up to n designs, the most promising first, and whether any promises to gain.

    Each is chosen by what it is expected to add to the hypervolume, as if those before had come out as
    predicted; while nothing is feasible, by its chance to be.
    """
    values = history.objectives[history.feasible]
    if not len(said.chance):
        return [], False
    if not len(values):
        return np.argsort(-said.chance, kind="stable")[:n].tolist(), True
    front = values[nondominated(values)]
    moved = front - TOLERANCE * np.maximum(np.ptp(front, axis=0), SMALLEST)
    dominated = np.zeros(len(said.chance), dtype=bool)
    for point in moved:
        dominated |= (point <= said.optimistic).all(axis=1)
    promising = bool((~dominated & (said.chance >= LIKELY)).any())
    which = _few(front.shape[1], told)
    point = _beyond(values)

    def gains(among: Beliefs, beyond: Floats) -> Floats:
        left = boxes(beyond[:, which][nondominated(beyond[:, which])], point[which])
        return left.expected_improvement([among.objectives[place] for place in which]) * among.chance

    first = np.argsort(-gains(said, front), kind="stable")[:POOL]
    pool = said.take(first)
    free = np.ones(len(first), dtype=bool)
    order: list[int] = []
    for _ in range(min(n, len(first))):
        place = int(np.argmax(np.where(free, gains(pool, front), -1.0)))
        free[place] = False
        order.append(int(first[place]))
        front = np.concatenate([front, pool.expected[place : place + 1]])
        front = front[nondominated(front)]
    return order, promising


def _beyond(values: Floats) -> Floats:
    """Return a reference point (m,) that leaves room about the front of feasible objectives (n, m).

    Worse by a tenth of their range than the designs of the first ranks, some twenty of them: a front of few
    would leave none. A declared point is not taken: far off, it makes details of the front worth nothing.
    """
    ranks = nondominated_ranks(values)
    base = values[ranks <= np.sort(ranks)[min(len(ranks), ROOM) - 1]]
    worst, width = base.max(axis=0), np.ptp(base, axis=0)
    return np.asarray(
        worst + np.where(width > 0, 0.1 * width, np.where(worst == 0, 1.0, 0.1 * np.abs(worst)))
    )


def _few(objectives: int, told: int) -> NDArray[np.intp]:
    """Return which objectives count in this batch: all, or three in turn where boxes would be too many."""
    if objectives <= MOST_OBJECTIVES:
        return np.arange(objectives)
    return np.sort(np.random.default_rng([told, objectives]).permutation(objectives)[:MOST_OBJECTIVES])
