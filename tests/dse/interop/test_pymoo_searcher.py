"""Algorithms of pymoo as searchers: the promises, resuming, and what they are told."""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.algorithms.moo.spea2 import SPEA2

from dse import Categorical, Evaluations, Integer, Minimize, Problem, Space, Study, cost_model
from dse.errors import SearcherError, StudyError
from dse.interop.pymoo import Pymoo, PymooSearcher, benchmark
from dse.interop.pymoo.algorithms import ALGORITHMS
from dse.pareto import hypervolume
from dse.searchers import make_searcher
from dse.testing import check_searcher
from tests.dse.problems import mixed_problem, tiling_problem

SEVERAL = [name for name, module in ALGORITHMS.items() if module.startswith("moo.")]
needs_numba = pytest.mark.skipif(find_spec("numba") is None, reason="pymoo's AGE-MOEA needs numba")


def settings(name: str) -> dict[str, Any]:
    return {"options": {"termination": ["n_gen", 50]}} if name == "RVEA" else {}


def search(problem: Problem, searcher: Any, budget: int) -> Evaluations:
    told = []
    while sum(map(len, told)) < budget:
        told.append(problem.evaluate(searcher.ask(min(searcher.batch, budget - sum(map(len, told))))))
        searcher.tell(told[-1])
    return Evaluations.concat(told)


@pytest.mark.parametrize("name", ["NSGA2", "MOEAD"])  # a generation at once, and one design at a time
def test_promises_of_a_searcher(name: str) -> None:
    check_searcher(partial(Pymoo, algorithm=name, population=12))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=needs_numba if "AGE" in name else ()) for name in SEVERAL]
)
def test_promises_of_every_algorithm(name: str) -> None:
    check_searcher(partial(Pymoo, algorithm=name, population=12, **settings(name)))


@pytest.mark.parametrize("name", ["GA", "DE", "PSO"])
def test_algorithms_for_one_objective(name: str) -> None:
    problem = mixed_problem()
    found = search(problem, Pymoo(problem.space, algorithm=name, population=20, seed=1), 200)
    assert len(set(problem.space.keys(found.designs.codes))) == 200
    assert problem.space.contains(found.designs).all()
    chance = problem.evaluate(problem.space.sample(200, 0)).objectives.min()
    assert found.objectives.min() <= chance
    several = Pymoo(tiling_problem().space, algorithm=name, population=20)
    with pytest.raises(SearcherError, match=f"{name} searches one objective, and there are 3"):
        several.tell(tiling_problem().evaluate(several.ask(20)))


def test_a_generation_is_told_as_a_whole_and_asking_for_more_gives_random_designs() -> None:
    problem = tiling_problem()
    searcher = Pymoo(problem.space, population=10)
    assert searcher.batch == 10
    first = searcher.ask(10)
    searcher.tell(problem.evaluate(first.take(slice(4))))
    assert searcher.batch == 6
    assert searcher.ask(6) == first.take(slice(4, 10))
    searcher.tell(problem.evaluate(searcher.ask(6)))
    more = searcher.ask(25)
    assert len(more) == 25
    assert more.take(slice(10)) == searcher.ask(10)


def test_limits_failures_and_constraints_are_learned() -> None:
    @cost_model(metrics={"cost": "", "size": "", "heat": ""}, version="1")
    def model(d: Any) -> dict[str, Any]:
        cost = d["a"] + d["b"] + 10.0 * (d["kind"] != "z")
        return {
            "cost": np.where((d["a"] < 4) & (d["kind"] == "y"), np.nan, cost),
            "size": 200.0 - d["a"] - 2.0 * d["b"],
            "heat": 30.0 - d["a"],
        }

    space = Space(
        [Integer("a", 0, 40), Integer("b", 0, 40), Categorical("kind", ["x", "y", "z"])], ["a + b <= 70"]
    )
    problem = Problem(space, model, [Minimize("cost"), Minimize("size")], limits=["heat <= 10"])
    searcher = make_searcher(
        "pymoo", space, 0, {"population": 20}, reference=problem.reference, margins=problem.margins
    )
    found = search(problem, searcher, 400)
    assert found.feasible[200:].mean() > 1.5 * found.feasible[:20].mean()
    best = found.objectives[found.feasible]
    assert best[:, 0].min() <= 22  # of a = 20, b = 0, kind z
    assert best[:, 1].min() <= 105  # of a = 30, b = 40


def test_a_study_resumes_to_the_same_result(tmp_path: Path) -> None:
    problem = tiling_problem(fail_every=5)
    whole, parts = f"sqlite:///{tmp_path}/whole.db", f"sqlite:///{tmp_path}/parts.db"
    options: dict[str, Any] = {"searcher": "pymoo", "settings": {"algorithm": "SPEA2", "population": 20}}
    one = Study("s", problem, store=whole, **options).run(budget=150)
    for budget in (7, 33, 100, 150):
        other = Study("s", problem, store=parts, **options).run(budget=budget)
    assert one.evaluations().equals(other.evaluations())


def test_a_start_is_the_first_population() -> None:
    problem = tiling_problem()
    start = problem.space.sample(30, 4)
    started = Problem(problem.space, problem.model, problem.objectives, ["energy_mj <= 60"], start=start)
    searcher = make_searcher("pymoo", problem.space, 0, {"population": 10}, start=started.start)
    for _ in range(3):
        searcher.tell(problem.evaluate(searcher.ask(12)))
    # The 30 designs are more than a population: the algorithm breeds at once from the best of them.
    assert searcher.searcher._algorithm.is_initialized  # type: ignore[attr-defined]


def test_a_function_that_makes_the_algorithm(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/f.db"
    problem = tiling_problem()

    def small() -> Any:
        return NSGA2(pop_size=16)

    searcher = PymooSearcher(small)
    study = Study("f", problem, searcher=searcher, store=url).run(budget=64)
    assert study.batch == 16
    assert study.record.searcher["name"].startswith("dse.interop.pymoo.searcher:NSGA2(")
    Study("f", problem, searcher=PymooSearcher(small), store=url).run(budget=80)
    with pytest.raises(StudyError, match=r"searcher\.name"):
        Study("f", problem, searcher=PymooSearcher(lambda: SPEA2(pop_size=16)), store=url)
    for made, message in ((3, "make=3 must be a function"), (lambda: 3, "int, which has no 'setup'")):
        with pytest.raises(SearcherError, match=message):
            PymooSearcher(made)  # type: ignore[arg-type]


def test_it_searches_as_well_as_pymoo_does() -> None:
    from pymoo.optimize import minimize
    from pymoo.problems import get_problem

    of = benchmark("zdt1", parameters=8)
    corner = (1.1, 1.1)
    mine, theirs = [], []
    for seed in range(3):
        found = search(of.problem, Pymoo(of.problem.space, seed=seed, population=40), 2_000)
        mine.append(hypervolume(found.objectives, corner))
        problem = get_problem("zdt1", n_var=8)
        result = minimize(problem, NSGA2(pop_size=40), ("n_eval", 2_000), seed=seed)
        theirs.append(hypervolume(result.F, corner))
    assert np.median(mine) > 0.97 * np.median(theirs)


def test_settings_are_checked() -> None:
    space = tiling_problem().space
    for given, message in (
        ({"algorithm": "NSGA9"}, "algorithm='NSGA9' is unknown; known are AGEMOEA"),
        ({"population": 1}, "population=1 must be a whole number, 2 or more"),
        ({"options": {"bogus": 1}}, "NSGA2 has no option 'bogus'; known are"),
        ({"algorithm": "RVEA"}, "RVEA cannot search 2 objectives.*n_gen"),
        ({"algorithm": lambda: NSGA2(), "options": {"pop_size": 3}}, "give them where the algorithm is made"),
    ):
        with pytest.raises(SearcherError, match=message):
            make_searcher("pymoo", space, 0, given)
