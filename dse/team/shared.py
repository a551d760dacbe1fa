"""An executor that gives designs out to all processes that work on a study, this one among them."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from dse.designs import Designs
from dse.evaluations import Evaluations, State
from dse.executors.protocol import Executor, Lost
from dse.models import Outcome
from dse.space import Space
from dse.store.team import Task
from dse.team.membership import Membership

if TYPE_CHECKING:
    from dse.models import CostModel
    from dse.study import Study

LOOK_SECONDS = 2.0  # between looks at who lives
POLL_SECONDS = 0.05  # between looks at what others handed in
DEATHS = 3  # of processes that had a design, after which it is taken to be the cause


class SharedExecutor:
    """Evaluates by an executor of this process while it is alone, else by whoever takes a chunk first.

    Parameters
    ----------
    inner
        It is open already, and stays so.
    study
        What this process leads.
    membership
        This process.
    journal
        Is told the keys of the designs whose results are in the store already.

    Attributes
    ----------
    joined
        Whether others work on the study, as of the last look.
    ever_joined
        Whether any did.
    """

    def __init__(self, inner: Executor, study: Study, membership: Membership, journal: set[bytes]) -> None:
        self.inner = inner
        self._study = study
        self._team = membership
        self._table = membership.table
        self._journal = journal
        self._slots = 0  # of others
        self._lock = threading.Lock()
        self._fresh: list[tuple[Future[Outcome], Designs]] = []
        self._flight: dict[int, tuple[Future[Outcome], Designs, bytes]] = {}
        self._here: dict[int, Future[Outcome]] = {}  # those of them that this process evaluates
        self._adopted: dict[bytes, Task] = {}  # what was given out by who led before
        self._next = 0
        self._error: BaseException | None = None
        self._wake = threading.Event()
        self._closed = False
        self._looked = 0.0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.joined = self.ever_joined = False

    @property
    def workers(self) -> int:
        return self.inner.workers + self._slots

    def open(self, model: CostModel, space: Space) -> None:
        self._look()
        tasks = self._table.take_over(self._study.id)
        self._adopted = {task.designs: task for task in tasks}
        self._next = max((task.number for task in tasks), default=-1) + 1
        self.joined = self.joined or bool(tasks)
        self._thread.start()

    def submit(self, designs: Designs) -> Future[Outcome]:
        if self._error is not None:
            raise self._error
        if not self.joined:
            return self.inner.submit(designs)
        future: Future[Outcome] = Future()
        with self._lock:
            self._fresh.append((future, designs))
        self._wake.set()
        return future

    def close(self) -> None:
        self._closed = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    # What follows runs in a thread of its own.

    def _serve(self) -> None:
        while not self._closed:
            busy = bool(self._flight or self._fresh)
            self._wake.wait(POLL_SECONDS if busy else LOOK_SECONDS)
            self._wake.clear()
            try:
                if time.monotonic() - self._looked >= LOOK_SECONDS:
                    self._look()
                self._publish()
                self._collect()
                self._finish_here()
                self._claim()
            except BaseException as error:
                self._fail(error)
                return

    def _fail(self, error: BaseException) -> None:
        self._error = error
        with self._lock:
            waiting = [future for future, _ in self._fresh]
        for future in [*waiting, *(future for future, _, _ in self._flight.values())]:
            if not future.done():
                with suppress(Exception):
                    future.set_exception(error)

    def _look(self) -> None:
        """See who is there, and take from the dead what they had."""
        self._looked = time.monotonic()
        others = self._team.others()
        living = [member for member in others if self._team.lives(member)]
        dead = [member for member in others if member not in living]
        self._slots = sum(member.slots for member in living)
        self.joined = bool(living) or bool(self._adopted)
        self.ever_joined = self.ever_joined or self.joined
        if dead:
            self._table.leave(self._study.id, [member.id for member in dead], died=True)
            tasks = {task.number: task for task in self._table.tasks(self._study.id)}
            for number in set(tasks) & set(self._flight) - set(self._here):
                if tasks[number].owner is None and tasks[number].deaths >= DEATHS:
                    self._blame(number, tasks[number].deaths)

    def _blame(self, number: int, deaths: int) -> None:
        future, _, _ = self._flight.pop(number)
        self._table.forget(self._study.id, [number])
        if future.set_running_or_notify_cancel():
            future.set_exception(Lost(f"{deaths} processes died that evaluated it"))

    def _publish(self) -> None:
        with self._lock:
            fresh, self._fresh = self._fresh, []
        new, blamed = [], []
        for future, designs in fresh:
            data = self._study.space.pack(designs.codes).tobytes()
            task = self._adopted.pop(data, None)
            if task is None:
                task = Task(self._next, data)
                self._next += 1
                new.append(task)
            elif task.deaths >= DEATHS:
                blamed.append(task)
            self._flight[task.number] = future, designs, data
        if new:
            self._table.publish(self._study.id, self._team.me.id, new)
        for task in blamed:
            self._blame(task.number, task.deaths)

    def _collect(self) -> None:
        """Take in what others found."""
        if len(self._flight) <= len(self._here):
            return
        numbers = [number for number in self._table.done(self._study.id) if number in self._flight]
        if not numbers:
            return
        width = self._study.space.record.itemsize
        records = [
            data[start : start + width]
            for data in (self._flight[number][2] for number in numbers)
            for start in range(0, len(data), width)
        ]
        found = self._study.restore(self._study.store.kept(self._study.id, designs=records))
        rows = {key: row for row, key in enumerate(self._study.space.keys(found.designs.codes))}
        for number in numbers:
            future, designs, _ = self._flight.pop(number)
            keys = self._study.space.keys(designs.codes)
            self._journal.update(keys)
            if future.set_running_or_notify_cancel():
                future.set_result(outcome(found.take([rows[key] for key in keys])))
        self._table.forget(self._study.id, numbers)

    def _finish_here(self) -> None:
        ended = [number for number, inner in self._here.items() if inner.done()]
        for number in ended:
            inner = self._here.pop(number)
            future, _, _ = self._flight.pop(number)
            error = inner.exception()
            if error is None:
                future.set_result(inner.result())
            else:
                future.set_exception(error)
        self._table.forget(self._study.id, ended)

    def _claim(self) -> None:
        room = self.inner.workers - len(self._here)
        if room <= 0 or len(self._flight) <= len(self._here):
            return
        for task in self._table.claim(self._study.id, self._team.me.id, room):
            if task.number in self._here or task.number not in self._flight:
                continue
            future, designs, _ = self._flight[task.number]
            if not future.set_running_or_notify_cancel():
                del self._flight[task.number]
                self._table.forget(self._study.id, [task.number])
                continue
            inner = self.inner.submit(designs)
            self._here[task.number] = inner
            inner.add_done_callback(self._ended)

    def _ended(self, inner: Future[Outcome]) -> None:
        self._wake.set()


def outcome(found: Evaluations) -> Outcome:
    """Return evaluations as what a model found, from which judging makes the same again."""
    timeouts = frozenset(np.flatnonzero(found.state == State.TIMEOUT).tolist())
    return Outcome(found.metrics, found.errors, timeouts, found.seconds)
