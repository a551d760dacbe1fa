"""Designs as numbers that a regression can learn from."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.space import Categorical, Integer, Ordinal, Space

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
        self._alignment = {
            position: values
            for position, parameter in enumerate(space.parameters)
            if (values := _alignment(parameter)) is not None
        }

    @property
    def groups(self) -> NDArray[np.int64]:
        """Which features (features,) say one thing, by its number: the columns of a categorical parameter."""
        found: list[int] = []
        count = 0
        for position, parameter in enumerate(self.space.parameters):
            columns = 1
            if isinstance(parameter, Categorical):
                columns = (
                    int(parameter.cardinality)
                    if parameter.cardinality > 2
                    else int(parameter.cardinality) - 1
                )
            found += [count] * columns
            count += columns > 0
            if position in self._alignment:
                found.append(count)
                count += 1
        return np.array(found, np.int64)

    def __call__(self, codes: Array) -> Floats:
        columns: list[Floats] = []
        for position, parameter in enumerate(self.space.parameters):
            code = codes[:, position]
            if not isinstance(parameter, Categorical):
                columns.append(np.asarray(parameter.scaled(code), float))
            elif parameter.cardinality == 2:
                columns.append(code.astype(float))
            elif parameter.cardinality > 2:
                columns += [(code == value).astype(float) for value in range(int(parameter.cardinality))]
            if position in self._alignment:
                columns.append(self._alignment[position][code.astype(np.int64)])
        return np.column_stack(columns)


MOST_VALUES = 1 << 16


def _alignment(parameter: Any) -> Floats | None:
    """Return by code how often two divides a value, scaled to [0, 1]; None where it says nothing new."""
    if not isinstance(parameter, Integer | Ordinal) or not 2 < parameter.cardinality <= MOST_VALUES:
        return None
    values = np.asarray(parameter.decode(np.arange(int(parameter.cardinality))))
    if values.dtype.kind not in "iu" or (values < 1).any() or not (values & (values - 1)).any():
        return None
    powers = np.log2(values & -values)
    return powers / powers.max() if powers.max() > 0 else None
