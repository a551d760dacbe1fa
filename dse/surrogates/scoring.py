"""How far predictions are off, and how often intervals hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from dse.surrogates.data import TrainingData
    from dse.surrogates.surrogate import Surrogate

Floats = NDArray[np.float64]

CONFIDENCES = (0.8, 0.9, 0.95)


def errors(actual: Floats, predicted: Floats) -> dict[str, float | None]:
    """Return how far predictions (n,) are off.

    Returns
    -------
    By name, None where it is not defined (a metric that does not vary):

    - rmse, mae: root mean square and mean of errors, in the metric's unit
    - nrmse: rmse over the range of the actual values
    - r2: 1 - sum of squared errors over that about the mean
    - smape: mean of 2 |error| / (|actual| + |predicted|), 0 where both are 0; from 0 to 2
    - spearman: rank correlation
    """
    error = predicted - actual
    sizes = np.abs(actual) + np.abs(predicted)
    rmse = float(np.sqrt((error**2).mean()))
    varies = len(actual) > 1 and np.ptp(actual) > 0
    return {
        "rmse": rmse,
        "mae": float(np.abs(error).mean()),
        "nrmse": rmse / float(np.ptp(actual)) if varies else None,
        "r2": 1.0 - float((error**2).sum() / ((actual - actual.mean()) ** 2).sum()) if varies else None,
        "smape": float(np.where(sizes > 0, 2 * np.abs(error) / np.where(sizes > 0, sizes, 1.0), 0.0).mean()),
        "spearman": spearman(actual, predicted) if varies else None,
    }


def spearman(one: Floats, other: Floats) -> float | None:
    """Return the rank correlation of two arrays (n,), ties at their mean rank; None if one is constant."""
    from scipy.stats import rankdata

    first, second = rankdata(one), rankdata(other)
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return float(np.corrcoef(first, second)[0, 1])


def area_under_curve(truth: NDArray[np.bool_], chance: Floats) -> float | None:
    """Return the probability that a true case (n,) has the greater chance than a false one, ties half.

    None where all are true, or all false.
    """
    from scipy.stats import rankdata

    positive = int(truth.sum())
    negative = len(truth) - positive
    if not positive or not negative:
        return None
    ranks = rankdata(chance)
    return float((ranks[truth].sum() - positive * (positive + 1) / 2) / (positive * negative))


def classification(truth: NDArray[np.bool_], chance: Floats) -> dict[str, float | None]:
    """Return how well chances (n,) tell cases: auc, brier (mean squared error), and the true share."""
    return {
        "auc": area_under_curve(truth, chance),
        "brier": float(((chance - truth) ** 2).mean()),
        "share": float(truth.mean()),
    }


def scores(
    surrogate: Surrogate, data: TrainingData, confidences: Sequence[float] = CONFIDENCES
) -> dict[str, Any]:
    """Return how well a surrogate predicts data that it was not trained on.

    Parameters
    ----------
    surrogate
        What predicts.
    data
        What was found, by evaluation.
    confidences
        At which the coverage of intervals is counted.

    Returns
    -------
    JSON values: rows; metrics, by name `errors` and coverage (share of values within their interval, by
    confidence); failed and infeasible, each `classification`, or None where the surrogate has no model.
    """
    predictions = {level: surrogate.predict(data.designs, level) for level in confidences}
    first = next(iter(predictions.values()))
    metrics: dict[str, Any] = {}
    for name in surrogate.metrics:
        actual = data.values[name]
        known = np.isfinite(actual)
        if not known.any():
            continue
        coverage = {
            str(level): float(
                (
                    (actual[known] >= prediction.lower[name][known])
                    & (actual[known] <= prediction.upper[name][known])
                ).mean()
            )
            for level, prediction in predictions.items()
        }
        metrics[name] = {**errors(actual[known], first.mean[name][known]), "coverage": coverage}
    has = surrogate.report
    return {
        "rows": len(data),
        "metrics": metrics,
        "failed": classification(data.failed, first.failure) if has.get("failed") else None,
        "infeasible": (
            classification(data.infeasible[~data.failed], first.infeasible[~data.failed])
            if has.get("infeasible") and not data.failed.all()
            else None
        ),
    }
