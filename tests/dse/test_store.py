"""The store: its promises, its messages, and what happens to it when things go wrong."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.errors import StoreError
from dse.store import BatchRow, EvaluationRows, Store, StudyRecord, schema
from dse.testing import check_store

NONE = np.empty(0, np.int64)


def record(name: str = "a") -> StudyRecord:
    return StudyRecord(
        name, "0" * 64, {"metrics": []}, {"name": "random"}, 0, {}, "2026-01-01T00:00:00+00:00", "new"
    )


def rows(start: int, count: int, *, width: int = 3, error: str | None = None) -> EvaluationRows:
    return EvaluationRows(
        number=np.arange(start, start + count),
        batch=np.full(count, start),
        state=np.full(count, "complete" if error is None else "failed"),
        violation=np.zeros(count),
        seconds=np.zeros(count),
        designs=np.arange(count * width, dtype=np.uint8).reshape(count, width),
        metrics=np.ones((count, 2)) if error is None else np.full((count, 2), np.nan),
        errors={} if error is None else {start + row: error for row in range(count)},
    )


def commit(start: int, count: int, **changes: object) -> BatchRow:
    values: dict[str, object] = {
        "batch": start,
        "first": start,
        "count": count,
        "told": None,
        "started_at": "now",
        "ask_seconds": 0.0,
        "evaluate_seconds": 0.0,
        "front_size": 1,
        "hypervolume": None,
        "front_added": np.arange(start, start + count),
        "front_removed": NONE,
    }
    return BatchRow(**(values | changes))  # type: ignore[arg-type]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "dse.db"


def make(path: Path) -> tuple[Store, int]:
    store = Store(f"sqlite:///{path}")
    study = store.create_study(record()).id
    assert study is not None
    return store, study


def test_promises_of_a_store(path: Path) -> None:
    check_store(lambda: Store(f"sqlite:///{path}"))


@settings(max_examples=50, deadline=None)
@given(
    values=st.lists(st.floats(width=64), min_size=4, max_size=4),
    design=st.binary(min_size=5, max_size=5),
    name=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40),
)
def test_values_come_back_bit_for_bit(
    tmp_path_factory: pytest.TempPathFactory, values: list[float], design: bytes, name: str
) -> None:
    with Store(f"sqlite:///{tmp_path_factory.mktemp('store')}/dse.db") as store:
        study = store.create_study(record(name))
        assert study.id is not None
        given_rows = EvaluationRows(
            number=np.array([0]),
            batch=np.array([0]),
            state=np.array(["complete"]),
            violation=np.array([values[0]]),
            seconds=np.array([values[1]]),
            designs=np.frombuffer(design, np.uint8)[None],
            metrics=np.array([[*values, 1.0]]),
            errors={},
        )
        store.append(study.id, commit(0, 1), given_rows)
        found = store.evaluations(study.id)
        assert store.study(name) == study
    assert found.designs.tobytes() == design
    assert np.array_equal(found.metrics, given_rows.metrics, equal_nan=True)
    signs = np.signbit(found.metrics) == np.signbit(given_rows.metrics)
    assert (signs | np.isnan(found.metrics)).all()
    assert np.array_equal(found.violation, given_rows.violation, equal_nan=True)


def test_the_front_is_the_sum_of_its_changes(path: Path) -> None:
    store, study = make(path)
    store.append(study, commit(0, 3, front_added=np.array([0, 2])), rows(0, 3))
    store.append(study, commit(3, 2, front_added=np.array([4]), front_removed=np.array([0])), rows(3, 2))
    assert store.front_numbers(study).tolist() == [2, 4]


def test_history_has_an_entry_a_batch_however_many_commits_it_took(path: Path) -> None:
    store, study = make(path)
    for start, batch, volume in ((0, 0, None), (2, 0, 5.0), (4, 1, 6.0)):
        part = commit(start, 2, batch=batch, hypervolume=volume, ask_seconds=1.0, evaluate_seconds=2.0)
        store.append(study, part, rows(start, 2))
    history = {name: column.tolist() for name, column in store.history(study).items()}
    assert history == {
        "evaluations": [4, 6], "hypervolume": [5.0, 6.0], "front_size": [1, 1], "seconds": [6.0, 9.0],
    }  # fmt: skip


def test_two_writers_of_one_study_lose_nothing(path: Path) -> None:
    store, study = make(path)
    with Store(f"sqlite:///{path}") as other:
        store.append(study, commit(0, 5), rows(0, 5))
        with pytest.raises(StoreError, match="another process is running this study"):
            other.append(study, commit(0, 9), rows(0, 9))
        assert len(other.evaluations(study)) == 5
        assert len(other.batches(study)) == 1
        other.append(study, commit(5, 4), rows(5, 4))
    assert len(store.evaluations(study)) == 9


def test_readers_do_not_wait_for_a_writer(path: Path) -> None:
    store, study = make(path)
    store.append(study, commit(0, 5), rows(0, 5))
    with Store(f"sqlite:///{path}", read_only=True) as reader, store._write():
        assert len(reader.evaluations(study)) == 5


def test_read_only_refuses_to_write(path: Path) -> None:
    make(path)[0].close()
    with Store(f"sqlite:///{path}", read_only=True) as reader:
        assert [item.name for item in reader.studies()] == ["a"]
        with pytest.raises(StoreError, match="open for reading only"):
            reader.create_study(record("b"))


def test_a_store_in_a_folder_that_cannot_be_written_can_be_read(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, study = make(path)
    store.append(study, commit(0, 5), rows(0, 5))
    store.close()
    before = sorted(path.parent.iterdir())
    # Permissions do not bind every user that runs tests: say what the system would say to the others.
    monkeypatch.setattr(os, "access", lambda *_: False)
    with Store(f"sqlite:///{path}", read_only=True) as reader:
        assert len(reader.evaluations(study)) == 5
        assert sorted(path.parent.iterdir()) == before, "a log was made beside the file"


def test_reading_leaves_no_files_behind(path: Path) -> None:
    make(path)[0].close()
    with Store(f"sqlite:///{path}", read_only=True) as reader:
        reader.studies()
    assert [item.name for item in path.parent.iterdir()] == ["dse.db"]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("runs.db", "write sqlite:///runs.db"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite:///missing/folder/dse.db", "there is no folder 'missing/folder'"),
        ("oracle9://x", "there is no database 'oracle9'"),
        ("postgresql+psycopg://localhost/x", "needs the package 'psycopg'"),
    ],
)
def test_urls_that_cannot_be_opened_say_why(url: str, message: str) -> None:
    if "psycopg" in url:
        try:
            import psycopg  # noqa: F401
        except ImportError:
            pass
        else:
            pytest.skip("psycopg is installed: the URL can be opened")
    with pytest.raises(StoreError, match=message):
        Store(url)


def test_files_that_are_no_store_say_so(tmp_path: Path) -> None:
    text = tmp_path / "text.db"
    text.write_text("this is not a database, and longer than the header of one would be: " * 20)
    with pytest.raises(StoreError, match="it is no SQLite file"):
        Store(f"sqlite:///{text}")
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as raw:
        raw.execute("CREATE TABLE songs (title TEXT)")
    with pytest.raises(StoreError, match=r"holds other tables \(songs\)"):
        Store(f"sqlite:///{other}")
    with pytest.raises(StoreError, match="there is no store"):
        Store(f"sqlite:///{tmp_path}/absent.db", read_only=True)
    assert not (tmp_path / "absent.db").exists()


def test_a_damaged_file_is_said_to_be_damaged(path: Path) -> None:
    store, study = make(path)
    store.append(study, commit(0, 5_000), rows(0, 5_000, width=40))
    store.close()
    with path.open("r+b") as file:
        for page in range(3, os.path.getsize(path) // 4096):
            file.seek(page * 4096)
            file.write(b"\xff" * 4096)
    with pytest.raises(StoreError, match="damaged: restore a copy"), Store(f"sqlite:///{path}") as reader:
        reader.evaluations(study)


def test_names_that_look_like_sql_are_names(path: Path) -> None:
    store, _ = make(path)
    name = "x'); DROP TABLE studies; --"
    store.create_study(record(name))
    assert store.study(name).name == name
    assert len(store.studies()) == 2


def test_error_texts_are_kept_bounded_and_encodable(path: Path) -> None:
    store, study = make(path)
    store.append(study, commit(0, 1), rows(0, 1, error="a\0b\ud800c"))
    store.append(study, commit(1, 1), rows(1, 1, error="x" * 1_000_000))
    texts = store.evaluations(study).error_texts()
    assert texts[0] == "a\\0b\\ud800c"
    assert texts[1] is not None
    assert len(texts[1]) < 11_000
    assert texts[1].endswith("(1000000 characters)")


def test_unknown_studies_are_told_with_those_there_are(path: Path) -> None:
    store, _ = make(path)
    store.create_study(record("lut-accelerator"))
    with pytest.raises(StoreError, match="no study 'lut-acelerator'; it has 'lut-accelerator'"):
        store.study("lut-acelerator")


def test_an_older_schema_is_migrated_and_a_newer_one_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, study = make(path)
    store.append(study, commit(0, 5), rows(0, 5))
    store.close()
    url = f"sqlite:///{path}"

    def second(connection: schema.Connection) -> None:
        connection.exec_driver_sql("ALTER TABLE studies ADD COLUMN note TEXT")

    latest = schema.LATEST
    with monkeypatch.context() as patch:
        patch.setattr(schema, "LATEST", latest + 1)
        patch.setattr(schema, "OLDEST_READABLE", latest + 1)
        patch.setitem(schema.MIGRATIONS, latest, second)
        with pytest.raises(StoreError, match=f"older schema {latest}: open it for writing once"):
            Store(url, read_only=True)
        with Store(url) as migrated:
            assert len(migrated.evaluations(study)) == 5
            with migrated._read() as connection:
                assert schema.stored_version(connection) == latest + 1
    with pytest.raises(StoreError, match=f"schema {latest + 1}, newer than this version's {latest}: upgrade"):
        Store(url)


def test_a_store_without_warm_starts_is_read_as_it_is_and_migrated_when_written(path: Path) -> None:
    store, study = make(path)
    store.append(study, commit(0, 5), rows(0, 5))
    store.close()
    with sqlite3.connect(path) as raw:  # as the first version made it
        for column in ("warm", "start", "budget"):
            raw.execute(f"ALTER TABLE studies DROP COLUMN {column}")
        for table in ("surrogates", "artefacts", "results", "workers", "leaders", "tasks", "shortlist"):
            raw.execute(f"DROP TABLE {table}")
        raw.execute("UPDATE dse_schema SET version = 1")
    raw.close()
    before = path.read_bytes()
    url = f"sqlite:///{path}"
    with Store(url, read_only=True) as old:
        assert old.study("a") == old.studies()[0] == replace(record(), id=study)
        assert len(old.evaluations(study)) == 5
    assert path.read_bytes() == before
    changed = replace(record("b"), warm={"sources": []}, start=b"\0\1")
    with Store(url) as migrated:
        assert migrated.study("a") == replace(record(), id=study)
        assert migrated.create_study(changed) == replace(changed, id=study + 1)


def test_a_migration_that_fails_leaves_the_store_as_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(path)[0].close()

    def broken(connection: schema.Connection) -> None:
        connection.exec_driver_sql("ALTER TABLE studies ADD COLUMN note TEXT")
        raise RuntimeError("half-way")

    with monkeypatch.context() as patch:
        patch.setattr(schema, "LATEST", schema.LATEST + 1)
        patch.setitem(schema.MIGRATIONS, schema.LATEST - 1, broken)
        with pytest.raises(RuntimeError):
            Store(f"sqlite:///{path}")
    with sqlite3.connect(path) as raw:
        assert "note" not in [row[1] for row in raw.execute("PRAGMA table_info(studies)")]
    Store(f"sqlite:///{path}").close()


def test_a_full_disk_is_said_and_loses_nothing_committed(path: Path) -> None:
    store, study = make(path)
    store.append(study, commit(0, 5), rows(0, 5))
    with store._engine.connect() as connection:
        # SQLite's own way to run out of room at this size.
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    with pytest.raises(StoreError, match="full; make room"):
        store.append(study, commit(5, 5_000), rows(5, 5_000))
    assert len(store.evaluations(study)) == 5
    assert len(store.batches(study)) == 1
