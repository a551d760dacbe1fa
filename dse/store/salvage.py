"""What can still be read of a damaged SQLite file, as a new store."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from dse.errors import StoreError
from dse.store.records import BatchRow, EvaluationRows, StudyRecord
from dse.store.schema import EVALUATIONS, STUDIES
from dse.store.store import Store, rows_of

READ_ROWS = 1_000  # at once; fewer where one of them cannot be read
FARTHEST = 1 << 40  # beyond the last number that is looked for after a gap
REST = "-rest"


@dataclass(frozen=True)
class Salvaged:
    """What was saved of a study.

    Attributes
    ----------
    name
        Of the study, in the new store too.
    whole
        Evaluations from the first one on, without a gap: they are the study, which can be resumed.
    rest
        Evaluations behind a gap: they are a study of their own, with ``-rest`` to its name, of use as a warm
        start.
    lost
        At least so many could not be read.
    """

    name: str
    whole: int
    rest: int
    lost: int


def salvage(path: Path, target: Store) -> list[Salvaged]:
    """Copy every study, and every evaluation, that can be read from a damaged file.

    Parameters
    ----------
    path
        The file. It is not written to.
    target
        A store that has none of its studies.

    Raises
    ------
    StoreError
        If not even the studies can be read, or the target has one of them.
    """
    if not path.is_file():
        raise StoreError(f"there is no file {str(path)!r}")
    raw = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)
    raw.text_factory = lambda data: data.decode("utf-8", "replace")
    try:
        try:
            studies = _studies(raw)
        except (sqlite3.Error, ValueError) as error:
            raise StoreError(f"{str(path)!r}: the studies cannot be read ({error}): restore a copy") from None
        return [_saved(raw, study, target) for study in studies]
    finally:
        raw.close()


def _studies(raw: sqlite3.Connection) -> list[StudyRecord]:
    known = {row[1] for row in raw.execute("PRAGMA table_info(studies)")}
    names = [name for name in STUDIES.c.keys() if name in known]  # noqa: SIM118 -- columns, not a mapping
    if "problem" not in names:
        raise ValueError("it holds no studies")
    found = []
    for row in raw.execute(f"SELECT {', '.join(names)} FROM studies ORDER BY id"):  # noqa: S608 -- our names
        values = dict(zip(names, row, strict=True))
        for key in ("problem", "searcher", "versions", "reference", "warm"):
            if isinstance(values.get(key), str):
                values[key] = json.loads(values[key])
        found.append(StudyRecord(**values))
    return found


def _saved(raw: sqlite3.Connection, study: StudyRecord, target: Store) -> Salvaged:
    parts = list(_evaluations(raw, study.id or 0))
    rows = EvaluationRows.concat(parts) if parts else rows_of([])
    gap = np.flatnonzero(rows.number != np.arange(len(rows)))
    whole = int(gap[0]) if len(gap) else len(rows)
    told = _told(raw, study.id or 0)
    record = replace(study, id=None, state="interrupted")
    first = _taken(rows, slice(0, whole))
    target.create_study(record, _commits(study, first, told))
    rest = _taken(rows, slice(whole, None))
    lost = int(rows.number[-1]) + 1 - len(rows) if len(rows) else 0
    if len(rest):
        order = np.arange(len(rest))
        texts = dict(zip(rest.number.tolist(), order.tolist(), strict=True))
        rest = replace(rest, number=order, errors={texts[n]: text for n, text in rest.errors.items()})
        target.create_study(replace(record, name=f"{study.name}{REST}"), _commits(study, rest, {}))
    return Salvaged(study.name, whole, len(rest), lost)


def _evaluations(raw: sqlite3.Connection, study: int) -> Iterator[EvaluationRows]:
    """Yield what can be read, by ascending numbers, past what cannot."""
    columns = "number, batch, state, violation, seconds, design, metrics, error"
    query = (
        f"SELECT {columns} FROM {EVALUATIONS.name} WHERE study_id = ? AND number >= ? "  # noqa: S608 -- ours
        "ORDER BY number LIMIT ?"
    )
    start, size, step = 0, READ_ROWS, 1
    while start < FARTHEST:
        try:
            found = raw.execute(query, (study, start, size)).fetchall()
            part = rows_of(found)
        except (sqlite3.Error, ValueError, TypeError):
            if size > 1:
                size = max(size // 10, 1)
                continue
            # Past what is damaged, in ever longer steps: a page holds some tens of evaluations.
            start += step
            step = min(2 * step, READ_ROWS) if start < 1 << 30 else 2 * step
            continue
        if not found:
            return
        yield part
        start, size, step = int(part.number[-1]) + 1, READ_ROWS, 1


def _told(raw: sqlite3.Connection, study: int) -> dict[int, tuple[int, bytes]]:
    """Return, by batch, how many evaluations there are after it and what the searcher was told of it."""
    found: dict[int, tuple[int, bytes]] = {}
    try:
        for batch, first, count, told in raw.execute(
            "SELECT batch, first, count, told FROM batches WHERE study_id = ? ORDER BY sequence", (study,)
        ):
            if told is not None:
                found[int(batch)] = (int(first) + int(count), told)
    except (sqlite3.Error, ValueError, TypeError):
        pass  # those before it are known; a searcher is told plain batches of the others
    return found


def _commits(
    study: StudyRecord, rows: EvaluationRows, told: dict[int, tuple[int, bytes]]
) -> Iterator[tuple[BatchRow, EvaluationRows]]:
    """Yield evaluations batch by batch, with the front after each."""
    from dse.pareto import ParetoArchive
    from dse.problem import objective_from_dict

    metrics = [item["name"] for item in study.problem["metrics"]]
    goals = [objective_from_dict(item) for item in study.problem["objectives"]]
    columns = [metrics.index(goal.metric) for goal in goals]
    signs = np.array([goal.sign for goal in goals])
    archive = ParetoArchive(len(goals))
    edges = np.flatnonzero(np.diff(rows.batch)) + 1
    for start, end in zip([0, *edges.tolist()], [*edges.tolist(), len(rows)], strict=True):
        part = _taken(rows, slice(start, end))
        if not len(part):
            return
        feasible = part.state == "complete"
        added = removed = np.empty(0, np.int64)
        if feasible.any():
            change = archive.add(part.metrics[feasible][:, columns] * signs, part.number[feasible])
            added, removed = change.added, change.removed
        batch = int(part.batch[0])
        after, numbers = told.get(batch, (0, b""))
        yield (
            BatchRow(
                batch=batch, first=start, count=len(part),
                told=np.frombuffer(numbers, "<i8").astype(np.int64) if after == end else None,
                started_at=study.created_at, ask_seconds=0.0,
                evaluate_seconds=float(np.nansum(part.seconds)),
                front_size=len(archive), hypervolume=None, front_added=added, front_removed=removed,
            ),
            part,
        )  # fmt: skip


def _taken(rows: EvaluationRows, part: slice) -> EvaluationRows:
    def of(column: NDArray[Any]) -> NDArray[Any]:
        return column[part]

    numbers = set(of(rows.number).tolist())
    return EvaluationRows(
        of(rows.number), of(rows.batch), of(rows.state), of(rows.violation), of(rows.seconds),
        of(rows.designs), of(rows.metrics), {n: text for n, text in rows.errors.items() if n in numbers},
    )  # fmt: skip
