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


GUARDS = 64  # members of the archive that new points must get past first
PAIRS = 1 << 21  # comparisons that are cheaper than sorting everything anew
KNEE_DISTANCE = 0.1


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
    finite = _finite(matrix)
    mask = finite.copy()
    mask[finite] = _front_mask(matrix[finite])
    return mask


def _finite(points: Floats) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(points).all(axis=1))


def _front_mask(points: Floats) -> NDArray[np.bool_]:
    if len(points) <= 1:
        return np.ones(len(points), dtype=bool)
    if points.shape[1] == 1:
        return np.asarray(points[:, 0] == points.min())
    from moocore import is_nondominated

    return np.asarray(is_nondominated(points, keep_weakly=True), dtype=bool)


def nondominated_ranks(points: ArrayLike, maximize: Directions = None) -> Ids:
    """Return each point's front (n,): 0 for the nondominated, 1 without those, ...; -1 if not finite."""
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
    try:
        point = np.asarray(reference, dtype=float)
    except (TypeError, ValueError):
        raise DseError(f"reference {reference!r} is no list of numbers") from None
    if point.shape != (points.shape[1],) or not np.isfinite(point).all():
        raise DseError(f"reference {reference!r} needs {points.shape[1]} finite values, one an objective")
    return np.asarray(_minimised(point[None], maximize)[0])


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
    """Return how much hypervolume would be lost without each point (n,).

    0 for points that others dominate, for each of several equal points, for points beyond the reference,
    and for those that are not finite.
    """
    matrix = _minimised(points, maximize)
    point = _reference(matrix, reference, maximize)
    lost = np.zeros(len(matrix))
    inside = np.flatnonzero(_finite(matrix) & (matrix < point).all(axis=1))
    if matrix.shape[1] == 1:
        if len(inside):
            best, second = np.sort(np.append(matrix[inside, 0], point))[:2]
            lost[inside] = np.where(matrix[inside, 0] == best, second - best, 0.0)
    elif len(inside):
        from moocore import hv_contributions

        lost[inside] = hv_contributions(matrix[inside], ref=point, ignore_dominated=False)
    return lost


def _reference_set(
    points: ArrayLike, reference_set: ArrayLike, maximize: Directions
) -> tuple[Floats, Floats]:
    matrix = _minimised(points, maximize)
    wanted = _minimised(reference_set, maximize, "reference_set")
    if matrix.shape[1] != wanted.shape[1]:
        raise DseError(f"points have {matrix.shape[1]} objectives, the reference set has {wanted.shape[1]}")
    matrix = matrix[np.isfinite(matrix).all(axis=1)]
    if not len(matrix) or not len(wanted) or not np.isfinite(wanted).all():
        raise DseError("an indicator needs at least one finite point, and a reference set of finite points")
    return matrix, wanted


def igd_plus(points: ArrayLike, reference_set: ArrayLike, maximize: Directions = None) -> float:
    """Return the inverted generational distance plus: 0 where every reference point is reached.

    The mean over the reference set of the distance to the nearest point, counting only objectives in
    which the point is worse (Ishibuchi, Masuda, Tanigaki and Nojima, "Modified distance calculation in
    generational distance and inverted generational distance", EMO 2015). Scale the objectives first where
    their units differ.

    Raises
    ------
    DseError
        If a set is empty or not finite, or their objectives differ in number.
    """
    from moocore import igd_plus as exact

    matrix, wanted = _reference_set(points, reference_set, maximize)
    return float(exact(matrix, ref=wanted))


def epsilon_additive(points: ArrayLike, reference_set: ArrayLike, maximize: Directions = None) -> float:
    """Return the least amount by which all points must improve to weakly dominate the reference set.

    Zitzler, Thiele, Laumanns, Fonseca and Grunert da Fonseca, "Performance assessment of multiobjective
    optimizers: an analysis and review", IEEE Trans. Evol. Comput. 7(2), 2003. Raises as `igd_plus`.
    """
    from moocore import epsilon_additive as exact

    matrix, wanted = _reference_set(points, reference_set, maximize)
    return float(exact(matrix, ref=wanted))


def epsilon_multiplicative(points: ArrayLike, reference_set: ArrayLike, maximize: Directions = None) -> float:
    """Return the least factor by which all points must improve to weakly dominate the reference set.

    As `epsilon_additive`, for positive values: a factor of at most 1 means that nothing is missing.

    Raises
    ------
    DseError
        As `igd_plus`, and if a value is not positive.
    """
    from moocore import epsilon_mult

    # The factor must see the values themselves, not those of the negated objective.
    matrix, wanted = _reference_set(points, reference_set, None)
    _minimised(matrix, maximize)
    if (matrix <= 0).any() or (wanted <= 0).any():
        raise DseError("the multiplicative epsilon needs positive values: use epsilon_additive")
    flips = False if maximize is None else [bool(flip) for flip in maximize]
    return float(epsilon_mult(matrix, ref=wanted, maximise=flips))


def reference_point(points: ArrayLike, margin: float = 0.1, maximize: Directions = None) -> Floats:
    """Return a reference point for hypervolumes (m,): the front's worst values and a margin beyond.

    Parameters
    ----------
    margin
        In ranges of the front; of the value's size, or 1 for zero, where the range is zero.

    Raises
    ------
    DseError
        If no point is finite.
    """
    matrix = _minimised(points, maximize)
    front = matrix[nondominated(matrix)]
    if not len(front):
        raise DseError("a reference point needs at least one finite point")
    worst, best = front.max(axis=0), front.min(axis=0)
    size = np.where(worst == 0, 1.0, np.abs(worst))
    point = worst + margin * np.where(worst > best, worst - best, size)
    return np.asarray(_minimised(point[None], maximize)[0])


def knee_points(points: ArrayLike, count: int = 3, maximize: Directions = None) -> Ids:
    """Return the positions of up to `count` knees of a front, the most pronounced first.

    A knee is farthest below the hyperplane through the front's extremes (Das, "On characterizing the
    knee of the Pareto curve based on normal-boundary intersection", Structural Optimization 18, 1999): the
    smallest sum of the objectives, each scaled to [0, 1] over the front. The next knees keep a distance of
    a tenth of the front, in some objective, from those before.

    Parameters
    ----------
    points
        Matrix (n, m); points that are not on the front are left out.

    Returns
    -------
    Positions (k,), k at most `count`; of equal points the first.
    """
    matrix = _minimised(points, maximize)
    front = np.flatnonzero(nondominated(matrix))
    if not len(front):
        return np.empty(0, np.int64)
    span = np.ptp(matrix[front], axis=0)
    scaled = (matrix[front] - matrix[front].min(axis=0)) / np.where(span > 0, span, 1.0)
    chosen: list[int] = []
    for row in np.lexsort((front, scaled.sum(axis=1))).tolist():
        apart = np.abs(scaled[chosen] - scaled[row]).max(axis=1, initial=0.0)
        if (apart >= KNEE_DISTANCE).all():
            chosen.append(row)
        if len(chosen) == count:
            break
    return front[chosen]


def attainment(
    fronts: Sequence[ArrayLike], levels: Sequence[float] = (0.5,), maximize: Directions = None
) -> dict[float, Floats]:
    """Return empirical attainment surfaces of several runs' fronts.

    Parameters
    ----------
    fronts
        A matrix (n_i, m) for each run, of two or three objectives.
    levels
        Shares of the runs, above 0 and at most 1.

    Returns
    -------
    For each level the nondominated points (k, m) that this share of the runs weakly dominates
    (Grunert da Fonseca, Fonseca and Hall, "Inferential performance assessment of stochastic optimisers
    and the attainment function", EMO 2001).

    Raises
    ------
    DseError
        If there is no run, a level is out of range, or there are more than three objectives.
    """
    from moocore import eaf

    matrices = [_minimised(front, maximize) for front in fronts]
    if not matrices or any(matrix.shape[1] not in (2, 3) for matrix in matrices):
        raise DseError("attainment surfaces need at least one front, of two or three objectives")
    for level in levels:
        if not 0 < level <= 1:
            raise DseError(f"level {level} is no share of the runs: give a number above 0 and at most 1")
    sets = np.repeat(np.arange(len(matrices)), [len(matrix) for matrix in matrices])
    found = eaf(np.concatenate(matrices), sets, percentiles=[100 * level for level in levels])
    surfaces = {}
    for level in levels:
        surface = found[np.isclose(found[:, -1], 100 * level), :-1]
        surfaces[level] = np.asarray(_minimised(surface, maximize))
    return surfaces


@dataclass(frozen=True)
class ArchiveChange:
    """What an addition changed: ids that entered the front, and ids that left it, in ascending order."""

    added: Ids
    removed: Ids


class ParetoArchive:
    """The front of all points added so far, kept incrementally.

    The front does not depend on the order or the batches in which points were added. Equal points are
    all kept; points that are not finite are left out.

    Parameters
    ----------
    objectives
        How many there are.
    maximize
        Which of them are maximised; none by default.

    Notes
    -----
    New points are first compared with a few members of the front, which most of them do not survive; the
    few that do, with all of it. So an addition costs little even when the front is large.
    """

    def __init__(self, objectives: int, maximize: Directions = None) -> None:
        self._maximize = maximize
        self._points: Floats = np.empty((0, objectives))
        self._ids: Ids = np.empty(0, np.int64)

    def add(self, points: ArrayLike, ids: ArrayLike) -> ArchiveChange:
        """Add points.

        Parameters
        ----------
        points
            Matrix (k, m).
        ids
            Whole numbers (k,), none of them added before.

        Raises
        ------
        DseError
            If the shapes do not fit.
        """
        new = _minimised(points, self._maximize)
        numbers = np.asarray(ids, np.int64)
        if new.shape[1] != self._points.shape[1] or numbers.shape != (len(new),):
            raise DseError(
                f"points {new.shape} and ids {numbers.shape} do not fit an archive of "
                f"{self._points.shape[1]} objectives"
            )
        guards = self._points[:: max(1, len(self._points) // GUARDS)]
        keep = _finite(new)
        keep[keep] = ~_dominated(new[keep], guards)
        keep[keep] = _front_mask(new[keep])
        new, numbers = new[keep], numbers[keep]
        if len(new) * len(self._points) <= PAIRS:
            keep = ~_dominated(new, self._points)
            new, numbers = new[keep], numbers[keep]
            stays = ~_dominated(self._points, new)
        else:
            mask = _front_mask(np.concatenate([self._points, new]))
            stays, keep = mask[: len(self._points)], mask[len(self._points) :]
            new, numbers = new[keep], numbers[keep]
        change = ArchiveChange(np.sort(numbers), self._ids[~stays])
        if len(numbers):
            points_, ids_ = self._points, self._ids
            if not stays.all():
                points_, ids_ = points_[stays], ids_[stays]
            points_, ids_ = np.concatenate([points_, new]), np.concatenate([ids_, numbers])
            if (np.diff(ids_[-len(numbers) - 1 :]) < 0).any():
                order = np.argsort(ids_, kind="stable")
                points_, ids_ = points_[order], ids_[order]
            self._points, self._ids = points_, ids_
        return change

    @property
    def ids(self) -> Ids:
        """The ids of the front (n,), in ascending order."""
        return self._ids

    @property
    def points(self) -> Floats:
        """The front (n, m), in the order of `ids`, in the objectives' own directions."""
        return _minimised(self._points, self._maximize)

    def __len__(self) -> int:
        return len(self._ids)


def _dominated(points: Floats, others: Floats) -> NDArray[np.bool_]:
    """Return which points (n,) some of the others dominates, by comparing all pairs."""
    if not len(points) or not len(others):
        return np.zeros(len(points), dtype=bool)
    no_worse = np.ones((len(points), len(others)), dtype=bool)
    better = np.zeros_like(no_worse)
    for column in range(points.shape[1]):
        mine, theirs = points[:, column, None], others[None, :, column]
        no_worse &= theirs <= mine
        better |= theirs < mine
    return np.asarray((no_worse & better).any(axis=1))
