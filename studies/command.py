"""A command-line program as a study, stated in a YAML file: no Python needed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dse import (
    Categorical,
    CommandModel,
    Integer,
    Limit,
    Maximize,
    Minimize,
    Ordinal,
    Parameter,
    Problem,
    Real,
    Space,
)
from dse.command import Csv, Json, Regex
from dse.command.outputs import Output
from dse.definitions import StudyDefinition
from dse.errors import ProblemError

NAME = "command"
NEEDED = ("parameters", "command", "metrics")
OF_MODEL = (
    "files", "marks", "version", "timeout", "memory", "failures", "environment", "workers", "directory",
    "keep",
)  # fmt: skip
KNOWN = (*NEEDED, *OF_MODEL, "name", "constraints", "output", "minimize", "maximize", "limits")
OUTPUTS: dict[str, Callable[..., Output]] = {"json": Json, "csv": Csv, "regex": Regex}


def problem(file: str = "") -> Problem:
    """Return the problem that a file states.

    Parameters
    ----------
    file
        YAML: see docs/simulators.md. There is no default.
    """
    if not file:
        raise ProblemError("file is not set: name one, as in --set file=sim.yaml")
    stated = _read(Path(file))
    space = Space(
        [_parameter(name, given) for name, given in _mapping(stated, "parameters").items()],
        _list(stated, "constraints"),
    )
    options = {key: stated[key] for key in OF_MODEL if key in stated}
    if "marks" in options:
        options["marks"] = tuple(_list(stated, "marks"))
    if isinstance(options.get("version"), int | float):
        options["version"] = str(options["version"])
    model = CommandModel(
        [str(item) for item in _list(stated, "command")],
        _mapping(stated, "metrics"),
        output=_output(stated),
        name=stated.get("name"),
        **options,
    )
    objectives = [Minimize(name) for name in _list(stated, "minimize")]
    goals = [*objectives, *(Maximize(name) for name in _list(stated, "maximize"))]
    if not goals:
        raise ProblemError("minimize and maximize are missing: name metrics, as in minimize: [latency_ms]")
    limits = [Limit(text) for text in _list(stated, "limits")]
    return Problem(space, model, goals, limits, name=stated.get("name") or Path(file).stem)


def _read(path: Path) -> dict[str, Any]:
    import yaml

    try:
        stated = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise ProblemError(f"file={str(path)!r} cannot be read: {error}") from None
    except yaml.YAMLError as error:
        raise ProblemError(f"{path} is no YAML: {' '.join(str(error).split())}") from None
    if not isinstance(stated, dict):
        raise ProblemError(f"{path} must state {', '.join(NEEDED)}, and more: see docs/simulators.md")
    for key in stated:
        if key not in KNOWN:
            raise ProblemError(f"{path} states {key!r}, which is unknown; known are {', '.join(KNOWN)}")
    for key in NEEDED:
        if not stated.get(key):
            raise ProblemError(f"{path} states no {key!r}")
    return stated


def _parameter(name: str, given: Any) -> Parameter:
    if isinstance(given, list):
        numbers = all(isinstance(item, int | float) and not isinstance(item, bool) for item in given)
        ascending = numbers and all(one < other for one, other in itertools.pairwise(given))
        return Ordinal(name, given) if ascending else Categorical(name, given)
    if not isinstance(given, Mapping) or not {"low", "high"} <= set(given) <= {"low", "high"}:
        raise ProblemError(
            f"parameters.{name}: {given!r} is none: write a list of values, or {{low: 1, high: 8}}"
        )
    whole = all(isinstance(value, int) for value in given.values())
    return Integer(name, **given) if whole else Real(name, **given)


def _output(stated: Mapping[str, Any]) -> Output:
    given = stated.get("output") or {"json": None}
    if isinstance(given, str):
        given = {given: None}
    if not isinstance(given, Mapping) or len(given) != 1 or next(iter(given)) not in OUTPUTS:
        raise ProblemError(f"output: {given!r} is none: write one of {', '.join(OUTPUTS)}")
    ((kind, arguments),) = given.items()
    options = dict(arguments or {})
    if kind == "regex":
        file = options.pop("file", None)
        return Regex(options, file=file)
    try:
        return OUTPUTS[kind](**options)
    except TypeError as error:
        raise ProblemError(f"output.{kind}: {error}") from None


def _mapping(stated: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = stated[key]
    if not isinstance(found, dict):
        raise ProblemError(f"{key}: {found!r} must be a mapping, as in {key}: {{name: ...}}")
    return found


def _list(stated: Mapping[str, Any], key: str) -> list[Any]:
    found = stated.get(key) or []
    if not isinstance(found, list):
        raise ProblemError(f"{key}: {found!r} must be a list, as in {key}: [...]")
    return found


study = StudyDefinition(NAME, "Your command-line simulator, as a YAML file states it.", problem, budget=200)
