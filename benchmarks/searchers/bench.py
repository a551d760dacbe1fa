"""`Bench`: answers what a searcher proposes, counts unique evaluations and keeps them in order."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse import Designs, Problem
from dse.evaluations import Evaluations
from dse.problem import Limit
from dse.searchers.fresh import fresh

Array = NDArray[Any]
Floats = NDArray[np.float64]

# Proposals in a row that cost nothing, repeats and non-members of the space, after which a searcher is given
# a random design.
PATIENCE = 10
# Evaluations after which a run is kept on the way.
HUNDRED = 100
# Keeps the random designs that the harness gives apart from those of searchers of the same seed.
STREAM = 0xBE7C4


class SpentError(Exception):
    """The budget is used up: ends a searcher's run."""


@dataclass(frozen=True)
class Before:
    """What an earlier run had evaluated, for a peer that decides by its data alone to go on from.

    Attributes
    ----------
    codes
        The designs in order (n, parameters).
    overhead
        The processor's seconds until each was proposed (n,).
    counts
        Of proposals, as `Bench.counts`.
    """

    codes: Array
    overhead: Floats
    counts: dict[str, int]


@dataclass(frozen=True)
class Answer:
    """What is said of n proposed designs.

    Attributes
    ----------
    codes
        The designs (n, parameters), inactive parameters at their canonical value.
    inside
        Which satisfy the space's constraints (n,). The others are not evaluated.
    broken
        How many of the space's constraints each breaks (n,).
    objectives
        Minimised (n, m); NaN outside of the space and where the evaluation failed.
    slack
        Of the problem's limits (n, limits), as fractions of their bounds: at most 0 where the limit holds,
        NaN as `objectives`.
    """

    codes: Array
    inside: NDArray[np.bool_]
    broken: NDArray[np.int64]
    objectives: Floats
    slack: Floats

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which have objectives (n,)."""
        return np.isfinite(self.objectives).all(axis=1)


class Bench:
    """A problem with a budget of unique evaluations.

    A design that was evaluated before is answered at no cost, and so is one outside of the space, whatever
    searcher proposes it. What the searcher does between answers is its overhead, in
    seconds of processor time: other programs on the machine do not count.

    Parameters
    ----------
    problem
        The problem.
    budget
        Unique evaluations; the call of `answer` that reaches it raises `SpentError`.
    seed
        Of the random designs that the bench gives.
    corner
        The reference point (m,), for peers that want one.
    reached
        Called each time that another hundred evaluations are full, before the budget is spent.
    before
        An earlier run that this one goes on from: `initial` are its designs.
    """

    def __init__(
        self,
        problem: Problem,
        budget: int,
        seed: int,
        corner: Floats,
        reached: Callable[[], None] | None = None,
        before: Before | None = None,
    ) -> None:
        self.problem = problem
        self.space = problem.space
        self.budget = budget
        self.seed = seed
        self.corner = corner
        self.reached = reached
        self.seen: dict[bytes, tuple[Floats, Floats]] = {}
        self.idle = 0
        self.before = before
        self.counts = {"proposals": 0, "repeats": 0, "outside": 0, "given": 0}
        if before is not None:
            self.counts = before.counts | {"proposals": before.counts["proposals"] - len(before.codes)}
        self._parts: list[Evaluations] = []
        self._overhead: list[float] = []
        self._spent = 0.0
        self._since = time.process_time()

    @property
    def stuck(self) -> bool:
        """Whether as many proposals as patience allows were free, one after the other."""
        return self.idle >= PATIENCE

    @property
    def start(self) -> Array:
        """The designs that everybody evaluates first (k, parameters)."""
        start = self.problem.start
        return start.codes if start is not None else np.empty((0, len(self.space.names)), np.int64)

    def fresh(self, n: int) -> Array:
        """Return n random members of the space that were not evaluated."""
        self.counts["given"] += n if self.stuck else 0
        return fresh(self.space, n, self.seed + STREAM, len(self.seen), self.seen.keys())

    def initial(self, n: int) -> Array:
        """Return the designs to start with: those that everybody evaluates first, and n random ones.

        Where a run goes on, these are all that it had evaluated.
        """
        if self.before is not None:
            return self.before.codes
        start = self.start
        seen = set(self.space.keys(start))
        return np.concatenate([start, fresh(self.space, n, self.seed + STREAM, 0, seen)])

    def answer(self, codes: Array) -> Answer:
        """Return what is known of proposed designs (n, parameters), evaluating those that are new.

        Raises
        ------
        SpentError
            When the budget is used up.
        """
        self._spent += time.process_time() - self._since
        codes = self.space.canonical(np.asarray(codes).astype(self.space.code_dtype))
        broken = self._broken(codes)
        keys = self.space.keys(codes)
        self._record(codes, keys, broken == 0)
        objectives = np.full((len(codes), len(self.problem.objectives)), np.nan)
        slack = np.full((len(codes), len(self.problem.limits)), np.nan)
        for row in np.flatnonzero(broken == 0).tolist():
            objectives[row], slack[row] = self.seen[keys[row]]
        self._since = time.process_time()
        return Answer(codes, broken == 0, broken, objectives, slack)

    def evaluate(self, designs: Designs) -> Evaluations:
        """Return the evaluations of proposed members of the space: `answer` for searchers of ours."""
        self._spent += time.process_time() - self._since
        found = self._record(designs.codes, self.space.keys(designs.codes), np.ones(len(designs), bool))
        if found is None or len(found) < len(designs):
            found = self.problem.evaluate(designs)  # with repeats
        self._since = time.process_time()
        return found

    def trace(self) -> tuple[Evaluations, Floats]:
        """Return the unique evaluations in order, and the processor's seconds of overhead until each."""
        overhead = np.array(self._overhead)
        if self.before is not None:
            known = self.before.overhead[: len(overhead)]
            overhead = np.concatenate([known, overhead[len(known) :] + self.before.overhead[-1]])
        return Evaluations.concat(self._parts), overhead

    def _broken(self, codes: Array) -> NDArray[np.int64]:
        columns = Designs(self.space, codes)
        broken = np.zeros(len(codes), np.int64)
        for constraint in self.space.constraints:
            broken += ~np.asarray(constraint.holds(columns, len(codes)), bool)
        return broken

    def _record(self, codes: Array, keys: list[bytes], inside: NDArray[np.bool_]) -> Evaluations | None:
        """Evaluate and keep what is new, within the budget; return it."""
        rows: dict[bytes, int] = {}
        for row, key in enumerate(keys):
            if len(self.seen) + len(rows) == self.budget:
                break
            self.counts["proposals"] += 1
            if not inside[row]:
                self.counts["outside"] += 1
            elif key in self.seen or key in rows:
                self.counts["repeats"] += 1
            else:
                rows[key] = row
        self.idle = 0 if rows else self.idle + len(codes)
        if not rows:
            return None
        found = self.problem.evaluate(Designs(self.space, codes[list(rows.values())]))
        slack = np.array([_slack(limit, found) for limit in self.problem.limits]).reshape(-1, len(found)).T
        self.seen |= dict(zip(rows, zip(found.objectives, slack, strict=True), strict=True))
        self._parts.append(found)
        self._overhead += [self._spent] * len(rows)
        if len(self.seen) == self.budget:
            raise SpentError
        if self.reached is not None and len(self.seen) // HUNDRED > (len(self.seen) - len(rows)) // HUNDRED:
            self.reached()
        return found


def _slack(limit: Limit, found: Evaluations) -> Floats:
    """Return by how much a limit is broken (n,), signed, over the size of its bound."""
    sides = []
    for small, large in limit.sides:
        low = np.asarray(small.evaluate(found.metrics), float)
        high = np.asarray(large.evaluate(found.metrics), float)
        bound = np.abs(high if not large.names else low if not small.names else high)
        sides.append((low - high) / np.where(bound == 0, 1.0, bound) + np.zeros(len(found)))
    return np.max(sides, axis=0)
