"""A stored study as one Parquet file: a table for any program, and the study itself for this one."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dse.designs import Designs
from dse.errors import DseError, StudyError
from dse.store import BatchRow, EvaluationRows, Store, StudyRecord
from dse.study import StudyView

if TYPE_CHECKING:
    import pyarrow as pa

KEY = b"dse"  # of what the file says of the study, in the schema's metadata
FORMAT = 1
BESIDE = ("dse.batch", "dse.violation", "dse.seconds")
_NUMBERS = ("told", "front_added", "front_removed")


def to_parquet(study: StudyView, path: Path) -> None:
    """Write a study: a row an evaluation, with its parameters, metrics, state and error.

    Beside these, columns ``dse.batch``, ``dse.violation`` and ``dse.seconds``; the problem, the searcher and
    the commits are in the schema's metadata, as JSON. `from_parquet` makes the same study of it.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = study.store.evaluations(study.id)
    frame = study.evaluations().set_index("number")
    for name, column in zip(BESIDE, (rows.batch, rows.violation, rows.seconds), strict=True):
        frame[name] = column
    table = pa.Table.from_pandas(frame)
    told = {"format": FORMAT, "record": _record(study.record), "commits": _commits(study)}
    pq.write_table(
        table.replace_schema_metadata({**(table.schema.metadata or {}), KEY: json.dumps(told).encode()}), path
    )


def from_parquet(path: Path, store: Store | str, name: str | None = None) -> StudyView:
    """Store the study of a file that `to_parquet` wrote: it is read, compared and resumed as any other.

    Parameters
    ----------
    name
        What to call it; by default as it was called.

    Raises
    ------
    StudyError
        If the file cannot be read, or holds a table without a study, or is damaged.
    StoreError
        If the store has a study of that name.
    """
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (OSError, ValueError) as error:  # Arrow's own errors are ValueErrors
        raise StudyError(f"{str(path)!r} cannot be read as Parquet: {str(error).splitlines()[0]}") from error
    told = (table.schema.metadata or {}).get(KEY)
    if told is None:
        raise StudyError(
            f"{str(path)!r} is a table without a study: start a run from its designs, by --warm {path}; "
            "'dse export NAME --to parquet' writes a study"
        )
    try:
        content = json.loads(told)
        if content["format"] != FORMAT:
            raise StudyError(
                f"{str(path)!r} is of format {content['format']}, not {FORMAT}: upgrade dse-toolkit"
            )
        record = _read_record(content["record"])
        commits = list(_read_commits(content["commits"]))
        rows = _rows(record, table)
        parts = list(_parts(rows, commits))
    except (KeyError, TypeError, ValueError, zlib.error) as error:
        if isinstance(error, DseError) and str(path) in str(error):
            raise
        raise StudyError(
            f"{str(path)!r} is damaged, or was changed: {type(error).__name__} {error}"
        ) from error
    opened = Store(store) if isinstance(store, str) else store
    made = opened.create_study(replace(record, name=name or record.name), zip(commits, parts, strict=True))
    return StudyView(made.name, opened)


def _record(record: StudyRecord) -> dict[str, Any]:
    start = None if record.start is None else base64.b64encode(record.start).decode()
    return {**asdict(record), "start": start, "id": None}


def _read_record(values: dict[str, Any]) -> StudyRecord:
    known = {field.name for field in fields(StudyRecord)}
    record = StudyRecord(**{key: value for key, value in values.items() if key in known})
    start = None if record.start is None else base64.b64decode(record.start)
    return replace(record, start=start, state="interrupted" if record.state == "running" else record.state)


def _commits(study: StudyView) -> list[dict[str, Any]]:
    return [
        asdict(row) | {key: _packed(getattr(row, key)) for key in _NUMBERS}
        for row in study.store.batches(study.id)
    ]


def _read_commits(values: list[dict[str, Any]]) -> Iterator[BatchRow]:
    for value in values:
        row = dict(value)
        for key in _NUMBERS:
            row[key] = _unpacked(row[key])
        yield BatchRow(**row)


def _packed(numbers: Any) -> str | None:
    return (
        None
        if numbers is None
        else base64.b64encode(zlib.compress(np.asarray(numbers, "<i8").tobytes())).decode()
    )


def _unpacked(text: str | None) -> Any:
    if text is None:
        return None
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), "<i8").astype(np.int64)


def _rows(record: StudyRecord, table: pa.Table) -> EvaluationRows:
    from dse.space import Space

    problem = record.problem
    known = [rule for rule in problem["space"]["constraints"] if "expression" in rule]
    space = Space.from_dict({**problem["space"], "constraints": known})
    frame = table.to_pandas()
    designs = Designs.from_frame(space, frame)
    metrics = [frame[item["name"]].to_numpy(float) for item in problem["metrics"]]
    batch, violation, seconds = (frame[name].to_numpy() for name in BESIDE)
    errors = frame["error"]
    return EvaluationRows(
        number=np.arange(len(frame)),
        batch=batch.astype(np.int64),
        state=frame["state"].to_numpy("U10"),
        violation=violation.astype(float),
        seconds=seconds.astype(float),
        designs=space.pack(designs.codes),
        metrics=np.column_stack(metrics),
        errors={row: str(errors.iloc[row]) for row in np.flatnonzero(errors.notna()).tolist()},
    )


def _parts(rows: EvaluationRows, commits: list[BatchRow]) -> Iterator[EvaluationRows]:
    from dse.store.transfer import part_of

    place = 0
    for commit in commits:
        if commit.first != place or commit.count < 0:
            raise ValueError(f"a commit begins at evaluation {commit.first}, not {place}")
        yield part_of(rows, place, place + commit.count)
        place += commit.count
    if place != len(rows):
        raise ValueError(f"{len(rows)} rows, of which the commits have {place}")
