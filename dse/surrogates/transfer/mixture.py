"""A Gaussian process whose hyperparameters are a mixture: how likely each is, known devices say.

For one setting, the new device's metric is a constant (nothing is known of it), a sum over causes and noise;
its scale is unknown too (prior 1/variance). All of it is in closed form (C. E. Rasmussen, C. K. I. Williams,
"Gaussian Processes for Machine Learning", MIT Press, 2006, sections 2.2 and 2.7; A. O'Hagan, "Curve fitting
and optimal design for prediction", JRSS B 40(1), 1978). Settings are a fixed, low-discrepancy set, weighed by
how well they explain few measurements of each known device given the others: the prior that makes those most
probable, by expectation maximisation (N. Laird, "Nonparametric maximum likelihood estimation of a mixing
distribution", JASA 73(364), 1978), held back by a uniform part.

Ten measurements may hold one that went wrong (a background process, a throttled clock). So each setting is
weighed with every single measurement taken for noisier, too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dse.surrogates.transfer.basis import Basis

Floats = NDArray[np.float64]

SETTINGS = 256
# Logarithms of a cause's weight, and of the noise over all causes, lie between this and 0.
LEAST_LOGARITHM = -7.0
# The share of the uniform part, in known devices.
UNIFORM = 3.0
ITERATIONS = 200
# How likely one of the measurements is wrong, and its variance over that of others' noise. Of the latencies
# of nine devices of NAS-Bench-201, 0.2 to 5 % lie four robust deviations from a smooth fit: among ten
# measurements there is one in up to four of ten cases.
WRONG = 0.3
WRONG_VARIANCE = 30.0
# Settings that are predicted with: the most likely.
KEPT = 40
CHUNK = 1 << 15


@dataclass(frozen=True)
class Settings:
    """Hyperparameters, and how likely each is.

    Attributes
    ----------
    weights
        Of causes (s, causes); they sum to 1.
    noise
        Variances (s,).
    probability
        Of each (s,).
    """

    weights: Floats
    noise: Floats
    probability: Floats

    @property
    def mean(self) -> tuple[Floats, float]:
        """The expected weights (causes,), and the noise by its expected logarithm."""
        return self.probability @ self.weights, float(np.exp(self.probability @ np.log(self.noise)))


def all_settings(causes: int) -> Settings:
    """Return settings spread over all weights and noises, equally likely."""
    from scipy.stats import qmc

    places = qmc.Sobol(causes + 1, seed=0).random(SETTINGS)
    values = np.exp(LEAST_LOGARITHM * places)
    weights = values[:, :-1] / values[:, :-1].sum(axis=1, keepdims=True)
    return Settings(weights, values[:, -1], np.full(SETTINGS, 1.0 / SETTINGS))


def likely(settings: Settings, evidence: Floats, known: int) -> Settings:
    """Return the settings as likely as the known devices make them.

    Parameters
    ----------
    settings
        Equally likely ones (s,).
    evidence
        Logarithms of how likely few measurements of known devices are (tasks, s).
    known
        How many devices the tasks are of.
    """
    if not len(evidence):
        return settings
    odds = np.exp(evidence - evidence.max(axis=1, keepdims=True))
    uniform = UNIFORM * len(evidence) / known / odds.shape[1]
    probability = settings.probability
    for _ in range(ITERATIONS):
        shares = odds * probability
        shares /= shares.sum(axis=1, keepdims=True)
        probability = shares.sum(axis=0) + uniform
        probability /= probability.sum()
    return Settings(settings.weights, settings.noise, probability)


def log_evidence(settings: Settings, covariances: Floats, values: Floats) -> Floats:
    """Return how likely measurements are, as logarithms up to a constant.

    Parameters
    ----------
    settings
        (s,).
    covariances
        Between the measured designs by cause (causes, m, m).
    values
        Measured (m,), at least two.

    Returns
    -------
    An array (s, m + 1): none of the measurements is wrong, or one of them is. Restricted likelihood, the
    scale integrated out.
    """
    m = len(values)
    inverse, logarithm = _inverted(settings, covariances)
    # Of the constant and the values: V^-1 [1, y], then [1, y]' V^-1 [1, y].
    pair = np.stack([np.ones(m), values / _unit(values)], axis=1)
    solved = inverse @ pair
    inner = np.einsum("mi,smj->sij", pair, solved)
    diagonal = np.diagonal(inverse, axis1=1, axis2=2)
    # A noisier measurement is a change of rank one: the formula of Sherman, Morrison and Woodbury.
    more = settings.noise[:, None] * (WRONG_VARIANCE - 1.0)
    factor = 1.0 + more * diagonal
    less = np.einsum("smi,smj->smij", solved, solved) * (more / factor)[:, :, None, None]
    each = np.concatenate([inner[:, None], inner[:, None] - less], axis=1)
    determinants = np.column_stack([logarithm, logarithm[:, None] + np.log(factor)])
    ones = each[..., 0, 0]
    squares = np.maximum(each[..., 1, 1] - each[..., 0, 1] ** 2 / ones, 1e-12)
    prior = np.log(np.append(1.0 - WRONG, np.full(m, WRONG / m)))
    return np.asarray(-0.5 * (determinants + np.log(ones) + (m - 1) * np.log(squares)) + prior)


@dataclass(frozen=True)
class Posterior:
    """What is known of a new device after measurements.

    Attributes
    ----------
    weights, noise, probability
        Of the settings that count (t, causes), (t,), (t,).
    solution
        Of values less constant, by setting (t, m).
    constant, scale
        By setting (t,): the metric's level, and the variance by which covariances are multiplied.
    inverse
        Of measurements' covariances (t, m, m).
    wrong
        How likely each measurement is wrong (m,).
    """

    weights: Floats
    noise: Floats
    probability: Floats
    solution: Floats
    constant: Floats
    scale: Floats
    inverse: Floats
    wrong: Floats

    def predict(self, measured: Basis, basis: Basis) -> tuple[Floats, Floats]:
        """Return mean and deviation (n,) of measurements of designs (n,), given the measured designs (m,)."""
        means, variances = np.empty(len(basis)), np.empty(len(basis))
        size = max(1, CHUNK // len(self.probability))
        ones = self.inverse.sum(axis=2)
        total = ones.sum(axis=1)
        for start in range(0, len(basis), size):
            part = slice(start, start + size)
            designs = basis.take(part)
            covariances = np.tensordot(self.weights, designs.between(measured), axes=1)
            mean = np.einsum("tnm,tm->tn", covariances, self.solution) + self.constant[:, None]
            left = self.weights @ designs.variances + self.noise[:, None]
            left -= np.einsum("tnm,tnm->tn", covariances @ self.inverse, covariances)
            left += (1.0 - np.einsum("tnm,tm->tn", covariances, ones)) ** 2 / total[:, None]
            variance = self.scale[:, None] * np.maximum(left, 1e-9)
            means[part] = self.probability @ mean
            variances[part] = self.probability @ (variance + (mean - means[part]) ** 2)
        return means, np.sqrt(variances)


def posterior(settings: Settings, measured: Basis, values: Floats) -> Posterior:
    """Return what measurements (m,) of designs (m,) say."""
    m = len(values)
    covariances = measured.between(measured)
    evidence = log_evidence(settings, covariances, values) + np.log(settings.probability)[:, None]
    odds = np.exp(evidence - evidence.max())
    odds /= odds.sum()
    best = np.argsort(-odds, axis=None, kind="stable")[:KEPT]
    which, wrong = np.unravel_index(best, odds.shape)
    probability = odds[which, wrong] / odds[which, wrong].sum()
    noise = np.repeat(settings.noise[which][:, None], m, axis=1)
    at = np.flatnonzero(wrong)
    noise[at, wrong[at] - 1] *= WRONG_VARIANCE
    kept = Settings(settings.weights[which], noise, probability)
    inverse, _ = _inverted(kept, covariances)
    ones = inverse.sum(axis=2)
    constant = ones @ values / ones.sum(axis=1)
    left = values - constant[:, None]
    solution = np.einsum("tmk,tk->tm", inverse, left)
    least = (1e-6 * _unit(values)) ** 2
    scale = np.maximum(np.einsum("tm,tm->t", solution, left) / (m - 1), least)
    return Posterior(
        kept.weights, settings.noise[which], probability, solution, constant, scale, inverse,
        odds[:, 1:].sum(axis=0),
    )  # fmt: skip


def _inverted(settings: Settings, covariances: Floats) -> tuple[Floats, Floats]:
    """Return the inverses (s, m, m) of covariances with noise, and the logarithms of determinants (s,)."""
    total = np.tensordot(settings.weights, covariances, axes=1)
    m = total.shape[1]
    total[:, np.arange(m), np.arange(m)] += settings.noise.reshape(len(total), -1)
    return np.asarray(np.linalg.inv(total)), np.asarray(np.linalg.slogdet(total)[1])


def _unit(values: Floats) -> float:
    """Return a size to divide values by, so that thresholds do not depend on their unit."""
    return float(values.std()) or float(np.abs(values).max()) or 1.0
