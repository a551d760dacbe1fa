"""Predictions of each target from all others, beside learning n times."""

from __future__ import annotations

import numpy as np
import pytest

from dse import Real, Space, gaussian
from dse.designs import Designs
from dse.surrogates import TrainingData, fit
from dse.surrogates.regressors import gaussian_process as module
from dse.surrogates.regressors.forest import Forest
from dse.surrogates.regressors.gaussian_process import GaussianProcess
from dse.surrogates.regressors.ridge import Ridge


def sample(rows: int, features: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    x = random.random((rows, features)).astype(np.float32)
    return x, np.sin(3 * x[:, 0]) + x[:, 1] * x[:, -1] + 0.1 * random.normal(size=rows)


@pytest.mark.parametrize("rows", [12, 60])
def test_ridge_leaves_a_row_out_as_if_it_had_learned_without(rows: int) -> None:
    x, y = sample(rows, 4)  # with products, 14 terms: more and fewer than rows
    made = Ridge().fit(x, y, 0)
    found = made.left_out(x, y)
    assert found is not None
    terms = made._terms(x)
    terms = (terms - terms.mean(axis=0)) / terms.std(axis=0)
    penalised = np.diag([0.0] + [made._penalty * rows] * terms.shape[1])  # not the constant
    for row in range(rows):
        rest = np.arange(rows) != row
        design = np.column_stack([np.ones(rows), terms])
        weights = np.linalg.solve(design[rest].T @ design[rest] + penalised, design[rest].T @ y[rest])
        assert found[0][row] == pytest.approx(design[row] @ weights, rel=1e-6, abs=1e-6)


def test_a_gaussian_process_leaves_a_row_out_as_if_it_did_not_know_it() -> None:
    x, y = sample(40, 3)
    made = GaussianProcess().fit(x, y, 0)
    found = made.left_out(x, y)
    assert found is not None
    assert made._process is not None
    kernel, points = made._process.kernel, x.astype(float)
    for row in range(0, 40, 7):
        rest = np.arange(40) != row
        # The unit of variances is the deviation of what is known, here of one fewer.
        less = gaussian.fitted(kernel, points[rest], y[rest])
        mean, variance = less.predict(points[row : row + 1])
        assert found[0][row] == pytest.approx(mean[0], abs=0.02)
        assert found[1][row] ** 2 == pytest.approx(variance[0] + kernel.noise * less.spread**2, rel=0.2)


def test_the_doubt_of_few_points_is_what_a_process_of_them_would_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "DOUBTED_BY", 25)
    x, y = sample(40, 3)
    made = GaussianProcess().fit(x, y, 0)
    found = made.left_out(x, y)
    assert found is not None
    assert made._process is not None
    kernel, spread, points = made._process.kernel, made._process.spread, x.astype(float)
    place = {tuple(point): row for row, point in enumerate(points)}
    first = np.array([place[tuple(point)] for point in made._process.known[:25]])

    def doubt(rows: np.ndarray, row: int) -> float:
        less = gaussian.fitted(kernel, points[rows], y[rows])
        variance = less.predict(points[row : row + 1])[1][0] / less.spread**2
        return float(spread * np.sqrt(variance + kernel.noise))

    for row in range(40):
        assert found[1][row] == pytest.approx(doubt(first[first != row], row), rel=1e-5)
    unseen = sample(60, 3)[0][40:]
    predicted = made.predict(unseen)
    every = gaussian.fitted(kernel, points, y)
    assert predicted[0] == pytest.approx(every.predict(unseen.astype(float))[0])
    less = gaussian.fitted(kernel, points[first], y[first])
    variance = less.predict(unseen.astype(float))[1] / less.spread**2
    assert predicted[1] == pytest.approx(spread * np.sqrt(variance + kernel.noise), rel=1e-5)
    restored = GaussianProcess.from_state(made.state())
    assert np.array_equal(restored.predict(unseen)[1], predicted[1])


def test_one_stored_before_is_doubted_by_all_it_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = sample(40, 3)
    whole = GaussianProcess().fit(x, y, 0)
    monkeypatch.setattr(module, "DOUBTED_BY", 25)
    state = {name: value for name, value in whole.state().items() if name != "doubted_by"}
    assert np.array_equal(GaussianProcess.from_state(state).predict(x)[1], whole.predict(x)[1])
    assert not np.array_equal(GaussianProcess().fit(x, y, 0).predict(x)[1], whole.predict(x)[1])


def test_trees_cannot() -> None:
    x, y = sample(40, 3)
    assert Forest().fit(x, y, 0).left_out(x, y) is None


def test_intervals_of_a_regression_that_improves_with_every_row_are_not_too_wide() -> None:
    """The errors of nine tenths of 150 rows, for 105 terms, are greater than those of all."""
    space = Space([Real(f"x{place}", 0.0, 1.0) for place in range(13)])
    weights = np.random.default_rng(0).normal(size=(13, 13))
    inside = []
    for seed in range(6):
        known, unseen = space.sample(150, 2 * seed), space.sample(500, 2 * seed + 1)

        def value(designs: Designs) -> np.ndarray:
            x = designs.codes
            return np.asarray(((x @ weights) * x).sum(axis=1))

        none = np.zeros(150, dtype=bool)
        data = TrainingData(space, {"y": ""}, known, {"y": value(known)}, none, none)
        found = fit(data, model="ridge").predict(unseen, confidence=0.8)
        actual = value(unseen)
        inside.append(float(np.mean((actual >= found.lower["y"]) & (actual <= found.upper["y"]))))
    assert 0.74 <= np.mean(inside) <= 0.87, inside
