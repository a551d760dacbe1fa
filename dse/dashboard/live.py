"""A study under way, read piece by piece: what figures need of a million evaluations, in a moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dse.designs import Designs
from dse.evaluations import State
from dse.pareto import hypervolume, nondominated
from dse.plots.points import Points, knees
from dse.space import Categorical, Ordinal
from dse.store import Store
from dse.study import StudyView

Array = NDArray[Any]

CHUNK = 20_000  # evaluations read at once; so many new ones are read while a page waits
SAMPLE = 20_000  # evaluations that models of importance and effects are fitted to
BEHIND = 2_000  # designs behind a front that are drawn one by one: without a graphics card more take seconds
SCREENED = 50_000  # designs from which on a front is found after a screening
SCREENS = 24
STATES = [state.value for state in State]
COMPLETE, INFEASIBLE = STATES.index("complete"), STATES.index("infeasible")


@dataclass(frozen=True)
class Filters:
    """What a reader keeps of the designs.

    Attributes
    ----------
    ranges
        Least and greatest value by metric or numeric parameter; None is open.
    choices
        Positions among the listed values, by parameter.
    """

    ranges: Mapping[str, tuple[float | None, float | None]]
    choices: Mapping[str, tuple[int, ...]]

    def __bool__(self) -> bool:
        return bool(self.ranges or self.choices)

    @property
    def key(self) -> Any:
        """What tells them from others."""
        return tuple(sorted(self.ranges.items())), tuple(sorted(self.choices.items()))


NO_FILTERS = Filters({}, {})


class LiveStudy:
    """What is known of a stored study at this moment; `refresh` looks again.

    Parameters
    ----------
    name
        The study's.
    store
        Open for reading.

    Notes
    -----
    The front, the progress and the counts come from the store at once. Evaluations are held as columns; many
    new ones are read in a thread, so that no page waits for them: `loaded` says how far it is.
    """

    def __init__(self, name: str, store: Store) -> None:
        self.view = StudyView(name, store)
        self.name = name
        self.space = self.view.space
        self.objectives = self.view.objectives
        self.metrics = self.view.metrics
        self.limits = self.view.limits
        self.signs = np.array([objective.sign for objective in self.objectives])
        self._objective_columns = [list(self.metrics).index(o.metric) for o in self.objectives]
        self._lock = threading.Lock()
        self._reader: threading.Thread | None = None
        self._front_numbers = np.empty(0, np.int64)
        self._history = pd.DataFrame()
        self._state = np.empty(0, np.uint8)
        self._metric_values = np.empty((0, len(self.metrics)))
        self._codes = np.empty((0, len(self.space.names)), self.space.code_dtype)
        self._masks: dict[Any, Array] = {}
        self._fronts: dict[Any, Array] = {}
        self.total = self.loaded = 0
        self.commits = -1
        self.refresh()

    @property
    def record(self) -> Any:
        return self.view.record

    @property
    def reference(self) -> tuple[float, ...] | None:
        return self.view.reference

    @property
    def version(self) -> tuple[Any, ...]:
        """Changes when there is something new to show."""
        return self.commits, self.loaded, self.record.state

    def refresh(self) -> None:
        """Read what has been committed since the last look."""
        with self._lock:
            store, study_id = self.view.store, self.view.id
            self.view.record = store.study(self.name)
            commits, total = store.progress(study_id)
            if commits != self.commits:
                self._front_numbers = store.front_numbers(study_id)
                self._history = pd.DataFrame(store.history(study_id))
                self.commits, self.total = commits, total
            left = self.total - self.loaded
            if 0 < left <= CHUNK:
                self._read(self.total)
            elif left and (self._reader is None or not self._reader.is_alive()):
                self._reader = threading.Thread(target=self._read_all, daemon=True)
                self._reader.start()

    def _read_all(self) -> None:
        while self.loaded < self.total:
            with self._lock:
                self._read(min(self.loaded + CHUNK, self.total))
            time.sleep(0.001)  # pages first

    def _read(self, stop: int) -> None:
        rows = self.view.store.evaluations(self.view.id, start=self.loaded, stop=stop)
        count = len(rows)
        if self.loaded + count > len(self._state):
            room = max(2 * len(self._state), self.loaded + count, 1_000)
            self._state = _grown(self._state, room)
            self._metric_values = _grown(self._metric_values, room)
            self._codes = _grown(self._codes, room)
        part = slice(self.loaded, self.loaded + count)
        self._state[part] = np.select([rows.state == state for state in STATES], range(len(STATES)))
        self._metric_values[part] = rows.metrics if rows.metrics.shape[1] else np.nan
        self._codes[part] = self.space.unpack(rows.designs)
        self.loaded += count
        self._masks, self._fronts = {}, {}

    # Columns of what is loaded

    def states(self) -> Array:
        return self._state[: self.loaded]

    def metric(self, name: str) -> Array:
        """Return a metric's values (loaded,); NaN without a result."""
        return self._metric_values[: self.loaded, list(self.metrics).index(name)]

    def objective_values(self, numbers: Array) -> Array:
        """Return objectives to be minimised (n, objectives)."""
        return np.asarray(self._metric_values[numbers][:, self._objective_columns] * self.signs)

    def codes(self, name: str) -> Array:
        return self._codes[: self.loaded, self.space.position(name)]

    def column(self, name: str) -> Array:
        """Return a metric, or the numbers that stand for a parameter's values (loaded,)."""
        return self.metric(name) if name in self.metrics else self.codes(name)

    def mask(self, filters: Filters) -> Array:
        """Return which designs are kept (loaded,)."""
        key = filters.key
        found = self._masks.get(key)
        if found is None or len(found) != self.loaded:
            found = np.ones(self.loaded, bool)
            for name, (low, high) in filters.ranges.items():
                values = self.metric(name) if name in self.metrics else self._numeric(name)
                if low is not None:
                    found &= values >= low
                if high is not None:
                    found &= values <= high
            for name, positions in filters.choices.items():
                found &= np.isin(self.codes(name), positions)
            self._masks[key] = found
        return found

    def _numeric(self, name: str) -> Array:
        parameter = self.space[name]
        return np.asarray(parameter.decode(self.codes(name)), float)

    def frame(self, numbers: Array) -> pd.DataFrame:
        """Return evaluations that are loaded, indexed by number: state, parameters, metrics."""
        designs = Designs(self.space, self._codes[numbers])
        columns: dict[str, Any] = {"state": np.array(STATES, object)[self._state[numbers]]}
        columns |= designs.series()
        columns |= {name: self.metric(name)[numbers] for name in self.metrics}
        return pd.DataFrame(columns).set_axis(pd.Index(numbers, name="number"))

    def filtered(self, filters: Filters = NO_FILTERS) -> FilteredStudy:
        """Return the study as figures take it."""
        return FilteredStudy(self, filters)


class FilteredStudy:
    """A study of which some designs are kept, as `dse.plots` takes it."""

    def __init__(self, live: LiveStudy, filters: Filters) -> None:
        self.live = live
        self.filters = filters
        self.name, self.space, self.objectives = live.name, live.space, live.objectives
        self.metrics, self.limits = live.metrics, live.limits

    @property
    def record(self) -> Any:
        return self.live.record

    @property
    def reference(self) -> tuple[float, ...] | None:
        return self.live.reference

    def front_numbers(self) -> Array:
        """Return the numbers of the nondominated designs among those kept."""
        live = self.live
        if not self.filters:
            return live._front_numbers[live._front_numbers < live.loaded]
        fronts = live._fronts
        found = fronts.get(self.filters.key)
        if found is None:
            kept = np.flatnonzero(live.mask(self.filters) & (live.states() == COMPLETE))
            found = fronts[self.filters.key] = front_of(live.objective_values(kept), kept)
        return found

    def front(self) -> pd.DataFrame:
        if not self.filters and (
            not self.live.loaded or self.live._front_numbers.max(initial=-1) >= self.live.loaded
        ):
            return self.live.view.front()  # before the evaluations are read
        frame = self.live.frame(self.front_numbers()).drop(columns="state")
        order = np.lexsort([
            frame.index.to_numpy(),
            *(objective.sign * frame[objective.metric].to_numpy() for objective in reversed(self.objectives)),
        ])  # fmt: skip
        return frame.iloc[order]

    def points(self, most: int) -> Points:
        """Return the front, and at most so many designs behind it: see `dse.plots.points.split`."""
        live, front = self.live, self.front()
        kept = live.mask(self.filters) if self.filters else np.ones(live.loaded, bool)
        known = front.index.to_numpy()
        kept = kept.copy()
        kept[known[known < live.loaded]] = False
        groups = [np.flatnonzero(kept & (live.states() == state)) for state in (COMPLETE, INFEASIBLE)]
        total = sum(map(len, groups))
        share = min(1.0, min(most, BEHIND) / total) if total else 1.0
        drawn = [live.frame(thinned(group, int(len(group) * share))) for group in groups]
        return Points(front, drawn[0], drawn[1], len(groups[0]), len(groups[1]), knees(self, front))

    def cloud(self, x: str, y: str) -> tuple[Array, Array]:
        """Return two metrics of all dominated designs that are kept."""
        live = self.live
        kept = live.mask(self.filters) & (live.states() == COMPLETE)
        kept[self.front_numbers()] = False
        return live.metric(x)[kept], live.metric(y)[kept]

    def evaluations(self) -> pd.DataFrame:
        """Return an even sample of the designs kept, in order."""
        kept = np.flatnonzero(self.live.mask(self.filters))
        return self.live.frame(thinned(kept, SAMPLE)).reset_index().assign(error=None)

    def history(self) -> pd.DataFrame:
        return self.live._history

    def counts(self) -> dict[str, int]:
        kept = self.live.states()[self.live.mask(self.filters)] if self.filters else self.live.states()
        found = np.bincount(kept, minlength=len(STATES))
        return dict(zip(STATES, found.tolist(), strict=True))

    def failures(self) -> pd.DataFrame:
        return self.live.view.failures()

    def hypervolume(self) -> float:
        if self.reference is None:
            return 0.0
        front = self.front()[[objective.metric for objective in self.objectives]]
        return hypervolume(front, self.reference, [objective.maximize for objective in self.objectives])


def front_of(values: Array, numbers: Array) -> Array:
    """Return the numbers of the nondominated among minimised values (n, objectives)."""
    if len(values) > SCREENED:
        # What a few good designs dominate need not be compared with each other.
        sample = np.linspace(0, len(values) - 1, 5_000).astype(int)
        good = values[sample][nondominated(values[sample])]
        for screen in good[np.linspace(0, len(good) - 1, min(SCREENS, len(good))).astype(int)]:
            alive = ~((values >= screen).all(axis=1) & (values > screen).any(axis=1))
            values, numbers = values[alive], numbers[alive]
    if len(values):
        numbers = numbers[nondominated(values)]
    return numbers


def thinned(numbers: Array, most: int) -> Array:
    """Return at most so many, evenly chosen."""
    if len(numbers) <= most:
        return numbers
    return np.asarray(numbers[np.linspace(0, len(numbers) - 1, most).round().astype(int)])


def listed(parameter: Any) -> list[Any] | None:
    """Return a parameter's values where it has a list of them."""
    return list(parameter.listed) if isinstance(parameter, Categorical | Ordinal) else None


def _grown(array: Array, room: int) -> Array:
    made = np.empty((room, *array.shape[1:]), array.dtype)
    made[: len(array)] = array
    return made


class Studies:
    """The studies of a store, each read once and held while it is looked at.

    Parameters
    ----------
    url
        The store's.
    held
        Studies that are held at a time; a million evaluations of a dozen parameters take some 100 MB.
    """

    def __init__(self, url: str, held: int = 8) -> None:
        self.url = url
        self.store = Store(url, read_only=True)
        self._lock = threading.Lock()
        self._live = lru_cache(held)(lambda name, _: LiveStudy(name, self.store))

    def live(self, name: str) -> LiveStudy:
        """Return a study; raise `StoreError` if there is none."""
        record = self.store.study(name)
        with self._lock:  # a name that is deleted and made anew is another study
            found = self._live(name, record.id)
        found.refresh()
        return found
