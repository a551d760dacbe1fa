"""What a new device's metric is made of: covariances between designs, by cause."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rows = NDArray[np.intp] | slice


@dataclass(frozen=True)
class Basis:
    """Designs as the causes of a new device's metric see them.

    The covariance of two designs is a sum over causes, each of variance 1 on the average of the table's
    designs:

    family
        They cost alike on the known devices.
    totals, effects
        They hold alike in all; they have the same values in the same parameters.
    interactions
        They share pairs of values: the effects' covariance squared.

    Attributes
    ----------
    known
        The known devices' metrics (n, devices), centred.
    unknown
        What of the family's variance is not in `known` (n,): of designs that no device measured.
    totals, effects
        See `DesignFeatures`; None where designs are not described.
    square
        The mean of the squared effects' variances, by which interactions are divided.
    """

    known: Floats
    unknown: Floats
    totals: Floats | None = None
    effects: Floats | None = None
    square: float = 1.0

    def __len__(self) -> int:
        return len(self.known)

    @property
    def causes(self) -> tuple[str, ...]:
        """The names of the causes, in order."""
        found = ["family"]
        if self.totals is not None and self.totals.shape[1]:
            found.append("totals")
        if self.effects is not None:
            found += ["effects", "interactions"]
        return tuple(found)

    def take(self, rows: Rows) -> Basis:
        """Return the designs at the given positions."""
        return Basis(
            self.known[rows],
            self.unknown[rows],
            None if self.totals is None else self.totals[rows],
            None if self.effects is None else self.effects[rows],
            self.square,
        )

    def between(self, other: Basis) -> Floats:
        """Return covariances (causes, n, m) with other designs (m)."""
        found = [self.known @ other.known.T, *self._featured(other)]
        if self.effects is not None:
            found.append(found[-1] ** 2 / self.square)
        return np.stack(found)

    def covariance(self, other: Basis, weights: Floats) -> Floats:
        """Return the sum of covariances (n, m), each times its weight (causes,)."""
        total = (self.known * weights[0]) @ other.known.T
        part = None
        for weight, part in zip(weights[1:], self._featured(other), strict=False):
            total += weight * part
        if part is not None and self.effects is not None:
            # Where designs are described, effects come last of the products, and interactions after them.
            np.square(part, out=part)
            part *= weights[-1] / self.square
            total += part
        return np.asarray(total)

    def _featured(self, other: Basis) -> Iterator[Floats]:
        if self.totals is not None and other.totals is not None and self.totals.shape[1]:
            yield self.totals @ other.totals.T
        if self.effects is not None and other.effects is not None:
            yield self.effects @ other.effects.T

    @property
    def variances(self) -> Floats:
        """The variances (causes, n)."""
        found = [(self.known**2).sum(axis=1) + self.unknown]
        if self.totals is not None and self.totals.shape[1]:
            found.append((self.totals**2).sum(axis=1))
        if self.effects is not None:
            single = (self.effects**2).sum(axis=1)
            found += [single, single**2 / self.square]
        return np.stack(found)
