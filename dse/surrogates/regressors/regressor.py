"""What a regression of a surrogate has to do."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Features = NDArray[np.float32]


class Regressor(Protocol):
    """A regression of one standardised target, with a measure of its doubt.

    Attributes
    ----------
    name
        As in ``--model NAME``.
    """

    name: ClassVar[str]

    def fit(self, features: Features, learned: Floats, seed: int) -> Self:
        """Learn from features (n, f) and targets (n,); same seed, same result."""
        ...

    def predict(self, features: Features) -> tuple[Floats, Floats]:
        """Return means (n,), and doubts (n,): greater where errors are believed to be; calibrated later."""
        ...

    def left_out(self, features: Features, learned: Floats) -> tuple[Floats, Floats] | None:
        """Predict each of n targets from all others, without choosing anything that was chosen by `fit` anew.

        Returns
        -------
        Means (n,) and doubts (n,), as of `predict`; None where that takes as long as learning n times.
        """
        ...

    @property
    def importance(self) -> Floats | None:
        """How much each feature decides (f,), in trees; None for others."""
        ...

    def state(self) -> dict[str, Any]:
        """Return what predictions need, by name: arrays, numbers, and scikit-learn estimators."""
        ...

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Return the regressor of which `state` was taken."""
        ...


# Threads wait for each other more than they help where there is less to do.
SHARED_FROM = 10_000


def jobs(rows: int) -> int:
    """Return how many threads learning from so many rows is worth."""
    return 1 if rows < SHARED_FROM else workers()


def workers() -> int:
    """Return how many threads this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
