"""The known devices' metrics without noise and without holes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Added to correlations of residuals, so that they can be inverted.
RIDGE = 1e-3


def shared_part(residuals: Floats) -> Floats:
    """Return what of the residuals (n, devices) other devices confirm, holes filled.

    The residuals of a design are taken for a sum of what devices share and of what is each one's own: noise.
    A device's own variance is what the others cannot predict (L. Guttman, "Image theory for the structure of
    quantitative variates", Psychometrika 18, 1953), and the shared part its expectation given the residuals
    that are known. A single device has nobody to ask: all its residual is kept.

    Parameters
    ----------
    residuals
        Measurements less what features explain, NaN where a device has none.
    """
    devices = residuals.shape[1]
    known = ~np.isnan(residuals)
    filled = np.where(known, residuals, 0.0)
    if devices == 1:
        return filled
    counts = known.T.astype(float) @ known
    moments = filled.T @ filled / np.maximum(counts, 1.0)
    scale = np.sqrt(np.maximum(np.diag(moments), np.finfo(float).tiny))
    correlation = _positive(moments / np.outer(scale, scale))
    own = 1.0 / np.diag(np.linalg.inv(correlation))
    shared = np.empty_like(filled)
    patterns, row_pattern = np.unique(known, axis=0, return_inverse=True)
    for index, pattern in enumerate(patterns):
        rows = row_pattern == index
        if not pattern.any():
            shared[rows] = 0.0
            continue
        covariance = correlation[:, pattern].copy()
        covariance[pattern] -= np.diag(own[pattern])
        gain = np.linalg.solve(correlation[np.ix_(pattern, pattern)], covariance.T)
        shared[rows] = (filled[rows][:, pattern] / scale[pattern]) @ gain * scale
    return shared


def _positive(matrix: Floats) -> Floats:
    """Return a correlation matrix, estimated pair by pair, with no eigenvalue below `RIDGE`."""
    values, axes = np.linalg.eigh((matrix + matrix.T) / 2.0)
    mended = (axes * np.maximum(values, RIDGE)) @ axes.T
    scale = np.sqrt(np.diag(mended))
    return np.asarray(mended / np.outer(scale, scale))


@dataclass(frozen=True)
class KnownDevices:
    """Metrics of known devices, as functions over the table's designs.

    Attributes
    ----------
    smooth
        What features explain (n, devices); the mean where designs are not described.
    values
        As measured (n, devices), NaN where a device has none.
    """

    smooth: Floats
    values: Floats

    def columns(self, devices: NDArray[np.intp]) -> FamilyColumns:
        """Return some of the devices as a family."""
        smooth = self.smooth[:, devices]
        shared = shared_part(self.values[:, devices] - smooth)
        functions = smooth + shared
        centres = functions.mean(axis=0)
        spread = functions.std(axis=0)
        # A device that costs the same for every design says nothing.
        factors = np.where(spread > 1e-9 * np.abs(centres), 1.0, 0.0) / np.maximum(spread, 1e-300)
        factors /= max(float(np.count_nonzero(factors)), 1.0) ** 0.5
        measured = np.asarray(~np.isnan(self.values[:, devices]).all(axis=1), bool)
        unknown = float(((shared[measured] * factors) ** 2).sum(axis=1).mean()) if measured.any() else 0.0
        return FamilyColumns((functions - centres) * factors, centres, factors, measured, unknown)


@dataclass(frozen=True)
class FamilyColumns:
    """A family's metrics as columns whose covariances have a mean variance of 1.

    Attributes
    ----------
    table
        Of the table's designs (n, devices).
    centres, factors
        Taken from a metric, and then multiplied (devices,).
    measured
        Of which designs some device has a value (n,).
    unknown
        What is missing in the variance of a design that no device measured.
    """

    table: Floats
    centres: Floats
    factors: Floats
    measured: NDArray[np.bool_]
    unknown: float

    def outside(self, smooth: Floats) -> Floats:
        """Return the columns (m, devices) of designs that no device measured, by what features explain."""
        return (smooth - self.centres) * self.factors
