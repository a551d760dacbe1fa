"""Which designs to measure on a new device: those that leave the least doubt about all others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dse.surrogates.transfer.basis import Basis
from dse.surrogates.transfer.mixture import Settings

Floats = NDArray[np.float64]

# The constant's variance over that of the causes: nothing is known of a new device's level.
LEVEL = 100.0


def most_telling(
    settings: Settings, candidates: Basis, others: Basis, count: int, measured: Basis | None = None
) -> list[int]:
    """Return positions among the candidates (c,), the most telling first.

    One by one, that which takes most from the expected variance of `others` (the integrated mean squared
    error of J. Sacks, W. J. Welch, T. J. Mitchell, H. P. Wynn, "Design and Analysis of Computer Experiments",
    Statistical Science 4(4), 1989, greedily), under the settings' expectation. What is found does not matter:
    variances of a Gaussian process depend on where it is measured alone. Ties go to the first.

    Parameters
    ----------
    settings
        Hyperparameters.
    candidates
        Designs that may be chosen.
    others
        Designs whose variance counts.
    count
        How many to choose, at most all candidates.
    measured
        Designs whose measurements are there.
    """
    weights, noise = settings.mean

    def between(one: Basis, other: Basis) -> Floats:
        return one.covariance(other, weights) + LEVEL

    shared = between(candidates, others)
    variances = weights @ candidates.variances + LEVEL
    factors = np.empty((0, len(candidates)))
    if measured is not None and len(measured):
        lower = np.linalg.cholesky(between(measured, measured) + noise * np.eye(len(measured)))
        factors = np.linalg.solve(lower, between(measured, candidates))
        shared -= factors.T @ np.linalg.solve(lower, between(measured, others))
        variances = np.maximum(variances - (factors**2).sum(axis=0), 0.0)
    chosen: list[int] = []
    for _ in range(count):
        gain = np.einsum("co,co->c", shared, shared) / (variances + noise)
        gain[chosen] = -1.0
        best = int(np.argmax(gain))
        chosen.append(best)
        root = np.sqrt(variances[best] + noise)
        row = between(candidates.take(np.array([best])), candidates)[0] - factors[:, best] @ factors
        factors = np.vstack([factors, row / root])
        shared -= np.outer(row / root, shared[best] / root)
        variances = np.maximum(variances - factors[-1] ** 2, 0.0)
    return chosen
