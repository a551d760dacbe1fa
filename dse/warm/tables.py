"""Designs as they come from outside: files, data frames, rows; and their cells as values of parameters."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dse.designs import Designs
from dse.errors import DesignError, StudyError
from dse.space import Categorical, Ordinal, Parameter

if TYPE_CHECKING:
    import pandas as pd

FILES = (".csv", ".json", ".parquet")
_TRUTH = {"true": True, "false": False}


class _Cell(Enum):
    EMPTY = "empty"


EMPTY = _Cell.EMPTY  # of a cell that a row lacks


@dataclass(frozen=True)
class Table:
    """Designs by column, as they were given.

    Attributes
    ----------
    label
        For messages: ``published.csv``.
    columns
        Values, or their text, one list (n,) a column; `EMPTY` where a row has none.
    rows
        How many rows there are.
    """

    label: str
    columns: Mapping[str, Sequence[Any]]
    rows: int

    @classmethod
    def of_rows(cls, label: str, rows: Iterable[Mapping[str, Any]]) -> Table:
        """Make a table of rows, each a mapping of column to value."""
        listed = list(rows)
        names = dict.fromkeys(name for row in listed for name in row)
        return cls(label, {name: [row.get(name, EMPTY) for row in listed] for name in names}, len(listed))

    @classmethod
    def of_frame(cls, label: str, frame: pd.DataFrame) -> Table:
        """Make a table of a data frame; its index is left out."""
        return cls(label, {str(name): frame[name].tolist() for name in frame}, len(frame))

    @classmethod
    def of_designs(cls, label: str, designs: Designs) -> Table:
        """Make a table of designs, empty where a parameter is not active: its value says nothing there."""
        active = designs.active
        columns = {
            name: [
                value if used else EMPTY
                for value, used in zip(designs[name].tolist(), active[:, place].tolist(), strict=True)
            ]
            for place, name in enumerate(designs.names)
        }
        return cls(label, columns, len(designs))


def read_table(path: Path) -> Table:
    """Read designs from a file.

    Parameters
    ----------
    path
        CSV with a head, Parquet, or JSON: a list of objects, an object of columns, or one design as
        ``dse export --design`` writes it.

    Raises
    ------
    StudyError
        If the file is missing, no such file, or cannot be read as its name says.
    """
    kind = path.suffix.lower()
    if kind not in FILES:
        raise StudyError(f"{str(path)!r} is no file of designs: give one that ends in {', '.join(FILES)}")
    try:
        if kind == ".csv":
            return _read_csv(path)
        if kind == ".json":
            return _read_json(path)
        import pandas as pd

        return Table.of_frame(path.name, pd.read_parquet(path))
    except FileNotFoundError:
        raise StudyError(f"there is no file {str(path)!r}: name another") from None
    except OSError as error:
        # Also of what is no Parquet: its errors are of this kind, or of the next.
        raise StudyError(f"{str(path)!r} cannot be read: {error.strerror or _line(error)}") from error
    except StudyError:
        raise
    except (ValueError, csv.Error) as error:
        raise StudyError(f"{str(path)!r} is no {kind[1:].upper()}: {_line(error)}") from error


def _read_csv(path: Path) -> Table:
    # As text: which type a value has is known by the parameter, not by the file.
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = [line for line in csv.reader(file, strict=True) if line]
    if not lines:
        raise StudyError(f"{str(path)!r} is empty: write a head, and a line a design")
    head = [name.strip() for name in lines[0]]
    for row, line in enumerate(lines[1:], 1):
        if len(line) != len(head):
            raise StudyError(
                f"{path.name}, row {row}: {len(line)} cells under a head of {len(head)}: correct the row"
            )
    columns = {name: [line[place] for line in lines[1:]] for place, name in enumerate(head)}
    return Table(path.name, columns, len(lines) - 1)


def _read_json(path: Path) -> Table:
    data = json.loads(path.read_text(encoding="utf-8"))
    if isinstance(data, Mapping) and data and all(isinstance(value, list) for value in data.values()):
        lengths = {name: len(column) for name, column in data.items()}
        if len(set(lengths.values())) > 1:
            raise StudyError(f"{path.name}: columns differ in length: {lengths}")
        return Table(path.name, data, next(iter(lengths.values())))
    rows = [data] if isinstance(data, Mapping) else data
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise StudyError(f"{path.name}: write a list of objects, one a design")
    inner = [row["parameters"] if isinstance(row.get("parameters"), Mapping) else row for row in rows]
    return Table.of_rows(path.name, inner)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())


def code_of(parameter: Parameter, value: Any) -> int | float | None:
    """Return the code of a value, or of a value's text; None for an empty cell.

    Raises
    ------
    DesignError
        If the value is outside the parameter's domain.
    """
    if value is EMPTY:
        return None
    try:
        return _code(parameter, value)
    except DesignError:
        if value is None or value != value or (isinstance(value, str) and not value.strip()):
            # A CSV file has no other way to write None.
            listed = parameter.listed if isinstance(parameter, Categorical | Ordinal) else ()
            return listed.index(None) if None in listed else None
        if isinstance(value, str):
            return _code(parameter, _value(parameter, value.strip()))
        raise


def _code(parameter: Parameter, value: Any) -> int | float:
    code: int | float = parameter.encode([value])[0].item()
    return code


def _value(parameter: Parameter, text: str) -> Any:
    """Return the value that a text stands for; the text itself where it stands for none."""
    number = number_of(text)
    if not isinstance(parameter, Categorical | Ordinal):
        return text if number is None else number
    for value in parameter.listed:
        if str(value) == text:
            return value
    # 16.0 for 16, TRUE for True; but 1 is not True.
    kinds = {type(value) for value in parameter.listed}
    if number is not None and (kinds <= {int, float} or number in _numbers(parameter.listed)):
        return number
    return _TRUTH.get(text.lower(), text)


def _numbers(values: Sequence[Any]) -> list[int | float]:
    return [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]


def number_of(value: Any) -> int | float | None:
    """Return a number, or that of a text; None for anything else."""
    if isinstance(value, str):
        for kind in (int, float):
            try:
                return kind(value)
            except ValueError:
                continue
        return None
    native = value.item() if hasattr(value, "item") else value
    return native if isinstance(native, int | float) and not isinstance(native, bool) else None
