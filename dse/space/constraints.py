"""Known, cheap predicates over columns: what is not in the space."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.errors import ExpressionError, SpaceError
from dse.expressions import Array, Columns, Expression

Predicate = Callable[[Columns], Any]


@dataclass(frozen=True)
class Constraint:
    """A predicate that every design of the space satisfies.

    Parameters
    ----------
    rule
        A text such as ``"tile_m * stages <= 512"``, or a vectorised callable that takes columns
        (``d["tile_m"]`` is an array (n,)) and returns booleans (n,).
    columns
        The columns that a callable reads. By default they are observed when the space is built; a
        callable whose reads depend on the values must name them. Not used for a text.
    name
        Shown in messages; the text, or the callable's name, by default.

    Raises
    ------
    SpaceError
        If the rule is neither, or the text is not a comparison.
    """

    rule: str | Predicate
    columns: tuple[str, ...] = ()
    name: str = ""

    def __post_init__(self) -> None:
        if isinstance(self.rule, str):
            expression = Expression(self.rule)
            if not expression.is_condition:
                raise SpaceError(f"constraint {self.rule!r} is not a comparison: write 'a * b <= 512'")
            object.__setattr__(self, "_expression", expression)
            object.__setattr__(self, "columns", expression.names)
        elif callable(self.rule):
            object.__setattr__(self, "_expression", None)
            object.__setattr__(self, "columns", tuple(self.columns))
        else:
            raise SpaceError(f"constraint {self.rule!r} is neither text nor a callable over columns")
        if not self.name:
            label = self.rule if isinstance(self.rule, str) else getattr(self.rule, "__name__", "constraint")
            object.__setattr__(self, "name", label)

    @property
    def expression(self) -> Expression | None:
        """The parsed text, None for a callable."""
        expression: Expression | None = self.__dict__["_expression"]
        return expression

    def holds(self, columns: Columns, n: int | tuple[int, ...]) -> NDArray[np.bool_]:
        """Return the mask (n,) of the designs that satisfy the constraint.

        Parameters
        ----------
        columns
            At least those that it reads.
        n
            The number of designs. For a text it may be a shape, to which the columns broadcast.

        Raises
        ------
        SpaceError
            If it cannot be evaluated, or does not return n truth values.
        """
        try:
            if self.expression is not None:
                result = self.expression.evaluate(columns)
            else:
                assert callable(self.rule)
                result = self.rule(columns)
        except ExpressionError:
            raise
        except KeyError as error:
            raise SpaceError(
                f"constraint {self.name!r} reads column {error.args[0]!r} beside {sorted(self.columns)}: "
                "name all of them in Constraint(function, columns=[...])"
            ) from None
        except Exception as error:
            raise SpaceError(f"constraint {self.name!r} failed: {type(error).__name__}: {error}") from error
        mask = np.asarray(result)
        if mask.dtype != bool:
            raise SpaceError(f"constraint {self.name!r} returned {mask.dtype} values: return truth values")
        shape = n if isinstance(n, tuple) else (n,)
        if self.expression is None and mask.shape not in ((), shape):
            raise SpaceError(f"constraint {self.name!r} returned shape {mask.shape} for {n} designs")
        return np.broadcast_to(mask, shape)

    def prefixed(self, prefix: str) -> Constraint:
        """Return the same constraint over columns named ``prefix.name``."""
        if self.expression is not None:
            renamed = self.expression.prefixed(prefix).text
            return Constraint(renamed, name="" if self.name == self.rule else f"{prefix}.{self.name}")
        assert callable(self.rule)
        return Constraint(
            _Prefixed(self.rule, prefix),
            columns=tuple(f"{prefix}.{column}" for column in self.columns),
            name=f"{prefix}.{self.name}",
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form: the text, or the name and a hash of the code of a callable."""
        if self.expression is not None:
            return {"expression": self.expression.canonical}
        return {"callable": self.name, "columns": list(self.columns), "code": code_hash(self.rule)}


@dataclass(frozen=True)
class _Prefixed:
    """A callable of a part, run over the columns of the whole."""

    function: Predicate
    prefix: str

    def __call__(self, columns: Columns) -> Any:
        return self.function(_Stripped(columns, self.prefix))


class _Stripped:
    """The columns of a part, under their own names."""

    def __init__(self, columns: Columns, prefix: str) -> None:
        self._columns, self._prefix = columns, prefix

    def __getitem__(self, name: str) -> Array:
        return self._columns[f"{self._prefix}.{name}"]


class Recorder:
    """Columns that remember which of them were read."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self.read: dict[str, None] = {}

    def __getitem__(self, name: str) -> Array:
        column = self._columns[name]
        self.read[name] = None
        return column


def code_hash(function: Any) -> str:
    """Return a hash of what a callable does, blind to comments, docstrings and layout.

    Its source, parsed and printed anew, where that is at hand, else its byte code; and the plain
    values (numbers, text, None and tuples of them) that it closes over or is given in advance.
    Objects of other kinds, and functions that it calls, are not followed.
    """
    import ast
    import functools
    import textwrap

    while isinstance(function, _Prefixed):
        function = function.function
    function = inspect.unwrap(function)
    given: list[Any] = []
    while isinstance(function, functools.partial):
        given += [function.args, sorted(function.keywords.items())]
        function = function.func
    given += [getattr(function, "__defaults__", None), getattr(function, "__kwdefaults__", None)]
    given += [_cell(cell) for cell in getattr(function, "__closure__", None) or ()]
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
        name = getattr(function, "__name__", "<lambda>")
        if name != "<lambda>" and getattr(tree.body[0], "name", "") != name:
            raise OSError  # the text of something else: of a file, say, that was changed or has no name
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
                node.body = node.body[1:] or [ast.Pass()]
        body = ast.unparse(tree)  # unlike a dump of the tree, the same in all versions of Python
    except (OSError, TypeError, SyntaxError, IndexError):
        code = getattr(function, "__code__", None) or getattr(type(function).__call__, "__code__", None)
        if code is None:
            body = f"{type(function).__module__}.{type(function).__qualname__}"
        else:
            constants = [item for item in code.co_consts if not inspect.iscode(item)]
            body = repr((code.co_code, constants, code.co_names))
    values = repr([_plain(value) for value in given])
    return hashlib.sha256(f"{body}\n{values}".encode()).hexdigest()[:16]


def _cell(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not bound yet
        return None


def _plain(value: Any) -> Any:
    """Return a value whose text says what it is; the type's name for an object whose text may not."""
    if isinstance(value, str | int | float | bool | None):
        return value
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return [(_plain(key), _plain(item)) for key, item in value.items()]
    return type(value).__name__


def as_constraints(rules: Iterable[str | Predicate | Constraint]) -> tuple[Constraint, ...]:
    """Return `rules` as constraints; raise `SpaceError` for a bare string in place of a list."""
    if isinstance(rules, str) or not isinstance(rules, Iterable):
        raise SpaceError(f"constraints must be a list, not {rules!r}: write constraints=[{rules!r}]")
    return tuple(rule if isinstance(rule, Constraint) else Constraint(rule) for rule in rules)
