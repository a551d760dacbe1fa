"""Worker processes: the same archive whatever their number; what hangs or crashes fails alone."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pandas as pd
import pytest

from dse import Integer, Minimize, Problem, Space, Study, StudyView, cost_model
from dse.errors import ExecutorError, StudyError
from dse.executors import FuturesExecutor, ProcessPool
from tests.dse.executors.models import mixed, vectorised

ROOT = Path(__file__).parents[3]


def archive(study: StudyView) -> tuple[bytes, bytes, bytes]:
    frames = (study.evaluations(), study.front(), study.history().drop(columns="seconds"))
    return tuple(frame.to_csv().encode() for frame in frames)  # type: ignore[return-value]


def url(path: Path, name: str = "s") -> str:
    return f"sqlite:///{path / name}.db"


@pytest.mark.parametrize("searcher", ["nsga2", pytest.param("random", marks=pytest.mark.slow)])
def test_any_number_of_workers_finds_the_same(searcher: str, tmp_path: Path) -> None:
    found = {}
    for workers in (None, 1, 2, 4):
        study = Study("s", vectorised(), searcher, seed=3, store=url(tmp_path, str(workers)), batch=40)
        study.run(240, workers=workers)
        assert study.counts()["failed"] == (study.evaluations()["x"] == 7).sum()
        found[workers] = archive(study)
    assert found[None] == found[1] == found[2] == found[4]


def test_one_design_at_a_time_finds_the_same(tmp_path: Path) -> None:
    problem = mixed("fine", "nan", "unpicklable", delay=0.002)
    here = Study("s", problem, "random", store=url(tmp_path, "here"), batch=12).run(36)
    there = Study("s", problem, "random", store=url(tmp_path, "there"), batch=12).run(36, workers=3)
    assert archive(here) == archive(there)
    assert "UnpicklableError: held a lock" in set(there.evaluations()["error"])


@pytest.mark.parametrize(
    ("kind", "state", "reason"),
    [
        ("sleep", "timeout", "took more than 1 s"),
        ("spin", "timeout", "took more than 1 s"),
        ("child", "timeout", "took more than 1 s"),
        ("segfault", "failed", "its process died of SIGSEGV"),
        ("exit", "failed", "its process ended with exit status 3"),
        ("memory", "failed", "MemoryError"),
    ],
)
def test_a_bad_design_fails_alone(kind: str, state: str, reason: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    study = Study("s", mixed("fine", kind, log=log), "exhaustive", store=url(tmp_path))
    space = study.space
    start = space.designs([{"x": x, "kind": "fine"} for x in range(6)] + [{"x": 3, "kind": kind}])
    problem = Problem(space, study.problem.model, study.objectives, start=start, name="mixed")
    study = Study("t", problem, "random", store=study.store, batch=7)
    study.run(7, workers=2, timeout=1.0, memory=1.0)
    rows = study.evaluations()
    assert rows["state"].tolist() == ["complete"] * 6 + [state]
    assert reason in rows["error"].iloc[-1]
    assert Counter(log.read_text().splitlines()).most_common(1)[0][1] == 1, "a design was evaluated twice"
    assert not processes(f"sleep 600.{os.getpid()}"), "what it started is still running"


def test_a_chunk_is_divided_until_the_one_to_blame_is_alone(tmp_path: Path) -> None:
    space = Space([Integer("x", 0, 99)])

    @cost_model(metrics={"a": "", "b": ""}, version="1")
    def model(d):  # type: ignore[no-untyped-def]
        if (d["x"] == 42).any():
            os._exit(5)
        if (d["x"] == 77).any():
            time.sleep(600)
        return {"a": d["x"], "b": -d["x"]}

    problem = Problem(space, model, [Minimize("a"), Minimize("b")])
    study = Study("s", problem, "exhaustive", store=url(tmp_path)).run(workers=2, timeout=0.3)
    rows = study.evaluations().set_index("x")
    assert rows["state"].value_counts().to_dict() == {"complete": 98, "failed": 1, "timeout": 1}
    assert "exit status 5" in rows["error"][42]
    assert rows["state"][77] == "timeout"


def test_a_script_needs_no_guard(tmp_path: Path) -> None:
    script = tmp_path / "mine.py"
    script.write_text(
        "from dse import *\n"
        "print('once')\n"
        "factor = 2.0\n"
        "@cost_model(metrics={'a': '', 'b': ''}, per_design=True)\n"
        "def model(d):\n"
        "    return {'a': factor * d['x'], 'b': -d['x']}\n"
        "problem = Problem(Space([Integer('x', 0, 9)]), model, [Minimize('a'), Minimize('b')])\n"
        f"print(len(Study('s', problem, 'random', store='{url(tmp_path)}').run(10, workers=2).front()))\n"
    )
    done = subprocess.run([sys.executable, str(script)], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["once", "10"], done.stderr


def test_what_cannot_be_sent_is_told_before_anything_runs(tmp_path: Path) -> None:
    handle = (tmp_path / "open").open("w")

    @cost_model(metrics={"a": ""}, per_design=True, version="1")
    def model(d):  # type: ignore[no-untyped-def]
        return {"a": handle.write("x")}

    study = Study("s", Problem(Space([Integer("x", 0, 9)]), model, Minimize("a")), store=url(tmp_path))
    with pytest.raises(ExecutorError, match="'model' cannot be sent to other processes"):
        study.run(3, workers=2)
    assert len(study) == 0
    handle.close()


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ({"workers": 0}, "workers=0 must be a whole number, 1 or more"),
        ({"workers": 2, "timeout": -1.0}, "timeout=-1.0 must be a number of seconds above 0"),
        ({"memory": 0}, "memory=0 must be a number of GiB above 0"),
        ({"executor": 3}, "int is no executor"),
        ({"executor": ProcessPool(1), "workers": 2}, "are given to ProcessPool, where it is made"),
    ],
)
def test_wrong_arguments_are_told(how: dict[str, object], told: str, tmp_path: Path) -> None:
    study = Study("s", vectorised(), store=url(tmp_path))
    with pytest.raises(ExecutorError, match=told):
        study.run(10, **how)  # type: ignore[arg-type]
    with pytest.raises(StudyError, match="need workers"):
        study.run(10, asynchronous=True)


def test_any_executor_of_the_standard_library_does(tmp_path: Path) -> None:
    here = Study("s", vectorised(), "nsga2", store=url(tmp_path, "here"), batch=40).run(120)
    with ThreadPoolExecutor(2) as threads, ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for name, executor in (("threads", threads), ("pool", pool)):
            there = Study("s", vectorised(), "nsga2", store=url(tmp_path, name), batch=40)
            there.run(120, executor=executor)
            assert archive(there) == archive(here)
        limited = Study("s", mixed("fine", "sleep"), "exhaustive", store=url(tmp_path, "limited"))
        limited.run(4, executor=threads, timeout=0.5)
        assert limited.counts()["timeout"] == 2


def test_a_broken_executor_ends_the_run_which_is_resumed(tmp_path: Path) -> None:
    study = Study("s", mixed("fine", "exit", delay=0.02), "exhaustive", store=url(tmp_path))
    with (
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool,
        pytest.raises(ExecutorError, match=r"the executor broke .* run the study again to go on"),
    ):
        study.run(executor=FuturesExecutor(pool))
    study.run(workers=2)
    assert study.counts() == {"complete": 12, "infeasible": 0, "failed": 12, "timeout": 0}


RUN = """
import sys
from pathlib import Path
from dse import Study
from tests.dse.executors.models import mixed
path = Path(sys.argv[1])
problem = mixed("fine", "nan", log=path / "log", delay=0.05)
Study("s", problem, "random", seed=2, store=f"sqlite:///{path}/s.db", batch=24).run(24, workers=3)
"""


def start(path: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", RUN, str(path)], cwd=ROOT)


def processes(text: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if text in command:
                found.append(int(entry.name))
    return sorted(found)


def workers_of(parent: int, text: str = "dse.executors.worker") -> set[int]:
    """Return the children of a process, by their command: other tests have theirs at the same time."""
    found = set()
    for pid in processes(text):
        with contextlib.suppress(OSError):
            if int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]) == parent:
                found.add(pid)
    return found


def gone(pids: set[int], seconds: float = 5.0) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not any(Path(f"/proc/{pid}").exists() for pid in pids):
            return True
        time.sleep(0.02)
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("kills", [1, pytest.param(12, marks=pytest.mark.slow)])
def test_killed_drivers_lose_and_repeat_nothing_that_was_stored(
    kills: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Study(
        "s", mixed("fine", "nan", log=tmp_path / "other"), "random", 2, url(tmp_path, "whole"), batch=24
    )
    whole.run(24)
    killed = 0
    for turn in range(kills):
        run = start(tmp_path)
        seen = 0
        while run.poll() is None and seen < 2 + turn % 3:  # in the midst of the batch
            time.sleep(0.01)
            seen = len(lines(tmp_path)) if (tmp_path / "log").exists() else 0
        children = workers_of(run.pid)
        killed += run.poll() is None
        run.kill()
        run.wait()
        assert gone(children), "workers outlived their driver"
        (tmp_path / "log").unlink(missing_ok=True)
    assert killed == kills
    assert start(tmp_path).wait() == 0
    there = StudyView("s", url(tmp_path))
    assert archive(there)[:2] == archive(whole)[:2]
    assert max(Counter(lines(tmp_path)).values()) == 1


def lines(path: Path) -> list[str]:
    return (path / "log").read_text().splitlines()


def test_results_that_came_early_survive_a_kill(tmp_path: Path) -> None:
    """The first design hangs until the rest is done; a kill then must not cost the rest."""
    script = """
import sys, time
from pathlib import Path
from dse import Integer, Minimize, Problem, Space, Study, cost_model
path = Path(sys.argv[1])
@cost_model(metrics={"a": "", "b": ""}, per_design=True, version="1")
def model(d):
    with (path / "log").open("a") as file:
        file.write(f"{d['x']}\\n")
    if d["x"] == 0 and not (path / "go").exists():
        time.sleep(600)
    return {"a": d["x"], "b": -d["x"]}
problem = Problem(Space([Integer("x", 0, 9)]), model, [Minimize("a"), Minimize("b")])
Study("s", problem, "exhaustive", store=f"sqlite:///{path}/s.db").run(workers=3)
"""

    def begin() -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], cwd=ROOT)

    first = begin()
    until = time.monotonic() + 60
    while time.monotonic() < until:
        time.sleep(0.1)
        try:
            view = StudyView("s", url(tmp_path))
            kept = len(view.store.kept(view.id))
            view.store.close()
        except ValueError:
            continue
        if kept == 9:
            break
    first.kill()
    first.wait()
    assert kept == 9  # what ended last among them, though nothing ends after it
    assert len(StudyView("s", url(tmp_path))) == 0
    (tmp_path / "go").touch()
    assert begin().wait() == 0
    view = StudyView("s", url(tmp_path))
    assert view.evaluations()["x"].tolist() == list(range(10))
    assert len(view.store.kept(view.id)) == 0
    counts = Counter((tmp_path / "log").read_text().split())
    assert sum(count - 1 for x, count in counts.items() if x != "0") <= 10 - 1 - kept, counts


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("share", "asynchronous"),
    [
        ("every", False),
        ("one", True),
        pytest.param("every", True, marks=pytest.mark.slow),
        pytest.param("one", False, marks=pytest.mark.slow),
    ],
)
def test_killed_workers_cost_nothing(share: str, asynchronous: bool, tmp_path: Path) -> None:
    """Workers are killed from outside; their designs are not to blame."""
    here = Study("s", mixed("fine", "nan"), "random", 2, url(tmp_path, "here"), batch=24).run(24)
    study = Study(
        "s", mixed("fine", "nan", log=tmp_path / "log", delay=0.05), "random", 2, url(tmp_path), batch=24
    )
    ended = threading.Event()
    killed = []

    def kill() -> None:
        while not ended.wait(0.02):
            workers = sorted(workers_of(os.getpid()))
            if len(workers) == 3 and (tmp_path / "log").exists() and len(lines(tmp_path)) >= 4:
                for pid in workers if share == "every" else workers[:1]:
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)
                return

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        study.run(24, workers=3, asynchronous=asynchronous)
    finally:
        ended.set()
        thread.join()
    assert killed, "the run ended before a worker was killed"
    columns = ["x", "kind", "state", "a", "b"]
    found = [each.evaluations()[columns].sort_values(["x", "kind"]) for each in (here, study)]
    assert found[0].reset_index(drop=True).equals(found[1].reset_index(drop=True))
    if not asynchronous:
        assert archive(study)[:2] == archive(here)[:2]


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_once_finishes_what_is_under_way_and_twice_stops(times: int, tmp_path: Path) -> None:
    plugin = tmp_path / "run.py"
    plugin.write_text(
        "import signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        "from pathlib import Path\n"
        "from dse import Study\n"
        "from dse.cli.run import drive\n"
        "from tests.dse.executors.models import mixed\n"
        f"path = Path({str(tmp_path)!r})\n"
        "problem = mixed('fine', 'nan', log=path / 'log', delay=0.3 if '1' in sys.argv else 20.0)\n"
        f"study = Study('s', problem, 'random', store='{url(tmp_path)}', batch=24)\n"
        "print('stopped' if drive(study, 24, workers=2) else 'done', len(study))\n"
    )
    run = subprocess.Popen(
        [sys.executable, str(plugin), str(times)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while not (tmp_path / "log").exists():
        assert run.poll() is None, run.communicate()
        time.sleep(0.02)
    children = workers_of(run.pid)
    for _ in range(times):
        run.send_signal(signal.SIGINT)
        time.sleep(0.5)
    out, err = run.communicate(timeout=30)
    assert gone(children)
    assert "Ctrl-C again to stop now" in err
    started = len(lines(tmp_path))
    kept = StudyView("s", url(tmp_path))
    stored = len(kept) + len(kept.store.kept(kept.id))
    if times == 1:
        assert out.startswith("stopped"), err
        assert stored == started < 24, "what was under way was not finished"
    else:
        assert stored < started
    assert isinstance(kept.evaluations(), pd.DataFrame)
