"""The front of points that come batch by batch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from dse.errors import DseError
from dse.pareto.dominance import Directions, Floats, Ids, Mask, finite_rows, front_mask, minimised

# Sizes that cost least in benchmarks/pareto_archive.py; the front does not depend on them.
GUARDS = 64  # members that new points must get past first
LONG = 4096  # NumPy compares pairs several times faster in rows of about 3,000 or more; more leave the cache
# New points beyond which one sort of everything costs less than comparing all pairs:
# first with short fronts, then with long ones.
SORTED_SHORT, SORTED_LONG = 64, 256


@dataclass(frozen=True)
class ArchiveChange:
    """What an addition changed.

    Attributes
    ----------
    added, removed
        Ids that entered the front, and ids that left it, in ascending order.
    """

    added: Ids
    removed: Ids


class ParetoArchive:
    """The front of all points added so far, kept incrementally.

    The front does not depend on the order or the batches in which points were added. Equal points are
    all kept; points that are not finite are left out.

    Parameters
    ----------
    objectives
        How many there are, at least 1.
    maximize
        Which of them are maximised (objectives,); none by default.

    Raises
    ------
    DseError
        If `objectives` is below 1, or `maximize` does not fit.

    Notes
    -----
    New points are first compared with a few members of the front, which most of them do not survive; the
    few that do, with all of it. So an addition costs little even when the front is large.
    """

    def __init__(self, objectives: int, maximize: Directions = None) -> None:
        if objectives < 1:
            raise DseError(f"objectives {objectives}: an archive needs at least 1")
        minimised(np.empty((0, objectives)), maximize)
        self._maximize = maximize
        self._columns: Floats = np.empty((objectives, 0))  # one objective a row: comparisons run along it
        self._ids: Ids = np.empty(0, np.int64)

    def add(self, points: ArrayLike, ids: ArrayLike) -> ArchiveChange:
        """Add points.

        Parameters
        ----------
        points
            Matrix (k, objectives).
        ids
            Whole numbers (k,), none of them added before.

        Raises
        ------
        DseError
            If the shapes do not fit, or ids are not whole numbers.
        """
        new = minimised(points, self._maximize)
        numbers = np.asarray(ids)
        if new.shape[1] != len(self._columns) or numbers.shape != (len(new),):
            raise DseError(
                f"points {new.shape} and ids {numbers.shape} do not fit an archive of "
                f"{len(self._columns)} objectives: give (k, {len(self._columns)}) and (k,)"
            )
        if len(numbers) and numbers.dtype.kind not in "iu":
            raise DseError(f"ids of type {numbers.dtype} are no whole numbers")
        columns, numbers, stays = self._survivors(new, numbers.astype(np.int64))
        change = ArchiveChange(np.sort(numbers), self._ids[~stays])
        if len(numbers):
            self._enter(columns, numbers, stays)
        return change

    def _survivors(self, new: Floats, ids: Ids) -> tuple[Floats, Ids, Mask]:
        """Return the points that enter as columns, their ids, and which members stay."""
        rows = np.flatnonzero(finite_rows(new))
        rows = rows[~_dominated(new[rows].T, self._guards(GUARDS))]
        rows = rows[front_mask(new[rows])]
        if len(self) > 4 * LONG and len(rows) <= 4 * SORTED_LONG:
            rows = rows[~_dominated(new[rows].T, self._guards(LONG))]
        columns = np.ascontiguousarray(new[rows].T)
        if len(rows) > (SORTED_SHORT if len(self) < LONG else SORTED_LONG):
            mask = front_mask(np.concatenate([self._columns, columns], axis=1).T)
            stays, enters = mask[: len(self)], mask[len(self) :]
            return columns[:, enters], ids[rows[enters]], stays
        enters = ~_dominated(columns, self._columns)
        columns = columns[:, enters]
        return columns, ids[rows[enters]], ~_dominated(self._columns, columns)

    def _guards(self, count: int) -> Floats:
        return self._columns[:, :: max(1, len(self) // count)]

    def _enter(self, columns: Floats, ids: Ids, stays: Mask) -> None:
        members, numbers = self._columns, self._ids
        if not stays.all():
            members, numbers = members[:, stays], numbers[stays]
        members, numbers = np.concatenate([members, columns], axis=1), np.concatenate([numbers, ids])
        if (np.diff(numbers[-len(ids) - 1 :]) < 0).any():
            order = np.argsort(numbers, kind="stable")
            members, numbers = members[:, order], numbers[order]
        numbers.flags.writeable = False
        self._columns, self._ids = members, numbers

    @property
    def ids(self) -> Ids:
        """The ids of the front (n,), in ascending order; read-only."""
        return self._ids

    @property
    def points(self) -> Floats:
        """A copy of the front (n, m), in the order of `ids`, in the objectives' own directions."""
        return minimised(self._columns.T.copy(), self._maximize)

    def __len__(self) -> int:
        return len(self._ids)


def _dominated(points: Floats, others: Floats) -> Mask:
    """Return which points (m, p) some of the others (m, q), of which none dominates another, dominates."""
    count, opponents = points.shape[1], others.shape[1]
    dominated = np.zeros(count, dtype=bool)
    if not count or not opponents:
        return dominated
    # The longer side is cut into slices, and is the contiguous one in the matrix of pairs.
    if count > opponents:
        for start in range(0, count, LONG):
            part = points[:, start : start + LONG]
            no_worse = others[0][:, None] <= part[0]
            for mine, theirs in zip(part[1:], others[1:], strict=True):
                no_worse &= theirs[:, None] <= mine
            dominated[start : start + LONG] = _strictly(part, others, no_worse.T)
    else:
        for start in range(0, opponents, LONG):
            part = others[:, start : start + LONG]
            no_worse = part[0] <= points[0][:, None]
            for mine, theirs in zip(points[1:], part[1:], strict=True):
                no_worse &= theirs <= mine[:, None]
            dominated |= _strictly(points, part, no_worse)
    return dominated


def _strictly(points: Floats, others: Floats, no_worse: Mask) -> Mask:
    """Return which points (p,) are dominated, and not only equalled, given all pairs (p, q).

    One pair a point tells: if another equals it, all that are no worse do, since none dominates another.
    """
    dominated: Mask = np.asarray(no_worse.any(axis=1))
    rows = np.flatnonzero(dominated)
    if len(rows):
        first = no_worse[rows].argmax(axis=1)
        dominated[rows] = (others[:, first] != points[:, rows]).any(axis=0)
    return dominated
