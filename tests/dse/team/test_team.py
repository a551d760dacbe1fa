"""Several processes on one study: who leads, who lives, what each may still write."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dse import Study, StudyView
from dse.errors import StoreError
from dse.store import Store
from dse.store.team import LeadLost, Member, Task
from dse.team.membership import (
    LEASE_SECONDS,
    LOCAL_LEASE_SECONDS,
    Membership,
    machine,
    start_time,
    this_process,
)
from tests.commands import dse
from tests.dse.faults.program import BATCH, NAME, SEARCHER, SEED, problem
from tests.dse.faults.trial import differing
from tests.dse.test_store import commit, record, rows

GONE = 4_000_000  # above the largest number that Linux gives a process by default


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(f"sqlite:///{tmp_path}/a.db") as opened:
        opened.create_study(record())
        yield opened


def member(**values: Any) -> Member:
    """Return a process, on another machine unless it is said otherwise."""
    far: dict[str, Any] = {
        "id": 0, "host": "far", "machine": "another", "process": 7, "started": "9", "slots": 1,
    }  # fmt: skip
    return Member(**(far | values))


def test_one_of_many_that_want_it_at_once_leads(store: Store) -> None:
    gate, ids = threading.Barrier(6), [store.team.join(1, member()).id for _ in range(6)]
    led: list[bool] = []

    def want(worker: int) -> None:
        gate.wait()
        led.append(store.team.lead(1, worker, instead_of=None))

    threads = [threading.Thread(target=want, args=(worker,)) for worker in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(led) == [False] * 5 + [True]


def test_who_has_lost_the_lead_stores_nothing(store: Store) -> None:
    one, two = (store.team.join(1, member()).id for _ in range(2))
    assert store.team.lead(1, one, instead_of=None)
    store.append(1, commit(0, 5), rows(0, 5), leader=one)
    assert not store.team.lead(1, two, instead_of=None)
    assert store.team.lead(1, two, instead_of=one)
    with pytest.raises(LeadLost, match="another process has taken over"):
        store.append(1, commit(5, 5), rows(5, 5), leader=one)
    with pytest.raises(LeadLost):
        store.keep(1, rows(5, 1), leader=one)
    with pytest.raises(LeadLost):
        store.team.publish(1, one, [Task(0, b"abc")])
    assert store.count(1) == {"complete": 5}
    store.append(1, commit(5, 5), rows(5, 5), leader=two)
    store.team.resign(1, one)
    assert store.team.leader(1) == two


def test_a_design_is_claimed_once_and_handed_in_by_who_has_it(store: Store) -> None:
    leader, one, two = (store.team.join(1, member()).id for _ in range(3))
    store.team.lead(1, leader, instead_of=None)
    store.team.publish(1, leader, [Task(number, bytes([number] * 3)) for number in range(3)])
    assert [task.number for task in store.team.claim(1, one, 2)] == [0, 1]
    assert [task.number for task in store.team.claim(1, two, 5)] == [2]
    assert [task.number for task in store.team.claim(1, one, 5)] == [0, 1]  # what it has, again
    store.team.hand_in(1, two, {0: rows(0, 1), 2: rows(1, 1)})
    assert store.team.done(1) == [2], "a result of what another one has was taken"
    store.team.leave(1, [one], died=True)
    store.team.hand_in(1, one, {0: rows(2, 1)})
    assert store.team.done(1) == [2], "a result of who was taken for dead was taken"
    assert [(task.number, task.deaths) for task in store.team.claim(1, two, 5)] == [(0, 1), (1, 1)]
    assert store.team.claim(1, one, 5) == []  # it is not a member any more
    assert len(store.kept(1)) == 1


def test_who_takes_over_knows_what_is_under_way(store: Store) -> None:
    leader, one = (store.team.join(1, member()).id for _ in range(2))
    store.team.lead(1, leader, instead_of=None)
    store.team.publish(1, leader, [Task(number, bytes([number] * 3)) for number in range(4)])
    store.team.claim(1, one, 2)
    store.team.hand_in(1, one, {1: rows(0, 1)})
    assert [task.number for task in store.team.take_over(1)] == [0]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_another_machines_process_lives_while_its_beat_changes(store: Store) -> None:
    clock = Clock()
    mine = Membership(store, 1, 1, clock)
    far = store.team.join(1, member())
    here = store.team.join(1, member(machine=machine(), process=os.getpid(), started=start_time(os.getpid())))
    gone = store.team.join(1, member(machine=machine(), process=GONE))
    other_life = store.team.join(1, member(machine=machine(), process=os.getpid(), started="1"))

    def living() -> list[int]:
        return [found.id for found in mine.others() if mine.lives(found)]

    assert living() == [far.id, here.id]
    assert gone.id not in living()
    assert other_life.id not in living()
    clock.now += LEASE_SECONDS - 1
    assert far.id in living()
    store.team.beat(far.id)
    clock.now += LEASE_SECONDS - 1
    assert far.id in living()
    clock.now += LEASE_SECONDS + 1
    assert living() == [here.id]
    clock.now += LOCAL_LEASE_SECONDS
    assert living() == []
    mine.close()


def test_a_leader_that_is_gone_is_followed_at_once(store: Store) -> None:
    dead = store.team.join(1, member(machine=machine(), process=GONE))
    store.team.lead(1, dead.id, instead_of=None)
    mine = Membership(store, 1, 1)
    assert mine.leader() is None
    assert mine.lead()
    mine.close()
    assert store.team.leader(1) is None
    assert [found.id for found in store.team.members(1)] == [dead.id]


def test_a_leader_on_another_machine_is_waited_for(store: Store) -> None:
    clock = Clock()
    store.team.lead(1, store.team.join(1, member()).id, instead_of=None)
    mine = Membership(store, 1, 1, clock)
    assert not mine.lead()
    found = mine.leader()
    assert found is not None
    assert found.host == "far"
    clock.now += LEASE_SECONDS + 1
    assert mine.lead()
    mine.close()


@pytest.mark.parametrize(
    "options",
    [
        pytest.param([], id="in turn"),
        pytest.param(["--workers", "2", "--async"], id="asynchronous", marks=pytest.mark.slow),
    ],
)
def test_three_processes_share_the_work_and_find_what_one_does(options: list[str], tmp_path: Path) -> None:
    """With everything in one log: no design is evaluated twice, and each process evaluates some."""
    url, log = f"sqlite:///{tmp_path}/a.db", tmp_path / "log"
    command = [sys.executable, "-m", "tests.dse.faults.program", url, str(log), "--delay", "0.04", *options]
    runs = [
        subprocess.Popen(command, cwd=Path(__file__).parents[3], stderr=subprocess.PIPE) for _ in range(3)
    ]
    until = time.monotonic() + 60
    seen = 0
    while any(run.poll() is None for run in runs) and time.monotonic() < until:
        if (tmp_path / "a.db").exists():
            try:
                at_work = StudyView(NAME, url).workers()
            except StoreError:  # not made yet
                continue
            assert at_work["leads"].sum() <= 1
            seen = max(seen, len(at_work))
        time.sleep(0.1)
    told = [run.communicate()[1].decode() for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0], told
    assert seen == 3
    found = StudyView(NAME, url).evaluations()
    if not options:
        whole = Study(NAME, problem(), SEARCHER, SEED, f"sqlite:///{tmp_path}/b.db", batch=BATCH).run(
            len(found)
        )
        assert differing(whole.evaluations(), found) == 0
        assert any("led by" in text for text in told)
    assert max(Counter(log.read_text().splitlines()).values()) == 1
    assert not found.duplicated(["x", "tile", "kind"]).any()
    with Store(url, read_only=True) as opened:
        assert opened.team.members(1) == []
        assert opened.team.tasks(1) == []
        assert len(opened.kept(1)) == 0


def test_who_works_is_shown(store: Store, tmp_path: Path) -> None:
    Study("b", problem(), SEARCHER, store=store)
    store.team.lead(2, store.team.join(2, this_process(4)).id, instead_of=None)
    store.team.join(2, member())
    store.team.join(2, member(machine=machine(), process=GONE))  # dead: not shown
    shown = dse("show", "b", "--store", store.url, cwd=tmp_path).stdout
    assert f"{os.getpid()} (leads)" in shown
    assert "far:7" in shown
    assert str(GONE) not in shown


def test_a_design_that_kills_who_evaluates_it_fails(tmp_path: Path) -> None:
    """In the processes themselves, without workers: the third one that it costs is the last."""
    from tests.dse.team.deadly import study

    url = f"sqlite:///{tmp_path}/a.db"
    opened = study(url)
    command = [sys.executable, "-m", "tests.dse.team.deadly", url]
    helpers = [subprocess.Popen(command, cwd=Path(__file__).parents[3]) for _ in range(3)]
    opened.run(12, workers=1)  # which lives on, whatever the design does
    for helper in helpers:
        helper.wait(60)
    states = opened.evaluations()["state"].value_counts().to_dict()
    assert states == {"complete": 11, "failed": 1}
