"""Designs that a searcher goes on from, with what is known of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.evaluations import Evaluations
from dse.space import Space

Array = NDArray[Any]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Held:
    """Designs that were evaluated.

    Attributes
    ----------
    codes
        Matrix (n, parameters).
    objectives
        Matrix (n, m), to be minimised.
    violation
        Array (n,), 0 where feasible.
    """

    codes: Array
    objectives: Floats
    violation: Floats

    @classmethod
    def none(cls, space: Space) -> Held:
        """Return no designs of a space."""
        return cls(np.empty((0, len(space.names)), space.code_dtype), np.empty((0, 0)), np.empty(0))

    @classmethod
    def of(cls, evaluations: Evaluations) -> Held:
        """Return the designs that have a result."""
        told = cls(evaluations.designs.codes, evaluations.objectives, evaluations.violation)
        return told.take(evaluations.evaluated)

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, which: Array | slice) -> Held:
        """Return the designs at positions, or of a mask."""
        return Held(self.codes[which], self.objectives[which], self.violation[which])

    def joined(self, other: Held) -> Held:
        """Return these designs and others after them."""
        if not len(self):
            return other
        return Held(
            np.concatenate([self.codes, other.codes]),
            np.concatenate([self.objectives, other.objectives]),
            np.concatenate([self.violation, other.violation]),
        )

    def put(self, which: Array, other: Held) -> Held:
        """Return these designs with others in place of those at positions."""
        copy = Held(self.codes.copy(), self.objectives.copy(), self.violation.copy())
        copy.codes[which], copy.objectives[which] = other.codes, other.objectives
        copy.violation[which] = other.violation
        return copy
