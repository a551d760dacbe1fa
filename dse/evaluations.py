"""`Evaluations`: designs with what was found of them, columnar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dse.designs import Designs, as_index

if TYPE_CHECKING:
    import pandas as pd


class State(StrEnum):
    """What became of an evaluation."""

    COMPLETE = "complete"
    INFEASIBLE = "infeasible"
    FAILED = "failed"
    TIMEOUT = "timeout"


@dataclass(frozen=True)
class Evaluations:
    """n evaluated designs.

    Attributes
    ----------
    designs
        The designs.
    metrics
        Arrays (n,) by metric name, in the model's units; NaN where there is no result.
    objectives
        Matrix (n, objectives), every column to be *minimised* (maximised metrics are negated); NaN where
        there is no result.
    violation
        How far the limits are broken (n,): 0 where they hold, NaN where there is no result.
    state
        Values of `State` (n,), as text.
    errors
        The reason by position, for designs without a result.
    seconds
        Time spent on each design (n,).
    """

    designs: Designs
    metrics: Mapping[str, NDArray[np.float64]]
    objectives: NDArray[np.float64]
    violation: NDArray[np.float64]
    state: NDArray[np.str_]
    errors: Mapping[int, str]
    seconds: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.designs)

    @property
    def feasible(self) -> NDArray[np.bool_]:
        """Mask (n,) of the complete evaluations: those that a front is made of."""
        return np.asarray(self.state == State.COMPLETE)

    @property
    def evaluated(self) -> NDArray[np.bool_]:
        """Mask (n,) of the evaluations that have metrics: complete or infeasible."""
        return np.asarray((self.state == State.COMPLETE) | (self.state == State.INFEASIBLE))

    def take(self, which: ArrayLike | slice) -> Evaluations:
        """Return the evaluations at the given positions, mask or slice."""
        index = np.arange(len(self))[which if isinstance(which, slice) else as_index(which)]
        return Evaluations(
            self.designs.take(index),
            {name: column[index] for name, column in self.metrics.items()},
            self.objectives[index],
            self.violation[index],
            self.state[index],
            {row: self.errors[old] for row, old in enumerate(index.tolist()) if old in self.errors},
            self.seconds[index],
        )

    @classmethod
    def concat(cls, batches: Sequence[Evaluations]) -> Evaluations:
        """Join batches of one problem, at least one."""
        if len(batches) == 1:
            return batches[0]
        errors: dict[int, str] = {}
        offset = 0
        for batch in batches:
            errors |= {offset + row: text for row, text in batch.errors.items()}
            offset += len(batch)
        return cls(
            Designs.concat([batch.designs for batch in batches]),
            {name: np.concatenate([batch.metrics[name] for batch in batches]) for name in batches[0].metrics},
            np.concatenate([batch.objectives for batch in batches]),
            np.concatenate([batch.violation for batch in batches]),
            np.concatenate([batch.state for batch in batches]),
            errors,
            np.concatenate([batch.seconds for batch in batches]),
        )

    def to_frame(self) -> pd.DataFrame:
        """Return state, parameters, metrics and error as a data frame, a row a design."""
        import pandas as pd

        columns: dict[str, Any] = {"state": self.state.astype(object)}
        columns |= self.designs.series()
        columns |= dict(self.metrics)
        columns["error"] = [self.errors.get(row) for row in range(len(self))]
        return pd.DataFrame(columns)
