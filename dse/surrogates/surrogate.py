"""`Surrogate`: every metric of a problem, learned from evaluations, with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from dse.designs import Designs
from dse.errors import SurrogateError
from dse.problem import differences
from dse.space import Categorical, Space
from dse.surrogates.blocks import in_blocks
from dse.surrogates.data import TrainingData
from dse.surrogates.encoding import Encoding
from dse.surrogates.feasibility import Classifier
from dse.surrogates.regressors.estimator import Estimator, check_estimator
from dse.surrogates.scoring import CONFIDENCES, errors
from dse.surrogates.selection import REGRESSORS, Choice, Fitted, Selection, Unseen, coverage

Floats = NDArray[np.float64]
Array = NDArray[Any]

# Fewer evaluations do not show what an interval must hold.
FEWEST_ROWS = 20
MODELS = ("auto", *REGRESSORS)
# A Gaussian process keeps a thousand points, whatever it learns from: beyond twice as many others gain more.
GAUSSIAN_ROWS = 2_000
EARLIER_GAUSSIAN_ROWS = 4_000  # where it was chosen on fewer


@dataclass(frozen=True)
class Prediction:
    """What a surrogate says of n designs.

    Attributes
    ----------
    mean, lower, upper
        Arrays (n,) by metric, in its unit: the prediction, and the interval about it.
    failure, infeasible
        Probabilities (n,) of failing, and of breaking a limit of the studies that it was trained on; 0 where
        none of the evaluations did.
    outside
        Mask (n,): a parameter has a value outside the range of the training designs (for categorical ones, a
        value that none of them had).
    """

    mean: Mapping[str, Floats]
    lower: Mapping[str, Floats]
    upper: Mapping[str, Floats]
    failure: Floats
    infeasible: Floats
    outside: NDArray[np.bool_]


class Surrogate:
    """A learned model of every metric of a problem; made by `fit`.

    Attributes
    ----------
    space
        Of the designs; as read from a file, without its constraints.
    metrics
        Unit by name.
    report
        JSON values: rows (how many evaluations it learned from) and, by cross-validation, for each metric
        what `dse.surrogates.scoring.errors` gives, the coverage of intervals, and what was chosen; for
        `failed` and `infeasible` what `dse.surrogates.scoring.classification` gives, or None.
    """

    def __init__(
        self,
        space: Space,
        metrics: Mapping[str, str],
        fitted: Mapping[str, Fitted],
        classifiers: Mapping[str, Classifier],
        seen: list[Array],
        report: Mapping[str, Any],
    ) -> None:
        self.space = space
        self.metrics = dict(metrics)
        self.fitted = dict(fitted)
        self.classifiers = dict(classifiers)
        self.seen = seen
        self.report = dict(report)

    @property
    def choice(self) -> dict[str, Any]:
        """How each metric is learned, as JSON values; given to `fit` as its model, it skips the search."""
        return {name: item.choice.to_dict() for name, item in self.fitted.items()}

    def predict(self, designs: Designs, confidence: float = 0.9) -> Prediction:
        """Predict designs.

        Parameters
        ----------
        designs
            Of a space with the same parameters.
        confidence
            How often intervals hold, of designs like those that it learned from.

        Raises
        ------
        SurrogateError
            If the space has other parameters (it says what differs), or the confidence is not within (0, 1).
        """
        if not 0 < confidence < 1:
            raise SurrogateError(f"confidence={confidence} must lie between 0 and 1, as in 0.9")
        self.check(designs.space)
        found = in_blocks(
            lambda codes: self._predicted(codes, confidence),
            designs.codes,
            self._importance,
            threads=1 if any(item.choice.model == Estimator.name for item in self.fitted.values()) else None,
        )
        mean, lower, upper = (
            {name: found[which, name] for name in self.fitted} for which in ("mean", "lower", "upper")
        )
        return Prediction(
            mean, lower, upper, found["", "failed"], found["", "infeasible"], found["", "outside"]
        )

    def _predicted(self, codes: Array, confidence: float) -> dict[tuple[str, str], Array]:
        encoded = {sizes: encoding(codes) for sizes, encoding in self._encodings.items()}
        found: dict[tuple[str, str], Array] = {}
        for name, item in self.fitted.items():
            learned, doubt = item.regressor.predict(encoded[item.choice.sizes])
            width = item.calibration.width(doubt, confidence)
            found["mean", name] = item.target.mean(learned)
            found["lower", name], found["upper", name] = item.target.interval(learned, width)
        for event in ("failed", "infeasible"):
            known = self.classifiers.get(event)
            found["", event] = (
                np.zeros(len(codes)) if known is None else known.chance(encoded[known.encoding.sizes])
            )
        found["", "outside"] = self.outside(codes)
        return found

    @cached_property
    def _encodings(self) -> dict[tuple[str, ...], Encoding]:
        used = [item.choice.sizes for item in self.fitted.values()]
        used += [known.encoding.sizes for known in self.classifiers.values()]
        return {sizes: Encoding(self.space, sizes) for sizes in dict.fromkeys(used)}

    @cached_property
    def _importance(self) -> Floats:
        """How much each parameter decides in trees (parameters,); 0 where there are none."""
        found = np.zeros(len(self.space.parameters))
        for item in self.fitted.values():
            if item.regressor.importance is not None:
                found += self._encodings[item.choice.sizes].by_parameter(item.regressor.importance)
        for known in self.classifiers.values():
            found += known.encoding.by_parameter(known.importance)
        return found

    def outside(self, codes: Array) -> NDArray[np.bool_]:
        """Return which designs (n, parameters) are outside what was seen in training (n,)."""
        found = np.zeros(len(codes), dtype=bool)
        for position, (ends, unknown) in enumerate(self._unseen):
            column = codes[:, position]
            if unknown is None:
                found |= column < ends[0]
                found |= column > ends[1]
            elif unknown.any():
                found |= unknown[column.astype(np.intp, copy=False)]
        return found

    @cached_property
    def _unseen(self) -> list[tuple[Any, NDArray[np.bool_] | None]]:
        """Of each parameter the least and greatest code seen; of a categorical one, which codes were not."""
        found: list[tuple[Any, NDArray[np.bool_] | None]] = []
        for parameter, seen in zip(self.space.parameters, self.seen, strict=True):
            unknown = None
            if isinstance(parameter, Categorical):
                unknown = np.ones(int(parameter.cardinality), bool)
                unknown[seen.astype(np.intp)] = False
            found.append(((seen[0], seen[-1]), unknown))
        return found

    def check(self, space: Space) -> None:
        """Raise `SurrogateError`, saying what differs, for a space that has other parameters."""
        if space.parameters == self.space.parameters:
            return
        lines = differences(
            {item["name"]: item for item in self._parameters},
            {item["name"]: item for item in (parameter.to_dict() for parameter in space.parameters)},
        )
        told = "; ".join(lines[:3]) or "the order of parameters"
        raise SurrogateError(f"the surrogate was trained on another space: {told}")

    @cached_property
    def _parameters(self) -> list[dict[str, Any]]:
        return [parameter.to_dict() for parameter in self.space.parameters]

    def to_bytes(self) -> bytes:
        """Return the surrogate as a file's content, which holds no code; see `dse.surrogates.storage`."""
        from dse.surrogates.storage import to_bytes

        return to_bytes(self)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read a surrogate; raise `SurrogateError` for anything foreign, damaged or of another version."""
        from dse.surrogates.storage import from_bytes

        return from_bytes(cls, data)

    def __repr__(self) -> str:
        chosen = ", ".join(f"{name}: {item.choice.model}" for name, item in self.fitted.items())
        return f"<Surrogate of {self.report['rows']} evaluations: {chosen}>"


def fit(
    data: TrainingData,
    *,
    model: Any = "auto",
    seconds: float = 60.0,
    seed: int = 0,
    before: Mapping[str, Any] | None = None,
) -> Surrogate:
    """Train a surrogate.

    Parameters
    ----------
    data
        Evaluations.
    model
        "auto" compares regressions for each metric by cross-validation; "forest", "boosting",
        "gaussian_process" or "ridge" is that one; a surrogate's `choice` learns in the same way again. Or a
        regressor of your own that scikit-learn can clone, with ``fit`` and ``predict``; a doubt that it
        states (``predict(X, return_std=True)``) is used. Or a mapping of metric to any of these.
    seconds
        What the comparison may cost, by an estimate from numbers of rows, not by a clock: the same data and
        seed give the same surrogate on any machine.
    seed
        Of the parts of cross-validation and of the trees.
    before
        The `choice` of a surrogate of fewer evaluations: "auto" compares it too, so that what is chosen is
        not worse for want of time.

    Raises
    ------
    SurrogateError
        If there is no such model, an estimator cannot be cloned or fitted, or fewer than 20 evaluations have
        metrics.

    Notes
    -----
    An estimator learns standardised targets from features as `dse.surrogates.encoding.Encoding` makes them;
    its intervals are calibrated as those of the others. Whether the metric's logarithm is learned, and
    products of sizes, is compared for it too. A surrogate with it can be stored (`Surrogate.to_bytes`) where
    skops trusts its types.

    Failed evaluations have no metrics, and teach the probability of failing only.
    """
    models = _models(model, data.metrics)
    if seconds <= 0:
        raise SurrogateError(f"seconds={seconds} must be above 0")
    if not len(data):
        raise SurrogateError("there are no evaluations to train on: run the study first")
    codes = data.designs.codes
    selection = Selection(data.space, codes, seed, seconds)
    known = {name: np.flatnonzero(np.isfinite(data.values[name])) for name in data.metrics}
    fewest = min(known, key=lambda name: len(known[name]))
    if len(known[fewest]) < FEWEST_ROWS:
        raise SurrogateError(
            f"{len(known[fewest])} evaluations with metric {fewest!r} are too few to train on: evaluate "
            f"{FEWEST_ROWS} or more"
        )
    fitted: dict[str, Fitted] = {}
    reports: dict[str, Any] = {}
    for place, name in enumerate(data.metrics):
        rows = known[name]
        values = data.values[name][rows]
        chosen = models[name]
        if not isinstance(chosen, Choice):
            # An equal share of what is left, so that the first metric does not take it all.
            left, selection.left = selection.left, selection.left / (len(data.metrics) - place)
            share = selection.left
            listed = [
                item
                for item in chosen
                if not isinstance(item, str) or item != "gaussian_process" or len(rows) <= GAUSSIAN_ROWS
            ]
            earlier = _earlier(before, name, len(rows)) if chosen == list(REGRESSORS) else None
            chosen = selection.choose(rows, values, listed or chosen, earlier)
            selection.left = left - (share - selection.left)
        fitted[name], unseen = selection.fit(rows, values, chosen)
        reports[name] = _report(fitted[name], unseen, values)
    classifiers: dict[str, Classifier] = {}
    told: dict[str, Any] = {}
    for event, mask, among in (
        ("failed", data.failed, np.ones(len(data), dtype=bool)),
        ("infeasible", data.infeasible, ~data.failed),
    ):
        made = Classifier.fit(data.space, codes[among], mask[among], seed)
        told[event] = None if made is None else made[1]
        if made is not None:
            classifiers[event] = made[0]
    # A real's values are not listed: its range is what is known.
    seen = [
        np.unique(column) if isinstance(parameter, Categorical) else np.array([column.min(), column.max()])
        for parameter, column in zip(data.space.parameters, codes.T, strict=True)
    ]
    report = {"rows": len(data), "metrics": reports, **told}
    return Surrogate(data.space, data.metrics, fitted, classifiers, seen, report)


def _report(item: Fitted, unseen: Unseen, values: Floats) -> dict[str, Any]:
    return {
        **item.choice.to_dict(),
        **errors(values[unseen.rows], item.target.mean(unseen.predicted)),
        "coverage": {str(level): coverage(unseen, item.target, values, level) for level in CONFIDENCES},
    }


def _earlier(before: Mapping[str, Any] | None, metric: str, rows: int) -> Choice | None:
    """Return an earlier choice, unless there are too many rows for it now."""
    if before is None or metric not in before:
        return None
    choice = Choice.from_dict(before[metric])
    if choice.model == Estimator.name:
        return None  # is not at hand
    return None if choice.model == "gaussian_process" and rows > EARLIER_GAUSSIAN_ROWS else choice


def _models(model: Any, metrics: Mapping[str, str]) -> dict[str, Choice | list[Any]]:
    """Return for each metric how it is to be learned, or what is to be compared."""
    if not isinstance(model, Mapping):
        found = _candidates(model)
        return dict.fromkeys(metrics, found)
    missing = [name for name in metrics if name not in model]
    if missing:
        raise SurrogateError(f"model says nothing of metric {missing[0]!r}: give a choice for each metric")
    return {
        name: _stated(model[name]) if isinstance(model[name], Mapping) else _candidates(model[name])
        for name in metrics
    }


def _stated(data: Mapping[str, Any]) -> Choice:
    found = Choice.from_dict(data)
    if found.model == Estimator.name:
        raise SurrogateError("the surrogate was learned by an estimator of your own: hand that in again")
    return found


def _candidates(model: Any) -> list[Any]:
    if not isinstance(model, str):
        return [check_estimator(model)]
    if model == "auto":
        return list(REGRESSORS)
    if model not in REGRESSORS:
        raise SurrogateError(f"there is no model {model!r}; known are {', '.join(MODELS)}")
    return [model]
