"""How far predictions are off: by numbers worked out by hand, and beside scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import r2_score, roc_auc_score

from dse.surrogates.scoring import area_under_curve, classification, errors, scores, spearman

from .fakes import Fake, data

PAIRS = st.lists(
    st.tuples(st.floats(-1e3, 1e3, width=32), st.floats(-1e3, 1e3, width=32)), min_size=3, max_size=30
).map(lambda pairs: np.array(pairs, float).T)


def test_errors_by_hand() -> None:
    found = errors(np.array([0.0, 0.0, 4.0, 10.0]), np.array([0.0, 1.0, 6.0, 10.0]))
    assert found["mae"] == pytest.approx(0.75)
    assert found["rmse"] == pytest.approx(np.sqrt(5 / 4))
    assert found["nrmse"] == pytest.approx(np.sqrt(5 / 4) / 10)
    # 0 of 0 is right; 1 of 0 is off by 2, as far as it goes; 6 of 4 by 2 * 2 / 10.
    assert found["smape"] == pytest.approx((0 + 2 + 0.4 + 0) / 4)


@given(PAIRS)
def test_errors_beside_scikit_learn(pairs: np.ndarray) -> None:
    actual, predicted = pairs
    found = errors(actual, predicted)
    assert 0 <= found["smape"] <= 2 + 1e-12
    if np.ptp(actual) > 1e-3:
        assert found["r2"] == pytest.approx(r2_score(actual, predicted), rel=1e-6, abs=1e-6)


def test_what_does_not_vary_has_no_rank_and_no_share_explained() -> None:
    found = errors(np.full(4, 2.0), np.arange(4.0))
    assert found["r2"] is found["nrmse"] is found["spearman"] is None
    assert spearman(np.arange(4.0), np.full(4, 1.0)) is None


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=40))
def test_area_under_the_curve_beside_scikit_learn(cases: list[tuple[bool, int]]) -> None:
    truth = np.array([case for case, _ in cases])
    chance = np.array([value / 5 for _, value in cases])
    found = area_under_curve(truth, chance)
    if truth.all() or not truth.any():
        assert found is None
    else:
        assert found == pytest.approx(roc_auc_score(truth, chance))


def test_classification_by_hand() -> None:
    found = classification(np.array([True, False, False, False]), np.array([0.5, 0.0, 0.5, 0.0]))
    assert found == {"auc": pytest.approx(2.5 / 3), "brier": pytest.approx(0.125), "share": 0.25}


def test_scores_count_what_intervals_hold_and_leave_out_what_has_no_value() -> None:
    fake = Fake({"time": [1.0, 2.0, 3.0, 4.0]}, half=np.array([0.5, 0.5, 0.5, 0.5]))
    fake.report = {"failed": None, "infeasible": None}
    found = scores(fake, data({"time": [1.25, 2.75, np.nan, 4.5]}, failed=[False, False, True, False]))
    item = found["metrics"]["time"]
    assert found["rows"] == 4
    assert item["mae"] == pytest.approx((0.25 + 0.75 + 0.5) / 3)
    assert item["coverage"] == {
        "0.8": pytest.approx(2 / 3),
        "0.9": pytest.approx(2 / 3),
        "0.95": pytest.approx(2 / 3),
    }
    assert found["failed"] is None
