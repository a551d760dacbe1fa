"""The hypervolume, what each point adds to it, and the point up to which it is measured."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from dse.errors import DseError
from dse.pareto.dominance import Directions, Floats, finite_rows, front_mask, minimised


def _reference(points: Floats, reference: ArrayLike, maximize: Directions) -> Floats:
    try:
        point = np.asarray(reference, dtype=float)
    except (TypeError, ValueError):
        raise DseError(f"reference {reference!r} is no list of numbers") from None
    if point.shape != (points.shape[1],) or not np.isfinite(point).all():
        raise DseError(f"reference {reference!r} needs {points.shape[1]} finite values, one an objective")
    return np.asarray(minimised(point[None], maximize)[0])


def hypervolume(points: ArrayLike, reference: ArrayLike, maximize: Directions = None) -> float:
    """Return the exact volume that the points dominate up to the reference point.

    Points that are not better than the reference in every objective, or not finite, contribute nothing.

    Parameters
    ----------
    points
        Matrix (n, m); n may be 0.
    reference
        Reference point (m,), in the objectives' own directions.
    maximize
        Which objectives are maximised (m,); none by default.

    Returns
    -------
    The volume, in the product of the objectives' units.

    Raises
    ------
    DseError
        If the reference is not m finite numbers, or the points are no matrix of numbers.

    Notes
    -----
    Zitzler and Thiele, "Multiobjective optimization using evolutionary algorithms: a comparative case study",
    PPSN V, 1998. `moocore.hypervolume` takes n log n time in two and three objectives, n^2 in four; from five
    on the time grows as n^(m - 2) at worst.
    """
    matrix = minimised(points, maximize)
    point = _reference(matrix, reference, maximize)
    inside = matrix[finite_rows(matrix) & (matrix < point).all(axis=1)]
    if not len(inside):
        return 0.0
    if matrix.shape[1] == 1:
        return float(point[0] - inside.min())
    from moocore import hypervolume as exact

    return float(exact(inside, ref=point))


def hypervolume_contributions(points: ArrayLike, reference: ArrayLike, maximize: Directions = None) -> Floats:
    """Return how much hypervolume would be lost without each point.

    Parameters
    ----------
    points
        Matrix (n, m); n may be 0.
    reference
        Reference point (m,), in the objectives' own directions.
    maximize
        Which objectives are maximised (m,); none by default.

    Returns
    -------
    Volumes (n,), in the product of the objectives' units: 0 for points that others dominate, for each of
    several equal points, for points beyond the reference, and for those that are not finite.

    Raises
    ------
    DseError
        As `hypervolume`.

    Notes
    -----
    A dominated point counts where it would take the place of the only point that dominates it. From three
    objectives on this costs a hypervolume for each point of the first two fronts, while points that are all
    nondominated take n log n time in three objectives: pass the front alone where that is what is meant.
    """
    matrix = minimised(points, maximize)
    point = _reference(matrix, reference, maximize)
    lost = np.zeros(len(matrix))
    inside = np.flatnonzero(finite_rows(matrix) & (matrix < point).all(axis=1))
    if not len(inside):
        return lost
    if matrix.shape[1] == 1:
        best, second = np.sort(np.append(matrix[inside, 0], point))[:2]
        lost[inside] = np.where(matrix[inside, 0] == best, second - best, 0.0)
        return lost
    from moocore import hv_contributions

    first = front_mask(matrix[inside])
    # Only the second front can take the place of one point of the first; later ones are dominated even then.
    behind = inside[~first]
    second_front = behind[front_mask(matrix[behind])]
    rows = np.concatenate([inside[first], second_front])
    lost[rows] = hv_contributions(matrix[rows], ref=point, ignore_dominated=not len(second_front))
    return lost


def reference_point(points: ArrayLike, margin: float = 0.1, maximize: Directions = None) -> Floats:
    """Return a reference point for hypervolumes: the front's worst values and a margin beyond.

    Parameters
    ----------
    points
        Matrix (n, m).
    margin
        At least 0, in ranges of the front; where the range is zero, in sizes of the value, or 1 for zero.
    maximize
        Which objectives are maximised (m,); none by default.

    Returns
    -------
    Point (m,), in the objectives' own directions.

    Raises
    ------
    DseError
        If no point is finite, or the margin is not a number from 0 up.

    Notes
    -----
    With no margin, the ends of the front would contribute nothing. A tenth is common practice; Ishibuchi,
    Imada, Setoguchi and Nojima, "How to specify a reference point in hypervolume calculation for fair
    performance comparison", Evol. Comput. 26(3), 2018, discuss what a choice favours.
    """
    if not (np.isfinite(margin) and margin >= 0):
        raise DseError(f"margin {margin} is no distance: give a number from 0 up")
    matrix = minimised(points, maximize)
    finite = matrix[finite_rows(matrix)]
    front = finite[front_mask(finite)]
    if not len(front):
        raise DseError("a reference point needs at least one finite point")
    worst, best = front.max(axis=0), front.min(axis=0)
    size = np.where(worst == 0, 1.0, np.abs(worst))
    point = worst + margin * np.where(worst > best, worst - best, size)
    return np.asarray(minimised(point[None], maximize)[0])
