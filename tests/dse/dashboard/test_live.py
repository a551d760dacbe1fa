"""A study read piece by piece is the study; filters keep what they say."""

from __future__ import annotations

import base64
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest

from dse import Study
from dse.dashboard import columns
from dse.dashboard import live as reading
from dse.dashboard.columns import Filters, front_of
from dse.dashboard.live import LiveStudy, Studies
from dse.pareto import nondominated
from dse.plots.density import CELLS, counts, with_density
from dse.plots.fronts import front_2d
from dse.store import Store
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
    monkeypatch.setattr(reading, "CHUNK", 30)
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
    assert kept.columns.mask(kept.filters).nonzero()[0].tolist() == rows.index.tolist()
    good = rows[rows["state"] == "complete"]
    values = good[["latency_ms", "energy_mj", "quality"]].to_numpy() * [1, 1, -1]
    assert sorted(kept.front().index) == sorted(good.index[nondominated(values)])
    points = kept.points(10_000)
    assert len(points.front) + points.dominated_count == len(good)
    assert points.infeasible_count == (rows["state"] == "infeasible").sum()


def test_a_study_made_anew_under_a_name_is_another(url: str) -> None:
    studies = Studies(url)
    assert studies.live("a").total == 200
    with Store(url) as store:
        store.delete_study("a")
    Study("a", tiling_problem(), "random", store=url).run(30)
    assert studies.live("a").total == 30


@pytest.mark.parametrize("seed", range(5))
def test_screening_changes_no_front(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(seed)
    values = rng.random((6_000, 2 + seed % 3)).round(3 if seed % 2 else 9)
    expected = np.flatnonzero(nondominated(values))
    monkeypatch.setattr(columns, "SCREENED", 100)
    assert front_of(values, np.arange(len(values))).tolist() == expected.tolist()


def test_a_density_counts_every_dominated_design(tmp_path: Path) -> None:
    view = stored(tmp_path, trade_off(2), 6_000, batch=2_000)
    study = Studies(view.store.url).live(view.name).filtered()
    plain = front_2d(study)
    x, y = plain.layout.meta["x"], plain.layout.meta["y"]
    made = with_density(plain, study, most=2_000)
    dominated = view.counts()["complete"] - len(view.front())
    assert [trace.name for trace in made.data if "dominated" in trace.name] == [
        f"dominated ({dominated:,}), as density"
    ]
    axes = made.layout.xaxis, made.layout.yaxis
    found = [np.log10(v) if a.type == "log" else v for a, v in zip(axes, study.cloud(x, y), strict=True)]
    spans = [(float(values.min()), float(values.max())) for values in found]
    cells = counts(*found, spans)
    assert cells.sum() == dominated
    edges = [np.linspace(*span, CELLS + 1) for span in spans]
    expected, _, _ = np.histogram2d(*found, bins=edges)
    assert np.abs(cells - expected).sum() <= 0.01 * dominated  # values on an edge may fall on either side
    (drawn,) = made.layout.images
    assert np.array_equal(opacity(drawn.source) > 0, (cells > 0).T[::-1])
    assert (drawn.x, drawn.x + drawn.sizex) == pytest.approx(spans[0])
    assert (drawn.y - drawn.sizey, drawn.y) == pytest.approx(spans[1])


def opacity(source: str) -> np.ndarray:
    """Return the opacity of each pixel of a PNG of grey and opacity."""
    content = base64.b64decode(source.removeprefix("data:image/png;base64,"))
    width, height = struct.unpack(">II", content[16:24])
    start = content.index(b"IDAT") + 4
    size = struct.unpack(">I", content[start - 8 : start - 4])[0]
    rows = np.frombuffer(zlib.decompress(content[start : start + size]), np.uint8).reshape(
        height, 1 + 2 * width
    )
    assert not rows[:, 0].any()
    return rows[:, 2::2]


def test_what_is_held_is_not_changed_by_what_is_read_meanwhile(tmp_path: Path) -> None:
    problem = trade_off(2)
    view = stored(tmp_path, problem, 400, batch=100)
    live = Studies(view.store.url).live(view.name)
    held = live.filtered()
    before = held.points(100), held.counts(), held.cloud(*[o.metric for o in held.objectives])
    Study(view.name, problem, "random", store=view.store.url, batch=100).run(800)
    live.refresh()
    assert (len(held.columns), live.loaded) == (400, 800)
    after = held.points(100), held.counts(), held.cloud(*[o.metric for o in held.objectives])
    assert before[0].dominated.equals(after[0].dominated)
    assert before[1] == after[1]
    assert np.array_equal(before[2], after[2])
