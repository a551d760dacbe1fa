"""Evaluation in this process, beside what else it does."""

from __future__ import annotations

import queue
import threading
from concurrent.futures import Future

from dse.designs import Designs
from dse.models import CostModel, Outcome, run_model
from dse.space import Space

Job = tuple[Future[Outcome], Designs]


class ThreadExecutor:
    """Threads that evaluate; those of a model that hangs do not keep the process from ending.

    Parameters
    ----------
    workers
        Threads: one, but for models that wait for other programs.
    """

    def __init__(self, workers: int = 1) -> None:
        self.workers = workers
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._model: CostModel | None = None
        self._threads = 0

    def open(self, model: CostModel, space: Space) -> None:
        self._model = model

    def submit(self, designs: Designs) -> Future[Outcome]:
        if not self._threads:  # most runs need none
            self._threads = self.workers
            for _ in range(self.workers):
                threading.Thread(target=self._serve, args=(self._model,), daemon=True).start()
        future: Future[Outcome] = Future()
        self._jobs.put((future, designs))
        return future

    def close(self) -> None:
        for _ in range(self._threads):
            self._jobs.put(None)
        self._threads = 0

    def _serve(self, model: CostModel) -> None:
        while (job := self._jobs.get()) is not None:
            future, designs = job
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(run_model(model, designs))
                except BaseException as error:
                    future.set_exception(error)
