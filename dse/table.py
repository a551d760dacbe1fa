"""`Table`: designs that somebody measured, as a space and a cost model."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dse.designs import Designs
from dse.errors import ProblemError
from dse.expressions import Columns
from dse.models import Outcome
from dse.problem import Objective, Problem
from dse.space import Categorical, Ordinal, Space
from dse.space.constraints import Constraint

Array = NDArray[Any]

NOT_MEASURED = "the table has no such design"


@dataclass(frozen=True)
class Table:
    """Measurements, a row a design.

    Parameters
    ----------
    name
        Shown, and part of a problem's fingerprint together with a hash of all values.
    parameters
        Arrays (n,) by parameter name: numbers, text or truth values.
    metrics
        Arrays (n,) by metric name; NaN where a row failed.
    units
        Unit by metric name; "" where it is not given.
    errors
        Why a row failed, by row.
    timeouts
        Rows that ran out of time.
    domains
        All values of a parameter in their order, where the rows do not show it. By default the values that
        occur: numbers in increasing order, others in the order of their first row.

    Raises
    ------
    ProblemError
        If columns differ in length, a design occurs twice, or a row has neither a value nor an
        error.
    """

    name: str
    parameters: Mapping[str, Array]
    metrics: Mapping[str, NDArray[np.float64]]
    units: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[int, str] = field(default_factory=dict)
    timeouts: frozenset[int] = frozenset()
    domains: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.parameters or not self.metrics:
            raise ProblemError(f"table {self.name!r} needs at least one parameter and one metric")
        lengths = {
            name: len(column) for part in (self.parameters, self.metrics) for name, column in part.items()
        }
        if len(set(lengths.values())) != 1 or not next(iter(lengths.values())):
            raise ProblemError(f"table {self.name!r}: its columns have {lengths} rows")
        for name, column in self.metrics.items():
            for row in np.flatnonzero(~np.isfinite(column)).tolist():
                if row not in self.errors and row not in self.timeouts:
                    raise ProblemError(
                        f"table {self.name!r}: row {row} has {column[row]} for {name!r} and no error: state "
                        "why it failed, or drop it"
                    )
        ranks = self._ranks(self.parameters, len(self.parameters))
        order = np.argsort(ranks, kind="stable")
        twice = np.flatnonzero(np.diff(ranks[order]) == 0)
        if len(twice):
            one, other = order[twice[0]], order[twice[0] + 1]
            design = ", ".join(f"{name}={column[one]}" for name, column in self.parameters.items())
            raise ProblemError(
                f"table {self.name!r}: rows {one} and {other} are the same design ({design}): keep one of "
                "them, or their median"
            )

    def __len__(self) -> int:
        return len(next(iter(self.parameters.values())))

    @cached_property
    def values(self) -> dict[str, list[Any]]:
        """The domain of each parameter."""
        found: dict[str, list[Any]] = {}
        for name, column in self.parameters.items():
            listed = list(self.domains.get(name, ())) or list(dict.fromkeys(column.tolist()))
            if name not in self.domains and all(_is_number(value) for value in listed):
                listed.sort()
            found[name] = listed
        return found

    @cached_property
    def _places(self) -> dict[str, dict[Any, int]]:
        return {
            name: {value: place for place, value in enumerate(values)} for name, values in self.values.items()
        }

    @cached_property
    def _numbers(self) -> dict[str, tuple[NDArray[Any], NDArray[np.int64]]]:
        """Domains of numbers in increasing order, and their places."""
        found = {}
        for name, values in self.values.items():
            if all(_is_number(value) for value in values):
                domain = np.array(values)
                order = np.argsort(domain)
                found[name] = (domain[order], order)
        return found

    def _codes(self, name: str, column: ArrayLike) -> NDArray[np.int64]:
        """Return the places (n,) of values in their domain; -1 where they are not in it."""
        given = np.asarray(column)
        if name in self._numbers and given.dtype.kind in "iuf":
            domain, order = self._numbers[name]
            place = np.minimum(np.searchsorted(domain, given), len(domain) - 1)
            return np.where(domain[place] == given, order[place], -1)
        places = self._places[name]
        return np.array([places.get(value, -1) for value in given.tolist()], np.int64)

    @cached_property
    def _known(self) -> list[NDArray[np.int64]]:
        """For each parameter what occurs of it after those before it: rank times values, plus code; sorted.

        A rank is the place of a combination among those that occur, so that numbers stay small however many
        combinations there could be.
        """
        found = []
        ranks = np.zeros(len(self), np.int64)
        for name, column in self.parameters.items():
            known, ranks = np.unique(
                ranks * len(self.values[name]) + self._codes(name, column), return_inverse=True
            )
            found.append(known)
        return found

    @property
    def reached(self) -> list[int]:
        """How many combinations of the first parameters occur, for each of them."""
        return [len(known) for known in self._known]

    def _ranks(self, columns: Mapping[str, ArrayLike], count: int) -> NDArray[np.int64]:
        """Return the ranks (n,) of the first `count` parameters together; -1 where no row has them."""
        names = tuple(self.parameters)[:count]
        ranks = np.zeros(len(np.asarray(columns[names[0]])), np.int64)
        for name, known in zip(names, self._known, strict=False):
            codes = self._codes(name, columns[name])
            keys = np.where((codes < 0) | (ranks < 0), -1, ranks * len(self.values[name]) + codes)
            place = np.minimum(np.searchsorted(known, keys), len(known) - 1)
            ranks = np.where(known[place] == keys, place, -1)
        return ranks

    @cached_property
    def _rows(self) -> NDArray[np.int64]:
        """The row of each rank of all parameters."""
        found = np.empty(len(self), np.int64)
        found[self._ranks(self.parameters, len(self.parameters))] = np.arange(len(self))
        return found

    def find(self, columns: Mapping[str, ArrayLike]) -> NDArray[np.int64]:
        """Return the rows (n,) of designs given by column; -1 where the table has none."""
        ranks = self._ranks(columns, len(self.parameters))
        return np.where(ranks < 0, -1, self._rows[ranks])

    @cached_property
    def digest(self) -> str:
        """A hash of all values."""
        mixed = hashlib.sha256()
        for part in (self.parameters, self.metrics):
            for name, column in part.items():
                mixed.update(f"{name}:{column.tolist()!r};".encode())
        mixed.update(repr((sorted(self.errors.items()), sorted(self.timeouts))).encode())
        return mixed.hexdigest()[:16]

    @property
    def space(self) -> Space:
        """The space whose members are the measured designs."""
        names = tuple(self.parameters)
        parameters = [
            Ordinal(name, values)
            if len(values) > 1 and all(_is_number(value) for value in values) and values == sorted(values)
            else Categorical(name, values)
            for name, values in self.values.items()
        ]
        rules = [
            rule
            for count in range(2, len(names) + 1)
            if (rule := self._membership(names[:count])) is not None
        ]
        return Space(parameters, rules)

    def _membership(self, names: tuple[str, ...]) -> Constraint | None:
        """Return the rule that some row has these values; None where every combination has.

        One for every prefix of the parameters, so that a space is built along the rows that there are.
        """
        combinations = 1
        for name in names:
            combinations *= len(self.values[name])
        if len(self._known[len(names) - 1]) == combinations:
            return None
        digest = self.digest  # closed over, so that the space's fingerprint knows the table

        def measured(columns: Columns) -> Any:
            assert digest
            return self._ranks({name: np.ravel(columns[name]) for name in names}, len(names)) >= 0

        return Constraint(measured, columns=names, name=f"measured in {self.name} ({', '.join(names)})")

    @property
    def model(self) -> TableModel:
        """The cost model that looks designs up."""
        return TableModel(self)

    def problem(self, objectives: Sequence[Objective], *, limits: Sequence[str] = ()) -> Problem:
        """Return the problem of finding the best of what was measured."""
        return Problem(self.space, self.model, objectives=objectives, limits=limits, name=self.name)


@dataclass(frozen=True)
class TableModel:
    """A cost model that looks designs up in a table.

    A row that failed fails again, with its error; a design that the table lacks fails as not measured.
    """

    table: Table
    version: str = "1"

    @property
    def name(self) -> str:
        """The table's."""
        return self.table.name

    @property
    def settings(self) -> Mapping[str, Any]:
        """A hash of the table's values."""
        return {"digest": self.table.digest}

    @property
    def metrics(self) -> Mapping[str, str]:
        """Unit by metric name."""
        return {name: self.table.units.get(name, "") for name in self.table.metrics}

    @property
    def columns(self) -> tuple[str, ...]:
        """The table's parameters."""
        return tuple(self.table.parameters)

    def evaluate(self, designs: Designs) -> Outcome:
        """Look a batch up."""
        rows = self.table.find({name: designs[name] for name in self.columns})
        errors = {int(place): NOT_MEASURED for place in np.flatnonzero(rows < 0)}
        timeouts = set()
        if self.table.errors or self.table.timeouts:
            for place, row in enumerate(rows.tolist()):
                if row in self.table.timeouts:
                    timeouts.add(place)
                elif row in self.table.errors:
                    errors[place] = self.table.errors[row]
        metrics = {
            name: np.where(rows < 0, np.nan, column[rows]) for name, column in self.table.metrics.items()
        }
        return Outcome(metrics, errors, frozenset(timeouts))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
