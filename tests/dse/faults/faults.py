"""What goes wrong, injected into a trial at a random moment."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from dse import Study, StudyView
from dse.errors import StoreError
from dse.store import Store
from dse.store.salvage import salvage
from dse.store.team import Member
from tests.dse.executors.test_pool import workers_of
from tests.dse.faults.program import BATCH, BUDGET, FAILED, NAME, SEARCHER, problem
from tests.dse.faults.trial import PATIENCE, Trial, differing, stopped, undisturbed
from tests.dse.store.test_postgres import end_connections
from tests.postgres import Server

PAGE = 4096
SHIFTED_CLOCK = Path(__file__).with_name("clock.c")


@dataclass(frozen=True)
class Fault:
    """A kind of fault.

    Attributes
    ----------
    trials
        Of the whole table.
    quick
        Whether one trial belongs to the tests of every change.
    server
        Whether the store is PostgreSQL.
    judged
        Whether the trial's store tells what was lost; else the fault counts by itself.
    """

    name: str
    inject: Callable[[Trial], None]
    trials: int
    quick: bool = False
    server: bool = False
    judged: bool = True


def kill_run(trial: Trial) -> None:
    run = trial.start()
    trial.wait_until_under_way()
    trial.note()
    run.kill()
    run.wait()
    trial.resume()


def kill_run_with_workers(trial: Trial) -> None:
    trial.options += ["--workers", "2"]
    kill_run(trial)


def kill_asynchronous_run(trial: Trial) -> None:
    trial.options += ["--workers", "2", "--async"]
    trial.ordered = False
    kill_run(trial)


def kill_a_worker(trial: Trial) -> None:
    trial.options += ["--workers", "2"]
    run = trial.start()
    trial.wait_until_under_way()
    trial.note()
    os.kill(trial.moments.choice(sorted(workers_of(run.pid))), signal.SIGKILL)
    trial.finish()


def kill_every_worker(trial: Trial) -> None:
    trial.options += ["--workers", "2"]
    run = trial.start()
    trial.wait_until_under_way()
    trial.note()
    for worker in workers_of(run.pid):
        os.kill(worker, signal.SIGKILL)
    trial.finish()


def three(trial: Trial) -> list[subprocess.Popen[str]]:
    """Start three processes that share the study; return them, the one that leads first."""
    trial.options += ["--delay", "0.03"]
    runs = [trial.start() for _ in range(3)]
    until = time.monotonic() + PATIENCE
    while True:
        team: list[Member] = []
        with suppress(StoreError), Store(trial.url, read_only=True) as store:
            study = store.study(NAME).id or 0
            team, leader = store.team.members(study), store.team.leader(study)
        if len(team) == 3 and leader is not None:
            leads = next(member.process for member in team if member.id == leader)
            return sorted(runs, key=lambda run: run.pid != leads)
        assert time.monotonic() < until, "no team was formed"
        time.sleep(0.02)


def kill_the_leader(trial: Trial) -> None:
    leader = three(trial)[0]
    trial.wait_until_under_way()
    trial.note()
    leader.kill()
    leader.wait()
    trial.finish()


def kill_a_helper(trial: Trial) -> None:
    helper = three(trial)[trial.moments.choice([1, 2])]
    trial.wait_until_under_way()
    trial.note()
    helper.kill()
    helper.wait()
    trial.finish()


def kill_all_three(trial: Trial) -> None:
    runs = three(trial)
    trial.wait_until_under_way()
    trial.note()
    for run in runs:
        run.kill()
        run.wait()
    trial.resume()


def two_at_once(trial: Trial) -> None:
    for _ in range(2):
        trial.start()
    trial.wait_until_under_way()
    trial.note()
    trial.finish()


def stop_and_go(trial: Trial) -> None:
    """Freeze the leader for a while, as a suspended virtual machine is."""
    leader = three(trial)[0]
    trial.wait_until_under_way(most=0.4)
    trial.note()
    leader.send_signal(signal.SIGSTOP)
    time.sleep(trial.moments.uniform(0.2, 3.0))
    leader.send_signal(signal.SIGCONT)
    trial.finish()


def server_fault(mode: str) -> Callable[[Trial], None]:
    def inject(trial: Trial) -> None:
        trial.start()
        trial.wait_until_under_way()
        trial.note()
        if mode == "cut":
            end_connections(trial.url)
        else:
            server = Server.of(trial.url)
            server.stop(mode)
            time.sleep(trial.moments.uniform(0.0, 1.0))
            server.start()
        trial.finish()

    return inject


def server_crashes_under_three(trial: Trial) -> None:
    three(trial)
    trial.wait_until_under_way()
    trial.note()
    server = Server.of(trial.url)
    server.stop("immediate")
    time.sleep(trial.moments.uniform(0.0, 1.0))
    server.start()
    trial.finish()


@contextmanager
def small_disk(trial: Trial) -> Iterator[Path]:
    """Put the store on a disk of its own."""
    disk = trial.folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    if os.getuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a disk that can be filled needs the right to mount one")
    trial.url = f"sqlite:///{disk}/a.db"
    try:
        yield disk
    finally:
        for run in trial.processes:
            run.kill()
            run.wait()
        subprocess.run(["umount", "--lazy", str(disk)], check=False)


def disk_full(trial: Trial) -> None:
    with small_disk(trial) as disk:
        run = trial.start()
        trial.wait_until_under_way(most=0.4)
        with (disk / "other").open("wb", buffering=0) as other:
            try:
                while other.write(bytes(PAGE)):
                    pass
            except OSError:
                pass
        trial.note()
        assert run.wait(PATIENCE) == FAILED, trial.told(run)
        assert "make room" in trial.told(run)
        (disk / "other").unlink()
        trial.resume()
        trial.judge()


def read_only(trial: Trial) -> None:
    with small_disk(trial) as disk:
        run = trial.start()
        trial.wait_until_under_way(most=0.4)
        run.send_signal(signal.SIGINT)
        assert stopped(run)
        trial.note()
        gc.collect()  # what this process read it by must be closed
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        refused = trial.start()
        assert refused.wait(PATIENCE) == FAILED, trial.told(refused)
        assert "be written" in trial.told(refused), trial.told(refused)
        assert len(trial.evaluations()) < BUDGET  # which can still be read
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        trial.resume()
        trial.judge()


def damaged_file(trial: Trial) -> None:
    """Overwrite pages; what can be read is salvaged, and the rest evaluated again."""
    trial.ordered = False
    run = trial.start()
    trial.wait_until_under_way()
    run.send_signal(signal.SIGINT)
    assert stopped(run)
    path = Path(trial.url.removeprefix("sqlite:///"))
    data = bytearray(path.read_bytes())
    pages = len(data) // PAGE
    # The first pages hold the tables' definitions and the study's: without them nothing can be gone on with.
    for page in trial.moments.sample(range(pages // 2, pages), 1):
        data[page * PAGE : (page + 1) * PAGE] = trial.moments.randbytes(PAGE)
    path.write_bytes(data)
    again = trial.start()
    told = trial.told(again) if again.wait(PATIENCE) == FAILED else "salvage"  # or a page that is not used
    assert "salvage" in told, told
    with Store(f"sqlite:///{trial.folder}/saved.db") as target:
        salvage(path, target)
        found = Study(NAME, problem(), SEARCHER, trial.seed, target, batch=BATCH).run(BUDGET).evaluations()
        trial.duplicates += int(found.duplicated(["x", "tile", "kind"]).sum())
        trial.losses += differing(undisturbed(trial.seed, trial.folder.parent), found)


def clock_jumps(trial: Trial) -> None:
    """Set the time of day of three processes, each by itself, forth and back by up to years."""
    library = trial.folder / "clock.so"
    made = [os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O1", "-o", str(library), str(SHIFTED_CLOCK)]
    if shutil.which(made[0]) is None:
        pytest.skip("clocks are shifted by a library of C, and there is no compiler")
    subprocess.run(made, check=True)
    clocks = [trial.folder / f"clock{place}" for place in range(3)]
    trial.options += ["--delay", "0.03"]
    for clock in clocks:
        clock.write_text("0")
        trial.start(LD_PRELOAD=str(library), SHIFT_FILE=str(clock))
    for _ in range(3):
        trial.wait_until_under_way()
        trial.note()
        for clock in clocks:
            clock.write_text(f"{trial.moments.choice('+-')}{trial.moments.randrange(100_000_000)}")
    trial.finish()
    with Store(trial.url, read_only=True) as store:
        years = {row.started_at[:4] for row in store.batches(store.study(NAME).id or 0)}
    assert len(years) > 1, "no clock was seen to jump: the trial shows nothing"


def bad_results(trial: Trial) -> None:
    """A model that crashes, raises what cannot be sent, and returns what it should not, a design in six."""
    trial.options += ["--bad"]
    trial.ordered = False
    trial.seed = trial.moments.randrange(1_000)
    first = Trial(trial.folder / "first", f"sqlite:///{trial.folder}/first.db", trial.moments)
    first.folder.mkdir()
    first.seed, first.options = trial.seed, [*trial.options, "--workers", "1"]
    first.resume()
    trial.options += ["--workers", "2"]
    trial.resume()
    one, two = (StudyView(NAME, url).evaluations() for url in (first.url, trial.url))
    assert (one["state"] == "failed").sum() > BUDGET / 20, "too few misbehaved: the trial shows little"
    trial.losses += differing(one, two)


def ctrl_c(times: int) -> Callable[[Trial], None]:
    def inject(trial: Trial) -> None:
        trial.options += ["--workers", "2"] if trial.moments.random() < 0.5 else []
        run = trial.start()
        trial.wait_until_under_way(most=0.4)
        trial.note()
        for _ in range(times):
            run.send_signal(signal.SIGINT)
            time.sleep(trial.moments.uniform(0.0, 0.1))
        assert stopped(run), trial.told(run)
        assert "stopping after this batch" in trial.told(run)
        assert trial.stored() < BUDGET
        trial.resume()

    return inject


FAULTS = [
    Fault("kill -9 of the run", kill_run, 20),
    Fault("kill -9 of a run with workers", kill_run_with_workers, 15),
    Fault("kill -9 of an asynchronous run", kill_asynchronous_run, 15),
    Fault("kill -9 of a worker", kill_a_worker, 15),
    Fault("kill -9 of every worker", kill_every_worker, 15),
    Fault("kill -9 of the leader of three processes", kill_the_leader, 15, quick=True),
    Fault("kill -9 of a helper among three", kill_a_helper, 15),
    Fault("kill -9 of all three", kill_all_three, 10),
    Fault("the leader of three frozen for seconds", stop_and_go, 8),
    Fault("two runs started at once", two_at_once, 12),
    Fault("server restarted", server_fault("fast"), 10, server=True),
    Fault("server crashed", server_fault("immediate"), 10, server=True),
    Fault("server crashed under three processes", server_crashes_under_three, 8, server=True),
    Fault("kill -9 of the leader of three, on the server", kill_the_leader, 8, server=True),
    Fault("connections cut", server_fault("cut"), 10, server=True),
    Fault("disk full", disk_full, 10, quick=True),
    Fault("store made read-only", read_only, 5),
    Fault("pages of the file overwritten", damaged_file, 15, judged=False),
    Fault("clocks of three processes set", clock_jumps, 8),
    Fault("crashes, wrong shapes, NaN, huge texts, odd exceptions", bad_results, 8),
    Fault("Ctrl-C", ctrl_c(1), 10),
    Fault("Ctrl-C twice", ctrl_c(2), 10),
]
