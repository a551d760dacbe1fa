"""How well points reach a reference set, and what several runs attain."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from dse.errors import DseError
from dse.pareto.dominance import Directions, Floats, Ids, finite_rows, minimised


def _both(points: ArrayLike, reference_set: ArrayLike, maximize: Directions) -> tuple[Floats, Floats]:
    """Return the finite points and the reference set, minimised."""
    matrix = minimised(points, maximize)
    wanted = minimised(reference_set, maximize, "reference_set")
    if matrix.shape[1] != wanted.shape[1]:
        raise DseError(f"points have {matrix.shape[1]} objectives, the reference set has {wanted.shape[1]}")
    matrix = matrix[finite_rows(matrix)]
    if not len(matrix):
        raise DseError("points hold no finite row: an indicator needs at least one finite point")
    if not len(wanted) or not np.isfinite(wanted).all():
        raise DseError("reference_set is empty or not finite: give at least one point, of finite values")
    return matrix, wanted


def igd_plus(points: ArrayLike, reference_set: ArrayLike, maximize: Directions = None) -> float:
    """Return the inverted generational distance plus: 0 where every reference point is reached.

    The mean over the reference set of the distance to the nearest point, counting only objectives in which
    the point is worse. Scale the objectives first where their units differ.

    Parameters
    ----------
    points
        Matrix (n, m); points that are not finite are left out.
    reference_set
        Matrix (k, m) of finite points.
    maximize
        Which objectives are maximised (m,); none by default.

    Raises
    ------
    DseError
        If no point is finite, the reference set is empty or not finite, or their objectives differ in number.

    Notes
    -----
    Ishibuchi, Masuda, Tanigaki and Nojima, "Modified distance calculation in generational distance and
    inverted generational distance", EMO 2015.
    """
    from moocore import igd_plus as exact

    matrix, wanted = _both(points, reference_set, maximize)
    return float(exact(matrix, ref=wanted))


def epsilon_additive(points: ArrayLike, reference_set: ArrayLike, maximize: Directions = None) -> float:
    """Return the least amount by which all points must improve to weakly dominate the reference set.

    Negative where they do so with room to spare. Scale the objectives first where their units differ.

    Parameters
    ----------
    points
        Matrix (n, m); points that are not finite are left out.
    reference_set
        Matrix (k, m) of finite points.
    maximize
        Which objectives are maximised (m,); none by default.

    Raises
    ------
    DseError
        As `igd_plus`.

    Notes
    -----
    Zitzler, Thiele, Laumanns, Fonseca and Grunert da Fonseca, "Performance assessment of multiobjective
    optimizers: an analysis and review", IEEE Trans. Evol. Comput. 7(2), 2003.
    """
    from moocore import epsilon_additive as exact

    matrix, wanted = _both(points, reference_set, maximize)
    return float(exact(matrix, ref=wanted))


def epsilon_multiplicative(points: ArrayLike, reference_set: ArrayLike, maximize: Directions = None) -> float:
    """Return the least factor by which all points must improve to weakly dominate the reference set.

    At most 1 where they do so already. Maximised values improve when multiplied, others when divided.

    Parameters
    ----------
    points
        Matrix (n, m) of positive values; points that are not finite are left out.
    reference_set
        Matrix (k, m) of positive finite values.
    maximize
        Which objectives are maximised (m,); none by default.

    Raises
    ------
    DseError
        As `igd_plus`, and if a value is not positive.

    Notes
    -----
    Source as of `epsilon_additive`.
    """
    from moocore import epsilon_mult

    # The factor must see the values themselves, not those of a negated objective.
    matrix, wanted = _both(points, reference_set, None)
    minimised(matrix, maximize)
    for what, values in (("points", matrix), ("reference_set", wanted)):
        if (values <= 0).any():
            raise DseError(
                f"{what} hold {values[values <= 0][0]:g}: the multiplicative epsilon needs positive values; "
                "use epsilon_additive"
            )
    flips = False if maximize is None else [bool(flip) for flip in maximize]
    return float(epsilon_mult(matrix, ref=wanted, maximise=flips))


def attainment(
    fronts: Sequence[ArrayLike], levels: Sequence[float] = (0.5,), maximize: Directions = None
) -> dict[float, Floats]:
    """Return empirical attainment surfaces of several runs' fronts.

    Parameters
    ----------
    fronts
        For each run a matrix (n_i, m), of two or three objectives; points that are not finite are left out.
    levels
        Shares of the runs, above 0 and at most 1.
    maximize
        Which objectives are maximised (m,); none by default.

    Returns
    -------
    For each level a matrix (k, m): the nondominated among all points of objective space that at least this
    share of the runs weakly dominates.

    Raises
    ------
    DseError
        If there is no run, a run has no finite point, the objectives are not two or three, the same in all
        runs, or a level is out of range.

    Notes
    -----
    Grunert da Fonseca, Fonseca and Hall, "Inferential performance assessment of stochastic optimisers and the
    attainment function", EMO 2001.
    """
    from moocore import eaf

    points, runs = _runs(fronts, maximize)
    for level in levels:
        if not 0 < level <= 1:
            raise DseError(f"level {level} is no share of the runs: give a number above 0 and at most 1")
    surfaces = {}
    for level in levels:
        surface = np.asarray(eaf(points, runs, percentiles=[100 * level]))[:, :-1]
        surfaces[level] = minimised(surface, maximize)
    return surfaces


def attainment_differences(
    one: Sequence[ArrayLike], other: Sequence[ArrayLike], maximize: Directions = None
) -> Floats:
    """Return where one set of runs attains more often than another, and where less.

    Parameters
    ----------
    one, other
        For each run a matrix (n_i, 2); as many runs on either side.
    maximize
        Which objectives are maximised (2,); none by default.

    Returns
    -------
    Rectangles (k, 5) of objective space: the corner that is best in both objectives, that which is worst,
    where infinite values stand for no end, and the share of runs of `one` that attain it less that of
    `other`, -1 to 1. Where shares are equal there is none.

    Raises
    ------
    DseError
        As `attainment`; if the objectives are not two, or the runs not equally many.

    Notes
    -----
    Lopez-Ibanez, Paquete and Stuetzle, "Exploratory analysis of stochastic local search algorithms in
    biobjective optimization", in Experimental Methods for the Analysis of Optimization Algorithms, 2010.
    """
    from moocore import eafdiff

    if len(one) != len(other):
        raise DseError(f"{len(one)} runs and {len(other)} runs: differences need as many of each")
    sides = [np.column_stack(_runs(fronts, maximize)) for fronts in (one, other)]
    if sides[0].shape[1] != 3 or sides[1].shape[1] != 3:
        raise DseError("differences of attainment need fronts of two objectives")
    found = np.asarray(eafdiff(*sides, rectangles=True), float).reshape(-1, 5)
    found = found[found[:, 4] != 0]
    best, worst = minimised(found[:, :2], maximize), minimised(found[:, 2:4], maximize)
    return np.column_stack([best, worst, found[:, 4] / len(one)])


def _runs(fronts: Sequence[ArrayLike], maximize: Directions) -> tuple[Floats, Ids]:
    """Return the finite points of several runs (n, m), minimised, and the run of each (n,)."""
    matrices = [minimised(front, maximize, f"fronts[{run}]") for run, front in enumerate(fronts)]
    widths = {matrix.shape[1] for matrix in matrices}
    if len(widths) != 1 or not widths <= {2, 3}:
        raise DseError("attainment surfaces need at least one front, all of two or all of three objectives")
    matrices = [matrix[finite_rows(matrix)] for matrix in matrices]
    for run, matrix in enumerate(matrices):
        if not len(matrix):
            raise DseError(f"fronts[{run}] holds no finite point: leave it out")
    return np.concatenate(matrices), np.repeat(np.arange(len(matrices)), [len(matrix) for matrix in matrices])
