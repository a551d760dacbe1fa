"""Optuna's NSGA-II, TPE and GP samplers with their defaults, asked for one trial at a time.

Ordered parameters are integers, by rank; the others categorical. TPE knows which parameters are active, and
is not asked for the others; the other two, which would sample conditional parameters at random, are asked for
all. Limits are given as constraints, and so are the space's own where it has any: how many of them a
design breaks. For a design outside of the space the objectives are the medians so far, which TPE and NSGA-II
do not look at. GP is told of objectives beyond the reference point that they lie on it: its model and its own
reference point would suffer from outliers of no interest. NSGA-II starts with a population of random members
of the space, TPE and GP with ten.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import optuna
import optuna.samplers._tpe.sampler as tpe
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, TPESampler
from optuna.trial import Trial

from benchmarks.searchers.bench import Answer, Array, Bench, Floats
from dse import Categorical
from dse.space import Parameter

STARTED = {"nsga2": 50, "tpe": 10, "gp": 10}


def run(bench: Bench, seed: int, sampler: str) -> None:
    """Propose until the budget is spent."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    tpe._split_trials = _split_once
    _last[:] = None, None
    _Loop(bench, seed, sampler).run()


def _sampler(name: str, seed: int) -> BaseSampler:
    if name == "nsga2":
        return NSGAIISampler(seed=seed)
    if name == "tpe":
        # One trial at a time: there is nobody to lie to, and trials are cached.
        return TPESampler(seed=seed, constant_liar=False)
    return GPSampler(seed=seed)


def _distribution(parameter: Parameter) -> BaseDistribution:
    count = int(parameter.cardinality)
    if isinstance(parameter, Categorical):
        return CategoricalDistribution(list(range(count)))
    return IntDistribution(0, count - 1)


_split = tpe._split_trials
_last: list[Any] = [None, None]


def _split_once(study: optuna.Study, trials: list[Any], below: int) -> Any:
    """Do what TPE does for every parameter of a trial anew once a trial: the same proposals, much sooner."""
    key = (id(study), len(trials), below)
    if _last[0] != key:
        _last[:] = key, _split(study, trials, below)
    return _last[1]


class _Loop:
    def __init__(self, bench: Bench, seed: int, sampler: str) -> None:
        self.bench = bench
        self.sampler = sampler
        self.dynamic = sampler == "tpe"
        space = bench.space
        self.domains = {parameter.name: _distribution(parameter) for parameter in space.parameters}
        # A parameter is suggested after those that its condition reads.
        order = sorted(range(len(space.names)), key=lambda place: (len(space._ancestors[place]), place))
        self.order = [space.parameters[place] for place in order]
        self.constrained = bool(space.constraints) or bool(bench.problem.limits)
        self.study = optuna.create_study(
            directions=["minimize"] * len(bench.problem.objectives), sampler=_sampler(sampler, seed)
        )
        self.told: list[Floats] = []

    def run(self) -> None:
        self.give(self.bench.initial(STARTED[self.sampler]))
        while True:
            if self.bench.stuck:
                self.give(self.bench.fresh(1))
            self.propose()

    def propose(self) -> None:
        if self.dynamic:
            trial = self.study.ask()
            codes = self._suggested(trial)
        else:
            trial = self.study.ask(self.domains)
            codes = np.array([[trial.params[name] for name in self.bench.space.names]])
        answer = self.bench.answer(codes)
        for key, value in self._constraints(answer, 0).items():
            trial.set_constraint(key, value)
        values = self._values(answer, 0)
        self.study.tell(trial, values, None if values else optuna.trial.TrialState.FAIL)

    def give(self, codes: Array) -> None:
        """Evaluate designs that were not proposed, and tell them."""
        if self.sampler == "nsga2":
            # Only trials that it was asked for count as its population.
            for row in codes.tolist():
                self.study.enqueue_trial(dict(zip(self.bench.space.names, row, strict=True)))
            for _ in codes:
                self.propose()
            return
        answer = self.bench.answer(codes)
        active = ~self.bench.space.inactive(answer.codes)
        for row in np.flatnonzero(answer.known).tolist():
            names = [
                name
                for place, name in enumerate(self.bench.space.names)
                if active[row, place] or not self.dynamic
            ]
            places = [self.bench.space.positions[name] for name in names]
            self.study.add_trial(
                optuna.trial.create_trial(
                    values=self._values(answer, row),
                    params=dict(zip(names, answer.codes[row, places].tolist(), strict=True)),
                    distributions={name: self.domains[name] for name in names},
                    constraints=self._constraints(answer, row),
                )
            )

    def _suggested(self, trial: Trial) -> Array:
        space = self.bench.space
        codes = np.zeros((1, len(space.names)), np.int64)
        columns: dict[str, Any] = {}
        for parameter in self.order:
            domain = self.domains[parameter.name]
            if parameter.condition is not None and space.idle(parameter.name, columns, 1)[0]:
                code = int(parameter.inactive_code)
            elif isinstance(domain, CategoricalDistribution):
                code = trial.suggest_categorical(parameter.name, domain.choices)
            else:
                assert isinstance(domain, IntDistribution)
                code = trial.suggest_int(parameter.name, domain.low, domain.high)
            codes[0, space.positions[parameter.name]] = code
            columns[parameter.name] = parameter.decode(np.array([code]))
        return codes

    def _constraints(self, answer: Answer, row: int) -> dict[str, float]:
        if not self.constrained:
            return {}
        found = {"space": float(answer.broken[row]) or -1.0} if self.bench.space.constraints else {}
        for place, slack in enumerate(answer.slack[row].tolist()):
            # Outside of the space nothing is known of limits.
            found[f"limit{place}"] = slack if np.isfinite(slack) else 0.0
        return found

    def _values(self, answer: Answer, row: int) -> list[float] | None:
        """Return what is told of a design's objectives; None if its evaluation failed."""
        if answer.known[row]:
            values = answer.objectives[row]
            if self.sampler == "gp":
                values = np.minimum(values, self.bench.corner)
            self.told.append(values)
            return [float(value) for value in values]
        if answer.inside[row]:
            return None
        return [float(value) for value in np.median(self.told, axis=0)]
