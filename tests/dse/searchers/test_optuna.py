"""Optuna's samplers as searchers: what they are told, how their proposals are mended, and what they find."""

from __future__ import annotations

import sys
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
import optuna
import pytest

from dse import Categorical, Evaluations, Integer, Minimize, Ordinal, Problem, Real, Space, cost_model
from dse.errors import SearcherError
from dse.searchers import make_searcher
from dse.searchers.gp import GP
from dse.searchers.mending import distances, mended, towards
from dse.searchers.optuna_bridge import OptunaSearcher
from dse.searchers.tpe import TPE
from dse.testing import check_searcher

needs_torch = pytest.mark.skipif(
    find_spec("torch") is None, reason="Optuna's Gaussian processes need PyTorch"
)

# One of 300 combinations is in it.
TIGHT = Space(
    [
        Ordinal("m", [8, 16, 32, 64, 128]),
        Ordinal("n", [8, 16, 32, 64, 128]),
        Integer("lanes", 1, 64),
        Categorical("kind", ["mac", "lut", "bit"]),
        Integer("group", 1, 6, active_if="kind == 'lut'"),
        Integer("depth", 1, 1024, log=True),
        Real("clock", 0.1, 2.0, log=True),
    ],
    ["m * n % lanes == 0", "lanes % 7 == 0 or lanes % 16 == 0", "group * lanes <= 96", "depth % 2 == 0"],
)


@cost_model(metrics={"time": "s", "area": "mm2"}, version="1")
def cores(d: Any) -> dict[str, Any]:
    speed = d["lanes"] * d["clock"] * np.where(d["kind"] == "lut", d["group"], 1)
    return {"time": 1e3 / speed + 100 / d["m"], "area": d["lanes"] * d["clock"] + np.log(d["depth"])}


PLANE = Space(
    [Integer("x", 0, 20), Integer("y", 0, 20), Categorical("kind", ["a", "b", "c"])], ["x + y <= 30"]
)


@cost_model(metrics={"near": "", "far": ""}, version="1")
def two(d: Any) -> dict[str, Any]:
    near = (d["x"] - 3.0) ** 2 + (d["y"] - 3.0) ** 2 + (d["kind"] != "b")
    return {"near": 1 + near, "far": 1 + (d["x"] - 17.0) ** 2 + (d["y"] - 9.0) ** 2}


def search(problem: Problem, searcher: Any, budget: int, n: int = 1) -> Evaluations:
    told = []
    while sum(map(len, told)) < budget:
        told.append(problem.evaluate(searcher.ask(n)))
        searcher.tell(told[-1])
    return Evaluations.concat(told)


def quasi_random(seed: int) -> Any:
    # A sequence goes on only under the same seed.
    return optuna.samplers.QMCSampler(scramble=True, seed=1, warn_independent_sampling=False)


def genetic(seed: int) -> Any:
    return optuna.samplers.NSGAIISampler(seed=seed, population_size=10)


def test_promises_of_a_searcher() -> None:
    # Real parameters are in the tight space below; the last 17 designs of 75 are Optuna's.
    check_searcher(partial(TPE, initial=58), reals=False)


@pytest.mark.parametrize("settings", [{"multivariate": False}, {"redraws": 2}])
def test_promises_in_a_tight_space_with_all_kinds_of_parameters(settings: dict[str, Any]) -> None:
    problem = Problem(TIGHT, cores, [Minimize("time"), Minimize("area")])
    searcher = TPE(TIGHT, seed=1, initial=5, **settings)
    told = []
    for n in (5, 1, 4, 2, 8):
        designs = searcher.ask(n)
        assert designs == searcher.ask(n)
        assert len(designs) == n
        assert TIGHT.contains(designs).all()
        told.append(problem.evaluate(designs))
        searcher.tell(told[-1])
    resumed = TPE(TIGHT, seed=1, initial=5, **settings)
    for part in told:
        resumed.tell(part)
    assert resumed.ask(3) == searcher.ask(3)
    assert len(set(TIGHT.keys(Evaluations.concat(told).designs.codes))) == 20


def test_tpe_finds_the_optimum_sooner_than_chance() -> None:
    problem = Problem(PLANE, two, [Minimize("near")])
    best = {
        name: [search(problem, make_searcher(name, PLANE, seed), 50).objectives.min() for seed in range(3)]
        for name in ("tpe", "random")
    }
    # One of 1,158 designs is best, at 1.
    assert np.median(best["tpe"]) <= 2
    assert np.median(best["tpe"]) < np.median(best["random"])


@pytest.mark.parametrize("seed", range(2))
def test_a_limit_that_binds_is_learned(seed: int) -> None:
    problem = Problem(PLANE, two, [Minimize("near")], limits=["far <= 60"])
    every = problem.evaluate(next(PLANE.enumerate(chunk=100_000)))
    found = search(problem, TPE(PLANE, seed=seed), 80)
    share = every.feasible.mean()
    assert found.feasible[40:].mean() > 1.5 * share
    assert found.objectives[found.feasible].min() < 1.2 * every.objectives[every.feasible].min()


def test_failed_designs_are_learned_from() -> None:
    @cost_model(metrics={"cost": ""}, version="1")
    def breaks(d: Any) -> dict[str, Any]:
        # What fails lies where the cost falls to.
        return {"cost": np.where(d["x"] + d["y"] < 12, np.nan, d["x"] + 1.0 * d["y"])}

    problem = Problem(PLANE, breaks, [Minimize("cost")])
    found = search(problem, TPE(PLANE, seed=0), 80)
    assert (found.state[40:] == "failed").mean() < 0.5
    assert found.objectives[found.feasible].min() == 12


def test_a_batch_does_not_tell_the_same_twice() -> None:
    problem = Problem(PLANE, two, [Minimize("near"), Minimize("far")])
    searcher = TPE(PLANE, seed=0)
    search(problem, searcher, 40)
    one, many = searcher.ask(1), searcher.ask(6)
    assert many.codes[0].tolist() == one.codes[0].tolist()
    assert len(set(PLANE.keys(many.codes))) == 6


@pytest.mark.parametrize("sampler", [quasi_random, genetic])
def test_other_samplers_are_searchers_too(sampler: Any) -> None:
    problem = Problem(PLANE, two, [Minimize("near"), Minimize("far")])
    told = []
    searcher = OptunaSearcher(PLANE, seed=2, sampler=sampler, initial=4)
    for n in (6, 1, 10, 10):
        designs = searcher.ask(n)
        assert designs == searcher.ask(n)
        told.append(problem.evaluate(designs))
        searcher.tell(told[-1])
    resumed = OptunaSearcher(PLANE, seed=2, sampler=sampler, initial=4)
    for part in told:
        resumed.tell(part)
    assert resumed.ask(7) == searcher.ask(7)
    codes = Evaluations.concat(told).designs.codes
    assert len(set(PLANE.keys(codes))) == len(codes) == 27


def test_a_genetic_sampler_remembers_its_generations() -> None:
    problem = Problem(PLANE, two, [Minimize("near"), Minimize("far")])

    def found(notes: bool) -> float:
        parts = []
        for seed in range(2):
            searcher = OptunaSearcher(PLANE, seed=seed, sampler=genetic, initial=10, notes=notes)
            parts.append(search(problem, searcher, 100, 10).objectives[60:].sum(axis=1))
        return float(np.median(np.concatenate(parts)))

    # Without its notes it takes every trial for one of the first generation, which is random.
    assert found(notes=True) < 0.9 * found(notes=False)


def test_a_quasi_random_sequence_goes_on() -> None:
    space = Space([Real("x", 0.0, 1.0), Real("y", 0.0, 1.0)])

    @cost_model(metrics={"f": ""}, version="1")
    def total(d: Any) -> dict[str, Any]:
        return {"f": d["x"] + d["y"]}

    problem = Problem(space, total, [Minimize("f")])
    searcher = OptunaSearcher(space, sampler=quasi_random, initial=2)
    asked = search(problem, searcher, 34, 2).designs.codes[2:]
    from scipy.stats import qmc

    whole = qmc.Sobol(2, scramble=True, seed=1).random(64)
    # Notes are taken for the first designs as well, which the sampler did not propose.
    assert all(np.abs(whole - row).sum(axis=1).min() < 1e-9 for row in asked)


@needs_torch
def test_gp_finds_the_optimum_and_resumes() -> None:
    space = Space([Integer("x", 0, 30), Real("y", 0.0, 1.0)], ["x >= 2"])

    @cost_model(metrics={"f": "", "g": ""}, version="1")
    def bowl(d: Any) -> dict[str, Any]:
        return {"f": (d["x"] / 30 - 0.4) ** 2 + (d["y"] - 0.6) ** 2, "g": 1.0 * d["x"]}

    problem = Problem(space, bowl, [Minimize("f")], ["g <= 20"])
    searcher = GP(space, seed=0, initial=8)
    told = [problem.evaluate(searcher.ask(8))]
    searcher.tell(told[0])
    for _ in range(2):
        told.append(problem.evaluate(searcher.ask(1)))
        searcher.tell(told[-1])
    found = Evaluations.concat(told)
    assert space.contains(found.designs).all()
    assert (
        found.objectives[8:][found.feasible[8:]].min() < 0.5 * found.objectives[:8][found.feasible[:8]].min()
    )
    resumed = GP(space, seed=0, initial=8)
    for part in told:
        resumed.tell(part)
    assert resumed.ask(1) == searcher.ask(1)


@needs_torch
@pytest.mark.slow
def test_promises_of_gp() -> None:
    # Only the last designs of the small space are Optuna's: a proposal takes a second.
    check_searcher(partial(GP, initial=70), reals=False)


def test_gp_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(SearcherError, match=r"need PyTorch: pip install 'dse-toolkit\[gp\]'"):
        make_searcher("gp", PLANE, 0)


def test_optuna_stays_silent_and_as_it_was(capfd: pytest.CaptureFixture[str]) -> None:
    level = optuna.logging.get_verbosity()
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    search(Problem(PLANE, two, [Minimize("near"), Minimize("far")]), TPE(PLANE), 14)
    assert capfd.readouterr() == ("", "")
    assert optuna.logging.get_verbosity() == level
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002


def test_settings_are_checked() -> None:
    for settings, message in (
        ({"initial": 0}, "tpe: initial=0 must be a whole number, 1 or more"),
        ({"redraws": -1}, "tpe: redraws=-1 must be a whole number, 0 or more"),
        ({"batch": True}, "tpe: batch=True"),
        ({"candidates": 1.5}, "tpe: candidates=1.5"),
        ({"multivariate": 1}, "tpe: multivariate=1 must be True or False"),
    ):
        with pytest.raises(SearcherError, match=message):
            make_searcher("tpe", PLANE, 0, settings)
    with pytest.raises(SearcherError, match="optuna: sampler=None must be a function of a seed"):
        OptunaSearcher(PLANE, sampler=None)  # type: ignore[arg-type]


def test_what_is_mended_is_near_and_new() -> None:
    every = np.concatenate([part.codes for part in PLANE.enumerate()])
    rng = np.random.default_rng(0)
    outside = np.array([19, 14, 2])
    found = mended(PLANE, outside, every[rng.permutation(len(every))[:50]], set(), rng)
    assert found is not None
    assert PLANE.satisfies(found[None])[0]
    assert found[2] == 2
    # The constraint is met as closely as it can be: no step less would do.
    assert found[0] + found[1] == 30
    told = np.array([3, 3, 1])
    near = mended(PLANE, told, every, set(PLANE.keys(told[None])), rng)
    assert near is not None
    assert (near != told).sum() == 1
    most = set(PLANE.keys(every)) - set(PLANE.keys(np.array([[5, 3, 1]])))
    last = mended(PLANE, told, every, most, rng)
    assert last is None or last.tolist() == [5, 3, 1]
    assert mended(PLANE, told, every, set(PLANE.keys(every)), rng) is None


def test_walks_stay_inside_and_come_nearer() -> None:
    rng = np.random.default_rng(3)
    starts = TIGHT.sample(20, 1).codes
    goal = TIGHT.sample(1, 2).codes
    reached = towards(TIGHT, starts, goal, rng)
    assert TIGHT.satisfies(reached).all()
    before, after = (distances(TIGHT, codes, goal[0]) for codes in (starts, reached))
    assert after.mean() < before.mean()
    assert distances(TIGHT, goal, goal[0]).tolist() == [0]
