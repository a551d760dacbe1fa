"""What a known device's metric owes to the designs' features: its measurements without their noise.

Kernel ridge regression on a random part of the designs (C. K. I. Williams, M. Seeger, "Using the Nyström
Method to Speed Up Kernel Machines", NIPS 2000), its penalty by generalised cross-validation (G. H. Golub,
M. Heath, G. Wahba, "Generalized cross-validation as a method for choosing a good ridge parameter",
Technometrics 21(2), 1979).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dse.surrogates.transfer.basis import Basis

Floats = NDArray[np.float64]

LANDMARKS = 512
# More designs are not fitted to.
MOST_ROWS = 20_000
CHUNK = 1 << 12
# Of the landmarks' covariances: directions below this share of the greatest are rounding.
LEAST = 1e-9
# Penalties that are tried, over the number of designs.
PENALTIES = np.logspace(-7, 1, 33)


class Landmarks:
    """Some designs, and all others by their covariances with them.

    Parameters
    ----------
    basis
        The table's designs (n,), with features.
    rng
        Draws the landmarks.

    Attributes
    ----------
    table
        The designs as columns (n, c), in which metrics are linear.
    """

    def __init__(self, basis: Basis, rng: np.random.Generator) -> None:
        order = rng.permutation(len(basis))
        self._landmarks = basis.take(np.sort(order[:LANDMARKS]))
        widths, axes = np.linalg.eigh(_kernel(self._landmarks, self._landmarks))
        kept = widths > LEAST * widths[-1]
        self._axes = axes[:, kept] / np.sqrt(widths[kept])
        self.table = np.empty((len(basis), self._axes.shape[1]))
        for part, kernel in self._kernels(basis):
            self.table[part] = kernel @ self._axes
        self._rows = np.sort(order[:MOST_ROWS])

    def smooth(self, found: Smooth, basis: Basis) -> Floats:
        """Return metrics (m, devices) of designs (m,)."""
        weights = self._axes @ found.weights
        metrics = np.empty((len(basis), weights.shape[1]))
        for part, kernel in self._kernels(basis):
            metrics[part] = kernel @ weights
        return metrics + found.constants

    def _kernels(self, basis: Basis) -> Iterator[tuple[slice, Floats]]:
        for start in range(0, len(basis), CHUNK):
            part = slice(start, start + CHUNK)
            yield part, _kernel(basis.take(part), self._landmarks)

    def fit(self, values: Floats) -> Smooth:
        """Return metrics of known devices (n, devices), NaN where there is none, as functions of columns."""
        columns, values = self.table[self._rows], values[self._rows]
        weights = np.zeros((columns.shape[1], values.shape[1]))
        constants = np.zeros(values.shape[1])
        known = ~np.isnan(values)
        # Devices with the same holes share one decomposition.
        patterns, device_pattern = np.unique(known, axis=1, return_inverse=True)
        for index, pattern in enumerate(patterns.T):
            devices = np.flatnonzero(device_pattern == index)
            if pattern.any():
                found = _ridge(columns[pattern], values[np.ix_(pattern, devices)])
                weights[:, devices], constants[devices] = found
        return Smooth(weights, constants, self.table @ weights + constants)


@dataclass(frozen=True)
class Smooth:
    """Metrics of known devices, linear in the columns of `Landmarks.table`.

    Attributes
    ----------
    weights
        (c, devices).
    constants
        (devices,).
    table
        The metrics of the table's designs (n, devices).
    """

    weights: Floats
    constants: Floats
    table: Floats


def _kernel(one: Basis, other: Basis) -> Floats:
    """Return the mean of the features' covariances and of a squared exponential of the effects' distance."""
    assert one.effects is not None
    assert other.effects is not None
    causes = len(one.causes)
    weights = np.ones(causes)
    weights[0] = 0.0
    total = one.covariance(other, weights)
    distances = one.effects @ other.effects.T
    distances *= -2.0
    distances += (one.effects**2).sum(axis=1)[:, None]
    distances += (other.effects**2).sum(axis=1)
    # Effects have variance 1: two designs are at a squared distance of 2 on the average.
    distances *= -0.5
    total += np.exp(distances, out=distances)
    total /= causes
    return total


def _ridge(columns: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Return weights (columns, devices) and constants (devices,), each device with its own penalty."""
    n = len(columns)
    centres, constants = columns.mean(axis=0), values.mean(axis=0)
    columns, values = columns - centres, values - constants
    widths, axes = np.linalg.eigh(columns.T @ columns)
    widths = np.maximum(widths, 0.0)
    along = axes.T @ (columns.T @ values)
    penalties = PENALTIES * n
    shrunk = 1.0 / (widths + penalties[:, None])
    freedom = (widths * shrunk).sum(axis=1)
    # Of each penalty and device: |y|^2 - 2 b'a + a'Wa with a = b / (w + penalty).
    fit = np.einsum("pw,wd->pd", shrunk * (2.0 - widths * shrunk), along**2)
    errors = np.maximum((values**2).sum(axis=0) - fit, 0.0)
    scores = errors / np.maximum(n - 1.0 - freedom, 1e-9)[:, None] ** 2
    best = scores.argmin(axis=0)
    weights = axes @ (shrunk[best].T * along)
    return weights, constants - centres @ weights
