"""Which parameters matter: permutation importance under a fitted forest, with the forest's held-out R2."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dse.designs import Designs
from dse.errors import StudyError
from dse.scales import suits_logarithm

if TYPE_CHECKING:
    import pandas as pd

    from dse.problem import Objective
    from dse.space import Space

Floats = NDArray[np.floating[Any]]

MINIMUM = 50  # evaluations; with fewer, a quarter held out says nothing
ROWS = 10_000  # drawn at random beyond: seconds a forest, and R2 hardly rises with more
HELD_OUT = 0.25
HELD_OUT_ROWS = 1_000  # judged on, at most
TREES = 50


class Evaluated(Protocol):
    """What is read of a study."""

    @property
    def space(self) -> Space: ...
    @property
    def objectives(self) -> tuple[Objective, ...]: ...
    def evaluations(self) -> pd.DataFrame: ...


def parameter_importance(study: Evaluated, *, repeats: int = 5, seed: int = 0) -> pd.DataFrame:
    """Return how much each parameter explains of each objective, over the evaluated designs.

    A forest of extremely randomised trees is fitted to three quarters of the evaluations (those with
    metrics, infeasible ones included). On the rest, each parameter is shuffled in turn: its importance is by
    how much R2 falls.

    Parameters
    ----------
    study
        A study, or a view of one.
    repeats
        Shuffles a parameter.
    seed
        Of the choice of rows, the forest and the shuffles: same seed, same result.

    Returns
    -------
    A row for each objective and parameter, the most important first within an objective. Columns:

    - parameter, objective
    - importance, std: mean and standard deviation of the fall of R2 over the shuffles; 0 where a parameter
        explains nothing, about 2 where it explains everything
    - r2: of the forest on the held-out evaluations; NaN for an objective that does not vary. Importances
        under a low R2 mean little.
    - scale: "log" where the objective's logarithm was fitted, else "linear"
    - evaluations: how many were used

    Raises
    ------
    StudyError
        If there are fewer than 50 evaluations with metrics.

    Notes
    -----
    Breiman, "Random forests", Machine Learning 45, 2001 (section 10, permutation importance); Geurts et al.,
    "Extremely randomized trees", Machine Learning 63, 2006. Parameters that constraints tie together share
    their importance, and a searcher that has converged hides what it no longer varies.
    """
    import pandas as pd

    frame = study.evaluations()
    metrics = [objective.metric for objective in study.objectives]
    frame = frame[np.isfinite(frame[metrics].to_numpy(float)).all(axis=1)]
    if len(frame) < MINIMUM:
        raise StudyError(
            f"{len(frame)} evaluations with metrics are too few for importances: evaluate {MINIMUM} or more"
        )
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(frame))[:ROWS]
    held = min(int(len(rows) * HELD_OUT), HELD_OUT_ROWS)
    features = _features(study.space, frame.iloc[rows])
    varying = np.flatnonzero(np.ptp(features, axis=0) > 0)
    found = []
    for metric in metrics:
        target = frame[metric].to_numpy(float)[rows]
        logarithm = suits_logarithm(target)
        r2, falls = _falls(
            features[:, varying], np.log(target) if logarithm else target, held, repeats, rng, seed
        )
        mean, std = np.zeros(features.shape[1]), np.zeros(features.shape[1])
        mean[varying], std[varying] = falls.mean(axis=1), falls.std(axis=1)
        part = pd.DataFrame({
            "parameter": list(study.space.names), "objective": metric, "importance": mean, "std": std,
            "r2": r2, "scale": "log" if logarithm else "linear", "evaluations": len(rows),
        })  # fmt: skip
        found.append(part.sort_values("importance", ascending=False, kind="stable"))
    return pd.concat(found, ignore_index=True)


def _features(space: Space, frame: pd.DataFrame) -> Floats:
    """Return the designs scaled to [0, 1], (n, parameters)."""
    designs = Designs.from_frame(space, frame)
    columns = [
        parameter.scaled(designs.codes[:, position]) for position, parameter in enumerate(space.parameters)
    ]
    return np.column_stack(columns).astype(np.float32)  # as trees take it


def _falls(
    features: Floats, target: Floats, held: int, repeats: int, rng: np.random.Generator, seed: int
) -> tuple[float, Floats]:
    """Return R2 on the first `held` rows, and its fall (features, repeats) by shuffling each feature."""
    from sklearn.ensemble import ExtraTreesRegressor

    none = np.zeros((features.shape[1], repeats))
    known, fitted = target[:held], target[held:]
    if np.ptp(known) == 0 or np.ptp(fitted) == 0:
        return float("nan"), none
    if not features.shape[1]:
        return 0.0, none
    forest = ExtraTreesRegressor(n_estimators=TREES, min_samples_leaf=2, random_state=seed)
    forest.fit(features[held:], fitted)
    spread = float(((known - known.mean()) ** 2).mean())

    def r2(given: Floats) -> Any:
        errors = (forest.predict(given).reshape(-1, held) - known) ** 2
        return 1.0 - errors.mean(axis=1) / spread

    base = float(r2(features[:held])[0])
    for column in range(features.shape[1]):
        shuffled = np.tile(features[:held], (repeats, 1))
        shuffled[:, column] = np.concatenate(
            [rng.permutation(features[:held, column]) for _ in range(repeats)]
        )
        none[column] = base - r2(shuffled)
    return base, none
