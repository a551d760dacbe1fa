"""`SurrogateTable`: the versions of trained surrogates in a store, and their bytes by hash."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from dataclasses import asdict
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import Connection, delete, func, insert, inspect, select, update
from sqlalchemy.exc import IntegrityError

from dse.errors import StoreError
from dse.store.records import SurrogateRecord
from dse.store.schema import ARTEFACTS, SURROGATES

if TYPE_CHECKING:
    from dse.store.store import Store

T = TypeVar("T")

CANDIDATE, SERVING, RETIRED, REJECTED = "candidate", "serving", "retired", "rejected"
ATTEMPTS = 5  # where several processes take the same version number at once


class SurrogateTable:
    """The surrogates of a store.

    Parameters
    ----------
    store
        One of a schema that had no surrogates yet has none.

    Notes
    -----
    Versions are numbered by the store, and one of a name serves at most: the database itself refuses a
    second, whichever processes write. Artefacts are kept under the SHA-256 hash of their bytes, which is
    checked whenever they are read.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(
        self, record: SurrogateRecord, artefact: bytes, *, instead_of: int | None = None
    ) -> SurrogateRecord:
        """Store a new version and return it with its number, digest and id.

        Parameters
        ----------
        record
            Its version is not read. Where its state is ``serving`` but the version that serves is not the
            expected one, it is stored as a ``candidate``: it was not made to replace that.
        artefact
            The surrogate's bytes.
        instead_of
            The id of the version that is expected to serve; None for none.
        """
        digest = hashlib.sha256(artefact).hexdigest()

        def write(connection: Connection) -> int:
            state, promoted = record.state, record.promoted_at
            if state == SERVING:
                if _serving(connection, record.name) == instead_of:
                    promoted = _now()
                    _retire(connection, record.name)
                else:
                    state = CANDIDATE
            if not _holds(connection, digest):
                connection.execute(insert(ARTEFACTS).values(digest=digest, data=artefact))
            values = asdict(record) | {
                "version": _last(connection, record.name) + 1,
                "state": state,
                "promoted_at": promoted,
                "digest": digest,
            }
            del values["id"]
            made = connection.execute(insert(SURROGATES).values(values)).inserted_primary_key
            assert made is not None
            return int(made[0])

        return self._by_id(self._write(write))

    def versions(self, name: str | None = None) -> list[SurrogateRecord]:
        """Return the versions of a name, oldest first; of all names by default."""
        query = select(SURROGATES).order_by(SURROGATES.c.name, SURROGATES.c.version)
        if name is not None:
            query = query.where(SURROGATES.c.name == name)
        with self._store._read() as connection:
            if not _has_table(connection):
                return []
            return [SurrogateRecord(**row._mapping) for row in connection.execute(query)]

    def version(self, name: str, number: int | None = None) -> SurrogateRecord:
        """Return a version; by default the one that serves.

        Raises
        ------
        StoreError
            If there is none: it says which there are.
        """
        known = self.versions(name)
        for record in known:
            if record.version == number or (number is None and record.state == SERVING):
                return record
        shown = self._store.shown
        if not known:
            names = list(dict.fromkeys(record.name for record in self.versions()))
            near = get_close_matches(name, names, n=3) or names[:3]
            there = f"it has {', '.join(map(repr, near))}" if near else "it has none yet"
            raise StoreError(
                f"store {shown!r} has no surrogate {name!r}; {there}; 'dse surrogate train' makes one"
            )
        if number is None:
            raise StoreError(
                f"no version of surrogate {name!r} serves; promote one of {_listed(known)}, as in "
                f"'dse surrogate promote {known[-1].reference}'"
            )
        raise StoreError(f"surrogate {name!r} has no version {number}; it has {_listed(known)}")

    def artefact(self, record: SurrogateRecord) -> bytes:
        """Return the bytes of a version.

        Raises
        ------
        StoreError
            If they are not those that were stored, or were pruned.
        """
        query = select(ARTEFACTS.c.data).where(ARTEFACTS.c.digest == record.digest)
        with self._store._read() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise StoreError(
                f"the model of surrogate {record.reference} is not in the store any more: it was pruned; "
                "use another version, or train one anew"
            )
        data = row[0]  # text, where the file is damaged
        if not isinstance(data, bytes) or hashlib.sha256(data).hexdigest() != record.digest:
            raise StoreError(
                f"the model of surrogate {record.reference} is damaged (its bytes are not those of digest "
                f"{record.digest[:12]}): restore a copy of the store, promote another version, or train anew"
            )
        return data

    def promote(self, record: SurrogateRecord) -> SurrogateRecord:
        """Let a version serve, and retire the one that does; return it as it then is."""
        assert record.id is not None
        key = record.id

        def write(connection: Connection) -> None:
            if _serving(connection, record.name) == key:
                return
            _retire(connection, record.name)
            values = {"state": SERVING, "promoted_at": _now()}
            connection.execute(update(SURROGATES).where(SURROGATES.c.id == key).values(values))

        self._write(write)
        return self._by_id(key)

    def prune(self, name: str, keep: Collection[int]) -> list[SurrogateRecord]:
        """Delete the artefacts of a name's versions but some; their records stay.

        Parameters
        ----------
        keep
            Numbers of the versions that keep theirs; the one that serves does in any case.

        Returns
        -------
        The versions whose artefact was deleted.
        """

        def write(connection: Connection) -> list[SurrogateRecord]:
            rows = connection.execute(select(SURROGATES).order_by(SURROGATES.c.version))
            records = [SurrogateRecord(**row._mapping) for row in rows]
            gone = [
                record
                for record in records
                if record.name == name and record.version not in keep and record.state != SERVING
            ]
            keys = {record.id for record in gone}
            used = {record.digest for record in records if record.id not in keys}
            pruned = [
                record for record in gone if record.digest not in used and _holds(connection, record.digest)
            ]
            digests = [record.digest for record in pruned]
            connection.execute(delete(ARTEFACTS).where(ARTEFACTS.c.digest.in_(digests)))
            return pruned

        return self._write(write)

    def delete(self, name: str) -> None:
        """Delete all versions of a name; raise `StoreError` if there are none."""
        if not self.versions(name):
            self.version(name)

        def write(connection: Connection) -> None:
            connection.execute(delete(SURROGATES).where(SURROGATES.c.name == name))
            used = select(SURROGATES.c.digest)
            connection.execute(delete(ARTEFACTS).where(ARTEFACTS.c.digest.not_in(used)))

        self._write(write)

    def sizes(self, name: str | None = None) -> dict[str, int]:
        """Return the bytes of the artefacts that are stored, by digest."""
        query = select(ARTEFACTS.c.digest, func.length(ARTEFACTS.c.data))
        if name is not None:
            digests = select(SURROGATES.c.digest).where(SURROGATES.c.name == name)
            query = query.where(ARTEFACTS.c.digest.in_(digests))
        with self._store._read() as connection:
            if not _has_table(connection):
                return {}
            return {row[0]: int(row[1]) for row in connection.execute(query)}

    def _by_id(self, key: int) -> SurrogateRecord:
        with self._store._read() as connection:
            row = connection.execute(select(SURROGATES).where(SURROGATES.c.id == key)).one()
            return SurrogateRecord(**row._mapping)

    def _write(self, action: Callable[[Connection], T]) -> T:
        """Do something in a transaction; once more where another process was faster."""
        for _ in range(ATTEMPTS - 1):
            try:
                with self._store._write() as connection:
                    return action(connection)
            except IntegrityError:
                continue
        try:
            with self._store._write() as connection:
                return action(connection)
        except IntegrityError as error:
            raise StoreError(f"store {self._store.shown!r}: {error.orig}: try again") from error


def _has_table(connection: Connection) -> bool:
    return inspect(connection).has_table(SURROGATES.name)


def _holds(connection: Connection, digest: str) -> bool:
    query = select(ARTEFACTS.c.digest).where(ARTEFACTS.c.digest == digest)
    return connection.execute(query).first() is not None


def _last(connection: Connection, name: str) -> int:
    query = select(func.max(SURROGATES.c.version)).where(SURROGATES.c.name == name)
    return connection.execute(query).scalar_one() or 0


def _serving(connection: Connection, name: str) -> int | None:
    query = select(SURROGATES.c.id).where(SURROGATES.c.name == name, SURROGATES.c.state == SERVING)
    return connection.execute(query).scalar_one_or_none()


def _retire(connection: Connection, name: str) -> None:
    serving = (SURROGATES.c.name == name) & (SURROGATES.c.state == SERVING)
    connection.execute(update(SURROGATES).where(serving).values(state=RETIRED))


def _listed(records: list[SurrogateRecord]) -> str:
    return ", ".join(f"{record.version} ({record.state})" for record in records[-5:])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
