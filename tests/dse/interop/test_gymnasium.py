"""Problems as environments: the libraries' own checkers, exact masks, rewards that mean something."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("gymnasium", reason="gymnasium is not installed (extra gym)")
pytest.importorskip("pettingzoo", reason="PettingZoo is not installed (extra gym)")

from gymnasium.utils.env_checker import check_env
from pettingzoo.test import parallel_api_test, parallel_seed_test

from dse import Integer, Maximize, Minimize, Problem, Space, Study, StudyView, cost_model
from dse.errors import ProblemError, StudyError
from dse.interop.gymnasium import DesignEnv, ParameterEnv
from dse.interop.pettingzoo import DesignParallelEnv
from dse.pareto import hypervolume
from tests.dse.problems import mixed_problem, tiling_problem

PROBLEMS = {
    "limits and constraints": tiling_problem(),
    "failures": tiling_problem(fail_every=3),
    "one objective and a real": mixed_problem(),
}


@cost_model(metrics={"low": "", "high": ""}, version="1")
def plane(d: Any) -> dict[str, Any]:
    return {"low": 1.0 * d["x"] + d["y"], "high": 10.0 - d["x"] + d["y"]}


PLANE = Problem(
    Space([Integer("x", 0, 10), Integer("y", 0, 10)], ["x + y <= 12"]),
    plane,
    [Minimize("low"), Minimize("high")],
)
# Of x from 0 to 10 at y = 0 the front: objectives from 0 to 10.
ENDS = [[0.0, 0.0], [20.0, 20.0]]


def checked(env: Any) -> None:
    """Run gymnasium's checker; its warnings are errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env, skip_render_check=True)


@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
@pytest.mark.parametrize("reward", ["hypervolume", "preference"])
def test_the_checkers_of_the_libraries_pass(problem: Problem, reward: str, capsys: Any) -> None:
    for action in ("multidiscrete", "dict", "box"):
        for outside in ("nearest", "penalty"):
            checked(DesignEnv(problem, action=action, reward=reward, outside=outside))
    checked(ParameterEnv(problem, reward=reward))
    parallel_api_test(DesignParallelEnv(problem, reward=reward), num_cycles=30)
    parallel_seed_test(lambda: DesignParallelEnv(problem, reward=reward), num_cycles=10)


@pytest.mark.parametrize("form", [DesignEnv, ParameterEnv, DesignParallelEnv])
def test_an_episode_earns_the_hypervolume_of_its_designs(form: Any) -> None:
    env = form(PLANE, steps=6, scale=ENDS)
    parallel = form is DesignParallelEnv
    env.reset(seed=3)
    total, points, over = 0.0, [], False
    rng = np.random.default_rng(0)
    while not over:
        if parallel:
            _, rewards, ends, _, infos = env.step({name: int(rng.integers(11)) for name in ("x", "y")})
            reward, over, info = rewards["x"], ends["x"], infos["x"]
            assert rewards["x"] == rewards["y"]
        else:
            action = rng.integers(11, size=2) if form is DesignEnv else int(rng.integers(11))
            _, reward, over, _, info = env.step(action)
        total += reward
        if info.get("metrics"):
            points.append([info["metrics"]["low"] / 20, info["metrics"]["high"] / 20])
    assert len(points) == 6
    assert total == pytest.approx(hypervolume(np.array(points), (1.0, 1.0)))
    if parallel:
        assert env.agents == []


def test_a_preference_says_which_end_of_the_front_earns_more() -> None:
    env = DesignEnv(PLANE, reward="preference", scale=ENDS)
    earned = {}
    for wish in ([1.0, 0.0], [0.0, 1.0]):
        for x in (0, 10):
            observation, info = env.reset(options={"preference": wish})
            assert info["preference"] == wish
            assert observation.tolist()[3:5] == wish
            _, reward, over, _, info = env.step([x, 0])
            assert over
            assert info["design"] == {"x": x, "y": 0}
            earned[wish[0], x] = reward
    assert earned[1.0, 0] > earned[1.0, 10]
    assert earned[0.0, 10] > earned[0.0, 0]
    with pytest.raises(ProblemError, match=r"preference=\[1\] must be 2 weights"):
        env.reset(options={"preference": [1]})


def test_what_breaks_a_limit_earns_less_than_what_does_not() -> None:
    limited = Problem(PLANE.space, plane, PLANE.objectives, ["low <= 10"])
    env = DesignEnv(limited, reward="preference", scale=ENDS)
    env.reset(options={"preference": [0.5, 0.5]})
    worst = env.step([10, 0])[1]
    env.reset(options={"preference": [0.5, 0.5]})
    _, broken, _, _, info = env.step([10, 2])
    assert info["state"] == "infeasible"
    assert info["violation"] == pytest.approx(0.2)
    assert broken < worst
    env.reset(options={"preference": [0.5, 0.5]})
    assert env.step([2, 9])[1] > broken  # by less: 0.1 of the bound


def test_actions_outside_of_the_space() -> None:
    near = DesignEnv(PLANE, scale=ENDS)
    near.reset(seed=0)
    info = near.step([10, 10])[4]
    assert info["moved"]
    assert info["design"]["x"] + info["design"]["y"] <= 12
    strict = DesignEnv(PLANE, scale=ENDS, outside="penalty")
    strict.reset(seed=0)
    _, reward, _, _, info = strict.step([10, 10])
    assert (reward, info["state"], info["metrics"]) == (-1.0, "outside", {})
    assert len(strict.ledger) == 0
    assert not strict.step([3, 3])[4]["moved"]


def test_an_agent_that_keeps_to_the_masks_is_never_moved() -> None:
    env = ParameterEnv(tiling_problem(), steps=5)
    _, info = env.reset(seed=0)
    over, steps = False, 0
    while not over:
        assert env.observation_space.contains(env._observation())
        assert info["action_mask"].tolist() == env.action_masks().astype(int).tolist()
        action = int(env.np_random.choice(np.flatnonzero(info["action_mask"])))
        _, reward, over, _, info = env.step(action)
        steps += 1
        assert not info["moved"]
        assert reward == 0 or info["metrics"]
    # Six parameters, of which the last is not always a choice.
    assert 5 * 5 <= steps <= 5 * 6


def test_evaluations_are_kept_each_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/kept.db"
    problem = tiling_problem(fail_every=5)
    for seed in (0, 1):
        env = DesignEnv(problem, store=url, name="agent")
        env.reset(seed=seed)
        over = False
        while not over:
            over = env.step(env.action_space.sample())[2]
        env.close()
    view = StudyView("agent", url)
    assert len(view) == len(env.ledger)
    frame = view.evaluations()
    assert not frame[list(problem.space.names)].duplicated().any()
    assert {"complete", "failed"} <= set(frame["state"])
    assert view.record.searcher["name"] == "gymnasium"
    assert view.reference is not None
    assert len(view.front()) == len(env.front())
    # What an agent found is where another search starts, without evaluating it again.
    warm = Study("warm", problem, searcher="nsga2", store=url, warm="agent")
    assert warm.adopted == len(view)
    with pytest.raises(StudyError, match='searcher: "gymnasium" -> "pettingzoo"'):
        DesignParallelEnv(problem, store=url, name="agent")


def test_repeated_designs_are_answered_from_memory() -> None:
    calls = []

    @cost_model(metrics={"cost": ""}, version="1")
    def model(d: Any) -> dict[str, Any]:
        calls.append(len(d))
        return {"cost": 1.0 * d["x"]}

    env = DesignEnv(Problem(Space([Integer("x", 0, 5)]), model, [Maximize("cost")]), scale=[[5], [0]])
    rewards = []
    for _ in range(3):
        env.reset(seed=0)
        rewards.append(env.step([4])[1])
    assert sum(calls) == 1
    assert rewards == [pytest.approx(0.8)] * 3


def test_bad_arguments_are_explained() -> None:
    for arguments, message in (
        ({"action": "text"}, "action='text' is unknown; known are multidiscrete, dict, box"),
        ({"reward": "money"}, "reward='money' is unknown; known are hypervolume, preference"),
        ({"outside": "ignore"}, "outside='ignore' is unknown"),
        ({"steps": 0}, "steps=0 must be a whole number"),
        ({"scale": [[1.0, 2.0]]}, "must be the best and the worst of 2 objectives"),
        ({"scale": [[2.0, 2.0], [1.0, 3.0]]}, "the first row must be better than the second"),
        ({"scale": 1}, "scale=1 must be 2 random designs or more"),
    ):
        with pytest.raises(ProblemError, match=message):
            DesignEnv(PLANE, **arguments)  # type: ignore[arg-type]

    @cost_model(metrics={"cost": ""}, version="1")
    def broken(d: Any) -> dict[str, Any]:
        raise OSError("no licence")

    with pytest.raises(ProblemError, match="none of 64 random designs has a result"):
        DesignEnv(Problem(PLANE.space, broken, [Minimize("cost")]))
    agents = DesignParallelEnv(PLANE, scale=ENDS)
    agents.reset(seed=0)
    with pytest.raises(ProblemError, match="agent 'y' has no action"):
        agents.step({"x": 1})


def test_infos_are_json() -> None:
    env = DesignEnv(tiling_problem(fail_every=2))
    env.reset(seed=0)
    for _ in range(8):
        info = env.step(env.action_space.sample())[4]
        assert json.loads(json.dumps(info)) == info
        assert ("error" in info) == (info["state"] == "failed")
