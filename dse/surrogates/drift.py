"""Whether new evaluations are outside of a surrogate's intervals more often than it promises."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dse.significance import holm

if TYPE_CHECKING:
    from dse.surrogates.data import TrainingData
    from dse.surrogates.surrogate import Surrogate

CONFIDENCE = 0.9
LEVEL = 0.01  # of an alarm, over all metrics, where there is no drift
ROUNDING = 1e-9


@dataclass(frozen=True)
class MetricDrift:
    """One metric.

    Attributes
    ----------
    metric
        Its name.
    outside, rows
        How many values are outside of their interval, of how many.
    p
        Of so many or more, if the intervals hold as promised; after Holm's correction over the metrics.
    """

    metric: str
    outside: int
    rows: int
    p: float

    @property
    def drifted(self) -> bool:
        """Whether that is more than chance."""
        return self.p < LEVEL


@dataclass(frozen=True)
class Drift:
    """What new evaluations say of a surrogate's intervals.

    Attributes
    ----------
    rows
        New evaluations.
    confidence
        Of the intervals.
    metrics
        The metrics of which there are values.
    beyond
        New evaluations whose design is outside of the range of those that it was trained on.
    """

    rows: int
    confidence: float
    metrics: tuple[MetricDrift, ...]
    beyond: int

    @property
    def drifted(self) -> list[str]:
        """The metrics that have drifted."""
        return [item.metric for item in self.metrics if item.drifted]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "rows": self.rows,
            "confidence": self.confidence,
            "level": LEVEL,
            "drifted": self.drifted,
            "beyond": self.beyond,
            "metrics": {
                item.metric: {
                    **{key: value for key, value in asdict(item).items() if key != "metric"},
                    "expected": (1.0 - self.confidence) * item.rows,
                }
                for item in self.metrics
            },
        }


def drift(surrogate: Surrogate, data: TrainingData, confidence: float = CONFIDENCE) -> Drift:
    """Test whether values are outside of their intervals more often than promised.

    Parameters
    ----------
    surrogate
        What predicts.
    data
        Evaluations that it was not trained on.
    confidence
        Of the intervals.

    Notes
    -----
    One-sided and exact. Of m new values the number outside would be binomial if each were outside with
    probability 1 - confidence; but intervals that are calibrated on n values hold with a probability that is
    itself Beta(k, n + 1 - k), k being ceil((n + 1) confidence), so the number outside is beta-binomial
    (A. N. Angelopoulos and S. Bates, "A gentle introduction to conformal prediction", arXiv:2107.07511,
    section 3.2). For large n that is the binomial; for small n it keeps chance in the calibration from being
    taken for drift.
    """
    found = surrogate.predict(data.designs, confidence)
    counts = []
    for name in surrogate.metrics:
        actual = data.values[name]
        known = np.isfinite(actual)
        if known.any():
            last = ROUNDING * np.abs(actual)  # digits, in which values that mean the same may differ
            inside = (actual >= found.lower[name] - last) & (actual <= found.upper[name] + last)
            calibrated = len(surrogate.fitted[name].calibration.scores)
            outside, rows = int((known & ~inside).sum()), int(known.sum())
            counts.append((name, outside, rows, chance_outside(outside, rows, calibrated, confidence)))
    corrected = holm([p for *_, p in counts])
    metrics = tuple(
        MetricDrift(name, outside, rows, p)
        for (name, outside, rows, _), p in zip(counts, corrected, strict=True)
    )
    return Drift(len(data), confidence, metrics, int(found.outside.sum()))


def chance_outside(outside: int, rows: int, calibrated: int, confidence: float) -> float:
    """Return the probability that so many values or more are outside of intervals that hold as promised.

    Parameters
    ----------
    outside, rows
        How many values are outside, of how many.
    calibrated
        How many values the intervals were calibrated on.
    confidence
        That they promise.
    """
    from scipy.stats import betabinom

    if not outside:
        return 1.0
    # Of few values, no interval with an end holds as promised: the widest is what can be asked for.
    inside = min(math.ceil((calibrated + 1) * confidence), calibrated)
    return float(betabinom.sf(outside - 1, rows, calibrated + 1 - inside, inside))
