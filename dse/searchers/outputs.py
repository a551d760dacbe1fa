"""What a normal process learns of an objective: the value, its logarithm, or the logarithm of it and a shift.

A family of transformations in the manner of G. E. P. Box, D. R. Cox, "An analysis of transformations", J. R.
Stat. Soc. B 26(2), 1964, that leaves the expected improvement in the objective's own units in closed form.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# What is tried: by how many (median - least) a shift puts the least value above zero; zero stands for no
# shift, and infinity for the value itself.
SHIFTS = (np.inf, 1.0, 0.3, 0.0)
SMALLEST = 1e-300


@dataclass(frozen=True)
class Scale:
    """A monotone transformation: the logarithm of a value plus `shift`, or, where that is None, the value.

    Attributes
    ----------
    shift
        Of the values.
    cap
        Greater values count as this one: how bad the bad ones are does not matter.
    least
        Zero where no value was negative: it is taken to be a quantity that cannot be. Else minus infinity.
    """

    shift: float | None
    cap: float
    least: float

    def learned(self, values: Floats) -> Floats:
        """Return what is learned of values (n,)."""
        capped = np.minimum(values, self.cap)
        if self.shift is None:
            return capped
        return np.asarray(np.log(np.maximum(capped + self.shift, SMALLEST)))

    def value(self, learned: Floats) -> Floats:
        """Return the values of which `learned` (n,) was learned."""
        return learned if self.shift is None else np.exp(np.minimum(learned, 700.0)) - self.shift


def scale(values: Floats, above: float, reference: float) -> Scale:
    """Return a transformation.

    Parameters
    ----------
    values
        Finite (n,), to be minimised.
    above
        One of `SHIFTS`.
    reference
        Beyond it values are of no interest.
    """
    least, middle = float(values.min()), float(np.median(values))
    bound = 0.0 if least >= 0 else -np.inf
    if above == 0 and least > 0:
        return Scale(0.0, np.inf, bound)
    if not 0 < above < np.inf or middle <= least:
        return Scale(None, max(2 * reference - least, middle, least), bound)
    return Scale(above * (middle - least) - least, np.inf, bound)


def tried(values: Floats) -> list[float]:
    """Return which of `SHIFTS` say different things of values (n,)."""
    least = values.min()
    return [
        above
        for above in SHIFTS
        if (above > 0 or least > 0) and (above == np.inf or np.median(values) > least)
    ]
