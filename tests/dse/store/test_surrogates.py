"""Versions of surrogates in a store: numbers, one that serves, bytes by hash; older stores, damaged ones."""

from __future__ import annotations

import hashlib
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from dse.errors import StoreError
from dse.store import Store, SurrogateRecord

from ..test_store import make

ROOT = str(Path(__file__).parents[3])


def version(name: str = "lut", state: str = "serving", **provenance: object) -> SurrogateRecord:
    return SurrogateRecord(name, 0, state, "2026-01-01T00:00:00+00:00", provenance, {"größe": [1.5, None]})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "dse.db"


@pytest.fixture
def store(path: Path) -> Store:
    return Store(f"sqlite:///{path}")


def states(store: Store, name: str = "lut") -> list[str]:
    return [record.state for record in store.surrogates.versions(name)]


def damage(path: Path, statement: str) -> None:
    raw = sqlite3.connect(path)
    with raw:
        raw.execute(statement)
    raw.close()


def test_versions_come_back_as_they_were_stored(store: Store, path: Path) -> None:
    made = store.surrogates.add(version(seed=2**40, text="≤"), b"bytes")
    assert (made.reference, made.state) == ("lut@1", "serving")
    assert made.digest == hashlib.sha256(b"bytes").hexdigest()
    assert made.promoted_at is not None
    with Store(f"sqlite:///{path}", read_only=True) as reader:
        assert reader.surrogates.version("lut") == reader.surrogates.version("lut", 1) == made
        assert reader.surrogates.artefact(made) == b"bytes"
        assert reader.surrogates.sizes() == {made.digest: 5}


def test_only_the_first_version_serves_unasked_and_one_that_is_replaced_retires(store: Store) -> None:
    first = store.surrogates.add(version(), b"1")
    store.surrogates.add(version(), b"2")
    assert states(store) == ["serving", "candidate"]
    third = store.surrogates.add(version(), b"3", instead_of=first.id)
    assert states(store) == ["retired", "candidate", "serving"]
    late = store.surrogates.add(version(), b"4", instead_of=first.id)
    assert late.promoted_at is None
    assert states(store) == ["retired", "candidate", "serving", "candidate"]
    store.surrogates.promote(first)
    assert states(store) == ["serving", "candidate", "retired", "candidate"]
    assert store.surrogates.version("lut") == store.surrogates.promote(store.surrogates.version("lut", 1))
    assert third.version == 3


def test_names_do_not_touch_each_other(store: Store) -> None:
    for name in ("a", "b"):
        assert store.surrogates.add(version(name), b"same").version == 1
    store.surrogates.add(version("a"), b"other")
    assert states(store, "b") == ["serving"]
    assert len(store.surrogates.sizes()) == 2, "equal bytes are stored once"
    store.surrogates.delete("a")
    assert [record.reference for record in store.surrogates.versions()] == ["b@1"]
    assert store.surrogates.artefact(store.surrogates.version("b")) == b"same"
    assert len(store.surrogates.sizes()) == 1


def test_the_database_refuses_a_second_version_that_serves(store: Store, path: Path) -> None:
    for data in (b"1", b"2"):
        store.surrogates.add(version(), data)
    with pytest.raises(sqlite3.IntegrityError):
        damage(path, "UPDATE surrogates SET state = 'serving'")


WRITER = """
import sys
from tests.dse.store.test_surrogates import version
from dse.store import Store
store = Store(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for index in range(25):
    store.surrogates.add(version(), f"{sys.argv[2]} {index}".encode())
"""


def test_two_processes_that_add_versions_lose_none(store: Store, path: Path) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, f"sqlite:///{path}", name],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
        )
        for name in ("one", "two")
    ]  # fmt: skip
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.communicate("go\n", timeout=60)
        assert writer.returncode == 0
    found = store.surrogates.versions("lut")
    assert [record.version for record in found] == list(range(1, 51))
    assert states(store).count("serving") == 1
    assert states(store)[0] == "serving"
    kept = {store.surrogates.artefact(record) for record in found}
    assert kept == {f"{name} {index}".encode() for name in ("one", "two") for index in range(25)}


@pytest.mark.parametrize(
    "change",
    ["data = x'00'", "data = substr(data, 1, length(data) - 1)", "data = 'text'", "data = data || x'00'"],
)
def test_bytes_that_are_not_those_of_the_digest_are_refused(store: Store, path: Path, change: str) -> None:
    made = store.surrogates.add(version(), bytes(range(256)))
    damage(path, f"UPDATE artefacts SET {change}")
    with pytest.raises(
        StoreError, match=r"model of surrogate lut@1 is damaged .*promote another|file is damaged"
    ):
        store.surrogates.artefact(made)


def test_pruned_models_are_gone_and_their_records_stay(store: Store) -> None:
    first = store.surrogates.add(version(), b"1")
    for data in (b"2", b"3", b"2", b"4"):
        store.surrogates.add(version(), data)
    pruned = store.surrogates.prune("lut", keep=[4])
    assert [record.version for record in pruned] == [3, 5], "@1 serves, @2 shares its bytes with @4"
    assert len(states(store)) == 5
    assert store.surrogates.artefact(first) == b"1"
    with pytest.raises(
        StoreError, match="model of surrogate lut@3 is not in the store any more: it was pruned"
    ):
        store.surrogates.artefact(store.surrogates.version("lut", 3))
    assert store.surrogates.prune("lut", keep=[4]) == []


def test_what_there_is_not_is_told_with_what_there_is(store: Store) -> None:
    with pytest.raises(
        StoreError, match="no surrogate 'lut'; it has none yet; 'dse surrogate train' makes one"
    ):
        store.surrogates.version("lut")
    store.surrogates.add(version(state="rejected"), b"1")
    with pytest.raises(StoreError, match="no surrogate 'lot'; it has 'lut'"):
        store.surrogates.version("lot")
    with pytest.raises(
        StoreError, match=r"no version of surrogate 'lut' serves; promote one of 1 \(rejected\)"
    ):
        store.surrogates.version("lut")
    with pytest.raises(StoreError, match=r"surrogate 'lut' has no version 7; it has 1 \(rejected\)"):
        store.surrogates.version("lut", 7)


def test_a_store_without_surrogates_is_read_as_it_is_and_migrated_when_written(path: Path) -> None:
    make(path)[0].close()
    for table in ("surrogates", "artefacts", "results", "workers", "leaders", "tasks", "shortlist"):
        damage(path, f"DROP TABLE {table}")  # as the second version made it
    damage(path, "ALTER TABLE studies DROP COLUMN budget")
    damage(path, "UPDATE dse_schema SET version = 2")
    before = path.read_bytes()
    with Store(f"sqlite:///{path}", read_only=True) as old:
        assert old.surrogates.versions() == []
        assert old.surrogates.sizes() == {}
        assert [study.name for study in old.studies()] == ["a"]
        with pytest.raises(StoreError, match="no surrogate 'lut'; it has none yet"):
            old.surrogates.version("lut")
    assert path.read_bytes() == before
    with Store(f"sqlite:///{path}") as migrated:
        assert [study.name for study in migrated.studies()] == ["a"]
        for data in (b"1", b"2"):
            migrated.surrogates.add(version(), data)
        assert states(migrated) == ["serving", "candidate"]
    with pytest.raises(sqlite3.IntegrityError):
        damage(path, "UPDATE surrogates SET state = 'serving'")


def test_reading_only_refuses_to_add(store: Store, path: Path) -> None:
    store.close()
    with (
        Store(f"sqlite:///{path}", read_only=True) as reader,
        pytest.raises(StoreError, match="reading only"),
    ):
        reader.surrogates.add(version(), b"1")
