"""The searcher that learns models and evaluates what they promise."""

from __future__ import annotations

import numpy as np
import pytest

from dse import Categorical, Integer, Minimize, Ordinal, Problem, Space, Study, cost_model
from dse.pareto import hypervolume
from dse.searchers.surrogate import Surrogate
from dse.testing import check_searcher

SPACE = Space(
    [Integer(f"x{k}", 0, 15) for k in range(6)] + [Categorical("kind", ["a", "b", "c"])],
    constraints=["x0 + x1 <= 24"],
)


@cost_model(metrics={"one": "", "two": ""})
def two_costs(d):
    numbers = np.column_stack([d[f"x{k}"] for k in range(6)]) / 15
    kind = np.where(d["kind"] == "a", 0.0, np.where(d["kind"] == "b", 0.1, 0.3))
    return {
        "one": numbers[:, 0] + 0.3 * ((numbers[:, 1:] - 0.5) ** 2).sum(axis=1) + kind,
        "two": (1 - numbers[:, 0]) ** 2 + 0.3 * ((numbers[:, 1:] - 0.6) ** 2).sum(axis=1) + kind,
    }


def problem(limits=()):
    return Problem(SPACE, two_costs, [Minimize("one"), Minimize("two")], limits)


@pytest.mark.slow
def test_keeps_the_promises_of_searchers():
    check_searcher(Surrogate, initial=12, generations=2)


def test_reaches_with_few_evaluations_what_a_genetic_algorithm_does_with_many(tmp_path):
    """Of a smooth problem, where a model learns more than a population."""
    found = {}
    for searcher, budget in (("surrogate", 160), ("nsga2", 600)):
        study = Study(searcher, problem(), searcher=searcher, store=f"sqlite:///{tmp_path}/s.db").run(budget)
        found[searcher] = hypervolume(study.front_objectives(), np.array([1.5, 1.5]))
    assert found["surrogate"] >= found["nsga2"]


def test_is_the_same_after_a_kill_in_any_batch(tmp_path):
    whole = Study("whole", problem(), searcher="surrogate", store=f"sqlite:///{tmp_path}/s.db",
                  settings={"initial": 20, "generations": 3}).run(75)  # fmt: skip
    for budget in (33, 51, 75):
        parts = Study("parts", problem(), searcher="surrogate", store=f"sqlite:///{tmp_path}/s.db",
                      settings={"initial": 20, "generations": 3}).run(budget)  # fmt: skip
    assert parts.evaluations().equals(whole.evaluations())


def test_learns_limits(tmp_path):
    study = Study("limits", problem(["one * two <= 0.15"]), searcher="surrogate",
                  store=f"sqlite:///{tmp_path}/s.db", settings={"generations": 5}).run(130)  # fmt: skip
    states = study.evaluations()["state"]
    first, later = (states[:60] == "complete").mean(), (states[60:] == "complete").mean()
    assert later > max(0.5, first)


def test_ends_once_nothing_promises_more(tmp_path):
    space = Space([Ordinal("a", [1, 2, 4, 8]), Integer("b", 1, 12), Categorical("c", ["x", "y"])])

    @cost_model(metrics={"time": "s", "area": "mm2"})
    def model(d):
        slow = np.where(d["c"] == "y", 1.5, 1.0)
        return {"time": slow * 10.0 / d["a"] + d["b"], "area": slow * d["a"] * 1.0 + 0.1 * d["b"]}

    made = Problem(space, model, [Minimize("time"), Minimize("area")])
    store = f"sqlite:///{tmp_path}/s.db"
    study = Study("ends", made, searcher="surrogate", store=store,
                  settings={"until_verified": True, "initial": 24, "batch": 4}).run(96)  # fmt: skip
    assert len(study) < space.size
    exact = Study("all", made, searcher="exhaustive", store=store).run()
    reference = np.array([30.0, 20.0])
    assert hypervolume(study.front_objectives(), reference) >= 0.99 * hypervolume(
        exact.front_objectives(), reference
    )
