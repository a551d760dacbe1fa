"""PostgreSQL as the store: the archive of SQLite, and no loss where the server or a connection fails."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, text

from dse import Study, StudyView
from dse.errors import StoreError
from dse.store import Store
from dse.store.schema import BATCHES
from dse.surrogates import Registry
from dse.testing import check_store
from tests.commands import dse
from tests.dse.executors.test_pool import archive
from tests.dse.problems import tiling_problem
from tests.dse.test_store import commit, record, rows
from tests.postgres import Server

ROOT = Path(__file__).parents[3]


def execute(url: str, statement: str) -> list[Any]:
    engine = create_engine(
        url.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        found = connection.execute(text(statement))
        out = list(found) if found.returns_rows else []
    engine.dispose()
    return out


def end_connections(url: str) -> None:
    """As a firewall, an administrator or a fail-over does."""
    execute(url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                 "WHERE datname = current_database() AND pid <> pg_backend_pid()")  # fmt: skip


@pytest.fixture
def quiet() -> Iterator[None]:
    """Lost connections are told by warnings, which are meant here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def test_promises_of_a_store(url: str) -> None:
    check_store(lambda: Store(url))


def test_values_come_back_bit_for_bit(url: str) -> None:
    store = Store(url)

    @settings(max_examples=25)
    @given(
        values=st.lists(st.floats(width=64), min_size=2, max_size=2),
        design=st.binary(min_size=3, max_size=3),
        name=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1),
        error=st.text(min_size=1, max_size=50),
    )
    def check(values: list[float], design: bytes, name: str, error: str) -> None:
        if store.has_study(name):
            store.delete_study(name)
        study = store.create_study(record(name)).id
        assert study is not None
        given = rows(0, 1)
        given.metrics[0] = values
        given.designs[0] = np.frombuffer(design, np.uint8)
        store.append(study, commit(0, 1), given)
        store.append(study, commit(1, 1), rows(1, 1, error=error))
        found = store.evaluations(study)
        assert found.designs[0].tobytes() == design
        assert np.array_equal(found.metrics[0], values, equal_nan=True)
        assert store.study(name).name == name

    check()
    store.close()


@pytest.mark.parametrize("searcher", ["nsga2", "random"])
def test_a_run_is_that_on_sqlite(searcher: str, url: str, tmp_path: Path) -> None:
    stores = {"sqlite": f"sqlite:///{tmp_path}/a.db", "postgres": url}
    found = {}
    for name, store in stores.items():
        Study("a", tiling_problem(fail_every=11), searcher, seed=5, store=store, batch=25).run(120)
        study = Study("a", tiling_problem(fail_every=11), searcher, seed=5, store=store, batch=25)
        study.run(210, workers=2 if name == "postgres" else None)
        found[name] = archive(study)
    assert found["sqlite"] == found["postgres"]


RUN = """
import sys
from dse import Study
from tests.dse.problems import tiling_problem
Study("a", tiling_problem(delay=0.02, fail_every=11), "nsga2", seed=5, store=sys.argv[1], batch=25).run(600)
"""


def start(url: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-W", "ignore", "-c", RUN, url], cwd=ROOT)


def evaluated(url: str) -> int:
    try:
        with Store(url, read_only=True) as store:
            return sum(store.count(store.study("a").id or 0).values())
    except StoreError:
        return 0


@pytest.mark.parametrize(
    ("kind", "faults"),
    [
        ("crash", 2),
        ("cut", 2),
        *(pytest.param(kind, 12, marks=pytest.mark.slow) for kind in ("kill", "restart", "crash", "cut")),
    ],
)
def test_faults_lose_and_double_nothing(
    kind: str, faults: int, server: Server, url: str, tmp_path: Path
) -> None:
    whole = Study(
        "a", tiling_problem(fail_every=11), "nsga2", seed=5, store=f"sqlite:///{tmp_path}/a.db", batch=25
    )
    whole.run(600)
    run, done = start(url), 0
    for _ in range(faults):
        before, until = evaluated(url), time.monotonic() + 30
        while run.poll() is None and evaluated(url) <= before and time.monotonic() < until:
            time.sleep(0.01)
        if run.poll() is not None:
            break
        done += 1
        if kind == "kill":
            run.kill()
            run.wait()
            run = start(url)
        elif kind == "cut":
            end_connections(url)
        else:
            server.stop("fast" if kind == "restart" else "immediate")
            time.sleep(0.2)
            server.start()
    assert done == faults, "the run ended before the faults: the test shows little"
    assert run.wait(timeout=120) == 0
    assert archive(StudyView("a", url))[:2] == archive(whole)[:2]


@pytest.mark.parametrize("after", ["begin", "insert", "commit"])
def test_a_connection_cut_in_the_midst_of_a_commit(after: str, url: str, quiet: None) -> None:
    """After the commit its answer is lost: it must be found, and not be made again."""
    with Store(url) as store:
        study = store.create_study(record()).id
        assert study is not None
        store.append(study, commit(0, 5), rows(0, 5))
        calls = Counter[str]()
        engine = store._engine

        def cut(*arguments: Any) -> None:
            calls[after] += 1
            if calls[after] == 1:
                end_connections(url)

        commit_there = engine.dialect.do_commit

        def committed(connection: Any) -> None:
            calls[after] += 1
            commit_there(connection)
            if calls[after] == 1:
                end_connections(url)
                connection.cursor().execute("SELECT 1")  # what waits for the answer is told of the end

        if after == "begin":
            sqlalchemy.event.listen(engine, "begin", cut)
        elif after == "insert":
            sqlalchemy.event.listen(engine, "after_cursor_execute", cut)
        else:
            engine.dialect.do_commit = committed  # type: ignore[method-assign]
        store.append(study, commit(5, 5), rows(5, 5))
        assert calls[after] >= 2, "nothing was tried again"
        assert store.evaluations(study).number.tolist() == list(range(10))
        with store._read() as connection:
            assert len(connection.execute(BATCHES.select()).all()) == 2


def test_impatience_is_an_error_that_says_how_to_go_on(server: Server, url: str, quiet: None) -> None:
    with Store(url, patience=0.5) as store:
        study = store.create_study(record()).id
        server.stop("immediate")
        try:
            began = time.monotonic()
            with pytest.raises(StoreError, match="is the server running"):
                store.count(study or 0)
            assert time.monotonic() - began < 10
        finally:
            server.start()
        assert store.count(study or 0) == {}


def test_two_processes_that_make_the_tables_at_once(url: str) -> None:
    with ThreadPoolExecutor(6) as pool:
        stores = list(pool.map(lambda _: Store(url), range(6)))
    assert [store.studies() for store in stores] == [[]] * 6
    for store in stores:
        store.close()


def test_a_second_writer_is_refused_and_nothing_is_doubled(url: str) -> None:
    with Store(url) as one, Store(url) as two:
        study = one.create_study(record()).id
        assert study is not None
        gate, told = threading.Barrier(2), []

        def write(store: Store, seconds: float) -> None:
            gate.wait()
            try:
                store.append(study, commit(0, 5, evaluate_seconds=seconds), rows(0, 5))
            except StoreError as error:
                told.append(str(error))

        threads = [
            threading.Thread(target=write, args=(store, place)) for place, store in enumerate((one, two))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(told) == 1
        assert "another process is running this study" in told[0]
        assert one.count(study) == {"complete": 5}


def test_surrogates_are_kept_there(url: str) -> None:
    Study("a", tiling_problem(), "random", store=url).run(60)
    registry = Registry(url)
    made = registry.train("a", ["a"], model="ridge")
    assert registry.load("a").metrics.keys() == made.report["metrics"].keys()


def test_the_command_line_runs_on_it(url: str, tmp_path: Path) -> None:
    done = dse("run", "lut-accelerator", "--budget", "100", "--store", url, cwd=tmp_path)
    assert "100 of 100" in done.stdout + done.stderr
    for command in (
        ["show", "lut-accelerator"],
        ["front", "lut-accelerator"],
        ["report", "lut-accelerator", "-o", "r.html"],
    ):
        dse(*command, "--store", url, cwd=tmp_path)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("dse@", "dse:secret@"), None),
        (("/dse", "/nothing"), 'database "nothing.*" does not exist; make the database, or the user, first'),
        (("127.0.0.1:", "127.0.0.1:1"), "is the server running, and is its address right"),
        (("postgresql", "postgresql+pg8000"), "there is no database 'postgresql\\+pg8000'"),
    ],
)
def test_addresses_are_checked_and_passwords_are_not_shown(
    change: tuple[str, str], told: str | None, url: str
) -> None:
    given = url.rsplit("/", 1)[0] + "/nothing" if change[0] == "/dse" else url.replace(*change)
    if change[0] == "127.0.0.1:":
        given = "postgresql://dse:secret@127.0.0.1:9/dse"
    if told is None:
        with Store(given) as store:
            assert "secret" not in store.shown
        return
    with pytest.raises(StoreError, match=told) as caught:
        Store(given)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)
