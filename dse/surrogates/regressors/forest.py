"""Extremely randomised trees: robust on mixed parameters, and fast on millions of designs.

P. Geurts, D. Ernst, L. Wehenkel, "Extremely randomized trees", Machine Learning 63, 2006.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar, Self, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from dse.surrogates.regressors.regressor import Features, Floats, jobs, workers

Columns = TypeVar("Columns", bound=tuple[Floats, ...])

# Errors fall little beyond (docs/surrogates.md), and each costs time on a million designs.
TREES = 24
CHUNK = 1 << 14
SORTED_FROM = 1 << 15
KEY_FEATURES, KEY_BITS = 15, 4


class Forest:
    """Extremely randomised trees; doubt is the deviation between the trees."""

    name: ClassVar[str] = "forest"

    def __init__(self, trees: int = TREES) -> None:
        self.trees = trees
        self._forest: Any = None

    def fit(self, features: Features, learned: Floats, seed: int) -> Self:
        from sklearn.ensemble import ExtraTreesRegressor

        self._forest = ExtraTreesRegressor(self.trees, random_state=seed, n_jobs=jobs(len(features)))
        self._forest.fit(features, learned)
        self._forest.set_params(n_jobs=None)
        return self

    def predict(self, features: Features) -> tuple[Floats, Floats]:
        trees = [(tree.tree_, tree.tree_.value[:, 0, 0].copy()) for tree in self._forest.estimators_]

        def part(rows: Features) -> tuple[Floats, Floats]:
            total, squares = np.zeros(len(rows)), np.zeros(len(rows))
            for tree, leaves in trees:
                found = leaves[tree.apply(rows)]
                total += found
                squares += found * found
            mean = total / len(trees)
            return mean, np.sqrt(np.maximum(squares / len(trees) - mean * mean, 0.0))

        return in_chunks(part, features, self._forest)

    def state(self) -> dict[str, Any]:
        return {"forest": self._forest}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        made = cls(len(state["forest"].estimators_))
        made._forest = state["forest"]
        return made


def in_chunks(part: Callable[[Features], Columns], features: Features, forest: Any) -> Columns:
    """Return what `part` gives for rows of features (n, f), on all cores, many rows in a kind order.

    Neighbours that take the same way through a tree cost half as much: processors foresee their branches.
    """
    n = len(features)
    if n < SORTED_FROM:
        return part(features)
    order = _order(features, forest.estimators_[0].tree_.compute_feature_importances())
    starts = range(0, n, CHUNK)
    with ThreadPoolExecutor(workers()) as pool:
        found = list(pool.map(lambda start: part(features[order[start : start + CHUNK]]), starts))
    out = tuple(np.empty(n) for _ in found[0])
    for values, columns in zip(out, zip(*found, strict=True), strict=True):
        values[order] = np.concatenate(columns)
    return cast(Columns, out)


def _order(features: Features, importance: Floats) -> NDArray[np.intp]:
    """Return the rows sorted by their features, the most important first, each in sixteen steps."""
    key = np.zeros(len(features), np.int64)
    steps = (1 << KEY_BITS) - 1
    for column in np.argsort(-importance, kind="stable")[:KEY_FEATURES].tolist():
        values = features[:, column]
        low, high = values.min(), values.max()
        place = (values - low) * (steps / (high - low)) if high > low else np.zeros(len(values))
        key = (key << KEY_BITS) | place.astype(np.int64)
    return np.argsort(key, kind="stable")
