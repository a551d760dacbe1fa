"""Bayesian search: what it learns, what it believes, and that both are resumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dse import Categorical, Integer, Minimize, Ordinal, Problem, Space, Study, cost_model
from dse.errors import ProblemError, SearcherError
from dse.features import Features
from dse.models import renamed
from dse.pareto import hypervolume, nondominated
from dse.searchers import make_searcher

SPACE = Space(
    [
        Integer("a", 0, 20),
        Integer("b", 0, 20),
        Ordinal("tile", [16, 32, 48, 64, 80, 96, 112, 128]),
        Categorical("kind", ["x", "y", "z"]),
    ],
    ["a + b <= 30"],
)


@cost_model(metrics={"cost": "ms"})
def bumpy(d: Any) -> Any:
    power = (d["tile"] & (d["tile"] - 1)) == 0
    kind = np.where(d["kind"] == "y", 1.0, 1.6)
    return {"cost": (1 + (d["a"] - 13.0) ** 2 + (d["b"] - 4.0) ** 2) * np.where(power, 1.0, 3.0) * kind}


@cost_model(metrics={"near": "", "far": ""})
def two(d: Any) -> Any:
    near = (d["a"] - 3.0) ** 2 + (d["b"] - 3.0) ** 2 + 1 + d["tile"] / 64
    far = (d["a"] - 17.0) ** 2 + (d["b"] - 9.0) ** 2 + 1 + d["tile"] / 64
    return {"near": near, "far": far + (d["kind"] == "x")}


def search(problem: Problem, searcher: str, seed: int, budget: int, **settings: Any) -> Any:
    made = make_searcher(searcher, problem.space, seed, settings, problem.prior_objectives)
    told = []
    while sum(map(len, told)) < budget:
        told.append(problem.evaluate(made.ask(made.batch)))
        made.tell(told[-1])
    return np.concatenate([part.objectives for part in told])[:budget]


def test_it_finds_the_optimum_sooner_than_chance() -> None:
    problem = Problem(SPACE, bumpy, [Minimize("cost")])
    best = [[search(problem, name, seed, 60).min() for seed in range(3)] for name in ("bayesian", "random")]
    # One of 9,504 designs is best, at 1.
    assert np.median(best[0]) < 1.7
    assert np.median(best[0]) < np.median(best[1]) / 2


def test_it_spreads_over_a_front() -> None:
    problem = Problem(SPACE, two, [Minimize("near"), Minimize("far")])
    reference = [300.0, 300.0]

    def volume(searcher: str, seed: int) -> float:
        found = search(problem, searcher, seed, 60)
        return hypervolume(found[nondominated(found)], reference)

    every = problem.evaluate(next(SPACE.enumerate(chunk=100_000))).objectives
    exact = hypervolume(every[nondominated(every)], reference)
    ours = np.median([volume("bayesian", seed) for seed in range(3)]) / exact
    assert ours > 0.97
    assert ours > np.median([volume("random", seed) for seed in range(3)]) / exact


@pytest.mark.parametrize("seed", range(3))
def test_a_limit_that_binds_is_learned(seed: int) -> None:
    problem = Problem(SPACE, two, [Minimize("near")], limits=["far <= 60"])
    every = problem.evaluate(next(SPACE.enumerate(chunk=100_000)))
    optimum = every.objectives[every.violation == 0].min()
    # Designs that break the limit are far better.
    assert every.objectives.min() < optimum / 20
    made = make_searcher("bayesian", SPACE, seed)
    best = np.inf
    for _ in range(20):
        told = problem.evaluate(made.ask(4))
        made.tell(told)
        best = min(best, np.min(told.objectives[told.violation == 0], initial=np.inf))
    assert best <= 1.15 * optimum


def test_a_prior_is_tried_first_and_forgiven_where_it_errs() -> None:
    @cost_model(metrics={"guess": ""})
    def near_miss(d: Any) -> Any:
        return {"guess": 1 + (d["a"] - 11.0) ** 2 + (d["b"] - 6.0) ** 2}

    problem = Problem(SPACE, bumpy, [Minimize("cost")], prior=renamed(near_miss, {"guess": "cost"}))
    made = make_searcher("bayesian", SPACE, 0, prior=problem.prior_objectives)
    first = made.ask(4)
    assert set(first["a"].tolist()) == {11}
    assert set(first["b"].tolist()) == {6}
    without = Problem(SPACE, bumpy, [Minimize("cost")])
    found = {
        (budget, believed): np.median([search(of, "bayesian", seed, budget).min() for seed in range(3)])
        for budget in (8, 40)
        for believed, of in ((False, without), (True, problem))
    }
    assert found[8, True] < found[8, False]
    assert found[40, True] <= 2.0
    ignored = make_searcher("bayesian", SPACE, 0, {"use_prior": False}, problem.prior_objectives)
    assert ignored.ask(4).codes.tolist() == make_searcher("bayesian", SPACE, 0).ask(4).codes.tolist()


def test_a_prior_is_part_of_the_problem() -> None:
    plain = Problem(SPACE, bumpy, [Minimize("cost")])
    believing = Problem(SPACE, bumpy, [Minimize("cost")], prior=bumpy)
    assert plain.fingerprint != believing.fingerprint
    assert plain.prior_objectives is None
    designs = SPACE.sample(5, 0)
    assert believing.prior_objectives is not None
    assert believing.prior_objectives(designs)[:, 0] == pytest.approx(bumpy(designs)["cost"])
    with pytest.raises(ProblemError, match="the prior 'two' has no metric 'cost'; it has near, far"):
        Problem(SPACE, bumpy, [Minimize("cost")], prior=two)
    with pytest.raises(ProblemError, match="the prior 'bumpy' reads column 'tile', which the space lacks"):
        Problem(Space([Integer("q", 0, 1)]), _other, [Minimize("cost")], prior=bumpy)
    with pytest.raises(ProblemError, match="the model 'two' has no metric 'cost'"):
        renamed(two, {"cost": "near"})


@cost_model(metrics={"cost": ""})
def _other(d: Any) -> Any:
    return {"cost": d["q"]}


def test_a_run_is_the_same_in_parts(tmp_path: Path) -> None:
    problem = Problem(SPACE, two, [Minimize("near"), Minimize("far")], prior=two)
    store = f"sqlite:///{tmp_path}/dse.db"
    Study("whole", problem, searcher="bayesian", seed=3, store=store).run(budget=52)
    for budget in (7, 24, 33, 52):
        Study("parts", problem, searcher="bayesian", seed=3, store=store).run(budget=budget)
    frames = [Study(name, problem, searcher="bayesian", seed=3, store=store).evaluations() for name in
              ("whole", "parts")]  # fmt: skip
    # A batch that a budget cut short is another batch, so that designs may differ from there on; up to
    # the first cut, and in all where the cuts are at batches, they do not.
    assert frames[0].iloc[:7].equals(frames[1].iloc[:7])
    for budget in (8, 24, 36, 52):
        Study("even", problem, searcher="bayesian", seed=3, store=store).run(budget=budget)
    even = Study("even", problem, searcher="bayesian", seed=3, store=store).evaluations()
    assert frames[0].equals(even)


def test_few_are_asked_for_where_each_tells_most() -> None:
    problem = Problem(SPACE, bumpy, [Minimize("cost")])
    made = make_searcher("bayesian", SPACE, 0)
    batches, told = [], 0
    while told < 110:
        batches.append((told, made.batch))
        made.tell(problem.evaluate(made.ask(made.batch)))
        told += batches[-1][1]
    assert {size for at, size in batches if at < 20 or at >= 100} == {4}
    assert {size for at, size in batches if 20 <= at < 100} == {2}


def test_many_evaluations_are_learned_from_in_part() -> None:
    problem = Problem(SPACE, bumpy, [Minimize("cost")])
    told = problem.evaluate(SPACE.sample(2_000, 0))
    made = make_searcher("bayesian", SPACE, 0, {"trained": 60, "pool": 500})
    made.tell(told)
    asked = problem.evaluate(made.ask(4))
    assert asked.objectives.min() < np.quantile(told.objectives, 0.01)


def test_features_are_scaled_and_know_alignment() -> None:
    features = Features(SPACE)
    found = features(next(SPACE.enumerate(chunk=100_000)).codes)
    assert found.min() == 0
    assert found.max() == 1
    # Two integers, an ordinal and its alignment, three kinds.
    assert found.shape[1] == 2 + 2 + 3
    tiles = np.array([[0, 0, place, 0] for place in range(8)])
    # 16, 32, 48, 64, 80, 96, 112, 128 are divided by 2 so many times: 4 to 7.
    assert features(tiles)[:, 3] == pytest.approx(np.array([4, 5, 4, 6, 4, 5, 4, 7]) / 7)
    powers = Space([Ordinal("tile", [16, 32, 64]), Categorical("flag", [False, True])])
    assert Features(powers)(np.array([[0, 0], [2, 1]])).tolist() == [[0, 0], [1, 1]]


def test_settings_are_checked() -> None:
    for settings, message in (
        ({"initial": 1}, "initial=1 must be a whole number, 2 or more"),
        ({"pool": 1.5}, "pool=1.5"),
        ({"trained": True}, "trained=True"),
    ):
        with pytest.raises(SearcherError, match=message):
            make_searcher("bayesian", SPACE, 0, settings)
    with pytest.raises(SearcherError, match="has no setting 'prior'"):
        make_searcher("bayesian", SPACE, 0, {"prior": None})
