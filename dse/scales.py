"""Whether values are better looked at linearly or by their logarithm."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

SPAN = 10.0  # below a decade the logarithm changes little


def suits_logarithm(values: NDArray[Any]) -> bool:
    """Return whether a logarithmic axis spreads values (n,) more evenly than a linear one.

    They must be positive and span a decade, and their median must lie nearer to the middle of the logarithmic
    axis. Values that are not finite are left out.
    """
    finite = np.asarray(values, float)
    finite = finite[np.isfinite(finite)]
    if not len(finite) or finite.min() <= 0 or finite.max() / SPAN <= finite.min():
        return False
    linear, logarithmic = (_off_centre(scaled) for scaled in (finite, np.log(finite)))
    return logarithmic < linear


def _off_centre(values: NDArray[Any]) -> float:
    """Return how far the median is from the middle of the range, 0 to 0.5."""
    low, high = values.min(), values.max()
    return float(abs((np.median(values) - low) / (high - low) - 0.5))
