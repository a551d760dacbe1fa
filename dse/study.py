"""`Study`: a named, persisted run of a searcher on a problem; `StudyView` reads one."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dse.designs import Designs
from dse.errors import ExecutorError, StoreError, StudyError
from dse.evaluations import Evaluations, State
from dse.pareto import hypervolume
from dse.problem import Limit, Metric, Objective, Problem, differences, objective_from_dict
from dse.searchers import BUILT_IN, Searcher, make_searcher, searcher_name, takes
from dse.space import Space
from dse.version import __version__

if TYPE_CHECKING:
    import pandas as pd

    from dse.driver import Progress
    from dse.executors import Executor
    from dse.store import EvaluationRows, Store, StudyRecord
    from dse.warm import Sources, StudySource, TableSource

Array = NDArray[Any]

DEFAULT_STORE = "sqlite:///dse.db"


class StudyView:
    """A stored study, to be read.

    Parameters
    ----------
    name
        The study's name.
    store
        A store, or its URL.

    Raises
    ------
    StoreError
        If the store cannot be opened or holds no such study.

    Attributes
    ----------
    space, objectives, metrics, limits
        As in the problem. Callable constraints of the space are left out: stored designs satisfy them.
    record
        Provenance: fingerprint, seed, searcher, versions, time of creation, state.
    """

    def __init__(self, name: str, store: Store | str = DEFAULT_STORE) -> None:
        self.name = name
        self.store = _open(store, read_only=True)
        self.record = self.store.study(name)
        problem = self.record.problem
        known = [rule for rule in problem["space"]["constraints"] if "expression" in rule]
        self.space = Space.from_dict({**problem["space"], "constraints": known})
        self.metrics = {item["name"]: Metric(item["name"], item["unit"]) for item in problem["metrics"]}
        self.objectives: tuple[Objective, ...] = tuple(map(objective_from_dict, problem["objectives"]))
        self.limits = tuple(Limit(text) for text in problem["limits"])

    @property
    def id(self) -> int:
        """The study's key in its store."""
        assert self.record.id is not None
        return self.record.id

    @property
    def reference(self) -> tuple[float, ...] | None:
        """The reference point of hypervolumes, in the objectives' own units; None before any result.

        For each objective the declared reference; else the worst feasible value of the first batch that
        has any, plus a tenth of that batch's range (or of the value's size where the range is zero). It is
        set once and stored, so hypervolumes of one study are comparable. A study that took over evaluations
        of one with the same objectives has that one's reference.
        """
        return None if self.record.reference is None else tuple(self.record.reference)

    @property
    def adopted(self) -> int:
        """How many of the evaluations, the first ones, were taken over from other studies."""
        return 0 if self.record.warm is None else int(self.record.warm["adopted"])

    @property
    def started_from(self) -> list[str]:
        """What the study was started from, a line a source; empty for nothing."""
        from dse.warm import described

        return [] if self.record.warm is None else described(self.record.warm)

    def counts(self) -> dict[str, int]:
        """Return the number of evaluations in each state."""
        found = self.store.count(self.id)
        return {state.value: found.get(state.value, 0) for state in State}

    def __len__(self) -> int:
        return sum(self.counts().values())

    def evaluations(self) -> pd.DataFrame:
        """Return every evaluation in order.

        Returns
        -------
        Columns number, state, the parameters, the metrics (NaN without a result), error (None without
        one). The same for the same seed and versions, whatever interrupted the run.
        """
        return self._frame(self.store.evaluations(self.id))

    def front(self) -> pd.DataFrame:
        """Return the nondominated feasible designs.

        Returns
        -------
        The parameters and metrics, indexed by evaluation number, best in the first objective first.
        Designs with equal objectives are all kept.
        """
        rows = self.store.evaluations(self.id, numbers=self.store.front_numbers(self.id))
        frame = self._frame(rows).drop(columns=["state", "error"]).set_index("number")
        order = np.lexsort([
            frame.index.to_numpy(),
            *(objective.sign * frame[objective.metric].to_numpy() for objective in reversed(self.objectives)),
        ])  # fmt: skip
        return frame.iloc[order]

    def front_objectives(self) -> NDArray[np.float64]:
        """Return the front's objectives, a matrix (n, objectives) in their own units and direction."""
        rows = self.store.evaluations(self.id, numbers=self.store.front_numbers(self.id))
        return self._metric_matrix(rows)[:, self._objective_columns]

    def hypervolume(self, reference: Sequence[float] | None = None) -> float:
        """Return the hypervolume that the front dominates, in the product of the objectives' units.

        Parameters
        ----------
        reference
            The worst point of interest, one value an objective in its own units and direction; by
            default `StudyView.reference`. Designs beyond it contribute nothing.

        Raises
        ------
        StudyError
            If the reference has the wrong length.
        """
        point = reference if reference is not None else self.reference
        if point is None:
            return 0.0
        if len(point) != len(self.objectives):
            raise StudyError(
                f"reference {tuple(point)} needs {len(self.objectives)} values, one an objective"
            )
        signs = self._signs
        return hypervolume(self.front_objectives() * signs, np.asarray(point, float) * signs)

    def history(self) -> pd.DataFrame:
        """Return the front's progress, a row a batch.

        Returns
        -------
        Columns evaluations (so far), hypervolume, front_size, seconds (spent asking and evaluating, so far).
        """
        import pandas as pd

        return pd.DataFrame(self.store.history(self.id))

    def failures(self, limit: int = 20) -> pd.DataFrame:
        """Return the most frequent reasons of failure: columns error, count, example (a number)."""
        import pandas as pd

        return pd.DataFrame(self.store.failures(self.id, limit), columns=["error", "count", "example"])

    def shortlist(self) -> pd.DataFrame:
        """Return the designs on the study's short list, in the order in which they were put there.

        Returns
        -------
        Columns state, the parameters, the metrics, note; indexed by evaluation number.
        """
        items = dict(self.store.shortlist.items(self.id))
        frame = self._frame(self.store.evaluations(self.id, numbers=sorted(items)))
        frame = frame.drop(columns=["error"]).set_index("number").loc[list(items)]
        return frame.assign(note=list(items.values()))

    def workers(self) -> pd.DataFrame:
        """Return the processes that work on the study, a row each.

        Returns
        -------
        Columns host, process (its number there), slots (chunks that it evaluates at a time), leads. Those of
        this machine that have died are left out; of others that is not known at one look.
        """
        import pandas as pd

        from dse.team.membership import at_work

        found = at_work(self.store, self.id)
        rows = [(member.host, member.process, member.slots, leads) for member, leads in found]
        return pd.DataFrame(rows, columns=["host", "process", "slots", "leads"])

    @property
    def _signs(self) -> NDArray[np.float64]:
        return np.array([objective.sign for objective in self.objectives])

    @cached_property
    def _objective_columns(self) -> list[int]:
        names = list(self.metrics)
        return [names.index(objective.metric) for objective in self.objectives]

    def _metric_matrix(self, rows: EvaluationRows) -> NDArray[np.float64]:
        if rows.metrics.shape[1] == 0:  # where no evaluation has any, their number is not stored
            return np.full((len(rows), len(self.metrics)), np.nan)
        return rows.metrics

    def restore(self, rows: EvaluationRows) -> Evaluations:
        """Return stored rows as evaluations, exactly as they were told."""
        return Evaluations(
            designs=Designs(self.space, self.space.unpack(rows.designs)),
            metrics={name: self._metric_matrix(rows)[:, column] for column, name in enumerate(self.metrics)},
            objectives=self._metric_matrix(rows)[:, self._objective_columns] * self._signs,
            violation=rows.violation,
            state=rows.state,
            errors={row: text for row, text in enumerate(rows.error_texts()) if text is not None},
            seconds=rows.seconds,
        )

    def _frame(self, rows: EvaluationRows) -> pd.DataFrame:
        import pandas as pd

        designs = Designs(self.space, self.space.unpack(rows.designs))
        columns: dict[str, Any] = {"number": rows.number, "state": pd.array(rows.state.tolist(), dtype="str")}
        columns |= designs.series()
        columns |= {name: self._metric_matrix(rows)[:, column] for column, name in enumerate(self.metrics)}
        columns["error"] = pd.array(rows.error_texts(), dtype="str")
        return pd.DataFrame(columns)

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} {self.name!r}: {len(self)} evaluations, {self.record.searcher['name']}>"
        )


class Study(StudyView):
    """A named run of a searcher on a problem, persisted.

    Parameters
    ----------
    name
        A name that exists is opened again, and `run` goes on where it stopped.
    problem
        What is searched.
    searcher
        A name of `dse.searchers.BUILT_IN`, one that an installed package adds, or a class of the protocol
        `dse.searchers.Searcher`.
    seed
        Same seed, same versions: same designs, same order, same front.
    store
        A URL, ``sqlite:///FILE``, or an open store.
    settings
        The searcher's own settings, as in ``{"population": 50}``.
    batch
        Designs asked for, and told, at once; by default what the searcher likes.
    warm
        What a new study is started from, one or a list of: a stored study, as its name in the same store, as
        ``URL#NAME`` or as a `StudyView`; a file of designs that ends in .csv, .json or .parquet; `Designs`, a
        data frame, a list of mappings of parameter to value. Evaluations of the same model are taken over,
        not made again. Of another study, the designs of its front are evaluated first, at most a hundred, as
        near as this space has them; so are the designs of a list, of which other columns are left out. All of
        it is fixed when the study is made: see `dse.warm`.
    warm_nearest
        Whether designs of a list that are not in the space become the nearest members, instead of an error.

    Attributes
    ----------
    utilisation
        The share of the workers' time that the last run with workers spent on evaluations; None without one.

    Raises
    ------
    StudyError
        If the name exists with another problem, searcher, seed, settings, batch or warm start; it says what
        differs. If a warm start cannot be read or has nothing for this problem.
    SearcherError, StoreError
        If those arguments are not usable.

    Examples
    --------
    >>> study = Study("demo", problem, searcher="nsga2", seed=0, store="sqlite:///dse.db")  # doctest: +SKIP
    >>> study.run(budget=2_000)  # doctest: +SKIP
    >>> study.front()  # doctest: +SKIP
    """

    def __init__(
        self,
        name: str,
        problem: Problem,
        searcher: str | Callable[..., Searcher] = "auto",
        seed: int = 0,
        store: Store | str = DEFAULT_STORE,
        *,
        settings: Mapping[str, Any] | None = None,
        batch: int | None = None,
        warm: Sources | None = None,
        warm_nearest: bool = False,
    ) -> None:
        from dse.store import StudyRecord
        from dse.warm import as_sources, differs

        if not isinstance(name, str) or not name.strip():
            raise StudyError(f"a study needs a name, not {name!r}")
        if not isinstance(problem, Problem):
            raise StudyError(f"problem must be a Problem, not {type(problem).__name__}")
        if batch is not None and (isinstance(batch, bool) or not isinstance(batch, int) or batch < 1):
            raise StudyError(f"batch={batch!r} must be a whole number, 1 or more")
        self.name = name
        self.problem = problem
        self.space = problem.space
        self.metrics, self.objectives, self.limits = problem.metrics, problem.objectives, problem.limits
        self.searcher = searcher
        self.seed = seed
        self.settings = _plain_settings(settings)
        self.given_batch = batch
        self.utilisation: float | None = None
        self.start = problem.start
        self.batch = batch or self.make_searcher().batch
        wanted = StudyRecord(
            name=name,
            fingerprint=problem.fingerprint,
            problem={"name": problem.name, **problem.to_dict()},
            searcher={"name": searcher_name(searcher), "settings": self.settings, "batch": self.batch},
            seed=seed,
            versions=versions() | _plugin_version(searcher),
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            state="new",
            reference=None,
            id=None,
        )
        self.store = _open(store)
        sources = as_sources(warm, name, self.store)
        made = not self.store.has_study(name)
        if made:
            try:
                self._create(wanted, sources, warm_nearest)
            except StoreError:
                if not self.store.has_study(name):
                    raise
                made = False  # by this process: another one did at this moment
        self.record = self.store.study(name)
        _check_same(self.record, wanted)
        changed = differs(self.record.warm, sources, warm_nearest) if sources and not made else None
        if changed is not None:
            raise StudyError(
                f"study {name!r} is stored already and {changed}: take another name, or leave the warm "
                "start out to go on"
            )
        self.start = self._all_first()

    def _create(
        self, wanted: StudyRecord, sources: Sequence[StudySource | TableSource], nearest: bool
    ) -> None:
        from dse.warm import adoption_commits, warm_start

        if not sources:
            self.store.create_study(wanted)
            return
        found = warm_start(self.problem, sources, self.store, seed=self.seed, nearest=nearest)
        wanted = replace(
            wanted,
            reference=found.reference,
            warm=found.record,
            start=None if found.start is None else self.space.pack(found.start.codes).tobytes(),
        )
        known = found.adopted
        commits = () if known is None else adoption_commits(self.problem, known, found.reference)
        self.store.create_study(wanted, commits)

    def _all_first(self) -> Designs | None:
        """Return the designs that are evaluated first: the problem's, then those of the warm start."""
        if self.record.start is None:
            return self.problem.start
        packed = np.frombuffer(self.record.start, np.uint8).reshape(-1, self.space.record.itemsize)
        start = Designs(self.space, self.space.unpack(packed))
        return start if self.problem.start is None else Designs.concat([self.problem.start, start])

    def make_searcher(self) -> Searcher:
        """Return a new searcher of this study, told nothing."""
        return make_searcher(
            self.searcher,
            self.space,
            self.seed,
            self.settings,
            prior=self.problem.prior_objectives,
            linear=self.problem.linear if takes(self.searcher, "linear") else None,
            start=self.start,
            reference=self.problem.reference,
            margins=self.problem.margins if self.problem.limits else None,
            costly=self.problem.costly,
        )

    def update(self, **changes: Any) -> None:
        """Write changes of the study's record (state, reference) to the store."""
        self.store.update_study(self.id, **changes)
        self.record = replace(self.record, **changes)

    def run(
        self,
        budget: int | None = None,
        *,
        workers: int | None = None,
        timeout: float | None = None,
        memory: float | None = None,
        executor: Any = None,
        asynchronous: bool = False,
        progress: Callable[[Progress], None] | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> Study:
        """Evaluate designs until the study has made `budget` evaluations.

        Every batch is committed in one transaction, a batch that takes long in several; a run that was
        killed goes on from the last commit, to the same result. Designs that fail are kept as such and
        do not end the run.

        Parameters
        ----------
        budget
            Evaluations that the study has made at the end, those of earlier runs counted in; those that a
            warm start took over cost nothing, and are not. None runs until the space is exhausted.
        workers
            Processes that evaluate, on this machine; by default the model is called in this one. Whatever
            their number, a run finds the same.
        timeout
            Seconds that an evaluation may take; it is killed then, and its state is ``timeout``. In a
            process of its own, where `workers` are not given.
        memory
            GiB that a worker may take, beyond what it has at its start; in the same way.
        executor
            Where to evaluate instead: a `dse.executors.Executor`, as `dse.executors.DaskExecutor`; or any
            `concurrent.futures.Executor`, which `timeout` and `memory` hold for as well, and `workers` says
            how many calls it is given at a time.
        asynchronous
            A worker that is free gets the next design at once, and the searcher is told results as they
            come. Which designs are found then depends on how long evaluations take; what was stored is told
            again in the same order when the study is resumed.
        progress
            Called after every commit.
        stop
            Asked after every commit; true ends the run early, to be resumed later.

        Returns
        -------
        The study itself.

        Raises
        ------
        StudyError
            If the budget is no whole number, or None in a space with reals; if `asynchronous` has no workers.
        ExecutorError
            If workers, a limit or the executor is none, the model cannot be sent to it, or it breaks.
        SpaceError
            If the space has no feasible design.
        """
        if budget is not None and (isinstance(budget, bool) or not isinstance(budget, int) or budget < 1):
            raise StudyError(f"budget={budget!r} must be a whole number of evaluations, 1 or more")
        if budget is None and not self.space.discrete:
            raise StudyError("a space with real parameters is never exhausted: give a budget")
        chosen = _executor(executor, workers, timeout, memory)
        if asynchronous and chosen is None:
            raise StudyError("asynchronous runs need workers: give workers=N or an executor")
        from dse.team import work

        self.utilisation = work(
            self, budget, chosen, asynchronous=asynchronous, progress=progress, stop=stop or (lambda: False)
        )
        return self


def _executor(
    given: Any, workers: int | None, timeout: float | None, memory: float | None
) -> Executor | None:
    from dse.executors import Executor, FuturesExecutor, ProcessPool

    if isinstance(given, Executor):
        if (workers, timeout, memory) != (None, None, None):
            raise ExecutorError(
                f"workers, timeout and memory are given to {type(given).__name__}, where it is made"
            )
        return given
    if given is not None:
        return FuturesExecutor(given, workers, timeout=timeout, memory=memory)
    if (workers, timeout, memory) == (None, None, None):
        return None
    return ProcessPool(1 if workers is None else workers, timeout=timeout, memory=memory)


def _plain_settings(settings: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a searcher's settings, which a store keeps; raise `StudyError` if they are no JSON values."""
    found = dict(settings or {})
    try:
        json.dumps(found)
    except (TypeError, ValueError) as error:
        raise StudyError(
            f"settings {found!r} cannot be stored ({error}): give JSON values, or a searcher that is a class "
            "with the rest in it"
        ) from None
    return found


def _open(store: Store | str, *, read_only: bool = False) -> Store:
    from dse.store import Store

    return Store(store, read_only=read_only) if isinstance(store, str) else store


def _check_same(stored: StudyRecord, wanted: StudyRecord) -> None:
    changes = []
    if stored.fingerprint != wanted.fingerprint:
        changes += differences(stored.problem, wanted.problem)
    changes += differences(stored.searcher, wanted.searcher, "searcher")
    changes += differences(stored.seed, wanted.seed, "seed")
    if changes:
        more = f" and {len(changes) - 3} more" if len(changes) > 3 else ""
        raise StudyError(
            f"study {stored.name!r} is stored with another setting, {'; '.join(changes[:3])}{more}: "
            "take another name, or the stored setting"
        )


def _plugin_version(searcher: str | Callable[..., Searcher]) -> dict[str, str]:
    """Return the version of the package that a searcher comes from, by package; nothing of our own."""
    from dse.plugins import plugins

    if not isinstance(searcher, str) or searcher in BUILT_IN:
        return {}
    added = plugins("searcher").get(searcher)
    return {} if added is None else dict(zip(added.packages, added.versions, strict=True))


def versions() -> dict[str, str]:
    """Return the versions that results may depend on."""
    packages = ("numpy", "pymoo", "moocore")
    return {
        "dse": __version__,
        "python": platform.python_version(),
        **{package: metadata.version(package) for package in packages},
    }
