"""Uniform samples of the feasible designs, component by component.

A component is *tabulated* where its feasible combinations can be listed: a sample is then a random row.
Else a table of *prefixes*, those that no constraint and no bound rules out, is completed by uniform values
and rejected where infeasible, which is uniform as well. Where that accepts too few, a sequential Monte
Carlo extends a population of partial designs by all their feasible values and draws the next population
from them (Del Moral, Doucet and Jasra, "Sequential Monte Carlo samplers", J. R. Stat. Soc. B 68, 2006):
approximately uniform, and it ends.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dse.errors import SpaceError
from dse.space.enumeration import (
    BlockColumns,
    WorkExceededError,
    append,
    extend,
    root,
    satisfied,
    walk,
)
from dse.space.plan import Component, Step

if TYPE_CHECKING:
    from dse.space.space import Space

Array = NDArray[Any]

TABLE_ROWS = 1 << 22  # a table of 4 million rows of some 20 one-byte codes takes 80 MB
TABLE_WORK = 1 << 26  # partial designs tried before a table is given up: a few seconds
PILOT = 1 << 17
PROPOSALS = 1 << 18  # completed and rejected at once: some tens of megabytes
LEAST_ACCEPTANCE = 1e-4  # a thousand samples then take a second or two
POPULATION = 1 << 14  # fewer leave few ancestors: the first parameters of a sample would be alike
CROWD = 1 << 16  # the largest population; times BRANCHES rows are held at once
BRANCHES = 64  # values that a partial design is extended by; of wider parameters a random choice
RESTARTS = 3


@dataclass(frozen=True)
class Table:
    """Combinations of the first steps of a component: all that may be feasible, and are if `complete`."""

    steps: tuple[Step, ...]
    block: Array

    @property
    def complete(self) -> bool:
        return len(self.block) == len(self.steps)

    @property
    def rows(self) -> int:
        return int(self.block.shape[1])


def tabulate(space: Space, component: Component) -> Table:
    """List a component's feasible combinations, or those of the longest prefix that stays small."""
    steps = component.steps
    block = root(space, steps)
    work = 0
    while len(block) < len(steps):
        parameter = space.parameters[steps[len(block)].position]
        work += block.shape[1] * (int(parameter.cardinality) if parameter.discrete else 0)
        if not parameter.discrete or block.shape[1] * parameter.cardinality > TABLE_ROWS or work > TABLE_WORK:
            break
        block = append(block, *extend(space, steps, block))
        if not block.shape[1]:
            raise SpaceError(_no_design(space, steps, len(block)))
    if len(block) < len(steps) and all(space.parameters[step.position].discrete for step in steps):
        # A prefix can be wider than the whole: walk it, as far as the limits allow.
        found: list[Array] = []
        rows = 0
        with suppress(WorkExceededError):
            for part in walk(space, steps, TABLE_WORK):
                found.append(part)
                rows += part.shape[1]
                if rows > TABLE_ROWS:
                    return Table(steps, block)
            if not rows:
                raise SpaceError(_no_design(space, steps, len(steps)))
            return Table(steps, np.concatenate(found, axis=1))
    return Table(steps, block)


def _no_design(space: Space, steps: Sequence[Step], assigned: int) -> str:
    rules: dict[str, None] = {}
    for step in steps[:assigned]:
        rules |= dict.fromkeys(rule.name for rule in step.constraints)
        rules |= dict.fromkeys(bound.constraint for bound in step.bounds)
    return f"the space has no feasible design: nothing satisfies {' and '.join(map(repr, rules))} together"


class ComponentSampler:
    """Draws feasible combinations of one component.

    Attributes
    ----------
    size
        The number of combinations: exact (an int) where tabulated, an estimate (a float) else.
    """

    def __init__(self, space: Space, component: Component) -> None:
        self.space = space
        self.component = component
        self.steps = component.steps
        self.table = tabulate(space, component) if not component.free else None
        self.acceptance = 1.0
        if self.table is not None and not self.table.complete:
            accepted = self._propose(PILOT, np.random.default_rng(0)).shape[1]
            self.acceptance = accepted / PILOT

    @property
    def tabulated(self) -> bool:
        """Whether every combination has an index."""
        if self.table is None:
            return self.space.parameters[self.steps[0].position].discrete
        return self.table.complete

    @property
    def size(self) -> int | float:
        if self.table is None:
            return self.space.parameters[self.steps[0].position].cardinality
        if self.table.complete:
            return self.table.rows
        if not all(self.space.parameters[step.position].discrete for step in self.steps):
            return math.inf
        return self._population(CROWD, np.random.default_rng(0))[1]

    def at(self, index: Array) -> Array:
        """Return the combinations (steps, n) at the given indices (n,); tabulated components only."""
        if self.table is None:
            return index[None, :]
        return self.table.block[:, index]

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Return n independent combinations (steps, n)."""
        if self.tabulated:
            return self.at(rng.integers(int(self.size), size=n))
        if self.table is None:
            return self._draw(self.steps[0], n, rng)[None, :]
        if self.acceptance >= LEAST_ACCEPTANCE:
            return self._reject(n, rng)
        parts = []
        for done in range(0, max(n, 1), CROWD // 4):
            take = min(n - done, CROWD // 4)
            population, _ = self._population(max(POPULATION, 4 * take), rng)
            chosen = rng.choice(population.shape[1], size=take, replace=population.shape[1] < take)
            parts.append(population[:, chosen])
        return np.concatenate(parts, axis=1)

    def _draw(self, step: Step, n: int, rng: np.random.Generator) -> Array:
        parameter = self.space.parameters[step.position]
        if parameter.discrete:
            return rng.integers(int(parameter.cardinality), size=n)
        return parameter.unscaled(rng.random(n))  # type: ignore[attr-defined, no-any-return]

    def _idle(self, block: Array) -> NDArray[np.bool_]:
        """Where the next step's parameter is not active."""
        name = self.space.names[self.steps[len(block)].position]
        columns = BlockColumns(self.space, self.steps[: len(block)], block)
        return self.space.idle(name, columns, block.shape[1])

    def _propose(self, n: int, rng: np.random.Generator) -> Array:
        """Complete n random prefixes by uniform values and return the feasible ones."""
        assert self.table is not None
        block = self.table.block[:, rng.integers(self.table.rows, size=n)]
        for step in self.steps[len(block) :]:
            parameter = self.space.parameters[step.position]
            codes = self._draw(step, block.shape[1], rng)
            keep = np.ones(len(codes), dtype=bool)
            if parameter.condition is not None:
                idle = self._idle(block)
                if parameter.discrete:
                    # All raw values stand for one design here: keep one of them, so that it counts once.
                    keep = ~idle | (codes == parameter.inactive_code)
                codes = np.where(idle, parameter.inactive_code, codes)
            rules = satisfied(self.space, self.steps, block, None, codes)
            keep = keep if rules is None else keep & rules
            block = append(block, np.flatnonzero(keep), codes[keep])
        return block

    def _reject(self, n: int, rng: np.random.Generator) -> Array:
        found: list[Array] = []
        have = 0
        # At twenty times the expected effort the chance to fall short is beyond small.
        budget = 20 * (n / self.acceptance + PROPOSALS)
        while have < n or not found:
            tries = min(int((n - have) / self.acceptance * 1.1) + 16, PROPOSALS)
            budget -= tries
            if budget < 0:
                raise SpaceError(f"only {have} of {n} feasible designs found: loosen the constraints")
            found.append(self._propose(tries, rng))
            have += found[-1].shape[1]
        return np.concatenate(found, axis=1)[:, :n]

    def _population(self, most: int, rng: np.random.Generator) -> tuple[Array, float]:
        """Return a population of complete designs and an estimate of how many designs there are."""
        assert self.table is not None
        for restart in range(RESTARTS):
            size = min(most * 4**restart, CROWD)
            block = self.table.block[:, rng.integers(self.table.rows, size=size)]
            estimate = float(self.table.rows)
            for step in self.steps[len(block) :]:
                block, growth = self._advance(step, block, size, rng)
                estimate *= growth
                if not block.shape[1]:
                    break
            else:
                return block, estimate
        rules = ", ".join(repr(rule.name) for step in self.steps for rule in step.constraints)
        raise SpaceError(
            f"no feasible design was found among {size} partial ones, so the space may be empty: "
            f"loosen one of {rules}"
        )

    def _advance(self, step: Step, block: Array, most: int, rng: np.random.Generator) -> tuple[Array, float]:
        """Extend every partial design and thin the result to `most`; return the growth in number."""
        parameter = self.space.parameters[step.position]
        n = block.shape[1]
        if parameter.cardinality <= BRANCHES:
            parents, codes = extend(self.space, self.steps, block)
            growth = len(codes) / n
        else:
            parents = np.repeat(np.arange(n), BRANCHES if parameter.discrete else 1)
            codes = self._draw(step, len(parents), rng)
            tried = len(codes)
            if parameter.condition is not None:
                idle = self._idle(block)[parents]
                if parameter.discrete:
                    # As in `_propose`: a design that is idle here counts once among all raw values.
                    once = ~idle | (codes == parameter.inactive_code)
                    parents, codes, idle = parents[once], codes[once], idle[once]
                codes = np.where(idle, parameter.inactive_code, codes)
            rules = satisfied(self.space, self.steps, block, parents, codes)
            if rules is not None:
                parents, codes = parents[rules], codes[rules]
            growth = len(codes) / tried * (parameter.cardinality if parameter.discrete else 1.0)
        if len(codes) > most:
            chosen = rng.choice(len(codes), size=most, replace=False)
            parents, codes = parents[chosen], codes[chosen]
        return append(block, parents, codes), growth


class Sampler:
    """Draws feasible designs of a space; see the module."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.components = [ComponentSampler(space, component) for component in space.components]

    @property
    def tabulated(self) -> bool:
        """Whether every feasible design has an index."""
        return all(component.tabulated for component in self.components)

    @property
    def size(self) -> int | float:
        """The number of feasible designs, exact (an int) where tabulated."""
        return math.prod(component.size for component in self.components)

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Return the codes (n, parameters) of n independent feasible designs."""
        return self._assemble(n, [component.sample(n, rng) for component in self.components])

    def at(self, index: Array) -> Array:
        """Return the codes (n, parameters) of the designs at `index` (n,), each below `size`."""
        parts = []
        for component in reversed(self.components):
            size = int(component.size)
            parts.append(component.at((index % size).astype(np.int64)))
            index = index // size
        return self._assemble(len(index), parts[::-1])

    def _assemble(self, n: int, parts: Sequence[Array]) -> Array:
        codes = np.empty((n, len(self.space.names)), dtype=self.space.code_dtype)
        for component, part in zip(self.components, parts, strict=True):
            codes[:, component.component.positions] = part.T
        return codes
