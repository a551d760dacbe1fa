"""`ilp`: the exact front of additive metrics, by mixed-integer programs swept over budgets.

Sources
-------
[H] Z. Yao et al., "HAWQ-V3: Dyadic Neural Network Quantization", ICML 2021, arXiv:2011.10680: bit-widths by
    an integer linear program over additive sensitivities.
[A] G. Mavrotas, "Effective implementation of the epsilon-constraint method in multi-objective mathematical
    programming problems", Applied Mathematics and Computation 213 (2009), doi:10.1016/j.amc.2009.03.037.
"""

from __future__ import annotations

import heapq
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.designs import Designs
from dse.errors import SearcherError, SpaceError
from dse.evaluations import Evaluations
from dse.linear import LinearProblem
from dse.searchers.options import choices
from dse.space import Space

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

# Of an objective's range: how much the others weigh beside the one that is minimised [A], and what tells two
# points apart. Far above the solver's tolerances, far below what matters.
AUGMENTATION = 1e-6
APART = 1e-6
# The solver's absolute tolerances are 1e-6: of bounds on objectives that are scaled to this range, and of an
# objective that is scaled to that one, so that what the others weigh is seen as well.
RANGE = 1e3
SCALE = 1e6
# Rounds of cuts, after designs outside of the space, that one program has before it is passed over.
CUTS = 64
# Programs in a row that give nothing new, after which a sweep over three and more objectives ends.
BARREN = 64


class ILP:
    """Mixed-integer programs (HiGHS) over what the terms of additive tables can be.

    Parameters
    ----------
    space
        A space without real parameters.
    seed
        Not used: programs have their own order.
    linear
        Objectives and limits as additive tables (`dse.linear.linear_problem`), of the problem's prior or
        model.
    nodes
        Most nodes of the solver's tree a program, after which the best design so far is taken. A bound on
        time would make results depend on the machine.

    Raises
    ------
    SearcherError
        If there are no additive tables.
    SpaceError
        If the space has a real parameter.

    Notes
    -----
    One binary variable is an option of a term: a combination of its parameters' codes that the space's
    constraints allow, and that no other option of the term dominates. Of the constraints across terms, those
    between a few small terms join them, and those that are sums by their form (``w0 + w1 <= 12``) are rows of
    the program; what others exclude is cut off as it turns up, and a program that needs more than 64 rounds
    of cuts is passed over.

    With two objectives the largest gap of the front is halved by ε-constraints [A] until the whole front of
    the tables is found, up to differences of a few millionths of the objectives' ranges, and where no program
    met its bound on nodes; with more, ε follow a Halton sequence until 64 programs in a row give nothing new:
    all designs found are of the front, but not all of the front need be found. It proposes nothing then, and
    the study ends. Where a prior's tables only approximate the model, the front of what was measured is not
    exact. A resumed study solves its programs anew, as they do not depend on what was told.
    """

    batch = 8
    distinct = True

    def __init__(
        self, space: Space, *, seed: int = 0, linear: LinearProblem | None = None, nodes: int = 5_000
    ) -> None:
        if linear is None:
            raise SearcherError(
                "searcher 'ilp' needs a model, or a prior, whose objectives are sums of tables: see "
                "dse.additive.AdditiveModel"
            )
        if not space.discrete:
            raise SpaceError("searcher 'ilp' needs a space without real parameters")
        if isinstance(nodes, bool) or not isinstance(nodes, int) or nodes < 1:
            raise SearcherError(f"nodes={nodes!r} must be a whole number, 1 or more")
        self.space = space
        self.seed = seed
        self.linear = linear
        self.nodes = nodes
        self._told: set[bytes] = set()
        self._found: list[Codes] = []
        self._keys: list[bytes] = []
        self._sweep: Iterator[Codes] | None = None

    def ask(self, n: int) -> Designs:
        """Return the next designs of the sweep that were not told yet; fewer at its end."""
        return self.untold(n)

    def untold(self, n: int, first: int | None = None) -> Designs:
        """Return up to n designs that were not told yet, of the `first` ones of the sweep, or of all."""
        if self._sweep is None:
            self._sweep = _Programs(self.space, self.linear, self.nodes).sweep()
        chosen: list[Codes] = []
        place = 0
        while len(chosen) < n and (first is None or place < first):
            if place == len(self._found):
                codes = next(self._sweep, None)
                if codes is None:
                    break
                key = self.space.keys(codes[None].astype(self.space.code_dtype))[0]
                if key in self._keys:
                    continue
                self._found.append(codes)
                self._keys.append(key)
            if self._keys[place] not in self._told:
                chosen.append(self._found[place])
            place += 1
        codes = np.array(chosen, np.int64).reshape(len(chosen), len(self.space.names))
        return Designs(self.space, codes.astype(self.space.code_dtype))

    def tell(self, evaluations: Evaluations) -> None:
        """Remember what was evaluated."""
        self._told.update(self.space.keys(evaluations.designs.codes))


class _Programs:
    """The programs of a space and a linear problem."""

    def __init__(self, space: Space, linear: LinearProblem, nodes: int) -> None:
        self.space = space
        self.linear = linear
        self.nodes = nodes
        found = choices(space, linear)
        self.groups, self.rules, self.bounds = found.groups, found.crossing, found.bounds
        self.objectives = np.concatenate([group.objectives for group in self.groups])
        self.limits = np.concatenate([group.limits for group in self.groups])
        sizes = [len(group.codes) for group in self.groups]
        self.starts = np.concatenate([[0], np.cumsum(sizes)])
        self.owner = np.repeat(np.arange(len(sizes)), sizes)
        # Ranges of the objectives over all choices: scales every program.
        low = sum(group.objectives.min(0) for group in self.groups)
        high = sum(group.objectives.max(0) for group in self.groups)
        self.low = np.asarray(low, float)
        width = np.asarray(high, float) - self.low
        self.range = np.where(width > 0, width, 1.0)
        self.cuts: list[tuple[Codes, int]] = []

    def sweep(self) -> Iterator[Codes]:
        """Yield designs, each the optimum of a program."""
        count = self.objectives.shape[1]
        ends = []
        for index in range(count):
            found = self.solve(index, {})
            if found is None:
                return  # no design satisfies the limits
            ends.append(found)
            yield found[1]
        if count == 2:
            yield from self._between(ends[0], ends[1])
        elif count > 2:
            yield from self._scattered(ends)

    def _between(self, start: tuple[Floats, Codes], end: tuple[Floats, Codes]) -> Iterator[Codes]:
        """Yield the points of a front between two of its ends, the largest gap first."""
        gaps: list[tuple[float, int, tuple[Floats, Codes], tuple[Floats, Codes]]] = []
        made = 0

        def push(one: tuple[Floats, Codes], other: tuple[Floats, Codes]) -> None:
            nonlocal made
            width = (other[0][0] - one[0][0]) * (one[0][1] - other[0][1])
            if (other[0] - one[0] > APART)[0] and (one[0] - other[0] > APART)[1]:
                heapq.heappush(gaps, (-float(width), made, one, other))
                made += 1

        push(start, end)
        while gaps:
            _, _, one, other = heapq.heappop(gaps)
            middle = 0.5 * (one[0][1] + other[0][1])
            found = self.solve(0, {1: middle})
            if found is not None and _inside(found[0], one[0], other[0]):
                yield found[1]
                push(one, found)
                push(found, other)
                continue
            # Nothing below the middle but `other`: the nearest to it above, if that is not `one`.
            found = self.solve(1, {0: other[0][0] - APART})
            if found is not None and _inside(found[0], one[0], other[0]):
                yield found[1]
                push(one, found)

    def _scattered(self, ends: list[tuple[Floats, Codes]]) -> Iterator[Codes]:
        """Yield optima under bounds on all objectives but one, by turns."""
        points = np.array([point for point, _ in ends])
        low, high = points.min(0), points.max(0)
        count = len(low)
        barren = 0
        index = 0
        while barren < BARREN:
            index += 1
            main = index % count
            others = [item for item in range(count) if item != main]
            share = {item: _halton(index, place) for place, item in enumerate(others)}
            bounds = {item: low[item] + share[item] * (high[item] - low[item]) for item in others}
            found = self.solve(main, bounds)
            # By values: like layers may trade places, and give as many designs of the same.
            if found is None or (np.abs(points - found[0]).max(1) < APART).any():
                barren += 1
                continue
            barren = 0
            points = np.concatenate([points, found[0][None]])
            yield found[1]

    def solve(self, main: int, bounds: dict[int, float]) -> tuple[Floats, Codes] | None:
        """Return scaled objectives and codes of an optimum under bounds; None if there is none.

        Parameters
        ----------
        main
            The objective that is minimised; the others count a hundred-thousandth.
        bounds
            By objective, on its scaled value.
        """
        from scipy.optimize import Bounds, LinearConstraint, milp

        scaled = self.objectives / self.range
        weights = np.full(scaled.shape[1], AUGMENTATION)
        weights[main] = 1.0
        n = len(self.owner)
        shift = self.low / self.range
        rules = [LinearConstraint(_rows(n, np.arange(n), self.owner), 1, 1)]
        for item, bound in bounds.items():
            rules.append(
                LinearConstraint(RANGE * scaled[None, :, item], -np.inf, RANGE * (bound + shift[item]))
            )
        for column, bound in zip(self.limits.T, self.bounds, strict=True):
            size = float(np.abs(column).max(initial=0.0))
            if not size:
                if bound < 0:
                    return None
                continue
            rules.append(LinearConstraint(RANGE * column[None] / size, -np.inf, RANGE * bound / size))
        for _ in range(CUTS):
            cuts = []
            if self.cuts:
                members = [cut for cut, _ in self.cuts]
                row = np.repeat(np.arange(len(members)), [len(cut) for cut in members])
                most = np.array([count for _, count in self.cuts])
                cuts.append(LinearConstraint(_rows(n, np.concatenate(members), row), -np.inf, most))
            with _silent():
                result = milp(
                    SCALE * (scaled @ weights),
                    constraints=[*rules, *cuts],
                    integrality=np.ones(n, np.int64),
                    bounds=Bounds(0, 1),
                    options={"mip_rel_gap": 0.0, "node_limit": self.nodes},
                )
            if result.x is None:
                return None
            spans = zip(self.starts[:-1], self.starts[1:], strict=True)
            options = np.array([np.argmax(result.x[start:stop]) for start, stop in spans])
            codes = self._codes(options)
            found = self._broken(options, codes)
            if not found:
                point = self.objectives[self.starts[:-1] + options].sum(0)
                return (point - self.low) / self.range, codes
            self.cuts += found
        return None

    def _codes(self, options: Codes) -> Codes:
        codes = np.empty(len(self.space.names), np.int64)
        for group, option in zip(self.groups, options, strict=True):
            codes[group.positions] = group.codes[option]
        return codes

    def _broken(self, options: Codes, codes: Codes) -> list[tuple[Codes, int]]:
        """Return cuts that exclude a choice, and what is excluded for the same reason; none if it may be.

        A cut is variables, and how many of them may be one at most.
        """
        cuts = []
        chosen = self.starts[:-1] + options
        for rule in self.rules:
            if rule.holds(codes[None].astype(self.space.code_dtype))[0]:
                continue
            read = [
                index
                for index, group in enumerate(self.groups)
                if not rule.positions.isdisjoint(group.positions)
            ]
            # All else that the rule reads being as it is, what may this group not be?
            for index in read:
                group = self.groups[index]
                tried = np.tile(codes, (len(group.codes), 1))
                tried[:, group.positions] = group.codes
                bad = self.starts[index] + np.flatnonzero(~rule.holds(tried.astype(self.space.code_dtype)))
                others = chosen[[item for item in read if item != index]]
                cuts.append((np.concatenate([others, bad]), len(others)))
        if not cuts and len(self.linear.bounds):
            # The solver's tolerance, or the order of additions, may pass what breaks a limit by a hair.
            _, left = self.linear.evaluate(Designs(self.space, codes[None].astype(self.space.code_dtype)))
            if (left < 0).any():
                cuts.append((chosen, len(chosen) - 1))
        return cuts


def _rows(n: int, columns: Codes, rows: Codes) -> Any:
    """Return a sparse matrix of n columns that is one at the given places."""
    from scipy import sparse

    return sparse.csr_array((np.ones(len(columns)), (rows, columns)), shape=(int(rows.max()) + 1, n))


@contextmanager
def _silent() -> Iterator[None]:
    """Send what the solver's library prints on its own to nowhere: standard output may be somebody's JSON."""
    try:
        kept = os.dup(1)
    except OSError:
        yield  # there is no standard output
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        sys.stdout.flush()
        os.dup2(nowhere, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


def _inside(point: Floats, one: Floats, other: Floats) -> bool:
    """Return whether a point is within the gap between two, and neither of them."""
    return bool(point[0] < other[0] - APART / 2 and point[1] < one[1] - APART / 2)


def _halton(index: int, place: int) -> float:
    """Return a point of the Halton sequence (J. H. Halton, 1960) of the place's prime base."""
    base = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29)[place % 10]
    value, share = 0.0, 1.0
    while index:
        share /= base
        index, digit = divmod(index, base)
        value += share * digit
    return value
