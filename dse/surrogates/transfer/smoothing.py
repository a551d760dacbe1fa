"""What a known device's metric owes to the designs' features: its measurements without their noise.

Kernel ridge regression on a random part of the designs (C. K. I. Williams, M. Seeger, "Using the Nyström Method
to Speed Up Kernel Machines", NIPS 2000), its penalty by generalised cross-validation (G. H. Golub, M. Heath,
G. Wahba, "Generalized cross-validation as a method for choosing a good ridge parameter", Technometrics 21(2),
1979).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dse.surrogates.transfer.basis import Basis

Floats = NDArray[np.float64]

LANDMARKS = 512
# More designs are not fitted to.
MOST_ROWS = 20_000
CHUNK = 1 << 14
# Of the landmarks' covariances: directions below this share of the greatest are rounding.
LEAST = 1e-9
# Penalties that are tried, over the number of designs.
PENALTIES = np.logspace(-7, 1, 33)


class Smoother:
    """Metrics of known devices as functions of the designs' features.

    Parameters
    ----------
    basis
        The table's designs (n,).
    values
        Of known devices (n, devices), NaN where a device has none; at least one a device.
    rng
        Draws the landmarks.
    """

    def __init__(self, basis: Basis, values: Floats, rng: np.random.Generator) -> None:
        order = rng.permutation(len(basis))
        self._landmarks = basis.take(np.sort(order[:LANDMARKS]))
        rows = np.sort(order[:MOST_ROWS])
        basis, values = basis.take(rows), values[rows]
        widths, axes = np.linalg.eigh(_kernel(self._landmarks, self._landmarks))
        kept = widths > LEAST * widths[-1]
        self._axes = axes[:, kept] / np.sqrt(widths[kept])
        columns = _kernel(basis, self._landmarks) @ self._axes
        self._weights = np.empty((columns.shape[1], values.shape[1]))
        self._constants = np.empty(values.shape[1])
        known = ~np.isnan(values)
        # Devices with the same holes share one decomposition.
        patterns, device_pattern = np.unique(known, axis=1, return_inverse=True)
        for index, pattern in enumerate(patterns.T):
            devices = np.flatnonzero(device_pattern == index)
            weights, constants = _ridge(columns[pattern], values[np.ix_(pattern, devices)])
            self._weights[:, devices] = weights
            self._constants[devices] = constants

    def __call__(self, basis: Basis) -> Floats:
        """Return the metrics (m, devices) of designs (m,)."""
        weights = self._axes @ self._weights
        parts = [
            _kernel(basis.take(slice(start, start + CHUNK)), self._landmarks) @ weights
            for start in range(0, len(basis), CHUNK)
        ]
        return np.concatenate(parts) + self._constants if parts else np.empty((0, weights.shape[1]))


def _kernel(one: Basis, other: Basis) -> Floats:
    """Return the mean of the features' covariances and of a squared exponential of the effects' distance."""
    causes = one.between(other)[1:]
    effects = causes[-2]
    assert one.effects is not None
    assert other.effects is not None
    distances = (one.effects**2).sum(axis=1)[:, None] + (other.effects**2).sum(axis=1) - 2.0 * effects
    # Effects have variance 1: two designs are at a squared distance of 2 on the average.
    return np.asarray((causes.sum(axis=0) + np.exp(-0.5 * distances)) / (len(causes) + 1))


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
    with np.errstate(divide="ignore", invalid="ignore"):
        scores = errors / np.maximum(n - 1.0 - freedom, 1e-9)[:, None] ** 2
    best = scores.argmin(axis=0)
    weights = axes @ (shrunk[best].T * along)
    return weights, constants - centres @ weights
