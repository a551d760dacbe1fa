"""Metrics that are sums of terms, each over a few parameters: evaluated by look-up, solved exactly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from dse.designs import Designs
from dse.errors import ProblemError
from dse.models import CostModel
from dse.space import Space

Floats = NDArray[np.float64]

CHUNK = 8_192
# Rows of tables that are made of several: what a cache near the core holds.
MERGED = 1_024


@dataclass(frozen=True)
class Term:
    """What a few parameters add to metrics.

    Attributes
    ----------
    columns
        Discrete parameters.
    tables
        By metric, an array of as many axes as there are columns: what each combination of their codes adds.
    """

    columns: tuple[str, ...]
    tables: Mapping[str, Floats]


@dataclass(frozen=True)
class Additive:
    """Metrics that are a constant plus one summand a term.

    Parameters
    ----------
    space
        Of the designs; the tables' axes are the codes of its parameters.
    constants
        By metric.
    terms
        No two of them share a parameter; a metric that a term does not name gets nothing of it.

    Raises
    ------
    ProblemError
        If a column is unknown, not discrete, or in two terms, or a table is not of the codes' shape.
    """

    space: Space
    constants: Mapping[str, float]
    terms: Sequence[Term]

    def __post_init__(self) -> None:
        used: set[str] = set()
        for term in self.terms:
            for column in term.columns:
                if column not in self.space or not self.space[column].discrete:
                    raise ProblemError(
                        f"a term reads {column!r}, which is no discrete parameter of the space"
                    )
                if column in used:
                    raise ProblemError(f"two terms read {column!r}: make them one")
                used.add(column)
            shape = tuple(int(self.space[column].cardinality) for column in term.columns)
            for metric, table in term.tables.items():
                if metric not in self.constants:
                    raise ProblemError(f"a term adds to {metric!r}, which has no constant")
                if table.shape != shape or not np.isfinite(table).all():
                    raise ProblemError(
                        f"the table of {metric!r} over {', '.join(term.columns)} has shape {table.shape}: "
                        f"{shape} finite numbers are needed"
                    )

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics, in order."""
        return tuple(self.constants)

    @cached_property
    def rows(self) -> tuple[tuple[NDArray[np.int64], NDArray[np.int64], Floats], ...]:
        """By term: positions of its columns, their strides, and its options' summands (options, metrics)."""
        found = []
        for term in self.terms:
            shape = tuple(int(self.space[column].cardinality) for column in term.columns)
            positions = np.array([self.space.position(column) for column in term.columns], np.int64)
            strides = np.array([int(np.prod(shape[axis + 1 :])) for axis in range(len(shape))], np.int64)
            table = np.zeros((int(np.prod(shape)), len(self.metrics)))
            for index, metric in enumerate(self.metrics):
                if metric in term.tables:
                    table[:, index] = np.asarray(term.tables[metric], float).reshape(-1)
            found.append((positions, strides, table))
        return tuple(found)

    @cached_property
    def _merged(self) -> list[tuple[NDArray[np.int64], NDArray[np.int64], Floats]]:
        """Return `rows` with neighbours made one while the tables stay small: fewer look-ups."""
        found: list[tuple[NDArray[np.int64], NDArray[np.int64], Floats]] = []
        for positions, strides, table in self.rows:
            if found and len(found[-1][2]) * len(table) <= MERGED:
                before, steps, sums = found[-1]
                found[-1] = (
                    np.concatenate([before, positions]),
                    np.concatenate([steps * len(table), strides]),
                    (sums[:, None] + table[None]).reshape(-1, table.shape[1]),
                )
            else:
                found.append((positions, strides, table))
        return found

    def evaluate(self, designs: Designs) -> dict[str, Floats]:
        """Return arrays (n,) by metric."""
        n = len(designs)
        out = np.empty((n, len(self.metrics)))
        # In parts that stay in the cache: a term's row is added to every design of a part at once.
        for start in range(0, n, CHUNK):
            codes = designs.codes[start : start + CHUNK]
            total = np.tile(np.array(list(self.constants.values())), (len(codes), 1))
            for positions, strides, table in self._merged:
                index = codes[:, positions[0]].astype(np.int32) * np.int32(strides[0])
                for position, stride in zip(positions[1:], strides[1:], strict=True):
                    index += codes[:, position].astype(np.int32) * np.int32(stride)
                total += table.take(index, axis=0)
            out[start : start + CHUNK] = total
        return {metric: out[:, index] for index, metric in enumerate(self.metrics)}


@runtime_checkable
class AdditiveModel(CostModel, Protocol):
    """A cost model whose metrics, or some of them, are sums of terms: the searcher ``ilp`` solves it."""

    def additive(self, space: Space) -> Additive:
        """Return the terms over the parameters of a space."""
        ...
