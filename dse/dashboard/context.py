"""What the pages of a dashboard share: the store, the studies that are looked at, slow results."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dse.dashboard.live import LiveStudy, Studies
from dse.dashboard.state import View, known, place, view
from dse.errors import DseError
from dse.store import Store

if TYPE_CHECKING:
    from dse.problem import Problem
    from dse.surrogates import Registry

REMEMBERED = 32


class Context:
    """A store, and what was read from it.

    Parameters
    ----------
    url
        The store's.
    problems
        By study, for "what if".
    """

    def __init__(self, url: str, problems: Mapping[str, Problem]) -> None:
        self.url = url
        self.problems = dict(problems)
        self.studies = Studies(url)
        self.later = Later()

    @property
    def store(self) -> Store:
        return self.studies.store

    @property
    def shown(self) -> str:
        """The store, without its password."""
        return self.store.shown

    def live(self, name: str) -> LiveStudy:
        return self.studies.live(name)

    def here(self, pathname: str, search: str | None) -> tuple[LiveStudy, View]:
        """Return the study of a page's address, and what of the view exists there."""
        live = self.live(place(pathname).name)
        return live, known(view(search), live)

    @cached_property
    def writer(self) -> Store:
        """The store, opened for short lists."""
        return Store(self.url, must_exist=True, patience=5.0)

    @cached_property
    def registry(self) -> Registry:
        from dse.surrogates import Registry

        return Registry(self.store, read_only=True)

    def problem(self, live: LiveStudy) -> Problem | None:
        """Return the problem of a study, to evaluate designs that it has not; None where nobody builds it."""
        from dse.definitions import available, find

        given = self.problems.get(live.name)
        if given is None:
            kind = live.record.problem.get("name") or live.name
            if kind not in available():
                return None
            try:
                given = find(kind).build({})
            except DseError:
                return None
        return given if given.fingerprint == live.record.fingerprint else None


class Later:
    """Results that take seconds, made in a thread, one after the other, and remembered."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="dse-later")
        self._known: OrderedDict[Any, Future[Any]] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def done(self) -> int:
        """How many of the results that are remembered are there."""
        with self._lock:
            return sum(future.done() for future in self._known.values())

    def get(self, key: Any, make: Callable[[], Any]) -> Any | None:
        """Return a result; None while it is made. What making it raises is raised."""
        with self._lock:
            future = self._known.get(key)
            if future is None:
                future = self._known[key] = self._pool.submit(make)
                while len(self._known) > REMEMBERED:
                    self._known.popitem(last=False)
            self._known.move_to_end(key)
        return future.result() if future.done() else None
