"""What is learned of a metric, and the way back."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dse.surrogates.targets import Target, scales_of, target

POSITIVE = st.lists(st.floats(1e-9, 1e12), min_size=2, max_size=30).map(np.array)
ANY = st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=30).map(np.array)


@given(POSITIVE, st.sampled_from(["linear", "logarithm"]))
def test_the_way_back_gives_the_values(values: np.ndarray, scale: str) -> None:
    made = target(values, scale)
    np.testing.assert_allclose(made.values(made.learned(values)), values, rtol=1e-6, atol=1e-9 * values.max())


@given(ANY)
def test_what_is_learned_is_standardised(values: np.ndarray) -> None:
    learned = target(values, "linear").learned(values)
    assert np.isfinite(learned).all()
    if np.ptp(values) > 1e-6 * np.abs(values).max():
        assert learned.mean() == pytest.approx(0, abs=1e-6)
        assert learned.std() == pytest.approx(1)


@given(POSITIVE, st.lists(st.floats(-50, 50), min_size=1, max_size=20).map(np.array), st.floats(0, 20))
def test_intervals_hold_their_prediction_and_stay_above_what_is_possible(
    values: np.ndarray, learned: np.ndarray, width: float
) -> None:
    for scale in scales_of(values):
        made = target(values, scale)
        lower, upper = made.interval(learned, np.full(len(learned), width))
        mean = made.mean(learned)
        assert (lower <= mean).all()
        assert (mean <= upper).all()
        assert (lower >= 0).all()


def test_logarithms_are_for_what_is_not_negative_and_varies() -> None:
    assert scales_of(np.array([0.0, 3.0])) == ("linear", "logarithm")
    assert scales_of(np.array([-1.0, 3.0])) == ("linear",)
    assert scales_of(np.array([2.0, 2.0])) == ("linear",)


def test_values_near_nought_do_not_decide_alone() -> None:
    """A network without a path takes a microsecond, all others milliseconds."""
    values = np.concatenate([np.full(3, 1e-6), np.linspace(5.0, 20.0, 97)])
    learned = target(values, "logarithm").learned(values)
    # Without a floor they would lie as far below the others as these are apart a dozen times over.
    assert (learned[3] - learned[0]) < 12 * np.ptp(learned[3:])
    assert target(np.linspace(5.0, 20.0, 97), "logarithm").floor == 0


def test_whole_numbers_stay_whole_and_are_exact_where_they_are_hit() -> None:
    counts = np.array([0.0, 1.0, 4.0, 9.0, 250.0])
    made = target(counts, "logarithm")
    near = made.learned(counts) + 1e-3
    np.testing.assert_array_equal(made.mean(near), counts)
    assert made.exact(counts, near).all()
    lower, upper = made.interval(near, np.full(5, 0.2))
    assert (lower == np.rint(lower)).all()
    assert (upper == np.rint(upper)).all()
    half = target(counts + 0.5, "logarithm")
    assert not half.exact(counts + 0.5, half.learned(counts + 0.5)).any()


@pytest.mark.parametrize("values", [[0.0, 2.5, 9.0], [-1.0, 2.5], [3.0, 3.0], [1.0, 2.0]])
def test_json_and_back(values: list[float]) -> None:
    for scale in scales_of(np.array(values)):
        made = target(np.array(values), scale)
        assert Target.from_dict(json.loads(json.dumps(made.to_dict(), allow_nan=False))) == made
