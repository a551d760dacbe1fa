"""Studies that start from others: evaluations of the same model, and the front of another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import dse.warm.start
from dse import Categorical, Designs, Integer, Minimize, Problem, Space, Study, StudyView, cost_model
from dse.searchers import BUILT_IN, make_searcher
from dse.searchers.local import neighbours
from dse.searchers.random import Random
from dse.warm.start import spread
from tests.dse.problems import tiling_problem
from tests.dse.warm.problems import counted, other_problem, small

# Evaluations of the same model


# A model is fitted for every batch of these: few designs show as much.
MODELLED = {"auto", "bayesian", "marl", "rl", "tpe"}


# `ilp` needs additive tables, `gp` PyTorch; they have tests of their own.
@pytest.mark.parametrize("searcher", sorted(set(BUILT_IN) - {"ilp", "gp"}))
def test_evaluations_of_the_same_problem_are_taken_over_and_not_made_again(searcher: str, url: str) -> None:
    problem, seen = counted(tiling_problem(fail_every=11))
    made, more = (40, 3) if searcher in MODELLED else (150, 30)
    source = Study("a", problem, "random", seed=1, store=url).run(made)
    assert len(seen) == made
    study = Study("b", problem, searcher, seed=1, store=url, warm="a")
    assert len(seen) == made, "nothing is evaluated to start"
    pd.testing.assert_frame_equal(study.evaluations(), source.evaluations(), check_exact=True)
    pd.testing.assert_frame_equal(study.front(), source.front(), check_exact=True)
    assert study.reference == source.reference
    assert study.hypervolume() == source.hypervolume()
    assert study.record.state == "new"

    study.run(more)
    assert study.adopted == made
    assert len(study) == made + more, "the budget is what the study makes itself"
    assert len(seen) == len(set(seen)) == made + more
    pd.testing.assert_frame_equal(study.evaluations()[:made], source.evaluations(), check_exact=True)
    assert study.history()["evaluations"].iloc[0] == made
    assert study.run(more).counts() == study.counts()


@pytest.mark.parametrize("searcher", ["local", "nsga2", "nsga3", "bayesian"])
def test_a_searcher_goes_on_from_what_was_taken_over(searcher: str, url: str) -> None:
    problem = tiling_problem()
    made = 40 if searcher == "bayesian" else 200
    source = Study("a", problem, "random", seed=1, store=url).run(made)
    study = Study("b", problem, searcher, store=url, warm=source, batch=10).run(10)
    told = make_searcher(searcher, problem.space, 0)
    told.tell(source.restore(source.store.evaluations(source.id)))
    asked = told.ask(10)
    assert study.evaluations()[made:][list(problem.space.names)].to_dict("records") == list(asked.rows())
    chance = make_searcher(searcher, problem.space, 0).ask(10)
    assert set(problem.space.keys(asked.codes)) != set(problem.space.keys(chance.codes))
    if searcher == "local":
        front = Designs.from_frame(problem.space, source.front()).codes
        near = neighbours(problem.space, front, np.random.default_rng(0))
        assert set(problem.space.keys(asked.codes)) <= set(problem.space.keys(near))


def test_it_helps(url: str) -> None:
    problem = tiling_problem()
    Study("a", problem, "nsga2", seed=1, store=url).run(400)
    cold = Study("cold", problem, "local", store=url).run(60)
    warm = Study("warm", problem, "local", store=url, warm="a").run(60)
    assert warm.hypervolume() > cold.hypervolume(warm.reference)
    assert len(warm.front()) > len(StudyView("a", url).front())


def test_a_space_that_was_exhausted_has_nothing_left(url: str) -> None:
    problem, seen = counted(tiling_problem())
    whole = Study("a", problem, "exhaustive", store=url).run()
    made = len(seen)
    for searcher in ("exhaustive", "nsga2"):
        study = Study(searcher, problem, searcher, store=url, warm="a").run()
        pd.testing.assert_frame_equal(study.front(), whole.front(), check_exact=True)
        assert study.record.state == "done"
    assert len(seen) == made > dse.warm.start.ADOPTED_AT_ONCE


def test_several_studies_give_each_design_once(url: str, tmp_path: Path) -> None:
    other = f"sqlite:///{tmp_path}/other.db"
    problem, seen = counted(tiling_problem())
    Study("a", problem, "random", seed=1, store=url).run(100)
    Study("b", problem, "random", seed=2, store=other).run(100)
    seen.clear()
    study = Study("c", problem, "random", seed=1, store=url, warm=["a", f"{other}#b", StudyView("a", url)])
    frame = study.evaluations()
    assert 100 < len(frame) < 200
    assert not frame.duplicated(list(problem.space.names)).any()
    shared = 200 - len(frame)
    assert study.started_from == [
        "study 'a': all 100 evaluations taken over",
        f"study 'b' in {other}: {100 - shared} of 100 evaluations taken over",
        "study 'a': 0 of 100 evaluations taken over",
    ]
    assert len(study.run(5)) == len(frame) + 5
    assert len(seen) == 5


def test_other_limits_and_objectives_judge_the_same_metrics(url: str) -> None:
    Study("a", small(), "random", store=url).run(300)
    problem, seen = counted(small(["c >= -100"], [Minimize("b"), Minimize("c")]))
    study = Study("b", problem, "random", store=url, warm="a")
    frame = study.evaluations()
    assert len(frame) == 300
    assert not seen
    assert (frame["state"] == np.where(frame["c"] < -100, "infeasible", "complete")).all()
    assert 0 < (frame["state"] == "infeasible").sum() < 300
    fresh = Problem.evaluate(problem, Designs.from_frame(problem.space, frame))
    restored = study.restore(study.store.evaluations(study.id))
    np.testing.assert_array_equal(restored.violation, fresh.violation)
    np.testing.assert_array_equal(restored.objectives, fresh.objectives)
    feasible = frame[frame["state"] == "complete"][["b", "c"]].to_numpy()
    worst = feasible.max(0) + 0.1 * (feasible.max(0) - feasible.min(0))
    assert study.reference == pytest.approx(worst), "another study's reference is of other objectives"


def test_of_other_bounds_the_designs_that_are_in_both_are_taken_over(url: str) -> None:
    source = Study("a", small(), "random", store=url).run(300)
    problem, _ = counted(small(low=10, high=50))
    study = Study("b", problem, "random", store=url, warm="a")
    both = source.evaluations().query("x >= 10").reset_index(drop=True)
    columns = ["state", "x", "y", "a", "b", "c"]
    pd.testing.assert_frame_equal(study.evaluations()[columns], both[columns])
    assert study.started_from == [f"study 'a': {len(both)} of 300 evaluations taken over"]
    assert problem.space.contains(Designs.from_frame(problem.space, study.evaluations())).all()


def test_of_no_design_in_common_the_front_is_moved(url: str) -> None:
    Study("a", small(high=5), "random", store=url).run(100)
    study = Study("b", small(low=20), "random", store=url, warm="a")
    assert study.adopted == 0
    assert "designs evaluated first" in study.started_from[0]
    assert (study.run(2).evaluations()["x"] == 20).all()


def test_failures_and_timeouts_are_taken_over_as_they_are(url: str) -> None:
    from dse import Outcome

    class Slow:
        name, version, settings, columns, metrics = "slow", "1", {}, ("x",), {"f": "s"}

        def evaluate(self, designs: Any) -> Any:
            late = np.flatnonzero(designs["x"] % 7 == 0).tolist()
            errors = dict.fromkeys(np.flatnonzero(designs["x"] % 5 == 1).tolist(), "it broke")
            return Outcome(
                {"f": designs["x"] * 1.0}, {**errors, **dict.fromkeys(late, "too late")}, frozenset(late)
            )

    problem = Problem(Space([Integer("x", 1, 99)]), Slow(), [Minimize("f")])
    source = Study("a", problem, "random", store=url).run(60)
    assert all(source.counts()[state] for state in ("complete", "failed", "timeout"))
    study = Study("b", problem, "nsga2", store=url, warm="a")
    pd.testing.assert_frame_equal(study.evaluations(), source.evaluations(), check_exact=True)
    pd.testing.assert_frame_equal(study.failures(), source.failures())


def test_repeats_of_a_foreign_searcher_are_answered_by_what_was_taken_over(url: str) -> None:
    problem, seen = counted(tiling_problem())
    Study("a", problem, "random", seed=0, store=url).run(40)

    class Forgets(Random):
        """Proposes what was taken over once more."""

        distinct = False

        def ask(self, n: int) -> Any:
            return Random(self.space, seed=0).ask(40) if self._told == 40 else super().ask(n)

    seen.clear()
    study = Study("b", problem, Forgets, store=url, warm="a", batch=40).run(20)
    assert len(seen) == 20
    assert not study.evaluations().duplicated(list(problem.space.names)).any()


# Another study's front


@pytest.mark.parametrize("searcher", ["nsga2", "local"])
def test_the_front_of_a_similar_problem_is_evaluated_first(searcher: str, url: str) -> None:
    source = Study("a", tiling_problem(), "nsga2", seed=1, store=url).run(300)
    problem, seen = counted(other_problem())
    study = Study("b", problem, searcher, store=url, warm="a", seed=4)
    assert (len(study), study.adopted, len(seen)) == (0, 0, 0)
    assert study.reference is None
    first = study.start
    assert first is not None
    assert problem.space.contains(first).all()
    study.run(len(first) + 20)
    frame = study.evaluations()
    assert frame[: len(first)][list(problem.space.names)].to_dict("records") == list(first.rows())
    assert not frame.duplicated(list(problem.space.names)).any()

    front = source.front()
    assert len(first) <= min(len(front), 100)
    nearest = {16: 8, 32: 24, 64: 48, 128: 128}  # 16 is as near to 8 as to 24: the lower
    near = {nearest[value] for value in front["tile_m"]}
    # A constraint of this space moves a few on.
    assert np.isin(first["tile_m"], list(near)).mean() > 0.8
    assert len(set(first["tile_m"])) > 2
    assert set(first["layout"]) == {"row", "column", "tiled"}, "what the source lacks is drawn at random"
    taken = study.record.warm
    assert taken is not None
    assert taken["sources"][0]["front"] == len(front)


def test_a_long_front_is_thinned_evenly_and_its_ends_come_first(url: str) -> None:
    @cost_model(metrics={"f": "", "g": ""}, version="1")
    def line(d: Any) -> dict[str, Any]:
        return {"f": d["x"] * 1.0, "g": -1.0 * d["x"]}

    @cost_model(metrics={"f": "", "g": ""}, version="2")
    def later(d: Any) -> dict[str, Any]:
        return {"f": d["x"] * 1.0, "g": -1.0 * d["x"]}

    space = Space([Integer("x", 0, 999)])
    objectives = [Minimize("f"), Minimize("g")]
    Study("a", Problem(space, line, objectives), "exhaustive", store=url).run()
    study = Study("b", Problem(space, later, objectives), "random", store=url, warm="a")
    assert study.start is not None
    x = study.start["x"]
    assert len(x) == 100
    assert x[:3].tolist() == [0, 999, 499]
    assert np.diff(np.sort(x)).max() <= 16
    assert study.started_from == ["study 'a': 100 designs evaluated first, from 100 of its front of 1,000"]


def test_spread_takes_the_farthest_next() -> None:
    points = np.random.default_rng(0).random((40, 3)) * [1.0, 1e6, 1e-6]
    scaled = (points - points.min(0)) / np.ptp(points, axis=0)
    order = spread(points, 40)
    assert sorted(order) == list(range(40))
    assert order[0] == points[:, 0].argmin()
    for place in range(1, 40):
        gaps = np.linalg.norm(scaled[order[place:], None] - scaled[None, order[:place]], axis=2).min(1)
        assert gaps[0] == gaps.max()
    assert spread(np.zeros((5, 2)), 3).tolist() == [0, 1, 2], "equal points, each once"


def test_values_of_inactive_parameters_say_nothing(url: str) -> None:
    """Their canonical value in the source is no choice: where they are active here, any value is as good."""
    space = Space([Categorical("split", [False]), Integer("splits", 2, 9, active_if="split == True")])
    here = Space([Integer("splits", 2, 9)])

    @cost_model(metrics={"f": ""}, version="1", columns=["splits"])
    def model(d: Any) -> dict[str, Any]:
        return {"f": d["splits"] * 1.0}

    Study("a", Problem(space, model, [Minimize("f")]), "exhaustive", store=url).run()
    problem = Problem(here, model, [Minimize("f")])
    studies = [Study(f"b{seed}", problem, seed=seed, store=url, warm="a") for seed in range(8)]
    found = {study.start["splits"][0] for study in studies if study.start is not None}
    assert len(found) > 1
