"""Designs evaluated as workers become free, told and stored in the order in which they are done."""

from __future__ import annotations

import time
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import TYPE_CHECKING

import numpy as np

from dse.designs import Designs
from dse.evaluations import Evaluations
from dse.executors.dispatch import LOOK_SECONDS, failed
from dse.executors.protocol import Lost
from dse.models import Outcome

if TYPE_CHECKING:
    from dse.driver import Driver

IDLE_ASKS = 100  # in a row without a new design after which a searcher is taken to have ended


class Asynchronous:
    """The loop of a driver whose workers never wait for each other.

    A searcher is asked for as many designs as are in flight and as there are workers free: it proposes
    different ones, of which at least so many are new. What it is told, batch by batch, is the history that is
    stored, so that resuming tells it the same.
    """

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.executor = driver.executor
        self.flight: dict[Future[Outcome], Designs] = {}
        self.flying: set[bytes] = set()
        self.killed: set[bytes] = set()  # designs that are evaluated once more
        self.asked = 0.0
        self.idle = 0

    @property
    def most(self) -> int:
        """How many designs are in flight: more than workers, so that none waits for the searcher."""
        return self.executor.workers + max(1, self.executor.workers // 4)

    def run(self) -> bool:
        """Return whether the run came to its end, rather than being stopped."""
        driver = self.driver
        while True:
            stopping = driver.stop()
            if stopping:
                for future in [future for future in self.flight if future.cancel()]:
                    self._land(future)
            else:
                self._start()
            if not self.flight:
                return not stopping
            ended, _ = wait(self.flight, timeout=LOOK_SECONDS, return_when=FIRST_COMPLETED)
            found = [self._result(future) for future in list(self.flight) if future in ended]
            parts = [part for part in found if part is not None]
            if parts:
                self._commit(Evaluations.concat(parts))

    def _start(self) -> None:
        """Propose and submit new designs while there are workers for them."""
        driver = self.driver
        room = self.most - len(self.flight)
        if driver.budget is not None:
            room = min(room, driver.budget - driver.evaluated - len(self.flight))
        while room > 0:
            began = time.perf_counter()
            designs = driver.searcher.ask(len(self.flight) + room)
            self.asked += time.perf_counter() - began
            keys = driver.study.space.keys(designs.codes)
            new: dict[bytes, int] = {}
            for place, key in enumerate(keys):
                if key not in self.flying and key not in driver.numbers:
                    new.setdefault(key, place)
            for key, place in list(new.items())[:room]:
                self._submit(key, designs.take(slice(place, place + 1)))
                room -= 1
            if new:
                self.idle = 0
                return
            known = [driver.numbers[key] for key in keys if key in driver.numbers]
            if not known or self.idle >= IDLE_ASKS:
                return  # it has ended, or waits for what is in flight
            self.idle += 1
            # Designs that it proposes again are told again, so that it moves on.
            driver.tell_again(np.array(known, np.int64), self.asked)
            self.asked = 0.0

    def _submit(self, key: bytes, design: Designs) -> None:
        kept = self.driver.kept.pop(key, None)
        if kept is not None:
            self._commit(kept)
            return
        self.flight[self.executor.submit(design)] = design
        self.flying.add(key)

    def _land(self, future: Future[Outcome]) -> Designs:
        design = self.flight.pop(future)
        self.flying.difference_update(self.driver.study.space.keys(design.codes))
        return design

    def _result(self, future: Future[Outcome]) -> Evaluations | None:
        """Return what was found of a design; None where it is evaluated once more."""
        design = self._land(future)
        try:
            outcome = future.result()
        except Lost as lost:
            (key,) = self.driver.study.space.keys(design.codes)
            if lost.killed and key not in self.killed:
                self.killed.add(key)
                self._submit(key, design)
                return None
            outcome = failed(self.driver.study.problem.model, lost)
        return self.driver.study.problem.judge(design, outcome)

    def _commit(self, part: Evaluations) -> None:
        self.driver.busy += float(part.seconds.sum())
        self.driver.commit_whole(part, self.asked)
        self.asked = 0.0
