"""A study under way, read piece by piece: what figures need of a million evaluations, in a moment."""

from __future__ import annotations

import threading
import time
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from dse.dashboard.columns import COMPLETE, INFEASIBLE, NO_FILTERS, STATES, Array, Columns, Filters, thinned
from dse.pareto import hypervolume
from dse.plots.points import Points, knees
from dse.space import Categorical, Ordinal
from dse.store import Store
from dse.study import StudyView

CHUNK = 20_000  # evaluations read at once; so many new ones are read while a page waits
SAMPLE = 20_000  # evaluations that models of importance and effects are fitted to
BEHIND = 1_000  # designs behind a front that are drawn one by one: without a graphics card more take seconds


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
        self._lock = threading.Lock()
        self._reader: threading.Thread | None = None
        self._front_numbers = np.empty(0, np.int64)
        self._history = pd.DataFrame()
        self._state = np.empty(0, np.uint8)
        self._values = np.empty((0, len(self.metrics)), order="F")
        self._codes = np.empty((0, len(self.space.names)), self.space.code_dtype, order="F")
        self.columns = self._columns(0)
        self.total = 0
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
            self._values = _grown(self._values, room)
            self._codes = _grown(self._codes, room)
        part = slice(self.loaded, self.loaded + count)
        self._state[part] = np.select([rows.state == state for state in STATES], range(len(STATES)))
        self._values[part] = rows.metrics if rows.metrics.shape[1] else np.nan
        self._codes[part] = self.space.unpack(rows.designs)
        self.columns = self._columns(self.loaded + count)

    def _columns(self, count: int) -> Columns:
        return Columns(
            self.space, [(o.metric, o.sign) for o in self.objectives], list(self.metrics),
            self._state[:count], self._values[:count], self._codes[:count],
        )  # fmt: skip

    @property
    def loaded(self) -> int:
        """How many evaluations have been read."""
        return len(self.columns)

    def frame(self, numbers: Array) -> pd.DataFrame:
        """Return evaluations that are loaded, indexed by number: state, parameters, metrics."""
        return self.columns.frame(numbers)

    def filtered(self, filters: Filters = NO_FILTERS) -> FilteredStudy:
        """Return the study as figures take it."""
        return FilteredStudy(self, filters)


class FilteredStudy:
    """A study of which some designs are kept, as `dse.plots` takes it: what was loaded when it was made."""

    def __init__(self, live: LiveStudy, filters: Filters) -> None:
        self.live = live
        self.filters = filters
        self.columns = live.columns
        self._whole_front = live._front_numbers
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
        if not self.filters:
            return self._whole_front[self._whole_front < len(self.columns)]
        return self.columns.front_numbers(self.filters)

    def front(self) -> pd.DataFrame:
        if not self.filters and (
            not len(self.columns) or self._whole_front.max(initial=-1) >= len(self.columns)
        ):
            return self.live.view.front()  # before the evaluations are read
        frame = self.columns.frame(self.front_numbers()).drop(columns="state")
        order = np.lexsort([
            frame.index.to_numpy(),
            *(objective.sign * frame[objective.metric].to_numpy() for objective in reversed(self.objectives)),
        ])  # fmt: skip
        return frame.iloc[order]

    def points(self, most: int) -> Points:
        """Return the front, and at most so many designs behind it: see `dse.plots.points.split`."""
        front, columns = self.front(), self.columns
        kept = columns.mask(self.filters).copy()
        known = front.index.to_numpy()
        kept[known[known < len(columns)]] = False
        groups = [np.flatnonzero(kept & (columns.state == state)) for state in (COMPLETE, INFEASIBLE)]
        total = sum(map(len, groups))
        share = min(1.0, min(most, BEHIND) / total) if total else 1.0
        drawn = [columns.frame(thinned(group, int(len(group) * share))) for group in groups]
        return Points(front, drawn[0], drawn[1], len(groups[0]), len(groups[1]), knees(self, front))

    def cloud(self, x: str, y: str) -> tuple[Array, Array]:
        """Return two metrics of all dominated designs that are kept."""
        kept = self.columns.mask(self.filters) & (self.columns.state == COMPLETE)
        kept[self.front_numbers()] = False
        return self.columns.metric(x)[kept], self.columns.metric(y)[kept]

    def evaluations(self) -> pd.DataFrame:
        """Return an even sample of the designs kept, in order."""
        kept = np.flatnonzero(self.columns.mask(self.filters))
        return self.columns.frame(thinned(kept, SAMPLE)).reset_index().assign(error=None)

    def history(self) -> pd.DataFrame:
        return self.live._history

    def counts(self) -> dict[str, int]:
        kept = self.columns.state[self.columns.mask(self.filters)]
        found = np.bincount(kept, minlength=len(STATES))
        return dict(zip(STATES, found.tolist(), strict=True))

    def failures(self) -> pd.DataFrame:
        return self.live.view.failures()

    def hypervolume(self) -> float:
        if self.reference is None:
            return 0.0
        front = self.front()[[objective.metric for objective in self.objectives]]
        return hypervolume(front, self.reference, [objective.maximize for objective in self.objectives])


def listed(parameter: Any) -> list[Any] | None:
    """Return a parameter's values where it has a list of them."""
    return list(parameter.listed) if isinstance(parameter, Categorical | Ordinal) else None


def _grown(array: Array, room: int) -> Array:
    made = np.empty((room, *array.shape[1:]), array.dtype, order="F")
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
