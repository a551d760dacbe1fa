"""Data frames of measurements, a row a design, as tables."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dse.errors import ProblemError
from dse.interop.names import identifiers
from dse.table import Table

if TYPE_CHECKING:
    from dse.problem import Objective

AGGREGATES = ("mean", "median", "min", "max", "first")

ERROR = "error"
# Columns of our own frames that are neither parameters nor metrics.
_BESIDE = ("number", "state", ERROR)
# Pairs of what occurs and a next value that are tried when the space is walked: half a minute.
_MOST_STEPS = 1 << 25
# So many rows, of which so many have values of their own, are needed to suspect a measurement.
_MANY_ROWS, _OWN_VALUES = 10, 0.5


def frame_table(
    frame: pd.DataFrame,
    objectives: Sequence[Objective],
    limits: Iterable[str],
    *,
    parameters: Iterable[str] | None,
    metrics: Iterable[str] | None,
    aggregate: str | None,
    units: Mapping[str, str] | None,
    name: str,
) -> tuple[Table, dict[str, str]]:
    """Return a frame as a table, and the names there by column; see `dse.Problem.from_frame`."""
    from dse.problem import Limit

    if not isinstance(frame, pd.DataFrame):
        raise ProblemError(f"{name}: a data frame is needed, not {type(frame).__name__}")
    if any(label is not None for label in frame.index.names):
        kept = [label for label in frame.index.names if label is not None]
        frame = frame.reset_index(kept) if len(kept) < frame.index.nlevels else frame.reset_index()
    frame = frame.rename(columns=str)
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise ProblemError(f"{name} has two columns {twice[0]!r}: rename one")
    if not len(frame):
        raise ProblemError(f"{name} has no row")
    names = identifiers([column for column in frame.columns if column not in _BESIDE])
    columns = {name: column for column, name in names.items()}
    named = [goal.metric for goal in objectives]
    named += [metric for limit in limits for metric in Limit(limit).names]
    asked = list(dict.fromkeys(columns.get(metric, metric) for metric in named))
    chosen, wanted = _split(frame, list(names), asked, parameters, metrics, name)
    frame = frame.reset_index(drop=True)
    values = {column: pd.to_numeric(frame[column], errors="coerce").astype(float) for column in wanted}
    measured = pd.DataFrame(values).replace([np.inf, -np.inf], np.nan)
    needed = [column for column in wanted if column in asked or column in (metrics or ())]
    errors = _errors(frame, measured[needed], names)
    measured[errors.notna().to_numpy()] = np.nan
    # What nobody asked for must not make a row fail.
    wanted = [
        column
        for column in wanted
        if column in needed or not measured[column][errors.isna().to_numpy()].isna().any()
    ]
    measured = measured[wanted]
    design = pd.DataFrame({column: _plain(frame[column]) for column in chosen}, dtype=object)
    repeated = pd.Series(_keys(design)).duplicated().to_numpy()
    if repeated.any():
        design, measured, errors = _aggregated(design, measured, errors, aggregate, repeated, name)
    if parameters is None and metrics is None:
        _suspect(design, name)
    table = Table(
        name,
        {names[column]: _array(design[column].tolist()) for column in chosen},
        {names[column]: measured[column].to_numpy(float) for column in wanted},
        {names.get(metric, metric): unit for metric, unit in (units or {}).items()},
        {place: text for place, text in enumerate(errors.tolist()) if isinstance(text, str)},
        domains={names[column]: order for column in chosen if (order := _order(frame[column]))},
    )
    _check_width(table)
    return table, names


def _split(
    frame: pd.DataFrame,
    known: Sequence[str],
    asked: Sequence[str],
    parameters: Iterable[str] | None,
    metrics: Iterable[str] | None,
    name: str,
) -> tuple[list[str], list[str]]:
    """Return which columns are parameters, and which are metrics."""
    for label, given in (("parameters", parameters), ("metrics", metrics)):
        if isinstance(given, str):
            raise ProblemError(f"{name}: {label} must be a list: write {label}=[{given!r}]")
    chosen = None if parameters is None else list(dict.fromkeys(parameters))
    wanted = list(dict.fromkeys([*asked, *(metrics or ())]))
    for column in (*(chosen or ()), *wanted):
        if column not in known:
            raise ProblemError(f"{name} has no column {column!r}; it has {', '.join(known)}")
    if chosen is None:
        chosen = [column for column in known if column not in wanted]
    elif metrics is None:
        wanted += [
            column
            for column in known
            if column not in chosen and column not in wanted and _is_measured(frame[column])
        ]
    both = [column for column in chosen if column in wanted]
    if both:
        raise ProblemError(f"{name}: column {both[0]!r} is a parameter and a metric: leave it out of one")
    if not chosen:
        raise ProblemError(f"{name} has no column left to be a parameter; it has {', '.join(known)}")
    return chosen, wanted


def _is_measured(column: pd.Series[Any]) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _plain(column: pd.Series[Any]) -> list[Any]:
    """Return values that a parameter can have: numbers, text, truth values, None where there is none."""
    return [
        None if value is None or value is pd.NA or value is pd.NaT or value != value else _scalar(value)
        for value in column.tolist()
    ]


def _scalar(value: Any) -> Any:
    found = value.item() if isinstance(value, np.generic) else value
    return found if isinstance(found, str | int | float | bool) else str(found)


def _array(values: list[Any]) -> Any:
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return np.array(values)
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def _order(column: pd.Series[Any]) -> list[Any]:
    """Return the values that occur, in the order of a categorical column; nothing for other columns."""
    if not isinstance(column.dtype, pd.CategoricalDtype):
        return []
    found = [_scalar(value) for value in column.cat.categories[np.unique(column.cat.codes[column.notna()])]]
    return [*found, None] if column.isna().any() else found


def _errors(frame: pd.DataFrame, measured: pd.DataFrame, names: Mapping[str, str]) -> pd.Series[Any]:
    """Return why rows failed; None where they did not."""
    stated = frame[ERROR].tolist() if ERROR in frame else [None] * len(frame)
    holes = measured.isna()
    return pd.Series(
        [
            text
            if isinstance(text, str) and text
            else f"no number for {names[measured.columns[int(np.argmax(lacks))]]}"
            if lacks.any()
            else None
            for text, lacks in zip(stated, holes.to_numpy(), strict=True)
        ],
        dtype=object,
    )


def _aggregated(
    design: pd.DataFrame,
    measured: pd.DataFrame,
    errors: pd.Series[Any],
    aggregate: str | None,
    repeated: Any,
    name: str,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.Series[Any]]:
    """Return each design once; it has failed where all its rows did."""
    if aggregate is None:
        row = int(np.argmax(repeated))
        first = int(np.argmax(_keys(design) == _keys(design)[row]))
        shown = ", ".join(f"{column}={design.iloc[row][column]!r}" for column in design.columns)
        raise ProblemError(
            f"{name}: {int(repeated.sum())} rows repeat a design, as row {row} does row {first} ({shown}): "
            f"say what becomes of them, aggregate='median' ({', '.join(AGGREGATES)}), or name the parameters"
        )
    if aggregate not in AGGREGATES:
        raise ProblemError(f"aggregate={aggregate!r} is unknown; known are {', '.join(AGGREGATES)}")
    keys = pd.Series(_keys(design))
    where = keys.drop_duplicates().index
    merged = measured.groupby(keys, sort=False).agg(aggregate).reset_index(drop=True)
    failed = errors.notna().groupby(keys, sort=False).all().reset_index(drop=True)
    texts = errors.iloc[where].reset_index(drop=True).where(failed, None)
    return design.iloc[where].reset_index(drop=True), merged, texts.astype(object)


def _keys(design: pd.DataFrame) -> Any:
    """Return a number (n,) for each row, the same for the same design."""
    return pd.factorize(pd.MultiIndex.from_frame(design.map(repr)))[0]


def _suspect(design: pd.DataFrame, name: str) -> None:
    """Warn of parameters that look measured: fractions, nearly all unlike, where others tell rows apart."""
    if len(design) < _MANY_ROWS:
        return
    found = []
    for column in design.columns:
        values = design[column].tolist()
        fractions = all(isinstance(value, int | float) for value in values) and any(
            isinstance(value, float) and not value.is_integer() for value in values
        )
        if fractions and len(set(values)) > _OWN_VALUES * len(values):
            found.append(column)
    others = design.drop(columns=found)
    if found and others.shape[1] and not pd.Series(_keys(others)).duplicated().any():
        warnings.warn(
            f"{name}: {', '.join(map(repr, found))} taken for parameters, though they look measured: name "
            f"parameters=[...], or metrics={found}",
            stacklevel=4,
        )


def _check_width(table: Table) -> None:
    """Raise `ProblemError` where a space along the rows would be too wide to be walked."""
    before = 1
    for (column, values), known in zip(table.values.items(), table.reached, strict=True):
        if before * len(values) > _MOST_STEPS:
            raise ProblemError(
                f"{table.name}: column {column!r} has {len(values):,} values in {len(table):,} rows, too "
                "many to be walked: round it (frame.round), or cut it into bins (pandas.cut)"
            )
        before = known
