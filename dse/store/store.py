"""`Store`: studies in a database, over SQLAlchemy Core."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from difflib import get_close_matches
from functools import cached_property
from itertools import repeat
from json import JSONDecodeError
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sqlalchemy import (
    Connection,
    Engine,
    Select,
    bindparam,
    create_engine,
    delete,
    event,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    IntegrityError,
    MultipleResultsFound,
    NoResultFound,
    NoSuchModuleError,
)
from sqlalchemy.pool import NullPool

from dse.errors import StoreError
from dse.store import schema
from dse.store.copying import copied
from dse.store.disks import check_local, is_shared
from dse.store.lost import check_arguments, explained, retried
from dse.store.records import BatchRow, EvaluationRows, StudyRecord
from dse.store.schema import BATCHES, EVALUATIONS, LEADERS, RESULTS, SHORTLIST, STUDIES, TASKS, WORKERS
from dse.store.shortlist import Shortlist
from dse.store.surrogates import SurrogateTable
from dse.store.team import TeamTable

BUSY_SECONDS = 30
PATIENCE = 60.0
COPIED_FROM = 20  # rows; fewer are inserted in less time than a copy takes to begin
SCHEMA_LOCK = 0x647365  # a number that other users of a server's advisory locks hardly take
LONGEST_ERROR = 10_000
ROWS_AT_ONCE = 2_000  # decoded together: many more are slower, as they leave the processor's caches
DAMAGED = "the file is damaged: restore a copy, or 'dse store salvage' what can be read"
NUMBERS_AT_ONCE = 10_000  # below SQLite's default limit of 32,766 variables


class Store:
    """A database of studies.

    Parameters
    ----------
    url
        ``sqlite:///FILE``, relative to the working directory, or ``sqlite:////absolute/path``; or
        ``postgresql://USER:PASSWORD@HOST/DATABASE``, for many machines.
    read_only
        Never write, nor create a file.
    patience
        Seconds for which a database server that cannot be reached, or that ended a connection, is tried
        again, before that is an error.
    must_exist
        Do not create a file.

    Raises
    ------
    StoreError
        One line with the mend, if the URL is none, the folder is missing or not writable, the file
        is no store, or its schema is newer than this version.

    Notes
    -----
    SQLite is used in WAL mode with ``synchronous=NORMAL``: a commit survives a killed process; readers and
    one writer do not wait for each other. On PostgreSQL a commit that was cut off is looked for before it is
    made again: nothing is lost and nothing doubled.
    """

    def __init__(
        self,
        url: str = "sqlite:///dse.db",
        *,
        read_only: bool = False,
        patience: float = PATIENCE,
        must_exist: bool = False,
    ) -> None:
        check_arguments(patience)
        self.url = url
        self.read_only = read_only
        self.patience = float(patience)
        parsed = _parse(url)
        self._shown = str(parsed)  # without the password
        if must_exist and parsed.get_backend_name() == "sqlite":
            _check_exists(Path(parsed.database or ""))
        self._engine = _engine(parsed, read_only)
        self._study_columns = list(STUDIES.c)
        try:
            self._prepare()
        except BaseException:
            self._engine.dispose()
            raise

    @property
    def remote(self) -> bool:
        """Whether it is a server's, whose connections may be lost."""
        return self._engine.dialect.name != "sqlite"

    def _prepare(self) -> None:
        with self._read() as connection:
            version = schema.stored_version(connection)
        if version is not None and version > schema.LATEST:
            raise StoreError(
                f"store {self._shown!r} has schema {version}, newer than this version's {schema.LATEST}: "
                "upgrade dse-toolkit"
            )
        if version == schema.LATEST:
            return
        if self.read_only and version is not None and version >= schema.OLDEST_READABLE:
            with self._read() as connection:
                self._study_columns = schema.stored_columns(connection, STUDIES)
            return
        if self.read_only:
            what = (
                "is empty" if version is None else f"has the older schema {version}: open it for writing once"
            )
            raise StoreError(f"store {self._shown!r} {what}")
        with self._write() as connection:
            if self.remote:  # another process may be making the tables at this moment
                connection.execute(select(func.pg_advisory_xact_lock(SCHEMA_LOCK)))
            schema.create_or_migrate(connection)

    @property
    def shown(self) -> str:
        """The URL without its password."""
        return self._shown

    def close(self) -> None:
        """Close the connections; the last one folds SQLite's log into the file."""
        self._engine.dispose()

    def facts(self) -> dict[str, str | int]:
        """Return what the database is: kind, schema (its version, 0 for an empty one), bytes."""
        with self._read() as connection:
            version = schema.stored_version(connection) or 0
            if self.remote:
                size = connection.execute(select(func.pg_database_size(func.current_database()))).scalar_one()
            else:
                pages, page = (
                    connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
                    for name in ("page_count", "page_size")
                )
                size = pages * page
        return {"kind": self._engine.dialect.name, "schema": version, "bytes": int(size)}

    def vacuum(self) -> None:
        """Give the room of deleted rows back to the disk, where the database can."""
        if self.read_only:
            raise StoreError(f"store {self._shown!r} is open for reading only")
        with self._explained():
            raw: Any = self._engine.raw_connection()
            try:
                # Neither database does it within a transaction.
                if self.remote:
                    raw.driver_connection.autocommit = True
                cursor = raw.cursor()
                cursor.execute("VACUUM")
                if not self.remote:
                    cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                cursor.close()
            finally:
                raw.invalidate()

    @cached_property
    def team(self) -> TeamTable:
        """The processes that work on studies, and what they share."""
        return TeamTable(self)

    @cached_property
    def shortlist(self) -> Shortlist:
        """The short lists of the studies."""
        return Shortlist(self)

    @cached_property
    def surrogates(self) -> SurrogateTable:
        """The versions of trained surrogates."""
        return SurrogateTable(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        with self._explained(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        if self.read_only:
            raise StoreError(f"store {self._shown!r} is open for reading only")
        options = {"dse_write": True}
        with self._explained(), self._engine.execution_options(**options).begin() as connection:
            yield connection

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except IntegrityError:
            raise
        except DBAPIError as error:
            told = explained if self.remote else _explain
            raise StoreError(told(self._shown, error)) from error
        except (UnicodeDecodeError, JSONDecodeError, NoResultFound, MultipleResultsFound) as error:
            raise StoreError(f"store {self._shown!r}: {error}; {DAMAGED}") from error
        except (UnicodeEncodeError, OverflowError) as error:
            raise StoreError(f"store {self._shown!r} cannot hold a value: {error}; give another") from error

    # Studies

    def create_study(
        self, record: StudyRecord, commits: Iterable[tuple[BatchRow, EvaluationRows]] = ()
    ) -> StudyRecord:
        """Store a new study and return it with its id; raise `StoreError` if the name exists.

        Parameters
        ----------
        commits
            Evaluations that it has from the start, as for `append`, in the same transaction.
        """
        values = {key: value for key, value in asdict(record).items() if key != "id"}
        try:
            with self._write() as connection:
                made = connection.execute(insert(STUDIES).values(values)).inserted_primary_key
                assert made is not None
                for batch, rows in commits:
                    self._commit(connection, made[0], batch, rows)
        except IntegrityError:
            raise StoreError(
                f"store {self._shown!r} has a study {record.name!r} already: take another name"
            ) from None
        return self.study(record.name)

    @retried
    def has_study(self, name: str) -> bool:
        """Return whether there is a study of that name."""
        with self._read() as connection:
            return connection.execute(select(STUDIES.c.id).where(STUDIES.c.name == name)).first() is not None

    @retried
    def study(self, name: str) -> StudyRecord:
        """Return a study by name; raise `StoreError`, naming those there are, if there is none."""
        with self._read() as connection:
            query = select(*self._study_columns).where(STUDIES.c.name == name)
            row = connection.execute(query).first()
            if row is not None:
                return StudyRecord(**row._mapping)
            names = list(connection.execute(select(STUDIES.c.name).order_by(STUDIES.c.id.desc())).scalars())
        near = get_close_matches(name, names, n=3) or names[:3]
        known = f"it has {', '.join(map(repr, near))}" if near else "it is empty"
        raise StoreError(f"store {self._shown!r} has no study {name!r}; {known}")

    @retried
    def studies(self) -> list[StudyRecord]:
        """Return all studies, oldest first."""
        with self._read() as connection:
            return [
                StudyRecord(**row._mapping)
                for row in connection.execute(select(*self._study_columns).order_by(STUDIES.c.id))
            ]

    @retried
    def update_study(
        self,
        study_id: int,
        *,
        state: str | None = None,
        reference: Sequence[float] | None = None,
        budget: int | None = None,
    ) -> None:
        """Change a study's state, reference point or budget; what is None stays."""
        changes = {
            "state": state, "reference": None if reference is None else list(reference), "budget": budget
        }  # fmt: skip
        values = {key: value for key, value in changes.items() if value is not None}
        with self._write() as connection:
            connection.execute(update(STUDIES).where(STUDIES.c.id == study_id).values(values))

    @retried
    def delete_study(self, name: str) -> None:
        """Delete a study with its evaluations; raise `StoreError` if there is none of that name."""
        record = self.study(name)
        with self._write() as connection:
            for table in (SHORTLIST, EVALUATIONS, BATCHES, RESULTS, TASKS, LEADERS, WORKERS):
                connection.execute(table.delete().where(table.c.study_id == record.id))
            connection.execute(STUDIES.delete().where(STUDIES.c.id == record.id))

    # Evaluations

    @retried
    def append(
        self,
        study_id: int,
        batch: BatchRow,
        rows: EvaluationRows,
        *,
        settled: Sequence[bytes] = (),
        leader: int | None = None,
    ) -> None:
        """Store a commit: evaluations and the front's change, in one transaction.

        Parameters
        ----------
        settled
            Designs of which `keep` stored results: these are among the evaluations now.
        leader
            The worker that commits, where another may take over; see `dse.store.team.TeamTable`.

        Raises
        ------
        LeadLost
            If that worker does not lead the study any more.
        StoreError
            If another process stored the same evaluations or the same batch, the study was deleted, or
            the database cannot be written. Nothing of the commit is stored then.
        """
        try:
            with self._write() as connection:
                if leader is not None:
                    self.team.check(connection, study_id, leader)
                if self.remote and self._is_committed(connection, study_id, batch):
                    return  # by an attempt whose answer was lost
                self._commit(connection, study_id, batch, rows)
                if settled:
                    done = delete(RESULTS).where(
                        RESULTS.c.study_id == study_id, RESULTS.c.design == bindparam("settled")
                    )
                    connection.execute(done, [{"settled": design} for design in settled])
        except IntegrityError:
            if all(study.id != study_id for study in self.studies()):
                raise StoreError(
                    f"store {self._shown!r}: the study was deleted while it ran; start it anew"
                ) from None
            raise StoreError(
                f"evaluation {batch.first} is stored already: another process is running this study; "
                "wait for it to end, or stop it"
            ) from None

    def _commit(self, connection: Connection, study_id: int, batch: BatchRow, rows: EvaluationRows) -> None:
        values = list(
            zip(
                repeat(study_id, len(rows)),
                rows.number.tolist(),
                rows.batch.tolist(),
                rows.state.tolist(),
                _nullable(rows.violation),
                _nullable(rows.seconds),
                _records(rows.designs),
                _metric_records(rows.metrics),
                [_bounded(text) for text in rows.error_texts()],
                strict=True,
            )
        )
        commit = {
            "study_id": study_id,
            "batch": batch.batch,
            "first": batch.first,
            "count": batch.count,
            "told": None if batch.told is None else _numbers_to_bytes(batch.told),
            "started_at": batch.started_at,
            "ask_seconds": batch.ask_seconds,
            "evaluate_seconds": batch.evaluate_seconds,
            "front_size": batch.front_size,
            "hypervolume": batch.hypervolume,
            "front_added": _numbers_to_bytes(batch.front_added),
            "front_removed": _numbers_to_bytes(batch.front_removed),
        }
        if values:
            self._insert(connection, values)
        else:
            self._refuse_told(connection, study_id, batch.batch)
        connection.execute(insert(BATCHES), commit)

    @staticmethod
    def _is_committed(connection: Connection, study_id: int, batch: BatchRow) -> bool:
        """Return whether this very commit is stored: no other has its place and its moment."""
        table = BATCHES.c
        query = select(table.first, table.count, table.started_at, table.ask_seconds, table.evaluate_seconds)
        query = query.where(table.study_id == study_id).order_by(table.sequence.desc()).limit(1)
        last = connection.execute(query).first()
        mine = (batch.first, batch.count, batch.started_at, batch.ask_seconds, batch.evaluate_seconds)
        return last is not None and tuple(last) == mine

    @staticmethod
    def _refuse_told(connection: Connection, study_id: int, batch: int) -> None:
        """Raise `StoreError` for a commit without evaluations, whose keys would tell, if it is there."""
        table = BATCHES.c
        whole = table.told.is_not(None) | (table.count == 0)
        query = select(table.batch, whole).where(table.study_id == study_id)
        last = connection.execute(query.order_by(table.sequence.desc()).limit(1)).first()
        if last is not None and (last[0] > batch or (last[0] == batch and last[1])):
            raise StoreError(
                f"batch {batch} is stored already: another process is running this study; "
                "wait for it to end, or stop it"
            )

    @cached_property
    def _evaluation_insert(self) -> tuple[str, list[str] | None]:
        """The driver's statement, and its parameters in order; None where the driver takes them by name."""
        compiled = insert(EVALUATIONS).compile(dialect=self._engine.dialect, column_keys=EVALUATIONS.c.keys())
        return str(compiled), compiled.positiontup if compiled.positional else None

    def _insert(self, connection: Connection, values: list[tuple[Any, ...]]) -> None:
        # Past the per-row processing of SQLAlchemy, which these plain types do not need.
        if self.remote and len(values) >= COPIED_FROM:
            copied(connection, EVALUATIONS, values)
            return
        statement, order = self._evaluation_insert
        names = EVALUATIONS.c.keys()
        if order == names:
            connection.exec_driver_sql(statement, values)
        else:
            connection.exec_driver_sql(statement, [dict(zip(names, row, strict=True)) for row in values])

    @retried
    def keep(self, study_id: int, rows: EvaluationRows, *, leader: int | None = None) -> None:
        """Store results that came before those of designs proposed earlier, for a run that is killed.

        Raises
        ------
        StoreError
            As `append`. Nothing is stored then.
        """
        try:
            with self._write() as connection:
                if leader is not None:
                    self.team.check(connection, study_id, leader)
                self._insert_results(connection, study_id, rows)
        except IntegrityError:
            raise StoreError(
                "a result is stored already, or the study was deleted: another process is running it; wait "
                "for it to end, or stop it"
            ) from None

    def _insert_results(self, connection: Connection, study_id: int, rows: EvaluationRows) -> None:
        columns = (
            rows.state.tolist(),
            _nullable(rows.violation),
            _nullable(rows.seconds),
            _records(rows.designs),
            _metric_records(rows.metrics),
            [_bounded(text) for text in rows.error_texts()],
        )
        names = ("state", "violation", "seconds", "design", "metrics", "error")
        values = [
            {"study_id": study_id, **dict(zip(names, row, strict=True))} for row in zip(*columns, strict=True)
        ]
        if self.remote:  # an attempt whose answer was lost may have stored them
            known = select(RESULTS.c.design).where(RESULTS.c.study_id == study_id)
            stored = set(connection.execute(known).scalars())
            values = [item for item in values if item["design"] not in stored]
        if values:
            connection.execute(insert(RESULTS), values)

    @retried
    def kept(self, study_id: int, *, designs: Sequence[bytes] | None = None) -> EvaluationRows:
        """Return the results that are stored and are no evaluations yet, numbered from 0; of some designs."""
        table = RESULTS.c
        query = select(
            literal(0), literal(0), table.state, table.violation, table.seconds, table.design, table.metrics,
            table.error,
        ).where(table.study_id == study_id)  # fmt: skip
        parts = [query]
        if designs is not None:
            parts = [
                query.where(table.design.in_(designs[first : first + NUMBERS_AT_ONCE]))
                for first in range(0, len(designs), NUMBERS_AT_ONCE)
            ]
        with self._read() as connection:
            found = [row for part in parts for row in connection.execute(part)]
        return rows_of([(number, *row[1:]) for number, row in enumerate(found)])

    @retried
    def evaluations(
        self,
        study_id: int,
        *,
        start: int = 0,
        stop: int | None = None,
        numbers: ArrayLike | None = None,
        states: Sequence[str] | None = None,
    ) -> EvaluationRows:
        """Return evaluations ordered by number.

        Parameters
        ----------
        start, stop
            A range of numbers; all by default.
        numbers
            These numbers only.
        states
            Evaluations in these states only.
        """
        query, number = _select(study_id, states), EVALUATIONS.c.number
        with self._read() as connection:
            if numbers is None:
                query = query.where(number >= start)
                return self._fetch(connection, query if stop is None else query.where(number < stop))
            wanted = np.unique(np.asarray(numbers, np.int64)).tolist()
            parts = [
                self._fetch(connection, query.where(number.in_(wanted[first : first + NUMBERS_AT_ONCE])))
                for first in range(0, len(wanted), NUMBERS_AT_ONCE)
            ]
        return EvaluationRows.concat(parts or [rows_of([])])

    def iter_evaluations(
        self, study_id: int, chunk: int = 50_000, *, states: Sequence[str] | None = None
    ) -> Iterator[EvaluationRows]:
        """Yield the evaluations ordered by number, at most `chunk` at once: in constant memory.

        No transaction is held between chunks, so a run may go on meanwhile; what it adds is yielded too.
        """
        if chunk < 1:
            raise StoreError(f"chunk {chunk} must be at least 1")
        query, number, last = _select(study_id, states).limit(chunk), EVALUATIONS.c.number, -1
        while True:
            with self._read() as connection:
                rows = self._fetch(connection, query.where(number > last))
            if not len(rows):
                return
            yield rows
            if len(rows) < chunk:
                return
            last = int(rows.number[-1])

    def _fetch(self, connection: Connection, query: Select[Any]) -> EvaluationRows:
        found = connection.execute(query, execution_options={"yield_per": ROWS_AT_ONCE})
        try:
            return EvaluationRows.concat([rows_of(part) for part in found.partitions()] or [rows_of([])])
        except (DBAPIError, UnicodeDecodeError):
            raise
        except (ValueError, TypeError) as error:  # records of unequal width, text among numbers
            raise StoreError(f"store {self._shown!r}: {error}; {DAMAGED}") from error

    @retried
    def count(self, study_id: int) -> dict[str, int]:
        """Return the number of evaluations by state, those states that there are."""
        table = EVALUATIONS.c
        query = select(table.state, func.count()).where(table.study_id == study_id).group_by(table.state)
        with self._read() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    @retried
    def failures(self, study_id: int, limit: int = 20) -> list[tuple[str, int, int]]:
        """Return the most frequent errors: text, count, and the number of the first example."""
        table = EVALUATIONS.c
        count, example = func.count().label("times"), func.min(table.number).label("example")
        query = (
            select(table.error, count, example)
            .where(table.study_id == study_id, table.error.is_not(None))
            .group_by(table.error)
            .order_by(count.desc(), example)
            .limit(limit)
        )
        with self._read() as connection:
            return [(error, times, number) for error, times, number in connection.execute(query)]

    # Batches and fronts

    @retried
    def batches(self, study_id: int) -> list[BatchRow]:
        """Return the commits of a study in order."""
        columns = [column for column in BATCHES.c if column.name not in ("sequence", "study_id")]
        query = select(*columns).where(BATCHES.c.study_id == study_id).order_by(BATCHES.c.sequence)
        with self._read() as connection:
            rows = connection.execute(query).all()
        found = []
        for row in rows:
            values = dict(row._mapping)
            for key in ("told", "front_added", "front_removed"):
                values[key] = None if values[key] is None else _numbers_from_bytes(values[key])
            found.append(BatchRow(**values))
        return found

    @retried
    def history(self, study_id: int) -> dict[str, NDArray[Any]]:
        """Return a study's progress, columns with an entry a batch.

        Returns
        -------
        evaluations (so far), hypervolume (NaN where unknown), front_size, seconds (so far).
        """
        table = BATCHES.c
        columns = (table.batch, table.count, table.hypervolume, table.front_size,
                   table.ask_seconds + table.evaluate_seconds)  # fmt: skip
        query = select(*columns).where(table.study_id == study_id).order_by(table.sequence)
        with self._read() as connection:
            rows = connection.execute(query).all()
        batch, count, volume, size, seconds = list(zip(*rows, strict=True)) if rows else [()] * 5
        index = np.array(batch, np.int64)
        last = np.flatnonzero(np.diff(index, append=-1) != 0)  # of the commits of a batch
        return {
            "evaluations": np.cumsum(np.array(count, np.int64))[last],
            "hypervolume": np.array(volume, float)[last],
            "front_size": np.array(size, np.int64)[last],
            "seconds": np.cumsum(np.array(seconds, float))[last],
        }

    @retried
    def progress(self, study_id: int) -> tuple[int, int]:
        """Return how many commits, and evaluations, a study has."""
        query = select(func.count(), func.coalesce(func.sum(BATCHES.c.count), 0))
        with self._read() as connection:
            commits, evaluations = connection.execute(query.where(BATCHES.c.study_id == study_id)).one()
        return int(commits), int(evaluations)

    @retried
    def recent_commits(self, study_id: int, most: int = 30) -> list[tuple[str, int]]:
        """Return when the last commits were made, and of how many evaluations, the oldest first."""
        table = BATCHES.c
        query = select(table.started_at, table.count).where(table.study_id == study_id)
        with self._read() as connection:
            rows = connection.execute(query.order_by(table.sequence.desc()).limit(most)).all()
        return [(moment, int(count)) for moment, count in reversed(rows)]

    @retried
    def latest(self, study_id: int) -> tuple[int, float | None]:
        """Return the size and the hypervolume (None where unknown) of a study's front."""
        table = BATCHES.c
        query = select(table.front_size, table.hypervolume).where(table.study_id == study_id)
        with self._read() as connection:
            last = connection.execute(query.order_by(table.sequence.desc()).limit(1)).first()
        return (0, None) if last is None else (int(last[0]), last[1])

    @retried
    def front_numbers(self, study_id: int, *, commits: int | None = None) -> NDArray[np.int64]:
        """Return the evaluation numbers of the front, in ascending order.

        Parameters
        ----------
        commits
            After this many commits, as `batches` counts them; all by default.
        """
        table = BATCHES.c
        query = select(table.front_added, table.front_removed).where(table.study_id == study_id)
        query = query.order_by(table.sequence).limit(commits)
        with self._read() as connection:
            rows = connection.execute(query).all()
        added = _numbers_from_bytes(b"".join(row[0] for row in rows))
        removed = _numbers_from_bytes(b"".join(row[1] for row in rows))
        return np.setdiff1d(added, removed)  # what was dominated once stays so


# Packing


def _select(study_id: int, states: Sequence[str] | None) -> Select[Any]:
    table = EVALUATIONS.c
    query = select(
        table.number, table.batch, table.state, table.violation, table.seconds, table.design, table.metrics,
        table.error,
    )  # fmt: skip
    query = query.where(table.study_id == study_id).order_by(table.number)
    return query if states is None else query.where(table.state.in_(states))


def _nullable(column: NDArray[np.float64]) -> list[float | None]:
    return [None if value != value else value for value in column.tolist()]


def _records(matrix: NDArray[Any]) -> list[bytes]:
    width = matrix.shape[1] * matrix.itemsize
    data = np.ascontiguousarray(matrix).tobytes()
    return [data[start : start + width] for start in range(0, len(matrix) * width, width)]


def _metric_records(metrics: NDArray[np.float64]) -> list[bytes | None]:
    records: list[bytes | None] = list(_records(metrics.astype("<f8")))
    for row in np.flatnonzero(np.isnan(metrics).all(axis=1)).tolist():
        records[row] = None
    return records


def _bounded(text: str | None) -> str | None:
    if text is None:
        return None
    # Lone surrogates and NUL are no text to a database.
    text = text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
    return text if len(text) <= LONGEST_ERROR else f"{text[:LONGEST_ERROR]}... ({len(text)} characters)"


def _numbers_to_bytes(numbers: NDArray[np.int64]) -> bytes:
    return np.asarray(numbers, "<i8").tobytes()


def _numbers_from_bytes(data: bytes) -> NDArray[np.int64]:
    return np.frombuffer(data, "<i8").astype(np.int64)


def rows_of(rows: Sequence[Any]) -> EvaluationRows:
    """Return rows as a database gives them, columnar."""
    number, batch, state, violation, seconds, design, metrics, error = (
        zip(*rows, strict=True) if rows else [()] * 8
    )  # fmt: skip
    width = len(design[0]) if rows else 0
    wide = next((len(record) for record in metrics if record is not None), 0)
    missing = np.full(wide // 8, np.nan).astype("<f8").tobytes()
    values = np.frombuffer(b"".join(missing if record is None else record for record in metrics), "<f8")
    return EvaluationRows(
        number=np.array(number, np.int64),
        batch=np.array(batch, np.int64),
        state=np.array(state, dtype="U10"),
        violation=np.array(violation, float),
        seconds=np.array(seconds, float),
        designs=np.frombuffer(b"".join(design), np.uint8).reshape(len(rows), width),
        metrics=values.astype(float).reshape(len(rows), wide // 8),
        errors={n: text for n, text in zip(number, error, strict=True) if text is not None},
    )


# Opening


def _parse(url: str) -> URL:
    if not isinstance(url, str) or "://" not in url:
        raise StoreError(f"store {url!r} is no URL: write sqlite:///{url}")
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise StoreError(f"store {url!r} is no URL, as in sqlite:///dse.db") from None
    if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise StoreError(f"store {url!r} names no file: write sqlite:///dse.db")
    return parsed


def _engine(url: URL, read_only: bool) -> Engine:
    try:
        return _sqlite_engine(url, read_only) if url.get_backend_name() == "sqlite" else _server_engine(url)
    except NoSuchModuleError:
        raise StoreError(
            f"store {str(url)!r}: there is no database {url.drivername!r}; use sqlite:///dse.db, or postgresql://"
        ) from None
    except ModuleNotFoundError as error:
        extra = "pip install 'dse-toolkit[postgres]'" if error.name == "psycopg" else "install it"
        raise StoreError(f"store {str(url)!r} needs the package {error.name!r}: {extra}") from None


def _server_engine(url: URL) -> Engine:
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername != "postgresql+psycopg":
        raise NoSuchModuleError
    # A connection that the server closed meanwhile is noticed before it is used.
    return create_engine(url, pool_pre_ping=True, pool_size=2, connect_args={"connect_timeout": 10})


def _sqlite_engine(url: URL, read_only: bool) -> Engine:
    assert url.database is not None
    path = Path(url.database)
    if path.is_dir():
        raise StoreError(f"store {url.database!r} is a folder: name a file in it")
    connection: dict[str, Any] = {}
    if read_only:
        _check_exists(path)
        writable = os.access(path.parent, os.W_OK) and os.access(path, os.W_OK)
        # Without the right to write, how to open depends on whether another process writes at that moment.
        connection = {"creator": lambda: _open_to_read(path, writable)}
        connection |= {} if writable else {"poolclass": NullPool}
    elif not path.parent.is_dir():
        raise StoreError(f"there is no folder {str(path.parent)!r} for store {url.database!r}: make it first")
    else:
        check_local(path)
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS}, **connection)
    shared = is_shared(path)

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, record: Any) -> None:
        # The driver's own transactions would begin too late: they are begun below.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA foreign_keys=ON")
        if read_only:
            cursor.execute("PRAGMA query_only=ON")
        else:
            # A log is shared memory, which processes of several machines do not have.
            cursor.execute(f"PRAGMA journal_mode={'DELETE' if shared else 'WAL'}")
            cursor.execute(f"PRAGMA synchronous={'FULL' if shared else 'NORMAL'}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A writer takes its lock at once, so that it never has to give up half-way.
        writes = connection.get_execution_options().get("dse_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _check_exists(path: Path) -> None:
    if not path.is_file():
        raise StoreError(f"there is no store {str(path)!r}: run a study first, or name another with --store")


def _open_to_read(path: Path, writable: bool) -> sqlite3.Connection:
    if writable:
        mode = "rw"  # refusing to write below, but the last reader can clear the log away
    elif _has_log(path):
        mode = "ro"  # the latest commits are in the log
    else:
        mode = "ro&immutable=1"  # there is no room for a log
    where = f"file:{quote(str(path))}?mode={mode}"
    return sqlite3.connect(where, uri=True, timeout=BUSY_SECONDS, check_same_thread=False)


def _has_log(path: Path) -> bool:
    log = Path(f"{path}-wal")
    return log.is_file() and log.stat().st_size > 0


def _explain(url: str, error: DBAPIError) -> str:
    reason = " ".join(str(error.orig).split())  # SQLite quotes a damaged schema over several lines
    for sign, mend in (
        ("unable to open", "check that the folder exists and may be written"),
        ("not a database", "it is no SQLite file: choose another"),
        ("malformed", DAMAGED),
        ("no such", DAMAGED),
        ("Could not decode", DAMAGED),
        ("locked", "another process holds it: wait for it to end"),
        ("readonly", "the file or its folder may not be written"),
        ("full", "make room: what was committed is safe, and the same command goes on"),
        ("disk I/O", "the disk failed or is out of reach"),
    ):
        if sign in reason:
            return f"store {url!r}: {reason}; {mend}"
    return f"store {url!r}: {reason}"
