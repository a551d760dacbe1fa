"""What agents choose among, and designs drawn from their policies without an infeasible choice.

Invalid-action masking (Huang and Ontañón, "A closer look at invalid action masking in policy gradient
algorithms", FLAIRS 35, 2022): a choice that no feasible design can follow has probability zero, and the rest
keeps its odds. Parameters are chosen in the order of the space's plan (`dse.space.plan`), so that a choice is
masked by those before it. Where the feasible combinations of a component are tabulated
(`dse.space.sampling`), the mask is exact: there is a feasible design behind every choice. Elsewhere it is
what constraints and bounds rule out already, and an episode that ends in a dead end is dropped.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.space import Real, Space
from dse.space.enumeration import append, root, satisfied
from dse.space.plan import Component, Step
from dse.space.sampling import ComponentSampler

Array = NDArray[Any]
Floats = NDArray[np.float64]
Wholes = NDArray[np.int64]

# Choices of a parameter: all its values, or of one that has more (a real one) as many equal bins.
MOST_VALUES = 64
BINS = 16
# Combinations of a component are looked up by one number each: as many as 64 bits hold.
LARGEST_KEY = 1 << 62
# Values tried at once of a parameter of a component that is not tabulated.
TRIED = 16


class Choices:
    """The choices of each parameter, as a table (parameters, width).

    A parameter of at most 64 values has one choice a value. One of more values, or a real one, has 16 equal
    bins of its codes (of its scaled range), and a bin stands for a random value within it.

    Parameters
    ----------
    space
        The search space.

    Attributes
    ----------
    counts
        Choices of each parameter (parameters,).
    width
        The greatest of them.
    usable
        Mask (parameters, width) of the entries that are choices.
    entries
        How many there are.
    entry, entry_parameter, entry_choice
        Where they are (entries,): in the flat table, by row and by column.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self.cardinalities = [parameter.cardinality for parameter in space.parameters]
        self.binned = np.array([count > MOST_VALUES for count in self.cardinalities])
        self.counts = np.array(
            [
                BINS if many else int(count)
                for count, many in zip(self.cardinalities, self.binned, strict=True)
            ]
        )
        self.width = int(self.counts.max())
        self.usable = np.arange(self.width) < self.counts[:, None]
        self.entry = np.flatnonzero(self.usable)
        self.entries = len(self.entry)
        self.entry_parameter, self.entry_choice = np.divmod(self.entry, self.width)
        self._first = np.cumsum(self.counts) - self.counts

    def of(self, codes: Array) -> Wholes:
        """Return the choices (n, parameters) that make codes (n, parameters)."""
        if not self.binned.any():
            return codes.astype(np.int64, copy=False)
        chosen = np.empty(codes.shape, np.int64)
        for position in range(codes.shape[1]):
            chosen[:, position] = self.of_one(position, codes[:, position])
        return chosen

    def of_one(self, position: int, codes: Array) -> Wholes:
        """Return the choices that make codes of one parameter."""
        if not self.binned[position]:
            return codes.astype(np.int64, copy=False)
        parameter = self.space.parameters[position]
        if isinstance(parameter, Real):
            unit = parameter.scaled(np.asarray(codes, float))
        else:
            unit = (codes + 0.5) / self.cardinalities[position]
        return np.clip((unit * BINS).astype(np.int64), 0, BINS - 1)

    def one_hot(self, chosen: Wholes) -> NDArray[np.float32]:
        """Return choices (n, parameters) as a matrix (n, entries), 1 where chosen."""
        taken = np.zeros((len(chosen), self.entries), np.float32)
        taken[np.arange(len(chosen))[:, None], self._first + chosen] = 1.0
        return taken

    def codes(self, position: int, chosen: Wholes, rng: np.random.Generator) -> Array:
        """Return a code for each choice of one parameter."""
        if not self.binned[position]:
            return chosen
        parameter = self.space.parameters[position]
        unit = (chosen + rng.random(len(chosen))) / BINS
        if isinstance(parameter, Real):
            return parameter.unscaled(unit)
        count = int(self.cardinalities[position])
        return np.clip((unit * count).astype(np.int64), 0, count - 1)


class Draw:
    """Draws designs from policies, with infeasible choices masked.

    Parameters
    ----------
    choices
        Those of a space.
    """

    def __init__(self, choices: Choices) -> None:
        self.choices = choices
        self.space = choices.space
        samplers = self.space.sampler.components
        self._free = np.array([part.component.positions[0] for part in samplers if part.component.free], int)
        self._tied: list[_Tabulated | _Stepwise] = []
        for part in samplers:
            if not part.component.free:
                kind = _Tabulated if _countable(self.space, part) else _Stepwise
                self._tied.append(kind(choices, part))

    def __call__(
        self, logits: Floats, rng: np.random.Generator, kept: Array | None = None
    ) -> tuple[Array, Wholes]:
        """Draw a design for each episode.

        Parameters
        ----------
        logits
            Of the choices (n, parameters, width); those of what is no choice do not matter.
        rng
            The random stream.
        kept
            Codes (n, parameters): where a choice among bins is that of this code, half of the time it is
            this very value.

        Returns
        -------
        Codes (m, parameters) of feasible designs, canonical; and which episode each is of (m,). Fewer than n
        where an episode came to a dead end.
        """
        n = len(logits)
        codes = np.zeros((n, len(self.space.names)), dtype=self.space.code_dtype)
        alive = np.ones(n, dtype=bool)
        if len(self._free):
            noisy = logits[:, self._free] + rng.gumbel(size=(n, len(self._free), self.choices.width))
            noisy[:, ~self.choices.usable[self._free]] = -np.inf
            chosen = noisy.argmax(axis=2)
            codes[:, self._free] = chosen
            for column in np.flatnonzero(self.choices.binned[self._free]).tolist():
                position = int(self._free[column])
                codes[:, position] = _values(self.choices, position, chosen[:, column], rng, kept)
        for part in self._tied:
            drawn, complete = part.draw(logits, rng, kept)
            codes[:, part.positions] = drawn
            alive &= complete
        episodes = np.flatnonzero(alive)
        return codes[episodes], episodes


def _values(
    choices: Choices, position: int, chosen: Wholes, rng: np.random.Generator, kept: Array | None
) -> Array:
    values = choices.codes(position, chosen, rng)
    if kept is None or not choices.binned[position]:
        return values
    old = kept[:, position]
    again = (choices.of_one(position, old) == chosen) & (rng.random(len(old)) < 0.5)
    return np.where(again, old, values)


def _countable(space: Space, part: ComponentSampler) -> bool:
    counts = [space.parameters[position].cardinality for position in part.component.positions]
    return part.tabulated and math.prod(counts) < LARGEST_KEY


class _Tabulated:
    """A component whose feasible combinations are listed: the plan's order is that of their keys.

    What follows a partial design is a range of the sorted keys, so that a value is feasible where its part of
    the range is not empty.
    """

    def __init__(self, choices: Choices, part: ComponentSampler) -> None:
        assert part.table is not None
        self.choices = choices
        self.positions = list(part.component.positions)
        self.counts = [int(choices.cardinalities[position]) for position in self.positions]
        keys = np.zeros(part.table.rows, np.int64)
        for count, row in zip(self.counts, part.table.block, strict=True):
            keys *= count
            keys += row
        self._keys = np.sort(keys)

    def draw(
        self, logits: Floats, rng: np.random.Generator, kept: Array | None
    ) -> tuple[Array, NDArray[np.bool_]]:
        n = len(logits)
        codes = np.zeros((n, len(self.positions)), np.int64)
        key = np.zeros(n, np.int64)
        stride = math.prod(self.counts)
        for column, (position, count) in enumerate(zip(self.positions, self.counts, strict=True)):
            stride //= count
            if count == 1:
                continue
            # Between the first keys of successive values: none, where a value is infeasible.
            edges = key[:, None] + stride * np.arange(count + 1)
            behind = np.diff(np.searchsorted(self._keys, edges), axis=1) > 0
            of_value = self.choices.of_one(position, np.arange(count))
            score = logits[:, position][:, of_value] + rng.gumbel(size=(n, count))
            if self.choices.binned[position]:
                score = score - np.log(np.bincount(of_value))[of_value]
                if kept is not None:
                    same = np.arange(count) == kept[:, position][:, None]
                    score = score + np.where(same, np.log(count / BINS), 0.0)
            codes[:, column] = np.where(behind, score, -np.inf).argmax(axis=1)
            key = key + stride * codes[:, column]
        return codes, np.ones(n, dtype=bool)


class _Stepwise:
    """A component that cannot be listed: values are tried, and those that constraints rule out dropped."""

    def __init__(self, choices: Choices, part: ComponentSampler) -> None:
        self.choices = choices
        self.space = choices.space
        self.component: Component = part.component
        self.positions = list(part.component.positions)

    def draw(
        self, logits: Floats, rng: np.random.Generator, kept: Array | None
    ) -> tuple[Array, NDArray[np.bool_]]:
        n = len(logits)
        block = np.repeat(root(self.space, self.component.steps), n, axis=1)
        episodes = np.arange(n)
        for step in self.component.steps:
            parents, codes = self._extended(step, block, logits[episodes], rng, kept, episodes)
            block = append(block, parents, codes)
            episodes = episodes[parents]
        drawn = np.zeros((n, len(self.positions)), dtype=block.dtype)
        drawn[episodes] = block.T
        complete = np.zeros(n, dtype=bool)
        complete[episodes] = True
        return drawn, complete

    def _extended(
        self,
        step: Step,
        block: Array,
        logits: Floats,
        rng: np.random.Generator,
        kept: Array | None,
        episodes: Wholes,
    ) -> tuple[Wholes, Array]:
        """Return which partial designs go on, and the code that each takes."""
        position, n = step.position, block.shape[1]
        parameter = self.space.parameters[position]
        score = logits[:, position] + rng.gumbel(size=(n, self.choices.width))
        score[:, ~self.choices.usable[position]] = -np.inf
        order = np.argsort(-score, axis=1)[:, : min(TRIED, int(self.choices.counts[position]))]
        tried = order.shape[1]
        parents = np.repeat(np.arange(n), tried)
        old = None if kept is None else kept[episodes[parents]]
        codes = _values(self.choices, position, order.reshape(-1), rng, old)
        if parameter.condition is not None:
            from dse.space.enumeration import BlockColumns

            known = BlockColumns(self.space, self.component.steps[: len(block)], block)
            idle = self.space.idle(parameter.name, known, n)
            codes = np.where(idle[parents], parameter.inactive_code, codes)
        keep = satisfied(self.space, self.component.steps, block, parents, codes)
        usable = np.ones(n * tried, dtype=bool) if keep is None else keep
        grid = usable.reshape(n, tried)
        going = np.flatnonzero(grid.any(axis=1))
        return going, codes.reshape(n, tried)[going, grid[going].argmax(axis=1)]
