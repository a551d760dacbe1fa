"""A user's own regressor of scikit-learn's interface."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from dse.errors import SurrogateError
from dse.surrogates.regressors.regressor import Features, Floats


def check_estimator(estimator: Any) -> Any:
    """Return an estimator that can be cloned, fitted and asked; raise `SurrogateError` for anything else."""
    from sklearn.base import clone

    if isinstance(estimator, type):
        raise SurrogateError(f"model is the class {estimator.__name__}: make one, {estimator.__name__}()")
    for method in ("fit", "predict"):
        if not callable(getattr(estimator, method, None)):
            raise SurrogateError(
                f"model is {type(estimator).__name__}, which has no {method}(): give a name, or a regressor "
                "as scikit-learn has them"
            )
    try:
        return clone(estimator)
    except (TypeError, RuntimeError, AttributeError) as error:
        raise SurrogateError(f"model {type(estimator).__name__} cannot be cloned: {error}") from error


class Estimator:
    """Wraps a regressor; doubt is the deviation that it states, else the same everywhere.

    Parameters
    ----------
    estimator
        Cloned before it is fitted. A ``random_state`` of None becomes the seed.
    """

    name: ClassVar[str] = "estimator"

    def __init__(self, estimator: Any) -> None:
        self._estimator = estimator
        self._states_doubt = False

    def fit(self, features: Features, learned: Floats, seed: int) -> Self:
        from sklearn.base import clone

        made = clone(self._estimator)
        unset = [
            key
            for key, value in made.get_params(deep=True).items()
            if value is None and (key == "random_state" or key.endswith("__random_state"))
        ]
        made.set_params(**dict.fromkeys(unset, seed))
        # Not every one takes float32; the values are the same.
        points = features.astype(float)
        try:
            made.fit(points, learned)
        except Exception as error:
            raise SurrogateError(f"{type(made).__name__} cannot be fitted: {error}") from error
        self._estimator = made
        try:
            asked = made.predict(points[:1], return_std=True)
        except Exception:
            asked = None  # has no such argument, in whatever way it says so
        self._states_doubt = isinstance(asked, tuple) and len(asked) == 2
        self.predict(features[:1])
        return self

    def predict(self, features: Features) -> tuple[Floats, Floats]:
        if not len(features):
            return np.empty(0), np.empty(0)
        points = features.astype(float)
        if self._states_doubt:
            mean, doubt = self._estimator.predict(points, return_std=True)
        else:
            mean, doubt = self._estimator.predict(points), np.ones(len(points))
        found = np.asarray(mean, float)
        if found.shape not in ((len(points),), (len(points), 1)):
            raise SurrogateError(
                f"{type(self._estimator).__name__} predicts shape {found.shape} for {len(points)} rows: one "
                "number a row is needed"
            )
        return found.reshape(len(points)), np.asarray(doubt, float).reshape(len(points))

    def left_out(self, features: Features, learned: Floats) -> None:
        return None

    @property
    def importance(self) -> None:
        return None

    def state(self) -> dict[str, Any]:
        return {"estimator": self._estimator, "states_doubt": np.array(self._states_doubt)}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        made = cls(state["estimator"])
        made._states_doubt = bool(state["states_doubt"])
        return made
