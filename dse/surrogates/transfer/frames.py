"""Designs of a data frame whose space nobody stated."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import TYPE_CHECKING

from dse.designs import Designs
from dse.errors import SurrogateError
from dse.scales import suits_logarithm
from dse.space import Categorical, Ordinal, Parameter, Real, Space

if TYPE_CHECKING:
    import pandas as pd

# Numbers of more values than these are taken for real.
MOST_VALUES = 64


def designs_from_frame(frame: pd.DataFrame, *, categorical: Collection[str] = ()) -> Designs:
    """Return the rows of a frame as designs of the smallest space that holds them.

    Parameters
    ----------
    frame
        A row a design and a column a parameter. Text and truth values are categorical; numbers are ordered,
        and real where there are more than 64 of them (by logarithm where that spreads them more evenly).
    categorical
        Columns of numbers that only name something: 0 for none, 1 for a convolution.

    Returns
    -------
    Designs whose parameters are called as the columns, with underscores for what cannot stand in a name.

    Raises
    ------
    SurrogateError
        If there is no column or row, a cell is empty, two columns get one name, or `categorical` names none.
    """
    unknown = [name for name in categorical if name not in frame.columns]
    if unknown:
        raise SurrogateError(
            f"{unknown[0]!r} is called categorical, but is none of {', '.join(map(str, frame.columns))}"
        )
    if not len(frame) or not len(frame.columns):
        raise SurrogateError("a table of designs needs at least one row and one parameter")
    columns: dict[str, pd.Series] = {}
    parameters = []
    for label in frame.columns:
        name = parameter_name(str(label))
        if name in columns:
            raise SurrogateError(f"two columns would be called {name!r}: rename one")
        columns[name] = frame[label]
        parameters.append(_parameter(name, frame[label], label in categorical))
    space = Space(parameters)
    return Designs.from_columns(space, {name: column.tolist() for name, column in columns.items()})


def parameter_name(label: str) -> str:
    """Return a column's label as the name of a parameter."""
    clean = re.sub(r"[^\w.]", "_", label, flags=re.ASCII)
    return (
        clean
        if re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", clean, re.ASCII)
        else f"_{clean}".replace(".", "_")
    )


def _parameter(name: str, column: pd.Series, categorical: bool) -> Parameter:
    import pandas as pd

    if column.isna().any():
        row = int(column.isna().to_numpy().argmax())
        raise SurrogateError(f"row {row} has no value for {name!r}: fill it in, or leave the column out")
    values = list(dict.fromkeys(column.tolist()))
    if categorical or not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        return Categorical(name, values)
    if len(values) <= MOST_VALUES:
        return Ordinal(name, sorted(values))
    numbers = column.to_numpy(float)
    return Real(name, float(numbers.min()), float(numbers.max()), log=suits_logarithm(numbers))
