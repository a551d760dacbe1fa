"""Pages of evaluations: each kept one is on one page, in the order that was asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dse import Study
from dse.dashboard.listing import PAGE, listing, orders
from dse.dashboard.live import FilteredStudy, Studies
from dse.dashboard.state import View
from tests.dse.problems import tiling_problem


@pytest.fixture
def study(tmp_path: Path) -> FilteredStudy:
    url = f"sqlite:///{tmp_path}/a.db"
    Study("a", tiling_problem(fail_every=7), "random", seed=1, store=url, batch=50).run(250)
    return Studies(url).live("a").filtered()


@pytest.mark.parametrize(
    "order", ["newest", "oldest", "least latency_ms", "greatest latency_ms", "least of all"]
)
def test_each_evaluation_is_on_one_page(study: FilteredStudy, order: str) -> None:
    pages = [listing(study, View({"order": order, "page": str(page)}))[0] for page in (1, 2, 3)]
    assert [len(page) for page in pages] == [PAGE, PAGE, 50]
    numbers = np.concatenate(pages)
    assert sorted(numbers.tolist()) == list(range(250))
    values = study.columns.metric("latency_ms")[numbers]
    known = values[~np.isnan(values)]
    assert np.isnan(values[len(known) :]).all() or "latency" not in order
    steps = {"newest": -np.diff(numbers), "oldest": np.diff(numbers), "least latency_ms": np.diff(known),
             "greatest latency_ms": -np.diff(known), "least of all": -np.diff(numbers)}[order]  # fmt: skip
    assert (steps >= 0).all()


def test_states_and_pages_that_do_not_exist(study: FilteredStudy) -> None:
    numbers, said = listing(study, View({"states": "failed\ntimeout", "page": "99"}))
    failed = study.counts()["failed"]
    assert 0 < failed == len(numbers)
    assert said == f"1 to {failed} of {failed} evaluations; page 1 of 1."
    for page in ("0", "-1", "x", "1e3"):
        assert listing(study, View({"page": page}))[0][0] == 249
    none, said = listing(study, View({"states": "timeout"}))
    assert len(none) == 0
    assert "No evaluation is left" in said


def test_orders_name_every_metric() -> None:
    assert [option["value"] for option in orders(["a"])] == ["newest", "oldest", "least a", "greatest a"]
