"""The expected improvement of a hypervolume, in closed form, under independent normal beliefs.

The region that a front leaves undominated is cut into boxes by R. Lacour, K. Klamroth, C. M. Fonseca, "A box
decomposition algorithm to compute the hypervolume indicator", Comput. Oper. Res. 79, 2017, section 3. What a
point adds to the hypervolume is the sum of what it adds in each box; the expectation in a box is a product
over objectives, as in M. Emmerich, A. Deutz, J. W. Klinkenberg, "Hypervolume-based expected improvement:
monotonicity properties and exact computation", CEC 2011.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SMALLEST = 1e-12


@dataclass(frozen=True)
class Belief:
    """What is believed of an objective at n points.

    Attributes
    ----------
    mean, deviation
        Of a normal variable (n,).
    shift
        None if that is the objective itself. Else it is the logarithm of the objective plus this.
    least
        No value is less: what is believed beyond counts as this.
    """

    mean: Floats
    deviation: Floats
    shift: float | None = None
    least: float = -np.inf

    def below(self, bounds: Floats) -> Floats:
        """Return how far the objective is expected below each of the bounds (k,): a matrix (n, k)."""
        found = self._below(bounds)
        if np.isfinite(self.least):
            found = np.where(bounds > self.least, found - self._below(np.array([self.least])), 0.0)
        return found

    def _below(self, bounds: Floats) -> Floats:
        """Return the same without a least value.

        The expectation of ``max(0, bound - objective)``. Of a normal variable as in D. R. Jones, M. Schonlau,
        W. J. Welch, "Efficient global optimization of expensive black-box functions", J. Global Optim. 13,
        1998, eq. 15; of a log-normal one it is the value of a put: F. Black, M. Scholes, "The pricing of
        options and corporate liabilities", J. Political Economy 81(3), 1973.
        """
        from scipy.special import ndtr

        mean, deviation = self.mean[:, None], self.deviation[:, None]
        if self.shift is None:
            z = (bounds - mean) / deviation
            return np.asarray(deviation * (z * ndtr(z) + np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)))
        strike = np.maximum(bounds + self.shift, SMALLEST)
        z = (np.log(strike) - mean) / deviation
        expected = np.exp(np.minimum(mean + 0.5 * deviation**2, 700.0))
        return np.asarray(np.maximum(strike * ndtr(z) - expected * ndtr(z - deviation), 0.0))


@dataclass(frozen=True)
class Boxes:
    """Disjoint boxes that fill what a front leaves undominated below a reference point.

    Attributes
    ----------
    levels
        By objective, the distinct bounds of boxes in ascending order; the first is minus infinity.
    lower, upper
        Which of an objective's levels bound a box (boxes, m).
    """

    levels: list[Floats]
    lower: NDArray[np.int64]
    upper: NDArray[np.int64]

    def expected_improvement(self, beliefs: list[Belief]) -> Floats:
        """Return by how much the hypervolume is expected to grow (n,), in the objectives' units."""
        product: Floats = np.ones(())
        for objective, belief in enumerate(beliefs):
            below = belief.below(self.levels[objective][1:])
            below = np.column_stack([np.zeros(len(below)), below])
            along = below[:, self.upper[:, objective]] - below[:, self.lower[:, objective]]
            product = product * np.maximum(along, 0.0)
        return np.asarray(product.sum(axis=1))


def boxes(front: Floats, reference: Floats) -> Boxes:
    """Return the boxes that points (n, m), minimised, leave undominated below a reference point (m,).

    Parameters
    ----------
    front
        Points that do not dominate each other; those that are not below the reference are left out. Equal
        coordinates, and equal points, are allowed.
    reference
        The upper end of the region.

    Notes
    -----
    There are n + 1 boxes of two objectives, 2 n + 1 of three, and of more a number that grows with n to the
    power of half the objectives, rounded down.
    """
    front = front[(front < reference).all(axis=1)]
    n, m = front.shape
    # The decomposition needs coordinates that differ: ranks do, and boxes of no width add nothing.
    ranks = np.empty((n, m), np.int64)
    levels = []
    for objective in range(m):
        order = np.lexsort((np.arange(n), front[:, objective]))
        ranks[order, objective] = np.arange(1, n + 1)
        levels.append(np.concatenate([[-np.inf], front[order, objective], [reference[objective]]]))
    top = n + 1
    if m == 2:
        # Strips between successive points.
        order = np.argsort(ranks[:, 0])
        right = np.append(ranks[order, 0], top)
        return _wide(
            levels,
            np.column_stack([np.append(0, ranks[order, 0]), np.zeros(n + 1, np.int64)]),
            np.column_stack([right, np.append(top, ranks[order, 1])]),
        )
    upper = np.full((1, m), top)
    # By box and objective, the point that bounds it: at first the objective's axis, at rank 0 in all others.
    defining = np.zeros((1, m, m), np.int64)
    defining[0, np.arange(m), np.arange(m)] = top
    for point in ranks[np.argsort(ranks[:, 0])]:
        hit = (point < upper).all(axis=1)
        parts_upper, parts_defining = [upper[~hit]], [defining[~hit]]
        for objective in range(m):
            others = [place for place in range(m) if place != objective]
            highest = defining[hit][:, others, objective].max(axis=1) if m > 1 else np.zeros(hit.sum())
            stays = point[objective] > highest
            moved = upper[hit][stays]
            moved[:, objective] = point[objective]
            bounded = defining[hit][stays]
            bounded[:, objective] = point
            parts_upper.append(moved)
            parts_defining.append(bounded)
        upper, defining = np.concatenate(parts_upper), np.concatenate(parts_defining)
    lower = np.zeros_like(upper)
    for objective in range(1, m):
        lower[:, objective] = defining[:, :objective, objective].max(axis=1)
    return _wide(levels, lower, upper)


def _wide(levels: list[Floats], lower: NDArray[np.int64], upper: NDArray[np.int64]) -> Boxes:
    """Return the boxes that are not empty."""
    wide = np.ones(len(upper), dtype=bool)
    for objective, bounds in enumerate(levels):
        wide &= bounds[lower[:, objective]] < bounds[upper[:, objective]]
    return Boxes(levels, lower[wide], upper[wide])
