"""A study as a Parquet file: a table for others, the same study again for us."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from dse import Study, StudyView
from dse.errors import StoreError, StudyError
from dse.interop.parquet import KEY, from_parquet, to_parquet
from tests.commands import dse
from tests.dse.executors.test_pool import archive
from tests.dse.problems import mixed_problem, tiling_problem


@pytest.fixture
def study(tmp_path: Path) -> Study:
    # A budget within a batch: what is left of it is proposed again.
    made = Study(
        "a", tiling_problem(fail_every=11), "nsga2", seed=3, store=f"sqlite:///{tmp_path}/a.db", batch=30
    )
    return made.run(200)


def test_it_is_the_same_study_and_goes_on_as_that(study: Study, tmp_path: Path) -> None:
    to_parquet(study, tmp_path / "a.parquet")
    target = f"sqlite:///{tmp_path}/b.db"
    found = from_parquet(tmp_path / "a.parquet", target)
    assert archive(found) == archive(study)
    assert found.reference == study.reference
    assert (found.store.evaluations(found.id).designs == study.store.evaluations(study.id).designs).all()
    again = Study("a", tiling_problem(fail_every=11), "nsga2", seed=3, store=target, batch=30).run(300)
    assert archive(again) == archive(study.run(300))


def test_reals_come_back_bit_for_bit(tmp_path: Path) -> None:
    study = Study("a", mixed_problem(), "random", store=f"sqlite:///{tmp_path}/a.db").run(300)
    to_parquet(study, tmp_path / "a.parquet")
    assert archive(from_parquet(tmp_path / "a.parquet", study.store, "b")) == archive(study)


def test_other_programs_read_a_table(study: Study, tmp_path: Path) -> None:
    dse("export", "a", "--to", "parquet", "-o", "a.parquet", "--store", study.store.url, cwd=tmp_path)
    frame = pd.read_parquet(tmp_path / "a.parquet")
    expected = study.evaluations().set_index("number")
    assert frame[list(expected)].equals(expected)
    assert (frame["dse.seconds"] >= 0).all()


def test_the_command_and_its_errors(study: Study, tmp_path: Path) -> None:
    store = study.store.url
    to_parquet(study, tmp_path / "a.parquet")
    study.evaluations().to_parquet(tmp_path / "plain.parquet")
    (tmp_path / "text.parquet").write_text("no")
    command = ("import", "--from", "parquet", "--store", store)
    assert "200" in dse(*command, "a.parquet", "--name", "b", cwd=tmp_path).stdout
    assert StudyView("b", store).front().equals(study.front())
    for arguments, told in (
        (["a.parquet"], "has a study 'a' already"),
        (["plain.parquet"], "a table without a study: start a run from its designs, by --warm plain.parquet"),
        (["text.parquet"], "cannot be read as Parquet"),
        (["none.parquet"], "cannot be read as Parquet"),
        (["a.parquet", "--lossy"], "--lossy means nothing to --from parquet"),
    ):
        assert told in dse(*command, *arguments, cwd=tmp_path, check=2).stderr


def test_a_file_that_was_changed_is_refused(study: Study, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    to_parquet(study, path)
    table = pq.read_table(path)
    told = (table.schema.metadata or {})[KEY]
    other = Study("other", tiling_problem(), "random", store=study.store)
    for broken in (
        table.slice(0, 150),
        table.drop_columns(["tile_m"]),
        table.drop_columns(["dse.batch"]),
        table.replace_schema_metadata({KEY: told[:-9]}),
        table.replace_schema_metadata({KEY: b'{"format": 1}'}),
        table.replace_schema_metadata({KEY: told.replace(b'"first": 30', b'"first": 31')}),
    ):
        pq.write_table(broken, path)
        with pytest.raises(StudyError, match="damaged, or was changed"):
            from_parquet(path, study.store, "b")
    pq.write_table(table.replace_schema_metadata({KEY: told.replace(b'"format": 1', b'"format": 9')}), path)
    with pytest.raises(StudyError, match="is of format 9, not 1: upgrade"):
        from_parquet(path, study.store, "b")
    assert not study.store.has_study("b")
    pq.write_table(table, path)
    with pytest.raises(StoreError, match="has a study 'other' already"):
        from_parquet(path, study.store, other.name)
