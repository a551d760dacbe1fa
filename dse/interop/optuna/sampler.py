"""Our searchers as a sampler of Optuna: `DseSampler`, and `suggest` for its objective."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

from dse.designs import Designs
from dse.errors import SearcherError
from dse.evaluations import Evaluations, State
from dse.interop.optuna.values import Translation, decoded, encoded, of_distributions, of_space
from dse.interop.recorded import designs_of, membership
from dse.searchers import Searcher, make_searcher
from dse.searchers.fresh import fresh
from dse.space import Categorical, Integer, Ordinal, Space

Array = NDArray[Any]

# Of a trial: it is the first of those that were proposed together, so that all before it had been told.
ASKED = "dse:asked"
# Beyond, the members of a space are not counted to know when all were tried.
COUNT_WORK = 1 << 18


class DseSampler(BaseSampler):
    """Proposes what one of our searchers proposes: members of the space, constraints between parameters kept.

    Optuna's objectives define their parameters as they run; our searchers need to know all of them before.
    So the space is given, and the objective suggests the same: by `suggest`, or by Optuna's own calls with
    the same names, bounds and choices. A parameter that is not active may be left out; suggested all the
    same, it has its canonical value.

    Same space, searcher, seed and trials, same proposals, of one process that runs one trial at a time: those
    of `dse.Study` with that searcher and seed, as far as a study tells the searcher no more (``bayesian`` and
    ``auto`` learn limits one by one there, and take a prior and a reference point). A new sampler goes on
    with a stored study where another was stopped. Trials of other samplers, and enqueued ones, are told to
    the searcher as far as they are members of the space. What other processes were seen to try is not
    proposed again; two that ask at the same moment may try the same.

    Constraints (`Trial.set_constraint`) are limits: a trial that exceeds some is infeasible by their sum.
    Failed and pruned trials are failed designs.

    Parameters
    ----------
    space
        A `Space`, or Optuna's distributions by name.
    searcher
        A name of `dse.searchers.BUILT_IN`, or a class of the protocol `dse.searchers.Searcher`.
    seed
        Of the searcher.
    settings
        The searcher's own settings, as in ``{"population": 50}``.

    Raises
    ------
    SpaceError
        If a distribution or its name is not one of ours (see `dse.interop.optuna.values.of_distributions`).
    SearcherError
        If the searcher, the seed or a setting is not usable.

    Notes
    -----
    When every member of a small discrete space was tried, the study is stopped (`optuna.Study.stop`).
    """

    def __init__(
        self,
        space: Space | Mapping[str, BaseDistribution],
        searcher: str | Callable[..., Searcher] = "nsga2",
        *,
        seed: int = 0,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self._given = space, searcher, seed, settings
        if isinstance(space, Space):
            self.space = space
            self._translations: tuple[Translation, ...] = of_space(space)
        else:
            # A name that cannot stand in an expression is of no matter here: Optuna's is kept beside it.
            self._translations = of_distributions(space, [])
            self.space = Space([item.parameter for item in self._translations])
        self._searcher_of = searcher
        self._settings = settings
        self._seed = seed
        self._lock = threading.Lock()
        self._study: tuple[int, int] | None = None
        self._start()

    def __str__(self) -> str:
        return f"DseSampler({self.space!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy finds out where the study is from its trials, as any new sampler does.
        space, searcher, seed, settings = self._given
        return partial(DseSampler, seed=seed, settings=settings), (space, searcher)

    # What Optuna calls

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return all distributions of the space."""
        return {item.label: item.distribution for item in self._translations}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the values of the searcher's next design, without its parameters that are not active."""
        if "fixed_params" in trial.system_attrs:
            return {}  # enqueued: no proposal is spent on it
        with self._lock:
            key = (id(study._storage), study._study_id)
            if self._study != key:
                self._study = key
                self._replay(study, trial)
            else:
                self._take(study, trial)
            codes = self._next(study, trial)
        return decoded(self._translations, Designs(self.space, codes[None]))[0]

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Return the canonical value of a parameter that is not active, or that an enqueued trial lacks."""
        for item in self._translations:
            if item.label == param_name:
                if param_distribution != item.distribution:
                    raise SearcherError(
                        f"the objective suggests {param_name!r} from {param_distribution}, and the sampler's "
                        f"space has {item.distribution}: state the same in both"
                    )
                return item.values(np.array([item.parameter.inactive_code]))[0]
        raise SearcherError(
            f"the objective suggests {param_name!r}, which the sampler's space has not: add it to the space; "
            f"it has {', '.join(item.label for item in self._translations)}"
        )

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Stop the study when every member of the space was tried."""
        with self._lock:
            if self._study is None or self._size is None or len(self._seen) < self._size:
                return
        with suppress(RuntimeError):  # asked and told by hand: there is nothing to stop
            study.stop()

    # The searcher

    def _start(self) -> None:
        self._searcher = make_searcher(self._searcher_of, self.space, self._seed, self._settings)
        self._seen: set[bytes] = set()
        self._known: set[int] = set()  # finished trials that were taken in
        self._inbox: list[FrozenTrial] = []  # of them, those that the searcher was not told of
        self._queue: list[Array] = []
        exact = self.space.discrete and self.space.count(COUNT_WORK)
        self._size = exact if isinstance(exact, int) and not isinstance(exact, bool) else None

    def _replay(self, study: Study, trial: FrozenTrial) -> None:
        """Bring a new searcher to where the study is: told what was told, with what is left of its batch."""
        self._start()
        others = [item for item in study.get_trials(deepcopy=False) if item.number != trial.number]
        asked = sorted(item.number for item in others if ASKED in item.system_attrs)
        finished = self._finished(study, trial)
        for number in asked:
            self._inbox += [item for item in finished if item.number < number]
            finished = [item for item in finished if item.number >= number]
            self._tell(study)
        _, designs = self._members(others)
        self._seen.update(self.space.keys(designs.codes))
        if asked:
            self._queue = self._asked()
            _, tried = self._members([item for item in others if item.number >= asked[-1]])
            for codes in tried.codes:
                same = [place for place, item in enumerate(self._queue) if np.array_equal(item, codes)]
                if same:
                    self._queue.pop(same[0])
        self._inbox = finished
        self._known.update(item.number for item in self._finished(study, trial))

    def _take(self, study: Study, trial: FrozenTrial) -> None:
        """Take in what ended since, here or elsewhere."""
        new = [item for item in self._finished(study, trial) if item.number not in self._known]
        self._inbox += new
        self._known.update(item.number for item in new)
        _, designs = self._members(new)
        self._seen.update(self.space.keys(designs.codes))

    def _finished(self, study: Study, trial: FrozenTrial) -> list[FrozenTrial]:
        states = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
        return [
            item for item in study.get_trials(deepcopy=False, states=states) if item.number != trial.number
        ]

    def _next(self, study: Study, trial: FrozenTrial) -> Array:
        """Return the codes (parameters,) of the next proposal."""
        self._see_running(study, trial)
        while True:
            if not self._queue:
                self._tell(study)
                self._queue = self._asked()
                study._storage.set_trial_system_attr(trial._trial_id, ASKED, len(self._queue))
            if not self._queue:  # the searcher has ended before the study
                return self._spare()
            codes = self._queue.pop(0)
            key = self.space.keys(codes[None])[0]
            if not (self._searcher.distinct and key in self._seen):
                self._seen.add(key)
                return codes

    def _see_running(self, study: Study, trial: FrozenTrial) -> None:
        running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        _, designs = self._members([item for item in running if item.number != trial.number])
        self._seen.update(self.space.keys(designs.codes))

    def _asked(self) -> list[Array]:
        return list(self._searcher.ask(self._searcher.batch).codes)

    def _spare(self) -> Array:
        found = fresh(self.space, 1, self._seed, len(self._seen), self._seen)
        if not len(found):
            found = self.space.sample(1, self._seed).codes
        self._seen.update(self.space.keys(found))
        return np.asarray(found[0])

    def _tell(self, study: Study) -> None:
        trials, designs = self._members(self._inbox)
        self._inbox = []
        if trials:
            self._seen.update(self.space.keys(designs.codes))
            self._searcher.tell(_evaluations(study, trials, designs))

    def _members(self, trials: Sequence[FrozenTrial]) -> tuple[list[FrozenTrial], Designs]:
        """Return those trials that are of members of the space, in order, and their designs."""
        ordered = sorted(trials, key=lambda item: item.number)
        codes, given = encoded(self._translations, [item.params for item in ordered])
        inside = membership(self.space, codes, given)
        kept = [item for item, member in zip(ordered, inside, strict=True) if member]
        return kept, designs_of(self.space, codes[inside])


def _evaluations(study: Study, trials: Sequence[FrozenTrial], designs: Designs) -> Evaluations:
    """Return trials as a searcher is told of them."""
    n = len(trials)
    signs = np.array([-1.0 if item == StudyDirection.MAXIMIZE else 1.0 for item in study.directions])
    objectives = np.full((n, len(signs)), np.nan)
    violation = np.full(n, np.nan)
    errors = {}
    for row, trial in enumerate(trials):
        if trial.state == TrialState.COMPLETE and np.isfinite(trial.values).all():
            objectives[row] = signs * np.array(trial.values)
            violation[row] = sum(max(0.0, value) for value in trial.constraints.values())
        else:
            errors[row] = trial.state.name.lower()
    state = np.where(violation > 0, State.INFEASIBLE.value, State.COMPLETE.value)
    state[list(errors)] = State.FAILED.value
    names = study.metric_names or [f"value_{place}" for place in range(len(signs))]
    metrics = {name: objectives[:, place] * signs[place] for place, name in enumerate(names)}
    return Evaluations(designs, metrics, objectives, violation, state, errors, np.zeros(n))


def suggest(trial: Trial, space: Space) -> dict[str, Any]:
    """Suggest every parameter of a space that is active, and return the design.

    Parameters
    ----------
    trial
        Of any study; with a `DseSampler` of the same space it is a member of it, with Optuna's own samplers
        it may break the space's constraints.
    space
        The space.

    Returns
    -------
    A value for every parameter by name: the canonical one for those that are not active.
    """
    columns: dict[str, Array] = {}
    for item in sorted(
        of_space(space, []), key=lambda item: len(space._ancestors[space.position(item.label)])
    ):
        parameter = item.parameter
        if space.idle(parameter.name, columns, 1)[0]:
            code: Any = parameter.inactive_code
        else:
            code = item.code(_suggested(trial, item))
        columns[parameter.name] = parameter.decode(np.array([code]))
    return {name: columns[name][0].item() if hasattr(columns[name][0], "item") else columns[name][0]
            for name in space.names}  # fmt: skip


def _suggested(trial: Trial, item: Translation) -> Any:
    parameter, distribution = item.parameter, item.distribution
    if isinstance(distribution, optuna.distributions.CategoricalDistribution):
        assert isinstance(parameter, Categorical | Ordinal)
        return trial.suggest_categorical(item.label, distribution.choices)
    assert isinstance(
        distribution, optuna.distributions.IntDistribution | optuna.distributions.FloatDistribution
    )
    if isinstance(parameter, Integer):
        return trial.suggest_int(
            item.label, parameter.low, parameter.high, step=parameter.step, log=distribution.log
        )
    return trial.suggest_float(item.label, distribution.low, distribution.high, log=distribution.log)
