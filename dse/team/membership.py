"""Who works on a study: the beat of this process, and which of the others live."""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from dse.errors import StoreError
from dse.store import Store
from dse.store.team import Member

BEAT_SECONDS = 5.0
LEASE_SECONDS = 30.0  # without a beat, of a process on another machine
# Of a process that is there, on this machine: a model may hold the interpreter, and with it the beat.
LOCAL_LEASE_SECONDS = 600.0

PROC = Path("/proc")
_unknown = str(uuid.uuid4())  # of a machine whose processes cannot be told from others'


class Membership:
    """Makes this process one that works on a study.

    Parameters
    ----------
    store, study_id
        The study.
    slots
        Chunks of designs that it evaluates at a time.
    clock
        Seconds that never go back.

    Notes
    -----
    Whether another process lives is seen by this one's own steady clock: its beat, a number in the store, has
    to have changed. No two machines' clocks are compared, and what the time of day does is of no matter.
    """

    def __init__(
        self, store: Store, study_id: int, slots: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.table = store.team
        self.study_id = study_id
        self.me = this_process(slots)
        self.me = self.table.join(study_id, self.me)
        self._clock = clock
        self._seen: dict[int, tuple[int, float]] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Leave: what it had and did not hand in is given to others."""
        self._ended.set()
        self._thread.join()
        self.table.resign(self.study_id, self.me.id)
        self.table.leave(self.study_id, [self.me.id])

    def renew(self) -> None:
        """Join again, after others took it for dead."""
        self.table.leave(self.study_id, [self.me.id])
        self.me = self.table.join(self.study_id, replace(self.me, beat=0))

    def others(self) -> list[Member]:
        """Return the other processes, dead or alive."""
        return [member for member in self.table.members(self.study_id) if member.id != self.me.id]

    def lives(self, member: Member) -> bool:
        """Return whether another process lives, as far as is known here."""
        now = self._clock()
        beat, since = self._seen.get(member.id, (-1, now))
        if beat != member.beat:
            since = now
            self._seen[member.id] = member.beat, now
        here = member.machine == self.me.machine
        if here and start_time(member.process) != member.started:
            return False
        return now - since < (LOCAL_LEASE_SECONDS if here else LEASE_SECONDS)

    def leader(self) -> Member | None:
        """Return who leads the study, if that one is not known to be dead; None for nobody."""
        leader = self.table.leader(self.study_id)
        found = [member for member in self.others() if member.id == leader]
        return found[0] if found and self.lives(found[0]) else None

    def lead(self) -> bool:
        """Take the lead, if nobody who lives has it; return whether it is taken."""
        now = self.table.leader(self.study_id)
        if now is not None and any(self.lives(member) for member in self.others() if member.id == now):
            return False
        return self.table.lead(self.study_id, self.me.id, instead_of=now)

    def _beat(self) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            with suppress(StoreError):  # the next one may come through
                self.table.beat(self.me.id)


def at_work(store: Store, study_id: int) -> list[tuple[Member, bool]]:
    """Return who works on a study and is not known to be dead, and whether it leads; the leader first."""
    leader = store.team.leader(study_id)
    here = machine()
    found = [
        (member, member.id == leader)
        for member in store.team.members(study_id)
        if member.machine != here or start_time(member.process) == member.started
    ]
    return sorted(found, key=lambda item: (not item[1], item[0].id))


def this_process(slots: int) -> Member:
    """Return this process, which no store knows yet."""
    process = os.getpid()
    return Member(0, socket.gethostname(), machine(), process, start_time(process), slots)


def machine() -> str:
    """Return what tells this machine, since it was started, and in it this container, from all others."""
    with suppress(OSError):
        boot = (PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink(PROC / 'self/ns/pid')}"
    return _unknown


def start_time(process: int) -> str:
    """Return when a process of this machine was started; nothing if there is none, or that is not known."""
    with suppress(OSError, IndexError):
        # The name, in parentheses, may hold anything: what follows it counts.
        return (PROC / str(process) / "stat").read_text().rpartition(")")[2].split()[19]
    return ""
