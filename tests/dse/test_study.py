"""What a study promises: determinism, resume, nothing lost, nothing twice, failures kept."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

import dse.driver
import dse.searchers
from dse import Categorical, Integer, Minimize, Ordinal, Problem, Space, Study, StudyView, cost_model
from dse.errors import SearcherError, SpaceError, StoreError, StudyError
from dse.searchers.random import Random
from dse.store import Store
from tests.dse.problems import mixed_problem, tiling_problem

SEARCHERS = ["nsga2", "random", "exhaustive"]


@pytest.fixture
def url(tmp_path: Any) -> str:
    return f"sqlite:///{tmp_path}/dse.db"


def archive(study: StudyView) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    return study.evaluations(), study.front(), study.history().drop(columns="seconds")


def assert_same(one: StudyView, other: StudyView) -> None:
    for mine, theirs in zip(archive(one), archive(other), strict=True):
        pd.testing.assert_frame_equal(mine, theirs, check_exact=True)


def nondominated(points: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Rows that no other row dominates, by comparing all pairs."""
    better = (points[:, None] <= points[None]).all(-1) & (points[:, None] < points[None]).any(-1)
    return ~better.any(axis=0)


def test_the_public_contract_reads_as_documented(url: str) -> None:
    space = Space(
        [
            Ordinal("tile_m", [16, 32, 64, 128]),
            Integer("stages", 1, 5),
            Categorical("dtype", ["fp16", "int8"]),
        ],
        constraints=["tile_m * stages <= 512"],
    )

    @cost_model(metrics={"latency_ms": "ms", "energy_mj": "mJ"})
    def model(d: Any) -> dict[str, Any]:
        return {"latency_ms": 1e3 / d["tile_m"] + d["stages"], "energy_mj": 0.1 * d["tile_m"] * d["stages"]}

    problem = Problem(
        space, model, objectives=[Minimize("latency_ms"), Minimize("energy_mj")], limits=["energy_mj <= 40"]
    )
    study = Study("demo", problem, searcher="nsga2", seed=0, store=url)
    study.run(budget=2_000)  # the space is smaller: the run ends when it is exhausted

    evaluations = study.evaluations()
    assert list(evaluations) == [
        "number",
        "state",
        "tile_m",
        "stages",
        "dtype",
        "latency_ms",
        "energy_mj",
        "error",
    ]
    assert len(evaluations) == space.count() == 38
    assert not evaluations.duplicated(["tile_m", "stages", "dtype"]).any()
    assert (evaluations["state"] == np.where(evaluations["energy_mj"] > 40, "infeasible", "complete")).all()

    front = study.front()
    assert list(front) == ["tile_m", "stages", "dtype", "latency_ms", "energy_mj"]
    feasible = evaluations[evaluations["state"] == "complete"]
    best = feasible[nondominated(feasible[["latency_ms", "energy_mj"]].to_numpy())]
    assert sorted(front.index) == sorted(best["number"])
    assert front["latency_ms"].is_monotonic_increasing
    assert isinstance(study.hypervolume(reference=None), float)


@pytest.mark.parametrize("searcher", SEARCHERS)
def test_same_seed_same_archive(searcher: str, tmp_path: Any) -> None:
    studies = [
        Study("a", tiling_problem(), searcher, seed=3, store=f"sqlite:///{tmp_path}/{i}.db").run(350)
        for i in range(2)
    ]
    assert_same(*studies)
    if searcher != "exhaustive":
        other = Study("a", tiling_problem(), searcher, seed=4, store=f"sqlite:///{tmp_path}/other.db").run(
            350
        )
        assert not studies[0].evaluations().equals(other.evaluations())


@pytest.mark.parametrize("searcher", SEARCHERS)
@pytest.mark.parametrize("cuts", [(100, 200), (130, 170), (1, 2, 299)])
def test_a_larger_budget_later_is_the_same_as_at_once(
    searcher: str, cuts: tuple[int, ...], tmp_path: Any
) -> None:
    whole = Study("a", tiling_problem(), searcher, store=f"sqlite:///{tmp_path}/whole.db", batch=100).run(300)
    for budget in (*cuts, 300):
        piecewise = Study("a", tiling_problem(), searcher, store=f"sqlite:///{tmp_path}/parts.db", batch=100)
        piecewise.run(budget)
        assert sum(piecewise.counts().values()) == budget
    pd.testing.assert_frame_equal(whole.evaluations(), piecewise.evaluations(), check_exact=True)
    pd.testing.assert_frame_equal(whole.front(), piecewise.front(), check_exact=True)


@pytest.mark.parametrize("searcher", SEARCHERS)
@pytest.mark.parametrize("after", [0, 1, 2])
@pytest.mark.parametrize("committed", [False, True])
def test_a_crash_around_a_commit_changes_nothing(
    searcher: str, after: int, committed: bool, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Study("a", tiling_problem(), searcher, store=f"sqlite:///{tmp_path}/whole.db", batch=70).run(300)

    class Crash(BaseException):
        pass

    append, calls = Store.append, iter(range(100))

    def crashing(self: Store, *arguments: Any, **named: Any) -> Any:
        dies = next(calls) == after
        if dies and not committed:
            raise Crash
        result = append(self, *arguments, **named)
        if dies:
            raise Crash
        return result

    url = f"sqlite:///{tmp_path}/crashed.db"
    with monkeypatch.context() as patch:
        patch.setattr(Store, "append", crashing)
        with pytest.raises(Crash):
            Study("a", tiling_problem(), searcher, store=url, batch=70).run(300)
    stored = sum(StudyView("a", url).counts().values())
    assert stored == 70 * (after + committed)
    assert_same(whole, Study("a", tiling_problem(), searcher, store=url, batch=70).run(300))


def test_slow_batches_are_committed_in_parts_without_changing_the_archive(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Study("a", tiling_problem(), "nsga2", store=f"sqlite:///{tmp_path}/whole.db").run(250)
    monkeypatch.setattr(dse.driver, "COMMIT_SECONDS", 1e-9)
    seen: list[int] = []
    parts = Study("a", tiling_problem(), "nsga2", store=f"sqlite:///{tmp_path}/parts.db")
    parts.run(220, progress=lambda state: seen.append(state.evaluations))
    assert len(seen) > 100, "every design is committed alone once the first batch has shown how slow they are"
    parts.run(250)
    assert_same(whole, parts)


def test_a_model_of_several_workers_gets_as_many_designs_at_once(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dse.driver, "COMMIT_SECONDS", 1e-9)
    sizes = []

    class Parallel:
        name, version, settings, columns = "parallel", "1", {}, ("x",)
        metrics: ClassVar = {"f": "", "g": ""}
        workers = 4

        def evaluate(self, designs: Any) -> dict[str, Any]:
            sizes.append(len(designs))
            return {"f": designs["x"], "g": -designs["x"]}

    space = Space([Integer("x", 1, 500)])
    problem = Problem(space, Parallel(), [Minimize("f"), Minimize("g")])
    Study("s", problem, "random", store=url, batch=30).run(60)
    assert len(sizes) > 8
    assert sizes.count(4) >= len(sizes) - 3


def test_stop_keeps_what_was_evaluated(url: str) -> None:
    seen: list[int] = []
    study = Study("a", tiling_problem(), "nsga2", store=url)
    study.run(500, progress=lambda state: seen.append(state.evaluations), stop=lambda: len(seen) >= 2)
    assert seen == [100, 200]
    assert StudyView("a", url).record.state == "interrupted"
    study.run(500)
    assert StudyView("a", url).record.state == "done"
    assert len(study) == 500


def test_progress_tells_the_state_after_every_commit(url: str) -> None:
    states: list[dse.driver.Progress] = []
    study = Study("a", tiling_problem(fail_every=7), "nsga2", store=url).run(300, progress=states.append)
    assert [state.evaluations for state in states] == [100, 200, 300]
    assert states[-1].counts == study.counts()
    assert states[-1].front_size == len(study.front())
    assert states[-1].hypervolume == study.hypervolume()
    volumes = [state.hypervolume for state in states]
    assert volumes == sorted(volumes)


def test_failures_are_kept_with_their_reason_and_do_not_end_the_run(url: str) -> None:
    study = Study("a", tiling_problem(fail_every=3), "nsga2", store=url).run(400)
    frame = study.evaluations()
    failed = frame[frame["state"] == "failed"]
    assert 0 < len(failed) < 400 == len(frame)
    assert failed["error"].str.contains("nan for 'latency_ms'").all()
    assert failed[["latency_ms", "energy_mj"]].isna().all(axis=None)
    assert frame[frame["state"] == "complete"]["error"].isna().all()
    reasons = study.failures()
    assert reasons["count"].sum() == len(failed)
    assert frame.loc[reasons["example"].iloc[0], "state"] == "failed"


def test_a_model_that_always_fails_gives_a_study_of_failures(url: str) -> None:
    @cost_model(metrics={"cost": "s"}, version="1")
    def model(d: Any) -> dict[str, Any]:
        raise RuntimeError("no licence")

    problem = Problem(tiling_problem().space, model, [Minimize("cost")])
    study = Study("a", problem, store=url).run(120)
    assert study.counts() == {"complete": 0, "infeasible": 0, "failed": 120, "timeout": 0}
    assert study.front().empty
    assert study.hypervolume() == 0.0
    assert study.reference is None
    assert "no licence" in study.failures()["error"].iloc[0]


@pytest.mark.parametrize("searcher", SEARCHERS)
def test_exhausting_the_space_evaluates_every_design_once(searcher: str, url: str) -> None:
    problem = tiling_problem()
    study = Study("a", problem, searcher, store=url).run()
    frame = study.evaluations()
    assert len(frame) == problem.space.count()
    assert not frame.duplicated(list(problem.space.names)).any()
    assert study.record.state == "done"


def test_exhaustive_gives_the_exact_front(url: str) -> None:
    study = Study("a", tiling_problem(), "exhaustive", store=url, batch=97).run()
    frame = study.evaluations()
    feasible = frame[frame["state"] == "complete"]
    points = feasible[["latency_ms", "energy_mj", "quality"]].to_numpy() * [1, 1, -1]
    assert sorted(study.front().index) == sorted(feasible["number"][nondominated(points)])


def test_hypervolume_takes_the_reference_in_the_metrics_own_direction(url: str) -> None:
    space = Space([Integer("x", 0, 4)])

    @cost_model(metrics={"cost": "s", "gain": ""}, version="1")
    def model(d: Any) -> dict[str, Any]:
        return {"cost": d["x"], "gain": d["x"]}

    from dse import Maximize

    study = Study(
        "a", Problem(space, model, [Minimize("cost"), Maximize("gain")]), "exhaustive", store=url
    ).run()
    # Points (0, 0) .. (4, 4): a staircase below (5, -1): 5 + 4 + 3 + 2 + 1 unit squares.
    assert study.hypervolume(reference=(5, -1)) == 15
    assert study.reference == pytest.approx((4.4, -0.4))
    with pytest.raises(StudyError, match="needs 2 values"):
        study.hypervolume(reference=(5,))


def test_declared_references_are_used(url: str) -> None:
    problem = mixed_problem()
    declared = Problem(problem.space, problem.model, [Minimize("cost", reference=1_000.0)])
    assert Study("a", declared, store=url).run(50).reference == (1_000.0,)


def test_a_stored_study_refuses_another_problem_and_says_what_differs(url: str) -> None:
    problem = tiling_problem()
    Study("a", problem, store=url).run(50)
    limited = Problem(problem.space, problem.model, problem.objectives, ["energy_mj <= 50"])
    with pytest.raises(StudyError, match=r"limits\[0\].*60.*50"):
        Study("a", limited, store=url)
    for changes, message in (
        ({"seed": 1}, "seed: 0 -> 1"),
        ({"searcher": "random"}, "searcher.name"),
        ({"settings": {"modelled": 50}}, "modelled"),
        ({"batch": 7}, "searcher.batch: 4 -> 7"),
    ):
        with pytest.raises(StudyError, match=message):
            Study("a", problem, store=url, **changes)  # type: ignore[arg-type]
    assert len(Study("a", problem, store=url)) == 50


def test_bad_arguments_are_refused_before_any_work(url: str) -> None:
    problem = mixed_problem()
    with pytest.raises(SearcherError, match="known are auto, bayesian, exhaustive, gp, ilp, local"):
        Study("a", problem, "annealing", store=url)
    with pytest.raises(SearcherError, match="no setting 'pop'; known are modelled"):
        Study("a", problem, store=url, settings={"pop": 3})
    with pytest.raises(SearcherError, match="seed=-1"):
        Study("a", problem, store=url, seed=-1)
    with pytest.raises(StudyError, match="batch=0"):
        Study("a", problem, store=url, batch=0)
    study = Study("b", problem, store=url)
    with pytest.raises(StudyError, match="budget=0"):
        study.run(0)
    with pytest.raises(StudyError, match="give a budget"):
        study.run()
    with pytest.raises(StoreError, match="nothing"):
        StudyView("nothing", url)


def test_an_empty_space_is_said_to_be_empty(url: str) -> None:
    problem = tiling_problem()
    empty = Space(problem.space.parameters, [*problem.space.constraints, "tile_m * tile_n < 100"])
    with pytest.raises(SpaceError, match="no feasible design"):
        Study("a", Problem(empty, problem.model, problem.objectives), store=url).run(10)


def test_repeats_of_a_foreign_searcher_are_answered_from_the_store(tmp_path: Any) -> None:
    class Repeating(Random):
        """Proposes every other design again."""

        distinct = False
        told: list[tuple[str, ...]]

        def ask(self, n: int) -> Any:
            new = super().ask(n)
            return new.take(np.sort(np.resize(np.arange(max(1, n // 2)), n)))

        def tell(self, evaluations: Any) -> None:
            self.__dict__.setdefault("told", []).append(tuple(self.space.keys(evaluations.designs.codes)))
            super().tell(evaluations)

    searchers: list[Repeating] = []

    def make(space: Space, *, seed: int = 0) -> Repeating:
        searchers.append(Repeating(space, seed=seed))
        return searchers[-1]

    problem = tiling_problem()
    whole = Study("a", problem, make, store=f"sqlite:///{tmp_path}/whole.db", batch=20).run(60)
    told = searchers[-1].told
    assert len(whole) == 60
    assert not whole.evaluations().duplicated(list(problem.space.names)).any()
    assert {len(batch) for batch in told} == {20}, "the searcher is told all that it proposed, repeats too"

    url = f"sqlite:///{tmp_path}/parts.db"
    for budget in (7, 25, 60):
        parts = Study("a", problem, make, store=url, batch=20).run(budget)
    assert_frames(whole, parts)
    assert searchers[-1].told == told


def assert_frames(one: StudyView, other: StudyView) -> None:
    pd.testing.assert_frame_equal(one.evaluations(), other.evaluations(), check_exact=True)


def test_mixed_spaces_with_reals_run_and_resume(tmp_path: Any) -> None:
    small = {"modelled": 80}
    whole = Study("a", mixed_problem(), store=f"sqlite:///{tmp_path}/whole.db", settings=small).run(400)
    for budget in (150, 400):
        parts = Study("a", mixed_problem(), store=f"sqlite:///{tmp_path}/parts.db", settings=small).run(
            budget
        )
    assert_frames(whole, parts)
    chance = Study("a", mixed_problem(), "random", store=f"sqlite:///{tmp_path}/random.db").run(400)
    assert whole.front()["cost"].iloc[0] < chance.front()["cost"].iloc[0]


def test_a_searcher_of_ones_own_is_handed_in_as_a_class(url: str) -> None:
    class Last(Random):
        """Proposes one design at a time."""

        batch = 1

    study = Study("a", tiling_problem(), Last, store=url).run(5)
    assert study.record.searcher["name"].endswith("Last")
    assert len(study.history()) == 5
    with pytest.raises(SearcherError, match="lacks one of batch, distinct, ask and tell"):
        Study("b", tiling_problem(), lambda space, seed: object(), store=url)  # type: ignore[arg-type, return-value]


def test_a_run_that_was_killed_after_its_last_commit_is_done_when_run_again(url: str) -> None:
    study = Study("a", tiling_problem(), "nsga2", store=url).run(50)
    reference = study.reference
    assert reference is not None
    with study.store._write() as connection:
        connection.exec_driver_sql("UPDATE studies SET state = 'running', reference = NULL")
    again = Study("a", tiling_problem(), "nsga2", store=url).run(50)
    assert again.record.state == "done"
    assert again.reference == reference


def test_two_studies_share_a_store(url: str) -> None:
    with Store(url) as store:
        one = Study("one", tiling_problem(), "nsga2", store=store).run(100)
        two = Study("two", mixed_problem(), "random", store=store).run(50)
        assert (len(one), len(two)) == (100, 50)
        assert {record.name for record in store.studies()} == {"one", "two"}
