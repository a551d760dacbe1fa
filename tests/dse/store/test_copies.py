"""Studies from one store to another, and what is said of a store."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from dse import Study, StudyView
from dse.errors import StoreError
from dse.store import Store
from dse.store.transfer import copy_study
from tests.commands import dse
from tests.dse.executors.test_pool import archive
from tests.dse.problems import tiling_problem


def run(url: str, budget: int, **changes: object) -> Study:
    return Study("a", tiling_problem(fail_every=11), "nsga2", seed=5, store=url, batch=25, **changes).run(
        budget
    )  # type: ignore[arg-type]


@pytest.fixture
def one(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/one.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def other(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/other.db"
    return str(request.getfixturevalue("url"))


def test_a_copy_is_the_study_and_goes_on_as_it(one: str, other: str) -> None:
    run(one, 110)
    with Store(one) as source, Store(other) as target:
        done = copy_study(source, target, "a")
        assert (done.evaluations, done.known) == (110, 0)
    assert archive(StudyView("a", other)) == archive(StudyView("a", one))
    assert archive(run(other, 200)) == archive(run(one, 200))


def test_a_study_that_is_there_gets_what_it_lacks(one: str, other: str) -> None:
    run(one, 100)
    with Store(one) as source, Store(other) as target:
        copy_study(source, target, "a")
        run(one, 175)
        done = copy_study(source, target, "a")
        assert (done.evaluations, done.known) == (75, 100)
        again = copy_study(source, target, "a")
        assert (again.evaluations, again.known) == (0, 175)
        shorter = copy_study(target, source, "a")
        assert (shorter.evaluations, shorter.known) == (0, 175)
    assert archive(StudyView("a", other)) == archive(StudyView("a", one))


def test_another_study_of_the_name_is_not_mixed_in(one: str, tmp_path: Path) -> None:
    other = f"sqlite:///{tmp_path}/other.db"
    run(one, 50)
    Study("a", tiling_problem(fail_every=11), "nsga2", seed=6, store=other, batch=25).run(50)
    with Store(one) as source, Store(other) as target:
        with pytest.raises(StoreError, match="has another study 'a': copy under another name, by --as NAME"):
            copy_study(source, target, "a")
        copy_study(source, target, "a", "b")
    assert archive(StudyView("b", other)) == archive(StudyView("a", one))


def test_the_commands(one: str, tmp_path: Path) -> None:
    run(one, 60)
    facts = json.loads(dse("store", "info", "--store", one, "--json", cwd=tmp_path).stdout)
    assert (facts["kind"], facts["schema"]) == ("sqlite", 5)
    assert [(study["name"], study["evaluations"]) for study in facts["studies"]] == [("a", 60)]
    assert "60" in dse("store", "info", "--store", one, cwd=tmp_path).stdout
    other = f"sqlite:///{tmp_path}/other.db"
    done = dse("store", "copy", other, "--store", one, cwd=tmp_path).stdout
    assert "a: 60 evaluations" in done
    assert "0 evaluations, 60 were there" in dse("store", "copy", other, "--store", one, cwd=tmp_path).stdout
    dse("store", "copy", other, "a", "--as", "b", "--store", one, cwd=tmp_path)
    assert [study.name for study in Store(other).studies()] == ["a", "b"]
    with Store(other) as store:
        store.delete_study("b")
    before = (tmp_path / "other.db").stat().st_size
    assert "MB" in dse("store", "vacuum", "--store", other, cwd=tmp_path).stdout
    assert (tmp_path / "other.db").stat().st_size <= before
    assert archive(StudyView("a", other)) == archive(StudyView("a", one))


def test_an_old_store_is_migrated_when_told(one: str, tmp_path: Path) -> None:
    run(one, 60)
    with sqlite3.connect(tmp_path / "one.db") as raw:
        for table in ("results", "workers", "leaders", "tasks", "shortlist"):
            raw.execute(f"DROP TABLE {table}")
        raw.execute("ALTER TABLE studies DROP COLUMN budget")
        raw.execute("UPDATE dse_schema SET version = 3")
    raw.close()
    assert "schema 3 -> 5" in dse("store", "migrate", "--store", one, cwd=tmp_path).stdout
    assert "schema 5, as it should be" in dse("store", "migrate", "--store", one, cwd=tmp_path).stdout
    assert len(run(one, 80)) == 80


@pytest.mark.parametrize("command", ["info", "vacuum", "migrate", "copy"])
def test_a_store_that_is_not_there_is_told_and_not_made(command: str, tmp_path: Path) -> None:
    target = ["sqlite:///x.db"] if command == "copy" else []
    done = dse("store", command, *target, "--store", "sqlite:///none.db", cwd=tmp_path, check=2)
    assert "there is no store 'none.db'" in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_server_is_vacuumed_and_described(url: str, tmp_path: Path) -> None:
    run(url, 30)
    facts = json.loads(dse("store", "info", "--store", url, "--json", cwd=tmp_path).stdout)
    assert facts["kind"] == "postgresql"
    assert facts["bytes"] > 0
    assert "MB" in dse("store", "vacuum", "--store", url, cwd=tmp_path).stdout
