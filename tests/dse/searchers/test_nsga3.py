"""NSGA-III: reference directions, niches, and that it does what it is for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dse import Minimize, Problem, Real, Space, cost_model
from dse.errors import SearcherError
from dse.pareto import hypervolume, nondominated
from dse.searchers import make_searcher
from dse.searchers.nsga2 import NSGA2
from dse.searchers.nsga3 import NSGA3, directions, niched


@pytest.mark.parametrize(
    ("objectives", "most", "wanted"),
    # Deb and Jain (2014), table I: 91 for three objectives, 210 for five, 156 for eight in two layers.
    [(3, 91, 91), (5, 210, 210), (8, 156, 156), (2, 100, 100)],
)
def test_directions_are_as_many_as_published(objectives: int, most: int, wanted: int) -> None:
    found = directions(objectives, most)
    assert found.shape == (wanted, objectives)
    assert found.sum(axis=1) == pytest.approx(np.ones(wanted))
    assert len(np.unique(found.round(9), axis=0)) == wanted


def test_the_best_rank_stays_whole() -> None:
    rng = np.random.default_rng(0)
    points = rng.random((200, 3)) + 0.5
    points[:20] = rng.dirichlet(np.ones(3), 20) * 0.5
    kept = niched(points, 60, directions(3, 60), rng)
    assert len(set(kept.tolist())) == 60
    first = np.flatnonzero(nondominated(points))
    assert len(first) < 60
    assert set(first.tolist()) <= set(kept.tolist())


def test_survivors_are_spread_over_a_front() -> None:
    """Of a hundred clustered designs and five far ones, each far one has a niche of its own."""
    rng = np.random.default_rng(1)
    near = np.column_stack([0.5 + 0.01 * rng.random(100), np.zeros(100)])
    far = np.array([0.0, 0.2, 0.35, 0.8, 1.0])
    first = np.concatenate([near[:, 0], far])
    points = np.column_stack([first, 1 - first])
    kept = niched(points, 20, directions(2, 20), rng)
    assert set(range(100, 105)) <= set(kept.tolist())


def sphere(objectives: int) -> Problem:
    """DTLZ2 (Deb, Thiele, Laumanns and Zitzler, 2005): its front is the positive part of the unit sphere."""
    space = Space([Real(f"x{index}", 0.0, 1.0) for index in range(objectives + 4)])
    metrics = {f"f{index}": "" for index in range(objectives)}

    @cost_model(metrics=metrics, columns=space.names, version="1")
    def model(d: Any) -> dict[str, Any]:
        x = np.stack([d[name] for name in space.names], axis=1)
        distance = 1 + ((x[:, objectives - 1 :] - 0.5) ** 2).sum(axis=1)
        angle = x[:, : objectives - 1] * np.pi / 2
        found = {}
        for index in range(objectives):
            value = distance * np.cos(angle[:, : objectives - 1 - index]).prod(axis=1)
            found[f"f{index}"] = value * (np.sin(angle[:, objectives - 1 - index]) if index else 1.0)
        return found

    return Problem(space, model, [Minimize(name) for name in metrics])


def searched(searcher: Any, problem: Problem, generations: int) -> Any:
    for _ in range(generations):
        searcher.tell(problem.evaluate(searcher.ask(searcher.batch)))
    return searcher._held.objectives


def test_many_objectives_converge_where_nsga2_does_not() -> None:
    problem = sphere(8)
    radius = {}
    for kind in (NSGA2, NSGA3):
        found = searched(kind(problem.space, seed=0), problem, 60)
        radius[kind] = float(np.median(np.linalg.norm(found, axis=1)))
    # The front is at 1.
    assert radius[NSGA3] < 1.2
    assert radius[NSGA2] > radius[NSGA3] + 0.2


def test_three_objectives_reach_the_front() -> None:
    problem = sphere(3)
    found = searched(NSGA3(problem.space, seed=0), problem, 80)
    volume = hypervolume(found, np.full(3, 1.1))
    # The volume behind the sphere's eighth, of a cube of 1.1 a side.
    assert volume > 0.85 * (1.1**3 - np.pi / 6)


def test_one_objective_is_nsga2s() -> None:
    space = Space([Real("x", 0.0, 1.0)])

    @cost_model(metrics={"f": ""}, version="1")
    def bowl(d: Any) -> dict[str, Any]:
        return {"f": (d["x"] - 0.3) ** 2}

    problem = Problem(space, bowl, [Minimize("f")])
    one, other = (searched(kind(space, seed=2), problem, 6) for kind in (NSGA2, NSGA3))
    assert one.tolist() == other.tolist()


def test_settings_name_the_searcher() -> None:
    with pytest.raises(SearcherError, match="nsga3: population=1 must be a whole number, 2 or more"):
        make_searcher("nsga3", Space([Real("x", 0.0, 1.0)]), 0, {"population": 1})
