"""Gradient-boosted trees on binned features.

J. H. Friedman, "Greedy function approximation: a gradient boosting machine", Annals of Statistics 29(5),
2001, as scikit-learn's HistGradientBoostingRegressor does it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from dse.surrogates.blocks import one_thread
from dse.surrogates.regressors.regressor import Features, Floats

ITERATIONS = 300
LEARNING_RATE = 0.1
LEAVES = 15
SMALLEST_LEAF = 5


class Boosting:
    """Gradient-boosted trees; doubt is the same everywhere."""

    name: ClassVar[str] = "boosting"

    def __init__(self) -> None:
        self._trees: Any = None

    def fit(self, features: Features, learned: Floats, seed: int) -> Self:
        from sklearn.ensemble import HistGradientBoostingRegressor

        self._trees = HistGradientBoostingRegressor(
            max_iter=ITERATIONS,
            learning_rate=LEARNING_RATE,
            max_leaf_nodes=LEAVES,
            min_samples_leaf=SMALLEST_LEAF,
            early_stopping=False,
            random_state=seed,
        )
        with one_thread():
            self._trees.fit(features, learned)
        return self

    def predict(self, features: Features) -> tuple[Floats, Floats]:
        if not len(features):
            return np.empty(0), np.empty(0)
        with one_thread():
            mean = np.asarray(self._trees.predict(features), float)
        return mean, np.ones(len(mean))

    def left_out(self, features: Features, learned: Floats) -> None:
        return None

    @property
    def importance(self) -> Floats:
        nodes = np.concatenate([tree.nodes for (tree,) in self._trees._predictors])
        gains = nodes["gain"] * ~nodes["is_leaf"].astype(bool)
        return np.asarray(np.bincount(nodes["feature_idx"], gains, self._trees.n_features_in_), float)

    def state(self) -> dict[str, Any]:
        return {"trees": self._trees}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        made = cls()
        made._trees = state["trees"]
        return made
