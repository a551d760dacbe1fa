"""Short lists: kept in the store, from the command line and Python."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dse import Study, StudyView
from dse.errors import StoreError
from dse.store import Store
from tests.commands import dse
from tests.dse.problems import tiling_problem


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/a.db"
    Study("a", tiling_problem(), "random", store=url).run(60)
    return url


def test_it_keeps_order_and_notes(url: str) -> None:
    with Store(url) as store:
        store.shortlist.add(1, [7, 3], "small")
        store.shortlist.add(1, [1])
        store.shortlist.add(1, [3, 1], "rather\nthis")
        store.shortlist.remove(1, [7, 50])
        assert store.shortlist.items(1) == [(3, "rather\nthis"), (1, "rather\nthis")]
        with pytest.raises(StoreError, match="no evaluation 60: take a number of its front"):
            store.shortlist.add(1, [2, 60])
        with pytest.raises(StoreError, match="too long"):
            store.shortlist.add(1, [2], "x" * 3_000)
    frame = StudyView("a", url).shortlist()
    assert frame.index.tolist() == [3, 1]
    evaluations = StudyView("a", url).evaluations().set_index("number")
    assert frame.drop(columns="note").equals(evaluations.loc[[3, 1]].drop(columns="error"))


def test_the_command(url: str, tmp_path: Path) -> None:
    def shortlist(*arguments: str, check: int = 0) -> str:
        done = dse("shortlist", "a", *arguments, "--store", url, cwd=tmp_path, check=check)
        return done.stderr if check else done.stdout

    told = shortlist("--add", "5, #9", "--note", "nice \x1b[31mred")
    assert "#5: nice  [31mred" in told
    assert [row["number"] for row in json.loads(shortlist("--format", "json"))] == [5, 9]
    assert "\n9," in shortlist("--remove", "5", "--format", "csv")
    assert "must be evaluation numbers" in shortlist("--add", "best", check=2)
    assert "--note is of designs that are added" in shortlist("--note", "x", check=2)
    assert "no evaluation 99" in shortlist("--add", "99", check=2)


def test_a_deleted_study_takes_it_along(url: str) -> None:
    with Store(url) as store:
        store.shortlist.add(1, [7])
        store.delete_study("a")
        assert store.shortlist.items(1) == []
