"""A problem as a linear program sees it: objectives and limits as sums over the terms of additive tables."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dse.additive import Additive, AdditiveModel
from dse.designs import Designs
from dse.expressions import Expression, constant, dotted_name

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
    Taken from the prior where there is one with such tables, else from the model. Limits whose form is no sum
    of metrics times numbers, or that read other metrics, are left out: designs are judged by them when they
    are evaluated.
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
        half = half_space(small.tree, large.tree)
        if half is not None and set(half[0]) <= set(metrics):
            weights, bound = half
            found.append((np.array([weights.get(name, 0.0) for name in metrics]), bound))
    return found


def half_space(small: ast.expr, large: ast.expr) -> tuple[dict[str, float], float] | None:
    """Return ``small <= large`` as factors of names and what their sum is at most; None if not linear."""
    left, right = _sum(small), _sum(large)
    if left is None or right is None:
        return None
    weights = _plus(left, right, -1.0)
    fixed = weights.pop("", 0.0)
    return (weights, -fixed) if np.isfinite([fixed, *weights.values()]).all() else None


def _sum(node: ast.expr) -> dict[str, float] | None:
    """Return the factors of names, and the constant under "", of an expression that is linear by its form."""
    # By form, not by trying values: abs(x - 5) is a straight line as far as any few values below 5 tell.
    name = dotted_name(node)
    if name is not None:
        return {name: 1.0}
    expression = Expression(ast.unparse(node))
    if not expression.names:
        value = constant(expression)
        return None if value is None else {"": value}
    match node:
        case ast.UnaryOp(op=ast.UAdd() | ast.USub() as sign, operand=operand):
            inner = _sum(operand)
            factor = -1.0 if isinstance(sign, ast.USub) else 1.0
            return None if inner is None else _plus({}, inner, factor)
        case ast.BinOp(left=one, op=ast.Add() | ast.Sub() as sign, right=other):
            left, right = _sum(one), _sum(other)
            factor = -1.0 if isinstance(sign, ast.Sub) else 1.0
            return None if left is None or right is None else _plus(left, right, factor)
        case ast.BinOp(left=one, op=ast.Mult(), right=other):
            left, right = _sum(one), _sum(other)
            if left is None or right is None:
                return None
            if set(left) <= {""}:
                return _plus({}, right, left.get("", 0.0))
            return _plus({}, left, right.get("", 0.0)) if set(right) <= {""} else None
        case ast.BinOp(left=one, op=ast.Div(), right=other):
            left, right = _sum(one), _sum(other)
            if left is None or right is None or set(right) - {""} or not right.get("", 0.0):
                return None
            return _plus({}, left, 1.0 / right[""])
        case _:
            return None


def _plus(one: Mapping[str, float], other: Mapping[str, float], factor: float) -> dict[str, float]:
    """Return one sum plus a multiple of another."""
    return {
        name: one.get(name, 0.0) + factor * other.get(name, 0.0) for name in dict.fromkeys((*one, *other))
    }
