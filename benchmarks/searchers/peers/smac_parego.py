"""SMAC3's facade for hyperparameters (random forest, expected improvement) with ParEGO.

Ordered parameters are ordinal, the others categorical. The constraints of the space are forbidden clauses, so
that SMAC looks around within it, and what it samples are members of it; activity is not told, and a design
that differs from one that was evaluated in inactive parameters alone costs nothing. SMAC knows no limits: a
design that breaks one lies beyond the reference point in all objectives, the further the more it breaks it.
Objectives beyond the reference point are told as on it, as ParEGO scales by the worst it has seen. Its
initial design, a Sobol sequence of a quarter of all trials, would be all of the smallest budget: here it
starts with 25 random members of the space, after the designs that the problem starts with.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from ConfigSpace import (
    CategoricalHyperparameter,
    Configuration,
    ConfigurationSpace,
    OrdinalHyperparameter,
)
from ConfigSpace.forbidden import ForbiddenClause
from ConfigSpace.hyperparameters import Hyperparameter
from smac import HyperparameterOptimizationFacade, Scenario
from smac.multi_objective.parego import ParEGO
from smac.runhistory import TrialInfo, TrialValue

from benchmarks.searchers.bench import Answer, Array, Bench, Floats
from dse import Categorical
from dse.space import Parameter, Space

STARTED = 25
LISTED = 200_000  # members of a space that are listed, to look them up


def run(bench: Bench, seed: int) -> None:
    """Propose until the budget is spent."""
    with tempfile.TemporaryDirectory() as folder:
        _Loop(bench, seed, folder).run()


class _Loop:
    def __init__(self, bench: Bench, seed: int, folder: str) -> None:
        self.bench = bench
        self.names = [f"x{place:03d}" for place in range(len(bench.space.names))]
        initial = bench.initial(STARTED).tolist()
        self.configurations = _configurations(bench.space, self.names, initial[0])
        self.best = np.full(len(bench.corner), np.inf)
        goals = [f"f{place}" for place in range(len(bench.corner))]
        scenario = _Unsaved(
            self.configurations,
            deterministic=True,
            n_trials=100 * bench.budget,
            seed=seed,
            objectives=goals if len(goals) > 1 else goals[0],
            output_directory=folder,
        )
        self.smac = HyperparameterOptimizationFacade(
            scenario,
            lambda configuration, seed: 0.0,
            initial_design=HyperparameterOptimizationFacade.get_initial_design(
                scenario, n_configs=0, additional_configs=[self._configuration(row) for row in initial]
            ),
            multi_objective_algorithm=ParEGO(scenario) if len(goals) > 1 else None,
            logging_level=False,
            overwrite=True,
        )

    def run(self) -> None:
        while True:
            if self.bench.stuck:
                for row in self.bench.fresh(1).tolist():
                    self._tell(TrialInfo(self._configuration(row), seed=0))
            self._tell(self.smac.ask())

    def _tell(self, trial: TrialInfo) -> None:
        codes = np.array([[trial.config[name] for name in self.names]], np.int64)
        cost = [float(value) for value in self._cost(self.bench.answer(codes))]
        self.smac.tell(trial, TrialValue(cost if len(cost) > 1 else cost[0], time=0.0), save=False)

    def _cost(self, answer: Answer) -> Floats:
        corner = self.bench.corner
        broken = np.maximum(answer.slack[0], 0.0).sum()
        if answer.known[0] and broken == 0:
            self.best = np.minimum(self.best, answer.objectives[0])
            return np.minimum(answer.objectives[0], corner)
        width = np.where(np.isfinite(self.best), corner - self.best, np.abs(corner))
        return corner + np.abs(width) * (min(broken, 1.0) if np.isfinite(broken) else 1.0)

    def _configuration(self, row: list[int]) -> Configuration:
        return Configuration(self.configurations, values=dict(zip(self.names, row, strict=True)))


def _configurations(space: Space, names: list[str], member: list[int]) -> ConfigurationSpace:
    """Return a space as SMAC's, with a member as its default."""
    made = _Members(space)
    made.add([_hyperparameter(*item) for item in zip(names, space.parameters, member, strict=True)])
    if space.constraints:
        clause = _Outside(made[names[0]], space)
        made.add(clause)
        # It reads all parameters, whichever it is filed under.
        made._dag.forbidden_lookup = {name: [clause] for name in names}
    return made


def _hyperparameter(name: str, parameter: Parameter, default: int) -> Hyperparameter:
    values = list(range(int(parameter.cardinality)))
    if isinstance(parameter, Categorical) or len(values) == 1:
        return CategoricalHyperparameter(name, values, default_value=default)
    return OrdinalHyperparameter(name, values, default_value=default)


class _Members(ConfigurationSpace):
    """Draws members of a space, all as likely, where SMAC's own rejects and takes seconds."""

    def __init__(self, space: Space) -> None:
        super().__init__()
        self.space = space

    def sample_configuration(self, size: int | None = None) -> Any:
        seed = int(self.random.randint(2**31))
        drawn = [
            Configuration(self, vector=row.astype(float)) for row in self.space.sample(size or 1, seed).codes
        ]
        return drawn if len(drawn) > 1 else drawn[0]


class _Unsaved(Scenario):
    """Not written to disk, where a clause of ours would need a form."""

    def save(self) -> None:
        self.output_directory.mkdir(parents=True, exist_ok=True)


class _Outside(ForbiddenClause):
    """What breaks a constraint of a space, whatever its inactive parameters are. A vector holds codes."""

    def __init__(self, hyperparameter: Hyperparameter, space: Space) -> None:
        super().__init__(hyperparameter)
        self.space = space
        self.known: dict[bytes, bool] = {}
        if space.count() <= LISTED:
            for designs in space.enumerate():
                self.known |= dict.fromkeys(map(bytes, designs.codes.astype(np.int16)), False)

    def is_forbidden_vector(self, vector: Floats) -> bool:
        key = vector.astype(np.int16).tobytes()
        if key not in self.known:
            self.known[key] = bool(self.is_forbidden_vector_array(vector[:, None])[0])
        return self.known[key]

    def is_forbidden_vector_array(self, arr: Floats) -> Any:
        # A column a design.
        codes: Array = self.space.canonical(arr.T.astype(np.int64))
        return ~self.space.satisfies(codes)

    def is_forbidden_value(self, values: Mapping[str, Any]) -> bool:
        row = [values[name] for name in sorted(values)]
        return bool(self.is_forbidden_vector_array(np.array([row], float).T)[0])

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, _Outside) and other.space is self.space

    __hash__ = None  # type: ignore[assignment]

    def __copy__(self) -> _Outside:
        return self

    def __repr__(self) -> str:
        return "Forbidden: outside of the space"

    def to_dict(self) -> dict[str, Any]:
        return {"name": self.hyperparameter.name, "type": "OUTSIDE"}
