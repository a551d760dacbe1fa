"""A challenger is called better when it is: by more than chance, and in no metric worse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dse.surrogates.paired import interval_score, paired_test

from .fakes import Fake, data

RNG = np.random.default_rng
N = 60


def pair(one: float, other: float, *, seed: int = 0, n: int = N, halves: tuple[float, float] = (2, 2)) -> Any:
    """Test a challenger whose errors have the standard deviation `other` against one with that of `one`."""
    rng = RNG(seed)
    y = rng.uniform(10, 20, n)
    fakes = [
        Fake({"time": y + rng.normal(0, error, n)}, half)
        for error, half in zip((one, other), halves, strict=True)
    ]
    return paired_test(*fakes, data({"time": y}), ["time"])  # type: ignore[arg-type]


def test_smaller_errors_are_better_and_larger_ones_are_not() -> None:
    better, worse = pair(1.0, 0.5), pair(0.5, 1.0)
    assert better.better
    assert better.change < -0.2
    assert "better: " in better.verdict
    assert not worse.better
    assert worse.change == pytest.approx(0.4, abs=0.4)
    assert worse.verdict.startswith("not better: ")


def test_equal_surrogates_are_called_better_no_more_often_than_the_level() -> None:
    found = [pair(1.0, 1.0, seed=seed, n=25).better for seed in range(300)]
    assert sum(found) / len(found) < 0.09, "0.05, and chance in 300 trials"
    assert sum(found), "a test that never says better is none"


def test_a_surrogate_is_not_better_than_itself() -> None:
    y = RNG(0).uniform(1, 2, N)
    fake = Fake({"time": y * 1.1})
    found = paired_test(fake, fake, data({"time": y}), ["time"])  # type: ignore[arg-type]
    assert not found.better
    assert (found.change, found.p) == (0.0, 1.0)


def test_intervals_count_too_wide_ones_and_ones_that_do_not_hold() -> None:
    assert pair(1.0, 1.0, halves=(8, 2), seed=1).better, "the same errors, a quarter of the width"
    assert pair(1.0, 1.0, halves=(0.05, 2), seed=1).better, "intervals that hold"


def test_one_metric_that_became_worse_stops_the_others() -> None:
    rng = RNG(0)
    y = {"a": rng.uniform(10, 20, N), "b": rng.uniform(10, 20, N), "c": rng.uniform(10, 20, N)}
    one = Fake({name: column + rng.normal(0, 1.0, N) for name, column in y.items()})
    errors = {"a": 0.01, "b": 0.01, "c": 3.0}
    two = Fake({name: column + rng.normal(0, errors[name], N) for name, column in y.items()})
    found = paired_test(one, two, data(y), ["a", "b", "c"])  # type: ignore[arg-type]
    assert (found.change < 0, found.better) == (True, False)
    assert "but worse in c" in found.verdict
    assert paired_test(one, two, data(y), ["a", "b"]).better, "a metric that does not count"  # type: ignore[arg-type]


def test_a_few_large_designs_do_not_decide() -> None:
    rng = RNG(0)
    y = 10.0 ** rng.uniform(0, 6, 200)
    relative = rng.normal(0, 0.3, 200)
    one, two = y * np.exp(relative), y * np.exp(relative / 3)
    two[y > 5e5] = one[y > 5e5] * 1.05  # of which each weighs more than all small ones
    fakes = Fake({"time": one}, y), Fake({"time": two}, y)
    assert paired_test(*fakes, data({"time": y}), ["time"]).better  # type: ignore[arg-type]


def test_errors_in_the_last_digits_are_no_errors() -> None:
    y = np.full(N, 84.66)
    exact, nearly = Fake({"time": y}, 0.0), Fake({"time": y * (1 + 1e-14)}, 0.0)
    for pair in ((nearly, exact), (exact, nearly)):
        found = paired_test(*pair, data({"time": y}), ["time"])  # type: ignore[arg-type]
        assert not found.better
        assert not any(part.worse for part in found.parts)


def test_probabilities_of_failing_count_and_failed_designs_have_no_metrics() -> None:
    rng = RNG(0)
    failed = rng.random(N) < 0.5
    y = np.where(failed, np.nan, rng.uniform(10, 20, N))
    mean = np.nan_to_num(y) + 0.3
    blind, knows = Fake({"time": mean}, failure=0.5), Fake({"time": mean}, failure=np.where(failed, 0.9, 0.1))
    found = paired_test(blind, knows, data({"time": y}, failed), ["time"])  # type: ignore[arg-type]
    assert found.better
    assert {part.name: part.rows for part in found.parts} == {"time": int((~failed).sum()), "failed": N}


def test_intervals_without_an_end_are_worse_and_no_nonsense_comes_of_them() -> None:
    found = pair(1.0, 1.0, halves=(np.inf, 2), seed=1)
    assert found.better
    assert np.isfinite(found.change)
    assert not pair(1.0, 1.0, halves=(np.inf, np.inf)).better


def test_where_nothing_is_known_nothing_is_better() -> None:
    fake = Fake({"time": np.zeros(5)})
    found = paired_test(fake, fake, data({"time": np.full(5, np.nan)}), ["time"])  # type: ignore[arg-type]
    assert (found.better, found.parts) == (False, ())


def test_the_interval_score_is_that_of_the_paper() -> None:
    """Gneiting and Raftery 2007, equation 43, with alpha = 0.1, by hand."""
    lower, upper, actual = np.array([1.0, 1, 1]), np.array([3.0, 3, 3]), np.array([2.0, 0.5, 4])
    assert interval_score(lower, upper, actual) == pytest.approx([2, 2 + 20 * 0.5, 2 + 20 * 1])
