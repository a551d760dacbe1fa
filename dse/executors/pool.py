"""Worker processes on this machine."""

from __future__ import annotations

import os
import queue
import threading
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from numpy.typing import NDArray

from dse.designs import Designs
from dse.errors import ExecutorError
from dse.executors.child import Child
from dse.executors.protocol import Lost
from dse.executors.shipping import packed
from dse.models import CostModel, Outcome
from dse.space import Space

GIB = 1 << 30
STARTS = 5
Job = tuple[Future[Outcome], NDArray[Any]]


class ProcessPool:
    """Worker processes that may hang, crash and eat memory: each such design fails alone.

    Parameters
    ----------
    workers
        Processes.
    timeout
        Seconds that an evaluation may take; its process is killed then, whatever it does. None: for ever.
    memory
        GiB that a worker may take beyond what it has after loading the model. None: no limit.

    Raises
    ------
    ExecutorError
        If an argument is out of range.

    Notes
    -----
    Not fork, nor the pools of pebble or multiprocessing: those import the user's script again in every
    worker, which without a guard in the script starts workers without end; and loky cannot end one task.
    """

    def __init__(self, workers: int, *, timeout: float | None = None, memory: float | None = None) -> None:
        check_limits(workers=workers, timeout=timeout, memory=memory)
        self.workers = workers
        self.timeout = timeout
        self._memory = None if memory is None else int(memory * GIB)
        self._data = b""
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._children: list[Child | None] = [None] * workers
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._closed = False

    def open(self, model: CostModel, space: Space) -> None:
        self._data = packed(model, space)
        # The first one here, so that a model that cannot be loaded is told before anything is evaluated.
        self._children[0] = self._child()
        for place in range(self.workers):
            thread = threading.Thread(target=self._serve, args=(place,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def submit(self, designs: Designs) -> Future[Outcome]:
        future: Future[Outcome] = Future()
        self._jobs.put((future, designs.codes))
        return future

    def close(self) -> None:
        with self._lock:
            self._closed = True
            for child in self._children:
                if child is not None:
                    child.kill()
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def _child(self) -> Child:
        threads = max(1, (os.cpu_count() or 1) // self.workers)
        for _ in range(STARTS):
            with suppress(Lost):
                return Child(self._data, self._memory, threads)
        raise ExecutorError(f"a worker was killed {STARTS} times while it started: is there enough memory?")

    def _serve(self, place: int) -> None:
        while True:
            job = self._jobs.get()
            if job is None:
                return
            future, codes = job
            if self._closed or not future.set_running_or_notify_cancel():
                future.cancel()
                continue
            try:
                outcome = self._ready(place).evaluate(codes, self.timeout)
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(outcome)

    def _ready(self, place: int) -> Child:
        child = self._children[place]
        if child is None or not child.alive:
            child = self._child()
            with self._lock:
                self._children[place] = child
                if self._closed:
                    child.kill()
        return child


def check_limits(*, workers: int, timeout: float | None, memory: float | None) -> None:
    """Raise `ExecutorError` for a number of workers, seconds or GiB that cannot be."""
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise ExecutorError(f"workers={workers!r} must be a whole number, 1 or more")
    for name, value, unit in (("timeout", timeout, "seconds"), ("memory", memory, "GiB")):
        if value is not None and not value > 0:
            raise ExecutorError(f"{name}={value!r} must be a number of {unit} above 0")
