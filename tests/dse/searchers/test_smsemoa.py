"""SMS-EMOA: which designs stay, and that it does as well as pymoo's."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dse import Integer, Problem, Space
from dse.errors import SearcherError
from dse.pareto import hypervolume, nondominated, nondominated_ranks
from dse.searchers import make_searcher
from dse.searchers.nsga2 import survivors
from dse.searchers.smsemoa import REFERENCE, SMSEMOA, contributing
from dse.testing import check_searcher
from tests.dse.searchers.grids import operators, pymoo_volume, sphere
from tests.dse.searchers.test_searchers import search, volume, zdt1

SPACE = Space([Integer("x", 0, 3)])


def test_promises_of_a_searcher() -> None:
    check_searcher(partial(SMSEMOA, population=9, offspring=4))


def test_the_ends_and_the_loneliest_of_a_line_stay() -> None:
    """Contributions by hand: between its neighbours a design of a line adds the product of two steps."""
    first = np.array([0.0, 1.0, 1.1, 1.2, 3.0, 4.0])
    points = np.column_stack([first, 4 - first])
    # 1.1 adds 0.1 x 0.1, the least; without it 1.0 adds 1.0 x 0.2, and 1.2 adds 0.2 x 1.8.
    assert set(contributing(points, 5).tolist()) == {0, 1, 3, 4, 5}
    assert set(contributing(points, 4).tolist()) == {0, 3, 4, 5}


@given(st.integers(0, 10_000), st.integers(2, 4), st.integers(4, 14))
def test_the_least_contributor_leaves_first(seed: int, objectives: int, n: int) -> None:
    """Against hypervolumes of all sets with one design fewer, one after another."""
    rng = np.random.default_rng(seed)
    points = rng.random((n, objectives)) ** 2 * rng.uniform(1, 1e3, objectives)
    count = int(rng.integers(1, n))
    kept = contributing(points, count)
    assert len(set(kept.tolist())) == count
    ranks = nondominated_ranks(points)
    last = ranks[kept].max()
    assert set(np.flatnonzero(ranks < last).tolist()) <= set(kept.tolist())
    front = np.flatnonzero(ranks == last)
    scaled = (points[front] - points[front].min(axis=0)) / np.maximum(np.ptp(points[front], axis=0), 1e-300)
    left = list(range(len(front)))
    while len(left) > count - np.count_nonzero(ranks < last):
        without = [
            hypervolume(np.delete(scaled[left], i, 0), [REFERENCE] * objectives) for i in range(len(left))
        ]
        del left[int(np.argmax(without))]
    assert hypervolume(scaled[left], [REFERENCE] * objectives) == pytest.approx(
        hypervolume(scaled[np.isin(front, kept)], [REFERENCE] * objectives)
    )
    assert ranks[kept].tolist() == sorted(ranks[kept].tolist())


def test_survivors_do_not_depend_on_units() -> None:
    rng = np.random.default_rng(3)
    points = rng.random((40, 3))
    assert contributing(points, 15).tolist() == contributing(points * [1e-6, 1.0, 1e9] + 5.0, 15).tolist()


@pytest.mark.parametrize("objectives", [1, 6])
def test_one_objective_and_more_than_five_survive_as_in_nsga2(objectives: int) -> None:
    points = np.random.default_rng(0).random((30, objectives))
    kept = SMSEMOA(SPACE, population=10)._survivors(points, np.zeros(30), np.random.default_rng(1))
    assert kept.tolist() == survivors(points, np.zeros(30), 10, np.random.default_rng(1)).tolist()


def test_infeasible_designs_follow_by_violation() -> None:
    points = np.random.default_rng(0).random((8, 2))
    violation = np.array([0, 3, 0, 1, 0, 2, 9, 8.0])
    kept = SMSEMOA(SPACE, population=5)._survivors(points, violation, np.random.default_rng(1))
    assert set(kept[:3].tolist()) == {0, 2, 4}
    assert kept[3:].tolist() == [3, 5]


@pytest.mark.parametrize(
    ("problem", "reference"), [(zdt1(12, 127), (1.1, 10.0)), (sphere(7, 30), (1.2, 1.2, 1.2))]
)
def test_it_does_as_well_as_pymoos(problem: Problem, reference: tuple[float, ...]) -> None:
    """The same budget, operators and encoding: the median hypervolume of five seeds is not worse."""
    from pymoo.algorithms.moo import sms

    budget, mine, theirs = 1_000, [], []
    for seed in range(5):
        mine.append(volume(search(problem, "smsemoa", budget, seed, population=50), reference))
        peer = sms.SMSEMOA(pop_size=50, **operators(0.9, 15))
        theirs.append(pymoo_volume(problem, peer, budget, seed, reference))
    assert np.median(mine) > np.median(theirs) - 0.01 * np.ptp(theirs)


def test_its_front_is_spread_over_a_sphere() -> None:
    problem = sphere(7, 30)
    found = search(problem, "smsemoa", 3_000)
    front = found.objectives[nondominated(found.objectives)]
    # The volume behind the sphere's eighth, of a cube of 1.1 a side.
    assert hypervolume(front, [1.1] * 3) > 0.9 * (1.1**3 - np.pi / 6)


def test_settings_are_checked() -> None:
    for settings, message in (
        ({"offspring": 0}, "smsemoa: offspring=0 must be a whole number, 1 or more"),
        ({"offspring": True}, "smsemoa: offspring=True"),
        ({"population": 1}, "smsemoa: population=1 must be a whole number, 2 or more"),
        ({"crossover": -0.1}, "smsemoa: crossover=-0.1 must be a probability"),
    ):
        with pytest.raises(SearcherError, match=message):
            make_searcher("smsemoa", SPACE, 0, settings)
    assert SMSEMOA(SPACE, offspring=7).batch == 7
