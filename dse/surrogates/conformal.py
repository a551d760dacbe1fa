"""Intervals that hold as often as promised, by conformal prediction.

Scores are what a regression got wrong on data that it had not seen, over its doubt there: normalised
conformal prediction (H. Papadopoulos, A. Gammerman, V. Vovk, "Normalized nonconformity measures for
regression conformal prediction", AIA 2008), with scores from cross-validation (V. Vovk, "Cross-conformal
predictors", Annals of Mathematics and Artificial Intelligence 74, 2015), or from a held-out part where there
are many evaluations (J. Lei et al., "Distribution-free predictive inference for regression", JASA 113(523),
2018). Exchangeability is assumed: a searcher that moves on to other designs breaks it, which is why drift is
watched.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Doubt is not believed below this share of the mean error: trees that agree can all be wrong.
LEAST_DOUBT = 0.5
# Kept of the scores: quantiles of a thousand differ little from those of more.
MOST_SCORES = 2_000


@dataclass(frozen=True)
class Calibration:
    """How far targets were from predictions that had not seen them.

    Attributes
    ----------
    scores
        Sorted (k,), over the doubt.
    floor
        Added to every doubt, in the standardised target's unit.
    """

    scores: Floats
    floor: float

    def width(self, doubt: Floats, confidence: float) -> Floats:
        """Return half the width (n,) of intervals that hold with that confidence.

        The k + 1 places among k scores are equally probable: the width is infinite where k is too small.
        """
        k = len(self.scores)
        place = int(np.ceil(confidence * (k + 1))) - 1
        quantile = np.inf if place >= k else float(self.scores[max(place, 0)])
        return np.asarray(quantile * (doubt + self.floor))


def calibrate(actual: Floats, predicted: Floats, doubt: Floats, exact: NDArray[np.bool_]) -> Calibration:
    """Return the calibration that predictions (n,) of unseen targets (n,) with doubts (n,) give.

    Where a prediction is `exact` (n,) once it is rounded, the narrowest interval holds: the score is 0.
    """
    off = np.where(exact, 0.0, np.abs(actual - predicted))
    floor = max(LEAST_DOUBT * float(off.mean()), np.finfo(float).tiny)
    scores = np.sort(off / (doubt + floor))
    if len(scores) > MOST_SCORES:
        scores = scores[np.linspace(0, len(scores) - 1, MOST_SCORES).round().astype(int)]
    return Calibration(scores, floor)
