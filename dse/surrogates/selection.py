"""Which regression suits a metric, by cross-validation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.errors import SurrogateError
from dse.space import Space
from dse.surrogates.conformal import Calibration, calibrate
from dse.surrogates.encoding import MOST_SIZES, Encoding, sizes_of
from dse.surrogates.regressors.boosting import Boosting
from dse.surrogates.regressors.estimator import Estimator
from dse.surrogates.regressors.forest import Forest
from dse.surrogates.regressors.gaussian_process import GaussianProcess
from dse.surrogates.regressors.regressor import Regressor
from dse.surrogates.regressors.ridge import Ridge
from dse.surrogates.targets import Scale, Target, floor_of, scales_of, target

Floats = NDArray[np.float64]
Array = NDArray[Any]

REGRESSORS: dict[str, Callable[[], Regressor]] = {
    "forest": Forest,
    "boosting": Boosting,
    "gaussian_process": GaussianProcess,
    "ridge": Ridge,
}

# Candidates are compared on so many rows, in so many parts.
COMPARED_ROWS, COMPARED_FOLDS = 1_500, 3
# Intervals come from so many parts; beyond so many rows from one part that is held out, of at most so many.
FOLDS, FEW_FOLDS, FEW_ROWS, MANY_ROWS = 5, 10, 500, 10_000
HELD_OUT, MOST_HELD_OUT = 0.2, 2_000
# Trees of one candidate are this much better before another, slower one is worth it.
PREFERRED = 0.97

# Seconds of a fit on a core, for 1,000 rows and 20 features, as measured. They stand in for a clock, so that
# what is chosen does not depend on the machine's load.
COST = {"forest": 0.15, "ridge": 0.15, "boosting": 0.3, "gaussian_process": 0.5, "estimator": 0.5}


@dataclass(frozen=True)
class Choice:
    """How a metric is learned.

    Attributes
    ----------
    model
        A name of `REGRESSORS`, or "estimator".
    scale
        Of the metric.
    sizes
        Parameters of which products and quotients are features.
    estimator
        The user's own, where it is one; it is no part of the JSON form.
    """

    model: str
    scale: Scale
    sizes: tuple[str, ...] = ()
    estimator: Any = field(default=None, compare=False, repr=False)

    def regressor(self) -> Regressor:
        """Return a regressor that has learned nothing yet."""
        return Estimator(self.estimator) if self.model == Estimator.name else REGRESSORS[self.model]()

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"model": self.model, "scale": self.scale, "sizes": list(self.sizes)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Choice:
        """Read the JSON form; raise `SurrogateError` if it is none."""
        try:
            found = cls(str(data["model"]), data["scale"], tuple(data.get("sizes", ())))
        except (KeyError, TypeError) as error:
            raise SurrogateError(f"{data!r} is no choice of a model: it needs model and scale") from error
        if found.model not in (*REGRESSORS, Estimator.name):
            raise SurrogateError(f"there is no model {found.model!r}; known are {', '.join(REGRESSORS)}")
        if found.scale not in ("linear", "logarithm"):
            raise SurrogateError(f"there is no scale {found.scale!r}; known are linear, logarithm")
        return found


@dataclass(frozen=True)
class Fitted:
    """A regression of a metric.

    Attributes
    ----------
    choice
        How it was learned.
    target
        What of the metric.
    regressor
        What learned it.
    calibration
        Of its doubts.
    """

    choice: Choice
    target: Target
    regressor: Regressor
    calibration: Calibration


@dataclass(frozen=True)
class Unseen:
    """Predictions of values by regressions that had not seen them.

    Attributes
    ----------
    rows
        Which (n,) of the values.
    part
        By which of the regressions (n,).
    predicted, doubt
        Of the standardised target (n,).
    """

    rows: NDArray[np.int64]
    part: NDArray[np.int64]
    predicted: Floats
    doubt: Floats


class Selection:
    """Compares regressions of the metrics of one set of designs.

    Parameters
    ----------
    space
        Of the designs.
    codes
        Of the designs (n, parameters).
    seed
        Same seed, same choice.
    seconds
        For all choices, as estimated by `COST`: a candidate that would go beyond is not tried.
    """

    def __init__(self, space: Space, codes: Array, seed: int, seconds: float) -> None:
        self.space = space
        self.codes = codes
        self.seed = seed
        self.left = seconds
        self._encoded: dict[tuple[str, ...], NDArray[np.float32]] = {}

    def features(self, sizes: tuple[str, ...]) -> NDArray[np.float32]:
        """Return the features (n, f) of all designs."""
        if sizes not in self._encoded:
            self._encoded[sizes] = Encoding(self.space, sizes)(self.codes)
        return self._encoded[sizes]

    def choose(
        self, rows: NDArray[np.int64], values: Floats, models: Sequence[Any], earlier: Choice | None = None
    ) -> Choice:
        """Return how values (n,) of the designs at `rows` (n,) are learned best, among models.

        Models are names of `REGRESSORS`, or estimators of the user's own.
        An earlier choice is tried too, first and whatever it costs.
        """
        order = np.random.default_rng(self.seed).permutation(len(rows))[:COMPARED_ROWS]
        rows, values = rows[order], values[order]
        tried: dict[Choice, float] = {}

        def attempt(choice: Choice) -> None:
            if choice in tried:
                return
            cost = COST[choice.model] * COMPARED_FOLDS * len(rows) / 1_000
            if tried and cost > self.left:
                return
            self.left -= cost
            tried[choice] = self._loss(rows, values, choice)

        if earlier is not None:
            attempt(earlier)
        first = _named(models[0])
        for scale in scales_of(values):
            attempt(replace(first, scale=scale))
        scale = min(tried, key=tried.__getitem__).scale
        sizes = self._sizes(rows, values, scale)
        for model in models:
            attempt(replace(_named(model), scale=scale))
            if sizes:
                attempt(replace(_named(model), scale=scale, sizes=sizes))
        # What suits trees need not suit the best of the others.
        best = min(tried, key=tried.__getitem__)
        for other in scales_of(values):
            attempt(replace(best, scale=other))
        best = min(tried, key=tried.__getitem__)
        firsts = [item for item in tried if item.model == first.model]
        forest = min(firsts, key=tried.__getitem__, default=best)
        return best if tried[best] < PREFERRED * tried[forest] else forest

    def _sizes(self, rows: NDArray[np.int64], values: Floats, scale: Scale) -> tuple[str, ...]:
        """Return the parameters of which products are tried: those that matter most, where there are many."""
        known = sizes_of(self.space)
        if len(known) <= 1:
            return ()
        if len(known) <= MOST_SIZES:
            return known
        from sklearn.ensemble import ExtraTreesRegressor

        scaled = np.column_stack([
            self.space[name].scaled(self.codes[rows, self.space.position(name)]) for name in known
        ])  # fmt: skip
        forest = ExtraTreesRegressor(24, random_state=self.seed)
        forest.fit(scaled, target(values, scale).learned(values))
        best = np.argsort(-forest.feature_importances_, kind="stable")[:MOST_SIZES]
        return tuple(name for place, name in enumerate(known) if place in best)

    def _loss(self, rows: NDArray[np.int64], values: Floats, choice: Choice) -> float:
        unseen = self._unseen(rows, values, choice, COMPARED_FOLDS)
        return loss(values[unseen.rows], target(values, choice.scale).mean(unseen.predicted), values)

    def _unseen(self, rows: NDArray[np.int64], values: Floats, choice: Choice, folds: int) -> Unseen:
        """Predict each of the values (n,) by a regression that has not seen it."""
        return self._parted(rows, values, choice, folds)[0]

    def _parted(
        self, rows: NDArray[np.int64], values: Floats, choice: Choice, folds: int, *, alone: bool = False
    ) -> tuple[Unseen, list[Regressor]]:
        """Return predictions of values (n,) by regressions that have not seen them, and the regressions.

        Where a regression can, each value is predicted `alone`: by all others, with what was chosen without
        those of its part.
        """
        features = self.features(choice.sizes)[rows]
        learned = target(values, choice.scale).learned(values)
        parts = list(_parts(len(rows), folds, self.seed))
        made = [choice.regressor().fit(features[known], learned[known], self.seed) for known, _ in parts]
        found = [
            _held(one, features, learned, held, alone=alone)
            for one, (_, held) in zip(made, parts, strict=True)
        ]
        unseen = Unseen(
            np.concatenate([held for _, held in parts]),
            np.repeat(np.arange(len(parts)), [len(held) for _, held in parts]),
            np.concatenate([mean for mean, _ in found]),
            np.concatenate([doubt for _, doubt in found]),
        )
        return unseen, made

    def fit(
        self, rows: NDArray[np.int64], values: Floats, choice: Choice, folds: int | None = None
    ) -> tuple[Fitted, Unseen]:
        """Learn values (n,) of the designs at `rows` (n,), with what predictions of unseen ones say of it.

        In so many `folds` of cross-validation, and then from all values; by default ten for few rows and five
        for more. In one fold, the default for many rows, those held out for the intervals are not learned:
        they are few among many, and learning twice would take twice as long.
        """
        if folds is None:
            folds = 1 if len(rows) > MANY_ROWS else FEW_FOLDS if len(rows) <= FEW_ROWS else FOLDS
        # A regression of nine tenths errs more than that of all: intervals would be too wide.
        unseen, made = self._parted(rows, values, choice, folds, alone=folds > 1)
        scale = target(values, choice.scale)
        regressor = made[0]
        if folds > 1:
            features = self.features(choice.sizes)[rows]
            regressor = choice.regressor().fit(features, scale.learned(values), self.seed)
        calibration = _calibrated(scale, values[unseen.rows], unseen.predicted, unseen.doubt)
        return Fitted(choice, scale, regressor, calibration), unseen


def _held(
    made: Regressor, features: NDArray[np.float32], learned: Floats, held: NDArray[np.int64], *, alone: bool
) -> tuple[Floats, Floats]:
    found = made.left_out(features, learned) if alone else None
    if found is None:
        return made.predict(features[held])
    return found[0][held], found[1][held]


def _named(model: Any) -> Choice:
    """Return a choice of a model, by its name or of the user's own."""
    return (
        Choice(model, "linear")
        if isinstance(model, str)
        else Choice(Estimator.name, "linear", estimator=model)
    )


def _parts(n: int, folds: int, seed: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield what is known and what is held out, as positions; with one fold a fifth is held out."""
    order = np.random.default_rng(seed).permutation(n)
    if folds == 1:
        held = min(int(n * HELD_OUT), MOST_HELD_OUT)
        yield np.sort(order[held:]), np.sort(order[:held])
        return
    for part in np.array_split(order, folds):
        known = np.ones(n, dtype=bool)
        known[part] = False
        yield np.flatnonzero(known), np.sort(part)


def loss(actual: Floats, predicted: Floats, known: Floats) -> float:
    """Return how far predictions (n,) are off, over what predicting the median of `known` would be.

    The mean error; where no value is negative, the geometric mean of it and of the mean error of
    logarithms, so that neither the large values alone nor the small ones alone decide.
    """
    middle = float(np.median(known))
    plain = _ratio(np.abs(actual - predicted).mean(), np.abs(actual - middle).mean())
    if known.min() < 0 or np.ptp(known) == 0:
        return plain
    floor = floor_of(known, bool(np.all(known == np.rint(known)))) or float(known.min()) * 1e-9
    actual, predicted = np.log(actual + floor), np.log(np.maximum(predicted, 0.0) + floor)
    relative = _ratio(np.abs(actual - predicted).mean(), np.abs(actual - np.log(middle + floor)).mean())
    return float(np.sqrt(plain * relative))


def _ratio(one: Any, other: Any) -> float:
    return float(one / other) if other > 0 else float(one > 0)


def coverage(unseen: Unseen, made: Target, values: Floats, confidence: float) -> float:
    """Return how often intervals hold values (n,), each part's calibrated by the others (or half by half)."""
    part = unseen.part if unseen.part.max() > 0 else np.arange(len(unseen.part)) % 2
    actual = values[unseen.rows]
    held = 0
    for number in np.unique(part):
        own, others = part == number, part != number
        calibration = _calibrated(made, actual[others], unseen.predicted[others], unseen.doubt[others])
        lower, upper = made.interval(unseen.predicted[own], calibration.width(unseen.doubt[own], confidence))
        held += int(((actual[own] >= lower) & (actual[own] <= upper)).sum())
    return held / len(part)


def _calibrated(made: Target, values: Floats, predicted: Floats, doubt: Floats) -> Calibration:
    return calibrate(made.learned(values), made.held(predicted), doubt, made.exact(values, predicted))
