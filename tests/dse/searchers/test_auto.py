"""`auto`: who proposes when, and that nobody is much better who is asked alone."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dse import Categorical, Evaluations, Integer, Minimize, Ordinal, Problem, Space, Study, cost_model
from dse.errors import SearcherError
from dse.pareto import hypervolume
from dse.searchers import auto, make_searcher
from dse.searchers.auto import Auto
from dse.testing import check_searcher

SPACE = Space(
    [
        Integer("a", 0, 30),
        Integer("b", 0, 30),
        Ordinal("tile", [16, 32, 48, 64, 80, 96]),
        Categorical("kind", ["x", "y", "z"]),
    ],
    ["a + b <= 40"],
)


@cost_model(metrics={"near": "", "far": ""})
def two(d: Any) -> Any:
    near = (d["a"] - 3.0) ** 2 + (d["b"] - 3.0) ** 2 + 1 + d["tile"] / 64
    far = (d["a"] - 25.0) ** 2 + (d["b"] - 9.0) ** 2 + 1 + 96 / d["tile"]
    return {"near": near * np.where(d["kind"] == "y", 0.9, 1.0), "far": far + (d["kind"] == "x")}


def problem() -> Problem:
    return Problem(SPACE, two, [Minimize("near", reference=900.0), Minimize("far", reference=900.0)])


def search(of: Problem, name: str, budget: int, seed: int, **settings: Any) -> Evaluations:
    made = make_searcher(name, of.space, seed, settings, linear=of.linear, reference=of.reference)
    parts: list[Evaluations] = []
    while (left := budget - sum(map(len, parts))) > 0:
        parts.append(of.evaluate(made.ask(min(made.batch, left))))
        made.tell(parts[-1])
    return Evaluations.concat(parts)


@pytest.mark.parametrize("modelled", [0, 24])
def test_promises(modelled: int) -> None:
    check_searcher(partial(Auto, modelled=modelled))


@pytest.mark.parametrize(
    ("first", "budgets"), [(40, (60, 80)), pytest.param(auto.FIRST, (60, 160), marks=pytest.mark.slow)]
)
def test_it_is_not_much_worse_than_the_best_of_the_others(
    first: int, budgets: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auto, "FIRST", first)
    of = problem()
    every = of.evaluate(next(SPACE.enumerate(chunk=100_000))).objectives
    exact = hypervolume(every, [900.0, 900.0])

    def gaps(name: str) -> Any:
        found = [search(of, name, budgets[-1], seed).objectives for seed in range(3)]
        volumes = [[hypervolume(run[:budget], [900.0, 900.0]) for run in found] for budget in budgets]
        return 1 - np.median(volumes, axis=1) / exact

    best = np.min([gaps(name) for name in ("bayesian", "local", "nsga2")], axis=0)
    assert (gaps("auto") <= 1.5 * best).all()


def test_models_hand_over_and_everybody_was_told() -> None:
    of = problem()
    searcher = Auto(SPACE, seed=1, modelled=32)
    assert searcher.batch < 10
    told: list[Evaluations] = []
    for _ in range(8):
        told.append(of.evaluate(searcher.ask(4)))
        searcher.tell(told[-1])
    assert searcher.batch == 50
    front = Evaluations.concat(told)
    best = front.designs.codes[np.argmin(front.objectives[:, 0])]
    # What comes now lies closer to what models found than random designs do.
    asked = searcher.ask(50).codes
    chance = SPACE.sample(2_000, 0).codes
    assert np.abs(asked - best)[:, 0].mean() < np.abs(chance - best)[:, 0].mean()


def test_models_go_on_where_evaluations_are_costly() -> None:
    @cost_model(metrics={"near": "", "far": ""}, per_design=True)
    def slow(design: Any) -> Any:
        return {"near": float(design["a"]), "far": float(design["b"])}

    assert Problem(SPACE, slow, [Minimize("near")]).costly
    assert not problem().costly
    assert make_searcher("auto", SPACE, 0, {"modelled": 40}, costly=True).modelled == 200  # type: ignore[attr-defined]
    assert make_searcher("auto", SPACE, 0, {"costly": True}).modelled == 3_000  # type: ignore[attr-defined]


def test_exact_designs_come_first_where_objectives_are_tables() -> None:
    from dse.testing.searchers import _problem, _small_space

    of = _problem("tables", _small_space(), 2)
    assert of.linear is not None
    exact = make_searcher("ilp", of.space, 0, linear=of.linear).ask(6)
    assert make_searcher("auto", of.space, 0, linear=of.linear).ask(6) == exact
    none = make_searcher("auto", of.space, 0, {"programs": 0}, linear=of.linear)
    assert none.ask(6) != exact


def test_a_run_in_parts_is_the_same_also_where_one_hands_over(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/dse.db"
    settings = {"modelled": 36}
    whole = Study("whole", problem(), "auto", seed=3, store=store, settings=settings).run(budget=150)
    for budget in (10, 35, 60, 111, 150):
        Study("parts", problem(), "auto", seed=3, store=store, settings=settings).run(budget=budget)
    parts = Study("parts", problem(), "auto", seed=3, store=store, settings=settings)
    assert whole.evaluations().equals(parts.evaluations())


def test_settings_are_checked() -> None:
    for settings, message in (
        ({"modelled": -1}, "modelled=-1 must be a whole number, 0 or more"),
        ({"programs": 1.5}, r"programs=1\.5"),
        ({"costly": 1}, "costly=1 must be true or false"),
    ):
        with pytest.raises(SearcherError, match=message):
            make_searcher("auto", SPACE, 0, settings)
