"""A surrogate in place of a cost model, or before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.designs import Designs
from dse.errors import SurrogateError
from dse.evaluations import Evaluations, State
from dse.models import CostModel, Outcome, run_model
from dse.problem import Limit, Problem
from dse.surrogates.surrogate import Prediction, Surrogate

Floats = NDArray[np.float64]

OUTSIDE, FAILURE = "surrogate_outside", "surrogate_failure"
# A design that is more probably failing than not is taken to fail.
LIKELY = 0.5


@dataclass(frozen=True)
class SurrogateModel:
    """A surrogate as a cost model.

    Its metrics are the surrogate's, and two more: ``surrogate_outside`` (1 where a design is outside the
    range that it was trained on, else 0) and ``surrogate_failure`` (the probability of failing). A design
    that is more probably failing than not is a failed one.

    Parameters
    ----------
    surrogate
        What predicts.
    label
        Its name and version, as in ``latency@3``.
    digest
        Of its bytes: another surrogate is another model.
    confidence
        With which limits have to hold; 0.5 takes predictions at their word.
    """

    surrogate: Surrogate
    label: str
    digest: str
    confidence: float = 0.9

    def __post_init__(self) -> None:
        if not 0.5 <= self.confidence < 1:
            raise SurrogateError(f"confidence={self.confidence} must be at least 0.5 and below 1, as in 0.9")

    @property
    def name(self) -> str:
        """As in ``surrogate:latency``."""
        return f"surrogate:{self.label.partition('@')[0]}"

    @property
    def version(self) -> str:
        """The digest."""
        return self.digest

    @property
    def settings(self) -> Mapping[str, Any]:
        """The label and the confidence."""
        return {"surrogate": self.label, "confidence": self.confidence}

    @property
    def metrics(self) -> Mapping[str, str]:
        """Unit by name."""
        return {**self.surrogate.metrics, OUTSIDE: "", FAILURE: ""}

    @property
    def columns(self) -> tuple[str, ...]:
        """All parameters that it was trained on."""
        return self.surrogate.space.names

    def evaluate(self, designs: Designs) -> Outcome:
        """Predict designs."""
        return self.outcome(self.predict(designs))

    def predict(self, designs: Designs) -> Prediction:
        """Predict designs with intervals of which one side holds with the model's confidence."""
        return self.surrogate.predict(designs, max(2 * self.confidence - 1, 1e-6))

    def outcome(self, prediction: Prediction) -> Outcome:
        """Return predictions as a cost model does."""
        errors = {
            row: f"{self.label} predicts that it fails, with probability {prediction.failure[row]:.2f}"
            for row in np.flatnonzero(prediction.failure > LIKELY).tolist()
        }
        metrics = {
            **prediction.mean,
            OUTSIDE: prediction.outside.astype(float),
            FAILURE: prediction.failure,
        }
        return Outcome(metrics, errors)


class SurrogateProblem(Problem):
    """A problem whose model is a surrogate: limits have to hold at the worst ends of its intervals.

    Parameters
    ----------
    problem
        Whose space, objectives, limits and start are taken.
    model
        The surrogate in place of the problem's model.

    Raises
    ------
    SurrogateError
        If the surrogate was trained on another space, or lacks a metric that the problem reads.
    """

    def __init__(self, problem: Problem, model: SurrogateModel) -> None:
        _check(problem, model)
        super().__init__(
            problem.space,
            model,
            problem.objectives,
            problem.limits,
            name=problem.name,
            start=problem.start,
        )
        self.predictor = model

    def evaluate(self, designs: Designs) -> Evaluations:
        """Predict designs; one is infeasible where a limit does not hold with the model's confidence."""
        prediction = self.predictor.predict(designs)
        judged = self.judge(designs, run_model(_Known(self.predictor, prediction), designs))
        worst = worst_violation(self.limits, prediction)
        known = judged.evaluated
        violation = np.where(known, worst, np.nan)
        state = np.where(
            known, np.where(worst > 0, State.INFEASIBLE.value, State.COMPLETE.value), judged.state
        )
        return replace(judged, violation=violation, state=state)


@dataclass(frozen=True)
class _Known:
    """The cost model of predictions that are made already."""

    model: SurrogateModel
    prediction: Prediction

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def version(self) -> str:
        return self.model.version

    @property
    def settings(self) -> Mapping[str, Any]:
        return self.model.settings

    @property
    def metrics(self) -> Mapping[str, str]:
        return self.model.metrics

    @property
    def columns(self) -> tuple[str, ...]:
        return self.model.columns

    def evaluate(self, designs: Designs) -> Outcome:
        return self.model.outcome(self.prediction)


@dataclass(frozen=True)
class ScreenedModel:
    """A cost model that is asked only for designs of which a surrogate thinks well.

    A design that fails, or breaks a limit, with the surrogate's confidence is not evaluated: it is a failed
    one whose error says so. All others are evaluated by the model.

    Parameters
    ----------
    model
        The real cost model.
    screen
        The surrogate.
    limits
        Of the problem.
    """

    model: CostModel
    screen: SurrogateModel
    limits: tuple[Limit, ...]

    @property
    def name(self) -> str:
        """The model's."""
        return self.model.name

    @property
    def version(self) -> str:
        """The model's."""
        return self.model.version

    @property
    def settings(self) -> Mapping[str, Any]:
        """The model's, and the surrogate's identity."""
        screen = {**self.screen.settings, "digest": self.screen.digest}
        return {**self.model.settings, "screened": screen}

    @property
    def metrics(self) -> Mapping[str, str]:
        """The model's."""
        return self.model.metrics

    @property
    def columns(self) -> tuple[str, ...]:
        """The model's."""
        return self.model.columns

    @property
    def per_design(self) -> bool:
        """Whether the model takes one design at a time."""
        return bool(getattr(self.model, "per_design", False))

    def evaluate(self, designs: Designs) -> Outcome:
        """Evaluate the designs that are not screened out."""
        prediction = self.screen.predict(designs)
        fails = prediction.failure > self.screen.confidence
        breaks = best_violation(self.limits, prediction) > 0
        passed = np.flatnonzero(~fails & ~breaks)
        values = {name: np.full(len(designs), np.nan) for name in self.metrics}
        seconds = np.zeros(len(designs))
        errors: dict[int, str] = {}
        timeouts: frozenset[int] = frozenset()
        if len(passed):
            found = run_model(self.model, designs.take(passed))
            for name, column in found.metrics.items():
                values[name][passed] = column
            errors = {int(passed[row]): reason for row, reason in found.errors.items()}
            timeouts = frozenset(int(passed[row]) for row in found.timeouts)
            assert found.seconds is not None
            seconds[passed] = found.seconds
        for row in np.flatnonzero(fails | breaks).tolist():
            what = "it fails" if fails[row] else "it breaks a limit"
            errors[row] = (
                f"not evaluated: {self.screen.label} is {self.screen.confidence:.0%} sure that {what}"
            )
        return Outcome(values, errors, timeouts, seconds)


def screened_problem(problem: Problem, screen: SurrogateModel) -> Problem:
    """Return a problem whose model is asked only for designs that pass a surrogate, its prior from then on.

    Raises
    ------
    SurrogateError
        If the surrogate was trained on another space, or lacks a metric that the problem reads.
    """
    _check(problem, screen)
    return Problem(
        problem.space,
        ScreenedModel(problem.model, screen, problem.limits),
        problem.objectives,
        problem.limits,
        name=problem.name,
        prior=screen,
        start=problem.start,
    )


def worst_violation(limits: tuple[Limit, ...], prediction: Prediction) -> Floats:
    """Return how far limits are broken (n,) at the worst corners of the intervals of their metrics."""
    return _violation(limits, prediction, np.maximum.reduce)


def best_violation(limits: tuple[Limit, ...], prediction: Prediction) -> Floats:
    """Return how far limits are broken (n,) at the best corners of the intervals of their metrics."""
    return _violation(limits, prediction, np.minimum.reduce)


def _violation(limits: tuple[Limit, ...], prediction: Prediction, among: Any) -> Floats:
    # A limit that is monotonic in each metric is worst, and best, at a corner of the box of their intervals.
    total = np.zeros(len(prediction.failure))
    for limit in limits:
        corners = product(*((prediction.lower[name], prediction.upper[name]) for name in limit.names))
        with np.errstate(invalid="ignore", over="ignore"):
            found = [
                np.broadcast_to(limit.violation(dict(zip(limit.names, corner, strict=True))), total.shape)
                for corner in corners
            ]
        total = total + np.nan_to_num(among(found), nan=np.finfo(float).max, posinf=np.finfo(float).max)
    return total


def _check(problem: Problem, model: SurrogateModel) -> None:
    model.surrogate.check(problem.space)
    needed = [item.metric for item in problem.objectives]
    needed += [name for limit in problem.limits for name in limit.names]
    for metric in needed:
        if metric not in model.surrogate.metrics:
            raise SurrogateError(
                f"surrogate {model.label!r} knows no metric {metric!r}, which the problem reads; it has "
                f"{', '.join(model.surrogate.metrics)}: train one with --metric {metric}"
            )
