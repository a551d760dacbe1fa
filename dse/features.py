"""Designs as numbers that a regression can learn from."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.space import Categorical, Integer, Ordinal, Parameter, Space

Array = NDArray[Any]
Floats = NDArray[np.float64]


class Features:
    """Turns codes of a space into a matrix (n, features), each from 0 to 1.

    Ordered parameters by their place in the domain (reals and integers by logarithm where the parameter says
    so); categorical ones by one column a value; and, for whole numbers that are not all powers of two, by how
    often two divides them as well: what hardware does well is often a matter of alignment.

    Parameters
    ----------
    space
        The search space.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self.columns = [Columns(parameter) for parameter in space.parameters]

    @property
    def groups(self) -> NDArray[np.int64]:
        """Which features (features,) say one thing, by its number: the columns of a categorical parameter."""
        found: list[int] = []
        count = 0
        for columns in self.columns:
            found += [count] * columns.plain
            count += columns.plain > 0
            if columns.alignment is not None:
                found.append(count)
                count += 1
        return np.array(found, np.int64)

    def __call__(self, codes: Array) -> Floats:
        return np.column_stack([columns(codes[:, place]) for place, columns in enumerate(self.columns)])


class Columns:
    """Turns the codes of a parameter (n,) into its features (n, width).

    Attributes
    ----------
    width
        How many features.
    plain
        How many of them are not alignment.
    alignment
        That feature by code; None where it says nothing.
    """

    def __init__(self, parameter: Parameter) -> None:
        self.parameter = parameter
        self.alignment = _alignment(parameter)
        self.plain = 1
        if isinstance(parameter, Categorical):
            values = int(parameter.cardinality)
            self.plain = values if values > 2 else values - 1
        self.width = self.plain + (self.alignment is not None)

    def __call__(self, code: Array) -> Floats:
        out = np.empty((len(code), self.width))
        if not isinstance(self.parameter, Categorical):
            out[:, 0] = self.parameter.scaled(code)
        elif self.plain == 1:
            out[:, 0] = code
        elif self.plain:
            out[:] = code[:, None] == np.arange(self.plain)
        if self.alignment is not None:
            out[:, -1] = self.alignment[code.astype(np.int64)]
        return out


MOST_VALUES = 1 << 16


def _alignment(parameter: Parameter) -> Floats | None:
    """Return by code how often two divides a value, scaled to [0, 1]; None where it says nothing new."""
    if not isinstance(parameter, Integer | Ordinal) or not 2 < parameter.cardinality <= MOST_VALUES:
        return None
    values = np.asarray(parameter.decode(np.arange(int(parameter.cardinality))))
    if values.dtype.kind not in "iu" or (values < 1).any() or not (values & (values - 1)).any():
        return None
    powers = np.log2(values & -values)
    return powers / powers.max() if powers.max() > 0 else None
