"""A warm start is fixed when the study is made: the archive is the same however interrupted."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import dse.warm.start
from dse import Integer, Space, Study, StudyView
from dse.errors import StoreError, StudyError
from dse.store import Store
from tests.dse.problems import mixed_problem, tiling_problem
from tests.dse.warm.problems import other_problem, problem_of, small


def archive(study: StudyView) -> list[pd.DataFrame]:
    return [study.evaluations(), study.front(), study.history().drop(columns="seconds")]


def assert_same(one: StudyView, other: StudyView) -> None:
    for mine, theirs in zip(archive(one), archive(other), strict=True):
        pd.testing.assert_frame_equal(mine, theirs, check_exact=True)


def sources(tmp_path: Path, store: Store) -> list[Any]:
    """A study of the same problem, one of another, and a file."""
    Study("same", tiling_problem(), "random", seed=1, store=store).run(120)
    Study("other", other_problem(), "random", seed=1, store=store).run(60)
    path = tmp_path / "designs.csv"
    tiling_problem().space.sample(20, 5).to_frame().to_csv(path)
    return ["same", "other", str(path)]


@pytest.mark.parametrize("searcher", ["nsga2", "local", "random"])
def test_sources_may_change_and_vanish_and_a_run_in_parts_is_the_same(searcher: str, tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/dse.db")
    given_ = sources(tmp_path, store)
    problem = tiling_problem()
    whole = Study("whole", problem, searcher, store=store, warm=given_, batch=30).run(150)
    parts = Study("parts", problem, searcher, store=store, warm=given_, batch=30)
    Study("same", problem, "random", seed=1, store=store).run(300)
    Study("parts", problem, searcher, store=store, warm=given_, batch=30).run(13)
    store.delete_study("same")
    store.delete_study("other")
    (tmp_path / "designs.csv").unlink()
    for budget, warm in ((14, None), (70, given_), (150, None)):
        parts = Study("parts", problem, searcher, store=store, warm=warm, batch=30).run(budget)
        assert len(parts) == 120 + budget
    assert_same(whole, parts)
    assert parts.started_from == whole.started_from
    assert not parts.evaluations().duplicated(list(problem.space.names)).any()


def test_another_warm_start_is_refused(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/dse.db")
    given_ = sources(tmp_path, store)
    problem = tiling_problem()
    Study("cold", problem, store=store)
    Study("warm", problem, store=store, warm=given_)
    designs = problem.space.sample(3, 0)
    Study("list", problem, store=store, warm=designs)
    with pytest.raises(StudyError, match="'cold' is stored already and was not started from another"):
        Study("cold", problem, store=store, warm="same")
    started = (
        r"'warm' is stored already and was started from study 'same': all 120 .*: take another name, or leave"
    )
    for other in ("same", [*given_, designs], list(reversed(given_))):
        with pytest.raises(StudyError, match=started):
            Study("warm", problem, store=store, warm=other)
    with pytest.raises(StudyError, match=started):
        Study("warm", problem, store=store, warm=given_, warm_nearest=True)
    with pytest.raises(StudyError, match="take another name"):
        Study("list", problem, store=store, warm=problem.space.sample(3, 1))
    path = tmp_path / "designs.csv"
    path.write_text(path.read_text() + "\n")
    with pytest.raises(StudyError, match=r"designs.csv: \d+ designs evaluated first, from 20 rows"):
        Study("warm", problem, store=store, warm=given_)
    for name in ("cold", "warm", "list", "new"):
        Study(name, problem, store=store, warm=[])
        Study(name, problem, store=store)
    Study("list", problem, store=store, warm=designs)


def test_what_is_no_source_is_said_to_be_none(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/dse.db")
    problem = tiling_problem()
    Study("empty", problem, store=store)
    Study("mixed", mixed_problem(), store=store).run(10)
    for warm, message in (
        ("absent", r"no study 'absent'.*; a file of designs ends in .csv, .json, .parquet"),
        ("a", "study 'a' cannot be started from itself"),
        ("empty", "study 'empty' has no evaluation yet"),
        ("mixed", "study 'mixed' has none of the parameters"),
        (3, "warm start from int"),
        ([["same"]], "warm start from list"),
        (f"sqlite:///{tmp_path}/none.db#a", "there is no store"),
        (problem.space.sample(0, 0), "holds no design"),
    ):
        with pytest.raises(StudyError, match=message):
            Study("a", problem, store=store, warm=warm)  # type: ignore[arg-type]
    assert [record.name for record in store.studies()] == ["empty", "mixed"]


def test_a_front_without_a_feasible_design_is_no_start(url: str) -> None:
    Study("a", small(["a <= -1"]), "random", store=url).run(20)
    with pytest.raises(StudyError, match="has no feasible design yet"):
        Study("b", problem_of(Space([Integer("x", 0, 30)])), "random", store=url, warm="a")


def test_a_crash_in_the_midst_of_taking_over_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = tiling_problem()
    monkeypatch.setattr(dse.warm.start, "ADOPTED_AT_ONCE", 50)
    store = Store(f"sqlite:///{tmp_path}/dse.db")
    Study("source", problem, "random", store=store).run(230)
    whole = Study("whole", problem, "nsga2", store=store, warm="source").run(100)
    assert whole.history()["evaluations"].tolist() == [50, 100, 150, 200, 230, 330]

    class Crash(BaseException):
        pass

    insert = Store._insert
    for after in range(5):
        calls = iter(range(100))

        def crashing(self: Store, *arguments: Any, calls: Any = calls, after: int = after) -> None:
            insert(self, *arguments)
            if next(calls) == after:
                raise Crash

        with monkeypatch.context() as patch:
            patch.setattr(Store, "_insert", crashing)
            with pytest.raises(Crash):
                Study("parts", problem, "nsga2", store=store, warm="source")
        with pytest.raises(StoreError, match="no study 'parts'"):
            StudyView("parts", store)
    parts = Study("parts", problem, "nsga2", store=store, warm="source")
    assert len(parts) == 230
    assert_same(whole, parts.run(100))


RUN = """
import sys, time
import dse.warm.start as start
from dse import Study
from tests.dse.problems import tiling_problem
from tests.dse.warm.problems import other_problem
rows = start.evaluation_rows
def slowly(*arguments):
    time.sleep(0.1)
    return rows(*arguments)
start.ADOPTED_AT_ONCE, start.evaluation_rows = 20, slowly
warm = [f"{sys.argv[2]}#{name}" for name in ("same", "other")]
problem = tiling_problem(delay=0.03, fail_every=11)
Study("a", problem, "nsga2", seed=5, store=sys.argv[1], batch=25, warm=warm).run(400)
"""


@pytest.mark.parametrize("kills", [1, pytest.param(20, marks=pytest.mark.slow)])
def test_kill_and_resume_gives_the_same_archive(kills: int, tmp_path: Path) -> None:
    origin, whole, killed = (f"sqlite:///{tmp_path}/{name}.db" for name in ("origin", "whole", "killed"))
    Study("same", tiling_problem(fail_every=11), "random", store=origin).run(160)
    Study("other", other_problem(), "random", store=origin).run(100)

    def start(url: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", RUN, url, origin], cwd=Path(__file__).parents[3])

    def stored(url: str) -> int | None:
        try:
            return len(StudyView("a", url))
        except StoreError:
            return None

    assert start(whole).wait() == 0
    moments = random.Random(kills)
    adopting = interrupted = 0
    for kill in range(kills):
        run = start(killed)
        if kill % 3 == 0 and stored(killed) is None:
            while not Path(killed.removeprefix("sqlite:///")).exists():
                time.sleep(0.005)
            time.sleep(moments.uniform(0.1, 0.6))  # taking over lasts 0.8 s
        else:
            before = stored(killed)
            while run.poll() is None and stored(killed) == before:
                time.sleep(0.005)
            time.sleep(moments.uniform(0.0, 0.8 / kills))
        interrupted += run.poll() is None
        run.kill()
        run.wait()
        found = stored(killed)
        adopting += found is None
        assert found is None or found >= 160, "all that is taken over is there, or no study"
    assert interrupted > kills / 2
    assert adopting, "no kill came while evaluations were taken over: the test shows little"
    assert start(killed).wait() == 0
    assert_same(StudyView("a", whole), StudyView("a", killed))
    assert len(StudyView("a", killed)) == 160 + 400
