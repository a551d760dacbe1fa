"""Files of measurements as tables: Kernel Tuner's cache, T4 of the auto-tuning community, CSV, Parquet."""

from __future__ import annotations

import gzip
import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dse.errors import ProblemError
from objectives.measured.table import Table

# Of a file, once decompressed: more is refused, so that a small file cannot fill memory.
MAX_BYTES = 1 << 30

# What Kernel Tuner's documentation states; of a T4 file, its own units count.
UNITS = {"time": "ms", "energy": "J", "power": "W", "GFLOP/s": "GFLOP/s", "GFLOPS/W": "GFLOP/J"}

# About the tuner's own work, not about the design.
_BOOKKEEPING = {
    "compile_time",
    "verification_time",
    "benchmark_time",
    "strategy_time",
    "framework_time",
    "timestamp",
    "times",
}


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
        content = _json(file)
        if "results" in content:
            return read_t4(content, name=_stem(file), metrics=metrics)
        if "cache" in content:
            return read_kernel_tuner(content, name=_stem(file), metrics=metrics)
        raise ProblemError(
            f"{name}: neither a cache of Kernel Tuner ('cache', 'tune_params') nor T4 ('results')"
        )
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
    """Return a cache of Kernel Tuner as a table.

    Parameters
    ----------
    content
        The parsed file: ``tune_params_keys``, ``tune_params`` and ``cache``.
    name
        Of the table.

    Notes
    -----
    A row fails if its time is text (``RuntimeFailedConfig`` and the like) or it has ``__error__``. Metrics
    are its numbers but for the tuner's own times, and ``time_spread``, the standard deviation of ``times``
    over their mean.
    """
    keys = content.get("tune_params_keys")
    cache = content.get("cache")
    domains = content.get("tune_params", {})
    if not isinstance(keys, list) or not isinstance(cache, Mapping) or not cache:
        raise ProblemError(f"{name}: a cache of Kernel Tuner needs 'tune_params_keys' and rows in 'cache'")
    rows, errors = [], {}
    for place, (label, record) in enumerate(cache.items()):
        missing = [key for key in keys if key not in record]
        if missing:
            raise ProblemError(f"{name}: row {label!r} has no value for {missing[0]!r}")
        error = _failure(record)
        if error is not None:
            errors[place] = error
        rows.append(record)
    names = [
        key
        for key in dict.fromkeys(key for record in rows for key in record)
        if key not in keys and key not in _BOOKKEEPING and any(_number(record.get(key)) for record in rows)
    ]
    found = {_identifier(key): [record.get(key) for record in rows] for key in names}
    if any(isinstance(record.get("times"), list) for record in rows):
        found["time_spread"] = [_spread(record.get("times")) for record in rows]
    return _table(
        name,
        {key: [record[key] for record in rows] for key in keys},
        _chosen(name, found, metrics, {*errors}),
        {_identifier(key): UNITS.get(key, "") for key in names},
        errors,
        domains={key: list(domains[key]) for key in keys if key in domains},
    )


def read_t4(content: Mapping[str, Any], *, name: str, metrics: Sequence[str] | None = None) -> Table:
    """Return results in the T4 format of the auto-tuning community as a table.

    Parameters
    ----------
    content
        The parsed file: ``results``, each with ``configuration``, ``measurements`` and ``invalidity``.
    name
        Of the table.
    metrics
        Those to keep; by default all that every result has which did not fail.

    Notes
    -----
    A result fails if its ``invalidity`` is other than ``correct``: ``timeout`` ran out of time, others keep
    the word as their error.
    """
    results = content.get("results")
    if not isinstance(results, list) or not results:
        raise ProblemError(f"{name}: a T4 file needs at least one of 'results'")
    keys = list(results[0].get("configuration", {}))
    columns: dict[str, list[Any]] = {key: [] for key in keys}
    measured: dict[str, list[Any]] = {}
    units: dict[str, str] = {}
    errors: dict[int, str] = {}
    timeouts = set()
    spreads = []
    for place, result in enumerate(results):
        configuration = result.get("configuration")
        if not isinstance(configuration, Mapping) or list(configuration) != keys:
            raise ProblemError(f"{name}: result {place} has another configuration than the first: {keys}")
        for key in keys:
            columns[key].append(configuration[key])
        invalidity = str(result.get("invalidity", "correct"))
        if invalidity == "timeout":
            timeouts.add(place)
        elif invalidity != "correct":
            errors[place] = invalidity
        for item in result.get("measurements", ()):
            label = _identifier(str(item.get("name")))
            measured.setdefault(label, [None] * len(results))[place] = item.get("value")
            units.setdefault(label, str(item.get("unit") or UNITS.get(str(item.get("name")), "")))
        spreads.append(_spread(result.get("times", {}).get("runtimes")))
    if any(spread is not None for spread in spreads):
        measured["time_spread"] = spreads
    kept = _chosen(name, measured, metrics, {*errors, *timeouts})
    return _table(name, columns, kept, units, errors, timeouts=frozenset(timeouts))


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
    return _table(
        name,
        {column: frame[column].tolist() for column in chosen},
        {_identifier(column): _numbers(frame[column]) for column in wanted},
        dict(units or {}),
        errors,
    )


def _table(
    name: str,
    parameters: Mapping[str, list[Any]],
    metrics: Mapping[str, list[Any]],
    units: Mapping[str, str],
    errors: Mapping[int, str],
    *,
    timeouts: frozenset[int] = frozenset(),
    domains: Mapping[str, Sequence[Any]] | None = None,
) -> Table:
    if not metrics:
        raise ProblemError(f"{name}: no row has a number as a metric")
    bad = {*errors, *timeouts}
    columns = {}
    for label, values in metrics.items():
        column = np.full(len(values), np.nan)
        for place, value in enumerate(values):
            if _number(value):
                column[place] = float(value)
            elif place not in bad:
                raise ProblemError(
                    f"{name}: row {place} has {value!r} for {label!r}, which is no number, and no error: "
                    "state why it failed, or drop it"
                )
        column[sorted(bad)] = np.nan
        columns[label] = column
    return Table(
        name,
        {_identifier(label): _array(values) for label, values in parameters.items()},
        columns,
        units,
        dict(errors),
        timeouts,
        {_identifier(label): values for label, values in (domains or {}).items()},
    )


def _chosen(
    name: str, found: dict[str, list[Any]], metrics: Sequence[str] | None, bad: set[int]
) -> dict[str, list[Any]]:
    """Return the metrics asked for, or else those without holes in rows that did not fail."""
    if metrics is None:
        return {
            label: values
            for label, values in found.items()
            if all(_number(value) for place, value in enumerate(values) if place not in bad)
        }
    for metric in metrics:
        if metric not in found:
            raise ProblemError(f"table {name!r} has no metric {metric!r}; it has {', '.join(found)}")
    return {metric: found[metric] for metric in metrics}


def _numbers(column: pd.Series[Any]) -> list[Any]:
    """Return numbers, also where text of one row made the whole column text."""
    converted = pd.to_numeric(column, errors="coerce")
    return [
        value if number != number and not pd.isna(value) else number
        for value, number in zip(column.tolist(), converted.tolist(), strict=True)
    ]


def _array(values: list[Any]) -> Any:
    if all(_number(value) for value in values):
        return np.array(values)
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def _failure(record: Mapping[str, Any]) -> str | None:
    if record.get("__error__"):
        return str(record["__error__"])
    time = record.get("time")
    if isinstance(time, str):
        return time
    # Older versions write a very large time.
    if not _number(time) or float(time) >= 1e19:  # type: ignore[arg-type]
        return "InvalidConfig"
    return None


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _spread(times: object) -> float | None:
    if not isinstance(times, list) or not times or not all(_number(time) for time in times):
        return None
    return float(np.std(times) / np.mean(times))


def _identifier(label: str) -> str:
    clean = re.sub(r"\W", "_", label, flags=re.ASCII)
    return f"_{clean}" if clean[:1].isdigit() else clean


def _stem(file: Path) -> str:
    return file.name.split(".")[0]


def _json(file: Path) -> dict[str, Any]:
    opener = gzip.open if file.name.endswith(".gz") else open
    try:
        with opener(file, "rb") as stream:
            text = stream.read(MAX_BYTES + 1)
        if len(text) > MAX_BYTES:
            raise ProblemError(f"{file.name}: more than {MAX_BYTES >> 20} MiB of text: split it")
        content = json.loads(text)
    except (OSError, EOFError, ValueError) as error:
        raise ProblemError(f"{file.name}: cannot be read as JSON: {error}") from None
    if not isinstance(content, dict):
        raise ProblemError(f"{file.name}: holds a {type(content).__name__}, not an object with keys")
    return content
