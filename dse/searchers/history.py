"""What was told, as far as a model learns from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.searchers.nsga2 import survivors

Array = NDArray[Any]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class History:
    """What was told and is learned from: n designs.

    Attributes
    ----------
    codes
        Designs (n, parameters).
    objectives
        (n, m), NaN where there is no result.
    margins
        By how much comparisons of limits are broken (n, comparisons), NaN where there is no result.
    violation
        0 where feasible, infinite where there is no result (n,).
    priority
        Random numbers (n,) by which designs beside the best are kept.
    """

    codes: Array
    objectives: Floats
    margins: Floats
    violation: Floats
    priority: Floats

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def known(self) -> NDArray[np.bool_]:
        """Mask (n,) of designs with a result."""
        return np.isfinite(self.violation)

    @property
    def feasible(self) -> NDArray[np.bool_]:
        """Mask (n,)."""
        return np.asarray(self.violation == 0)

    def take(self, rows: Array) -> History:
        """Return the designs at positions, or of a mask."""
        return History(
            self.codes[rows],
            self.objectives[rows],
            self.margins[rows],
            self.violation[rows],
            self.priority[rows],
        )

    def joined(self, other: History) -> History:
        """Return these and others."""
        return History(
            np.concatenate([self.codes, other.codes]),
            np.concatenate([self.objectives, other.objectives]),
            np.concatenate([self.margins, other.margins]),
            np.concatenate([self.violation, other.violation]),
            np.concatenate([self.priority, other.priority]),
        )

    def reduced(self, most: int, rng: np.random.Generator) -> History:
        """Return `most` of the designs: the better half of them the best, the others at random."""
        if len(self) <= most:
            return self
        known = np.flatnonzero(self.known)
        best = known[survivors(self.objectives[known], self.violation[known], most // 2, rng)]
        rest = np.setdiff1d(np.arange(len(self)), best)
        drawn = rest[np.argsort(self.priority[rest], kind="stable")[: most - len(best)]]
        return self.take(np.sort(np.concatenate([best, drawn])))
