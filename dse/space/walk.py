"""`Walk`: one design chosen parameter by parameter, with the choices that lead nowhere masked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.space.choices import Choices, Listed, countable
from dse.space.enumeration import BlockColumns, code_type, satisfied
from dse.space.parameters import Real
from dse.space.sampling import ComponentSampler
from dse.space.space import Space

Array = NDArray[Any]
Mask = NDArray[np.bool_]

# Values of a parameter that are tried where its component is not listed: of more, as many evenly spread ones.
TRIED = 1_024
# Random values of a bin that are tried, before one is taken that was found evenly spread.
DRAWS = 8


class Walk:
    """Chooses the parameters of a design in the order of the space's plan (`dse.space.plan`).

    Where the feasible combinations of a component are listed (`dse.space.sampling`), the mask is exact:
    behind every choice there is a feasible design. Elsewhere it is what constraints and bounds rule out
    already, and a walk may come to a dead end: a mask with nothing in it. A parameter that is not active has
    its canonical value as its only choice.

    Parameters
    ----------
    space
        The search space.

    Attributes
    ----------
    choices
        What each parameter is chosen among.
    order
        The positions of the parameters, in the order in which they are chosen.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self.choices = Choices(space)
        self.order: list[int] = []
        self._parts: list[tuple[_Part, int]] = []
        for sampler in space.sampler.components:
            part = _Part(self.choices, sampler)
            self._parts += [(part, place) for place in range(len(part.positions))]
            self.order += part.positions

    def mask(self, codes: Sequence[float]) -> Mask:
        """Return which choices (width,) the next parameter has.

        Parameters
        ----------
        codes
            Of the parameters before, in their order: as many as were chosen.
        """
        position, values, feasible = self._next(codes)
        found = np.zeros(self.choices.width, dtype=bool)
        found[self.choices.of_one(position, values[feasible])] = True
        return found

    def code(self, codes: Sequence[float], choice: int, rng: np.random.Generator) -> float:
        """Return a value of a choice that the mask allows, as a code: of a bin, any of its values.

        Parameters
        ----------
        codes
            As of `mask`.
        choice
            One that the mask allows.
        rng
            Draws among the values of a bin.
        """
        position, values, feasible = self._next(codes)
        values = values[feasible]
        mine = values[self.choices.of_one(position, values) == choice]
        if self.choices.binned[position] and len(values) > 1:
            drawn = self.choices.codes(position, np.full(DRAWS, choice), rng)
            part, place = self._parts[len(codes)]
            holds = part.holds(np.asarray(codes[len(codes) - place :], float), drawn)
            mine = drawn[holds] if holds.any() else mine
        return float(mine[rng.integers(len(mine))])

    def finished(self, codes: Sequence[float]) -> Array:
        """Return the codes (parameters,) of a design whose parameters are all chosen."""
        found = np.empty(len(self.order), dtype=self.space.code_dtype)
        found[self.order] = codes
        return found

    def _next(self, codes: Sequence[float]) -> tuple[int, Array, Mask]:
        """Return the next parameter's position, values that it may have, as codes, and which are feasible."""
        part, place = self._parts[len(codes)]
        before = np.asarray(codes[len(codes) - place :], float)
        values = part.values(before)
        return part.positions[place], values, part.holds(before, values)


class _Part:
    """A component of the space."""

    def __init__(self, choices: Choices, sampler: ComponentSampler) -> None:
        self.choices = choices
        self.space = choices.space
        self.steps = sampler.component.steps
        self.positions = list(sampler.component.positions)
        self.free = sampler.component.free
        self.listed = None if self.free or not countable(self.space, sampler) else Listed(self.space, sampler)

    def _block(self, before: Array) -> Array:
        return before.astype(code_type(self.space, self.steps))[:, None]

    def values(self, before: Array) -> Array:
        """Return the codes that the parameter after those of `before` may have, constraints aside."""
        position = self.positions[len(before)]
        parameter = self.space.parameters[position]
        if self.listed is None and parameter.condition is not None:
            known = BlockColumns(self.space, self.steps[: len(before)], self._block(before))
            if self.space.idle(parameter.name, known, 1)[0]:
                return np.array([parameter.inactive_code])
        if isinstance(parameter, Real):
            return parameter.unscaled(np.linspace(0.0, 1.0, TRIED))
        count = int(parameter.cardinality)
        if self.listed is not None or count <= TRIED:
            return np.arange(count)
        return np.unique(np.linspace(0, count - 1, TRIED).astype(np.int64))

    def holds(self, before: Array, values: Array) -> Mask:
        """Return which of the codes nothing rules out after those of `before`."""
        place = len(before)
        if self.free:
            return np.ones(len(values), dtype=bool)
        if self.listed is not None:
            key = np.array([int(before @ np.array(self.listed.strides[:place], float))])
            return np.asarray(self.listed.behind(key, place)[0][values.astype(np.int64)])
        parents = np.zeros(len(values), np.int64)
        codes = values.astype(code_type(self.space, self.steps))
        found = satisfied(self.space, self.steps, self._block(before), parents, codes)
        return np.ones(len(values), dtype=bool) if found is None else found
