"""How metrics are read from what a program wrote."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from dse.errors import ProblemError

LONGEST = 100_000_000  # bytes of a file that is read
SHOWN = 200


class OutputError(ValueError):
    """What a program wrote does not hold what is asked for."""


@runtime_checkable
class Output(Protocol):
    """Reads metrics; any object with these does."""

    def check(self, metrics: Mapping[str, str]) -> None:
        """Raise `ProblemError` if it cannot give these metrics, by name."""
        ...

    def read(self, folder: Path, printed: str, metrics: Mapping[str, str]) -> dict[str, float]:
        """Return the metrics.

        Parameters
        ----------
        folder
            Where the program ran.
        printed
            What it wrote to standard output.
        metrics
            Units by name.

        Raises
        ------
        ValueError
            If they are not there: the design has failed.
        """
        ...

    def settings(self) -> dict[str, Any]:
        """Return what results depend on, as JSON values."""
        ...


@dataclass(frozen=True)
class Json:
    """A JSON object.

    Parameters
    ----------
    file
        Of the working directory; by default standard output, or its last line that is one.
    fields
        Where metrics are in it, as in ``{"latency_ms": "timing.total"}`` or ``"layers.0.cycles"``; by default
        under their names.
    """

    file: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)

    def check(self, metrics: Mapping[str, str]) -> None:
        _check_names("fields", self.fields, metrics)

    def read(self, folder: Path, printed: str, metrics: Mapping[str, str]) -> dict[str, float]:
        data = _json(_content(self.file, folder, printed), self.file)
        found = {}
        for name in metrics:
            value = data
            for step in self.fields.get(name, name).split(".") if name in self.fields else [name]:
                try:
                    value = value[int(step)] if isinstance(value, list) else value[step]
                except (KeyError, IndexError, ValueError, TypeError):
                    raise OutputError(
                        f"{_source(self.file)} has no {self.fields.get(name, name)!r}"
                    ) from None
            found[name] = _number(value, name)
        return found

    def settings(self) -> dict[str, Any]:
        return {"kind": "json", "file": self.file, "fields": dict(self.fields)}


@dataclass(frozen=True)
class Csv:
    """A row of a table with a header.

    Parameters
    ----------
    file
        Of the working directory; by default standard output.
    columns
        Column by metric; by default their names.
    row
        Which, from 0; -1 is the last.
    delimiter
        One character.
    """

    file: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    row: int = -1
    delimiter: str = ","

    def check(self, metrics: Mapping[str, str]) -> None:
        _check_names("columns", self.columns, metrics)
        if len(self.delimiter) != 1:
            raise ProblemError(f"delimiter={self.delimiter!r} must be one character")

    def read(self, folder: Path, printed: str, metrics: Mapping[str, str]) -> dict[str, float]:
        text = _content(self.file, folder, printed)
        rows = list(csv.DictReader(io.StringIO(text), delimiter=self.delimiter, skipinitialspace=True))
        try:
            row = rows[self.row]
        except IndexError:
            raise OutputError(f"{_source(self.file)} has {len(rows)} rows: there is no {self.row}") from None
        found = {}
        known = {str(key).strip(): value for key, value in row.items()}
        for name in metrics:
            column = self.columns.get(name, name)
            if known.get(column) is None:
                raise OutputError(f"{_source(self.file)} has no column {column!r}, but {', '.join(known)}")
            found[name] = _number(known[column], name)
        return found

    def settings(self) -> dict[str, Any]:
        return {
            "kind": "csv", "file": self.file, "columns": dict(self.columns), "row": self.row,
            "delimiter": self.delimiter,
        }  # fmt: skip


@dataclass(frozen=True)
class Regex:
    r"""Patterns in a text.

    Parameters
    ----------
    patterns
        By metric, with one group for the number, as in ``{"latency_ms": r"total time:\s+(\S+) ms"}``. The
        last place that fits counts; ``^`` and ``$`` are of a line.
    file
        Of the working directory; by default standard output.
    """

    patterns: Mapping[str, str]
    file: str | None = None

    def check(self, metrics: Mapping[str, str]) -> None:
        _check_names("patterns", self.patterns, metrics)
        for name in metrics:
            if name not in self.patterns:
                raise ProblemError(f"patterns has none for metric {name!r}: add one with a group")
            try:
                groups = re.compile(self.patterns[name]).groups
            except re.error as error:
                raise ProblemError(
                    f"patterns: {self.patterns[name]!r} of {name!r} is none: {error}"
                ) from None
            if groups != 1:
                raise ProblemError(
                    f"patterns: {self.patterns[name]!r} of {name!r} has {groups} groups: mark the number by "
                    "one, as in '(\\S+)'"
                )

    def read(self, folder: Path, printed: str, metrics: Mapping[str, str]) -> dict[str, float]:
        text = _content(self.file, folder, printed)
        found = {}
        for name in metrics:
            places = re.findall(self.patterns[name], text, re.MULTILINE)
            if not places:
                raise OutputError(
                    f"{_source(self.file)} has nothing like {self.patterns[name]!r}{_end(text)}"
                )
            found[name] = _number(places[-1], name)
        return found

    def settings(self) -> dict[str, Any]:
        return {"kind": "regex", "file": self.file, "patterns": dict(self.patterns)}


def _check_names(what: str, given: Mapping[str, str], metrics: Mapping[str, str]) -> None:
    for name in given:
        if name not in metrics:
            raise ProblemError(f"{what} names {name!r}, which is no metric; metrics are {', '.join(metrics)}")


def _content(file: str | None, folder: Path, printed: str) -> str:
    if file is None:
        return printed
    path = folder / file
    try:
        if path.stat().st_size > LONGEST:
            raise OutputError(f"{file} has {path.stat().st_size:,} bytes: more than {LONGEST:,} are not read")
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise OutputError(f"the program left no {file} ({error.strerror})") from None


def _json(text: str, file: str | None) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        for line in reversed(text.splitlines() if file is None else ()):
            if line.lstrip().startswith("{"):
                try:
                    return json.loads(line)
                except ValueError:
                    break
    raise OutputError(f"{_source(file)} is no JSON{_end(text)}")


def _number(value: Any, name: str) -> float:
    try:
        return float(value.strip().replace("_", "") if isinstance(value, str) else value)
    except (TypeError, ValueError):
        raise OutputError(f"{name} is {str(value)[:SHOWN]!r}, which is no number") from None


def _source(file: str | None) -> str:
    return "standard output" if file is None else file


def _end(text: str) -> str:
    end = " ".join(text.split())[-SHOWN:]
    return f": it ends with {end!r}" if end else ": it is empty"
