"""Studies from one store to another, as they are: to be read, resumed and trained on there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dse.errors import StoreError
from dse.store.records import BatchRow, EvaluationRows, StudyRecord
from dse.store.store import Store

READ_ROWS = 50_000


@dataclass(frozen=True)
class Copied:
    """What became of a study.

    Attributes
    ----------
    name
        In the target.
    evaluations
        That were written there.
    known
        That it had already.
    """

    name: str
    evaluations: int
    known: int


def copy_study(source: Store, target: Store, name: str, new_name: str | None = None) -> Copied:
    """Copy a study with its evaluations, commits, front snapshots and early results, in one transaction.

    Where the target has the same study, and one of them is the beginning of the other, it gets what it lacks.

    Parameters
    ----------
    source, target
        Stores, of whatever kind.
    name
        In the source.
    new_name
        In the target; by default the same.

    Raises
    ------
    StoreError
        If there is no such study, or the target has another one of that name.
    """
    record = source.study(name)
    assert record.id is not None
    batches = source.batches(record.id)
    wanted = replace(record, name=new_name or name, id=None)
    if wanted.state == "running":  # not there
        wanted = replace(wanted, state="interrupted")
    total = sum(row.count for row in batches)
    if not target.has_study(wanted.name):
        made = target.create_study(wanted, _commits(source, record.id, batches))
        kept = source.kept(record.id)
        if len(kept):
            target.keep(made.id or 0, kept)
        return Copied(wanted.name, total, 0)
    stored = target.study(wanted.name)
    assert stored.id is not None
    known = target.batches(stored.id)
    count = sum(row.count for row in known)
    _check_same(source, target, record, stored, batches, known)
    for row, rows in _commits(source, record.id, batches[len(known) :]):
        target.append(stored.id, row, rows)
    if total > count:
        target.update_study(stored.id, state=wanted.state, reference=wanted.reference)
    return Copied(wanted.name, max(total - count, 0), count)


def _check_same(
    source: Store,
    target: Store,
    record: StudyRecord,
    stored: StudyRecord,
    batches: Sequence[BatchRow],
    known: Sequence[BatchRow],
) -> None:
    same = all(
        getattr(record, key) == getattr(stored, key) for key in ("fingerprint", "searcher", "seed", "warm")
    )
    shared = min(len(batches), len(known))
    places = [[(row.batch, row.first, row.count) for row in listed[:shared]] for listed in (batches, known)]
    rows = sum(row.count for row in batches[:shared])
    if same and places[0] == places[1]:
        for start in range(0, rows, READ_ROWS):
            one, other = (
                store.evaluations(study.id or 0, start=start, stop=min(start + READ_ROWS, rows))
                for store, study in ((source, record), (target, stored))
            )
            same &= np.array_equal(one.designs, other.designs)
            same &= np.array_equal(one.metrics, other.metrics, equal_nan=True)
    if not same or places[0] != places[1]:
        raise StoreError(
            f"store {target.shown!r} has another study {stored.name!r}: copy under another name, by --as NAME"
        )


def _commits(
    source: Store, study_id: int, batches: Sequence[BatchRow]
) -> Iterator[tuple[BatchRow, EvaluationRows]]:
    """Yield commits with their evaluations, of which many are read at once."""
    low = high = 0
    window: EvaluationRows | None = None
    for row in batches:
        first, end = row.first, row.first + row.count
        if window is None or first < low or end > high:
            low, high = first, first + max(row.count, READ_ROWS)
            window = source.evaluations(study_id, start=low, stop=high)
        yield row, part_of(window, first - low, end - low)


def part_of(rows: EvaluationRows, start: int, stop: int) -> EvaluationRows:
    """Return evaluations at a range of positions."""
    part = slice(start, stop)
    numbers = rows.number[part]
    return EvaluationRows(
        number=numbers,
        batch=rows.batch[part],
        state=rows.state[part],
        violation=rows.violation[part],
        seconds=rows.seconds[part],
        designs=rows.designs[part],
        metrics=rows.metrics[part],
        errors={n: rows.errors[n] for n in numbers.tolist() if n in rows.errors} if rows.errors else {},
    )
