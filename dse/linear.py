"""A problem as a linear program sees it: objectives and limits as sums over the terms of additive tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dse.additive import Additive, AdditiveModel
from dse.designs import Designs

if TYPE_CHECKING:
    from dse.problem import Limit, Problem

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LinearProblem:
    """Objectives to be minimised, and limits ``coefficients . metrics <= bound``.

    Attributes
    ----------
    additive
        The metrics.
    objectives
        A matrix (metrics, objectives).
    limits
        A matrix (metrics, limits).
    bounds
        By limit (limits,).
    """

    additive: Additive
    objectives: Floats
    limits: Floats
    bounds: Floats

    def evaluate(self, designs: Designs) -> tuple[Floats, Floats]:
        """Return objectives (n, m) and what limits leave (n, limits), negative where one is broken."""
        found = self.additive.evaluate(designs)
        metrics = np.column_stack([found[name] for name in self.additive.metrics])
        return metrics @ self.objectives, self.bounds - metrics @ self.limits


def linear_problem(problem: Problem) -> LinearProblem | None:
    """Return what of a problem is linear in additive tables, or None where its objectives are not.

    Notes
    -----
    Taken from the prior where there is one with such tables, else from the model. Limits that are not linear,
    or that read other metrics, are left out: designs are judged by them when they are evaluated.
    """
    for model in (problem.prior, problem.model):
        if model is None or not isinstance(model, AdditiveModel):
            continue
        additive = model.additive(problem.space)
        names = [objective.metric for objective in problem.objectives]
        if all(name in additive.metrics for name in names):
            return _linear(problem, additive, names)
    return None


def _linear(problem: Problem, additive: Additive, names: Sequence[str]) -> LinearProblem:
    metrics = additive.metrics
    objectives = np.zeros((len(metrics), len(names)))
    for index, (name, sign) in enumerate(zip(names, problem.signs, strict=True)):
        objectives[metrics.index(name), index] = sign
    columns: list[Floats] = []
    bounds: list[float] = []
    for limit in problem.limits:
        for coefficients, bound in _rows(limit, metrics):
            columns.append(coefficients)
            bounds.append(bound)
    limits = np.column_stack(columns) if columns else np.zeros((len(metrics), 0))
    return LinearProblem(additive, objectives, limits, np.array(bounds))


def _rows(limit: Limit, metrics: Sequence[str]) -> list[tuple[Floats, float]]:
    """Return coefficients and bound of each comparison that is linear in the metrics."""
    found = []
    for small, large in limit.sides:
        if not {*small.names, *large.names} <= set(metrics):
            continue
        # At zero, at each unit vector, and at two more points, by which what is not linear gives itself away.
        probes = np.concatenate([np.zeros((1, len(metrics))), np.eye(len(metrics))])
        others = np.random.default_rng(0).uniform(0.5, 2.0, (2, len(metrics)))
        at = {name: np.concatenate([probes, others])[:, index] for index, name in enumerate(metrics)}
        with np.errstate(all="ignore"):
            values = np.broadcast_to(
                np.asarray(small.evaluate(at), float) - np.asarray(large.evaluate(at), float),
                (len(metrics) + 3,),
            )
        constant, coefficients = values[0], values[1 : len(metrics) + 1] - values[0]
        if np.isfinite(values).all() and np.allclose(values[-2:], constant + others @ coefficients):
            found.append((np.asarray(coefficients, float), -float(constant)))
    return found
