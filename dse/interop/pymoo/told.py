"""What an algorithm of pymoo is told of designs: objectives and constraints that are always finite."""

from __future__ import annotations

from collections.abc import Callable, KeysView, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.evaluations import Evaluations

Array = NDArray[Any]
Floats = NDArray[np.float64]

# How far a failed design breaks a constraint at least.
FAILED = 1.0
# By how much, of its size, a violation is greater for each evaluation before it.
TIE = 1e-12


class Told:
    """Evaluations, to be read a few at a time.

    Parameters
    ----------
    margins
        `Problem.margins`; None where limits are one constraint, their violation.
    """

    def __init__(self, margins: Callable[[Mapping[str, Floats]], Floats] | None) -> None:
        self.margins = margins
        self.rows: dict[bytes, int] = {}
        self.known: list[bool] = []
        self._codes: list[Array] = []
        self._objectives: list[Floats] = []
        self._broken: list[Floats] = []
        self._violation: list[float] = []
        self._worst = self._best = self._most = np.empty(0)

    def __len__(self) -> int:
        return len(self._codes)

    @property
    def keys(self) -> KeysView[bytes]:
        """The keys of the designs."""
        return self.rows.keys()

    def shape(self, evaluations: Evaluations) -> tuple[int, int]:
        """Return how many objectives and constraints there are."""
        return evaluations.objectives.shape[1], self._constraints(evaluations).shape[1]

    def add(self, evaluations: Evaluations) -> None:
        """Remember evaluations."""
        known, broken = evaluations.evaluated, self._constraints(evaluations)
        for row, key in enumerate(evaluations.designs.space.keys(evaluations.designs.codes), len(self)):
            self.rows[key] = row
        self.known += known.tolist()
        self._codes += list(evaluations.designs.codes)
        self._objectives += list(evaluations.objectives)
        self._broken += list(broken)
        self._violation += np.where(known, evaluations.violation, np.inf).tolist()
        if known.any():
            objectives = evaluations.objectives[known]
            first = not len(self._worst)
            worst, best, most = objectives.max(axis=0), objectives.min(axis=0), broken[known].max(axis=0)
            self._worst = worst if first else np.maximum(self._worst, worst)
            self._best = best if first else np.minimum(self._best, best)
            self._most = np.maximum(most if first else np.maximum(self._most, most), FAILED)

    def codes(self, rows: Sequence[int]) -> Array:
        """Return the codes (n, parameters) of some evaluations."""
        return np.array([self._codes[row] for row in rows])

    def objectives(self, rows: Sequence[int]) -> Floats:
        """Return objectives (n, m); NaN where there is no result."""
        return np.array([self._objectives[row] for row in rows])

    def violation(self, rows: Sequence[int]) -> Floats:
        """Return how far limits are broken (n,); infinity where there is no result."""
        return np.array([self._violation[row] for row in rows])

    def judged(self, rows: Sequence[int], constrained: bool) -> tuple[Floats, Floats]:
        """Return objectives (n, m) and constraints (n, k), which hold where they are not positive.

        Failed designs have the worst objectives told so far and break every constraint by as much as any
        design does. Without constraints, objectives are worse than any known where a limit is broken. Some
        evaluation must have a result.
        """
        objectives, violation = self.objectives(rows), self.violation(rows)
        failed = ~np.isfinite(violation)
        objectives[failed] = self._worst
        if not constrained:
            share = np.where(failed, 1.0, violation / (1.0 + np.where(failed, 0.0, violation)))[:, None]
            span = np.where(self._worst > self._best, self._worst - self._best, 1.0)
            return np.where(share > 0, self._worst + span * share, objectives), np.empty((len(rows), 0))
        broken = np.array([self._broken[row] for row in rows])
        broken[failed] = self._most
        # Between equal violations some algorithms draw from a generator without a seed: the older one wins.
        age = np.array(rows, float)[:, None]
        return objectives, np.where(broken > 0, broken * (1.0 + TIE * age), broken)

    def _constraints(self, evaluations: Evaluations) -> Floats:
        if self.margins is not None:
            return self.margins(evaluations.metrics)
        return np.where(evaluations.evaluated, evaluations.violation, np.nan)[:, None]
