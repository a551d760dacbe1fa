"""A problem as one of pymoo: what its algorithms see of limits and failures, and what they find."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymoo.algorithms.moo.moead import MOEAD
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.core.mixed import MixedVariableGA
from pymoo.operators.survival.rank_and_crowding import RankAndCrowding
from pymoo.optimize import minimize

from dse import Categorical, Integer, Minimize, Ordinal, Problem, Real, Space, StudyView, cost_model
from dse.errors import ProblemError, StudyError
from dse.interop.pymoo import MixedProblem, SpaceRepair, SpaceSampling, VectorProblem
from dse.pareto import nondominated
from dse.searchers.nsga3 import directions
from tests.dse.problems import mixed_problem, tiling_problem

MIXED = Space(
    [
        Real("voltage", 0.5, 1.0),
        Real("rate", 1e-3, 1e3, log=True, active_if="kind == 'lut'"),
        Categorical("kind", ["lut", None, 3]),
        Categorical("split", [False, True]),
        Integer("stages", 1, 5),
        Integer("width", 8, 32, step=8),
        Ordinal("tile", [16, 64, 128]),
    ],
    ["stages * tile <= 320"],
)


def exact_front(problem: Problem) -> np.ndarray[Any, Any]:
    found = problem.evaluate(next(problem.space.enumerate(1_000_000)))
    points = np.unique(found.objectives[found.feasible], axis=0)
    return points[nondominated(points)]


def test_constraints_and_objectives_are_those_of_the_problem() -> None:
    problem = tiling_problem(fail_every=3)
    theirs = VectorProblem(problem)
    designs = problem.space.sample(200, 0)
    objectives, constraints = theirs.evaluate(theirs.variables(designs))
    found = problem.evaluate(designs)
    known = found.evaluated
    assert 0 < known.sum() < 200
    np.testing.assert_array_equal(objectives[known], found.objectives[known])
    np.testing.assert_array_equal(constraints[known, 0], problem.margins(found.metrics)[known, 0])
    np.testing.assert_array_equal((constraints <= 0).all(axis=1), found.feasible)
    # A failed evaluation has finite objectives, and breaks a constraint.
    assert np.isfinite(objectives).all()
    assert (constraints[~known, -1] == 1).all()


def test_designs_outside_of_the_space_are_not_evaluated() -> None:
    seen = []

    @cost_model(metrics={"cost": ""}, version="1")
    def model(d: Any) -> dict[str, Any]:
        seen.append(len(d))
        return {"cost": d["a"] + 1.0 * d["b"]}

    space = Space([Integer("a", 0, 9), Integer("b", 0, 9)], ["a + b <= 9", "a <= 7"])
    theirs = VectorProblem(Problem(space, model, [Minimize("cost")]))
    objectives, constraints = theirs.evaluate(np.array([[1.2, 2.4], [9.0, 9.0], [8.0, 0.0]]))
    assert sum(seen) == 1
    assert objectives[:, 0].tolist() == [3.0, 1e30, 1e30]
    # Graded by the share of the constraints that are broken.
    assert constraints[:, 0].tolist() == [0.0, 1.0, 0.5]


@pytest.mark.parametrize("form", [VectorProblem, MixedProblem])
def test_variables_are_designs_and_back(form: Any) -> None:
    @cost_model(metrics={"cost": ""}, version="1")
    def model(d: Any) -> dict[str, Any]:
        return {"cost": d["voltage"] * d["stages"]}

    theirs = form(Problem(MIXED, model, [Minimize("cost")]))
    designs = MIXED.sample(300, 1)
    back = theirs.designs(theirs.variables(designs))
    np.testing.assert_allclose(back.codes, designs.codes, rtol=1e-12)
    discrete = [not isinstance(parameter, Real) for parameter in MIXED.parameters]
    np.testing.assert_array_equal(back.codes[:, discrete], designs.codes[:, discrete])


def test_mixed_variables_are_what_a_reader_expects() -> None:
    @cost_model(metrics={"cost": ""}, version="1")
    def model(d: Any) -> dict[str, Any]:
        return {"cost": d["voltage"] * d["stages"]}

    theirs = MixedProblem(Problem(MIXED, model, [Minimize("cost")]))
    kinds = {name: type(variable).__name__ for name, variable in theirs.vars.items()}
    assert kinds == {
        "voltage": "Real", "rate": "Real", "kind": "Choice", "split": "Binary", "stages": "Integer",
        "width": "Integer", "tile": "Integer",
    }  # fmt: skip
    (one,) = theirs.variables(MIXED.designs([{
        "voltage": 0.75, "rate": 10.0, "kind": "lut", "split": True, "stages": 2, "width": 24, "tile": 128,
    }]))  # fmt: skip
    assert one == {
        "voltage": 0.75, "rate": pytest.approx(np.log(10)), "kind": "lut", "split": True, "stages": 2,
        "width": 2, "tile": 2,
    }  # fmt: skip


def test_nsga2_of_pymoo_finds_the_front_within_the_space() -> None:
    problem = tiling_problem()
    theirs = VectorProblem(problem)
    algorithm = NSGA2(pop_size=40, sampling=SpaceSampling(), repair=SpaceRepair())
    found = minimize(theirs, algorithm, ("n_gen", 25), seed=1)
    assert problem.space.contains(theirs.designs(found.X)).all()
    # What it looked at was feasible throughout: the repair leaves nothing outside.
    assert theirs.ledger.evaluations is not None
    exact = exact_front(problem)
    mine = np.unique(found.F, axis=0)
    share = np.mean([(row == exact).all(axis=1).any() for row in mine])
    assert share > 0.8


def test_the_mixed_algorithm_of_pymoo_runs_on_failing_designs() -> None:
    problem = tiling_problem(fail_every=4)
    theirs = MixedProblem(problem)
    algorithm = MixedVariableGA(pop_size=20, survival=RankAndCrowding(), repair=SpaceRepair())
    found = minimize(theirs, algorithm, ("n_gen", 6), seed=1)
    assert np.isfinite(found.F).all()
    assert (found.F < 1e29).all()
    assert problem.evaluate(theirs.designs(found.X)).feasible.all()


def test_an_algorithm_without_constraints_takes_penalties() -> None:
    problem = tiling_problem(fail_every=4)
    theirs = VectorProblem(problem, penalty=1e6)
    assert theirs.n_ieq_constr == 0
    algorithm = MOEAD(directions(3, 15), n_neighbors=5, sampling=SpaceSampling(), repair=SpaceRepair())
    found = minimize(theirs, algorithm, ("n_gen", 12), seed=0)
    assert problem.evaluate(theirs.designs(found.X)).feasible.all()


def test_a_real_problem_needs_no_operators_of_ours() -> None:
    theirs = VectorProblem(mixed_problem())
    found = minimize(theirs, NSGA2(pop_size=20), ("n_gen", 20), seed=0)
    assert found.F.min() < 1.0


def test_evaluations_are_kept_in_a_store(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/kept.db"
    problem = tiling_problem()
    for _ in range(2):  # the second run goes on
        theirs = VectorProblem(problem, store=url, name="by pymoo")
        algorithm = NSGA2(pop_size=20, sampling=SpaceSampling(), repair=SpaceRepair())
        minimize(theirs, algorithm, ("n_gen", 4), seed=3)
        theirs.ledger.close()
    view = StudyView("by pymoo", url)
    assert len(view) == len(theirs.ledger) <= 80
    assert view.record.state == "done"
    assert view.hypervolume() > 0
    assert set(map(tuple, view.front_objectives())) == {
        tuple(row) for row in theirs.ledger.front()[[goal.metric for goal in problem.objectives]].to_numpy()
    }
    with pytest.raises(StudyError, match="is stored with another setting, space"):
        VectorProblem(mixed_problem(), store=url, name="by pymoo")
    with pytest.raises(StudyError, match="name=None"):
        VectorProblem(problem, store=url)


def test_bad_arguments_are_explained() -> None:
    with pytest.raises(ProblemError, match="problem must be a Problem, not int"):
        VectorProblem(3)  # type: ignore[arg-type]
    with pytest.raises(ProblemError, match="penalty=-1 must be a positive number"):
        MixedProblem(tiling_problem(), penalty=-1)
    with pytest.raises(ProblemError, match=r"x has shape \(1, 2\): \(n, 6\) is needed"):
        VectorProblem(tiling_problem()).designs(np.zeros(2))
