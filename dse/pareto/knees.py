"""Where a front bends most."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from dse.errors import DseError
from dse.pareto.dominance import Directions, Ids, minimised, nondominated

# Ours: with a tenth of the front between them, three knees are three different designs, not neighbours.
APART = 0.1


def knee_points(points: ArrayLike, count: int = 3, maximize: Directions = None) -> Ids:
    """Return the positions of up to `count` knees of a front, the most pronounced first.

    The objectives are scaled to [0, 1] over the front; the first knee has the smallest sum. Each further one
    has the smallest sum among the points that differ from all knees before it by a tenth of the front or more
    in some objective, so that the knees are spread along the front.

    Parameters
    ----------
    points
        Matrix (n, m); points that are not on the front are left out.
    count
        How many knees, at least 1.
    maximize
        Which objectives are maximised (m,); none by default.

    Returns
    -------
    Positions (k,) in `points`, k at most `count`; of equal points the first. An objective that is constant
    over the front has no say. A front that bulges away from the best corner has no knee: its ends come first.

    Raises
    ------
    DseError
        If `count` is below 1, or the points are no matrix of numbers.

    Notes
    -----
    Das, "On characterizing the 'knee' of the Pareto curve based on normal-boundary intersection", Structural
    Optimization 18, 1999, takes the point farthest, along the normal, from the hyperplane through the
    individual minima. In two objectives the scaled minima are (0, 1) and (1, 0), and the smallest sum is that
    point. In more, the individual minima need not have equal intercepts, may coincide, and hang on single
    designs; here the hyperplane keeps equal intercepts, which is the same where the minima are the unit
    points and a simplification of Das otherwise.
    """
    if count < 1:
        raise DseError(f"count {count} is no number of knees: give at least 1")
    matrix = minimised(points, maximize)
    front = np.flatnonzero(nondominated(matrix))
    if not len(front):
        return np.empty(0, np.int64)
    span = np.ptp(matrix[front], axis=0)
    scaled = (matrix[front] - matrix[front].min(axis=0)) / np.where(span > 0, span, 1.0)
    order = np.argsort(scaled.sum(axis=1), kind="stable")
    chosen: list[int] = []
    while len(order) and len(chosen) < count:
        knee = int(order[0])
        chosen.append(knee)
        order = order[np.abs(scaled[order] - scaled[knee]).max(axis=1) >= APART]
    return front[chosen]
