"""Designs as the numbers that a surrogate learns from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.features import Features
from dse.space import Integer, Ordinal, Parameter, Real, Space

Array = NDArray[Any]

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
        self._features = Features(space)
        self._positions = [space.position(name) for name in sizes]
        self._pairs = list(combinations(range(len(sizes)), 2))
        self._bounds = [np.log2(_bounds(space.parameters[place])) for place in self._positions]

    def __call__(self, codes: Array) -> NDArray[np.float32]:
        plain = self._features(codes)
        if not self._pairs:
            return np.ascontiguousarray(plain, dtype=np.float32)
        # From 0 to 1 each; a sum, or a difference, of two is scaled by the spans of both.
        logarithms = [
            np.log2(np.asarray(self.space.parameters[place].decode(codes[:, place]), float)) - low
            for place, (low, _) in zip(self._positions, self._bounds, strict=True)
        ]
        spans = [high - low for low, high in self._bounds]
        derived = [column / span for column, span in zip(logarithms, spans, strict=True)]
        for one, other in self._pairs:
            span = spans[one] + spans[other]
            derived.append((logarithms[one] + logarithms[other]) / span)
            derived.append((logarithms[one] - logarithms[other] + spans[other]) / span)
        return np.column_stack([plain, *derived]).astype(np.float32)


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
