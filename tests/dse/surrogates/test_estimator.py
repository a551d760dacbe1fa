"""Regressors of scikit-learn's interface as surrogates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.ensemble import RandomForestRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import BayesianRidge, LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dse import Categorical, Integer, Minimize, Ordinal, Problem, Space, cost_model
from dse.errors import SurrogateError
from dse.surrogates import Surrogate, TrainingData, fit
from dse.surrogates.encoding import Encoding
from dse.surrogates.registry import Registry
from dse.surrogates.surrogate import Prediction

SPACE = Space(
    [Ordinal("tile", [8, 16, 32, 64, 128]), Integer("stages", 1, 8), Categorical("kind", ["a", "b"])]
)


@cost_model(metrics={"latency_ms": "ms", "area_mm2": "mm2"})
def model(d: Any) -> dict[str, Any]:
    return {
        "latency_ms": 100 / d["tile"] + d["stages"] * (1 + (d["kind"] == "b")),
        "area_mm2": 0.1 * d["tile"] * d["stages"],
    }


PROBLEM = Problem(SPACE, model, [Minimize("latency_ms"), Minimize("area_mm2")])


class Nearest(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Somebody's own: the nearest of the known points."""

    def __init__(self, power: float = 2.0) -> None:
        self.power = power

    def fit(self, X: Any, y: Any) -> Nearest:  # noqa: N803
        self.points_, self.values_ = np.asarray(X), np.asarray(y)
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        apart = (np.abs(np.asarray(X)[:, None, :] - self.points_) ** self.power).sum(axis=2)
        return np.asarray(self.values_[apart.argmin(axis=1)], float)


@pytest.fixture(scope="module")
def data() -> TrainingData:
    evaluations = PROBLEM.evaluate(SPACE.sample(60, 0))
    return TrainingData(
        SPACE,
        dict(model.metrics),
        evaluations.designs,
        evaluations.metrics,
        ~evaluations.evaluated,
        np.zeros(len(evaluations), bool),
    )


def unlike(surrogate: Surrogate) -> tuple[Prediction, dict[str, Any]]:
    designs = SPACE.sample(40, 1)
    return surrogate.predict(designs), {
        name: np.asarray(value)
        for name, value in model.evaluate(designs).items()  # type: ignore[union-attr]
    }


@pytest.mark.parametrize(
    "estimator",
    [
        RandomForestRegressor(10),
        make_pipeline(StandardScaler(), BayesianRidge()),
        GaussianProcessRegressor(normalize_y=True, alpha=1e-4),
        Nearest(),
    ],
    ids=lambda item: type(item).__name__,
)
def test_any_regressor_is_a_surrogate(data: TrainingData, estimator: Any) -> None:
    before = repr(estimator)
    surrogate = fit(data, model=estimator)
    assert repr(estimator) == before
    assert not hasattr(estimator, "n_features_in_")
    assert {name: item["model"] for name, item in surrogate.choice.items()} == {
        "latency_ms": "estimator", "area_mm2": "estimator",
    }  # fmt: skip
    prediction, actual = unlike(surrogate)
    for name, values in actual.items():
        spread = np.abs(values - np.median(values)).mean()
        assert np.abs(prediction.mean[name] - values).mean() < 0.7 * spread
        held = (prediction.lower[name] <= values) & (values <= prediction.upper[name])
        assert held.mean() > 0.75
        assert surrogate.report["metrics"][name]["coverage"]["0.9"] > 0.8


def test_a_stated_deviation_is_the_doubt(data: TrainingData) -> None:
    for estimator, states in ((BayesianRidge(), True), (LinearRegression(), False)):
        surrogate = fit(data, model=estimator)
        item = surrogate.fitted["area_mm2"]
        features = Encoding(SPACE, item.choice.sizes)(SPACE.sample(40, 1).codes)
        mean, doubt = item.regressor.predict(features)
        assert mean.shape == doubt.shape == (40,)
        assert bool(np.ptp(doubt) > 0) is states


def test_same_seed_same_surrogate(data: TrainingData) -> None:
    first, second, other = (
        unlike(fit(data, model=RandomForestRegressor(2), seed=seed))[0].mean["latency_ms"]
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


def test_each_metric_has_its_own(data: TrainingData) -> None:
    surrogate = fit(data, model={"latency_ms": "auto", "area_mm2": LinearRegression()})
    assert surrogate.choice["area_mm2"]["model"] == "estimator"
    assert surrogate.choice["latency_ms"]["model"] != "estimator"
    # The logarithm of a product is a sum: compared for estimators too.
    prediction, actual = unlike(surrogate)
    np.testing.assert_allclose(prediction.mean["area_mm2"], actual["area_mm2"], rtol=1e-3)


def test_estimators_that_skops_trusts_are_stored(data: TrainingData) -> None:
    for estimator in (RandomForestRegressor(3), make_pipeline(StandardScaler(), BayesianRidge())):
        surrogate = fit(data, model=estimator)
        again = Surrogate.from_bytes(surrogate.to_bytes())
        one, other = unlike(surrogate)[0], unlike(again)[0]
        for name in model.metrics:
            np.testing.assert_array_equal(one.mean[name], other.mean[name])
            np.testing.assert_array_equal(one.upper[name], other.upper[name])
        with pytest.raises(SurrogateError, match="an estimator of your own: hand that in again"):
            fit(data, model=again.choice)


def test_others_are_used_and_not_stored(data: TrainingData, tmp_path: Path) -> None:
    own = fit(data, model=Nearest())
    with pytest.raises(SurrogateError, match=r"Nearest cannot be stored: it holds '.*Nearest'"):
        own.to_bytes()
    with pytest.raises(SurrogateError, match="cannot be made again from what is stored"):
        Registry(f"sqlite:///{tmp_path}/dse.db").train("mine", ["study"], model=Nearest())


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (RandomForestRegressor, r"is the class RandomForestRegressor: make one, RandomForestRegressor\(\)"),
        (StandardScaler(), r"StandardScaler, which has no predict\(\)"),
        (3, r"int, which has no fit\(\)"),
        (RandomForestRegressor(criterion="no such"), "RandomForestRegressor cannot be fitted"),
        ({"latency_ms": Nearest()}, "says nothing of metric 'area_mm2'"),
    ],
)
def test_what_is_no_regressor_is_refused(data: TrainingData, estimator: Any, message: str) -> None:
    with pytest.raises(SurrogateError, match=message):
        fit(data, model=estimator)
