"""A Gaussian process, for few data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from dse import gaussian
from dse.gaussian import GaussianProcess as Process
from dse.gaussian import Kernel
from dse.surrogates.regressors.regressor import Features, Floats

# The time of hyperparameters grows with the cube of the points.
LEARNED_FROM = 300
MOST_POINTS = 1_000
MOST_LOOKED_AT = 20_000  # among which those are that are kept
# Beyond, a doubt says little more (docs/surrogates.md) and takes most of a prediction's time.
DOUBTED_BY = 300
CHUNK = 1_024


def _informative(kernel: Kernel, points: Floats, values: Floats) -> NDArray[np.int64]:
    """Return which points to keep: the first half of them, and those that these predict worst."""
    half = MOST_POINTS // 2
    known = gaussian.fitted(kernel, points[:half], values[:half])
    rest = np.arange(half, min(len(points), MOST_LOOKED_AT))
    error = np.concatenate([
        np.abs(known.predict(points[part])[0] - values[part])
        for part in np.array_split(rest, -(-len(rest) // CHUNK))
    ])  # fmt: skip
    worst = rest[np.argsort(-error, kind="stable")[: MOST_POINTS - half]]
    return np.concatenate([np.arange(half), np.sort(worst)])


class GaussianProcess:
    """A Gaussian process as of `dse.gaussian`; doubt is its deviation after the first of its points."""

    name: ClassVar[str] = "gaussian_process"

    def __init__(self) -> None:
        self._process: Process | None = None
        self._doubted_by = DOUBTED_BY
        self._order = np.empty(0, np.int64)  # known after learning, and no part of the state

    def fit(self, features: Features, learned: Floats, seed: int) -> Self:
        order = np.random.default_rng(seed).permutation(len(features))
        points, values = features[order].astype(float), learned[order]
        self._order = order
        kernel = gaussian.learned(points[:LEARNED_FROM], values[:LEARNED_FROM])
        if len(points) > MOST_POINTS:
            kept = _informative(kernel, points, values)
            points, values = points[kept], values[kept]
        self._process = gaussian.fitted(kernel, points, values)
        return self

    def predict(self, features: Features) -> tuple[Floats, Floats]:
        assert self._process is not None
        parts = [
            self._process.predict(features[start : start + CHUNK].astype(float), self._doubted_by)
            for start in range(0, len(features), CHUNK)
        ]
        if not parts:
            return np.empty(0), np.empty(0)
        mean, variance = (np.concatenate(column) for column in zip(*parts, strict=True))
        # The noise is part of what a measurement is expected to differ by.
        noise = self._process.kernel.noise * self._process.spread**2
        return mean, np.sqrt(variance + noise)

    def left_out(self, features: Features, learned: Floats) -> tuple[Floats, Floats] | None:
        assert self._process is not None
        if len(features) > MOST_POINTS:
            return None
        kernel, points = self._process.kernel, features.astype(float)
        mean, variance = gaussian.left_out(kernel, points, learned)
        first, others = np.split(self._order, [self._doubted_by])
        if not len(others):
            return mean, np.sqrt(variance)
        doubt = self.predict(features)[1]
        # The unit of a variance is the deviation of what is known.
        unit = float(learned[first].std()) or 1.0
        some = gaussian.left_out(kernel, points[first], learned[first])[1]
        doubt[first] = np.sqrt(some) * (self._process.spread / unit)
        return mean, doubt

    @property
    def importance(self) -> None:
        return None

    def state(self) -> dict[str, Any]:
        assert self._process is not None
        process = self._process
        return {
            "lengths": process.kernel.lengths,
            "variances": np.array([process.kernel.scale, process.kernel.slope, process.kernel.noise]),
            "known": process.known,
            "factor": process.factor,
            "weights": process.weights,
            "standard": np.array([process.centre, process.spread]),
            "doubted_by": np.array(self._doubted_by),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        made = cls()
        scale, slope, noise = state["variances"].tolist()
        centre, spread = state["standard"].tolist()
        kernel = Kernel(state["lengths"], scale, slope, noise)
        made._process = Process(kernel, state["known"], state["factor"], state["weights"], centre, spread)
        # Those of older versions were calibrated with all.
        made._doubted_by = int(state.get("doubted_by", len(state["known"])))
        return made
