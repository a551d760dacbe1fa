"""Optuna's samplers as searchers.

Optuna (T. Akiba, S. Sano, T. Yanase, T. Ohta, M. Koyama, "Optuna: a next-generation hyperparameter
optimization framework", KDD 2019) proposes from the product of the parameters' domains, knows no constraints
between them, and may propose again what it was told. Here its proposals are mended.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from dse.designs import Designs
from dse.errors import SearcherError
from dse.evaluations import Evaluations
from dse.searchers.batch import Batch
from dse.searchers.fresh import fresh
from dse.searchers.mending import mended
from dse.searchers.settings import whole
from dse.space import Categorical, Integer, Parameter, Real, Space

Array = NDArray[Any]
Floats = NDArray[np.float64]

# Random members of the space from which proposals outside of it are mended, beside what was told.
POOL = 64
# The constraint as samplers see it: where the limits hold, as far inside as a tenth of a bound; where a
# design failed, as far outside as if a bound was exceeded by all of itself.
INSIDE, FAILED = -0.1, float(np.log1p(1.0))


class OptunaSearcher:
    """Proposes what a sampler of Optuna proposes, mended: members of the space, each once.

    A proposal that is outside the space or was told before is drawn anew at most `redraws` times, and then
    becomes the member near it that `dse.searchers.mending.mended` finds; what was refused and what is pending
    in a batch is a running trial to the sampler. Ordered parameters are integers to Optuna, reals are floats,
    by logarithm where the parameter says so. Parameters that are not active are there with their canonical
    values, so that all samplers can learn of them.

    Limits are one constraint (`optuna.trial.Trial.set_constraint`): the logarithm of 1 + violation, -0.1
    where they hold. Failed designs have the worst objectives told so far and break the constraint: a sampler
    passes over trials that Optuna calls failed, and would propose their like again.

    Parameters
    ----------
    space
        The search space.
    seed
        Same seed and history, same designs.
    sampler
        Returns a new sampler for a seed (below 2³²), which is another after each `tell`.
    initial
        Random members of the space at the start, before the sampler is asked.
    redraws
        How often a proposal is drawn anew at most.
    batch
        How many designs it likes to be asked for at once: with one at a time the sampler knows most.
    notes
        Whether the sampler keeps notes on trials or on the study, as quasi-random, genetic and evolution
        strategy samplers of Optuna do. It is then asked for each told design, to note what it would have, and
        its `after_trial` sees only these proposals, as failed.

    Raises
    ------
    SearcherError
        If a setting is out of range.
    """

    name = "optuna"
    distinct = True

    def __init__(
        self,
        space: Space,
        *,
        sampler: Callable[[int], Any],
        seed: int = 0,
        initial: int = 10,
        redraws: int = 0,
        batch: int = 1,
        notes: bool = True,
    ) -> None:
        if not callable(sampler):
            raise SearcherError(
                f"{self.name}: sampler={sampler!r} must be a function of a seed, as in "
                "lambda seed: optuna.samplers.TPESampler(seed=seed)"
            )
        whole(self.name, 1, initial=initial)
        whole(self.name, 0, redraws=redraws)
        whole(self.name, 1, batch=batch)
        self.space = space
        self.seed = seed
        self.sampler = sampler
        self.initial = initial
        self.redraws = redraws
        self.batch = batch
        self.notes = notes
        self._distributions = {parameter.name: _distribution(parameter) for parameter in space.parameters}
        self._seen: set[bytes] = set()
        self._codes: Array = np.empty((0, len(space.names)), dtype=space.code_dtype)
        self._objectives: Floats = np.empty((0, 0))
        self._violation: Floats = np.empty(0)
        self._study: Any = None

    @property
    def _told(self) -> int:
        return len(self._codes)

    def ask(self, n: int) -> Designs:
        """Return n designs: random ones at first, then what the sampler proposes, mended."""
        batch = Batch(self.space, n, self._seen)
        if self._told >= self.initial and self._study is not None:
            with quiet():
                batch.add(self._proposed(n))
        return batch.filled(self.seed, self._told)

    def tell(self, evaluations: Evaluations) -> None:
        """Add evaluations to Optuna's study."""
        if not len(evaluations):
            return
        known = evaluations.evaluated
        first, limited = self._told, self._limited
        self._seen.update(self.space.keys(evaluations.designs.codes))
        self._codes = np.concatenate([self._codes, evaluations.designs.codes])
        objectives = np.where(known[:, None], evaluations.objectives, np.nan)
        self._objectives = np.concatenate([self._objectives, objectives]) if first else objectives
        self._violation = np.concatenate([self._violation, np.where(known, evaluations.violation, np.inf)])
        if not np.isfinite(self._violation).any():
            return  # of failed designs alone no sampler learns
        with quiet():
            if self._study is None or limited != self._limited:
                # All trials have the constraint, or none: that spares a model of what always holds.
                self._study = _new_study(self._objectives.shape[1])
                first = 0
            self._record(first)

    @property
    def _limited(self) -> bool:
        return bool((self._violation > 0).any())

    def _record(self, first: int) -> None:
        """Add to the study what was told, from position `first` on."""
        from optuna.trial import create_trial

        codes, violation = self._codes[first:], self._violation[first:]
        failed = ~np.isfinite(violation)
        constraint = np.where(violation > 0, np.where(failed, FAILED, np.log1p(violation)), INSIDE)
        worst = np.nanmax(self._objectives, axis=0)
        values = np.where(failed[:, None], worst, self._objectives[first:])
        for row, parameters in enumerate(self._parameters(codes)):
            trial = create_trial(
                params=parameters,
                distributions=self._distributions,
                values=values[row].tolist(),
                constraints={"limits": float(constraint[row])} if self._limited else None,
                system_attrs=self._noted(first + row) if self.notes else None,
            )
            self._study.add_trial(trial)

    def _noted(self, position: int) -> dict[str, Any]:
        """Return what the sampler notes on a proposal after `position` evaluations."""
        self._study.sampler = self._seeded(position)
        self._drawn(self._study)
        return dict(self._study.get_trials(deepcopy=False)[-1].system_attrs)

    def _seeded(self, position: int) -> Any:
        """Return a new sampler, seeded by the searcher's seed and a number of evaluations."""
        return self.sampler(int(np.random.SeedSequence([self.seed, position]).generate_state(1)[0]))

    def _proposed(self, n: int) -> Array:
        """Return up to n proposals (n, parameters), mended."""
        rng = np.random.default_rng([self.seed, self._told])
        # A study of its own, that shares the finished trials: asking changes nothing.
        shared = {id(trial): trial for trial in self._study.get_trials(deepcopy=False)}
        study = copy.deepcopy(self._study, shared)
        study.sampler = self._seeded(self._told)
        seen = set(self._seen)
        chosen: list[Array] = []
        while len(chosen) < n:
            row = self._next(study, seen)
            if not self._new(row, seen):
                pool = fresh(self.space, POOL, self.seed, self._told, self._seen)
                near = mended(self.space, row, np.concatenate([self._codes, pool]), seen, rng)
                if near is None:
                    break
                row = near
            chosen.append(row)
            seen.update(self.space.keys(row[None]))
            self._run(study, row)
        return np.array(chosen) if chosen else self._codes[:0]

    def _next(self, study: Any, seen: Set[bytes]) -> Array:
        """Return the sampler's next proposal, drawn anew as often as may be where it is of no use."""
        row = self._drawn(study)
        for _ in range(self.redraws):
            if self._new(row, seen):
                break
            self._run(study, row)
            row = self._drawn(study)
        return row

    def _new(self, row: Array, seen: Set[bytes]) -> bool:
        return self.space.keys(row[None])[0] not in seen and bool(self.space.satisfies(row[None])[0])

    def _drawn(self, study: Any) -> Array:
        """Return canonical codes (parameters,) of the sampler's next proposal, and mark it as failed."""
        from optuna.trial import TrialState

        trial = study.ask(self._distributions)
        study.tell(trial, state=TrialState.FAIL)
        codes = np.empty((1, len(self.space.names)), dtype=self.space.code_dtype)
        for position, parameter in enumerate(self.space.parameters):
            value = trial.params[parameter.name]
            if isinstance(parameter, Real):
                value = min(max(value, parameter.low), parameter.high) + 0.0
            elif _by_value(parameter):
                value = round((value - parameter.low) / parameter.step)
            codes[0, position] = value
        return np.asarray(self.space.canonical(codes)[0])

    def _run(self, study: Any, codes: Array) -> None:
        """Add a running trial."""
        from optuna.trial import TrialState, create_trial

        parameters = self._parameters(codes[None])[0]
        study.add_trial(
            create_trial(state=TrialState.RUNNING, params=parameters, distributions=self._distributions)
        )

    def _parameters(self, codes: Array) -> list[dict[str, Any]]:
        """Return designs (n, parameters) as Optuna has them, by name."""
        columns = []
        for position, parameter in enumerate(self.space.parameters):
            column = codes[:, position]
            if not isinstance(parameter, Real):
                column = parameter.decode(column) if _by_value(parameter) else column.astype(np.int64)
            columns.append(column.tolist())
        return [dict(zip(self.space.names, row, strict=True)) for row in zip(*columns, strict=True)]


def _by_value(parameter: Parameter) -> TypeGuard[Integer]:
    """Return whether Optuna is given values rather than codes: its logarithm is that of what it is given."""
    return isinstance(parameter, Integer) and parameter.log


def _distribution(parameter: Parameter) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(parameter, Real):
        return FloatDistribution(parameter.low, parameter.high, log=parameter.log)
    if isinstance(parameter, Categorical):
        return CategoricalDistribution(tuple(range(parameter.cardinality)))
    if _by_value(parameter):
        return IntDistribution(parameter.low, parameter.high, log=True)
    return IntDistribution(0, int(parameter.cardinality) - 1)


def _new_study(objectives: int) -> Any:
    import optuna

    return optuna.create_study(
        storage=optuna.storages.InMemoryStorage(), study_name="dse", directions=["minimize"] * objectives
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Optuna from logging, and from warning of what is experimental; afterwards all is as before."""
    import optuna

    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(level)
