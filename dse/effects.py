"""How an objective changes with one parameter, the others being as they are: accumulated local effects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dse.designs import Designs
from dse.errors import StudyError
from dse.scales import suits_logarithm

if TYPE_CHECKING:
    import pandas as pd

    from dse.importance import Evaluated

Floats = NDArray[np.floating[Any]]

MINIMUM = 50  # evaluations
ROWS = 10_000  # drawn at random beyond
BINS = 24
TREES = 50


def parameter_effects(study: Evaluated, objective: str | None = None, *, seed: int = 0) -> pd.DataFrame:
    """Return the accumulated local effects of every parameter on a metric, by a forest fitted to the study.

    Parameters
    ----------
    study
        A study, or a view of one.
    objective
        A metric; the first objective by default.
    seed
        Of the choice of rows and of the forest.

    Returns
    -------
    A row for each parameter and value. Columns:

    - parameter, value
    - effect: in the metric's unit, by how much it lies above (below) its mean there; a factor on the metric
      where `scale` is "log"
    - count: designs with about that value
    - importance: the spread of the parameter's effects, weighted by designs; the most important come first
    - scale: "log" where the metric's logarithm was fitted, else "linear"

    Raises
    ------
    StudyError
        If there are fewer than 50 evaluations with that metric, or it is unknown.

    Notes
    -----
    Apley and Zhu, "Visualizing the effects of predictor variables in black box supervised learning models",
    Journal of the Royal Statistical Society B 82, 2020, section 2: the differences of predictions at the two
    ends of a bin, averaged over the designs within and summed up. Other than partial dependence it asks the
    model about no design far from those evaluated. Unordered choices are taken in their listed order.
    """
    import pandas as pd
    from sklearn.ensemble import ExtraTreesRegressor

    frame = study.evaluations()
    metric = objective or study.objectives[0].metric
    if metric not in frame or metric in study.space:
        raise StudyError(f"objective={metric!r} is no metric of the study")
    frame = frame[np.isfinite(frame[metric].to_numpy(float))]
    if len(frame) < MINIMUM:
        raise StudyError(
            f"{len(frame)} evaluations with {metric} are too few for effects: evaluate {MINIMUM} or more"
        )
    rows = np.random.default_rng(seed).permutation(len(frame))[:ROWS]
    frame = frame.iloc[rows]
    target = frame[metric].to_numpy(float)
    logarithm = suits_logarithm(target)
    designs = Designs.from_frame(study.space, frame)
    features = np.column_stack(
        [p.scaled(designs.codes[:, position]) for position, p in enumerate(study.space.parameters)]
    ).astype(np.float32)
    forest = ExtraTreesRegressor(TREES, min_samples_leaf=2, random_state=seed, n_jobs=-1)
    forest.fit(features, np.log(target) if logarithm else target)
    parts = []
    for position, parameter in enumerate(study.space.parameters):
        edges, codes = _edges(features[:, position], designs.codes[:, position])
        if len(edges) < 2:
            continue
        effect, count = _accumulated(forest, features, position, edges)
        values = parameter.decode(codes)
        parts.append(
            pd.DataFrame(
                {
                    "parameter": parameter.name, "value": np.asarray(values, object),
                    "effect": np.exp(effect) if logarithm else effect, "count": count,
                    "importance": float(np.sqrt(np.average(effect**2, weights=np.maximum(count, 1)))),
                    "scale": "log" if logarithm else "linear",
                }
            )
        )  # fmt: skip
    if not parts:
        raise StudyError("no parameter varies over the evaluations: there are no effects")
    parts.sort(key=lambda part: -part["importance"].iloc[0])
    return pd.concat(parts, ignore_index=True)


def _edges(scaled: Floats, codes: NDArray[Any]) -> tuple[Floats, NDArray[Any]]:
    """Return values, at quantiles where there are many, and the codes that they stand for."""
    distinct, first = np.unique(scaled, return_index=True)
    if len(distinct) > BINS:
        ordered = np.sort(scaled)
        taken = ordered[np.linspace(0, len(ordered) - 1, BINS).round().astype(int)]
        places = np.unique(np.searchsorted(distinct, taken))
        distinct, first = distinct[places], first[places]
    return distinct, codes[first]


def _accumulated(
    forest: Any, features: Floats, position: int, edges: Floats
) -> tuple[Floats, NDArray[np.intp]]:
    """Return effects at the edges, centred, and how many designs are nearest to each."""
    column = features[:, position]
    upper = np.clip(np.searchsorted(edges, column, side="left"), 1, len(edges) - 1)
    low, high = features.copy(), features.copy()
    low[:, position], high[:, position] = edges[upper - 1], edges[upper]
    change = forest.predict(high) - forest.predict(low)
    steps = np.bincount(upper, change, len(edges)) / np.maximum(np.bincount(upper, minlength=len(edges)), 1)
    effect = np.cumsum(steps)
    nearest = np.abs(column[:, None] - edges[None, :]).argmin(axis=1)
    count = np.bincount(nearest, minlength=len(edges))
    return effect - np.average(effect, weights=np.maximum(count, 1)), count
