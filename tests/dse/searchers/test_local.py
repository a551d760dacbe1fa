"""Pareto local search and quasi-random designs: what they look at, and what they find."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dse import Categorical, Designs, Integer, Minimize, Ordinal, Problem, Real, Space, cost_model
from dse.errors import SearcherError
from dse.pareto import nondominated
from dse.searchers.local import Local, neighbours
from dse.searchers.random import Random
from dse.searchers.sobol import Sobol

SPACE = Space(
    [
        Categorical("kind", ["a", "b", "c"]),
        Ordinal("tile", [1, 2, 4, 8, 16], active_if="kind != 'c'"),
        Integer("stages", 1, 6),
    ],
    ["tile * stages <= 48"],
)


def codes_of(**values: Any) -> np.ndarray[Any, Any]:
    return SPACE.designs([values]).codes


def test_neighbours_differ_in_one_parameter() -> None:
    rng = np.random.default_rng(0)
    found = neighbours(SPACE, codes_of(kind="a", tile=8, stages=6), rng)
    rows = {tuple(row.values()) for row in Designs(SPACE, found).rows()}
    # 16 x 6 is outside of the space; without a tile the parameter stands at its first value.
    assert rows == {("b", 8, 6), ("c", 1, 6), ("a", 4, 6), ("a", 8, 5)}


def test_all_neighbours_of_all_designs_are_members() -> None:
    every = np.concatenate([part.codes for part in SPACE.enumerate()])
    rng = np.random.default_rng(1)
    for row in every:
        near = neighbours(SPACE, row[None], rng)
        assert SPACE.satisfies(near).all()
        assert len(set(SPACE.keys(near))) == len(near)
        changed = (near != row).sum(axis=1)
        # Where a kind brings a tile along or drops it, two values change.
        assert (changed >= 1).all()
        assert (changed <= 2).all()


def test_reals_take_small_steps_within_their_bounds() -> None:
    space = Space([Real("volt", 0.5, 1.0), Real("rate", 1e-3, 1e3, log=True)])
    near = neighbours(space, np.array([[0.5, 1.0]]), np.random.default_rng(0))
    assert len(near) >= 3
    assert ((near[:, 0] >= 0.5) & (near[:, 0] <= 1.0)).all()
    assert np.abs(np.log10(near[:, 1])).max() < 3


@cost_model(metrics={"f": "", "g": ""}, version="1")
def bowls(d: Any) -> dict[str, Any]:
    x = np.stack([np.asarray(d[f"x{index}"], float) for index in range(6)], axis=1)
    return {"f": ((x - 3) ** 2).sum(axis=1), "g": ((x - 12) ** 2).sum(axis=1)}


def test_local_search_finds_the_front_where_single_steps_lead_there() -> None:
    space = Space([Integer(f"x{index}", 0, 15) for index in range(6)])
    problem = Problem(space, bowls, [Minimize("f"), Minimize("g")])
    found = {}
    for kind in (Local, Random):
        searcher = kind(space, seed=0)
        parts = []
        for _ in range(40):
            evaluations = problem.evaluate(searcher.ask(50))
            searcher.tell(evaluations)
            parts.append(evaluations.objectives)
        objectives = np.concatenate(parts)
        front = objectives[nondominated(objectives)]
        # On the straight line between both optima the distances to them add up to the least there is.
        found[kind] = np.sqrt(front).sum(axis=1).mean(), len(front)
    exact = np.sqrt(6 * 9.0**2)
    assert found[Local][0] < 1.05 * exact
    assert found[Random][0] > 1.08 * exact
    assert found[Local][1] > 2 * found[Random][1]


def test_local_search_starts_from_the_least_broken() -> None:
    space = Space([Integer(f"x{index}", 0, 15) for index in range(6)])
    problem = Problem(space, bowls, [Minimize("f")], ["g <= 20"])
    searcher = Local(space, seed=1, initial=20)
    feasible = 0
    for _ in range(30):
        evaluations = problem.evaluate(searcher.ask(20))
        searcher.tell(evaluations)
        feasible += int((evaluations.state == "complete").sum())
    assert feasible > 100


def test_what_is_known_to_be_exhausted_changes_no_proposal() -> None:
    """A searcher that went on proposes what one does that is told everything at once and looks anew."""
    space = Space([Integer(f"x{index}", 0, 15) for index in range(3)])

    @cost_model(metrics={"f": "", "g": ""}, columns=space.names, version="1")
    def ridge(d: Any) -> dict[str, Any]:
        return {"f": d["x0"] + 4 * d["x1"], "g": 15 - d["x0"] + 4 * d["x2"]}

    problem = Problem(space, ridge, [Minimize("f"), Minimize("g")])
    searcher, parts = Local(space, seed=4), []
    for _ in range(20):
        parts.append(problem.evaluate(searcher.ask(50)))
        searcher.tell(parts[-1])
    assert searcher._exhausted
    other = Local(space, seed=4)
    for part in parts:
        other.tell(part)
    assert other.ask(50) == searcher.ask(50)


def test_settings_are_checked() -> None:
    with pytest.raises(SearcherError, match="local: initial=0 must be a whole number, 1 or more"):
        Local(SPACE, initial=0)


def test_quasi_random_designs_are_spread_more_evenly_than_random_ones() -> None:
    from scipy.stats import qmc

    space = Space([Real(f"x{index}", 0.0, 1.0) for index in range(4)])
    spread = {kind: qmc.discrepancy(kind(space, seed=3).ask(256).codes) for kind in (Sobol, Random)}
    assert spread[Sobol] < 0.3 * spread[Random]


def test_quasi_random_designs_go_on_where_they_stopped() -> None:
    space = Space([Integer("x", 0, 999), Integer("y", 0, 999)], ["x * y <= 200000"])

    @cost_model(metrics={"f": ""}, version="1")
    def area(d: Any) -> dict[str, Any]:
        return {"f": d["x"] * d["y"]}

    problem = Problem(space, area, [Minimize("f")])
    at_once = Sobol(space, seed=5).ask(600)
    searcher = Sobol(space, seed=5)
    parts = []
    for size in (1, 99, 200, 300):
        designs = searcher.ask(size)
        searcher.tell(problem.evaluate(designs))
        parts.append(designs.codes)
    assert np.concatenate(parts).tolist() == at_once.codes.tolist()


def test_a_space_with_few_members_is_filled_up_at_random() -> None:
    space = Space([Integer(f"x{index}", 0, 99) for index in range(4)], ["x0 == x1", "x1 == x2", "x2 == x3"])
    designs = Sobol(space, seed=0).ask(60)
    assert len(designs) == 60
    assert len(set(space.keys(designs.codes))) == 60
