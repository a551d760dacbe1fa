"""A file of results as a stored study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dse.errors import DesignError, StudyError
from dse.interop.kernel_tuner.reading import OUR_PREFIX, OURS, Results, load, parse
from dse.interop.recorded import (
    Imported,
    RecordedModel,
    designs_of,
    digest,
    membership,
    restored,
    store_recorded,
    without_repeats,
)
from dse.models import Outcome
from dse.problem import Maximize, Minimize, Objective, Problem
from dse.space import Categorical, Ordinal, Parameter, Space

if TYPE_CHECKING:
    from dse.store import Store

# What is better of objectives that Kernel Tuner knows; by names as they are here (GFLOP/s is GFLOP_s).
_MINIMIZED = ("time", "energy", "cost", "loss")
_MAXIMIZED = ("fitness", "GFLOP_s", "TFLOP_s", "GB_s", "TB_s", "GFLOPS_W", "TFLOPS_W", "GFLOP_J", "TFLOP_J")
SHOWN = 5


def import_results(
    path: Path,
    store: Store | str,
    *,
    name: str | None = None,
    space: Space | None = None,
    minimize: Sequence[str] = (),
    maximize: Sequence[str] = (),
) -> Imported:
    """Read a cache of Kernel Tuner or a T4 file into a stored study.

    Parameters
    ----------
    path
        The file, JSON, compressed if its name ends in .gz.
    store
        Where to.
    name
        Of the study; the file's by default, or the study's that was exported into it.
    space
        What was searched; by default all combinations of the values that the file states, or else has.
    minimize, maximize
        Metrics; by default what was tuned for, in the direction that Kernel Tuner has for it.

    Returns
    -------
    The stored study, and what was left out. Failed configurations are failed evaluations, with the kind of
    error as reason. A file that `to_kernel_tuner` or `to_t4` wrote gives its study again, with its space,
    metrics, units, limits, states and reasons.

    Raises
    ------
    ProblemError
        If the file is not of its format.
    StudyError
        If no objective is known, or no row is a member of the space.
    """
    if not path.is_file():
        raise StudyError(f"there is no file {str(path)!r}")
    content = load(path)
    told = f"{'T4' if 'results' in content else 'Kernel Tuner cache'} {path.name}"
    lost: list[str] = []
    given = space is not None or minimize or maximize
    ours = content.get(OURS) or content.get("metadata", {}).get(OURS)
    stated = None
    if ours is not None and not given:
        stated = ours["problem"]
        problem = restored(stated)
        results = _own(content, str(ours["study"]), problem, ours["names"])
    else:
        results = parse(content, name=path.name.split(".")[0])
        if ours is not None:
            names = {macro: parameter for parameter, macro in ours["names"].items()}
            results = replace(
                results,
                parameters={names.get(key, key): values for key, values in results.parameters.items()},
                domains={names.get(key, key): values for key, values in results.domains.items()},
            )
        problem = _problem(results, space, minimize, maximize)
    codes = _codes(problem.space, results)
    inside = membership(problem.space, codes, np.ones(codes.shape, dtype=bool))
    outside = np.flatnonzero(~inside)
    if len(outside):
        shown = ", ".join(map(str, outside[:SHOWN])) + (", ..." if len(outside) > SHOWN else "")
        lost.append(f"{len(outside):,} rows that are no members of the space (row {shown})")
    places = {row: place for place, row in enumerate(np.flatnonzero(inside).tolist())}
    outcome = Outcome(
        {metric: column[inside] for metric, column in results.metrics.items()},
        {places[row]: text for row, text in results.errors.items() if row in places},
        frozenset(places[row] for row in results.timeouts if row in places),
        results.seconds[inside],
    )
    return store_recorded(
        name or results.name,
        problem,
        without_repeats(problem.judge(designs_of(problem.space, codes[inside]), outcome), lost, "rows"),
        store,
        source=told,
        lost=lost,
        stated=stated,
    )


def _problem(
    results: Results, space: Space | None, minimize: Sequence[str], maximize: Sequence[str]
) -> Problem:
    metrics = {metric: results.units.get(metric, "") for metric in results.metrics}
    space = space or Space([_parameter(name, values, results) for name, values in results.parameters.items()])
    goals: list[Objective] = [Minimize(metric) for metric in minimize]
    goals += [Maximize(metric) for metric in maximize]
    columns = {metric: column.tolist() for metric, column in results.metrics.items()}
    rows = {"rows": digest([results.parameters, columns])}
    model = RecordedModel(results.name, metrics, space.names, rows)
    return Problem(space, model, goals or _goals(results))


def _goals(results: Results) -> list[Objective]:
    found: list[Objective] = []
    for metric in results.objectives:
        if metric in _MAXIMIZED:
            found.append(Maximize(metric))
        elif metric in _MINIMIZED:
            found.append(Minimize(metric))
        else:
            raise StudyError(
                f"whether less of {metric!r} is better is not known: --minimize {metric}, or --maximize"
            )
    if not found:
        raise StudyError(
            f"the file states no objective: --minimize one of {', '.join(results.metrics)}, or --maximize it"
        )
    return found


def _parameter(name: str, values: Sequence[Any], results: Results) -> Parameter:
    listed = list(results.domains.get(name) or dict.fromkeys(values))
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in listed)
    if numbers and name not in results.domains:
        listed.sort()
    return Ordinal(name, listed) if numbers and listed == sorted(listed) else Categorical(name, listed)


def _codes(space: Space, results: Results) -> Any:
    """Return codes (n, parameters), NaN where a value is not in its domain."""
    codes = np.full((len(results), len(space.names)), np.nan)
    for position, parameter in enumerate(space.parameters):
        values = results.parameters.get(parameter.name)
        if values is None:
            raise StudyError(
                f"{results.name} has no parameter {parameter.name!r}, which the space has; it has "
                f"{', '.join(results.parameters)}"
            )
        known: dict[Any, float] = {}
        for row, value in enumerate(values):
            if value not in known:
                try:
                    known[value] = float(parameter.encode([value])[0])
                except DesignError:
                    known[value] = np.nan
            codes[row, position] = known[value]
    return codes


def _own(content: Mapping[str, Any], name: str, problem: Problem, names: Mapping[str, str]) -> Results:
    """Return the rows of a file of ours as they were: states, reasons, and metrics beyond the limits too."""
    rows = list(content["cache"].values()) if "cache" in content else list(map(_flat, content["results"]))
    errors, timeouts = {}, set()
    for place, row in enumerate(rows):
        state = row.get(f"{OUR_PREFIX}state")
        if state == "timeout":
            timeouts.add(place)
        if state == "failed" or f"{OUR_PREFIX}error" in row:
            errors[place] = str(row.get(f"{OUR_PREFIX}error", "failed"))
    return Results(
        name=name,
        parameters={parameter: [row.get(macro) for row in rows] for parameter, macro in names.items()},
        metrics={metric: np.array([_float(row.get(metric)) for row in rows]) for metric in problem.metrics},
        units={},
        errors=errors,
        timeouts=frozenset(timeouts),
        domains={},
        objectives=(),
        seconds=np.array([_float(row.get("benchmark_time")) / 1e3 for row in rows]),
    )


def _flat(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return a result of T4 as a row of a cache."""
    measured = {item["name"]: item["value"] for item in result["measurements"]}
    ours = {key: value for key, value in result.items() if key.startswith(OUR_PREFIX)}
    return {
        **result["configuration"], **measured, **ours, "benchmark_time": result["times"]["benchmark"]
    }  # fmt: skip


def _float(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")
