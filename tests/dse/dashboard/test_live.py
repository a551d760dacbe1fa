"""A study read piece by piece is the study; filters keep what they say."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from dse import Study
from dse.dashboard import live as module
from dse.dashboard.live import Filters, LiveStudy, Studies, front_of
from dse.pareto import nondominated
from dse.plots.density import CELLS, with_density
from dse.plots.fronts import front_2d
from tests.dse.problems import tiling_problem
from tests.dse.studies import stored, trade_off


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/a.db"
    Study("a", tiling_problem(fail_every=7), "nsga2", seed=1, store=url, batch=40).run(200)
    return url


def test_what_was_added_is_read(url: str) -> None:
    studies = Studies(url)
    live = studies.live("a")
    assert live.loaded == live.total == 200
    before = live.version
    study = Study("a", tiling_problem(fail_every=7), "nsga2", seed=1, store=url, batch=40).run(280)
    live = studies.live("a")
    assert live.version != before
    assert live.loaded == 280
    whole = live.filtered()
    assert whole.front().equals(study.front())
    assert whole.counts() == study.counts()
    columns = [*study.space.names, *study.metrics]
    expected = study.evaluations().set_index("number")[columns]
    assert live.frame(np.arange(280))[columns].equals(expected)
    assert whole.hypervolume() == pytest.approx(study.hypervolume())


def test_many_evaluations_are_read_in_a_thread(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", 30)
    live = Studies(url).live("a")
    assert live.filtered().front().equals(live.view.front())  # at once
    until = time.monotonic() + 10
    while live.loaded < 200 and time.monotonic() < until:
        time.sleep(0.01)
    assert live.loaded == 200
    assert live.filtered().front().equals(live.view.front())


def test_filters_keep_what_they_say(url: str) -> None:
    live: LiveStudy = Studies(url).live("a")
    frame = live.view.evaluations().set_index("number")
    kept = live.filtered(Filters({"latency_ms": (2.0, 40.0), "stages": (2.0, None)}, {"dtype": (0, 2)}))
    rows = frame[
        frame["latency_ms"].between(2.0, 40.0) & (frame["stages"] >= 2) & frame["dtype"].isin(["fp16", "fp8"])
    ]
    assert live.mask(kept.filters).nonzero()[0].tolist() == rows.index.tolist()
    good = rows[rows["state"] == "complete"]
    values = good[["latency_ms", "energy_mj", "quality"]].to_numpy() * [1, 1, -1]
    assert sorted(kept.front().index) == sorted(good.index[nondominated(values)])
    points = kept.points(10_000)
    assert len(points.front) + points.dominated_count == len(good)
    assert points.infeasible_count == (rows["state"] == "infeasible").sum()


def test_a_study_made_anew_under_a_name_is_another(url: str) -> None:
    studies = Studies(url)
    assert studies.live("a").total == 200
    with module.Store(url) as store:
        store.delete_study("a")
    Study("a", tiling_problem(), "random", store=url).run(30)
    assert studies.live("a").total == 30


@pytest.mark.parametrize("seed", range(5))
def test_screening_changes_no_front(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(seed)
    values = rng.random((6_000, 2 + seed % 3)).round(3 if seed % 2 else 9)
    expected = np.flatnonzero(nondominated(values))
    monkeypatch.setattr(module, "SCREENED", 100)
    assert front_of(values, np.arange(len(values))).tolist() == expected.tolist()


def test_a_density_counts_every_dominated_design(tmp_path: Path) -> None:
    view = stored(tmp_path, trade_off(2), 6_000, batch=2_000)
    study = Studies(view.store.url).live(view.name).filtered()
    plain = front_2d(study)
    made = with_density(plain, study, most=2_000)
    (heat,) = [trace for trace in made.data if trace.type == "heatmap"]
    counts = np.nansum(10.0 ** np.asarray(heat.z, float))
    dominated = view.counts()["complete"] - len(view.front())
    assert counts == pytest.approx(dominated, rel=1e-3)
    assert len(heat.x) == CELLS + 1
    assert not any(
        (trace.name or "").startswith("dominated (") and trace.type != "heatmap" for trace in made.data
    )
