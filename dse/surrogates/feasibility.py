"""Whether a design will fail, or break a limit: a classification by trees."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from dse.space import Space
from dse.surrogates.encoding import Encoding, sizes_of
from dse.surrogates.regressors.regressor import Features, Floats, jobs
from dse.surrogates.scoring import classification

TREES = 24
SMALLEST_LEAF = 2
FOLDS = 5
MANY_ROWS = 10_000  # beyond, one of the parts is enough to tell how well it does
# Fewer of either kind teach nothing that could be checked.
FEWEST = 5
MOST_ROWS = 50_000


class Classifier:
    """Extremely randomised trees that give the probability of an event."""

    def __init__(self, encoding: Encoding, forest: Any) -> None:
        self.encoding = encoding
        self._forest = forest

    @classmethod
    def fit(
        cls, space: Space, codes: NDArray[Any], event: NDArray[np.bool_], seed: int
    ) -> tuple[Self, dict[str, Any]] | None:
        """Learn when an event (n,) happens to designs (n, parameters).

        Returns
        -------
        The classifier and how well it does in cross-validation (see `dse.surrogates.scoring.classification`);
        None where there are fewer than five of either kind.
        """
        if min(int(event.sum()), int((~event).sum())) < FEWEST:
            return None
        from sklearn.model_selection import StratifiedKFold, StratifiedShuffleSplit

        rows = np.random.default_rng(seed).permutation(len(codes))[:MOST_ROWS]
        known = sizes_of(space)
        encoding = Encoding(space, known if 1 < len(known) <= 8 else ())
        features, event = encoding(codes[rows]), event[rows]
        chance = np.full(len(event), np.nan)
        folds = (
            StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
            if len(event) <= MANY_ROWS
            else StratifiedShuffleSplit(1, test_size=1 / FOLDS, random_state=seed)
        )
        for learned, held in folds.split(features, event):
            part = cls(encoding, _fit(features[learned], event[learned], seed))
            chance[held] = part.chance(features[held])
        told = ~np.isnan(chance)
        return cls(encoding, _fit(features, event, seed)), classification(event[told], chance[told])

    def predict(self, codes: NDArray[Any]) -> Floats:
        """Return the probability (n,) of the event for designs (n, parameters)."""
        return self.chance(self.encoding(codes))

    def chance(self, features: Features) -> Floats:
        """Return the probability (n,) of the event for designs as they are encoded (n, features)."""
        total = np.zeros(len(features))
        for tree, leaves in self._leaves:
            total += leaves[tree.apply(features)]
        return total / len(self._leaves)

    @cached_property
    def _leaves(self) -> list[tuple[Any, Floats]]:
        """The trees, with what their nodes give the event: they hold shares of the classes, False first."""
        return [(tree.tree_, tree.tree_.value[:, 0, 1].copy()) for tree in self._forest.estimators_]

    @property
    def importance(self) -> Floats:
        """How much each feature decides (features,)."""
        return np.asarray(self._leaves[0][0].compute_feature_importances())

    def state(self) -> dict[str, Any]:
        """Return what predictions need."""
        return {"forest": self._forest, "sizes": list(self.encoding.sizes)}

    @classmethod
    def from_state(cls, space: Space, state: Mapping[str, Any]) -> Self:
        """Return the classifier of which `state` was taken."""
        return cls(Encoding(space, state["sizes"]), state["forest"])


def _fit(features: Features, event: NDArray[np.bool_], seed: int) -> Any:
    from sklearn.ensemble import ExtraTreesClassifier

    forest = ExtraTreesClassifier(
        TREES, min_samples_leaf=SMALLEST_LEAF, random_state=seed, n_jobs=jobs(len(features))
    ).fit(features, event)
    return forest.set_params(n_jobs=None)
