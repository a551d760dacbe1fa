"""Importances: they find what matters, say how good the model is, and repeat."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dse import Categorical, Integer, Minimize, Problem, Real, Space, cost_model
from dse.errors import StudyError
from dse.importance import parameter_importance
from tests.dse.studies import stored, trade_off


def problem() -> Problem:
    space = Space([
        Real("strong", 0, 1), Real("weak", 0, 1), Categorical("kind", ["a", "b", "c"]), Integer("idle", 1, 9),
    ])  # fmt: skip

    @cost_model(metrics={"cost": "s", "steep": "s", "constant": "", "noise": ""}, version="1")
    def model(d: Any) -> dict[str, Any]:
        cost = 10 * d["strong"] + 2 * d["weak"] + 4 * (d["kind"] == "b")
        noise = np.modf(np.sin(d["strong"] * 1e6 + d["weak"] * 1e7) * 1e5)[0]  # no forest can learn it
        return {"cost": cost, "steep": np.exp(cost), "constant": 0 * cost, "noise": noise}

    return Problem(
        space, model, [Minimize("cost"), Minimize("steep"), Minimize("constant"), Minimize("noise")]
    )


@pytest.fixture(scope="module")
def frame(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    return parameter_importance(stored(tmp_path_factory.mktemp("importance"), problem(), 1000))


def part(frame: pd.DataFrame, objective: str) -> pd.DataFrame:
    return frame[frame["objective"] == objective].set_index("parameter")


def test_parameters_are_ranked_by_what_they_explain(frame: pd.DataFrame) -> None:
    cost = part(frame, "cost")
    assert list(cost.index) == ["strong", "kind", "weak", "idle"]
    assert cost.loc["idle", "importance"] == pytest.approx(0, abs=0.02)
    assert cost["r2"].iloc[0] > 0.95
    # Shuffling a parameter costs twice the share of the variance that it alone explains.
    shares = np.array([100 / 12, 16 * 2 / 9, 4 / 12])
    assert cost["importance"].to_numpy()[:3] == pytest.approx(2 * shares / shares.sum(), abs=0.15)


def test_an_objective_of_wide_range_is_fitted_by_its_logarithm(frame: pd.DataFrame) -> None:
    assert set(part(frame, "steep")["scale"]) == {"log"}
    assert part(frame, "steep")["importance"]["strong"] == pytest.approx(
        part(frame, "cost")["importance"]["strong"], abs=0.1
    )


def test_what_cannot_be_explained_is_said(frame: pd.DataFrame) -> None:
    assert part(frame, "noise")["r2"].iloc[0] < 0.2
    assert part(frame, "constant")["r2"].isna().all()
    assert (part(frame, "constant")["importance"] == 0).all()


def test_the_same_study_gives_the_same_importances(tmp_path: Path) -> None:
    study = stored(tmp_path, trade_off(2), 300)
    first, second, other = (parameter_importance(study, seed=seed) for seed in (0, 0, 1))
    pd.testing.assert_frame_equal(first, second, check_exact=True)
    assert not first["importance"].equals(other["importance"])
    assert set(first["evaluations"]) == {300}


def test_too_few_evaluations_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"49 evaluations .* evaluate 50 or more"):
        parameter_importance(stored(tmp_path, trade_off(2), 49))
