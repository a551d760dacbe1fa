"""Designs as the numbers that a surrogate learns from."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.features import Columns
from dse.space import Integer, Ordinal, Parameter, Real, Space

Array = NDArray[Any]
Floats = NDArray[np.float64]

# Pairs grow by the square: so many parameters give 56 products and quotients.
MOST_SIZES = 8


class Encoding:
    """Turns codes of a space into features, a matrix (n, features).

    Each parameter as `dse.features.Features` has it; then the logarithms of the parameters named in `sizes`
    and of their products and quotients, two by two, from 0 to 1 over their domains. What hardware costs is
    often such a product (inputs times outputs over reuse), which trees that split one feature at a time
    otherwise have to approximate by steps.

    Parameters
    ----------
    space
        The search space.
    sizes
        Parameters among `sizes_of(space)`.
    """

    def __init__(self, space: Space, sizes: Sequence[str] = ()) -> None:
        self.space = space
        self.sizes = tuple(sizes)
        self._plain = [_tabled(parameter, Columns(parameter)) for parameter in space.parameters]
        self._positions = [space.position(name) for name in sizes]
        self._spans = [_span(space.parameters[place]) for place in self._positions]
        self._logarithms = [_tabled(space.parameters[place], _Logarithm(space.parameters[place]))
                            for place in self._positions]  # fmt: skip
        self._pairs = list(combinations(range(len(sizes)), 2))

    def __call__(self, codes: Array) -> NDArray[np.float32]:
        # Column by column, as it is written; trees do not mind.
        out = np.empty((len(codes), len(self.owners)), np.float32, order="F")
        start = 0
        for place, columns in enumerate(self._plain):
            found = columns(codes[:, place])
            out[:, start : start + found.shape[1]] = found
            start += found.shape[1]
        if not self._pairs:
            return out
        logarithms = [
            columns(codes[:, place])[:, 0]
            for place, columns in zip(self._positions, self._logarithms, strict=True)
        ]
        for column, span in zip(logarithms, self._spans, strict=True):
            out[:, start] = column * np.float32(1 / span)
            start += 1
        for one, other in self._pairs:
            # A sum, or a difference, of logarithms lies within the spans of both.
            scale = np.float32(1 / (self._spans[one] + self._spans[other]))
            out[:, start] = (logarithms[one] + logarithms[other]) * scale
            out[:, start + 1] = (logarithms[one] - logarithms[other] + np.float32(self._spans[other])) * scale
            start += 2
        return out

    @cached_property
    def owners(self) -> list[tuple[int, ...]]:
        """Of which parameters, by position, each feature is made."""
        found: list[tuple[int, ...]] = []
        for place, parameter in enumerate(self.space.parameters):
            found += [(place,)] * Columns(parameter).width
        if self._pairs:
            found += [(place,) for place in self._positions]
            for one, other in self._pairs:
                found += [(self._positions[one], self._positions[other])] * 2
        return found

    def by_parameter(self, weights: Floats) -> Floats:
        """Return weights (features,) as weights (parameters,): a product's is shared."""
        found = np.zeros(len(self.space.parameters))
        for weight, owners in zip(weights.tolist(), self.owners, strict=True):
            for place in owners:
                found[place] += weight / len(owners)
        return found


# Features of so many values are looked up; of more, and of reals, they are computed.
MOST_TABLED = 1 << 12


def _tabled(parameter: Parameter, columns: Callable[[Array], Floats]) -> Callable[[Array], Any]:
    """Return a function that gives the same features (n, width) in single precision, as fast as it can be."""
    if isinstance(parameter, Real) or parameter.cardinality > MOST_TABLED:
        return lambda code: columns(code).astype(np.float32)
    table = columns(np.arange(int(parameter.cardinality))).astype(np.float32)
    return lambda code: table[code.astype(np.intp, copy=False)]


class _Logarithm:
    """The logarithm of a parameter's values over the least (n, 1)."""

    def __init__(self, parameter: Parameter) -> None:
        self.parameter = parameter
        self.low = _bounds(parameter)[0]

    def __call__(self, code: Array) -> Floats:
        return np.log2(np.asarray(self.parameter.decode(code), float) / self.low)[:, None]


def _span(parameter: Parameter) -> float:
    low, high = _bounds(parameter)
    return math.log2(high / low)


def sizes_of(space: Space) -> tuple[str, ...]:
    """Return the parameters whose values are positive numbers, the greatest at least twice the least."""
    return tuple(parameter.name for parameter in space.parameters if _is_size(parameter))


def _is_size(parameter: Parameter) -> bool:
    low, high = _bounds(parameter)
    return low > 0 and math.isfinite(high) and high >= 2 * low


def _bounds(parameter: Parameter) -> tuple[float, float]:
    """Return the least and greatest value; zeros where values are not numbers."""
    match parameter:
        case Integer() | Real():
            return float(parameter.low), float(parameter.high)
        case Ordinal():
            values = [
                float(value)
                for value in parameter.listed
                if isinstance(value, int | float) and not isinstance(value, bool)
            ]
            if len(values) == parameter.cardinality:
                return min(values), max(values)
    return 0.0, 0.0
