"""A Gaussian process that is fitted and asked often, on few hundred points.

C. E. Rasmussen, C. K. I. Williams, "Gaussian Processes for Machine Learning", MIT Press, 2006: prediction by
algorithm 2.1, the logarithm of the marginal likelihood and its derivatives by eq. 5.8 and 5.9, the Matérn
kernel of order 5/2 with a length a feature by eq. 4.17. The lengths' prior grows with the number of features
(C. Hvarfner, E. O. Hellsten, L. Nardi, "Vanilla Bayesian Optimization Performs Great in High Dimensions",
ICML 2024, section 4), so that many features and few points do not fit noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# The logarithm of a length is believed to be normal: mean sqrt(2) + log(features) / 2, deviation sqrt(3)
# (Hvarfner et al. 2024, section 4). Those of variances and noise are ours: targets have variance 1, and a
# cost model little noise.
LENGTH_MEAN = 2.0**0.5
LENGTH_DEVIATION = 3.0**0.5
SCALE_DEVIATION = 1.0
NOISE_MEAN, NOISE_DEVIATION = np.log(1e-3), 2.0
LENGTH_BOUNDS = (0.05, 1e3)
SCALE_BOUNDS = (0.02, 50.0)
NOISE_BOUNDS = (1e-6, 0.3)
SLOPE_MEAN, SLOPE_DEVIATION = 0.0, 2.0
SLOPE_BOUNDS = (1e-4, 50.0)
# Added to the diagonal, so that a covariance can be factored.
JITTER = 1e-8
# No target is known better than this, in its own units squared.
LEAST_VARIANCE = 1e-18
# Covariances that are computed at once.
BLOCK = 1 << 16
# Steps of L-BFGS-B.
STEPS = 20


@dataclass(frozen=True)
class Kernel:
    """A Matérn kernel of order 5/2, effects of single features beside it, and noise.

    Attributes
    ----------
    lengths
        Of the features (features,).
    scale, slope, noise
        Variances, of targets whose variance is 1: of the Matérn kernel, of the sum of effects of the features
        (see `effects`), and of what is noise.
    """

    lengths: Floats
    scale: float
    slope: float
    noise: float

    def between(self, one: Floats, other: Floats) -> Floats:
        """Return covariances (n, m) of points (n, features) with others (m, features)."""
        near, far = one / self.lengths, other / self.lengths
        weighed, linear = self.slope * effects(one), effects(other).T
        # In blocks that stay within a cache: of millions of numbers this is what a proposal costs.
        rows = max(1, BLOCK // max(len(other), 1))
        kernel = np.empty((len(one), len(other)))
        for start in range(0, len(one), rows):
            block = slice(start, start + rows)
            kernel[block] = self._covariances(_squared(near[block], far), weighed[block] @ linear)
        return kernel

    def _covariances(self, squared: Floats, linear: Floats) -> Floats:
        """Return covariances, of squared distances in lengths and of effects; overwrites the distances."""
        root = np.sqrt(squared)
        root *= 5.0**0.5
        # (1 + r + r^2 / 3) exp(-r), in place.
        kernel = squared
        kernel *= 5.0 / 3.0
        kernel += root
        kernel += 1.0
        np.exp(np.negative(root, out=root), out=root)
        root *= self.scale
        kernel *= root
        kernel += linear
        return kernel

    def variances(self, points: Floats) -> Floats:
        """Return the variances (n,) of points (n, features) before anything is known."""
        return np.asarray(self.scale + self.slope * (effects(points) ** 2).sum(axis=1))


@dataclass(frozen=True)
class GaussianProcess:
    """What is known of a target after some points; see `fitted`.

    Attributes
    ----------
    kernel
        With hyperparameters.
    known
        The points (n, features).
    factor
        Lower triangle of the Cholesky factor of their covariance (n, n).
    weights
        Of the points in a mean (n,).
    centre, spread
        Mean and deviation of the target, which the kernel does not see.
    """

    kernel: Kernel
    known: Floats
    factor: Floats
    weights: Floats
    centre: float
    spread: float

    @cached_property
    def _inverse_factor(self) -> Floats:
        """Inverse of `factor`: a product with it takes less than half of the time that solving takes."""
        from scipy.linalg import LinAlgError
        from scipy.linalg.lapack import dtrtri

        inverse, singular = dtrtri(self.factor, lower=1)
        if singular:
            raise LinAlgError(f"a Gaussian process's factor is singular at row {singular - 1}")
        return np.asarray(inverse)

    def predict(self, points: Floats, first: int | None = None) -> tuple[Floats, Floats]:
        """Return the target's mean and variance (m,) at points (m, features).

        The variance after the `first` so many known points only, if given: its time grows with their square.
        """
        found = self.posterior(points, first)
        return found.mean, found.variance

    def posterior(self, points: Floats, first: int | None = None) -> Posterior:
        """Return what is known of the target at points (m, features); `first` as in `predict`."""
        from scipy.linalg.blas import dtrmm

        covariances = self.kernel.between(points, self.known)
        mean = covariances @ self.weights * self.spread + self.centre
        # The leading part of a triangle's inverse is the inverse of the leading part.
        inverse = self._inverse_factor[:first, :first]
        explained = dtrmm(1.0, inverse, covariances[:, :first].T, lower=1, overwrite_b=1)
        left = self.kernel.variances(points) - np.einsum("nm,nm->m", explained, explained)
        variance = np.maximum(left, 1e-9) * self.spread**2 + LEAST_VARIANCE
        return Posterior(mean, variance, self, points, explained)


@dataclass
class Posterior:
    """What a process says of points, and of each given the others.

    Attributes
    ----------
    mean, variance
        Of the target (n,).
    """

    mean: Floats
    variance: Floats
    _process: GaussianProcess
    _points: Floats
    _explained: Floats

    def observe(self, place: int) -> None:
        """Take the target at one of the points for known, at its mean: variances shrink."""
        process = self._process
        here = process.kernel.between(self._points, self._points[place : place + 1])[:, 0]
        shared = here - self._explained.T @ self._explained[:, place]
        row = shared / np.sqrt(max(shared[place], 0.0) + process.kernel.noise + JITTER)
        self._explained = np.vstack([self._explained, row])
        self.variance = np.maximum(self.variance - (row * process.spread) ** 2, LEAST_VARIANCE)


def fitted(kernel: Kernel, points: Floats, target: Floats) -> GaussianProcess:
    """Return the process after points (n, features) and their targets (n,)."""
    from scipy.linalg import cho_solve, cholesky

    centre, spread = _standard(target)
    covariance = kernel.between(points, points)
    covariance[np.diag_indices(len(covariance))] += kernel.noise + JITTER
    factor = cholesky(covariance, lower=True, check_finite=False)
    weights = cho_solve((factor, True), (target - centre) / spread, check_finite=False)
    return GaussianProcess(kernel, points, factor, weights, centre, spread)


def learned(points: Floats, target: Floats, groups: NDArray[np.int64] | None = None) -> Kernel:
    """Return the kernel that makes targets (n,) at points (n, features), each 0 to 1, most probable.

    Features of one group (features,), counted from 0, have one length; by default each has its own.

    The greatest posterior of lengths, variance and noise that `STEPS` steps of L-BFGS-B find.
    """
    from scipy.linalg import LinAlgError, cho_solve, cholesky
    from scipy.optimize import minimize

    n = len(points)
    where = np.arange(points.shape[1]) if groups is None else groups
    features = int(where.max()) + 1
    centre, spread = _standard(target)
    y = (target - centre) / spread
    mean = np.append(np.full(features, LENGTH_MEAN + 0.5 * np.log(features)), [0.0, SLOPE_MEAN, NOISE_MEAN])
    deviation = np.append(
        np.full(features, LENGTH_DEVIATION), [SCALE_DEVIATION, SLOPE_DEVIATION, NOISE_DEVIATION]
    )
    bounds = [LENGTH_BOUNDS] * features + [SCALE_BOUNDS, SLOPE_BOUNDS, NOISE_BOUNDS]
    alone = effects(points) @ effects(points).T
    start = mean.copy()
    start[:features] = 0.5 * np.log(features) + np.log(0.5)
    diagonal = np.diag_indices(n)

    def improbability(theta: Floats) -> tuple[float, Floats]:
        """Return the negative logarithm of the posterior, and its derivatives."""
        scaled = points / np.exp(theta[:features])[where]
        scale, slope, noise = np.exp(theta[features:])
        kernel, steep = _matern(_squared(scaled, scaled))
        kernel, steep = scale * kernel, scale * steep
        covariance = kernel + slope * alone
        covariance[diagonal] += noise + JITTER
        try:
            factor = cholesky(covariance, lower=True, check_finite=False)
        except LinAlgError:
            return 1e10, np.zeros_like(theta)
        inverse = cho_solve((factor, True), np.eye(n), check_finite=False)
        weights = inverse @ y
        value = 0.5 * y @ weights + np.log(np.diag(factor)).sum()
        change = inverse - np.outer(weights, weights)
        pairs = change * steep
        # Half the sum over pairs of points of their squared distance in a feature, weighed.
        along = pairs.sum(axis=1) @ scaled**2 - np.einsum("nf,nf->f", scaled, pairs @ scaled)
        gradient = np.append(
            np.bincount(where, along, features),
            [
                0.5 * (change * kernel).sum(),
                0.5 * slope * (change * alone).sum(),
                0.5 * noise * np.trace(change),
            ],
        )
        away = (theta - mean) / deviation
        return value + 0.5 * away @ away, gradient + away / deviation

    found = minimize(
        improbability,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=np.log(bounds).tolist(),
        options={"maxiter": STEPS},
    ).x
    scale, slope, noise = (float(value) for value in np.exp(found[features:]))
    return Kernel(np.exp(found[:features])[where], scale, slope, noise)


def left_out(kernel: Kernel, points: Floats, target: Floats) -> tuple[Floats, Floats]:
    """Return mean and variance expected of each target (n,) of points (n, features) given all others.

    Rasmussen and Williams, eq. 5.12.
    """
    from scipy.linalg import cho_solve, cholesky

    centre, spread = _standard(target)
    covariance = kernel.between(points, points)
    covariance[np.diag_indices(len(covariance))] += kernel.noise + JITTER
    inverse = cho_solve((cholesky(covariance, lower=True), True), np.eye(len(points)))
    variance = 1.0 / np.diag(inverse)
    mean = target - inverse @ ((target - centre) / spread) * variance * spread
    return mean, variance * spread**2


def effects(points: Floats) -> Floats:
    """Return what effects of single features are linear in (n, 2 features): each, and its square, centred."""
    centred = 2.0 * points - 1.0
    return np.asarray(np.column_stack([centred, centred**2 - 0.5]) / np.sqrt(points.shape[1]))


def _standard(target: Floats) -> tuple[float, float]:
    return float(target.mean()), float(target.std()) or 1.0


def _squared(one: Floats, other: Floats) -> Floats:
    """Return squared distances (n, m)."""
    squared = one @ other.T
    squared *= -2.0
    squared += (one**2).sum(axis=1)[:, None]
    squared += (other**2).sum(axis=1)
    if one is other:
        np.fill_diagonal(squared, 0.0)
    return np.maximum(squared, 0.0, out=squared)


def _matern(squared: Floats) -> tuple[Floats, Floats]:
    """Return the kernel, and its derivative by a length's logarithm over the squared distance along it."""
    root = np.sqrt(5.0 * squared)
    decay = np.exp(-root)
    slope = decay * (1.0 + root)
    return slope + decay * (5.0 / 3.0) * squared, (5.0 / 3.0) * slope
