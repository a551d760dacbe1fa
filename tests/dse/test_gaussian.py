"""Gaussian processes: against scikit-learn, and their derivatives against differences."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dse import gaussian
from dse.gaussian import Kernel
from dse.searchers.outputs import SHIFTS, scale, tried


def data(n: int = 40, features: int = 3) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    points = rng.random((n, features))
    return points, np.sin(5 * points[:, 0]) + points[:, 1] ** 2 + 0.01 * rng.standard_normal(n)


def test_predictions_are_those_of_scikit_learn() -> None:
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern

    points, target = data()
    asked = np.random.default_rng(1).random((7, 3))
    # Without effects of single features, which scikit-learn's kernels here lack.
    kernel = Kernel(np.array([0.4, 0.7, 1.5]), 1.3, 0.0, 1e-3)
    mean, variance = gaussian.fitted(kernel, points, target).predict(asked)
    peer = GaussianProcessRegressor(
        ConstantKernel(1.3) * Matern([0.4, 0.7, 1.5], nu=2.5),
        alpha=1e-3 + gaussian.JITTER,
        optimizer=None,
        normalize_y=True,
    ).fit(points, target)
    expected, deviation = peer.predict(asked, return_std=True)
    assert mean == pytest.approx(expected, rel=1e-6)
    assert np.sqrt(variance) == pytest.approx(deviation, rel=1e-5)


def test_covariances_are_the_same_in_any_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    points, _ = data(40)
    asked = np.random.default_rng(1).random((23, 3))
    kernel = Kernel(np.array([0.4, 0.7, 1.5]), 1.3, 0.5, 1e-3)
    whole = kernel.between(asked, points)
    monkeypatch.setattr(gaussian, "BLOCK", 7 * len(points))
    assert kernel.between(asked, points) == pytest.approx(whole, rel=1e-12)
    assert kernel.between(asked[:0], points).shape == (0, 40)


def test_a_variance_after_the_first_points_is_that_of_a_process_that_knows_these_alone() -> None:
    points, target = data(40)
    asked = np.random.default_rng(1).random((7, 3))
    kernel = Kernel(np.array([0.4, 0.7, 1.5]), 1.3, 0.5, 1e-3)
    process = gaussian.fitted(kernel, points, target)
    fewer = gaussian.fitted(kernel, points[:15], target[:15])
    variance = process.predict(asked, first=15)[1] / process.spread**2
    assert variance == pytest.approx(fewer.predict(asked)[1] / fewer.spread**2, rel=1e-9)


def test_a_factor_that_is_singular_is_an_error() -> None:
    points, target = data(15)
    process = gaussian.fitted(Kernel(np.full(3, 0.6), 1.0, 0.5, 1e-2), points, target)
    factor = process.factor.copy()
    factor[4, 4] = 0.0
    with pytest.raises(np.linalg.LinAlgError, match="row 4"):
        replace(process, factor=factor).predict(points)


def test_a_fit_predicts_what_was_left_out() -> None:
    points, target = data(80)
    kernel = gaussian.learned(points[:60], target[:60])
    mean, variance = gaussian.fitted(kernel, points[:60], target[:60]).predict(points[60:])
    assert np.abs(mean - target[60:]).max() < 0.15
    assert (np.abs(mean - target[60:]) < 4 * np.sqrt(variance + 1e-4)).all()
    # The third feature says nothing.
    assert kernel.lengths[2] > kernel.lengths[0]


def test_what_is_left_out_is_predicted_as_if_it_had_not_been_seen() -> None:
    points, target = data(15)
    # A target of mean 0 and deviation 1 without the point as well: else the standard differs.
    target = (target - target.mean()) / target.std()
    kernel = Kernel(np.full(3, 0.6), 1.0, 0.5, 1e-2)
    expected, variance = gaussian.left_out(kernel, points, target)
    covariance = kernel.between(points, points) + (1e-2 + gaussian.JITTER) * np.eye(15)
    for row in range(15):
        rest = np.delete(np.arange(15), row)
        weights = np.linalg.solve(covariance[np.ix_(rest, rest)], target[rest])
        assert expected[row] == pytest.approx(covariance[row, rest] @ weights)
        known = covariance[row, rest] @ np.linalg.solve(covariance[np.ix_(rest, rest)], covariance[rest, row])
        assert variance[row] == pytest.approx(covariance[row, row] - known)


def test_features_of_a_group_share_a_length() -> None:
    points, target = data()
    kernel = gaussian.learned(points, target, np.array([0, 0, 1]))
    assert kernel.lengths[0] == kernel.lengths[1] != kernel.lengths[2]


def test_an_observed_point_is_as_if_it_had_been_told() -> None:
    points, target = data(30)
    kernel = Kernel(np.full(3, 0.5), 1.0, 0.3, 1e-3)
    process = gaussian.fitted(kernel, points[:20], target[:20])
    asked = process.posterior(points[20:])
    asked.observe(4)
    asked.observe(1)
    more = kernel.between(points[20:], points[[*range(20), 24, 21]])
    known = points[[*range(20), 24, 21]]
    covariance = kernel.between(known, known) + (1e-3 + gaussian.JITTER) * np.eye(22)
    variance = kernel.variances(points[20:]) - np.einsum(
        "ij,ji->i", more, np.linalg.solve(covariance, more.T)
    )
    assert asked.variance == pytest.approx(variance * process.spread**2, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("groups", [None, np.array([0, 1, 1])])
def test_derivatives_of_the_likelihood_are_right(monkeypatch: pytest.MonkeyPatch, groups: Any) -> None:
    from scipy import optimize

    points, target = data(12)
    seen: list[float] = []

    def check(function: Any, start: Any, **_: Any) -> Any:
        def value(theta: Any) -> float:
            return float(function(theta)[0])

        found = optimize.approx_fprime(start, value, 1e-6)
        assert function(start)[1] == pytest.approx(found, rel=1e-3, abs=1e-4)
        seen.append(1)
        return optimize.OptimizeResult(x=start)

    monkeypatch.setattr("scipy.optimize.minimize", check)
    gaussian.learned(points, target, groups)
    assert seen


def test_transformations_go_both_ways_and_keep_the_order() -> None:
    values = np.array([0.3, 5.0, 1.0, 40.0, 2.0])
    assert tried(values) == list(SHIFTS)
    assert 0.0 not in tried(values - 0.3)
    for above in SHIFTS:
        made = scale(values, above, reference=30.0)
        learned = made.learned(values)
        assert (np.argsort(learned) == np.argsort(values)).all()
        assert made.value(learned) == pytest.approx(values)
    # Far beyond the reference values are as bad as can be, where they are learned as they are.
    assert scale(values, np.inf, reference=4.0).learned(values).max() == pytest.approx(7.7)
