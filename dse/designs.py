"""`Designs`: a batch of designs, columnar."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dse.errors import DesignError

if TYPE_CHECKING:
    import pandas as pd

    from dse.space import Space

Array = NDArray[Any]


class Designs:
    """A batch of n designs of one space.

    ``designs["lut.group_size"]`` is the column of values, a read-only array (n,).

    Parameters
    ----------
    space
        The space of the designs.
    codes
        The encoded form, a matrix (n, parameters): whole numbers for discrete parameters, the
        values of reals. Taken as it is: use `from_columns` for values from outside.
    """

    __slots__ = ("_columns", "codes", "space")

    def __init__(self, space: Space, codes: Array) -> None:
        if codes.ndim != 2 or codes.shape[1] != len(space.names):
            raise DesignError(f"codes have shape {codes.shape}: (n, {len(space.names)}) is needed")
        self.space = space
        self.codes = codes.astype(space.code_dtype, copy=False)
        self._columns: dict[str, Array] = {}

    @classmethod
    def from_columns(cls, space: Space, columns: Mapping[str, ArrayLike]) -> Designs:
        """Encode values given by column.

        Parameters
        ----------
        space
            The space that the values belong to.
        columns
            One array (n,) for every parameter. A parameter that is not active takes its canonical
            value, whatever is given. Constraints are not checked: ask `Space.contains`.

        Raises
        ------
        DesignError
            If a column is missing, unknown or of another length, or a value is outside its domain.
        """
        missing = [name for name in space.names if name not in columns]
        if missing:
            raise DesignError(f"column {missing[0]!r} is missing; the space has {', '.join(space.names)}")
        unknown = [name for name in columns if name not in space.names]
        if unknown:
            raise DesignError(
                f"column {unknown[0]!r} is not in the space, which has {', '.join(space.names)}"
            )
        encoded = {}
        for parameter in space.parameters:
            encoded[parameter.name] = parameter.encode(_values(parameter.name, columns[parameter.name]))
        lengths = {name: len(column) for name, column in encoded.items()}
        if len(set(lengths.values())) > 1:
            raise DesignError(f"columns differ in length: {lengths}")
        codes = np.column_stack([encoded[name] for name in space.names]).astype(space.code_dtype)
        return cls(space, space.canonical(codes))

    @classmethod
    def from_frame(cls, space: Space, frame: pd.DataFrame) -> Designs:
        """Encode the rows of a data frame; columns beside the parameters are left out."""
        return cls.from_columns(space, {name: frame[name].tolist() for name in space.names if name in frame})

    @classmethod
    def from_rows(cls, space: Space, rows: Sequence[Mapping[str, Any]]) -> Designs:
        """Encode designs given one by one as mappings of parameter to value."""
        for index, row in enumerate(rows):
            missing = [name for name in space.names if name not in row]
            if missing:
                raise DesignError(f"design {index}: parameter {missing[0]!r} is missing")
            unknown = [name for name in row if name not in space.names]
            if unknown:
                raise DesignError(f"design {index}: {unknown[0]!r} is not a parameter of the space")
        return cls.from_columns(space, {name: [row[name] for row in rows] for name in space.names})

    @classmethod
    def concat(cls, batches: Sequence[Designs]) -> Designs:
        """Join batches of one space, at least one."""
        return cls(batches[0].space, np.concatenate([batch.codes for batch in batches]))

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters, in the order of the space."""
        return self.space.names

    @property
    def active(self) -> NDArray[np.bool_]:
        """Mask (n, parameters): where a parameter is active."""
        return ~self.space.inactive(self.codes)

    def __len__(self) -> int:
        return len(self.codes)

    def __contains__(self, name: object) -> bool:
        return name in self.space.positions

    def __getitem__(self, name: str) -> Array:
        column = self._columns.get(name)
        if column is None:
            position = self.space.position(name)
            column = self.space.parameters[position].decode(self.codes[:, position])
            column.flags.writeable = False  # the column of a real is a view of the codes
            self._columns[name] = column
        return column

    def keys(self) -> tuple[str, ...]:
        """Return the column names."""
        return self.names

    def take(self, which: ArrayLike | slice) -> Designs:
        """Return the designs at the given positions, mask or slice."""
        return Designs(self.space, self.codes[which if isinstance(which, slice) else as_index(which)])

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield each design as a dictionary of plain Python values."""
        columns = [self[name].tolist() for name in self.names]
        for values in zip(*columns, strict=True):
            yield dict(zip(self.names, values, strict=True))

    def to_frame(self) -> pd.DataFrame:
        """Return the values as a data frame, a column a parameter."""
        import pandas as pd

        return pd.DataFrame(self.series())

    def series(self) -> dict[str, Any]:
        """Return the values as columns of a data frame, in which None stays None."""
        import pandas as pd

        return {
            name: pd.Series(self[name], dtype=object) if self[name].dtype == object else self[name]
            for name in self.names
        }

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Designs):
            return NotImplemented
        return self.names == other.names and np.array_equal(self.codes, other.codes)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = [
            ", ".join(f"{name}={value!r}" for name, value in row.items())
            for row in self.take(slice(3)).rows()
        ]
        more = ["..."] if len(self) > 3 else []
        return f"<{len(self)} designs: " + "; ".join(shown + more) + ">"


def as_index(which: ArrayLike) -> NDArray[Any]:
    """Return positions or a mask as an array that selects; an empty list selects nothing."""
    index = np.asarray(which)
    return index if index.size else index.astype(np.intp if index.dtype != bool else bool)


def _values(name: str, column: ArrayLike) -> Any:
    # np.asarray would turn [1, "a"] into text and 2**60 + 0.5 into a float: leave lists alone.
    if isinstance(column, np.ndarray):
        if column.ndim != 1:
            raise DesignError(f"column {name!r} has shape {column.shape}: (n,) is needed")
        return column
    if isinstance(column, str) or not isinstance(column, Iterable):
        raise DesignError(f"column {name!r} is {column!r}: give a list or an array of values")
    return list(column)
