"""MOEA/D: what a weight holds, and that it does as well as pymoo's."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

from dse import Designs, Integer, Minimize, Problem, Space, cost_model
from dse.errors import SearcherError
from dse.pareto import nondominated
from dse.searchers import make_searcher
from dse.searchers.moead import MOEAD, boundary_intersection, tchebycheff
from dse.searchers.nsga3 import directions
from dse.testing import check_searcher
from tests.dse.searchers.grids import operators, pymoo_volume, sphere
from tests.dse.searchers.test_searchers import search, volume, zdt1

SPACE = Space([Integer("x", 0, 15), Integer("y", 0, 15)])


@cost_model(metrics={"f": "", "g": "", "area": ""}, version="1")
def trade(d: Any) -> dict[str, Any]:
    x, y = d["x"] / 15, d["y"] / 15
    return {"f": 1e3 * (x**2 + 0.5 * y), "g": 1e-3 * ((1 - x) ** 2 + 0.3 * y), "area": d["x"] + d["y"]}


def test_promises_of_a_searcher() -> None:
    check_searcher(partial(MOEAD, population=8, neighbours=3, offspring=5))


def test_decompositions_by_hand() -> None:
    points = np.array([[0.3, 0.4], [1.0, 0.0]])
    weights = np.array([[0.5, 0.5], [0.25, 0.75]])
    assert tchebycheff(points, weights) == pytest.approx(np.array([[0.8, 1.2], [2.0, 4.0]]))
    along = (0.3 + 0.4) / np.sqrt(2)
    apart = (0.4 - 0.3) / np.sqrt(2)
    assert boundary_intersection(points, weights)[0, 0] == pytest.approx(along + 5 * apart)


def test_a_design_in_a_weights_direction_is_best_along_that_weight() -> None:
    weights = np.maximum(directions(3, 60), 1e-6)
    points = weights * np.random.default_rng(0).uniform(0.2, 3.0, (len(weights), 1))
    for decomposition in (tchebycheff, boundary_intersection):
        assert decomposition(points, weights).argmin(axis=1).tolist() == list(range(len(weights)))


@pytest.mark.parametrize("decomposition", ["tchebycheff", "pbi"])
def test_each_weight_holds_the_best_along_it(decomposition: str) -> None:
    """With all weights neighbours, the best of all that was told; units of the objectives do not matter."""
    problem = Problem(SPACE, trade, [Minimize("f"), Minimize("g")])
    every = np.concatenate([part.codes for part in SPACE.enumerate()])
    searcher = MOEAD(SPACE, population=20, neighbours=20, decomposition=decomposition)
    order = np.random.default_rng(0).permutation(len(every))
    for rows in np.array_split(order, 5):
        searcher.tell(problem.evaluate(Designs(SPACE, every[rows])))
    searcher.tell(problem.evaluate(Designs(SPACE, every)))  # once more, with all scales known
    found = problem.evaluate(Designs(SPACE, every)).objectives
    front = found[nondominated(found)]
    scaled = (found - front.min(axis=0)) / np.ptp(front, axis=0)
    held = (searcher._held.objectives - front.min(axis=0)) / np.ptp(front, axis=0)
    function = {"tchebycheff": tchebycheff, "pbi": boundary_intersection}[decomposition]
    weights = np.maximum(directions(2, 20), 1e-6)
    best = function(scaled, weights).min(axis=0)
    assert np.diagonal(function(held, weights)) == pytest.approx(best)


def test_weights_take_less_violation_first() -> None:
    problem = Problem(SPACE, trade, [Minimize("f"), Minimize("g")], ["area >= 24"])
    searcher = MOEAD(SPACE, seed=2, population=20)
    most = np.inf
    for _ in range(8):
        searcher.tell(problem.evaluate(searcher.ask(20)))
        assert searcher._held.violation.max() <= most
        most = searcher._held.violation.max()
    assert most == 0


def test_one_objective_has_no_weights() -> None:
    problem = Problem(SPACE, trade, [Minimize("f")])
    assert search(problem, "moead", 150, population=20).objectives.min() == 0


@pytest.mark.parametrize(
    ("problem", "reference"), [(zdt1(12, 127), (1.1, 10.0)), (sphere(7, 30), (1.2, 1.2, 1.2))]
)
@pytest.mark.parametrize("parallel", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_it_does_as_well_as_pymoos(problem: Problem, reference: tuple[float, ...], parallel: bool) -> None:
    """The same budget, operators, weights and encoding: the median hypervolume of five seeds is not worse.

    pymoo makes a generation at a time, or, which takes long, one design.
    """
    from pymoo.algorithms.moo import moead

    kind = moead.ParallelMOEAD if parallel else moead.MOEAD
    budget, mine, theirs = 1_000, [], []
    for seed in range(5):
        mine.append(volume(search(problem, "moead", budget, seed, population=50), reference))
        weights = directions(len(reference), 50)
        peer = kind(ref_dirs=weights, n_neighbors=20, **operators(1.0, 20))
        theirs.append(pymoo_volume(problem, peer, budget, seed, reference))
    assert np.median(mine) > np.median(theirs) - 0.01 * np.ptp(theirs)


def test_settings_are_checked() -> None:
    for settings, message in (
        ({"neighbours": 1}, "moead: neighbours=1 must be a whole number, 2 or more"),
        ({"offspring": 0.5}, "moead: offspring=0.5 must be a whole number, 1 or more"),
        ({"outside": 2}, "moead: outside=2 must be a probability, 0 to 1"),
        ({"decomposition": "sum"}, "moead: decomposition='sum' must be one of tchebycheff, pbi"),
        ({"population": 1}, "moead: population=1 must be a whole number, 2 or more"),
    ):
        with pytest.raises(SearcherError, match=message):
            make_searcher("moead", SPACE, 0, settings)
