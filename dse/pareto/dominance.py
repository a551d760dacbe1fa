"""Which points dominate which, and the fronts that follow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dse.errors import DseError

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]
Mask = NDArray[np.bool_]
Directions = Sequence[bool] | NDArray[np.bool_] | None


def minimised(points: ArrayLike, maximize: Directions = None, what: str = "points") -> Floats:
    """Return the points as a matrix in which every objective is minimised.

    Parameters
    ----------
    points
        Matrix (n, m).
    maximize
        Which objectives are maximised (m,); their values are negated. None by default.
    what
        What an error calls the points.

    Raises
    ------
    DseError
        If the points are no matrix of numbers, or `maximize` does not fit them.
    """
    try:
        matrix = np.asarray(points, dtype=float)
    except (TypeError, ValueError):
        raise DseError(f"{what} are no matrix of numbers: (n, objectives) is needed") from None
    if matrix.ndim != 2 or matrix.shape[1] == 0:
        raise DseError(f"{what} have shape {matrix.shape}: (n, objectives) is needed")
    if maximize is None:
        return matrix
    flips = np.asarray(maximize, dtype=bool)
    if flips.shape != (matrix.shape[1],):
        raise DseError(
            f"maximize has {flips.size} entries for {matrix.shape[1]} objectives: give one for each"
        )
    return np.where(flips, -matrix, matrix)


def finite_rows(points: Floats) -> Mask:
    """Return which points (n,) of a matrix (n, m) have finite values only."""
    return np.asarray(np.isfinite(points).all(axis=1))


def front_mask(points: Floats) -> Mask:
    """Return which points (n,) no other dominates; all must be finite, and minimised."""
    if len(points) <= 1:
        return np.ones(len(points), dtype=bool)
    if points.shape[1] == 1:
        return np.asarray(points[:, 0] == points.min())
    from moocore import is_nondominated

    return np.asarray(is_nondominated(points, keep_weakly=True), dtype=bool)


def dominates(a: ArrayLike, b: ArrayLike, maximize: Directions = None) -> Mask:
    """Return, row by row, whether `a` is no worse than `b` everywhere and better somewhere.

    A row with a value that is not finite neither dominates nor is dominated.

    Parameters
    ----------
    a, b
        Matrices (n, m); one row on either side is compared with every row of the other.
    maximize
        Which objectives are maximised (m,); none by default.

    Returns
    -------
    Mask (n,).

    Raises
    ------
    DseError
        If the shapes do not fit.
    """
    first, second = minimised(a, maximize, "a"), minimised(b, maximize, "b")
    if first.shape[1] != second.shape[1] or (
        len(first) != len(second) and 1 not in (len(first), len(second))
    ):
        raise DseError(f"a {first.shape} and b {second.shape} do not fit: give equal shapes, or one row")
    better = (first <= second).all(axis=1) & (first < second).any(axis=1)
    return np.asarray(better & finite_rows(first) & finite_rows(second))


def nondominated(points: ArrayLike, maximize: Directions = None) -> Mask:
    """Return which points no other dominates.

    Equal points are all kept. A point with a value that is not finite is never in the set and dominates
    nothing.

    Parameters
    ----------
    points
        Matrix (n, m); n may be 0.
    maximize
        Which objectives are maximised (m,); none by default.

    Returns
    -------
    Mask (n,).

    Raises
    ------
    DseError
        If the points are no matrix of numbers, or `maximize` does not fit them.

    Notes
    -----
    `moocore.is_nondominated`: Kung, Luccio and Preparata, "On finding the maxima of a set of vectors",
    J. ACM 22(4), 1975; n log n in two and three objectives.
    """
    matrix = minimised(points, maximize)
    mask = finite_rows(matrix)
    mask[mask] = front_mask(matrix[mask])
    return mask


def nondominated_ranks(points: ArrayLike, maximize: Directions = None) -> Ids:
    """Return the number of each point's front: 0 for the nondominated, 1 for those without these, and so on.

    Parameters
    ----------
    points
        Matrix (n, m); n may be 0.
    maximize
        Which objectives are maximised (m,); none by default.

    Returns
    -------
    Ranks (n,), of which equal points have the same; -1 for a point with a value that is not finite.

    Raises
    ------
    DseError
        If the points are no matrix of numbers, or `maximize` does not fit them.

    Notes
    -----
    Nondominated sorting (Deb, Pratap, Agarwal and Meyarivan, "A fast and elitist multiobjective genetic
    algorithm: NSGA-II", IEEE Trans. Evol. Comput. 6(2), 2002, section III.A) by `moocore.pareto_rank`; from
    three objectives on it takes one filtering a front.
    """
    matrix = minimised(points, maximize)
    finite = finite_rows(matrix)
    ranks = np.full(len(matrix), -1, np.int64)
    if matrix.shape[1] == 1:
        ranks[finite] = np.unique(matrix[finite, 0], return_inverse=True)[1]
    elif finite.any():
        from moocore import pareto_rank

        ranks[finite] = pareto_rank(matrix[finite])
    return ranks
