"""What Gaussian processes say of designs together: objectives, limits, and what a front may gain."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dse import gaussian
from dse.gaussian import GaussianProcess, Kernel
from dse.pareto import nondominated
from dse.searchers.improvement import Belief, Boxes, boxes
from dse.searchers.outputs import Scale, scale, tried

Floats = NDArray[np.float64]

# By what deviations are multiplied for the designs of a batch, in turn. Where a model errs it errs in its
# doubts as well: what it is sure of is tried as often as what it hopes for.
DOUBTS = (1.0, 0.1)
# Of beliefs, by which the transformation of an objective is chosen, and of how many designs at most.
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
TRANSFORMED = 100
# A model of feasibility rules nothing out.
LEAST_CHANCE = 1e-6


@dataclass(frozen=True)
class Models:
    """Processes of objectives, and of limits, which hold below zero.

    Attributes
    ----------
    objectives
        None while no design is feasible.
    scales
        What of objectives is learned.
    limits
        Their chances are multiplied.
    front, reference
        The front so far, and the reference point.
    """

    objectives: list[GaussianProcess]
    scales: list[Scale]
    limits: list[GaussianProcess]
    front: Floats
    reference: Floats

    @cached_property
    def left(self) -> Boxes:
        """What the front leaves undominated."""
        return boxes(self.front, self.reference)

    def gain(self, points: Floats) -> Floats:
        """Return what points (n, features) promise, by each of `DOUBTS` (n, doubts)."""
        chance = np.ones(len(points))
        for process in self.limits:
            mean, variance = process.predict(points)
            chance *= _chance(mean, variance)
        chance = np.maximum(chance, LEAST_CHANCE)
        if not self.objectives:
            return chance[:, None]
        predictions = [process.predict(points) for process in self.objectives]
        return np.column_stack(
            [self._improvement(predictions, self.left, doubt) * chance for doubt in DOUBTS]
        )

    def _improvement(self, predictions: list[tuple[Floats, Floats]], left: Boxes, doubt: float) -> Floats:
        beliefs = [
            Belief(mean, doubt * np.sqrt(variance), made.shift, made.least)
            for (mean, variance), made in zip(predictions, self.scales, strict=True)
        ]
        return left.expected_improvement(beliefs)

    def batch(self, points: Floats, n: int) -> NDArray[np.int64]:
        """Return the positions of n points, each chosen as if those before had come out as expected."""
        count = min(n, len(points))
        chances = [process.posterior(points) for process in self.limits]
        found = [process.posterior(points) for process in self.objectives]
        front, left = self.front, self.left
        chosen: list[int] = []
        free = np.ones(len(points), dtype=bool)
        for turn in range(count):
            chance = np.ones(len(points))
            for item in chances:
                chance *= _chance(item.mean, item.variance)
            score = np.maximum(chance, LEAST_CHANCE)
            if found:
                beliefs = [(item.mean, item.variance) for item in found]
                score = score * self._improvement(beliefs, left, DOUBTS[turn % len(DOUBTS)])
            place = int(np.argmax(np.where(free, score, -1.0)))
            chosen.append(place)
            free[place] = False
            if len(chosen) == count:
                break
            if found:
                expected = [
                    float(made.value(item.mean[place : place + 1])[0])
                    for item, made in zip(found, self.scales, strict=True)
                ]
                front = np.concatenate([front, [expected]])
                front = front[nondominated(front)]
                left = boxes(front, self.reference)
            for item in (*found, *chances):
                item.observe(place)
        return np.array(chosen, np.int64)


def _chance(mean: Floats, variance: Floats) -> Floats:
    from scipy.special import ndtr

    return np.asarray(ndtr(-mean / np.sqrt(variance)))


def learned_objective(
    points: Floats, values: Floats, reference: float, groups: NDArray[np.int64] | None
) -> tuple[float, Kernel]:
    """Return how an objective is best transformed (one of `dse.searchers.outputs.SHIFTS`), and its kernel.

    Parameters
    ----------
    points, values
        What is known (n, features) and (n,), in an order that is random.
    reference
        Beyond it values are of no interest.
    groups
        As of `dse.gaussian.learned`.
    """
    few = slice(TRANSFORMED)
    least, best = np.inf, np.inf
    for above in tried(values):
        made = scale(values, above, reference)
        target = made.learned(values[few])
        kernel = gaussian.learned(points[few], target, groups)
        mean, variance = gaussian.left_out(kernel, points[few], target)
        loss = misjudged(made, mean, np.sqrt(variance), values[few])
        if loss < least:
            least, best = loss, above
    return best, gaussian.learned(points, scale(values, best, reference).learned(values), groups)


def said(margins: Floats, objectives: Floats, reference: Floats) -> bool:
    """Return whether a limit (n,) only bounds an objective (n, m), at the reference (m,) or above."""
    for values, bound in zip(objectives.T, reference, strict=True):
        low, high = int(np.argmin(values)), int(np.argmax(values))
        if values[low] == values[high] or margins[low] >= margins[high]:
            continue
        slope = (margins[high] - margins[low]) / (values[high] - values[low])
        line = margins[low] + slope * (values - values[low])
        if np.allclose(margins, line, rtol=1e-9, atol=1e-9 * np.ptp(margins)):
            return bool(margins[low] + slope * (bound - values[low]) <= 1e-9 * np.ptp(margins))
    return False


def misjudged(made: Scale, mean: Floats, deviation: Floats, values: Floats) -> float:
    """Return how far believed quantiles are from values (n,), both as shares of the values that are less.

    The pinball loss: R. Koenker, G. Bassett, "Regression quantiles", Econometrica 46(1), 1978. Shares, since
    neither a few values far off nor many close to zero are to decide.
    """
    from scipy.special import ndtri

    order, shares = np.sort(values), np.linspace(0.0, 1.0, len(values))
    own = np.interp(values, order, shares)
    loss = 0.0
    for level in QUANTILES:
        believed = np.interp(made.value(mean + float(ndtri(level)) * deviation), order, shares)
        loss += float(np.maximum(level * (own - believed), (level - 1.0) * (own - believed)).mean())
    return loss


def graded(margins: Floats) -> Floats:
    """Return what is learned of margins (n,): their logarithm on either side of zero.

    As D. Eriksson, M. Poloczek, "Scalable constrained Bayesian optimization", AISTATS 2021, section 3, in
    units of the middle of those that are not zero. Where all that hold are zero, so that only violations are
    known, they count as half of that unit.
    """
    sizes = np.abs(margins[margins != 0])
    unit = float(np.median(sizes)) if len(sizes) else 1.0
    scaled = margins / unit
    scaled = np.where(scaled == 0, -0.5, scaled)
    return np.asarray(np.sign(scaled) * np.log1p(np.abs(scaled)))
