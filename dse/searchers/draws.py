"""Designs drawn from agents' policies, without an infeasible choice.

Invalid-action masking (Huang and Ontañón, "A closer look at invalid action masking in policy gradient
algorithms", FLAIRS 35, 2022): a choice that no feasible design can follow has probability zero, and the rest
keeps its odds. Parameters are chosen in the order of the space's plan (`dse.space.plan`), so that a choice is
masked by those before it. Where the feasible combinations of a component are tabulated
(`dse.space.sampling`), the mask is exact: there is a feasible design behind every choice. Elsewhere it is
what constraints and bounds rule out already, and an episode that ends in a dead end is dropped.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.space.choices import BINS, Choices, Listed, countable
from dse.space.enumeration import append, root, satisfied
from dse.space.plan import Component, Step
from dse.space.sampling import ComponentSampler

Array = NDArray[Any]
Floats = NDArray[np.float64]
Wholes = NDArray[np.int64]

# Values tried at once of a parameter of a component that is not tabulated.
TRIED = 16


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
                kind = _Tabulated if countable(self.space, part) else _Stepwise
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
                old = None if kept is None else kept[:, position]
                codes[:, position] = _values(self.choices, position, chosen[:, column], rng, old)
        for part in self._tied:
            drawn, complete = part.draw(logits, rng, kept)
            codes[:, part.positions] = drawn
            alive &= complete
        episodes = np.flatnonzero(alive)
        return codes[episodes], episodes


def _values(
    choices: Choices, position: int, chosen: Wholes, rng: np.random.Generator, old: Array | None
) -> Array:
    """Return codes (n,) of one parameter's choices (n,); half of the time the old ones, where they fit."""
    values = choices.codes(position, chosen, rng)
    if old is None or not choices.binned[position]:
        return values
    again = (choices.of_one(position, old) == chosen) & (rng.random(len(old)) < 0.5)
    return np.where(again, old, values)


class _Tabulated:
    """A component whose feasible combinations are listed: the plan's order is that of their keys."""

    def __init__(self, choices: Choices, part: ComponentSampler) -> None:
        self.choices = choices
        self.listed = Listed(choices.space, part)
        self.positions = self.listed.positions

    def draw(
        self, logits: Floats, rng: np.random.Generator, kept: Array | None
    ) -> tuple[Array, NDArray[np.bool_]]:
        n = len(logits)
        codes = np.zeros((n, len(self.positions)), np.int64)
        key = np.zeros(n, np.int64)
        for column, (position, count) in enumerate(zip(self.positions, self.listed.counts, strict=True)):
            if count == 1:
                continue
            behind = self.listed.behind(key, column)
            of_value = self.choices.of_one(position, np.arange(count))
            score = logits[:, position][:, of_value] + rng.gumbel(size=(n, count))
            if self.choices.binned[position]:
                score = score - np.log(np.bincount(of_value))[of_value]
                if kept is not None:
                    same = np.arange(count) == kept[:, position][:, None]
                    score = score + np.where(same, np.log(count / BINS), 0.0)
            codes[:, column] = np.where(behind, score, -np.inf).argmax(axis=1)
            key = key + self.listed.strides[column] * codes[:, column]
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
            position = step.position
            old = None if kept is None else kept[episodes, position]
            parents, codes = self._extended(step, block, logits[episodes, position], rng, old)
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
        old: Array | None,
    ) -> tuple[Wholes, Array]:
        """Return which of n partial designs go on, and the code that each takes.

        Parameters
        ----------
        step
            Of the parameter that is chosen.
        block
            The partial designs (assigned parameters, n).
        logits
            Of the parameter's choices (n, width).
        rng
            The random stream.
        old
            The parameter's codes in the designs that the episodes start from (n,).
        """
        position, n = step.position, block.shape[1]
        parameter = self.space.parameters[position]
        count = int(self.choices.counts[position])
        # Noise for all columns, whatever the parameter: the stream does not depend on how many values it has.
        score = logits[:, :count] + rng.gumbel(size=(n, self.choices.width))[:, :count]
        order = np.argsort(-score, axis=1)[:, :TRIED]
        tried = order.shape[1]
        parents = np.repeat(np.arange(n), tried)
        before = None if old is None else old[parents]
        codes = _values(self.choices, position, order.reshape(-1), rng, before)
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
