"""Dominance, fronts and their quality, thin over `moocore`.

Points are matrices (n, m); every objective is minimised unless `maximize` (m,) says otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dse.errors import DseError

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]
Directions = Sequence[bool] | NDArray[np.bool_] | None


def _minimised(points: ArrayLike, maximize: Directions = None, what: str = "points") -> Floats:
    matrix = np.asarray(points, dtype=float)
    if matrix.ndim != 2 or matrix.shape[1] == 0:
        raise DseError(f"{what} have shape {matrix.shape}: (n, objectives) is needed")
    if maximize is None:
        return matrix
    flips = np.asarray(maximize, dtype=bool)
    if flips.shape != (matrix.shape[1],):
        raise DseError(f"maximize has {flips.size} entries for {matrix.shape[1]} objectives")
    return np.where(flips, -matrix, matrix)


def dominates(a: ArrayLike, b: ArrayLike, maximize: Directions = None) -> NDArray[np.bool_]:
    """Return, row by row, whether `a` is no worse than `b` everywhere and better somewhere."""
    first, second = _minimised(a, maximize), _minimised(b, maximize)
    return np.asarray((first <= second).all(axis=1) & (first < second).any(axis=1))


def nondominated(points: ArrayLike, maximize: Directions = None) -> NDArray[np.bool_]:
    """Return the mask (n,) of the points that no other dominates.

    Equal points are all kept. A point with a value that is not finite is never in the set and dominates
    nothing.
    """
    matrix = _minimised(points, maximize)
    mask = np.isfinite(matrix).all(axis=1)
    mask[mask] = _front_mask(matrix[mask])
    return mask


def _front_mask(points: Floats) -> NDArray[np.bool_]:
    if len(points) <= 1:
        return np.ones(len(points), dtype=bool)
    if points.shape[1] == 1:
        return np.asarray(points[:, 0] == points.min())
    from moocore import is_nondominated

    return np.asarray(is_nondominated(points, keep_weakly=True), dtype=bool)


def nondominated_ranks(points: ArrayLike, maximize: Directions = None) -> Ids:
    """Return each point's front (n,): 0 for the nondominated, 1 without those, and so on; -1 if not finite."""
    from moocore import pareto_rank

    matrix = _minimised(points, maximize)
    finite = np.isfinite(matrix).all(axis=1)
    ranks = np.full(len(matrix), -1, np.int64)
    if matrix.shape[1] == 1:
        ranks[finite] = np.unique(matrix[finite, 0], return_inverse=True)[1]
    elif finite.any():
        ranks[finite] = pareto_rank(matrix[finite])
    return ranks


def _reference(points: Floats, reference: ArrayLike, maximize: Directions) -> Floats:
    point = np.asarray(reference, dtype=float)
    if point.shape != (points.shape[1],) or not np.isfinite(point).all():
        raise DseError(f"reference {reference!r} needs {points.shape[1]} finite values, one an objective")
    return _minimised(point[None], maximize)[0]


def hypervolume(points: ArrayLike, reference: ArrayLike, maximize: Directions = None) -> float:
    """Return the exact volume that the points dominate up to the reference point.

    Points beyond the reference, or not finite, contribute nothing.
    """
    from moocore import hypervolume as exact

    matrix = _minimised(points, maximize)
    point = _reference(matrix, reference, maximize)
    inside = matrix[np.isfinite(matrix).all(axis=1) & (matrix < point).all(axis=1)]
    if not len(inside):
        return 0.0
    if matrix.shape[1] == 1:
        return float(point[0] - inside.min())
    return float(exact(inside, ref=point))


def hypervolume_contributions(points: ArrayLike, reference: ArrayLike, maximize: Directions = None) -> Floats:
    """Return how much hypervolume would be lost without each point (n,); 0 for duplicates."""
    matrix = _minimised(points, maximize)
    total = hypervolume(matrix, point := _reference(matrix, reference, maximize))
    keep = np.ones(len(matrix), dtype=bool)
    lost = np.zeros(len(matrix))
    for row in np.flatnonzero(nondominated(matrix)).tolist():
        keep[row] = False
        lost[row] = total - hypervolume(matrix[keep], point)
        keep[row] = True
    return lost


def knee_points(points: ArrayLike, count: int = 3, maximize: Directions = None) -> Ids:
    """Return the positions of up to `count` knees of a front, the most pronounced first.

    Knees are the points farthest below the hyperplane through the extremes of the normalised front (Das, "On
    characterizing the knee of the Pareto curve based on normal-boundary intersection", Struct. Optim. 18, 1999).
    """
    matrix = _minimised(points, maximize)
    front = np.flatnonzero(nondominated(matrix))
    values = matrix[front]
    if not len(values):
        return np.empty(0, np.int64)
    span = values.max(axis=0) - values.min(axis=0)
    scaled = (values - values.min(axis=0)) / np.where(span > 0, span, 1.0)
    order = np.lexsort((front, scaled.sum(axis=1)))
    _, first = np.unique(values[order], axis=0, return_index=True)
    return front[order[np.sort(first)]][:count]


@dataclass(frozen=True)
class ArchiveChange:
    """What an addition changed: ids that entered the front, and ids that left it."""

    added: Ids
    removed: Ids


class ParetoArchive:
    """The front of all points added so far, kept incrementally."""

    def __init__(self, objectives: int, maximize: Directions = None) -> None:
        self._maximize = maximize
        self._points: Floats = np.empty((0, objectives))
        self._ids: Ids = np.empty(0, np.int64)

    def add(self, points: ArrayLike, ids: ArrayLike) -> ArchiveChange:
        """Add points (k, m) with distinct ids (k,)."""
        new = _minimised(points, self._maximize)
        numbers = np.asarray(ids, np.int64)
        mask = nondominated(new)
        new, numbers = new[mask], numbers[mask]
        joined = np.concatenate([self._points, new])
        keep = _front_mask(joined)
        old = len(self._points)
        change = ArchiveChange(numbers[keep[old:]], self._ids[~keep[:old]])
        if len(change.added) or len(change.removed):
            self._points = joined[keep]
            self._ids = np.concatenate([self._ids, numbers])[keep]
        return change

    @property
    def ids(self) -> Ids:
        return self._ids

    @property
    def points(self) -> Floats:
        return self._points

    def __len__(self) -> int:
        return len(self._ids)
