"""Drift is found where it is, and not where it is not."""

from __future__ import annotations

from math import ceil

import numpy as np
import pytest
from scipy.stats import binom

from dse.surrogates.drift import LEVEL, chance_outside, drift

from .fakes import Fake, data


def simulated(calibrated: int, rows: int, trials: int = 4_000) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """How many of `rows` new scores are above the quantile that conformal prediction takes of others."""
    rng = np.random.default_rng(0)
    scores = np.sort(rng.random((trials, calibrated)), axis=1)
    bound = scores[:, ceil(0.9 * (calibrated + 1)) - 1]
    return (rng.random((trials, rows)) > bound[:, None]).sum(axis=1)


@pytest.mark.parametrize("calibrated", [30, 200])
def test_the_probability_is_that_of_calibrated_intervals(calibrated: int) -> None:
    counts = simulated(calibrated, 150)
    for outside in (10, 15, 25, 35):
        exact = float((counts >= outside).mean())
        assert chance_outside(outside, 150, calibrated, 0.9) == pytest.approx(exact, abs=0.025)
    alarms = np.mean([chance_outside(count, 150, calibrated, 0.9) < LEVEL for count in counts.tolist()])
    assert 0 < alarms < 1.5 * LEVEL, "a binomial test would raise an alarm several times as often"
    plain = np.mean(binom.sf(counts - 1, 150, 0.1) < LEVEL)
    assert plain > alarms


def test_of_many_calibrated_values_it_is_the_binomial_test() -> None:
    for outside in (5, 12, 20):
        assert chance_outside(outside, 100, 10**7, 0.9) == pytest.approx(
            binom.sf(outside - 1, 100, 0.1), rel=1e-3
        )
    assert chance_outside(0, 100, 10**7, 0.9) == 1.0
    assert 0 < chance_outside(3, 3, 5, 0.9) <= 1, "of too few for an interval"


def test_metrics_that_moved_are_named_with_the_figures() -> None:
    rng = np.random.default_rng(0)
    y = {"a": rng.normal(0, 1, 200), "b": rng.normal(0, 1, 200)}
    fake = Fake({name: np.zeros(200) for name in y}, 1.645)
    calm = drift(fake, data(y))  # type: ignore[arg-type]
    assert calm.drifted == []
    moved = drift(fake, data({**y, "b": y["b"] + 1.5}))  # type: ignore[arg-type]
    assert moved.drifted == ["b"]
    figures = moved.to_dict()["metrics"]["b"]
    assert figures["rows"] == 200
    assert figures["expected"] == pytest.approx(20)
    assert figures["outside"] == int((np.abs(y["b"] + 1.5) > 1.645).sum())


def test_values_that_are_missing_or_differ_in_the_last_digit_are_not_outside() -> None:
    y = np.full(100, 84.66)
    y[:30] = np.nan
    found = drift(Fake({"a": np.full(100, 84.66 * (1 + 1e-15))}, 0.0), data({"a": y}))  # type: ignore[arg-type]
    assert (found.metrics[0].rows, found.metrics[0].outside) == (70, 0)


def test_many_metrics_do_not_raise_more_alarms() -> None:
    rng = np.random.default_rng(1)
    alarms = 0
    for _ in range(60):
        y = {f"m{index}": rng.normal(0, 1, 80) for index in range(20)}
        alarms += bool(drift(Fake({name: np.zeros(80) for name in y}, 1.645), data(y)).drifted)  # type: ignore[arg-type]
    assert alarms <= 3
