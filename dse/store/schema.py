"""Tables, and the migrations between their versions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    inspect,
    select,
    update,
)
from sqlalchemy.schema import CreateColumn

from dse.errors import StoreError

METADATA = MetaData()

SCHEMA_VERSION = Table("dse_schema", METADATA, Column("version", Integer, nullable=False))

STUDIES = Table(
    "studies",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("fingerprint", String(64), nullable=False),
    Column("problem", JSON, nullable=False),
    Column("searcher", JSON, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("versions", JSON, nullable=False),
    Column("created_at", String(40), nullable=False),
    Column("state", String(16), nullable=False),
    Column("reference", JSON(none_as_null=True)),
    Column("warm", JSON(none_as_null=True)),
    Column("start", LargeBinary),
    Column("budget", BigInteger),
    # A deleted study's key is not given to another: a process still running the old one would write to it.
    sqlite_autoincrement=True,
)

EVALUATIONS = Table(
    "evaluations",
    METADATA,
    Column("study_id", ForeignKey("studies.id", ondelete="CASCADE"), primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("batch", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("violation", Double),
    Column("seconds", Double),
    Column("design", LargeBinary, nullable=False),
    Column("metrics", LargeBinary),
    Column("error", Text),
    sqlite_with_rowid=False,
)

BATCHES = Table(
    "batches",
    METADATA,
    Column("sequence", Integer, primary_key=True),
    Column("study_id", ForeignKey("studies.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("batch", BigInteger, nullable=False),
    Column("first", BigInteger, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("told", LargeBinary),
    Column("started_at", String(40), nullable=False),
    Column("ask_seconds", Double, nullable=False),
    Column("evaluate_seconds", Double, nullable=False),
    Column("front_size", BigInteger, nullable=False),
    Column("hypervolume", Double),
    Column("front_added", LargeBinary, nullable=False),
    Column("front_removed", LargeBinary, nullable=False),
)

# Results of a batch under way that came before those of earlier designs: moved to the evaluations with these.
RESULTS = Table(
    "results",
    METADATA,
    Column("study_id", ForeignKey("studies.id", ondelete="CASCADE"), primary_key=True),
    Column("design", LargeBinary, primary_key=True),
    Column("state", String(16), nullable=False),
    Column("violation", Double),
    Column("seconds", Double),
    Column("metrics", LargeBinary),
    Column("error", Text),
    sqlite_with_rowid=False,
)

# Processes that work on a study; `beat` is counted up while one lives.
WORKERS = Table(
    "workers",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("study_id", ForeignKey("studies.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("host", Text, nullable=False),
    Column("machine", Text, nullable=False),
    Column("process", BigInteger, nullable=False),
    Column("started", Text, nullable=False),
    Column("slots", Integer, nullable=False),
    Column("beat", BigInteger, nullable=False),
    sqlite_autoincrement=True,  # an id is never given again
)

# The one of them that proposes, tells and commits.
LEADERS = Table(
    "leaders",
    METADATA,
    Column("study_id", ForeignKey("studies.id", ondelete="CASCADE"), primary_key=True),
    Column("worker", BigInteger, nullable=False),
)

# Designs that a leader gives out: to nobody yet (no owner), to the worker that evaluates them, or done.
TASKS = Table(
    "tasks",
    METADATA,
    Column("study_id", ForeignKey("studies.id", ondelete="CASCADE"), primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("designs", LargeBinary, nullable=False),
    Column("owner", BigInteger),
    Column("done", Boolean, nullable=False),
    Column("deaths", Integer, nullable=False),  # of workers that had it
    sqlite_with_rowid=False,
)

# Designs that somebody wants to come back to.
SHORTLIST = Table(
    "shortlist",
    METADATA,
    Column("study_id", ForeignKey("studies.id", ondelete="CASCADE"), primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("note", Text, nullable=False),
    Column("added_at", String(40), nullable=False),
    sqlite_with_rowid=False,
)

# Whatever is stored once under the hash of its bytes: trained surrogates.
ARTEFACTS = Table(
    "artefacts",
    METADATA,
    Column("digest", String(64), primary_key=True),
    Column("data", LargeBinary, nullable=False),
)

SURROGATES = Table(
    "surrogates",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("created_at", String(40), nullable=False),
    Column("promoted_at", String(40)),
    Column("digest", String(64), nullable=False, index=True),  # of an artefact, unless it was pruned
    Column("provenance", JSON, nullable=False),
    Column("report", JSON, nullable=False),
    UniqueConstraint("name", "version"),
    sqlite_autoincrement=True,
)

# One version of a name serves, whoever promotes at the same moment.
Index(
    "surrogates_serving",
    SURROGATES.c.name,
    unique=True,
    sqlite_where=SURROGATES.c.state == "serving",
    postgresql_where=SURROGATES.c.state == "serving",
)

LATEST = 5

# From this version on a database is read without being migrated: what it lacks is None, or not there.
OLDEST_READABLE = 1


def _add_warm_starts(connection: Connection) -> None:
    _add_columns(connection, STUDIES.c.warm, STUDIES.c.start)


def _add_columns(connection: Connection, *columns: Column[Any]) -> None:
    for column in columns:
        added = CreateColumn(column).compile(dialect=connection.dialect)
        connection.exec_driver_sql(f"ALTER TABLE {STUDIES.name} ADD COLUMN {added}")


def _add_surrogates(connection: Connection) -> None:
    for table in (ARTEFACTS, SURROGATES):
        table.create(connection)


def _add_results(connection: Connection) -> None:
    RESULTS.create(connection)


def _add_team(connection: Connection) -> None:
    for table in (WORKERS, LEADERS, TASKS, SHORTLIST):
        table.create(connection)
    _add_columns(connection, STUDIES.c.budget)


# The migration from version k to k + 1 stands at key k.
MIGRATIONS: dict[int, Callable[[Connection], None]] = {
    1: _add_warm_starts,
    2: _add_surrogates,
    3: _add_results,
    4: _add_team,
}


def stored_version(connection: Connection) -> int | None:
    """Return the schema version of a database; None if it is empty.

    Raises
    ------
    StoreError
        If the database holds something else.
    """
    tables = inspect(connection).get_table_names()
    if SCHEMA_VERSION.name in tables:
        version: int = connection.execute(select(SCHEMA_VERSION.c.version)).scalar_one()
        return version
    if tables:
        raise StoreError(f"this database holds other tables ({', '.join(tables[:3])}): choose another")
    return None


def stored_columns(connection: Connection, table: Table) -> list[Column[Any]]:
    """Return those columns of a table that a database has: an older one lacks some."""
    names = {column["name"] for column in inspect(connection).get_columns(table.name)}
    return [column for column in table.c if column.name in names]


def create_or_migrate(connection: Connection) -> None:
    """Bring a database to the latest schema, within the caller's transaction."""
    version = stored_version(connection)
    if version is None:
        METADATA.create_all(connection)
        connection.execute(SCHEMA_VERSION.insert().values(version=LATEST))
        return
    while version < LATEST:
        MIGRATIONS[version](connection)
        version += 1
        connection.execute(update(SCHEMA_VERSION).values(version=version))
