"""Simulated annealing: moves, momentum, acceptance, restarts, and what it finds."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dse import Categorical, Designs, Integer, Minimize, Ordinal, Problem, Real, Space, cost_model
from dse.errors import SearcherError
from dse.searchers import make_searcher
from dse.searchers.moves import Moves
from dse.searchers.pgsam import PGSAM, domination
from dse.testing import check_searcher
from tests.dse.searchers.test_searchers import search, tight_problem, volume, zdt1

MIXED = Space(
    [
        Categorical("kind", ["a", "b", "c"]),
        Ordinal("tile", [1, 2, 4, 8, 16]),
        Integer("stages", 1, 6),
        Integer("fixed", 3, 3),
        Real("volt", 0.5, 1.0),
        Real("rate", 1e-3, 1e3, log=True),
        Categorical("many", list(range(40))),
    ]
)
LINE = Space([Integer("x", 0, 100), Integer("y", 0, 100)])


@cost_model(metrics={"f": "", "g": "", "h": ""}, version="1")
def line(d: Any) -> dict[str, Any]:
    return {"f": d["x"] + d["y"], "g": 100 - d["x"] + d["y"], "h": d["y"]}


def test_promises_of_a_searcher() -> None:
    check_searcher(partial(PGSAM, initial=5, chains=3))


@given(st.integers(0, 10_000))
def test_moves_change_one_parameter_in_their_direction(seed: int) -> None:
    rng = np.random.default_rng(seed)
    moves = Moves(MIXED)
    # Up and down of four parameters, three kinds, and any of the many; none of what cannot change.
    assert len(moves) == 12
    assert moves.chance.sum() == pytest.approx(1.0)
    assert not (moves.position == MIXED.position("fixed")).any()
    codes = MIXED.sample(40, seed).codes
    drawn = moves.drawn(np.tile(moves.chance, (40, 1)), rng)
    changed = moves.applied(codes, drawn, rng)
    assert MIXED.contains(changed).all()
    differs = changed != codes
    assert (differs.sum(axis=1) <= 1).all()
    moved = differs.any(axis=1)
    assert (np.argmax(differs, axis=1) == moves.position[drawn])[moved].all()
    led = moves.between(codes, changed)
    assert led[np.arange(40), drawn][moved].all()
    assert led.sum(axis=1).tolist() == moved.astype(int).tolist()


def test_moves_are_drawn_by_their_chances() -> None:
    moves = Moves(MIXED)
    chances = np.zeros((3_000, len(moves)))
    chances[:, [2, 5]] = [0.9, 0.1]
    drawn = moves.drawn(chances, np.random.default_rng(0))
    assert set(drawn.tolist()) == {2, 5}
    assert np.mean(drawn == 2) == pytest.approx(0.9, abs=0.03)


def test_steps_are_short_and_long() -> None:
    space = Space([Integer("x", 0, 1_000)])
    moves = Moves(space)
    start = np.full((2_000, 1), 500)
    steps = np.abs(moves.applied(start, np.ones(2_000, int), np.random.default_rng(1)) - 500)
    assert np.mean(steps <= 10) > 0.25
    assert np.mean(steps >= 100) > 0.25
    assert steps.min() == 1


def test_amount_of_domination_by_hand() -> None:
    points = np.array([[0.0, 0.0], [1.0, 8.0], [4.0, 1.0]])
    amount = domination(points, points, np.array([10.0, 20.0]))
    expected = np.zeros((3, 3))
    expected[0, 1] = np.sqrt(1 / 10 * 8 / 20)
    expected[0, 2] = np.sqrt(4 / 10 * 1 / 20)
    assert amount == pytest.approx(expected)
    # What does not differ does not count.
    assert domination(np.array([[1.0, 2.0]]), np.array([[1.0, 6.0]]), np.ones(2)) == pytest.approx(4.0)


def chain_at(problem: Problem, start: tuple[int, int], **settings: Any) -> PGSAM:
    """Return a searcher of one chain that stands at a design."""
    searcher = PGSAM(LINE, initial=1, chains=1, **settings)
    searcher.tell(problem.evaluate(Designs(LINE, np.array([start]))))
    return searcher


def test_worse_designs_are_accepted_while_it_is_hot() -> None:
    problem = Problem(LINE, line, [Minimize("f"), Minimize("g")])
    worse = problem.evaluate(Designs(LINE, np.array([[50, 40]])))
    taken = {}
    for temperature in (1e6, 1e-6):
        went = 0
        for seed in range(40):
            searcher = chain_at(problem, (50, 10), seed=seed, temperature=temperature, patience=99)
            searcher.tell(worse)
            went += searcher._current.codes[0].tolist() == [50, 40]
        taken[temperature] = went
    # AMOSA's logistic probability is one half at most.
    assert 10 <= taken[1e6] <= 30
    assert taken[1e-6] == 0


def test_it_cools_as_more_is_told() -> None:
    problem = Problem(LINE, line, [Minimize("f"), Minimize("g")])
    taken = {}
    for cooling in (1e9, 1e-9):
        went = 0
        for seed in range(40):
            searcher = chain_at(problem, (50, 10), seed=seed, temperature=1e6, cooling=cooling, patience=99)
            searcher.tell(problem.evaluate(Designs(LINE, np.array([[50, 90]]))))
            went += searcher._current.codes[0].tolist() == [50, 90]
        taken[cooling] = went
    assert taken[1e9] > 10 > taken[1e-9] == 0


def test_less_violation_is_always_taken() -> None:
    problem = Problem(LINE, line, [Minimize("f"), Minimize("g")], ["h <= 1"])
    searcher = chain_at(problem, (50, 60), temperature=1e-9)
    searcher.tell(problem.evaluate(Designs(LINE, np.array([[99, 30]]))))
    assert searcher._current.codes[0].tolist() == [99, 30]
    searcher.tell(problem.evaluate(Designs(LINE, np.array([[0, 31]]))))
    assert searcher._current.codes[0].tolist() == [99, 30]


def test_moves_that_brought_a_chain_on_are_drawn_again() -> None:
    problem = Problem(LINE, line, [Minimize("f"), Minimize("g")])
    searcher = chain_at(problem, (50, 90), momentum=1.0)
    searcher.tell(problem.evaluate(Designs(LINE, np.array([[50, 60]]))))
    # Less of y made it better: so it goes on.
    asked = searcher.ask(5).codes
    assert (asked[:, 0] == 50).all()
    assert (asked[:, 1] < 60).all()
    assert len(set(PGSAM(LINE, initial=1).ask(5).codes[:, 0].tolist())) > 1


def test_chains_that_do_not_get_on_start_anew_from_the_archive() -> None:
    problem = Problem(LINE, line, [Minimize("f"), Minimize("g")])
    searcher = PGSAM(LINE, initial=3, chains=2, temperature=1e-9, patience=2)
    searcher.tell(problem.evaluate(Designs(LINE, np.array([[0, 0], [100, 0], [50, 50]]))))
    searcher._current = searcher._current.put(np.array([0, 1]), searcher._archive.take(np.array([2, 2])))
    assert searcher._current.codes.tolist() == [[50, 50], [50, 50]]
    for y in (61, 62, 71, 72):
        searcher.tell(problem.evaluate(Designs(LINE, np.array([[50, y], [51, y]]))))
    # The chain's own design is a member of the archive as well, but the last of it.
    assert searcher._current.codes.tolist() != [[50, 50], [50, 50]]
    assert set(map(tuple, searcher._current.codes.tolist())) <= set(
        map(tuple, searcher._archive.codes.tolist())
    )


def test_momentum_helps_where_one_direction_is_right() -> None:
    problem, reference = zdt1(20, 63), (1.1, 10.0)
    found = {}
    for momentum in (0.0, 0.5):
        volumes = [
            volume(search(problem, "pgsam", 800, seed, momentum=momentum), reference) for seed in range(5)
        ]
        found[momentum] = np.median(volumes)
    assert found[0.5] > found[0.0]


def test_annealing_beats_chance_on_a_tight_mixed_conditional_space() -> None:
    problem, reference = tight_problem(), (100.0, 200.0)
    wins = 0
    for seed in range(5):
        found = search(problem, "pgsam", 600, seed)
        assert problem.space.contains(found.designs).all()
        wins += volume(found, reference) > volume(search(problem, "random", 600, seed), reference)
    assert wins >= 4


def test_annealing_goes_from_infeasible_to_feasible_by_violation() -> None:
    """One design in some hundred thousand meets the limit: chance would not find it."""
    space = Space([Integer(f"x{index}", 0, 15) for index in range(6)])

    @cost_model(metrics={"cost": "", "distance": ""}, columns=space.names, version="1")
    def distant(d: Any) -> dict[str, Any]:
        x = np.stack([d[name] for name in space.names], axis=1)
        return {"cost": x[:, 0], "distance": np.abs(x - 11).sum(axis=1)}

    problem = Problem(space, distant, [Minimize("cost")], ["distance <= 2"])
    assert search(problem, "pgsam", 1_000).feasible.any()


def test_many_designs_of_others_at_once() -> None:
    problem = Problem(LINE, line, [Minimize("f"), Minimize("g")])
    searcher = PGSAM(LINE)
    for part in LINE.enumerate(4_000):
        searcher.tell(problem.evaluate(part))
    assert len(searcher._archive) == 100
    assert not len(searcher.ask(5))


def test_settings_are_checked() -> None:
    for settings, message in (
        ({"initial": 0}, "pgsam: initial=0 must be a whole number, 1 or more"),
        ({"chains": 2.0}, "pgsam: chains=2.0 must be a whole number, 1 or more"),
        ({"patience": True}, "pgsam: patience=True"),
        ({"temperature": 0}, "pgsam: temperature=0 must be positive"),
        ({"cooling": -1.0}, "pgsam: cooling=-1.0 must be positive"),
        ({"momentum": 1.5}, "pgsam: momentum=1.5 must be a probability, 0 to 1"),
    ):
        with pytest.raises(SearcherError, match=message):
            make_searcher("pgsam", LINE, 0, settings)
