"""`marl` and `rl`: one agent a parameter or a subsystem, and one agent for all."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse import (
    Categorical,
    Designs,
    Evaluations,
    Integer,
    Minimize,
    Ordinal,
    Problem,
    Real,
    Space,
    cost_model,
)
from dse.errors import SearcherError
from dse.pareto import hypervolume
from dse.searchers import make_searcher
from dse.searchers.critic import NOISE, REACH, Critic
from dse.searchers.draws import Draw
from dse.searchers.marl import MARL
from dse.searchers.replay import Replay, preferences, scalarised
from dse.searchers.rl import RL
from dse.space.choices import Choices
from dse.testing import check_searcher

NAMES = ("marl", "rl")


@pytest.mark.parametrize(
    "searcher",
    [
        partial(RL, initial=5),
        partial(MARL, initial=5),
        partial(MARL, initial=5, agents="subsystem", reward="hypervolume"),
        partial(MARL, initial=5, credit="shared", memory=16),
    ],
)
def test_promises_of_a_searcher(searcher: Any) -> None:
    check_searcher(searcher)


def test_settings_are_checked() -> None:
    space = Space([Integer("core.x", 0, 3), Integer("core.y", 0, 3), Integer("z", 0, 3)])
    for name, given_, message in (
        ("rl", {"initial": 0}, "rl: initial=0 must be a whole number, 1 or more"),
        ("rl", {"memory": 2.5}, "rl: memory=2.5 must be a whole number, 16 or more"),
        ("rl", {"changes": 0}, "rl: changes=0 must be a share"),
        ("marl", {"elite": 1.5}, "marl: elite=1.5 must be a share"),
        ("marl", {"reward": "sum"}, "marl: reward='sum' is unknown; known are chebyshev, hypervolume"),
        ("marl", {"credit": "mine"}, "marl: credit='mine' is unknown; known are counterfactual, shared"),
        ("marl", {"agents": "layer"}, "marl: agents='layer' is unknown: write 'parameter'"),
        ("marl", {"agents": [["core.x", "q"]]}, "agents names 'q', which is no parameter; known are core.x"),
        ("marl", {"agents": [["z"], ["core.x", "z"]]}, "agents names 'z' twice"),
    ):
        with pytest.raises(SearcherError, match=message):
            make_searcher(name, space, 0, given_)


def separable(parameters: int = 20, values: int = 5, objectives: int = 2) -> Problem:
    """Sums of random tables: parameters that are quite independent."""
    space = Space([Categorical(f"s{i % 4}.x{i}", list(range(values))) for i in range(parameters)])
    tables = np.random.default_rng(5).random((objectives, parameters, values))
    names = [f"f{index}" for index in range(objectives)]

    @cost_model(metrics=dict.fromkeys(names, ""), version="1")
    def model(d: Any) -> dict[str, Any]:
        chosen = np.column_stack([d[name] for name in space.names])
        summed = tables[:, np.arange(parameters), chosen].sum(axis=2)
        return dict(zip(names, summed, strict=True))

    return Problem(space, model, [Minimize(name) for name in names])


def search(problem: Problem, name: str, budget: int, seed: int = 0, **given_: Any) -> Evaluations:
    searcher = make_searcher(name, problem.space, seed, given_)
    parts: list[Evaluations] = []
    while (count := sum(map(len, parts))) < budget:
        parts.append(problem.evaluate(searcher.ask(min(searcher.batch, budget - count))))
        searcher.tell(parts[-1])
    return Evaluations.concat(parts)


def volume(found: Evaluations, corner: float) -> float:
    return hypervolume(found.objectives[found.feasible], np.full(found.objectives.shape[1], corner))


@pytest.mark.parametrize(
    ("name", "given_"),
    [
        ("rl", {}),
        ("marl", {}),
        ("marl", {"agents": "subsystem"}),
        ("marl", {"reward": "hypervolume"}),
        ("marl", {"credit": "shared"}),
    ],
)
def test_learns_a_separable_front(name: str, given_: dict[str, Any]) -> None:
    """300 of 5^20 designs dominate more than 3,000 random ones."""
    problem = separable()
    chance = volume(search(problem, "random", 3_000), 10.0)
    wins = sum(volume(search(problem, name, 300, seed, **given_), 10.0) > chance for seed in range(3))
    assert wins == 3


def test_a_credit_for_each_agent_beats_a_shared_one_where_parameters_are_independent() -> None:
    """One objective over 40 parameters: the claim of Krishnan et al., at its plainest."""
    problem = separable(40, 5, 1)
    best = {
        name: np.array([search(problem, name, 300, seed).objectives.min() for seed in range(5)])
        for name in NAMES
    }
    assert (best["marl"] < best["rl"]).sum() >= 4


def test_agents_with_a_shared_credit_are_one_agent() -> None:
    problem = separable()
    shared, single = search(problem, "marl", 120, credit="shared"), search(problem, "rl", 120)
    assert shared.designs == single.designs


def narrow() -> Space:
    """Fewer than one design in a hundred is feasible."""
    return Space(
        [Ordinal(f"x{i}", [1, 2, 4, 8, 16, 32]) for i in range(6)] + [Categorical("kind", ["a", "b", "c"])],
        ["x0 * x1 * x2 <= 8", "x3 * x4 * x5 >= 4096", "kind != 'a' or x0 + x3 <= 20"],
    )


@pytest.mark.parametrize("name", NAMES)
def test_never_proposes_what_is_infeasible_in_a_narrow_space(name: str) -> None:
    space = narrow()
    assert 200 < space.count() < 0.01 * space.size

    @cost_model(metrics={"a": "", "b": ""}, version="1")
    def model(d: Any) -> dict[str, Any]:
        return {"a": d["x0"] + d["x3"] + 0.1 * d["x1"], "b": 1.0 / d["x2"] + d["x4"] / d["x1"]}

    problem = Problem(space, model, [Minimize("a"), Minimize("b")])
    found = search(problem, name, 200)
    assert space.contains(found.designs).all()
    assert len(set(space.keys(found.designs.codes))) == 200


def test_masks_leave_the_odds_of_the_rest() -> None:
    """Where every continuation is as free, masked choices have the policy's odds among the feasible ones."""
    space = Space([Integer("x", 0, 3), Integer("y", 0, 3)], ["x != y"])
    logits = np.zeros((20_000, 2, 4))
    logits[:, 0, 3] = np.log(3.0)
    codes, episodes = Draw(Choices(space))(logits, np.random.default_rng(0))
    assert len(episodes) == 20_000
    assert space.satisfies(codes).all()
    first = space.components[0].positions[0]
    assert abs((codes[:, first] == 3).mean() - (0.5 if first == 0 else 0.25)) < 0.02
    others = codes[codes[:, first] == 0][:, 1 - first]
    assert abs((others == 1).mean() - (1 / 3 if first == 0 else 0.2)) < 0.02


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000))
def test_every_design_drawn_is_feasible(seed: int) -> None:
    """Tabulated, too large for a table, real and conditional components; sharp policies and flat ones."""
    rng = np.random.default_rng(seed)
    wide = Space(
        [
            Integer("big", 1, 10_000),
            Integer("other", 1, 10_000),
            Categorical("kind", ["x", "y"]),
            Real("rate", 1e-3, 1e3, log=True, active_if="kind == 'x'"),
            Integer("n", 1, 4),
        ],
        ["big * n <= 20000", "rate * n <= 500", "big + other >= 50"],
    )
    for space in (narrow(), wide):
        choices = Choices(space)
        logits = rng.normal(0.0, rng.choice([0.0, 1.0, 20.0]), (30, *choices.usable.shape))
        kept = space.sample(30, rng).codes
        codes, episodes = Draw(choices)(logits, rng, kept)
        assert space.contains(codes).all()
        assert len(codes) == len(episodes) > 0
        assert (np.diff(episodes) > 0).all()


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000), st.sampled_from(["chebyshev", "hypervolume"]))
def test_counterfactuals_are_what_the_critic_predicts_of_changed_designs(seed: int, reward: str) -> None:
    """All differences at once, against a prediction of each changed design by the kernel's definition."""
    rng = np.random.default_rng(seed)
    space = Space([Categorical("a", list("xyz")), Ordinal("b", [1, 2, 4, 8]), Integer("c", 1, 2)])

    @cost_model(metrics={"f": "", "g": ""}, version="1")
    def model(d: Any) -> dict[str, Any]:
        return {"f": d["b"] + 3.0 * (d["a"] == "x"), "g": d["c"] / d["b"] + 1.0}

    problem = Problem(space, model, [Minimize("f"), Minimize("g")], ["f <= 8"])
    choices = Choices(space)
    replay = Replay(choices, 100)
    replay.add(problem.evaluate(space.sample(15, rng)))
    critic = Critic(choices)
    critic.fit(replay)
    chosen, wishes = choices.of(space.sample(4, rng).codes), preferences(4, 2, rng)
    found = critic.counterfactuals(chosen, wishes, reward)

    def alike(one: Any, other: Any) -> Any:
        steps = (one[:, None, 1] - other[None, :, 1]) / 3
        last = one[:, None, 2] - other[None, :, 2]
        return (
            (one[:, None, 0] == other[None, :, 0])
            + np.exp(-((steps / 0.4) ** 2))
            + np.exp(-((last / 0.4) ** 2))
        )

    def kernel(one: Any, other: Any) -> Any:
        return np.exp(REACH * (alike(one, other) / 3 - 1))

    limited = not replay.feasible.all()
    targets = np.vstack([replay.objectives, replay.broken[None]]) if limited else replay.objectives
    centre = targets.mean(axis=1)
    weights = np.linalg.solve(
        kernel(replay.chosen, replay.chosen) + NOISE * np.eye(len(replay)), (targets - centre[:, None]).T
    )

    def predicted(designs: Any, wish: Any) -> Any:
        values = (kernel(designs, replay.chosen) @ weights + centre).T
        earned = scalarised(values[:2, None, :], wish[None], reward)[0]
        return earned - 0.3 * np.maximum(values[2] + 0.25, 0.0) if limited else earned

    for row in range(4):
        for position in range(3):
            for value in range(int(choices.counts[position])):
                changed = chosen[row : row + 1].copy()
                changed[0, position] = value
                gain = predicted(changed, wishes[row]) - predicted(chosen[row : row + 1], wishes[row])
                assert found[row, position, value] == pytest.approx(gain[0], abs=2e-3)


@pytest.mark.parametrize("name", NAMES)
def test_one_policy_covers_the_front(name: str) -> None:
    """Asked under one preference or the other, the same learner goes to either end."""
    problem = separable(20, 5, 2)
    searcher = make_searcher(name, problem.space, 0)
    for _ in range(20):
        searcher.tell(problem.evaluate(searcher.ask(16)))
    ends = []
    for wish in ((0.95, 0.05), (0.05, 0.95)):
        wishes = np.tile(wish, (64, 1))
        rng = np.random.default_rng(0)
        earned = searcher._replay.rewards(wishes)  # type: ignore[attr-defined]
        start = np.asarray(earned.argmax(axis=1))
        logits = searcher._logits(wishes, earned, start, 0, rng)  # type: ignore[attr-defined]
        codes, _ = Draw(Choices(problem.space))(logits, rng)
        ends.append(np.median(problem.evaluate(Designs(problem.space, codes)).objectives, axis=0))
    assert ends[0][0] < ends[1][0] - 0.3
    assert ends[0][1] > ends[1][1] + 0.3


@pytest.mark.parametrize("name", NAMES)
def test_learns_from_designs_of_others(name: str) -> None:
    """Told good designs that it never proposed, it proposes designs near them."""
    problem = separable(20, 5, 1)
    tables = [problem.evaluate(problem.space.sample(3_000, 1))]
    order = np.argsort(tables[0].objectives[:, 0])
    good, poor = tables[0].take(order[:20]), tables[0].take(order[500:540])
    searcher = make_searcher(name, problem.space, 0, {"initial": 10})
    searcher.tell(poor)
    searcher.tell(good)
    proposed = problem.evaluate(searcher.ask(32)).objectives[:, 0]
    assert np.median(proposed) < np.median(poor.objectives)
    assert np.median(proposed) < np.median(tables[0].objectives) - 0.5


@pytest.mark.parametrize("name", NAMES)
def test_what_is_forgotten_is_not_the_best(name: str) -> None:
    problem = separable(6, 5, 2)
    searcher = make_searcher(name, problem.space, 0, {"memory": 64})
    found = []
    for _ in range(30):
        found.append(problem.evaluate(searcher.ask(16)))
        searcher.tell(found[-1])
    replay = searcher._replay  # type: ignore[attr-defined]
    assert len(replay) <= 64 + 128
    every = Evaluations.concat(found)
    kept = set(problem.space.keys(replay.codes))
    for column in every.objectives.T:
        best = np.flatnonzero(column == column.min())
        assert kept & set(problem.space.keys(every.designs.codes[best]))


def test_rewards_put_what_is_infeasible_last_and_by_violation() -> None:
    space = Space([Integer("x", 0, 9)])

    @cost_model(metrics={"cost": "", "size": ""}, version="1")
    def model(d: Any) -> dict[str, Any]:
        return {"cost": np.where(d["x"] == 9, np.nan, 10.0 - d["x"]), "size": 1.0 * d["x"]}

    problem = Problem(space, model, [Minimize("cost")], ["size <= 4"])
    replay = Replay(Choices(space), 100)
    replay.add(problem.evaluate(next(iter(space.enumerate()))))
    earned = replay.rewards(np.ones((1, 1)))[0]
    assert (np.diff(earned[:5]) > 0).all()
    assert (earned[5:] < np.median(earned[:5])).all()
    assert (np.diff(earned[5:]) < 0).all()


def test_agents_of_a_subsystem_act_together() -> None:
    """In each episode some subsystems keep all that the episode started from, and at least one does not."""
    problem = separable(16, 5, 1)
    searcher = MARL(problem.space, agents="subsystem")
    assert searcher._agent.tolist() == [0, 1, 2, 3] * 4
    acting = searcher._acting(500, np.random.default_rng(0))
    assert acting.shape == (500, 4)
    assert acting.any(axis=1).all()
    assert 0.4 < acting.mean() < 0.75
    explicit = MARL(problem.space, agents=[["s0.x0", "s1.x1"], ["s2.x2"]])
    assert explicit._agent[:3].tolist() == [0, 0, 1]
    assert len(set(explicit._agent.tolist())) == 15
