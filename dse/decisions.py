"""Which design of a front to take: rankings by a reference point, by weights, by limits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dse.errors import StudyError

Floats = NDArray[np.floating[Any]]

AUGMENTATION = 1e-4  # of the sum beside the largest term: small enough not to change a strict order


def achievement(values: ArrayLike, aims: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """Return how far designs are from a reference point: the least comes nearest, or surpasses it most.

    Parameters
    ----------
    values
        Objectives to be minimised (n, objectives).
    aims
        The reference point, what one would like to have (objectives,), reachable or not.
    weights
        Of the objectives, positive; equal by default.

    Returns
    -------
    Scores (n,), in ranges of the front: 0.1 is a tenth of the range from the best to the worst value short of
    the aim in the objective that is worst off; below 0 all aims are met.

    Raises
    ------
    StudyError
        If the shapes do not fit, or a weight is not positive.

    Notes
    -----
    The augmented achievement scalarising function of Wierzbicki, "The use of reference objectives in
    multiobjective optimization", 1980, with the augmentation of Steuer and Choo, "An interactive weighted
    Tchebycheff procedure", Mathematical Programming 26, 1983: only Pareto-optimal designs come first, and
    every one of them does for some reference point.
    """
    front, scale = _scaled(values)
    wanted = np.asarray(aims, float)
    share = _weights(weights, front.shape[1])
    if wanted.shape != (front.shape[1],):
        raise StudyError(f"aims {wanted.tolist()} need {front.shape[1]} values, one an objective")
    short = share * (front - wanted) / scale
    return np.asarray(short.max(axis=1) + AUGMENTATION * short.sum(axis=1))


def weighted(values: ArrayLike, weights: ArrayLike) -> Floats:
    """Return the weighted sum of objectives, each scaled to the front's range: the least is the best.

    Parameters
    ----------
    values
        Objectives to be minimised (n, objectives).
    weights
        Positive (objectives,); they are divided by their sum.

    Returns
    -------
    Scores (n,) from 0, best in everything, to 1.

    Raises
    ------
    StudyError
        If a weight is not positive, or there is not one an objective.

    Notes
    -----
    Designs in a dent of the front are first for no weights (Das and Dennis, "A closer look at drawbacks of
    minimizing weighted sums of objectives", Structural Optimization 14, 1997): `achievement` finds them.
    """
    front, scale = _scaled(values)
    share = _weights(weights, front.shape[1])
    return np.asarray(((front - front.min(axis=0)) / scale) @ (share / share.sum()))


def epsilon_constraint(values: ArrayLike, objective: int, limits: ArrayLike) -> NDArray[np.intp]:
    """Return the designs that keep limits on all other objectives, best in one of them first.

    Parameters
    ----------
    values
        Objectives to be minimised (n, objectives).
    objective
        The position of the one that counts.
    limits
        The largest value of each objective (objectives,); infinite for no limit. That of `objective` is not
        looked at.

    Returns
    -------
    Positions (k,).

    Notes
    -----
    Haimes, Lasdon and Wismer, "On a bicriterion formulation of the problems of integrated system
    identification and system optimization", IEEE Transactions on Systems, Man, and Cybernetics 1, 1971.
    """
    front = np.asarray(values, float)
    most = np.asarray(limits, float).copy()
    if front.ndim != 2 or most.shape != (front.shape[1],) or not 0 <= objective < front.shape[1]:
        raise StudyError(f"limits {most.tolist()} need one value an objective, of which there are values too")
    most[objective] = np.inf
    kept = np.flatnonzero((front <= most).all(axis=1))
    order = np.lexsort((front[kept].sum(axis=1), front[kept, objective]))
    return np.asarray(kept[order], np.intp)


def _scaled(values: ArrayLike) -> tuple[Floats, Floats]:
    front = np.asarray(values, float)
    if front.ndim != 2:
        raise StudyError(f"objectives are a matrix (n, objectives), not of shape {front.shape}")
    spread = np.ptp(front, axis=0) if len(front) else np.ones(front.shape[1])
    return front, np.where(spread > 0, spread, 1.0)


def _weights(weights: ArrayLike | None, count: int) -> Floats:
    share = np.ones(count) if weights is None else np.asarray(weights, float)
    if share.shape != (count,) or not (share > 0).all():
        raise StudyError(f"weights {share.tolist()} must be {count} positive numbers, one an objective")
    return share
