"""What a process does while another one leads the study."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from dse.designs import Designs
from dse.evaluations import Evaluations
from dse.executors.dispatch import Dispatcher
from dse.executors.protocol import Executor
from dse.store.team import Member
from dse.team.membership import Membership

if TYPE_CHECKING:
    from dse.study import Study

LOOK_SECONDS = 2.0  # between looks at who leads
SHORTEST_PAUSE, LONGEST_PAUSE = 0.02, 0.25  # where there is nothing to do


@dataclass
class _Claimed:
    number: int
    size: int
    parts: dict[int, Evaluations] = field(default_factory=dict)  # by first position


class Joined:
    """Takes what a leader gives out, evaluates it and hands it in, until this process may lead.

    Parameters
    ----------
    study, membership
        The study, and this process.
    executor
        It is open.
    stop
        Asked all the time; true leaves, after what is under way.
    show
        Told who leads, every few seconds.
    """

    def __init__(
        self,
        study: Study,
        membership: Membership,
        executor: Executor,
        stop: Callable[[], bool],
        show: Callable[[Member | None], None],
    ) -> None:
        self._study = study
        self._team = membership
        self._table = membership.table
        self._executor = executor
        self._stop = stop
        self._show = show
        self._dispatcher = Dispatcher(executor, study.problem)
        self._claimed: dict[int, _Claimed] = {}  # by first position
        self._position = 0
        self._looked = float("-inf")

    def run(self) -> bool:
        """Return true once this process leads, false where it was asked to stop."""
        pause = SHORTEST_PAUSE
        while True:
            stopping = self._stop()
            if stopping:
                self._dispatcher.cancel()
            elif self._claim():
                pause = SHORTEST_PAUSE
            if len(self._dispatcher):
                self._hand_in()
                continue
            if stopping:
                return False
            if time.monotonic() - self._looked >= LOOK_SECONDS:
                self._looked = time.monotonic()
                if self._team.lead():
                    return True
                self._renew()
                self._show(self._team.leader())
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _renew(self) -> None:
        if all(member.id != self._team.me.id for member in self._table.members(self._study.id)):
            self._team.renew()

    def _claim(self) -> bool:
        """Take what there is room for; return whether there was something."""
        room = self._executor.workers - len(self._claimed)
        if room <= 0 or not self._table.waiting(self._study.id):
            return False
        known = {claimed.number for claimed in self._claimed.values()}
        tasks = [
            task
            for task in self._table.claim(self._study.id, self._team.me.id, room)
            if task.number not in known
        ]
        width = self._study.space.record.itemsize
        for task in tasks:
            packed = np.frombuffer(task.designs, np.uint8).reshape(-1, width)
            designs = Designs(self._study.space, self._study.space.unpack(packed))
            self._claimed[self._position] = _Claimed(task.number, len(designs))
            self._dispatcher.add(self._position, designs)
            self._position += len(designs)
        return bool(tasks)

    def _hand_in(self) -> None:
        whole: dict[int, Evaluations] = {}
        for part in self._dispatcher.ended():
            first = max(place for place in self._claimed if place <= part.first)
            claimed = self._claimed[first]
            claimed.parts[part.first] = part.evaluations
            if sum(map(len, claimed.parts.values())) == claimed.size:
                whole[claimed.number] = Evaluations.concat(
                    [claimed.parts[place] for place in sorted(claimed.parts)]
                )
                del self._claimed[first]
        if whole:
            from dse.driver import evaluation_rows

            rows = {
                number: evaluation_rows(self._study.problem, found, 0, 0) for number, found in whole.items()
            }
            self._table.hand_in(self._study.id, self._team.me.id, rows)
