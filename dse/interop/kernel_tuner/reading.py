"""Files of results: Kernel Tuner's cache, and T4 of the auto-tuning community."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.errors import ProblemError
from dse.interop.names import identifier

# Of a file, once decompressed: more is refused, so that a small file cannot fill memory.
MAX_BYTES = 1 << 30

# What Kernel Tuner's documentation states; of a T4 file, its own units count.
UNITS = {"time": "ms", "energy": "J", "power": "W", "GFLOP/s": "GFLOP/s", "GFLOPS/W": "GFLOP/J"}

# What our own files have beside: of a file, and of a row.
OURS, OUR_PREFIX = "dse", "dse_"

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
# Of that, what a design took, in milliseconds.
_SPENT = ("compile_time", "verification_time", "benchmark_time")
_SPENT_T4 = ("compilation", "compilation_time", "benchmark", "validation")


@dataclass(frozen=True)
class Results:
    """What a file holds: n designs that were measured.

    Attributes
    ----------
    name
        Of the file, or of what was tuned.
    parameters
        Values (n,) by name.
    metrics
        Arrays (n,) by name; NaN where a row failed.
    units
        Unit by metric.
    errors, timeouts
        Why a row failed, by row; those that ran out of time.
    domains
        All values of a parameter in their order, where the file states them.
    objectives
        The metrics that were tuned for.
    seconds
        Time spent on each design (n,); NaN where it is not known.
    """

    name: str
    parameters: Mapping[str, list[Any]]
    metrics: Mapping[str, NDArray[np.float64]]
    units: Mapping[str, str]
    errors: Mapping[int, str]
    timeouts: frozenset[int]
    domains: Mapping[str, Sequence[Any]]
    objectives: tuple[str, ...]
    seconds: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.seconds)


def load(path: Path) -> dict[str, Any]:
    """Read a JSON file, compressed if its name ends in .gz; raise `ProblemError` if it is none."""
    opener = gzip.open if path.name.endswith(".gz") else open
    try:
        with opener(path, "rb") as stream:
            text = stream.read(MAX_BYTES + 1)
        if len(text) > MAX_BYTES:
            raise ProblemError(f"{path.name}: more than {MAX_BYTES >> 20} MiB of text: split it")
        content = json.loads(text)
    except (OSError, EOFError, ValueError) as error:
        if isinstance(error, ProblemError):
            raise
        raise ProblemError(f"{path.name}: cannot be read as JSON: {error}") from None
    if not isinstance(content, dict):
        raise ProblemError(f"{path.name}: holds a {type(content).__name__}, not an object with keys")
    return content


def parse(content: Mapping[str, Any], *, name: str, metrics: Sequence[str] | None = None) -> Results:
    """Return the results of a parsed file of either kind; see `parse_cache` and `parse_t4`."""
    if "results" in content:
        return parse_t4(content, name=name, metrics=metrics)
    if "cache" in content:
        return parse_cache(content, name=name, metrics=metrics)
    raise ProblemError(f"{name}: neither a cache of Kernel Tuner ('cache', 'tune_params') nor T4 ('results')")


def parse_cache(content: Mapping[str, Any], *, name: str, metrics: Sequence[str] | None = None) -> Results:
    """Return the results of a cache of Kernel Tuner.

    Parameters
    ----------
    content
        The parsed file: ``tune_params_keys``, ``tune_params`` and ``cache``.
    name
        Of the results.
    metrics
        Those to keep; by default all that every row has which did not fail.

    Raises
    ------
    ProblemError
        If the file is not of its format; the message names the place.

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
    objective = content.get("objective", "time")
    wanted = [objective] if isinstance(objective, str) else list(objective)
    rows, errors, timeouts = [], {}, set()
    for place, (label, record) in enumerate(cache.items()):
        missing = [key for key in keys if key not in record]
        if missing:
            raise ProblemError(f"{name}: row {label!r} has no value for {missing[0]!r}")
        error = _failure(record, str(wanted[0]) if wanted else "time")
        if record.get(f"{OUR_PREFIX}state") == "timeout":
            timeouts.add(place)
        elif error is not None:
            errors[place] = str(record.get(f"{OUR_PREFIX}error", error))
        rows.append(record)
    names = [
        key
        for key in dict.fromkeys(key for record in rows for key in record)
        if key not in keys
        and key not in _BOOKKEEPING
        and not key.startswith(OUR_PREFIX)
        and any(_number(record.get(key)) for record in rows)
    ]
    found = {identifier(key): [record.get(key) for record in rows] for key in names}
    if any(isinstance(record.get("times"), list) for record in rows):
        found["time_spread"] = [_spread(record.get("times")) for record in rows]
    bad = {*errors, *timeouts}
    return Results(
        name,
        {identifier(key): [record[key] for record in rows] for key in keys},
        metric_columns(name, _chosen(name, found, metrics, bad), bad),
        {identifier(key): UNITS.get(key, "") for key in names},
        errors,
        frozenset(timeouts),
        {identifier(key): list(domains[key]) for key in keys if key in domains},
        tuple(identifier(str(key)) for key in wanted),
        np.array([_total(record, _SPENT) for record in rows]),
    )


def parse_t4(content: Mapping[str, Any], *, name: str, metrics: Sequence[str] | None = None) -> Results:
    """Return the results of a T4 file.

    Parameters
    ----------
    content
        The parsed file: ``results``, each with ``configuration``, ``measurements`` and ``invalidity``.
    name
        Of the results.
    metrics
        Those to keep; by default all that every result has which did not fail.

    Raises
    ------
    ProblemError
        If the file is not of its format; the message names the place.

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
    spreads, spent = [], []
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
            errors[place] = str(result.get(f"{OUR_PREFIX}error", invalidity))
        for item in result.get("measurements", ()):
            if str(item.get("name")).startswith(OUR_PREFIX):
                continue
            label = identifier(str(item.get("name")))
            measured.setdefault(label, [None] * len(results))[place] = item.get("value")
            units.setdefault(label, str(item.get("unit") or UNITS.get(str(item.get("name")), "")))
        times = result.get("times", {})
        spreads.append(_spread(times.get("runtimes")))
        spent.append(_total(times, _SPENT_T4))
    if any(spread is not None for spread in spreads):
        measured["time_spread"] = spreads
    bad = {*errors, *timeouts}
    return Results(
        name,
        {identifier(key): values for key, values in columns.items()},
        metric_columns(name, _chosen(name, measured, metrics, bad), bad),
        units,
        errors,
        frozenset(timeouts),
        {},
        tuple(identifier(str(key)) for key in results[0].get("objectives", ())),
        np.array(spent),
    )


def metric_columns(
    name: str, metrics: Mapping[str, Sequence[Any]], bad: Collection[int]
) -> dict[str, NDArray[np.float64]]:
    """Return metrics as arrays (n,), NaN in the rows of `bad`.

    Raises
    ------
    ProblemError
        If there is none, or another row has no number.
    """
    if not metrics:
        raise ProblemError(f"{name}: no row has a number as a metric")
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
    return columns


def _chosen(
    name: str, found: dict[str, list[Any]], metrics: Sequence[str] | None, bad: Collection[int]
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


def _failure(record: Mapping[str, Any], objective: str) -> str | None:
    if record.get("__error__"):
        return str(record["__error__"])
    time = record.get(objective, record.get("time"))
    if isinstance(time, str):
        return time
    # Older versions write a very large time.
    if not _number(time) or (objective == "time" and float(time) >= 1e19):
        return "InvalidConfig"
    return None


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _spread(times: object) -> float | None:
    if not isinstance(times, list) or not times or not all(_number(time) for time in times):
        return None
    return float(np.std(times) / np.mean(times))


def _total(record: Mapping[str, Any], keys: Sequence[str]) -> float:
    """Return the seconds of those times that are stated, in milliseconds; NaN for none."""
    stated = [float(record[key]) for key in keys if _number(record.get(key))]
    return sum(stated) / 1e3 if stated else math.nan
