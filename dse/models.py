"""The cost-model protocol, and adapters that make a function a cost model."""

from __future__ import annotations

import ast
import inspect
import textwrap
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, overload, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dse.designs import Designs
from dse.errors import ProblemError, SpaceError
from dse.space.constraints import code_hash
from dse.space.parameters import check_name

MAX_ISOLATING_CALLS = 256


@dataclass(frozen=True)
class Outcome:
    """What a cost model found for n designs, where some of them may have failed.

    Attributes
    ----------
    metrics
        Arrays (n,) by metric name; values of failed designs do not matter.
    errors
        The reason, by position, for each design that failed.
    timeouts
        Positions of designs that ran out of time; they need no entry in `errors`.
    seconds
        The time spent on each design (n,), where it is known.
    """

    metrics: Mapping[str, ArrayLike]
    errors: Mapping[int, str] = field(default_factory=dict)
    timeouts: frozenset[int] = frozenset()
    seconds: NDArray[np.float64] | None = None


@runtime_checkable
class CostModel(Protocol):
    """Anything with these attributes is a cost model; `cost_model` makes one of a function.

    Attributes
    ----------
    name, version
        Part of a problem's fingerprint: change the version when results change.
    settings
        JSON values that results depend on; part of the fingerprint.
    metrics
        Unit by metric name.
    columns
        The parameters that it reads; `Problem` checks that the space has them.

    Notes
    -----
    A model that evaluates designs in parallel may have an attribute `workers`, how many at a time: it is
    then handed at least as many, where results are stored a few at a time because each takes seconds.
    """

    # Properties, so that frozen classes fit as well.
    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def settings(self) -> Mapping[str, Any]: ...
    @property
    def metrics(self) -> Mapping[str, str]: ...
    @property
    def columns(self) -> tuple[str, ...]: ...

    def evaluate(self, designs: Designs) -> Mapping[str, ArrayLike] | Outcome:
        """Return arrays (n,) by metric name, or an `Outcome` where single designs can fail."""
        ...


@dataclass(frozen=True)
class FunctionModel:
    """A function as a cost model; made by `cost_model`.

    Calling it calls the function.
    """

    function: Callable[[Any], Mapping[str, Any]]
    metrics: Mapping[str, str]
    name: str
    version: str
    settings: Mapping[str, Any]
    columns: tuple[str, ...]
    per_design: bool = False

    def __call__(self, designs: Any) -> Mapping[str, Any]:
        return self.function(designs)

    def evaluate(self, designs: Designs) -> Mapping[str, ArrayLike] | Outcome:
        """Evaluate a batch; a per-design function is called once for every design."""
        if not self.per_design:
            return self.function(designs)
        values = {name: np.full(len(designs), np.nan) for name in self.metrics}
        errors: dict[int, str] = {}
        seconds = np.zeros(len(designs))
        for row, design in enumerate(designs.rows()):
            started = time.perf_counter()
            try:
                result = self.function(design)
                _check_keys(result, self.metrics)
                for name in self.metrics:
                    values[name][row] = float(result[name])
            except Exception as error:
                errors[row] = describe(error)
            seconds[row] = time.perf_counter() - started
        return Outcome(values, errors, seconds=seconds)


@overload
def cost_model(
    function: None = None,
    *,
    metrics: Mapping[str, str],
    columns: Sequence[str] | None = None,
    per_design: bool = False,
    name: str | None = None,
    version: str | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Callable[[Callable[[Any], Mapping[str, Any]]], FunctionModel]: ...
@overload
def cost_model(
    function: Callable[[Any], Mapping[str, Any]],
    *,
    metrics: Mapping[str, str],
    columns: Sequence[str] | None = None,
    per_design: bool = False,
    name: str | None = None,
    version: str | None = None,
    settings: Mapping[str, Any] | None = None,
) -> FunctionModel: ...
def cost_model(
    function: Callable[[Any], Mapping[str, Any]] | None = None,
    *,
    metrics: Mapping[str, str],
    columns: Sequence[str] | None = None,
    per_design: bool = False,
    name: str | None = None,
    version: str | None = None,
    settings: Mapping[str, Any] | None = None,
) -> FunctionModel | Callable[[Callable[[Any], Mapping[str, Any]]], FunctionModel]:
    """Make a function a cost model; use it as a decorator or call it.

    Parameters
    ----------
    function
        Takes designs (``d["tile_m"]`` is an array (n,)) and returns an array (n,) a metric.
    metrics
        Unit by metric name, as in ``{"latency_ms": "ms"}``; "" for a bare number.
    columns
        The parameters that it reads. By default those that its source is seen to read.
    per_design
        The function takes one design as a dictionary and returns a number a metric. An exception
        then fails that design alone.
    name
        The function's name by default.
    version
        Part of the fingerprint: a stored study does not mix results of two versions. By default a hash
        of the function's own code, so that a change of code is noticed; state a version where the
        function calls code that may change, or when a change does not alter results.
    settings
        JSON values that results depend on.

    Raises
    ------
    ProblemError
        If a metric's name or unit, or the settings, are not usable.

    Examples
    --------
    >>> from dse import cost_model
    >>> @cost_model(metrics={"latency_ms": "ms"})
    ... def model(d):
    ...     return {"latency_ms": 1e3 / d["tile_m"]}
    """

    def wrap(function: Callable[[Any], Mapping[str, Any]]) -> FunctionModel:
        if not callable(function):
            raise ProblemError(f"a cost model must be a function, not {function!r}")
        return FunctionModel(
            function=function,
            metrics=check_metrics(metrics),
            name=name or str(getattr(function, "__name__", type(function).__name__)),
            version=version if version is not None else f"code:{code_hash(function)}",
            settings=dict(settings or {}),
            columns=tuple(columns) if columns is not None else columns_read(function),
            per_design=per_design,
        )

    return wrap if function is None else wrap(function)


@dataclass(frozen=True)
class Renamed:
    """A cost model with some of its metrics, under other names; made by `renamed`."""

    model: CostModel
    names: Mapping[str, str]

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
        """The model's, and the names."""
        return {**self.model.settings, "renamed": dict(self.names)}

    @property
    def columns(self) -> tuple[str, ...]:
        """The model's."""
        return self.model.columns

    @property
    def metrics(self) -> Mapping[str, str]:
        """Units by new name."""
        return {new: self.model.metrics[old] for old, new in self.names.items()}

    def evaluate(self, designs: Designs) -> Outcome:
        """Evaluate by the model."""
        result = self.model.evaluate(designs)
        outcome = result if isinstance(result, Outcome) else Outcome(result)
        return replace(outcome, metrics={new: outcome.metrics[old] for old, new in self.names.items()})


def renamed(model: CostModel, names: Mapping[str, str]) -> Renamed:
    """Return a cost model that has the metrics of `model` named in `names`, under their new names.

    Parameters
    ----------
    model
        Any cost model.
    names
        New name by old, as in ``{"time_ms": "time"}``: the prior of a table whose column is ``time``.

    Raises
    ------
    ProblemError
        If the model has no such metric.
    """
    for old in names:
        if old not in model.metrics:
            raise ProblemError(
                f"the model {model.name!r} has no metric {old!r}; it has {', '.join(model.metrics)}"
            )
    return Renamed(model, dict(names))


def check_metrics(metrics: Mapping[str, str]) -> dict[str, str]:
    """Return metrics as a dictionary of unit by name; raise `ProblemError` if they are none."""
    if not isinstance(metrics, Mapping) or not metrics:
        raise ProblemError(f"metrics must name units, as in metrics={{'latency_ms': 'ms'}}, not {metrics!r}")
    for name, unit in metrics.items():
        try:
            check_name(name, "metric")
        except SpaceError as error:
            raise ProblemError(str(error)) from None
        if not isinstance(unit, str):
            raise ProblemError(f"the unit of metric {name!r} must be text ('' for none), not {unit!r}")
    return dict(metrics)


def columns_read(function: Callable[..., Any]) -> tuple[str, ...]:
    """Return the constant keys that a function's source reads from its first argument, as far as seen."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(function)))).body[0]
    except (OSError, TypeError, SyntaxError, IndexError):
        return ()
    if not isinstance(tree, ast.FunctionDef) or tree.name != getattr(function, "__name__", tree.name):
        return ()
    if not (tree.args.posonlyargs + tree.args.args):
        return ()
    argument = (tree.args.posonlyargs + tree.args.args)[0].arg
    read: dict[str, None] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == argument and isinstance(node.ctx, ast.Store):
            return ()  # the name is bound anew: what is read from it may be something else
        match node:
            case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=str() as key)) if (
                name == argument
            ):
                read[key] = None
    return tuple(read)


def describe(error: BaseException) -> str:
    """Return an exception as one line of text, whatever its own text does."""
    try:
        text = " ".join(str(error).split())
    except Exception:
        text = "(its message cannot be shown)"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _check_keys(result: Any, metrics: Mapping[str, str]) -> None:
    if not isinstance(result, Mapping):
        raise TypeError(f"the model returned {type(result).__name__}: return a mapping of metric to values")
    missing = [name for name in metrics if name not in result]
    if missing:
        raise ValueError(
            f"the model returned no {missing[0]!r}, only {', '.join(map(repr, result)) or 'nothing'}"
        )
    extra = [name for name in result if name not in metrics]
    if extra:
        raise ValueError(f"the model returned {extra[0]!r}, which its metrics do not declare")


def run_model(model: CostModel, designs: Designs) -> Outcome:
    """Evaluate designs so that no design, and no bad output, stops the caller.

    An exception from a batch is narrowed down by halving it, in at most a few hundred calls. Output of
    the wrong form fails its whole batch: halved, it might fit by accident.

    Returns
    -------
    An `Outcome` with a float64 array (n,) for every metric of the model, NaN where failed, and a
    reason for every failed design: an exception, a missing or undeclared metric, a wrong shape, or a
    value that is not finite.
    """
    n = len(designs)
    values = {name: np.full(n, np.nan) for name in model.metrics}
    errors: dict[int, str] = {}
    timeouts: set[int] = set()
    seconds = np.zeros(n)
    calls = 0
    pending = [(0, n)] if n else []
    while pending:
        start, stop = pending.pop()
        part = designs if (start, stop) == (0, n) else designs.take(slice(start, stop))
        calls += 1
        began = time.perf_counter()
        try:
            with np.errstate(all="ignore"):  # what is not finite is reported as a failed design
                result = model.evaluate(part)
            try:
                outcome = _checked(model, part, result)
            except Exception as error:
                outcome = Outcome({}, dict.fromkeys(range(stop - start), describe(error)))
        except Exception as error:
            spent = (time.perf_counter() - began) / (stop - start)
            if stop - start == 1 or calls >= MAX_ISOLATING_CALLS:
                note = (
                    ""
                    if stop - start == 1
                    else f" (in a batch of {stop - start} that was not divided further)"
                )
                errors |= dict.fromkeys(range(start, stop), describe(error) + note)
                seconds[start:stop] += spent
            else:
                middle = (start + stop) // 2
                pending += [(middle, stop), (start, middle)]
            continue
        spent = (time.perf_counter() - began) / (stop - start)
        seconds[start:stop] += spent if outcome.seconds is None else outcome.seconds
        for name, column in outcome.metrics.items():
            values[name][start:stop] = column
        errors |= {start + row: reason for row, reason in outcome.errors.items()}
        timeouts |= {start + row for row in outcome.timeouts}
    failed = sorted(errors.keys() | timeouts)
    for name, column in values.items():
        column[failed] = np.nan
        for row in np.flatnonzero(~np.isfinite(column)).tolist():
            if row not in errors and row not in timeouts:
                errors[row] = f"the model returned {column[row]} for {name!r}"
    bad = sorted(errors.keys() | timeouts)
    for column in values.values():
        column[bad] = np.nan
    return Outcome(values, errors, frozenset(timeouts), seconds)


def _checked(model: CostModel, designs: Designs, result: Any) -> Outcome:
    outcome = result if isinstance(result, Outcome) else Outcome(result)
    _check_keys(outcome.metrics, model.metrics)
    values: dict[str, NDArray[np.float64]] = {}
    for name in model.metrics:
        column = np.asarray(outcome.metrics[name])
        if column.dtype.kind == "O" and not any(isinstance(item, str) for item in column.flat):
            with suppress(TypeError, ValueError):
                column = column.astype(float)  # None becomes NaN: that design alone has failed
        if column.dtype.kind not in "biuf":
            raise TypeError(f"the model returned {column.dtype} values for {name!r}: return numbers")
        if column.shape not in ((), (len(designs),)):
            raise ValueError(
                f"the model returned shape {column.shape} for {name!r}: ({len(designs)},) is needed"
            )
        values[name] = np.broadcast_to(column.astype(np.float64), (len(designs),))
    rows = range(len(designs))
    outside = [row for row in (*outcome.errors, *outcome.timeouts) if row not in rows]
    if outside:
        raise ValueError(f"the outcome names design {outside[0]!r} of {len(designs)}: count from 0")
    seconds = outcome.seconds
    if seconds is not None and np.shape(seconds) != (len(designs),):
        raise ValueError(f"the outcome's seconds have shape {np.shape(seconds)}: ({len(designs)},) is needed")
    errors = {int(row): str(reason) for row, reason in outcome.errors.items()}
    return Outcome(values, errors, frozenset(map(int, outcome.timeouts)), seconds)
