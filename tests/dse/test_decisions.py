"""Rankings of a front: by a reference point, by weights, by limits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dse.decisions import achievement, epsilon_constraint, weighted
from dse.errors import StudyError
from dse.pareto import nondominated

FRONT = np.array([[0.0, 10.0], [1.0, 6.0], [4.0, 5.0], [10.0, 0.0]])
points = st.lists(st.tuples(*[st.floats(0, 100, width=32)] * 3), min_size=1, max_size=20)


def test_a_reference_point_is_approached_by_the_objective_that_is_worst_off() -> None:
    # Ranges are 10 and 10: (4, 5) misses (1, 2) by 0.3 in either objective, the others one by more.
    scores = achievement(FRONT, [1.0, 2.0])
    assert scores == pytest.approx([0.8, 0.4, 0.3, 0.9], abs=1e-3)
    assert achievement(FRONT, [12.0, 12.0])[2] < 0  # all aims are met
    # What counts little may miss by more.
    assert achievement(FRONT, [0.0, 0.0], [1.0, 0.01]).argmin() == 0


def test_a_dent_of_the_front_is_reached_by_a_reference_point_and_by_no_weights() -> None:
    assert achievement(FRONT, [4.0, 5.0]).argmin() == 2
    firsts = {int(weighted(FRONT, [share, 1 - share]).argmin()) for share in np.linspace(0.001, 0.999, 500)}
    assert firsts == {0, 1, 3}


def test_limits_are_kept_and_the_rest_is_in_order() -> None:
    assert epsilon_constraint(FRONT, 0, [np.inf, 6.0]).tolist() == [1, 2, 3]
    assert epsilon_constraint(FRONT, 1, [4.0, -1.0]).tolist() == [2, 1, 0]
    assert epsilon_constraint(FRONT, 1, [-1.0, 0.0]).tolist() == []


@given(points, st.tuples(*[st.floats(-50, 150)] * 3))
def test_the_first_is_pareto_optimal(values: list[tuple[float, ...]], aims: tuple[float, ...]) -> None:
    array = np.array(values)
    best = nondominated(array)
    scores = achievement(array, aims)
    assert best[np.flatnonzero(scores == scores.min())].any()
    sums = weighted(array, [1.0, 2.0, 3.0])
    assert best[np.flatnonzero(sums == sums.min())].any()
    assert ((sums >= -1e-9) & (sums <= 1 + 1e-9)).all()


def test_bad_input_is_told() -> None:
    with pytest.raises(StudyError, match=r"aims .* need 2 values"):
        achievement(FRONT, [1.0])
    with pytest.raises(StudyError, match="must be 2 positive numbers"):
        weighted(FRONT, [1.0, 0.0])
    with pytest.raises(StudyError, match="one value an objective"):
        epsilon_constraint(FRONT, 2, [1.0, 1.0])
    with pytest.raises(StudyError, match="a matrix"):
        weighted([1.0, 2.0], [1.0])
