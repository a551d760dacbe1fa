"""`TeamTable`: the processes that work on a study, who leads them, and the designs that they share."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection, bindparam, delete, insert, inspect, select, update
from sqlalchemy.exc import IntegrityError

from dse.errors import StoreError
from dse.store.lost import retried_of
from dse.store.records import EvaluationRows
from dse.store.schema import LEADERS, STUDIES, TASKS, WORKERS

if TYPE_CHECKING:
    from dse.store.store import Store


class LeadLost(StoreError):  # noqa: N818 -- an outcome, not a defect
    """Another process leads the study: nothing of what was to be written is stored."""


@dataclass(frozen=True)
class Member:
    """A process that works on a study.

    Attributes
    ----------
    id
        Its key in the store, never given again; 0 before it has one.
    host, process
        Where it runs, to be shown.
    machine, started
        What tells it from other processes of its host's name, and of its number.
    slots
        Chunks of designs that it evaluates at a time.
    beat
        Counted up while it lives.
    """

    id: int
    host: str
    machine: str
    process: int
    started: str
    slots: int
    beat: int = 0


@dataclass(frozen=True)
class Task:
    """A chunk of designs, given out to be evaluated.

    Attributes
    ----------
    number
        Its key within the study.
    designs
        Packed.
    owner
        Who evaluates it; None for nobody yet.
    done
        Whether its results are stored.
    deaths
        How many of its owners died.
    """

    number: int
    designs: bytes
    owner: int | None = None
    done: bool = False
    deaths: int = 0


class TeamTable:
    """The teams of a store.

    Notes
    -----
    Every change is one transaction, and holds only where the database still agrees with who asks for it: a
    task has one owner, a study one leader, and a process that was taken for dead changes neither any more.
    So no clock of any machine matters to what is stored.
    """

    def __init__(self, store: Store) -> None:
        self.store = store

    # Members

    def join(self, study_id: int, member: Member) -> Member:
        """Add a process to those that work on a study; return it with its key."""
        values = {key: value for key, value in asdict(member).items() if key != "id"}
        with self.store._write() as connection:
            made = connection.execute(insert(WORKERS).values(study_id=study_id, **values))
            assert made.inserted_primary_key is not None
            return Member(**{**asdict(member), "id": int(made.inserted_primary_key[0])})

    def beat(self, worker: int) -> bool:
        """Count the beat of a worker up; return whether it is still one."""
        with self.store._write() as connection:
            changed = update(WORKERS).where(WORKERS.c.id == worker).values(beat=WORKERS.c.beat + 1)
            return bool(connection.execute(changed).rowcount)

    @retried_of
    def members(self, study_id: int) -> list[Member]:
        """Return the processes that work on a study, or died at it, oldest first."""
        columns = [column for column in WORKERS.c if column.name != "study_id"]
        query = select(*columns).where(WORKERS.c.study_id == study_id).order_by(WORKERS.c.id)
        with self.store._read() as connection:
            if not self._is_there(connection):
                return []
            return [Member(**row._mapping) for row in connection.execute(query)]

    def _is_there(self, connection: Connection) -> bool:
        """Return whether the store has teams: one of an older schema that is only read has none."""
        return not self.store.read_only or inspect(connection).has_table(WORKERS.name)

    @retried_of
    def leave(self, study_id: int, workers: Collection[int], *, died: bool = False) -> None:
        """Remove workers; what they had is given to others.

        Parameters
        ----------
        died
            Whether what they had may have been what killed them: it is counted.
        """
        with self.store._write() as connection:
            for worker in workers:
                freed = update(TASKS).where(
                    TASKS.c.study_id == study_id, TASKS.c.owner == worker, ~TASKS.c.done
                )
                connection.execute(freed.values(owner=None, deaths=TASKS.c.deaths + int(died)))
                connection.execute(delete(WORKERS).where(WORKERS.c.id == worker))

    # The lead

    @retried_of
    def leader(self, study_id: int) -> int | None:
        """Return the key of the worker that leads a study; None for nobody."""
        with self.store._read() as connection:
            if not self._is_there(connection):
                return None
            query = select(LEADERS.c.worker).where(LEADERS.c.study_id == study_id)
            return connection.execute(query).scalar_one_or_none()

    @retried_of
    def lead(self, study_id: int, worker: int, *, instead_of: int | None) -> bool:
        """Take the lead of a study from who was seen to have it; return whether it worked."""
        try:
            with self.store._write() as connection:
                query = select(LEADERS.c.worker).where(LEADERS.c.study_id == study_id)
                now = connection.execute(query).scalar_one_or_none()
                if now == worker:
                    return True  # by an attempt whose answer was lost
                if now != instead_of:
                    return False
                if now is None:
                    connection.execute(insert(LEADERS).values(study_id=study_id, worker=worker))
                    return True
                change = update(LEADERS).where(LEADERS.c.study_id == study_id, LEADERS.c.worker == now)
                return bool(connection.execute(change.values(worker=worker)).rowcount)
        except IntegrityError:
            return False

    @retried_of
    def resign(self, study_id: int, worker: int) -> None:
        """Give the lead up, and take back what nobody has begun."""
        with self.store._write() as connection:
            mine = delete(LEADERS).where(LEADERS.c.study_id == study_id, LEADERS.c.worker == worker)
            if connection.execute(mine).rowcount:
                self._clear(connection, study_id)

    @staticmethod
    def _clear(connection: Connection, study_id: int) -> None:
        idle = (TASKS.c.owner.is_(None) & (TASKS.c.deaths == 0)) | TASKS.c.done
        connection.execute(delete(TASKS).where(TASKS.c.study_id == study_id, idle))

    def check(self, connection: Connection, study_id: int, worker: int) -> None:
        """Raise `LeadLost` unless a worker leads a study until the transaction ends."""
        query = select(LEADERS.c.worker).where(LEADERS.c.study_id == study_id)
        if self.store.remote:
            query = query.with_for_update(read=True)
        if connection.execute(query).scalar_one_or_none() == worker:
            return
        if connection.execute(select(STUDIES.c.id).where(STUDIES.c.id == study_id)).first() is None:
            raise StoreError(f"store {self.store.shown!r}: the study was deleted while it ran; start it anew")
        raise LeadLost(f"store {self.store.shown!r}: another process has taken over this study")

    # Tasks

    @retried_of
    def take_over(self, study_id: int) -> list[Task]:
        """Forget what nobody has begun or what is done; return the other tasks, in order."""
        with self.store._write() as connection:
            self._clear(connection, study_id)
        return self.tasks(study_id)

    @retried_of
    def tasks(self, study_id: int) -> list[Task]:
        """Return the tasks of a study in order."""
        columns = [column for column in TASKS.c if column.name != "study_id"]
        query = select(*columns).where(TASKS.c.study_id == study_id).order_by(TASKS.c.number)
        with self.store._read() as connection:
            return [Task(**row._mapping) for row in connection.execute(query)]

    @retried_of
    def publish(self, study_id: int, leader: int, tasks: Sequence[Task]) -> None:
        """Give tasks out; raise `LeadLost` if another process leads."""
        values = [{"study_id": study_id, **asdict(task)} for task in tasks]
        with self.store._write() as connection:
            self.check(connection, study_id, leader)
            if self.store.remote:  # an attempt whose answer was lost may have stored them
                query = select(TASKS.c.number).where(
                    TASKS.c.study_id == study_id, TASKS.c.number >= tasks[0].number
                )
                stored = set(connection.execute(query).scalars())
                values = [value for value in values if value["number"] not in stored]
            if values:
                connection.execute(insert(TASKS), values)

    @retried_of
    def waiting(self, study_id: int) -> bool:
        """Return whether there is a task that nobody has."""
        query = select(TASKS.c.number).where(TASKS.c.study_id == study_id, TASKS.c.owner.is_(None))
        with self.store._read() as connection:
            return connection.execute(query.limit(1)).first() is not None

    @retried_of
    def claim(self, study_id: int, worker: int, count: int) -> list[Task]:
        """Take at most so many tasks that nobody has.

        Returns
        -------
        All that the worker has, those of earlier claims too: an answer may have been lost.
        """
        free = (
            select(TASKS.c.number)
            .where(TASKS.c.study_id == study_id, TASKS.c.owner.is_(None), ~TASKS.c.done)
            .order_by(TASKS.c.number)
            .limit(count)
            .with_for_update(skip_locked=True)  # where the database has it
        )
        with self.store._write() as connection:
            alive = connection.execute(select(WORKERS.c.id).where(WORKERS.c.id == worker)).first()
            if alive is None:
                return []
            numbers = list(connection.execute(free).scalars())
            if numbers:
                took = update(TASKS).where(TASKS.c.study_id == study_id, TASKS.c.number.in_(numbers))
                connection.execute(took.values(owner=worker))
            return self._owned(connection, study_id, worker)

    @staticmethod
    def _owned(connection: Connection, study_id: int, worker: int) -> list[Task]:
        columns = [column for column in TASKS.c if column.name != "study_id"]
        query = select(*columns).where(TASKS.c.study_id == study_id, TASKS.c.owner == worker, ~TASKS.c.done)
        return [Task(**row._mapping) for row in connection.execute(query.order_by(TASKS.c.number))]

    @retried_of
    def hand_in(self, study_id: int, worker: int, results: Mapping[int, EvaluationRows]) -> None:
        """Store what a worker found, by task; what it does not own any more is left out."""
        with self.store._write() as connection:
            query = select(TASKS.c.number).where(
                TASKS.c.study_id == study_id, TASKS.c.owner == worker, ~TASKS.c.done
            )
            if self.store.remote:
                query = query.with_for_update()
            owned = set(connection.execute(query).scalars())
            for number, rows in results.items():
                if number in owned:
                    self.store._insert_results(connection, study_id, rows)
                    done = update(TASKS).where(TASKS.c.study_id == study_id, TASKS.c.number == number)
                    connection.execute(done.values(done=True))

    @retried_of
    def done(self, study_id: int) -> list[int]:
        """Return the numbers of the tasks whose results are stored."""
        query = select(TASKS.c.number).where(TASKS.c.study_id == study_id, TASKS.c.done)
        with self.store._read() as connection:
            return list(connection.execute(query).scalars())

    @retried_of
    def forget(self, study_id: int, numbers: Collection[int], *, idle: bool = False) -> None:
        """Remove tasks.

        Parameters
        ----------
        idle
            Those alone that nobody has.
        """
        gone = delete(TASKS).where(TASKS.c.study_id == study_id, TASKS.c.number == bindparam("task"))
        if idle:
            gone = gone.where(TASKS.c.owner.is_(None))
        with self.store._write() as connection:
            if numbers:
                connection.execute(gone, [{"task": number} for number in numbers])
