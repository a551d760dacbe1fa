"""Improvement of hypervolume: boxes against the exact volume, expectations against sampling."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dse.pareto import hypervolume, nondominated
from dse.searchers.improvement import Belief, boxes


@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(0, 25), st.booleans())
def test_boxes_fill_what_a_front_leaves(seed: int, m: int, n: int, ties: bool) -> None:
    rng = np.random.default_rng(seed)
    points = rng.integers(0, 5, (n, m)).astype(float) if ties else rng.random((n, m)) * 5
    reference = np.full(m, 4.5)
    front = points[nondominated(points)]
    left = boxes(front, reference)
    lower = np.column_stack([np.maximum(left.levels[j][left.lower[:, j]], -1.0) for j in range(m)])
    upper = np.column_stack([left.levels[j][left.upper[:, j]] for j in range(m)])
    assert (upper - lower).prod(axis=1).sum() == pytest.approx(5.5**m - hypervolume(front, reference))
    # What is certain adds what it adds.
    others = rng.random((4, m)) * 5
    certain = [Belief(column, np.full(4, 1e-9)) for column in others.T]
    for found, other in zip(left.expected_improvement(certain), others, strict=True):
        together = hypervolume(np.concatenate([front, other[None]]), reference)
        assert found == pytest.approx(together - hypervolume(front, reference), abs=1e-6)


@pytest.mark.parametrize("shift", [None, 0.0, 0.7])
@pytest.mark.parametrize("m", [1, 2, 3])
def test_the_expectation_is_that_of_samples(m: int, shift: float | None) -> None:
    rng = np.random.default_rng(m)
    points = 1 + rng.random((8, m))
    front, reference = points[nondominated(points)], np.full(m, 2.0)
    mean, deviation = rng.normal(0.4, 0.2, m), np.full(m, 0.3)
    beliefs = [Belief(mean[j : j + 1], deviation[j : j + 1], shift) for j in range(m)]
    draws = mean + deviation * rng.standard_normal((4_000, m))
    values = draws if shift is None else np.exp(draws) - shift
    before = hypervolume(front, reference)
    gains = [hypervolume(np.concatenate([front, value[None]]), reference) - before for value in values]
    error = np.std(gains) / np.sqrt(len(gains))
    assert boxes(front, reference).expected_improvement(beliefs)[0] == pytest.approx(
        np.mean(gains), abs=4 * error
    )


def test_nothing_is_expected_of_what_is_surely_dominated() -> None:
    left = boxes(np.array([[1.0, 1.0]]), np.array([2.0, 2.0]))
    certain = [Belief(np.array([1.5, 5.0]), np.full(2, 1e-9)) for _ in range(2)]
    assert left.expected_improvement(certain) == pytest.approx([0.0, 0.0])


def test_points_beyond_the_reference_do_not_count() -> None:
    left = boxes(np.array([[3.0, 0.0]]), np.array([2.0, 2.0]))
    assert len(left.lower) == 1
