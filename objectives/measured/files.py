"""Files of measurements as tables: Kernel Tuner's cache, T4 of the auto-tuning community, CSV, Parquet."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dse.errors import ProblemError
from dse.interop.kernel_tuner.reading import Results, load, metric_columns, parse, parse_cache, parse_t4
from dse.interop.names import identifier
from dse.table import Table


def read_table(
    path: str | Path, *, parameters: Sequence[str] | None = None, metrics: Sequence[str] | None = None
) -> Table:
    """Read measurements from a file.

    Parameters
    ----------
    path
        ``.json`` or ``.json.gz``: Kernel Tuner's cache or the T4 format, told apart by their keys; ``.csv``,
        ``.csv.gz``, ``.parquet``: a row a design.
    parameters
        The columns of a CSV or Parquet file that are parameters. By default those that are neither metrics
        nor ``error``; one of both must be given.
    metrics
        The columns that are metrics; of a JSON file, all by default.

    Returns
    -------
    A table. A CSV or Parquet file may have a column ``error``: text where the row failed. Rows of the same
    design are refused, and so are those with a hole and no error.

    Raises
    ------
    ProblemError
        If the file is missing, too large, or not of its format; the message names the file and the place.
    """
    file = Path(path)
    if not file.is_file():
        raise ProblemError(f"there is no file {str(file)!r}")
    name = file.name
    if name.endswith((".json", ".json.gz")):
        return _of(parse(load(file), name=_stem(file), metrics=metrics))
    if name.endswith((".csv", ".csv.gz", ".parquet")):
        try:
            frame = pd.read_parquet(file) if name.endswith(".parquet") else pd.read_csv(file)
        except Exception as error:
            raise ProblemError(f"{name}: cannot be read: {error}") from None
        return read_frame(frame, name=_stem(file), parameters=parameters, metrics=metrics)
    raise ProblemError(f"{name}: its ending is none of .json, .json.gz, .csv, .csv.gz, .parquet")


def read_kernel_tuner(
    content: Mapping[str, Any], *, name: str, metrics: Sequence[str] | None = None
) -> Table:
    """Return a cache of Kernel Tuner as a table; see `dse.interop.kernel_tuner.parse_cache`."""
    return _of(parse_cache(content, name=name, metrics=metrics))


def read_t4(content: Mapping[str, Any], *, name: str, metrics: Sequence[str] | None = None) -> Table:
    """Return a T4 file's results as a table; see `dse.interop.kernel_tuner.parse_t4`."""
    return _of(parse_t4(content, name=name, metrics=metrics))


def read_frame(
    frame: pd.DataFrame,
    *,
    name: str = "table",
    parameters: Sequence[str] | None = None,
    metrics: Sequence[str] | None = None,
    units: Mapping[str, str] | None = None,
) -> Table:
    """Return a frame, a row a design, as a table.

    Parameters
    ----------
    frame
        The measurements. A column ``error``, where there is one, has text where a row failed.
    name
        Of the table.
    parameters, metrics
        Columns; one of both may be left out, and is then all others but ``error``.
    units
        Unit by metric.

    Raises
    ------
    ProblemError
        If a column is missing, both lists are left out, or a metric is not a number.
    """
    if parameters is None and metrics is None:
        raise ProblemError(
            f"{name}: name its parameters or its metrics; its columns are "
            f"{', '.join(map(str, frame.columns))}"
        )
    rest = [str(column) for column in frame.columns if column != "error"]
    chosen = list(parameters or (column for column in rest if column not in (metrics or ())))
    wanted = list(metrics or (column for column in rest if column not in chosen))
    for column in (*chosen, *wanted):
        if column not in frame.columns:
            raise ProblemError(f"{name} has no column {column!r}; it has {', '.join(rest)}")
    errors = {}
    if "error" in frame.columns:
        errors = {
            place: str(text)
            for place, text in enumerate(frame["error"].tolist())
            if isinstance(text, str) and text
        }
    return Table(
        name,
        {identifier(column): _array(frame[column].tolist()) for column in chosen},
        metric_columns(name, {identifier(column): _numbers(frame[column]) for column in wanted}, errors),
        dict(units or {}),
        errors,
    )


def _of(results: Results) -> Table:
    return Table(
        results.name,
        {name: _array(values) for name, values in results.parameters.items()},
        results.metrics,
        results.units,
        dict(results.errors),
        results.timeouts,
        results.domains,
    )


def _numbers(column: pd.Series[Any]) -> list[Any]:
    """Return numbers, also where text of one row made the whole column text."""
    converted = pd.to_numeric(column, errors="coerce")
    return [
        value if number != number and not pd.isna(value) else number
        for value, number in zip(column.tolist(), converted.tolist(), strict=True)
    ]


def _array(values: list[Any]) -> Any:
    numbers = (isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    if all(numbers) and all(map(math.isfinite, values)):
        return np.array(values)
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def _stem(file: Path) -> str:
    return file.name.split(".")[0]
