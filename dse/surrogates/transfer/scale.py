"""The scale on which devices are compared: the metric itself, or its logarithm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# What is added before the logarithm is taken, over the median: values near zero do not run away.
SHIFT = 0.01


@dataclass(frozen=True)
class Scale:
    """A monotone map of one device's metric.

    Attributes
    ----------
    logarithmic
        Whether by logarithm.
    shift
        Added before it.
    """

    logarithmic: bool
    shift: float = 0.0

    @classmethod
    def of(cls, values: Floats, logarithmic: bool) -> Scale:
        """Return the scale of a device with these values (n,), NaN aside."""
        return cls(logarithmic, SHIFT * float(np.nanmedian(values)) if logarithmic else 0.0)

    def forward(self, values: Floats) -> Floats:
        """Return values on the scale."""
        return np.log(values + self.shift) if self.logarithmic else values

    def backward(self, scaled: Floats) -> Floats:
        """Return what `forward` was given; values below 0, of which there is no logarithm, as 0."""
        return np.maximum(np.exp(scaled) - self.shift, 0.0) if self.logarithmic else scaled

    def log_slope(self, values: Floats) -> Floats:
        """Return the logarithm of the derivative of `forward`."""
        return -np.log(values + self.shift) if self.logarithmic else np.zeros_like(values)
