"""Figures of several studies, and of surrogates beside what was evaluated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dse import Study, plots
from dse.errors import StudyError, SurrogateError
from dse.pareto import hypervolume
from dse.surrogates import Registry
from tests.dse.problems import mixed_problem, tiling_problem


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> list[Study]:
    url = f"sqlite:///{tmp_path_factory.mktemp('several')}/a.db"
    return [
        Study(f"s{seed}", tiling_problem(), "nsga2", seed=seed, store=url, batch=50).run(200)
        for seed in range(3)
    ]


def test_fronts_are_drawn_whole(studies: list[Study]) -> None:
    figure = plots.studies_fronts(studies)
    drawn = {trace.name: len(trace.x) for trace in figure.data if trace.mode == "markers"}
    assert drawn == {f"{study.name} ({len(study.front())})": len(study.front()) for study in studies}


def test_hypervolumes_have_one_reference_point_and_end_at_the_fronts(studies: list[Study]) -> None:
    figure = plots.studies_progress(studies)
    signs = np.array([1, 1, -1])
    fronts = [study.front_objectives() * signs for study in studies]
    known = np.concatenate(fronts)
    point = known.max(axis=0) + 0.1 * np.ptp(known, axis=0)
    for trace, front in zip(figure.data, fronts, strict=True):
        assert trace.x[-1] == 200
        assert trace.y[-1] == pytest.approx(hypervolume(front, point))
        assert (np.diff(trace.y) >= -1e-9).all()


def test_attainment_is_ordered(studies: list[Study]) -> None:
    figure = plots.studies_attainment(studies)
    assert [trace.name for trace in figure.data] == [
        "every run (3 of 3)", "half of the runs (2 of 3)", "some run (1 of 3)",
    ]  # fmt: skip
    best = [np.min(trace.x) for trace in figure.data]
    assert best[0] >= best[1] >= best[2]


def test_unlike_studies_are_not_compared(studies: list[Study], tmp_path: Path) -> None:
    other = Study("other", mixed_problem(), "random", store=f"sqlite:///{tmp_path}/a.db").run(20)
    for draw in (plots.studies_fronts, plots.studies_progress, plots.studies_attainment):
        with pytest.raises(StudyError, match="'s0' and 'other' have other objectives"):
            draw([studies[0], other])
    with pytest.raises(StudyError, match="fronts are drawn over two objectives"):
        plots.studies_fronts([other])
    with pytest.raises(StudyError, match="no study is given"):
        plots.studies_fronts([])
    assert "Two studies" in plots.caption(plots.studies_attainment(studies[:1]))


def test_a_surrogate_beside_what_it_has_not_seen(studies: list[Study]) -> None:
    registry = Registry(studies[0].store)
    registry.train("t", ["s0"], model="forest")
    surrogate = registry.load("t")
    figure = plots.predicted_against_actual(surrogate, studies[1], "energy_mj")
    drawn = [trace for trace in figure.data if trace.mode == "markers"]
    frame = studies[1].evaluations()
    assert sum(len(trace.x) for trace in drawn) == frame["energy_mj"].notna().sum()
    inside = sum(len(trace.x) for trace in drawn if trace.name.startswith("within"))
    share = inside / frame["energy_mj"].notna().sum()
    assert f"{share:.1%} within the interval at 90%" in plots.caption(figure)
    covered = plots.interval_coverage(surrogate, studies[1])
    (line,) = [trace for trace in covered.data if trace.name == "energy_mj"]
    assert line.y[list(line.x).index(0.9)] == pytest.approx(share)
    nothing = plots.predicted_against_actual(surrogate, studies[0], without=range(200))
    assert "beside those that it learned from" in plots.caption(nothing)
    with pytest.raises(SurrogateError, match="metric='power' is not predicted"):
        plots.predicted_against_actual(surrogate, studies[0], "power")


def test_progress_over_seconds(studies: list[Study]) -> None:
    figure = plots.hypervolume_history(studies[0], over="seconds")
    assert list(figure.data[0].x) == pytest.approx(studies[0].history()["seconds"].tolist())
    with pytest.raises(StudyError, match="must be 'evaluations' or 'seconds'"):
        plots.hypervolume_history(studies[0], over="days")
