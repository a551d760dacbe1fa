"""Our searchers as a sampler of Optuna: the proposals are those of a study of ours, whatever stops it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from dse import Categorical, Integer, Problem, Space, Study
from dse.errors import SearcherError, SpaceError
from dse.interop.optuna import DseSampler, suggest
from tests.dse.problems import mixed_problem, tiling_problem

DIRECTIONS = ["minimize", "minimize", "maximize"]


def objective_of(problem: Problem) -> Callable[[optuna.Trial], list[float]]:
    def objective(trial: optuna.Trial) -> list[float]:
        design = suggest(trial, problem.space)
        found = problem.evaluate(problem.space.designs([design]))
        if 0 in found.errors:
            raise RuntimeError(found.errors[0])
        trial.set_constraint("limits", float(found.violation[0]))
        return [float(found.metrics[goal.metric][0]) for goal in problem.objectives]

    return objective


def designs(study: optuna.Study) -> list[dict[str, Any]]:
    return [trial.params for trial in study.trials]


def by_us(
    problem: Problem, searcher: str, budget: int, folder: Path, **settings: Any
) -> list[dict[str, Any]]:
    store = f"sqlite:///{folder}/dse.db"
    study = Study("ours", problem, searcher=searcher, seed=3, settings=settings, store=store).run(budget)
    found = study.restore(study.store.evaluations(study.id)).designs
    return [
        {name: value for (name, value), active in zip(row.items(), actives, strict=True) if active}
        for row, actives in zip(found.rows(), found.active.tolist(), strict=True)
    ]


@pytest.mark.parametrize(
    ("searcher", "settings"), [("nsga2", {"population": 10}), ("local", {}), ("marl", {})]
)
def test_proposals_are_those_of_our_own_study(
    searcher: str, settings: dict[str, Any], tmp_path: Path
) -> None:
    problem = tiling_problem(fail_every=7)
    sampler = DseSampler(problem.space, searcher, seed=3, settings=settings)
    study = optuna.create_study(sampler=sampler, directions=DIRECTIONS)
    study.optimize(objective_of(problem), n_trials=35, catch=RuntimeError)
    states = [trial.state.name for trial in study.trials]
    assert "FAIL" in states
    assert any(trial.constraints.get("limits", 0) > 0 for trial in study.trials)
    ours = by_us(problem, searcher, 35, tmp_path, **settings)
    # Searchers that may repeat themselves are answered from our store, and asked again by Optuna.
    theirs = [item for place, item in enumerate(designs(study)) if item not in designs(study)[:place]]
    assert theirs == ours[: len(theirs)]
    assert len(theirs) > 20


def test_real_parameters_and_one_objective(tmp_path: Path) -> None:
    problem = mixed_problem()
    study = optuna.create_study(
        sampler=DseSampler(problem.space, "nsga2", seed=3, settings={"population": 8})
    )
    study.optimize(objective_of(problem), n_trials=30)
    assert designs(study) == by_us(problem, "nsga2", 30, tmp_path, population=8)


@pytest.mark.parametrize("stops", [(7, 20), (10, 11)])
def test_a_new_sampler_goes_on_where_another_stopped(stops: tuple[int, int]) -> None:
    problem = tiling_problem(fail_every=7)
    storage = optuna.storages.InMemoryStorage()
    done = 0
    for stop in (*stops, 35):
        sampler = DseSampler(problem.space, "nsga2", seed=3, settings={"population": 10})
        sampler = copy.deepcopy(sampler)  # as joblib and careful users copy samplers
        study = optuna.create_study(
            study_name="x", storage=storage, sampler=sampler, directions=DIRECTIONS, load_if_exists=True
        )
        study.optimize(objective_of(problem), n_trials=stop - done, catch=RuntimeError)
        done = stop
    whole = optuna.create_study(
        sampler=DseSampler(problem.space, "nsga2", seed=3, settings={"population": 10}), directions=DIRECTIONS
    )
    whole.optimize(objective_of(problem), n_trials=35, catch=RuntimeError)
    assert designs(study) == designs(whole)


@pytest.mark.filterwarnings("ignore:Choices for a categorical")
def test_distributions_are_a_space_too() -> None:
    known = {
        "learning rate": FloatDistribution(1e-4, 1e-1, log=True),
        "momentum": FloatDistribution(0.0, 0.9, step=0.1),
        "net": CategoricalDistribution(["a", None, (1, 2)]),
        "depth": IntDistribution(2, 8, step=2),
    }

    def objective(trial: optuna.Trial) -> float:
        rate = trial.suggest_float("learning rate", 1e-4, 1e-1, log=True)
        trial.suggest_categorical("net", ["a", None, (1, 2)])
        return rate * trial.suggest_int("depth", 2, 8, step=2) + trial.suggest_float(
            "momentum", 0, 0.9, step=0.1
        )

    study = optuna.create_study(sampler=DseSampler(known, "nsga2", seed=0, settings={"population": 6}))
    study.optimize(objective, n_trials=20)
    assert {trial.params["net"] for trial in study.trials} == {"a", None, (1, 2)}
    assert len({str(trial.params) for trial in study.trials}) == 20


def test_other_trials_are_told_and_cost_no_proposal() -> None:
    problem = tiling_problem()
    sampler = DseSampler(problem.space, "nsga2", seed=3, settings={"population": 10})
    plain = optuna.create_study(sampler=sampler, directions=DIRECTIONS)
    plain.optimize(objective_of(problem), n_trials=10)
    sampler = DseSampler(problem.space, "nsga2", seed=3, settings={"population": 10})
    study = optuna.create_study(sampler=sampler, directions=DIRECTIONS)
    baseline = {"tile_m": 16, "tile_n": 16, "stages": 1, "dtype": "fp16", "split": False}
    study.optimize(objective_of(problem), n_trials=4)
    study.enqueue_trial(baseline)
    study.optimize(objective_of(problem), n_trials=7)
    assert designs(study) == [*designs(plain)[:4], baseline, *designs(plain)[4:]]
    # A design outside of the space is no business of the searcher's.
    study.enqueue_trial({**baseline, "tile_m": 128, "stages": 5})
    study.optimize(lambda trial: [trial.suggest_int("stages", 1, 5), 1.0, 1.0], n_trials=2)
    assert len(study.trials) == 13


def test_a_small_space_is_exhausted_and_the_study_stops() -> None:
    space = Space([Integer("x", 0, 5), Categorical("k", ["a", "b"])], ["x != 3"])
    for searcher in ("random", "exhaustive", "nsga2"):
        study = optuna.create_study(sampler=DseSampler(space, searcher))
        study.optimize(lambda trial: suggest(trial, space)["x"], n_trials=50)
        assert len(study.trials) == 10
        assert len({str(trial.params) for trial in study.trials}) == 10


def test_threads_share_the_proposals() -> None:
    problem = tiling_problem()
    sampler = DseSampler(problem.space, "nsga2", seed=3, settings={"population": 10})
    study = optuna.create_study(sampler=sampler, directions=DIRECTIONS)
    study.optimize(objective_of(problem), n_trials=40, n_jobs=4)
    assert len({str(sorted(trial.params.items())) for trial in study.trials}) == 40


def test_asked_and_told_by_hand() -> None:
    problem = tiling_problem()
    sampler = DseSampler(problem.space, "nsga2", seed=3, settings={"population": 10})
    study = optuna.create_study(sampler=sampler, directions=DIRECTIONS)
    for _ in range(12):
        trial = study.ask()
        study.tell(trial, objective_of(problem)(trial))
    assert len(study.trials) == 12


def test_searchers_with_models_are_samplers_too() -> None:
    problem = tiling_problem(fail_every=7)
    for searcher in ("auto", "bayesian"):
        sampler = DseSampler(problem.space, searcher, seed=3)
        study = optuna.create_study(sampler=sampler, directions=DIRECTIONS)
        study.optimize(objective_of(problem), n_trials=25, catch=RuntimeError)
        assert len({str(sorted(trial.params.items())) for trial in study.trials}) == 25


def test_suggest_serves_optunas_own_samplers() -> None:
    problem = tiling_problem()
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(lambda trial: float(suggest(trial, problem.space)["splits"]), n_trials=20)
    assert {("splits" in trial.params) == trial.params["split"] for trial in study.trials} == {True}


def test_what_does_not_fit_says_so() -> None:
    space = Space([Integer("x", 0, 5), Integer("y", 2, 8, active_if="x >= 3")])
    study = optuna.create_study(sampler=DseSampler(space, "random"))
    with pytest.raises(SearcherError, match="suggests 'z', which the sampler's space has not"):
        study.optimize(lambda trial: trial.suggest_int("z", 0, 5), n_trials=1)
    with pytest.raises(SearcherError, match="state the same in both"):
        study.optimize(lambda trial: trial.suggest_int("x", 7, 9), n_trials=1)
    # Suggested though it is not active, a parameter has its canonical value.
    study.optimize(lambda trial: trial.suggest_int("x", 0, 5) + trial.suggest_int("y", 2, 8), n_trials=12)
    done = [trial.params for trial in study.trials if trial.state.name == "COMPLETE"]
    assert {item["y"] for item in done if item["x"] < 3} == {2}
    with pytest.raises(SearcherError, match="no searcher 'nsga'"):
        DseSampler(space, "nsga")
    with pytest.raises(SearcherError, match="has no setting 'popu'"):
        DseSampler(space, "nsga2", settings={"popu": 3})
    with pytest.raises(SpaceError, match="no parameter is given"):
        DseSampler({})
