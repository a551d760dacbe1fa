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

    Each parameter as `dse.features.Features` has it; then the logarithms of the products and quotients of
    the parameters named in `sizes`, two by two. What hardware costs is often such a product (inputs times
    outputs over reuse), which trees that split one feature at a time otherwise have to approximate by
    steps.

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

    def __call__(self, codes: Array) -> NDArray[np.float32]:
        plain = self._features(codes)
        if not self._pairs:
            return np.ascontiguousarray(plain, dtype=np.float32)
        logarithms = [
            np.log2(np.asarray(self.space.parameters[place].decode(codes[:, place]), float))
            for place in self._positions
        ]
        derived = [*logarithms]
        for one, other in self._pairs:
            derived += [logarithms[one] + logarithms[other], logarithms[one] - logarithms[other]]
        return np.column_stack([plain, *derived]).astype(np.float32)


def sizes_of(space: Space) -> tuple[str, ...]:
    """Return the parameters whose values are positive numbers, the greatest at least twice the least."""
    return tuple(parameter.name for parameter in space.parameters if _is_size(parameter))


def _is_size(parameter: Parameter) -> bool:
    match parameter:
        case Integer() | Real():
            low, high = float(parameter.low), float(parameter.high)
        case Ordinal():
            values = [
                float(value)
                for value in parameter.listed
                if isinstance(value, int | float) and not isinstance(value, bool)
            ]
            if len(values) < parameter.cardinality:
                return False
            low, high = min(values), max(values)
        case _:
            return False
    return low > 0 and math.isfinite(high) and high >= 2 * low
