"""What a parameter is chosen among: values, or bins of them; and which choices feasible designs follow."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.space.parameters import Real
from dse.space.sampling import ComponentSampler
from dse.space.space import Space

Array = NDArray[Any]
Wholes = NDArray[np.int64]

# Choices of a parameter: all its values, or of one that has more (a real one) as many equal bins.
MOST_VALUES = 64
BINS = 16
# Combinations of a component are looked up by one number each: as many as 64 bits hold.
LARGEST_KEY = 1 << 62


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


class Listed:
    """A component whose feasible combinations are listed, in the order of their keys.

    What follows a partial combination is a range of the sorted keys, so that a value is feasible where its
    part of the range is not empty.

    Parameters
    ----------
    space
        The search space.
    part
        The component's sampler; `countable`.

    Attributes
    ----------
    positions, counts, strides
        Of the parameters in the order of the component's steps: position, number of values, and how far the
        keys of two neighbouring values are apart.
    """

    def __init__(self, space: Space, part: ComponentSampler) -> None:
        assert part.table is not None
        self.positions = list(part.component.positions)
        self.counts = [int(space.parameters[position].cardinality) for position in self.positions]
        self.strides = [math.prod(self.counts[place + 1 :]) for place in range(len(self.counts))]
        keys = np.zeros(part.table.rows, np.int64)
        for stride, row in zip(self.strides, part.table.block, strict=True):
            keys += stride * row.astype(np.int64)
        self._keys = np.sort(keys)

    def behind(self, key: Wholes, place: int) -> NDArray[np.bool_]:
        """Return which values of a step's parameter have a feasible combination behind them.

        Parameters
        ----------
        key
            Of partial combinations (n,): the sum of the codes before, each times its stride.
        place
            The step.

        Returns
        -------
        Mask (n, values).
        """
        # Between the first keys of successive values: none, where a value is infeasible.
        edges = key[:, None] + self.strides[place] * np.arange(self.counts[place] + 1)
        return np.asarray(np.diff(np.searchsorted(self._keys, edges), axis=1) > 0)


def countable(space: Space, part: ComponentSampler) -> bool:
    """Return whether a component's feasible combinations are listed, and have a key each."""
    counts = [space.parameters[position].cardinality for position in part.component.positions]
    return part.table is not None and part.tabulated and math.prod(counts) < LARGEST_KEY
