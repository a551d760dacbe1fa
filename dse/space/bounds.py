"""What no completion of a partial design can satisfy: constraints over intervals of columns.

Where only some columns of a comparison are known, each of the others may take any value between the least
and the greatest of its domain. Interval arithmetic (Moore, Kearfott and Cloud, "Introduction to Interval
Analysis", SIAM 2009) bounds both sides; if the comparison fails between all such bounds, it fails for every
completion. The bounds may be wide, never too narrow, so pruning by them loses no design:

- Anything that is not understood may hold: only numeric columns, ``+ - * / **``, ``min max abs``, and
  functions that rise steadily are, joined by ``and``.
- Over the whole space all values are finite and no divisor may be zero, else the comparison is not
  understood: there are neither infinities nor NaN.
- Whole numbers below 2**53 are exact in floating point, in which bounds are computed.
- IEEE 754 rounds ``+ - * /`` and the square root correctly, hence monotonically: the same operations in the
  same order keep bounds in order. Where that is not so (sums are reordered; larger whole numbers are exact
  in 64 bits; powers, exponentials and logarithms are not rounded correctly) bounds are widened by more than
  the error.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dse.expressions import dotted_name
from dse.space.constraints import Constraint
from dse.space.parameters import Integer, Parameter, Real

Interval = tuple[Any, Any]
"""Low and high: floats or arrays that broadcast together. One object twice if the value is known."""

EXACT = 2.0**53  # whole numbers below are exact in floating point
LARGEST_VALUE = 2.0**62  # of a column: its negative and magnitude then fit 64 bits too
LARGEST = 1e300
MAX_DEPTH = 50
# 16 units in the last place; NumPy's tests of its exponentials and logarithms (umath-validation-set-*.csv in
# its tests) allow at most 4.
RELATIVE = 2.0**-48
SMALLEST = 2.0**-1022  # what underflow may take away
_MOVES: dict[str, Callable[[Any], Any]] = {
    "ceil": np.ceil,
    "floor": np.floor,
    "round": np.round,
    "sqrt": np.sqrt,
    "exp": np.exp,
    "log": np.log,
    "log2": np.log2,
    "log10": np.log10,
}


class PartialColumns(Protocol):
    """Arrays by name, of shapes that broadcast together, for the columns that are known."""

    def __getitem__(self, name: str, /) -> NDArray[Any]: ...

    def __contains__(self, name: object, /) -> bool: ...


class _UnknownError(Exception):
    """The expression is not understood."""


@dataclass(frozen=True)
class _Range:
    """A bounded expression: its interval over the whole space, and given the columns that are known."""

    low: float
    high: float
    whole: bool
    """Whether all its values are whole numbers below 2**53."""
    depth: int
    """How deeply operations nest: evaluation recurses."""
    within: Callable[[PartialColumns], Interval]

    @property
    def magnitude(self) -> float:
        return max(-self.low, self.high)


@dataclass(frozen=True)
class Bound:
    """A comparison that may prune.

    Attributes
    ----------
    constraint
        The name of the constraint that it is part of.
    columns
        The columns that it reads.
    """

    constraint: str
    columns: frozenset[str]
    _left: _Range
    _right: _Range
    _operator: type[ast.cmpop]

    def may_hold(self, columns: PartialColumns) -> NDArray[np.bool_]:
        """Return a mask, broadcast over the columns that are known; false where no completion can hold."""
        left_low, left_high = self._left.within(columns)
        right_low, right_high = self._right.within(columns)
        if self._operator is ast.Lt:
            mask = np.less(left_low, right_high)
        elif self._operator is ast.LtE:
            mask = np.less_equal(left_low, right_high)
        elif self._operator is ast.Gt:
            mask = np.greater(left_high, right_low)
        elif self._operator is ast.GtE:
            mask = np.greater_equal(left_high, right_low)
        else:
            mask = np.logical_and(left_low <= right_high, left_high >= right_low)
        return np.asarray(mask)


def bounds_of(constraint: Constraint, parameters: Mapping[str, Parameter]) -> tuple[Bound, ...]:
    """Return the comparisons, joined by ``and``, of a constraint that are understood; none of a callable.

    Parameters
    ----------
    parameters
        By name, at least those that the constraint reads.
    """
    if constraint.expression is None:
        return ()
    found = []
    for left, operator, right in _comparisons(constraint.expression.tree):
        try:
            with np.errstate(all="ignore"):
                sides = _range(left, parameters), _range(right, parameters)
        except _UnknownError:
            continue
        names = {name for side in (left, right) for node in ast.walk(side) if (name := _column(node))}
        found.append(Bound(constraint.name, frozenset(names & parameters.keys()), *sides, operator))
    return tuple(found)


def _column(node: ast.AST) -> str | None:
    return dotted_name(node) if isinstance(node, ast.Name | ast.Attribute) else None


def _comparisons(node: ast.expr) -> Iterator[tuple[ast.expr, type[ast.cmpop], ast.expr]]:
    match node:
        case ast.BoolOp(op=ast.And(), values=values):
            for value in values:
                yield from _comparisons(value)
        case ast.Compare(left=left, ops=operators, comparators=others):
            for first, operator, second in zip([left, *others], operators, others, strict=False):
                if isinstance(operator, ast.Lt | ast.LtE | ast.Gt | ast.GtE | ast.Eq):
                    yield first, type(operator), second


def _range(node: ast.expr, parameters: Mapping[str, Parameter]) -> _Range:
    """Bound an arithmetic expression; raise `_UnknownError` if that fails."""
    if (name := dotted_name(node)) is not None:
        return _domain(name, parameters[name])
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            number = float(value)
            return _node(lambda: (number, number), [], whole=number.is_integer())
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _range(operand, parameters)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _negative(_range(operand, parameters))
        case ast.BinOp(op=ast.Add() | ast.Sub()):
            return _sum(
                [
                    _range(term, parameters) if sign else _negative(_range(term, parameters))
                    for term, sign in _spine(node, (ast.Add, ast.Sub))
                ]
            )
        case ast.BinOp(op=ast.Mult()):
            return _product([_range(factor, parameters) for factor, _ in _spine(node, (ast.Mult,))])
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            above, below = _range(left, parameters), _range(right, parameters)
            if below.low <= 0 <= below.high:
                raise _UnknownError
            return _node(_corners(np.true_divide), [above, below])
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return _power(_range(left, parameters), _range(right, parameters))
        case ast.Call(func=ast.Name(id=function), args=arguments):
            return _call(function, [_range(argument, parameters) for argument in arguments])
    raise _UnknownError


def _spine(node: ast.expr, operators: tuple[type[ast.operator], ...]) -> list[tuple[ast.expr, bool]]:
    """Return the operands of ``a + b - c ...`` in order, false for those that are subtracted."""
    found = []
    while isinstance(node, ast.BinOp) and isinstance(node.op, operators):
        found.append((node.right, not isinstance(node.op, ast.Sub)))
        node = node.left
    return [(node, True), *reversed(found)]


def _domain(name: str, parameter: Parameter) -> _Range:
    if isinstance(parameter, Integer | Real):
        low, high = float(parameter.low), float(parameter.high)
        whole = isinstance(parameter, Integer)
    else:
        values = parameter.decode(np.arange(int(parameter.cardinality)))
        if values.dtype.kind not in "biuf":
            raise _UnknownError
        low, high = float(values.min()), float(values.max())
        whole = bool(np.all(np.floor(values) == values))

    def within(columns: PartialColumns) -> Interval:
        if name not in columns:
            return low, high
        known = np.asarray(columns[name], float)
        return known, known

    if max(-low, high) >= LARGEST_VALUE:
        raise _UnknownError
    return _limited(_Range(low, high, whole, 0, within))


def _limited(bounded: _Range) -> _Range:
    """Refuse what is not finite; make room for the rounding of large numbers."""
    if not (bounded.low > -LARGEST and bounded.high < LARGEST) or bounded.depth > MAX_DEPTH:
        raise _UnknownError
    if bounded.magnitude < EXACT:
        return bounded
    widen = _widened(lambda interval: interval, RELATIVE, 0.0)
    low, high = widen((bounded.low, bounded.high))
    return _Range(
        float(low), float(high), False, bounded.depth, lambda columns: widen(bounded.within(columns))
    )


def _node(operation: Callable[..., Interval], operands: Sequence[_Range], whole: bool = False) -> _Range:
    """Apply an operation on intervals to bounded expressions."""
    low, high = operation(*((operand.low, operand.high) for operand in operands))
    depth = 1 + max((operand.depth for operand in operands), default=0)

    def within(columns: PartialColumns) -> Interval:
        return operation(*(operand.within(columns) for operand in operands))

    return _limited(_Range(float(low), float(high), whole, depth, within))


def _rising(operation: Callable[[list[Any]], Any]) -> Callable[..., Interval]:
    """Bound what rises with each operand: low from the lows, high from the highs."""

    def apply(*intervals: Interval) -> Interval:
        low = operation([low for low, _ in intervals])
        if all(low is high for low, high in intervals):
            return low, low
        return low, operation([high for _, high in intervals])

    return apply


def _corners(operation: Callable[[Any, Any], Any]) -> Callable[[Interval, Interval], Interval]:
    """Bound what is monotone in each operand given the other: its extremes lie at the corners."""

    def apply(first: Interval, second: Interval) -> Interval:
        ends = [interval[:1] if interval[0] is interval[1] else interval for interval in (first, second)]
        values = [operation(a, b) for a in ends[0] for b in ends[1]]
        return reduce(np.minimum, values), reduce(np.maximum, values)

    return apply


def _widened(operation: Callable[..., Interval], relative: float, absolute: float) -> Callable[..., Interval]:
    """Make room for errors of rounding, relative to the value and absolute."""

    def apply(*intervals: Interval) -> Interval:
        low, high = operation(*intervals)
        return low - (relative * np.abs(low) + absolute), high + (relative * np.abs(high) + absolute)

    return apply


def _any_order(operation: Callable[[Any, Any], Any]) -> Callable[[list[Any]], Any]:
    """Fold operands of equal shape first: few of the operations then run over the largest shape."""

    def fold(values: list[Any]) -> Any:
        by_shape: dict[tuple[int, ...], Any] = {}
        for value in values:
            shape = np.shape(value)
            by_shape[shape] = operation(by_shape[shape], value) if shape in by_shape else value
        return reduce(operation, sorted(by_shape.values(), key=np.size))

    return fold


def _negative(operand: _Range) -> _Range:
    def apply(interval: Interval) -> Interval:
        low, high = interval
        negated = -high
        return negated, negated if low is high else -low

    return _node(apply, [operand], whole=operand.whole)


def _sum(terms: list[_Range]) -> _Range:
    whole = all(term.whole for term in terms)
    total = sum(term.magnitude for term in terms)
    operation = _rising(_any_order(np.add))
    if not whole or total >= EXACT:
        # Sums of n terms in two orders differ by less than 2 (n - 1) half units of all magnitudes.
        operation = _widened(operation, 0.0, len(terms) * 2.0**-51 * total)
        whole = False
    return _node(operation, terms, whole)


def _product(factors: list[_Range]) -> _Range:
    whole = all(factor.whole for factor in factors)
    if all(factor.low >= 0 for factor in factors):
        if not whole:
            # In the given order: in another one, fractions may underflow elsewhere.
            return _node(_rising(lambda values: reduce(np.multiply, values)), factors)
        operation = _rising(_any_order(np.multiply))
        most = math.prod(max(factor.high, 1.0) for factor in factors)
        if most >= EXACT:
            operation = _widened(operation, len(factors) * RELATIVE, 0.0)
        if most >= LARGEST:
            raise _UnknownError
        return _node(operation, factors, whole and most < EXACT)
    return reduce(lambda left, right: _node(_corners(np.multiply), [left, right], whole), factors)


def _power(base: _Range, exponent: _Range) -> _Range:
    if base.low <= 0 and not (base.low == 0 and exponent.low >= 0):
        if exponent.low != exponent.high or exponent.low < 0 or not exponent.low.is_integer():
            raise _UnknownError
        if exponent.low % 2 == 0:
            base = _absolute(base)
    return _node(_widened(_corners(np.power), RELATIVE, SMALLEST), [base, exponent])


def _absolute(operand: _Range) -> _Range:
    def apply(interval: Interval) -> Interval:
        low, high = interval
        if low is high:
            size = np.abs(low)
            return size, size
        return np.maximum(np.maximum(low, -high), 0.0), np.maximum(-low, high)

    return _node(apply, [operand], operand.whole)


def _call(function: str, arguments: list[_Range]) -> _Range:
    whole = all(argument.whole for argument in arguments)
    if function in ("min", "max"):
        choose = np.minimum if function == "min" else np.maximum
        return _node(_rising(lambda values: reduce(choose, values)), arguments, whole)
    (argument,) = arguments
    if function == "abs":
        return _absolute(argument)
    if function not in _MOVES or (
        argument.low < 0 if function == "sqrt" else function.startswith("log") and argument.low <= 0
    ):
        raise _UnknownError
    move = _MOVES[function]
    operation = _rising(lambda values: move(values[0]))
    if function in ("exp", "log", "log2", "log10"):
        operation = _widened(operation, RELATIVE, SMALLEST)
    return _node(operation, arguments, whole=function in ("ceil", "floor", "round"))
