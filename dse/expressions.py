"""Arithmetic and comparisons over named columns, from text, without ``eval``.

A text is parsed with :mod:`ast`, checked against a white list and compiled to NumPy operations
over whole columns. Column names may hold dots (``lut.group_size``).
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from operator import add, mul
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dse.errors import ExpressionError

Array = NDArray[Any]


class Columns(Protocol):
    """Anything that gives arrays (n,) by name: designs, a dictionary."""

    def __getitem__(self, name: str, /) -> Array: ...


MAX_LENGTH = 10_000


@dataclass(frozen=True, slots=True)
class _Scope:
    columns: Columns
    inactive: Mapping[str, NDArray[np.bool_]]


_Node = Callable[[_Scope], Any]


def _as_number(value: Any) -> Any:
    """Truth values count as 0 and 1: NumPy's own ``True + True`` is True."""
    whole = isinstance(value, np.ndarray | np.generic) and value.dtype.kind == "b"
    return value.astype(np.int64) if whole else value


def _unwrapped(
    operation: Callable[[Any, Any], Any], bound: Callable[[float, float], float]
) -> Callable[[Any, Any], Any]:
    """Integer results that may not fit 64 bits are computed in floating point: NumPy wraps them silently."""

    def apply(left: Any, right: Any) -> Any:
        left, right = np.asarray(_as_number(left)), np.asarray(_as_number(right))
        whole = left.dtype.kind in "iu" and right.dtype.kind in "iu" and left.size and right.size
        if whole and bound(_largest(left), _largest(right)) >= 2.0**63:
            left, right = left.astype(float), right.astype(float)
        return operation(left, right)

    return apply


def _largest(array: Array) -> float:
    """Return the largest magnitude."""
    return max(float(array.max()), -float(array.min()))


def _by_zero_as_float(operation: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Integer ``//`` and ``%`` by zero give infinity or NaN, as they do for floats, instead of 0."""

    def apply(left: Any, right: Any) -> Any:
        left, right = _as_number(left), _as_number(right)
        if np.any(np.equal(right, 0)):
            left, right = np.asarray(left, float), np.asarray(right, float)
        return operation(left, right)

    return apply


def _power(base: Any, exponent: Any) -> Any:
    # In floating point: integer powers wrap silently, and 2 ** -1 would be refused.
    return np.power(np.asarray(base, float), exponent)


_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: _unwrapped(np.add, add),
    ast.Sub: _unwrapped(np.subtract, add),
    ast.Mult: _unwrapped(np.multiply, mul),
    ast.Div: np.true_divide,
    ast.FloorDiv: _by_zero_as_float(np.floor_divide),
    ast.Mod: _by_zero_as_float(np.mod),
    ast.Pow: _power,
}

_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
    ast.Eq: lambda a, b: a == b,  # np.equal refuses text against numbers
    ast.NotEq: lambda a, b: a != b,
}


def _fold(operation: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def apply(first: Any, *rest: Any) -> Any:
        for item in rest:
            first = operation(first, item)
        return first

    return apply


_FUNCTIONS: dict[str, tuple[int, int | None, Callable[..., Any]]] = {
    "min": (2, None, _fold(np.minimum)),
    "max": (2, None, _fold(np.maximum)),
    "abs": (1, 1, np.abs),
    "ceil": (1, 1, np.ceil),
    "floor": (1, 1, np.floor),
    "round": (1, 1, np.round),
    "sqrt": (1, 1, np.sqrt),
    "exp": (1, 1, np.exp),
    "log": (1, 1, np.log),
    "log2": (1, 1, np.log2),
    "log10": (1, 1, np.log10),
}


def _shown(text: str, most: int = 100) -> str:
    return repr(text if len(text) <= most else f"{text[: most - 3]}...")


def dotted_name(node: ast.expr) -> str | None:
    """Return ``a.b.c`` for a chain of attributes on a name, else None."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    return ".".join(reversed([*parts, node.id]))


class _Compiler:
    """Turns a checked syntax tree into a closure over a scope, and collects what it reads."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.names: dict[str, None] = {}
        self.literals: list[tuple[str, Any]] = []

    def refuse(self, what: str) -> ExpressionError:
        functions = ", ".join(_FUNCTIONS)
        return ExpressionError(
            f"{_shown(self.text)}: {what}; use numbers, quoted text, column names, + - * / // % **, "
            f"comparisons, 'in (...)', and/or/not and the functions {functions}"
        )

    def compile(self, node: ast.expr) -> tuple[_Node, bool]:
        """Return the closure, and whether it yields truth values."""
        if (name := dotted_name(node)) is not None:
            self.names[name] = None
            return (lambda scope: scope.columns[name]), False
        match node:
            case ast.Constant(value=bool() as truth):
                return (lambda _: truth), True
            case ast.Constant(value=int() | float() | str() as value):
                if isinstance(value, int) and abs(value) >= 2**63:
                    raise self.refuse(f"the number {value} does not fit 64 bits")
                return (lambda _: value), False
            case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _BINARY:
                return self._binary(_BINARY[type(operator)], left, right), False
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                inner = self.number(operand)
                return (lambda scope: np.negative(_as_number(inner(scope)))), False
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.number(operand), False
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                inner = self.truth(operand)
                return (lambda scope: np.logical_not(inner(scope))), True
            case ast.BoolOp(op=operator, values=values):
                terms = [self.truth(value) for value in values]
                combine = _fold(np.logical_and if isinstance(operator, ast.And) else np.logical_or)
                return (lambda scope: combine(*(term(scope) for term in terms))), True
            case ast.Compare():
                return self._comparison(node), True
            case ast.Call(func=ast.Name(id=function), args=arguments, keywords=[]) if function in _FUNCTIONS:
                return self._call(function, arguments), False
            case ast.Call(func=function_node):
                raise self.refuse(f"{_shown(ast.unparse(function_node))} is not a known function")
            case _:
                raise self.refuse(f"{_shown(ast.unparse(node))} is not allowed here")

    def number(self, node: ast.expr) -> _Node:
        closure, is_truth = self.compile(node)
        if is_truth:
            raise self.refuse(f"{_shown(ast.unparse(node))} is a truth value where a number is needed")
        return closure

    def truth(self, node: ast.expr) -> _Node:
        """Compile a condition; a bare name may be one: a column of truth values, false where not active."""
        closure, is_truth = self.compile(node)
        if is_truth:
            return closure
        name = dotted_name(node)
        if name is None:
            raise self.refuse(f"{_shown(ast.unparse(node))} is a number where a comparison is needed")

        def flag(scope: _Scope) -> Any:
            column = np.asarray(closure(scope))
            if column.dtype != bool:
                raise TypeError(f"{name!r} holds more than truth values: compare it with something")
            return column & ~scope.inactive[name] if name in scope.inactive else column

        return flag

    def _binary(self, operation: Callable[[Any, Any], Any], left: ast.expr, right: ast.expr) -> _Node:
        a, b = self.number(left), self.number(right)
        return lambda scope: operation(a(scope), b(scope))

    def _call(self, function: str, arguments: list[ast.expr]) -> _Node:
        least, most, operation = _FUNCTIONS[function]
        if len(arguments) < least or (most is not None and len(arguments) > most):
            wanted = str(least) if most == least else f"{least} or more"
            raise self.refuse(f"{function}() takes {wanted} arguments, not {len(arguments)}")
        inner = [self.number(argument) for argument in arguments]
        return lambda scope: operation(*(_as_number(item(scope)) for item in inner))

    def _comparison(self, node: ast.Compare) -> _Node:
        outer, self.names = self.names, {}
        terms: list[_Node] = []
        left = node.left
        for operator, right in zip(node.ops, node.comparators, strict=True):
            if isinstance(operator, ast.In | ast.NotIn):
                terms.append(self._membership(left, right, negate=isinstance(operator, ast.NotIn)))
            elif type(operator) in _COMPARE:
                terms.append(self._pair(_COMPARE[type(operator)], left, right))
            else:
                raise self.refuse("'is' is not allowed")
            left = right
        names = tuple(self.names)
        self.names = {**outer, **self.names}
        combine = _fold(np.logical_and)

        def compare(scope: _Scope) -> Any:
            result = combine(*(term(scope) for term in terms))
            # A comparison with a parameter that is not active holds for no value.
            for name in names:
                if name in scope.inactive:
                    result = result & ~scope.inactive[name]
            return result

        return compare

    def _pair(self, operation: Callable[[Any, Any], Any], left: ast.expr, right: ast.expr) -> _Node:
        for one, other in ((left, right), (right, left)):
            if isinstance(other, ast.Constant) and (name := dotted_name(one)) is not None:
                self.literals.append((name, other.value))
        a, b = self._operand(left), self._operand(right)
        return lambda scope: operation(a(scope), b(scope))

    def _operand(self, node: ast.expr) -> _Node:
        if isinstance(node, ast.Constant) and isinstance(node.value, bool | None):
            value = node.value
            return lambda _: value
        return self.number(node)

    def _membership(self, left: ast.expr, right: ast.expr, *, negate: bool) -> _Node:
        mend = "'in' needs a list of constants, as in dtype in ('fp16', 'int8')"
        if not isinstance(right, ast.Tuple | ast.List | ast.Set):
            raise self.refuse(mend)
        try:
            choices = [ast.literal_eval(item) for item in right.elts]
        except ValueError:
            raise self.refuse(mend) from None
        if not all(isinstance(item, str | int | float | None) for item in choices):
            raise self.refuse(mend)
        if (name := dotted_name(left)) is not None:
            self.literals += [(name, choice) for choice in choices]
        value = self.number(left)

        def member(scope: _Scope) -> Any:
            column = value(scope)
            found = np.zeros(np.shape(column), dtype=bool)
            for choice in choices:
                found |= column == choice
            return ~found if negate else found

        return member


@dataclass(frozen=True)
class Expression:
    """A parsed text over named columns.

    Parameters
    ----------
    text
        For example ``"tile_m * stages <= 512 and dtype in ('fp16', 'int8')"``.

    Attributes
    ----------
    names
        The columns it reads, in order of first appearance.
    is_condition
        Whether it yields truth values (a comparison) rather than numbers.
    literals
        Pairs of a column and a constant that it is compared with; spaces check them for typing errors.
    tree
        The checked syntax tree.

    Raises
    ------
    ExpressionError
        If the text is not an arithmetic or logical expression of the white list.

    Notes
    -----
    Division by zero is that of IEEE 754, also for integers: ``x / 0`` and ``x // 0`` are infinite;
    ``0 / 0``, ``0 // 0`` and ``x % 0`` are NaN, with which every comparison but ``!=`` is false. Powers, and
    integers beyond 64 bits, are computed in floating point (exact up to 2**53).
    """

    text: str
    names: tuple[str, ...] = field(init=False)
    is_condition: bool = field(init=False)
    literals: tuple[tuple[str, Any], ...] = field(init=False, repr=False)
    tree: ast.expr = field(init=False, repr=False, compare=False)
    _run: _Node = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.text, str) or not self.text.strip():
            raise ExpressionError(f"an expression must be non-empty text, not {self.text!r}")
        if len(self.text) > MAX_LENGTH:
            raise ExpressionError(f"an expression of {len(self.text)} characters is longer than {MAX_LENGTH}")
        compiler = _Compiler(self.text)
        try:
            tree = ast.parse(self.text.strip(), mode="eval").body
            run, is_condition = compiler.compile(tree)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            if isinstance(error, ExpressionError):
                raise
            reason = error.msg if isinstance(error, SyntaxError) else str(error) or type(error).__name__
            raise ExpressionError(f"{_shown(self.text)} cannot be parsed: {reason}") from None
        for key, value in (
            ("names", tuple(compiler.names)),
            ("is_condition", is_condition),
            ("literals", tuple(compiler.literals)),
            ("tree", tree),
            ("_run", run),
        ):
            object.__setattr__(self, key, value)

    def __reduce__(self) -> tuple[type[Expression], tuple[str]]:
        return Expression, (self.text,)

    @property
    def canonical(self) -> str:
        """The text with normalised spacing and brackets, for fingerprints."""
        return ast.unparse(self.tree)

    def evaluate(
        self, columns: Columns, inactive: Mapping[str, NDArray[np.bool_]] | None = None
    ) -> Array | float | bool:
        """Evaluate over columns.

        Parameters
        ----------
        columns
            Arrays of shape (n,) by name; at least those in `names`.
        inactive
            Masks (n,) of the designs in which a parameter is not active. A comparison that reads
            such a parameter is false there.

        Returns
        -------
        array (n,), or a scalar if no column is read.

        Raises
        ------
        ExpressionError
            If the operations do not fit the types of the columns (text times number, say).
        """
        try:
            with np.errstate(all="ignore"):
                return self._run(_Scope(columns, inactive or {}))  # type: ignore[no-any-return]
        except (TypeError, ValueError, ArithmeticError) as error:
            raise ExpressionError(f"{_shown(self.text)} cannot be evaluated: {error}") from error

    def prefixed(self, prefix: str) -> Expression:
        """Return the same expression over columns named ``prefix.name``."""
        return Expression(ast.unparse(_Prefixer(prefix).visit(ast.parse(self.canonical, mode="eval").body)))


class _Prefixer(ast.NodeTransformer):
    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    def _rename(self, node: ast.expr) -> ast.expr:
        return ast.parse(f"{self.prefix}.{dotted_name(node)}", mode="eval").body

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._rename(node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        return self._rename(node)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        node.args = [self.visit(argument) for argument in node.args]
        return node


def constant(expression: Expression) -> float | None:
    """Return the value of an expression that reads no column, else None."""
    if expression.names or expression.is_condition:
        return None
    value = float(np.asarray(expression.evaluate({})))
    return value if math.isfinite(value) else None
