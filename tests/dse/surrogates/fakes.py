"""Surrogates whose predictions are given."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np

from dse import Designs, Integer, Space
from dse.surrogates import Prediction, TrainingData

SPACE = Space([Integer("n", 0, 10**9)])


def data(values: dict[str, Any], failed: Any = None, infeasible: Any = None) -> TrainingData:
    """Evaluations 0, 1, 2... with those metrics."""
    n = len(next(iter(values.values())))
    none = np.zeros(n, dtype=bool)
    return TrainingData(
        SPACE,
        dict.fromkeys(values, ""),
        Designs(SPACE, np.arange(n)[:, None]),
        {name: np.asarray(column, float) for name, column in values.items()},
        none if failed is None else np.asarray(failed),
        none if infeasible is None else np.asarray(infeasible),
    )


@dataclass
class Fake:
    """Predicts evaluation i as the i-th of the given values, with an interval of one half-width."""

    mean: dict[str, Any]
    half: Any = 1.0
    failure: Any = 0.0
    infeasible: Any = 0.0
    calibrated: int = 10_000
    fitted: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.metrics = dict.fromkeys(self.mean, "")
        calibration = SimpleNamespace(scores=np.zeros(self.calibrated))
        self.fitted = dict.fromkeys(self.mean, SimpleNamespace(calibration=calibration))

    def predict(self, designs: Designs, confidence: float = 0.9) -> Prediction:
        rows = designs.codes[:, 0]
        mean = {name: np.asarray(column, float)[rows] for name, column in self.mean.items()}
        half = np.broadcast_to(self.half, (rows.max() + 1,))[rows]
        return Prediction(
            mean,
            {name: column - half for name, column in mean.items()},
            {name: column + half for name, column in mean.items()},
            np.broadcast_to(self.failure, (rows.max() + 1,))[rows].astype(float),
            np.broadcast_to(self.infeasible, (rows.max() + 1,))[rows].astype(float),
            np.zeros(len(rows), dtype=bool),
        )
