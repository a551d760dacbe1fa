"""A stored study as a cache of Kernel Tuner, or as results in the format T4."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from dse.evaluations import Evaluations, State
from dse.interop.kernel_tuner.names import macros
from dse.interop.kernel_tuner.reading import OUR_PREFIX, OURS
from dse.interop.names import settle
from dse.space import Categorical, Integer, Ordinal, Parameter, Real

if TYPE_CHECKING:
    from dse.study import StudyView

# Kernel Tuner's kinds of error, and T4's words for them.
INVALID, COMPILATION, RUNTIME = "InvalidConfig", "CompilationFailedConfig", "RuntimeFailedConfig"
_WORDS = {INVALID: "constraints", COMPILATION: "compile", RUNTIME: "runtime"}
_T4_WORDS = ("compile", "runtime", "correctness", "constraints")
MOST_VALUES = 100_000


def to_kernel_tuner(
    study: StudyView,
    *,
    front: bool = False,
    device: str | None = None,
    kernel: str | None = None,
    lost: list[str] | None = None,
) -> str:
    """Return a study as the text of a cache file of Kernel Tuner.

    A design that breaks a limit is an ``InvalidConfig``, which Kernel Tuner passes over; its metrics are
    there all the same. Failed designs and timeouts are ``RuntimeFailedConfig``, or the kind of error that
    they state, with the reason in ``dse_error``. The seconds of an evaluation are its ``benchmark_time``;
    Kernel Tuner's other times are not known and zero. Parameters are named without dots. The problem is kept
    under ``dse``, from which `import_results` restores the study.

    Parameters
    ----------
    study
        The stored study.
    front
        Whether only its front is written.
    device, kernel
        What Kernel Tuner is to take as the device's and the kernel's name; by default the model's setting
        ``device`` and the problem's name.
    lost
        Where to put what a cache has no place for, a line each; None to refuse it.

    Raises
    ------
    SpaceError
        If something has no place, a real's values beside those that occur, and `lost` is None.
    """
    part, numbers = _evaluations(study, front)
    names = macros(study.space)
    missing: list[str] = []
    tuned = {names[parameter.name]: _domain(parameter, part, missing) for parameter in study.space.parameters}
    settle(missing, lost, "a cache of Kernel Tuner")
    objective = study.objectives[0].metric
    problem = study.record.problem
    header = {
        "device_name": device or str(problem["model"]["settings"].get("device", "unknown")),
        "kernel_name": kernel or str(problem.get("name") or study.name),
        "tune_params_keys": list(tuned),
        "tune_params": tuned,
        "objective": objective,
        OURS: _ours(study),
    }
    lines = []
    for number, values, metrics, state, error, seconds in _rows(part, numbers):
        row: dict[str, Any] = dict(zip(tuned, values, strict=True))
        row |= metrics
        kind = _kind(state, error)
        if kind is not None:
            row["__error__"] = kind
            row.setdefault(objective, kind)
        row |= {
            "compile_time": 0, "verification_time": 0, "benchmark_time": seconds * 1e3,
            "strategy_time": 0, "framework_time": 0, **_beside(number, state, error),
        }  # fmt: skip
        key = ",".join(map(str, values))
        lines.append(f"{json.dumps(key, ensure_ascii=False)}: {_dumped(row)}")
    # The layout by which Kernel Tuner knows a file that was closed.
    head = json.dumps(header, indent="", ensure_ascii=False, allow_nan=False)[:-2]
    return f'{head},\n"cache": {{\n' + ",\n".join(lines) + "}\n}"


def to_t4(study: StudyView, *, front: bool = False, lost: list[str] | None = None) -> str:
    """Return a study as the text of a T4 file.

    ``invalidity`` is ``correct`` of designs that hold the limits and ``constraints`` of those that break one,
    whose measurements are there all the same; ``timeout`` and ``runtime``, or the word that it states, of
    those without a result, with the reason in ``dse_error``. Times are in milliseconds; those that are not
    known are zero, and ``runtimes`` is empty. The problem is kept under ``metadata.dse``.

    Parameters
    ----------
    study, front, lost
        As for `to_kernel_tuner`; T4 has a place for all of it.
    """
    del lost  # nothing is
    part, numbers = _evaluations(study, front)
    names = list(macros(study.space).values())
    goals = [goal.metric for goal in study.objectives]
    results = []
    for number, values, metrics, state, error, seconds in _rows(part, numbers):
        kind = _kind(state, error)
        word = "correct" if kind is None else _WORDS.get(kind, "runtime")
        if state == State.TIMEOUT:
            word = "timeout"
        elif state == State.FAILED and error in _T4_WORDS:
            word = error
        results.append(
            {
                "configuration": dict(zip(names, values, strict=True)),
                "times": {
                    "compilation": 0,
                    "benchmark": seconds * 1e3,
                    "framework": 0,
                    "search_algorithm": 0,
                    "validation": 0,
                    "runtimes": [],
                },
                "invalidity": word,
                "correctness": 0 if word == "correctness" else 1,
                "measurements": [
                    {"name": metric, "value": value, "unit": study.metrics[metric].unit}
                    for metric, value in metrics.items()
                ],
                "objectives": goals,
                **_beside(number, state, error),
            }
        )
    content = {
        "schema_version": "1.0.0",
        "metadata": {"timeunit": "milliseconds", OURS: _ours(study)},
        "results": results,
    }
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _ours(study: StudyView) -> dict[str, Any]:
    return {"study": study.name, "problem": study.record.problem, "names": macros(study.space)}


def _evaluations(study: StudyView, front: bool) -> tuple[Evaluations, list[int]]:
    numbers = study.store.front_numbers(study.id) if front else None
    rows = study.store.evaluations(study.id, numbers=numbers)
    return study.restore(rows), rows.number.tolist()


def _rows(
    part: Evaluations, numbers: list[int]
) -> Iterator[tuple[int, list[Any], dict[str, float], str, str | None, float]]:
    """Yield number, values, known metrics, state, error and seconds of each evaluation."""
    values = zip(*([part.designs[name].tolist() for name in part.designs.names]), strict=True)
    columns = {metric: column.tolist() for metric, column in part.metrics.items()}
    seconds = np.nan_to_num(part.seconds).tolist()
    for row, (number, design) in enumerate(zip(numbers, values, strict=True)):
        plain = [int(value) if isinstance(value, bool) else value for value in design]
        known = {metric: column[row] for metric, column in columns.items() if np.isfinite(column[row])}
        yield number, plain, known, str(part.state[row]), part.errors.get(row), seconds[row]


def _kind(state: str, error: str | None) -> str | None:
    if state == State.COMPLETE:
        return None
    if state == State.INFEASIBLE:
        return INVALID
    known = {word: kind for kind, word in _WORDS.items()} | {kind: kind for kind in _WORDS}
    return known.get(error or "", RUNTIME)


def _beside(number: int, state: str, error: str | None) -> dict[str, Any]:
    found: dict[str, Any] = {f"{OUR_PREFIX}number": number, f"{OUR_PREFIX}state": state}
    if error is not None:
        found[f"{OUR_PREFIX}error"] = error
    return found


def _dumped(row: Mapping[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False, allow_nan=False)


def _domain(parameter: Parameter, part: Evaluations, missing: list[str]) -> list[Any]:
    if isinstance(parameter, Categorical | Ordinal):
        values = list(parameter.listed)
        return [int(value) if isinstance(value, bool) else value for value in values]
    assert isinstance(parameter, Integer | Real)
    if isinstance(parameter, Integer) and parameter.cardinality <= MOST_VALUES:
        return list(range(parameter.low, parameter.high + 1, parameter.step))
    missing.append(f"the values of {parameter.name!r} beside those that occur")
    occurring: list[Any] = np.unique(part.designs[parameter.name]).tolist()
    return occurring
