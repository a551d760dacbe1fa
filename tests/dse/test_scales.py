"""The choice of an axis."""

from __future__ import annotations

import numpy as np
import pytest

from dse.scales import suits_logarithm

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (10.0 ** RNG.uniform(-2, 2, 500), True),
        (np.geomspace(1, 9, 50), False),  # less than a decade
        (RNG.uniform(1e-6, 1, 500), False),  # a wide span only by a few values near zero
        (np.array([-1.0, 1, 10, 1000]), False),
        (np.array([0.0, 1, 10, 1000]), False),
        (np.array([1, 10, 100, np.nan, np.inf]), True),
        (np.array([5.0, 5.0]), False),
        (np.array([]), False),
    ],
)
def test_the_axis_is_the_one_that_spreads_values(values: np.ndarray, expected: bool) -> None:
    assert suits_logarithm(values) is expected
