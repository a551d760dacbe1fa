"""What models learn beside objectives: limits, failures, more objectives than boxes are made for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dse import Categorical, Integer, Maximize, Minimize, Problem, Space, cost_model
from dse.searchers import make_searcher
from dse.searchers.bayesian import Bayesian
from dse.searchers.models import graded, learned_objective, said

SPACE = Space([Integer("a", 0, 40), Integer("b", 0, 40), Integer("c", 0, 5)])


@cost_model(metrics={"cost": "", "power": "", "area": ""}, version="1")
def model(d: Any) -> Any:
    cost = (d["a"] - 30.0) ** 2 + (d["b"] - 30.0) ** 2 + d["c"]
    return {"cost": cost, "power": d["a"] + 0.5 * d["b"], "area": d["a"] * 1.0}


def made(problem: Problem, **settings: Any) -> Bayesian:
    searcher = make_searcher(
        "bayesian", problem.space, 0, settings, reference=problem.reference, margins=problem.margins
    )
    assert isinstance(searcher, Bayesian)
    return searcher


def test_margins_of_limits_are_signed_and_violations_are_their_positive_parts() -> None:
    problem = Problem(SPACE, model, [Minimize("cost")], ["power <= 20", "1 <= area <= 10"])
    designs = SPACE.sample(50, 0)
    metrics = model(designs)
    margins = problem.margins(metrics)
    assert margins.shape == (50, 3)
    assert margins[:, 0] == pytest.approx((metrics["power"] - 20) / 20)
    assert np.maximum(margins, 0).sum(axis=1) == pytest.approx(problem.evaluate(designs).violation)
    free = Problem(SPACE, model, [Minimize("cost")])
    assert free.margins(metrics).shape == (50, 0)


def test_references_are_minimised() -> None:
    problem = Problem(SPACE, model, [Maximize("cost", reference=5.0), Minimize("area")])
    assert problem.reference.tolist()[0] == -5.0
    assert np.isnan(problem.reference[1])


def test_the_way_to_a_limit_is_learned_from_designs_that_hold_it() -> None:
    """The best designs lie where the limit binds: a model of margins gets there, violations or none."""
    problem = Problem(SPACE, model, [Minimize("cost")], ["power <= 30"])
    every = problem.evaluate(next(SPACE.enumerate(chunk=100_000)))
    optimum = every.objectives[every.feasible].min()
    searcher = made(problem)
    best = np.inf
    for _ in range(13):
        told = problem.evaluate(searcher.ask(4))
        searcher.tell(told)
        best = min(best, told.objectives[told.feasible].min(initial=np.inf))
    assert best <= 1.05 * optimum


def test_a_limit_that_repeats_the_reference_point_is_not_learned_twice() -> None:
    objectives = np.random.default_rng(0).random((30, 2))
    bound = (objectives[:, 0] - 0.5) / 0.5
    assert said(bound, objectives, np.array([0.5, 1.0]))
    assert said(bound, objectives, np.array([0.4, 1.0]))
    # Further in than the reference point: it says more.
    assert not said(bound, objectives, np.array([0.6, 1.0]))
    assert not said(-bound, objectives, np.array([0.5, 1.0]))
    assert not said(bound + 0.1 * objectives[:, 1], objectives, np.array([0.5, 1.0]))


def test_graded_margins_keep_order_and_sign() -> None:
    margins = np.array([-3.0, -0.1, 0.2, 50.0, 0.01])
    found = graded(margins)
    assert (np.argsort(found) == np.argsort(margins)).all()
    assert (np.sign(found) == np.sign(margins)).all()
    # Where only violations are known, those that hold count as less than none.
    assert (graded(np.array([0.0, 0.0, 2.0]))[:2] < 0).all()


def test_a_skewed_objective_is_learned_by_its_logarithm_and_a_plain_one_as_it_is() -> None:
    rng = np.random.default_rng(0)
    points = rng.random((80, 3))
    plain = points @ np.array([3.0, 2.0, 1.0])
    assert learned_objective(points, plain - plain.mean(), 10.0, None)[0] == np.inf
    assert learned_objective(points, np.exp(4 * plain), np.exp(24.0), None)[0] < np.inf


def test_eight_objectives_and_failures_do_not_stop_it() -> None:
    names = [f"m{index}" for index in range(8)]

    @cost_model(metrics=dict.fromkeys(names, ""), version="1")
    def many(d: Any) -> Any:
        bad = (d["a"] + d["b"]) % 3 == 0
        targets = np.linspace(0, 40, 8)
        return {
            name: np.where(bad, np.nan, np.abs(d["a"] - at) + np.abs(d["b"] - at))
            for name, at in zip(names, targets, strict=True)
        }

    problem = Problem(SPACE, many, [Minimize(name) for name in names])
    searcher = made(problem)
    failed = []
    for _ in range(15):
        told = problem.evaluate(searcher.ask(4))
        failed.append((~told.evaluated).mean())
        searcher.tell(told)
    assert SPACE.contains(told.designs).all()
    assert np.mean(failed) < 0.5


def test_monstrous_numbers_do_not_stop_it() -> None:
    @cost_model(metrics={"cost": "", "area": ""}, version="1")
    def monstrous(d: Any) -> Any:
        odd = (d["a"] + d["b"]) % 4 == 0
        return {
            "cost": np.where(odd, 1e308, d["a"] + 1.0),
            "area": np.where(odd, -1e308, d["b"] * 1e-300),
        }

    problem = Problem(SPACE, monstrous, [Minimize("cost"), Minimize("area")], ["cost <= 1e3"])
    searcher = made(problem)
    with np.errstate(over="ignore"):
        for _ in range(10):
            told = problem.evaluate(searcher.ask(4))
            searcher.tell(told)
    assert SPACE.contains(told.designs).all()


def test_neighbours_of_designs_of_many_parameters_take_little_memory() -> None:
    from dse.searchers.candidates import MOST_CODES, near

    space = Space([Categorical(f"x{index}", list("abcdefgh")) for index in range(300)])
    parents = space.sample(40, 0).codes
    found = near(space, parents, 10_000, np.random.default_rng(0))
    assert 0 < len(found) * 300 <= MOST_CODES


def test_much_history_is_learned_from_in_part_and_in_constant_time() -> None:
    problem = Problem(SPACE, model, [Minimize("cost"), Minimize("area")])
    searcher = made(problem, trained=60, pool=200)
    order = np.random.default_rng(0).permutation(41 * 41 * 6)[:3_000]
    designs = next(SPACE.enumerate(chunk=100_000)).take(order)
    for start in range(0, 3_000, 100):
        searcher.tell(problem.evaluate(designs.take(slice(start, start + 100))))
    history = searcher._history
    assert history is not None
    assert len(history) == 60
    # The best of all are among what is kept.
    every = problem.evaluate(designs).objectives
    assert history.objectives[:, 0].min() == every[:, 0].min()
    assert len(searcher.ask(4)) == 4
