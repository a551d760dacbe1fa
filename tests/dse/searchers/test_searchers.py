"""The built-in searchers keep the promises of a searcher, and NSGA-II finds what there is to find."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse import Categorical, Evaluations, Integer, Minimize, Ordinal, Problem, Real, Space, cost_model
from dse.errors import SearcherError
from dse.pareto import hypervolume, nondominated
from dse.searchers import BUILT_IN, make_searcher, searcher_class
from dse.searchers.bayesian import Bayesian
from dse.searchers.exhaustive import Exhaustive
from dse.searchers.fresh import fresh, permuted
from dse.searchers.local import Local
from dse.searchers.nsga2 import NSGA2, survivors
from dse.searchers.nsga3 import NSGA3
from dse.searchers.random import Random
from dse.searchers.sobol import Sobol
from dse.testing import check_searcher


@pytest.mark.parametrize(
    ("searcher", "reals"),
    [
        (Random, True),
        (Exhaustive, False),
        (NSGA2, True),
        (partial(Bayesian, initial=45, pool=200, trained=40), True),
        pytest.param(partial(Bayesian, initial=6), True, marks=pytest.mark.slow),
        (partial(NSGA2, population=7), True),
        (partial(Local, initial=5), True),
        (Sobol, True),
        (partial(NSGA3, population=12), True),
        (partial(NSGA2, population=2, mutation=3.0, crossover=0.0), True),
    ],
)
def test_promises_of_a_searcher(searcher: Any, reals: bool) -> None:
    check_searcher(searcher, reals=reals)


def test_names_are_found_and_settings_checked() -> None:
    space = Space([Integer("x", 0, 3)])
    assert {"bayesian", "exhaustive", "ilp", "nsga2", "random"} <= set(BUILT_IN)
    # `ilp` needs additive tables, `gp` PyTorch; they have tests of their own.
    for name in set(BUILT_IN) - {"ilp", "gp"}:
        assert searcher_class(name)
        assert len(make_searcher(name, space, 0).ask(2)) == 2
    for settings_, message in (
        ({"population": 1}, "population=1 must be a whole number, 2 or more"),
        ({"population": True}, "population=True"),
        ({"crossover": 1.5}, "crossover=1.5 must be a probability"),
        ({"mutation": 0}, "mutation=0 must be positive"),
        ({"eta_mutation": -1.0}, "eta_mutation=-1.0 must be positive"),
        ({"exchange": "all"}, "exchange='all' is unknown; known are uniform, two-point"),
    ):
        with pytest.raises(SearcherError, match=message):
            make_searcher("nsga2", space, 0, settings_)


def test_every_member_of_a_population_enters_two_tournaments() -> None:
    space = Space([Integer("x", 0, 999)])

    @cost_model(metrics={"cost": ""}, version="1")
    def model(d: Any) -> dict[str, Any]:
        return {"cost": 1.0 * d["x"]}

    searcher = NSGA2(space, population=20)
    searcher.tell(Problem(space, model, [Minimize("cost")]).evaluate(searcher.ask(20)))
    parents = np.bincount(searcher._parents(10, np.random.default_rng(0)).reshape(-1), minlength=20)
    # The best wins both of its tournaments, the worst none, and nobody has more than two.
    assert (parents[0], parents[-1], parents.max(), parents.sum()) == (2, 0, 2, 20)


def test_two_point_exchange_keeps_neighbours_together() -> None:
    space = Space([Categorical(f"x{i}", ["a", "b"]) for i in range(12)])
    two, uniform = (
        NSGA2(space, exchange=kind)._exchanged((200, 12), np.random.default_rng(0))
        for kind in ("two-point", "uniform")
    )
    edges = np.abs(np.diff(two.astype(int), axis=1, prepend=0, append=0)).sum(axis=1)
    assert set(edges.tolist()) == {0, 2}
    assert 0.2 < two.mean() < 0.5
    assert 0.45 < uniform.mean() < 0.55


@given(st.integers(1, 3_000), st.integers(0, 2**32))
def test_permutations_are_permutations(size: int, seed: int) -> None:
    assert sorted(permuted(np.arange(size, dtype=np.uint64), size, seed)) == list(range(size))


def test_permutations_of_large_ranges_stay_inside_and_distinct() -> None:
    size = 3 * 2**60 + 1
    found = permuted(np.arange(10_000, dtype=np.uint64), size, 1)
    assert len(set(found.tolist())) == 10_000
    assert int(found.max()) < size
    # Spread over the range: about half of them in its upper half.
    assert abs((found > size // 2).mean() - 0.5) < 0.03


def test_random_designs_are_uniform_over_the_feasible_ones() -> None:
    """Which design comes first, over many seeds: chi-squared against the uniform distribution."""
    from scipy.stats import chisquare

    space = Space([Integer("x", 0, 5), Integer("y", 0, 5)], ["x + y <= 5"])
    counts: dict[bytes, int] = {}
    for seed in range(4_200):
        key = space.keys(fresh(space, 1, seed, 0, set()))[0]
        counts[key] = counts.get(key, 0) + 1
    assert len(counts) == space.count() == 21
    assert chisquare(list(counts.values())).pvalue > 1e-4


def zdt1(parameters: int, top: int) -> Problem:
    """ZDT1 (Zitzler, Deb and Thiele, Evolutionary Computation 8(2), 2000) on a grid."""
    space = Space([Integer(f"x{i}", 0, top) for i in range(parameters)])

    @cost_model(metrics={"f1": "", "f2": ""}, version="1")
    def model(d: Any) -> dict[str, Any]:
        x = np.column_stack([d[f"x{i}"] for i in range(parameters)]) / top
        g = 1 + 9 * x[:, 1:].mean(axis=1)
        return {"f1": x[:, 0], "f2": g * (1 - np.sqrt(x[:, 0] / g))}

    return Problem(space, model, [Minimize("f1"), Minimize("f2")])


def search(problem: Problem, name: str, budget: int, seed: int = 0, **settings_: Any) -> Evaluations:
    searcher = make_searcher(name, problem.space, seed, settings_)
    parts = []
    while sum(map(len, parts)) < budget:
        designs = searcher.ask(min(searcher.batch, budget - sum(map(len, parts))))
        if not len(designs):
            break
        parts.append(problem.evaluate(designs))
        searcher.tell(parts[-1])
    return Evaluations.concat(parts)


def volume(evaluations: Evaluations, reference: tuple[float, ...]) -> float:
    return hypervolume(evaluations.objectives[evaluations.feasible], np.array(reference))


def test_nsga2_matches_pymoo_on_zdt1() -> None:
    """The same budget, operators and encoding: the median hypervolume of five seeds is not worse."""
    from pymoo.algorithms.moo import nsga2 as pymoo_nsga2
    from pymoo.core.problem import Problem as PymooProblem
    from pymoo.operators.crossover.sbx import SBX
    from pymoo.operators.mutation.pm import PM
    from pymoo.operators.repair.rounding import RoundingRepair
    from pymoo.operators.sampling.rnd import IntegerRandomSampling
    from pymoo.optimize import minimize

    parameters, top, generations, reference = 15, 255, 40, (1.1, 10.0)
    ours = zdt1(parameters, top)

    class Grid(PymooProblem):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(n_var=parameters, n_obj=2, xl=0, xu=top, vtype=int)

        def _evaluate(self, x: Any, out: dict[str, Any], *args: Any, **kwargs: Any) -> None:
            from dse import Designs

            out["F"] = ours.evaluate(Designs(ours.space, x.astype(int))).objectives

    mine, theirs = [], []
    for seed in range(5):
        mine.append(volume(search(ours, "nsga2", 100 * generations, seed), reference))
        algorithm = pymoo_nsga2.NSGA2(
            pop_size=100,
            sampling=IntegerRandomSampling(),
            crossover=SBX(prob=0.9, eta=15, vtype=float, repair=RoundingRepair()),
            mutation=PM(eta=20, vtype=float, repair=RoundingRepair()),
        )
        result = minimize(Grid(), algorithm, ("n_gen", generations), seed=seed)
        theirs.append(hypervolume(result.F, np.array(reference)))
    assert np.median(mine) > np.median(theirs) - 0.01 * np.ptp(theirs) - 0.01


def tight_problem() -> Problem:
    """Mixed, conditional, 0.5 % feasible, with a limit that most designs break."""
    space = Space(
        [
            Ordinal("m", [8, 16, 32, 64, 128]),
            Ordinal("n", [8, 16, 32, 64, 128]),
            Integer("lanes", 1, 64),
            Categorical("kind", ["mac", "lut", "bit"]),
            Integer("group", 1, 6, active_if="kind == 'lut'"),
            Real("clock", 0.1, 2.0, log=True),
        ],
        ["m * n % lanes == 0", "lanes >= 3", "lanes % 7 == 0 or lanes % 16 == 0", "group * lanes <= 96"],
    )

    @cost_model(metrics={"time": "s", "area": "mm2", "power": "W"}, version="1")
    def model(d: Any) -> dict[str, Any]:
        speed = d["lanes"] * d["clock"] * np.where(d["kind"] == "lut", d["group"], 1)
        area = d["lanes"] * np.where(d["kind"] == "mac", 4.0, 2.0 ** d["group"]) + (d["m"] + d["n"]) / 16
        return {"time": 1e3 / speed + 100 / d["m"], "area": area, "power": area * d["clock"]}

    return Problem(space, model, [Minimize("time"), Minimize("area")], ["power <= 60"])


def test_nsga2_beats_chance_on_a_tight_mixed_conditional_space() -> None:
    problem = tight_problem()
    reference = (100.0, 200.0)
    wins = 0
    for seed in range(5):
        found = search(problem, "nsga2", 1_500, seed, population=50)
        chance = search(problem, "random", 1_500, seed)
        assert problem.space.contains(found.designs).all()
        wins += volume(found, reference) > volume(chance, reference)
    assert wins >= 4


def test_nsga2_goes_from_infeasible_to_feasible_by_violation() -> None:
    """One design in some hundred thousand meets the limit: chance would not find it."""
    space = Space([Integer(f"x{i}", 0, 15) for i in range(6)])

    @cost_model(metrics={"cost": "", "distance": ""}, version="1")
    def distant(d: Any) -> dict[str, Any]:
        x = np.column_stack([d[f"x{i}"] for i in range(6)])
        return {"cost": x[:, 0], "distance": np.abs(x - 11).sum(axis=1)}

    problem = Problem(space, distant, [Minimize("cost")], ["distance <= 2"])
    assert search(problem, "nsga2", 3_000).feasible.any()
    assert not search(problem, "random", 3_000).feasible.any()


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 30), st.integers(1, 4))
def test_survivors_are_the_best_by_constrained_domination(seed: int, n: int, objectives: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.integers(0, 5, (n, objectives)).astype(float)
    violation = np.where(rng.random(n) < 0.5, 0.0, rng.integers(1, 4, n))
    count = int(rng.integers(1, n + 1))
    kept = survivors(points, violation, count, np.random.default_rng(0))
    assert len(kept) == len(set(kept.tolist())) == min(count, n)
    lost = np.setdiff1d(np.arange(n), kept)
    # Nobody is dropped for somebody with a larger violation.
    if len(lost):
        assert violation[kept].max() <= violation[lost].min()
    feasible = violation == 0
    front = np.flatnonzero(feasible)[nondominated(points[feasible])]
    if len(front) <= count:
        assert set(front.tolist()) <= set(kept.tolist())
    assert list(violation[kept]) == sorted(violation[kept])


def test_children_keep_what_is_good_about_their_parents() -> None:
    """Once told, proposals are closer to the population's front than random designs are."""
    problem = zdt1(10, 63)
    searcher = NSGA2(problem.space, seed=1)
    for _ in range(15):
        searcher.tell(problem.evaluate(searcher.ask(100)))
    children = problem.evaluate(searcher.ask(100)).objectives
    chance = problem.evaluate(problem.space.sample(100, 0)).objectives
    assert np.median(children[:, 1]) < np.median(chance[:, 1])


def test_asking_changes_nothing() -> None:
    problem = tight_problem()
    for name in ("nsga2", "random"):
        searcher = make_searcher(name, problem.space, 3)
        for _ in range(3):
            first, again = searcher.ask(40), searcher.ask(40)
            assert first == again
            searcher.tell(problem.evaluate(first))
