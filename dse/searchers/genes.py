"""Designs as vectors of reals: what genetic operators cross and mutate."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.space import Categorical, Real, Space

Array = NDArray[Any]
Floats = NDArray[np.float64]


class Genes:
    """Codes of discrete parameters as they are; reals scaled to [0, 1], by logarithm where they say so.

    Parameters
    ----------
    space
        The search space.

    Attributes
    ----------
    top
        The greatest gene of each parameter (parameters,); the least is 0.
    real, choice
        Masks (parameters,) of the real parameters, and of the categorical ones.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self.real = np.array([isinstance(parameter, Real) for parameter in space.parameters])
        self.choice = np.array([isinstance(parameter, Categorical) for parameter in space.parameters])
        self.top = np.array(
            [1.0 if not parameter.discrete else parameter.cardinality - 1.0 for parameter in space.parameters]
        )

    def of(self, codes: Array) -> Floats:
        """Return the genes (n, parameters) of codes (n, parameters)."""
        genes = codes.astype(float)
        for position in np.flatnonzero(self.real).tolist():
            genes[:, position] = self._real(position).scaled(genes[:, position])
        return genes

    def codes(self, genes: Array) -> Array:
        """Return the canonical codes (n, parameters) nearest to genes (n, parameters).

        They are within their domains; whether the constraints hold is not looked at.
        """
        genes = np.clip(genes, 0.0, self.top)
        codes = np.where(self.real, genes, np.round(genes))
        for position in np.flatnonzero(self.real).tolist():
            codes[:, position] = self._real(position).unscaled(codes[:, position])
        return self.space.canonical(codes.astype(self.space.code_dtype))

    def _real(self, position: int) -> Real:
        parameter = self.space.parameters[position]
        assert isinstance(parameter, Real)
        return parameter
