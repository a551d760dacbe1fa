"""What is learned of a metric: the value, or its logarithm above a floor, standardised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Scale = Literal["linear", "logarithm"]

# A floor keeps values near zero (latencies of networks without a path, counts of zero) from deciding alone:
# this share of the median, where the least value lies below it; 1 for whole numbers.
FLOOR_SHARE = 0.01
LARGEST_EXPONENT = 700.0
# Predictions are believed beyond the range of the known values by so much of it.
BEYOND = 0.1
WHOLE_BELOW = 2.0**53


@dataclass(frozen=True)
class Target:
    """A transformation of a metric, and its way back.

    Attributes
    ----------
    scale
        "linear", or "logarithm" (of the value plus `floor`).
    floor
        In the metric's unit; 0 under "linear".
    centre, spread
        Mean and deviation of what is learned, before it is standardised.
    least
        Predictions are not below it: 0 where no value was negative, else minus infinity.
    whole
        Whether every value was a whole number: predictions are then, too.
    low, high
        Of what is learned; predictions do not leave them: regressions that extrapolate logarithms go far off.
    """

    scale: Scale
    floor: float
    centre: float
    spread: float
    least: float
    whole: bool
    low: float
    high: float

    def learned(self, values: Floats) -> Floats:
        """Return what is learned (n,) of values (n,)."""
        return np.asarray((self._raw(values) - self.centre) / self.spread)

    def _raw(self, values: Floats) -> Floats:
        if self.scale == "linear":
            return values
        return np.log(np.maximum(values + self.floor, np.finfo(float).tiny))

    def values(self, learned: Floats) -> Floats:
        """Return the values (n,) of which `learned` (n,) was learned; monotone."""
        raw = learned * self.spread + self.centre
        if self.scale == "logarithm":
            raw = np.exp(np.minimum(raw, LARGEST_EXPONENT)) - self.floor
        return np.maximum(raw, self.least)

    def held(self, learned: Floats) -> Floats:
        """Return what regressions predict (n,), within what was learned of."""
        return np.clip(learned, self.low, self.high)

    def mean(self, learned: Floats) -> Floats:
        """Return predictions (n,): as `values`, whole where the metric is."""
        values = self.values(self.held(learned))
        return np.rint(values) if self.whole else values

    def interval(self, learned: Floats, width: Floats) -> tuple[Floats, Floats]:
        """Return the bounds (n,) of intervals of values, from what was learned and half their widths (n,).

        For whole numbers, the least and greatest that the interval holds, and the prediction at least.
        """
        middle = self.held(learned)
        lower, upper = self.values(middle - width), self.values(middle + width)
        if not self.whole:
            return lower, upper
        mean = self.mean(learned)
        return np.minimum(np.ceil(lower), mean), np.maximum(np.floor(upper), mean)

    def exact(self, values: Floats, learned: Floats) -> NDArray[np.bool_]:
        """Return which predictions (n,) are right to the last digit: those of whole numbers can be."""
        return np.asarray((self.mean(learned) == values) & self.whole)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {**asdict(self), "least": None if self.least == -np.inf else self.least}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Target:
        """Read the JSON form."""
        return cls(**{**data, "least": -np.inf if data["least"] is None else float(data["least"])})


def target(values: Floats, scale: Scale) -> Target:
    """Return the transformation of that scale for known values (n,), finite."""
    nonnegative = bool(values.min() >= 0)
    whole = bool(np.all(values == np.rint(values)) and np.abs(values).max() < WHOLE_BELOW)
    floor = floor_of(values, whole) if scale == "logarithm" else 0.0
    raw = np.log(values + floor) if scale == "logarithm" else values
    centre, spread = float(raw.mean()), float(raw.std()) or 1.0
    room = BEYOND * float(np.ptp(raw))
    return Target(
        scale=scale,
        floor=floor,
        centre=centre,
        spread=spread,
        low=(float(raw.min()) - room - centre) / spread,
        high=(float(raw.max()) + room - centre) / spread,
        least=0.0 if nonnegative else -np.inf,
        whole=whole,
    )


def scales_of(values: Floats) -> tuple[Scale, ...]:
    """Return the scales that suit values (n,): the logarithm where none is negative and not all are one."""
    return ("linear", "logarithm") if values.min() >= 0 and np.ptp(values) > 0 else ("linear",)


def floor_of(values: Floats, whole: bool) -> float:
    """Return what is added to values (n,), none negative, before their logarithm is taken."""
    if whole:
        return 1.0
    positive = values[values > 0]
    floor = FLOOR_SHARE * float(np.median(positive))
    return 0.0 if values.min() >= floor else floor
