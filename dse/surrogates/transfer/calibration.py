"""Intervals that hold on known devices taken for new as often as they promise.

Cross-conformal prediction (V. Vovk, "Cross-conformal predictors", Annals of Mathematics and Artificial
Intelligence 74, 2015) with scores over the predicted deviation (H. Papadopoulos, A. Gammerman, V. Vovk,
"Normalized nonconformity measures for regression conformal prediction", AIA 2008), devices being left out in
place of designs. It holds on the average over devices that are like the family's, not for each one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dse.surrogates.transfer.learner import Trial

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """How far a new device's metric may be from its prediction, in deviations.

    Attributes
    ----------
    scores
        Of known devices that were left out, sorted (k,).
    weights
        Of each score (k,); they sum to 1, and every device has the same share.
    """

    scores: Floats
    weights: Floats

    @classmethod
    def of(cls, trials: Sequence[Trial]) -> Calibration | None:
        """Return the calibration that trials give, None where there are none.

        Of a device, chosen and random measurements have half its share each.
        """
        if not trials:
            return None
        devices = {trial.device for trial in trials}
        kinds = {(trial.device, trial.chosen) for trial in trials}
        weights = [
            np.full(
                len(trial.scores),
                1.0
                / len(devices)
                / sum((trial.device, chosen) in kinds for chosen in (False, True))
                / sum((other.device, other.chosen) == (trial.device, trial.chosen) for other in trials)
                / len(trial.scores),
            )
            for trial in trials
        ]
        scores = np.concatenate([trial.scores for trial in trials])
        order = np.argsort(scores, kind="stable")
        return cls(scores[order], np.concatenate(weights)[order])

    def bounds(self, level: float) -> tuple[float, float]:
        """Return how many deviations below and above the prediction an interval reaches.

        Both tails are cut alike: measurements that take too long are more usual than such that take too
        little.
        """
        below = np.cumsum(self.weights)
        tail = (1.0 - level) / 2.0
        low = self.scores[min(int(np.searchsorted(below, tail)), len(below) - 1)]
        high = self.scores[min(int(np.searchsorted(below, 1.0 - tail)), len(below) - 1)]
        # An interval holds its prediction.
        return min(float(low), 0.0), max(float(high), 0.0)
