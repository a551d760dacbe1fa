"""What a store does when processes are killed, compete, or may not write; and when its file is damaged."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from dse.errors import StoreError
from dse.store import Store

from ..test_store import NONE, commit, make, record, rows

BATCH = 20_000  # a commit takes long enough to be killed in its midst

WRITER = """
import sys
from tests.dse.test_store import commit, rows
from dse.store import Store
store, batch = Store(sys.argv[1]), int(sys.argv[2])
start = sum(row.count for row in store.batches(1))
while True:
    given = rows(start, batch)
    print("begun", start, flush=True)
    store.append(1, commit(start, batch), given)
    print("stored", start, flush=True)
    start += batch
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "dse.db"


@pytest.mark.parametrize("kills", [5, pytest.param(40, marks=pytest.mark.slow)])
def test_a_writer_killed_within_a_commit_leaves_whole_commits(path: Path, kills: int) -> None:
    store, study = make(path)
    moments, within = random.Random(0), 0
    root = Path(__file__).parents[3]
    for _ in range(kills):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, f"sqlite:///{path}", str(BATCH)], stdout=subprocess.PIPE, cwd=root
        )
        assert writer.stdout is not None
        said = [writer.stdout.readline()]
        time.sleep(moments.uniform(0.0, 0.3))
        writer.kill()
        said += writer.communicate()[0].splitlines()
        within += said[-1].startswith(b"begun")

        commits = store.batches(study)
        numbers = store.evaluations(study).number
        assert numbers.tolist() == list(range(len(numbers)))
        assert [row.first for row in commits] == list(range(0, len(numbers), BATCH))
        assert all(row.count == BATCH for row in commits)
        assert store.front_numbers(study).tolist() == numbers.tolist()
        told = [int(line.split()[1]) for line in said if line.startswith(b"stored")]
        assert not told or max(told) < len(numbers), "a commit that was reported is gone"
    assert within, "no kill came within a commit: the test shows nothing"
    with sqlite3.connect(path) as raw:
        assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_batch_without_new_evaluations_is_stored_once(path: Path) -> None:
    """Two runs of a study propose the same repeats: no evaluation's number keeps them apart."""
    store, study = make(path)
    store.append(study, commit(0, 5, batch=0), rows(0, 5))
    repeats = commit(5, 0, batch=1, told=np.array([3, 1]), front_added=NONE)
    with Store(f"sqlite:///{path}") as other:
        store.append(study, repeats, rows(5, 0))
        with pytest.raises(StoreError, match="batch 1 is stored already: another process is running"):
            other.append(study, repeats, rows(5, 0))
        store.append(study, commit(5, 2, batch=2), rows(5, 2))
        with pytest.raises(StoreError, match="batch 1 is stored already"):
            other.append(study, repeats, rows(5, 0))
    assert [row.batch for row in store.batches(study)] == [0, 1, 2]


def test_the_rest_of_a_batch_may_be_all_repeats(path: Path) -> None:
    store, study = make(path)
    store.append(study, commit(0, 5, batch=0), rows(0, 5))
    store.append(study, commit(5, 0, batch=0, told=np.arange(5), front_added=NONE), rows(5, 0))
    assert [row.count for row in store.batches(study)] == [5, 0]


def test_a_run_of_a_deleted_study_writes_to_no_other(path: Path) -> None:
    store, study = make(path)
    with Store(f"sqlite:///{path}") as other:
        other.delete_study("a")
        for name in ("a", "b"):
            with pytest.raises(StoreError, match="the study was deleted while it ran"):
                store.append(study, commit(0, 5), rows(0, 5))
            new = other.create_study(record(name)).id
            assert new is not None
            assert len(other.evaluations(new)) == 0


def test_one_who_may_not_write_reads_what_a_running_study_has_committed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, study = make(path)
    store.append(study, commit(0, 5), rows(0, 5))
    # Permissions do not bind every user that runs tests: say what the system would say to the others.
    monkeypatch.setattr(os, "access", lambda *_: False)
    with Store(f"sqlite:///{path}", read_only=True) as reader:
        assert len(reader.evaluations(study)) == 5
        store.append(study, commit(5, 3), rows(5, 3))
        assert len(reader.evaluations(study)) == 8


def test_one_who_may_not_write_sees_a_run_that_starts_later(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(path)[0].close()
    monkeypatch.setattr(os, "access", lambda *_: False)
    with Store(f"sqlite:///{path}", read_only=True) as reader:
        study = reader.study("a").id
        assert study is not None
        assert len(reader.evaluations(study)) == 0
        with Store(f"sqlite:///{path}") as writer:
            writer.append(study, commit(0, 5), rows(0, 5))
            assert len(reader.evaluations(study)) == 5
        assert len(reader.evaluations(study)) == 5


def test_a_damaged_file_gives_a_clear_error_or_its_rows(path: Path) -> None:
    store, study = make(path)
    for start in range(0, 500, 100):
        store.append(study, commit(start, 100), rows(start, 100))
    store.append(study, commit(500, 3), rows(500, 3, error="größe"))
    store.close()
    whole, chance, refusals = path.read_bytes(), random.Random(0), []
    for trial in range(120):
        data = bytearray(whole)
        if trial % 4:
            for _ in range((1, 20, 500)[trial % 3]):
                data[chance.randrange(len(data))] = chance.randrange(256)
        else:
            del data[chance.randrange(len(data)) :]
        path.write_bytes(data)
        try:
            with Store(f"sqlite:///{path}", read_only=True) as reader:
                reader.studies()
                reader.evaluations(study)
                reader.batches(study)
                reader.history(study)
                reader.front_numbers(study)
                reader.failures(study)
                reader.count(study)
        except StoreError as error:
            refusals.append(str(error))
    assert len(refusals) > 30
    assert not [text for text in refusals if "\n" in text]


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM dse_schema",
        "UPDATE studies SET problem = '{'",
        "UPDATE evaluations SET design = x'00' WHERE number = 1",
        "UPDATE evaluations SET violation = 'x' WHERE number = 1",
        "UPDATE evaluations SET error = CAST(x'ff' AS TEXT) WHERE number = 1",
        "DROP TABLE batches",
    ],
)
def test_damaged_contents_are_said_to_be_damaged(path: Path, change: str) -> None:
    store, study = make(path)
    store.append(study, commit(0, 5), rows(0, 5))
    store.close()
    with sqlite3.connect(path) as raw:
        raw.execute(change)

    def read() -> None:
        with Store(f"sqlite:///{path}") as opened:
            opened.studies()
            opened.evaluations(study)
            opened.batches(study)

    with pytest.raises(StoreError, match="damaged: restore a copy"):
        read()


def test_a_folder_is_no_store_and_passwords_are_not_shown(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is a folder: name a file in it"):
        Store(f"sqlite:///{tmp_path}")
    with pytest.raises(StoreError) as error:
        Store("oracle9://user:secret@host/x")
    assert "secret" not in str(error.value)
