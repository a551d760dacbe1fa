"""Whether one surrogate predicts better than another, on evaluations that neither has seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from dse.significance import holm

if TYPE_CHECKING:
    from dse.surrogates.data import TrainingData
    from dse.surrogates.surrogate import Prediction, Surrogate

Floats = NDArray[np.float64]

CONFIDENCE = 0.9
LEVEL = 0.05  # of being called better, or worse in a part, by chance
LEAST_CHANGE = 0.01  # of the loss: less is no better and no worse, however sure
NEGLIGIBLE = 1e-3  # of a metric's spread


@dataclass(frozen=True)
class Part:
    """One metric, or one kind of lost design.

    Attributes
    ----------
    name
        The metric; ``failed`` or ``infeasible``.
    rows
        Evaluations that it was tested on.
    change
        By how much the challenger's loss is greater, as a share of the other's: -0.2 for a fifth less.
    p_worse
        Of a loss that is so much greater if both predict alike, after Holm's correction over all parts.
    """

    name: str
    rows: int
    change: float
    p_worse: float

    @property
    def worse(self) -> bool:
        """Whether the loss is greater, by a hundredth at least and by more than chance."""
        return self.change >= LEAST_CHANGE and self.p_worse < LEVEL


@dataclass(frozen=True)
class PairedTest:
    """A challenger beside a surrogate, design by design.

    Attributes
    ----------
    rows
        Evaluations that it was tested on.
    change
        Of the loss, over all parts, as `Part.change`.
    p
        Of a loss that is so much less if both predict alike.
    parts
        By metric.
    better
        Whether the challenger's loss is less, by a hundredth at least and by more than chance, and no part is
        worse.
    """

    rows: int
    change: float
    p: float
    parts: tuple[Part, ...]
    better: bool

    @property
    def verdict(self) -> str:
        """The result and its reason, in words."""
        share, direction = abs(self.change), "less" if self.change < 0 else "more"
        loss = f"{100 * share:.1f} % {direction} loss on {self.rows:,} evaluations"
        worse = [part.name for part in self.parts if part.worse]
        if self.better:
            return f"better: {loss} (p = {self.p:.2g})"
        if self.change <= -LEAST_CHANGE and self.p < LEVEL:
            return f"not better: {loss}, but worse in {', '.join(worse)}"
        if self.change <= -LEAST_CHANGE:
            return f"not better by more than chance: {loss} (p = {self.p:.2g})"
        return f"not better: {loss}"

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {**asdict(self), "parts": [asdict(part) for part in self.parts], "verdict": self.verdict}


def paired_test(
    surrogate: Surrogate, challenger: Surrogate, data: TrainingData, metrics: Sequence[str]
) -> PairedTest:
    """Test whether a challenger predicts better.

    Parameters
    ----------
    surrogate, challenger
        Of one space.
    data
        Evaluations that neither was trained on.
    metrics
        Those that count, where both know them.

    Notes
    -----
    The loss of a metric is the mean of two, each over its mean over both surrogates (a thousandth of the
    metric's spread is added to it, so that errors that do not matter do not count): the absolute error, and
    the interval score at 90 % (T. Gneiting and A. E. Raftery, "Strictly proper scoring rules, prediction,
    and estimation", JASA 102, 2007, equation 43), which grows with the width of an interval and, by 20 times
    the distance, with a value outside of it: narrow intervals that do not hold cost more than wide ones. Both
    are taken of asinh(y / s), s being the median size of y: a difference for small values, a ratio for large
    ones, so that a few large designs do not decide. The loss of ``failed`` and ``infeasible`` is that of
    G. W. Brier (Monthly Weather Review 78, 1950). The loss of a design is the mean over what is known of it.

    Both probabilities are one-sided, by Wilcoxon's signed-rank test over the designs.
    """
    one, two = (model.predict(data.designs, CONFIDENCE) for model in (surrogate, challenger))
    losses = {
        name: _metric_losses(data.values[name], name, one, two)
        for name in metrics
        if name in surrogate.metrics and name in challenger.metrics and np.isfinite(data.values[name]).any()
    }
    present = ~data.failed
    for event, truth, chances, among in (
        ("failed", data.failed, (one.failure, two.failure), np.ones_like(present)),
        ("infeasible", data.infeasible, (one.infeasible, two.infeasible), present),
    ):
        if among.any() and (truth.any() or any(chance.any() for chance in chances)):
            losses[event] = _brier(truth, chances, among)
    if not losses:
        return PairedTest(len(data), 0.0, 1.0, (), False)
    worse = holm([_wilcoxon(loss[1] - loss[0], "greater") for loss in losses.values()])
    parts = tuple(
        Part(name, int(np.isfinite(loss[0]).sum()), _change(loss), p)
        for (name, loss), p in zip(losses.items(), worse, strict=True)
    )
    table = np.stack(list(losses.values()))
    each = np.nanmean(table[:, :, np.isfinite(table).any(axis=(0, 1))], axis=0)
    change, p = _change(each), _wilcoxon(each[1] - each[0], "less")
    better = change <= -LEAST_CHANGE and p < LEVEL and not any(part.worse for part in parts)
    return PairedTest(len(data), change, p, parts, better)


def _metric_losses(actual: Floats, name: str, one: Prediction, two: Prediction) -> Floats:
    """Return the losses (2, n) of a metric, NaN where a design has none; their mean is 1."""
    known = np.isfinite(actual)
    size = float(np.median(np.abs(actual[known]))) or float(np.abs(actual[known]).mean()) or 1.0

    def scaled(values: Floats) -> Floats:
        return np.asarray(np.arcsinh(values / size))

    y = scaled(actual)
    spread = float(np.abs(y[known] - np.median(y[known])).mean())
    floor = NEGLIGIBLE * spread + 1e-7
    error = np.stack([np.abs(scaled(found.mean[name]) - y) for found in (one, two)])
    interval = np.stack(
        [interval_score(scaled(found.lower[name]), scaled(found.upper[name]), y) for found in (one, two)]
    )
    return np.asarray((_over_mean(error, floor) + _over_mean(interval, floor)) / 2)


def _change(losses: Floats) -> float:
    """Return by how much the second of losses (2, n) is greater than the first, as a share of it."""
    one, two = np.nanmean(losses, axis=1)
    return float(two / one - 1.0)


def interval_score(lower: Floats, upper: Floats, actual: Floats, confidence: float = CONFIDENCE) -> Floats:
    """Return the interval scores (n,): the width, and 2 / (1 - confidence) times the distance outside."""
    outside = np.maximum(lower - actual, 0.0) + np.maximum(actual - upper, 0.0)
    return np.asarray(upper - lower + 2.0 / (1.0 - confidence) * outside)


def _brier(truth: NDArray[np.bool_], chances: Sequence[Floats], among: NDArray[np.bool_]) -> Floats:
    """Return the losses (2, n) of probabilities, NaN where they are not asked for; their mean is 1."""
    losses = np.stack([np.where(among, (chance - truth) ** 2, np.nan) for chance in chances])
    return _over_mean(losses, NEGLIGIBLE)


def _over_mean(losses: Floats, floor: float) -> Floats:
    # An interval without an end is worse than any that has one.
    finite = losses[np.isfinite(losses)]
    most = 2.0 * float(finite.max(initial=0.0)) + floor
    added = np.where(np.isposinf(losses), most, losses) + floor
    return np.asarray(added / np.nanmean(added))


def _wilcoxon(differences: Floats, alternative: Literal["less", "greater"]) -> float:
    from scipy.stats import wilcoxon

    unlike: Floats = differences[np.isfinite(differences) & (differences != 0)]
    return float(wilcoxon(unlike, alternative=alternative).pvalue) if len(unlike) else 1.0
