"""Extremely randomised trees: robust on mixed parameters, and fast on millions of designs.

P. Geurts, D. Ernst, L. Wehenkel, "Extremely randomized trees", Machine Learning 63, 2006.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from dse.surrogates.regressors.regressor import Features, Floats, jobs

# Errors fall little beyond (docs/surrogates.md), and trees and their depth cost time on a million designs:
# how many there are, and their leaves as a share of what is learned.
TREES = 12
LEAVES = 0.5


class Forest:
    """Extremely randomised trees; doubt is the deviation between the trees."""

    name: ClassVar[str] = "forest"

    def __init__(self, trees: int = TREES) -> None:
        self.trees = trees
        self._forest: Any = None

    def fit(self, features: Features, learned: Floats, seed: int) -> Self:
        from sklearn.ensemble import ExtraTreesRegressor

        leaves = max(2, round(LEAVES * len(features)))
        self._forest = ExtraTreesRegressor(
            self.trees, max_leaf_nodes=leaves, random_state=seed, n_jobs=jobs(len(features))
        )
        self._forest.fit(features, learned)
        self._forest.set_params(n_jobs=None)
        return self

    def predict(self, features: Features) -> tuple[Floats, Floats]:
        total, squares = np.zeros(len(features)), np.zeros(len(features))
        for tree, leaves in self._leaves:
            found = leaves[tree.apply(features)]
            total += found
            squares += found * found
        mean = total / len(self._leaves)
        return mean, np.sqrt(np.maximum(squares / len(self._leaves) - mean * mean, 0.0))

    @cached_property
    def _leaves(self) -> list[tuple[Any, Floats]]:
        """The trees, with what their nodes predict."""
        return [(tree.tree_, tree.tree_.value[:, 0, 0].copy()) for tree in self._forest.estimators_]

    def left_out(self, features: Features, learned: Floats) -> None:
        return None

    @property
    def importance(self) -> Floats:
        return np.asarray(self._leaves[0][0].compute_feature_importances())

    def state(self) -> dict[str, Any]:
        return {"forest": self._forest}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        made = cls(len(state["forest"].estimators_))
        made._forest = state["forest"]
        return made
