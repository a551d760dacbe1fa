"""A study of Optuna's as a stored study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from dse.designs import Designs
from dse.errors import StudyError
from dse.interop.names import identifiers
from dse.interop.optuna.conditions import with_conditions
from dse.interop.optuna.storages import study_names, to_read
from dse.interop.optuna.values import Translation, encoded, of_distributions, of_space
from dse.interop.optuna.writing import ERROR, PROBLEM, SECONDS, STATE
from dse.interop.recorded import (
    Imported,
    RecordedModel,
    designs_of,
    digest,
    membership,
    restored,
    store_recorded,
    without_repeats,
)
from dse.models import Outcome
from dse.problem import Maximize, Minimize, Objective, Problem
from dse.space import Space

if TYPE_CHECKING:
    from dse.store import Store

Mask = NDArray[np.bool_]

BOOKKEEPING = "dse:"  # how the attributes begin that an export adds to the metrics
SHOWN = 5


def import_study(
    source: str | optuna.Study,
    store: Store | str,
    *,
    study: str | None = None,
    name: str | None = None,
    problem: Problem | None = None,
    space: Space | None = None,
    objectives: Sequence[str] | None = None,
    units: Mapping[str, str] | None = None,
) -> Imported:
    """Read a study of Optuna's into a stored study.

    Parameters
    ----------
    source
        A database's URL (``sqlite:///FILE``), a journal's path, or the study itself.
    store
        Where to.
    study
        Optuna's name of the study; the only one by default.
    name
        Of the stored study; Optuna's by default.
    problem
        What was evaluated, where it is known: its space, metrics, objectives and limits are taken.
    space
        Instead: its space alone. By default it is inferred from the trials' distributions, and conditions
        from where parameters are missing (`dse.interop.optuna.conditions.with_conditions`).
    objectives
        Names of the objectives, in Optuna's order; by default its metric names, else ``value`` or
        ``value_0, value_1, ...``.
    units
        Unit by metric, where no problem is given.

    Returns
    -------
    The stored study, and what was left out or changed. Left out are trials that did not end, repeats of a
    design (the first with a result is kept), and trials that are no members of the space; a user attribute
    that is a number in every complete trial is a metric, others are left out. Each constraint of Optuna's is
    a metric that must be at most zero. Pruned trials are failed ones: they have no final value. A study that
    `export_study` wrote is restored with its space, metrics, units, limits, states and reasons.

    Raises
    ------
    StudyError
        If there is no such study, no trial that ended, or a parameter is missing where nothing says why.
    SpaceError
        If a distribution is unknown.
    """
    found, where = (source, "memory") if isinstance(source, optuna.Study) else _loaded(source, study)
    told = f"Optuna study {found.study_name!r} in {where}"
    lost: list[str] = []
    trials = _finished(found, told, lost)
    reading = _Reading(found, trials, told, lost)
    given = problem is not None or space is not None or objectives is not None
    stated = None if given else found.user_attrs.get(PROBLEM)
    if stated is not None:
        problem = restored(stated)
    if problem is not None:
        outcome, designs = reading.of_problem(problem)
    else:
        problem, outcome, designs = reading.inferred(space, objectives, units or {})
    kept = without_repeats(problem.judge(designs, outcome), lost, "trials")
    return store_recorded(
        name or found.study_name,
        problem,
        kept,
        store,
        source=told,
        lost=lost,
        beside=("optuna",),
        stated=stated,
    )


def _loaded(source: str, study: str | None) -> tuple[optuna.Study, str]:
    storage = to_read(source)
    names = study_names(storage)
    listed = ", ".join(map(repr, names[:SHOWN])) or "none"
    if study is None and len(names) != 1:
        raise StudyError(f"{source!r} has {len(names)} studies ({listed}): name one (--study)")
    if study is not None and study not in names:
        raise StudyError(f"{source!r} has no study {study!r}; it has {listed}")
    return optuna.load_study(study_name=study or names[0], storage=storage), source.split("?")[0]


def _finished(study: optuna.Study, told: str, lost: list[str]) -> list[FrozenTrial]:
    trials = study.get_trials(deepcopy=False)
    finished = [trial for trial in trials if trial.state.is_finished()]
    if not finished:
        raise StudyError(f"{told} has no trial that ended: run it first")
    if len(finished) < len(trials):
        lost.append(f"{len(trials) - len(finished):,} trials that did not end")
    return finished


@dataclass(frozen=True)
class _Reading:
    """The trials of a study that ended."""

    study: optuna.Study
    trials: list[FrozenTrial]
    told: str
    lost: list[str]

    @property
    def complete(self) -> list[FrozenTrial]:
        """Those that have a result."""
        return [
            trial
            for trial in self.trials
            if trial.state == TrialState.COMPLETE and np.isfinite(trial.values).all()
        ]

    def of_problem(self, problem: Problem) -> tuple[Outcome, Designs]:
        """Return the trials as evaluations of a problem."""
        labels = self.goals(problem.objectives)
        self._check_metrics(problem, labels)
        trials, designs = self._members(problem.space, of_space(problem.space, []))
        return self._outcome(trials, labels, {metric: metric for metric in problem.metrics}, {}), designs

    def goals(self, objectives: Sequence[Objective]) -> dict[str, int]:
        """Return which of a trial's values an objective is, by metric."""
        names = self.study.metric_names
        if names is not None and set(names) == {goal.metric for goal in objectives}:
            places = {goal.metric: names.index(goal.metric) for goal in objectives}
        elif len(objectives) == len(self.study.directions):
            places = {goal.metric: place for place, goal in enumerate(objectives)}
        else:
            raise StudyError(
                f"{self.told} has {len(self.study.directions)} objectives, the problem "
                f"{len(objectives)} ({', '.join(goal.metric for goal in objectives)})"
            )
        for goal in objectives:
            direction = self.study.directions[places[goal.metric]]
            if goal.maximize != (direction == StudyDirection.MAXIMIZE):
                raise StudyError(
                    f"{self.told} is to {direction.name.lower()} what the problem calls {goal.metric!r} and "
                    "has the other way round: name the objectives in Optuna's order"
                )
        return places

    def _check_metrics(self, problem: Problem, goals: Mapping[str, int]) -> None:
        complete = self.complete
        for metric in problem.metrics:
            if metric in goals or any(_number(trial.user_attrs.get(metric)) for trial in complete):
                continue
            if complete:
                raise StudyError(
                    f"{self.told} has no metric {metric!r}, which the problem has: set it as a user "
                    f"attribute of the trials, trial.set_user_attr({metric!r}, ...)"
                )

    def inferred(
        self, space: Space | None, objectives: Sequence[str] | None, units: Mapping[str, str]
    ) -> tuple[Problem, Outcome, Designs]:
        """Return the problem that the trials are of, with the trials as its evaluations."""
        if space is None:
            space, translations = self._space()
        else:
            translations = of_space(space, [])
        trials, designs = self._members(space, translations)
        goals, constraints, attributes = self._metrics(space, objectives)
        metrics = {name: units.get(name, "") for name in (*goals, *attributes, *constraints)}
        model = RecordedModel(
            self.study.study_name, metrics, space.names,
            {"trials": digest([[trial.number, trial.values, trial.params] for trial in trials])},
        )  # fmt: skip
        kinds = [
            Maximize(name) if self.study.directions[place] == StudyDirection.MAXIMIZE else Minimize(name)
            for name, place in goals.items()
        ]
        problem = Problem(space, model, kinds, [f"{name} <= 0" for name in constraints])
        return problem, self._outcome(trials, goals, attributes, constraints), designs

    def _space(self) -> tuple[Space, tuple[Translation, ...]]:
        complete = self.complete
        if not complete:
            raise StudyError(f"{self.told} has no complete trial to infer the space from: give the space")
        translations = of_distributions(_united(complete), self.lost)
        codes, given = encoded(translations, [trial.params for trial in complete])
        parameters = with_conditions(
            [item.parameter for item in translations], codes, given, [trial.number for trial in complete]
        )
        inferred = [item for item in parameters if item.active_if is not None]
        for parameter in inferred:
            self.lost.append(
                f"the condition of {parameter.name!r} is inferred from the trials: {parameter.active_if}"
            )
        return Space(parameters), translations

    def _members(
        self, space: Space, translations: Sequence[Translation]
    ) -> tuple[list[FrozenTrial], Designs]:
        labels = {item.label for item in translations}
        used = dict.fromkeys(label for trial in self.trials for label in trial.params)
        for label in used:
            if label not in labels:
                self.lost.append(f"parameter {label!r}, which the space has not")
        for item in translations:
            if item.label not in used and item.parameter.condition is None:
                raise StudyError(
                    f"{self.told} has no parameter {item.label!r}, which the space has; it has "
                    f"{', '.join(list(used)[:8])}"
                )
        codes, given = encoded(translations, [trial.params for trial in self.trials])
        inside = membership(space, codes, given)
        outside = [str(trial.number) for trial, member in zip(self.trials, inside, strict=True) if not member]
        if outside:
            more = ", ..." if len(outside) > SHOWN else ""
            self.lost.append(
                f"{len(outside):,} trials that are no members of the space "
                f"(number {', '.join(outside[:SHOWN])}{more})"
            )
        kept = [trial for trial, member in zip(self.trials, inside, strict=True) if member]
        return kept, designs_of(space, codes[inside])

    def _metrics(
        self, space: Space, objectives: Sequence[str] | None
    ) -> tuple[dict[str, int], dict[str, str], dict[str, str]]:
        """Return objectives by place, constraints by Optuna's name, and metrics by user attribute."""
        count = len(self.study.directions)
        labels = list(objectives or self.study.metric_names or ())
        if not labels:
            labels = ["value"] if count == 1 else [f"value_{place}" for place in range(count)]
        if len(labels) != count:
            raise StudyError(f"{self.told} has {count} objectives, not {len(labels)} ({', '.join(labels)})")
        taken = [*space.names, "number", "state", "error"]
        goals = identifiers(labels, taken)
        if len(goals) < count:
            raise StudyError(f"two objectives have one name in {labels}: name them (--objectives)")
        complete = self.complete
        numeric = [
            key
            for key in dict.fromkeys(key for trial in complete for key in trial.user_attrs)
            if not key.startswith(BOOKKEEPING)
        ]
        kept = [key for key in numeric if all(_number(trial.user_attrs.get(key)) for trial in complete)]
        self.lost.extend(
            f"user attribute {key!r}, which is no number in every complete trial"
            for key in numeric
            if key not in kept
        )
        attributes = identifiers(kept, [*taken, *goals.values()])
        keys = list(dict.fromkeys(key for trial in complete for key in trial.constraints))
        constraints = identifiers(
            [f"constraint_{key}" for key in keys], [*taken, *goals.values(), *attributes.values()]
        )
        for label, name in {**goals, **attributes}.items():
            if label != name:
                self.lost.append(f"the name {label!r}, which becomes {name!r}")
        return (
            {goals[label]: place for place, label in enumerate(labels)},
            {constraints[f"constraint_{key}"]: key for key in keys},
            {attributes[key]: key for key in kept},
        )

    def _outcome(
        self,
        trials: Sequence[FrozenTrial],
        goals: Mapping[str, int],
        attributes: Mapping[str, str],
        constraints: Mapping[str, str],
    ) -> Outcome:
        """Return what trials found: objectives by place, metrics and constraints by Optuna's names."""
        n = len(trials)
        names = dict.fromkeys((*goals, *attributes, *constraints))
        metrics = {name: np.full(n, np.nan) for name in names}
        errors: dict[int, str] = {}
        timeouts = set()
        seconds = np.full(n, np.nan)
        for row, trial in enumerate(trials):
            seconds[row] = _seconds(trial)
            if trial.state != TrialState.COMPLETE:
                if trial.user_attrs.get(STATE) == "timeout":
                    timeouts.add(row)
                if STATE not in trial.user_attrs or ERROR in trial.user_attrs:
                    errors[row] = _reason(trial)
                continue
            values = trial.values
            assert values is not None
            for name, key in attributes.items():
                value = trial.user_attrs.get(key)
                metrics[name][row] = float(value) if _number(value) else np.nan
            for name, key in constraints.items():
                metrics[name][row] = trial.constraints.get(key, np.nan)
                if key not in trial.constraints:
                    errors[row] = f"it has no value of the constraint {key!r}"
            for name, place in goals.items():
                metrics[name][row] = values[place]
                if not np.isfinite(values[place]):
                    errors[row] = f"{name} is {values[place]}"
        for row in {*errors, *timeouts}:
            for column in metrics.values():
                column[row] = np.nan
        return Outcome(metrics, errors, frozenset(timeouts), seconds)


def _number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))


def _seconds(trial: FrozenTrial) -> float:
    stated = trial.user_attrs.get(SECONDS)
    if _number(stated):
        return float(stated)
    return trial.duration.total_seconds() if trial.duration is not None else np.nan


def _reason(trial: FrozenTrial) -> str:
    if ERROR in trial.user_attrs:
        return str(trial.user_attrs[ERROR])
    if trial.state == TrialState.PRUNED:
        step = trial.last_step
        return "pruned" if step is None else f"pruned after step {step}"
    return str(trial.user_attrs.get("error", "the trial failed"))


def _united(trials: Sequence[FrozenTrial]) -> dict[str, BaseDistribution]:
    """Return one distribution by name: over all bounds where trials differ in them."""
    found: dict[str, BaseDistribution] = {}
    for trial in trials:
        for label, item in trial.distributions.items():
            before = found.get(label)
            found[label] = item if before is None or before == item else _union(label, before, item)
    return found


def _union(label: str, one: BaseDistribution, other: BaseDistribution) -> BaseDistribution:
    if type(one) is not type(other) or isinstance(one, CategoricalDistribution):
        raise StudyError(f"parameter {label!r} has unlike distributions in two trials, {one} and {other}")
    assert isinstance(one, IntDistribution | FloatDistribution)
    assert isinstance(other, IntDistribution | FloatDistribution)
    low, high = min(one.low, other.low), max(one.high, other.high)
    log = one.log and other.log
    if isinstance(one, FloatDistribution):
        same = one.step == other.step and one.step is not None and one.low == other.low
        return FloatDistribution(low, high, log=log, step=one.step if same else None)
    assert isinstance(other, IntDistribution)
    same = one.step == other.step and (one.low - other.low) % one.step == 0
    return IntDistribution(int(low), int(high), log=log, step=one.step if same else 1)
