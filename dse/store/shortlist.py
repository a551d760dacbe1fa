"""`Shortlist`: designs of a study that somebody wants to come back to."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, insert, inspect, select, update

from dse.errors import StoreError
from dse.store.lost import retried_of
from dse.store.schema import EVALUATIONS, SHORTLIST

if TYPE_CHECKING:
    from dse.store.store import Store

LONGEST_NOTE = 2_000


class Shortlist:
    """The short lists of a store.

    Parameters
    ----------
    store
        One of a schema that had none yet has empty ones.
    """

    def __init__(self, store: Store) -> None:
        self.store = store

    @retried_of
    def items(self, study_id: int) -> list[tuple[int, str]]:
        """Return the evaluation numbers on a study's short list with what was noted, in the order added."""
        query = select(SHORTLIST.c.number, SHORTLIST.c.note).where(SHORTLIST.c.study_id == study_id)
        with self.store._read() as connection:
            if self.store.read_only and not inspect(connection).has_table(SHORTLIST.name):
                return []
            rows = connection.execute(query.order_by(SHORTLIST.c.added_at, SHORTLIST.c.number))
            return [(int(number), note) for number, note in rows]

    @retried_of
    def add(self, study_id: int, numbers: Iterable[int], note: str = "") -> None:
        """Put designs on a study's short list; of those that are there already the note is changed.

        Raises
        ------
        StoreError
            If the study has no such evaluation, or the note is too long.
        """
        wanted = sorted({int(number) for number in numbers})
        if len(note) > LONGEST_NOTE:
            raise StoreError(
                f"a note of {len(note):,} characters is too long: write at most {LONGEST_NOTE:,}"
            )
        there = select(SHORTLIST.c.number).where(
            SHORTLIST.c.study_id == study_id, SHORTLIST.c.number.in_(wanted)
        )
        evaluated = select(EVALUATIONS.c.number).where(
            EVALUATIONS.c.study_id == study_id, EVALUATIONS.c.number.in_(wanted)
        )
        now = datetime.now(UTC).isoformat(timespec="microseconds")
        with self.store._write() as connection:
            missing = set(wanted) - set(connection.execute(evaluated).scalars())
            if missing:
                raise StoreError(f"the study has no evaluation {min(missing)}: take a number of its front")
            known = set(connection.execute(there).scalars())
            new = [number for number in wanted if number not in known]
            if new:
                values = [
                    {"study_id": study_id, "number": number, "note": note, "added_at": now} for number in new
                ]
                connection.execute(insert(SHORTLIST), values)
            if known and note:
                change = update(SHORTLIST).where(
                    SHORTLIST.c.study_id == study_id, SHORTLIST.c.number.in_(sorted(known))
                )
                connection.execute(change.values(note=note))

    @retried_of
    def remove(self, study_id: int, numbers: Iterable[int]) -> None:
        """Take designs off a study's short list."""
        gone = delete(SHORTLIST).where(
            SHORTLIST.c.study_id == study_id, SHORTLIST.c.number == bindparam("gone")
        )
        values = [{"gone": int(number)} for number in numbers]
        if values:
            with self.store._write() as connection:
                connection.execute(gone, values)
