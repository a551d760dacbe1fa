"""Effects of single parameters, on a model whose effects are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dse import Categorical, Integer, Minimize, Problem, Real, Space, Study, cost_model, plots
from dse.effects import parameter_effects
from dse.errors import StudyError


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    space = Space(
        [
            Integer("n", 1, 20),
            Categorical("kind", ["a", "b", "c"]),
            Real("x", 0.0, 1.0),
            Integer("idle", 1, 5),
        ]
    )

    @cost_model(metrics={"ms": "ms", "factor": "s"}, version="1")
    def model(d: Any) -> dict[str, Any]:
        kind = np.where(d["kind"] == "b", 10.0, 0.0)
        return {"ms": 3.0 * d["n"] + kind + 0 * d["x"], "factor": np.exp(0.3 * d["n"]) * (1 + 0 * kind)}

    problem = Problem(space, model, [Minimize("ms"), Minimize("factor")])
    url = f"sqlite:///{tmp_path_factory.mktemp('effects')}/a.db"
    return Study("a", problem, "random", store=url).run(1_500)


def test_sums_come_back(study: Study) -> None:
    frame = parameter_effects(study, "ms")
    assert frame["parameter"].iloc[0] == "n"
    n = frame[frame["parameter"] == "n"]
    slope = np.polyfit(n["value"].astype(float), n["effect"].astype(float), 1)[0]
    assert slope == pytest.approx(3.0, rel=0.05)
    kind = frame[frame["parameter"] == "kind"].set_index("value")["effect"]
    assert kind["b"] - kind["a"] == pytest.approx(10.0, rel=0.1)
    assert abs(kind["c"] - kind["a"]) < 1.0
    idle = frame[frame["parameter"] == "idle"]
    assert np.abs(idle["effect"]).max() < 1.0
    assert n["count"].sum() == 1_500
    assert np.average(n["effect"], weights=n["count"]) == pytest.approx(0.0, abs=1e-6)


def test_wide_ranges_are_told_as_factors(study: Study) -> None:
    frame = parameter_effects(study, "factor")
    n = frame[frame["parameter"] == "n"]
    assert set(frame["scale"]) == {"log"}
    rate = np.polyfit(n["value"].astype(float), np.log(n["effect"].astype(float)), 1)[0]
    assert rate == pytest.approx(0.3, rel=0.05)


def test_the_picture_has_a_panel_a_parameter(study: Study) -> None:
    figure = plots.parameter_effects(study, "ms", shown=3)
    assert len([trace for trace in figure.data if trace.type == "scatter"]) == 3
    assert "The first 3 of 4 parameters." in plots.caption(figure)


def test_too_little_is_told(tmp_path: Path, study: Study) -> None:
    few = Study("few", study.problem, "random", store=f"sqlite:///{tmp_path}/a.db").run(20)
    with pytest.raises(StudyError, match="20 evaluations with ms are too few"):
        parameter_effects(few)
    assert "Not enough" in plots.caption(plots.parameter_effects(few))
    with pytest.raises(StudyError, match="is no metric"):
        parameter_effects(study, "n")
