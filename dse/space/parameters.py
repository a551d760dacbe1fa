"""The kinds of parameter: `Categorical`, `Ordinal`, `Integer`, `Real`.

Each maps values to codes and back, exactly. Codes of discrete parameters are the integers
``0 .. cardinality - 1``; the code of a real is the value itself.
"""

from __future__ import annotations

import keyword
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from dse.errors import DesignError, SpaceError
from dse.expressions import Expression

Array = NDArray[Any]
Scalar = str | int | float | bool | None

_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)

MAX_CARDINALITY = 2**53  # codes stay exact in a matrix that also holds reals


def check_name(name: object, what: str = "parameter") -> str:
    """Return `name` if it can stand in an expression, else raise `SpaceError`."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise SpaceError(
            f"{what} name {name!r} cannot stand in an expression: use letters, digits and underscores, "
            "not starting with a digit, with dots between parts (gpu.block_m)"
        )
    if any(keyword.iskeyword(part) for part in name.split(".")):
        raise SpaceError(f"{what} name {name!r} holds a word reserved by Python: append an underscore")
    return name


def _scalar(name: str, value: object) -> Scalar:
    if isinstance(value, np.generic):
        value = value.item()
    if not isinstance(value, str | int | float | bool | None):
        raise SpaceError(
            f"{name}: value {value!r} is a {type(value).__name__}: use text, numbers, bools or None"
        )
    if isinstance(value, float) and not math.isfinite(value):
        raise SpaceError(f"{name}: value {value!r} is not finite")
    return value


@dataclass(frozen=True)
class Parameter(ABC):
    """One named decision. Use `Categorical`, `Ordinal`, `Integer` or `Real`."""

    name: str
    kind: ClassVar[str]

    # Declared keyword-only so that subclasses put their domain first.
    active_if: str | None = field(default=None, kw_only=True)
    inactive: Scalar = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        check_name(self.name)
        self._check()
        if self.active_if is None:
            if self.inactive is not None:
                raise SpaceError(f"{self.name}: 'inactive' is given without 'active_if'")
            return
        if not (
            isinstance(self.active_if, str) and self.condition is not None and self.condition.is_condition
        ):
            raise SpaceError(
                f"{self.name}: active_if={self.active_if!r} is not a condition, as in \"kind == 'lut'\""
            )
        if self.inactive is not None:
            try:
                self.encode([self.inactive])
            except DesignError as error:
                raise SpaceError(f"{error}: 'inactive' must be one of its values") from None

    @abstractmethod
    def _check(self) -> None: ...

    @property
    @abstractmethod
    def cardinality(self) -> int | float:
        """The number of values; infinity for a real."""

    @property
    def discrete(self) -> bool:
        """Whether the values can be counted."""
        return self.cardinality != math.inf

    @property
    @abstractmethod
    def code_dtype(self) -> np.dtype[Any]:
        """The smallest little-endian type that holds every code."""

    @abstractmethod
    def encode(self, values: Iterable[Any]) -> Array:
        """Return the codes (n,) of `values` (n,); raise `DesignError` for a value outside the domain."""

    @abstractmethod
    def decode(self, codes: Array) -> Array:
        """Return the values (n,) of `codes` (n,)."""

    @abstractmethod
    def scaled(self, codes: Array) -> NDArray[np.float64]:
        """Map codes to [0, 1]: by rank for categorical and ordinal, linearly or by logarithm else."""

    @abstractmethod
    def _domain(self) -> dict[str, Any]: ...

    @cached_property
    def condition(self) -> Expression | None:
        """The parsed `active_if`."""
        return None if self.active_if is None else Expression(self.active_if)

    @cached_property
    def inactive_code(self) -> int | float:
        """The code of the canonical value, taken where the parameter is not active."""
        if self.inactive is None:
            return self.first_code
        code: int | float = self.encode([self.inactive])[0].item()
        return code

    @property
    def first_code(self) -> int | float:
        """The code of the first value of the domain."""
        return 0

    def prefixed(self, prefix: str) -> Self:
        """Return the parameter as ``prefix.name``, its condition renamed alike."""
        condition = self.condition.prefixed(prefix).text if self.condition is not None else None
        return replace(self, name=f"{prefix}.{self.name}", active_if=condition)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        out: dict[str, Any] = {"kind": self.kind, "name": self.name, **self._domain()}
        if self.condition is not None:
            out["active_if"] = self.condition.canonical
            if self.inactive is not None:
                out["inactive"] = self.inactive
        return out

    def _outside(self, value: object, domain: str) -> DesignError:
        shown = value.item() if isinstance(value, np.generic) else value
        return DesignError(f"{self.name}: value {shown!r} is outside its domain {domain}")


@dataclass(frozen=True)
class _Listed(Parameter):
    """Values given one by one."""

    def _check_values(self, label: str, values: Sequence[Any]) -> tuple[Scalar, ...]:
        if isinstance(values, str) or not isinstance(values, Iterable):
            raise SpaceError(f"{self.name}: {label} must be a list of values, not {values!r}")
        listed = tuple(_scalar(self.name, value) for value in values)
        if not listed:
            raise SpaceError(f"{self.name}: {label} is empty: give at least one value")
        if len(set(listed)) != len(listed):
            twice = next(value for index, value in enumerate(listed) if value in listed[:index])
            raise SpaceError(f"{self.name}: {label} holds {twice!r} twice (1, 1.0 and True are equal)")
        return listed

    @property
    @abstractmethod
    def listed(self) -> tuple[Scalar, ...]:
        """The values in order."""

    @property
    def cardinality(self) -> int:
        return len(self.listed)

    @property
    def code_dtype(self) -> np.dtype[Any]:
        return np.min_scalar_type(self.cardinality - 1).newbyteorder("<")

    @cached_property
    def _table(self) -> Array:
        kinds = {type(value) for value in self.listed}
        if kinds <= {int, float} or (len(kinds) == 1 and kinds <= {str, bool}):
            try:
                table = np.array(self.listed)
                # Large whole numbers beside fractions, and text that ends in NUL, would change.
                if table.dtype.kind in "biufU" and table.tolist() == list(self.listed):
                    table.flags.writeable = False
                    return table
            except OverflowError:
                pass
        table = np.empty(len(self.listed), dtype=object)
        table[:] = self.listed
        table.flags.writeable = False
        return table

    @cached_property
    def _index(self) -> dict[Scalar, int]:
        return {value: code for code, value in enumerate(self.listed)}

    def encode(self, values: Iterable[Any]) -> Array:
        array = values if isinstance(values, np.ndarray) else np.asarray(_object_array(values))
        try:
            # A table of distinct values keeps this cheap for long columns.
            if array.dtype.kind in "biufU":
                distinct, where = np.unique(array, return_inverse=True)
                return np.array([self._index[_native(v)] for v in distinct], np.int64)[where.reshape(-1)]
            return np.array([self._index[_native(value)] for value in array], np.int64)
        except (KeyError, TypeError):
            bad = next(value for value in array.tolist() if not self._holds(value))
            raise self._outside(bad, _shorten(self.listed)) from None

    def _holds(self, value: Any) -> bool:
        try:
            return _native(value) in self._index
        except TypeError:
            return False

    def decode(self, codes: Array) -> Array:
        return self._table[codes.astype(np.int64, copy=False)]

    def scaled(self, codes: Array) -> NDArray[np.float64]:
        return np.asarray(codes, float) / max(self.cardinality - 1, 1)


def _native(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and math.isnan(value) else value


def _object_array(values: Iterable[Any]) -> Array:
    items = list(values)
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


def _shorten(values: Sequence[Any], most: int = 8) -> str:
    shown = [repr(value) for value in values[:most]]
    return "[" + ", ".join(shown) + (f", ... {len(values)} values]" if len(values) > most else "]")


@dataclass(frozen=True)
class Categorical(_Listed):
    """An unordered choice.

    Parameters
    ----------
    name
        Letters, digits, underscores, dots between parts.
    choices
        Distinct text, numbers, bools or None.
    active_if
        A condition over other parameters, as in ``"kind == 'lut'"``. Where it is false the
        parameter takes its canonical value, so that equal designs are equal.
    inactive
        The canonical value; by default the first of the domain.

    Raises
    ------
    SpaceError
        If the name or the domain is not usable.

    Examples
    --------
    >>> Categorical("dtype", ["fp16", "int8"]).cardinality
    2
    """

    choices: Sequence[Scalar]
    kind: ClassVar[str] = "categorical"

    def _check(self) -> None:
        object.__setattr__(self, "choices", self._check_values("choices", self.choices))

    @property
    def listed(self) -> tuple[Scalar, ...]:
        return tuple(self.choices)

    def _domain(self) -> dict[str, Any]:
        return {"choices": list(self.choices)}


@dataclass(frozen=True)
class Ordinal(_Listed):
    """An ordered choice: values given one by one, neighbours being alike.

    Parameters
    ----------
    name
        Letters, digits, underscores, dots between parts.
    values
        Distinct values in order; numbers must rise or fall steadily.
    active_if, inactive
        As for `Categorical`.

    Raises
    ------
    SpaceError
        If the name or the domain is not usable.
    """

    values: Sequence[Scalar]
    kind: ClassVar[str] = "ordinal"

    def _check(self) -> None:
        listed = self._check_values("values", self.values)
        object.__setattr__(self, "values", listed)
        numbers = [value for value in listed if isinstance(value, int | float)]
        if len(numbers) == len(listed) and numbers not in (sorted(numbers), sorted(numbers, reverse=True)):
            raise SpaceError(f"{self.name}: values {_shorten(listed)} are not in order: sort them")

    @property
    def listed(self) -> tuple[Scalar, ...]:
        return tuple(self.values)

    def _domain(self) -> dict[str, Any]:
        return {"values": list(self.values)}


@dataclass(frozen=True)
class Integer(Parameter):
    """Whole numbers from `low` to `high`, both included.

    Parameters
    ----------
    name
        Letters, digits, underscores, dots between parts.
    low, high
        The bounds.
    step
        The distance between neighbours; ``high - low`` must be a multiple.
    log
        Whether searchers should look at the logarithm (needs ``low >= 1``).
    active_if, inactive
        As for `Categorical`.

    Raises
    ------
    SpaceError
        If the name or the domain is not usable.
    """

    low: int
    high: int
    step: int = field(default=1, kw_only=True)
    log: bool = field(default=False, kw_only=True)
    kind: ClassVar[str] = "integer"

    def _check(self) -> None:
        for label in ("low", "high", "step"):
            value = getattr(self, label)
            if isinstance(value, bool) or not isinstance(value, int | np.integer):
                raise SpaceError(
                    f"{self.name}: {label}={value!r} is not a whole number; use Real for fractions"
                )
            object.__setattr__(self, label, int(value))
        if self.low > self.high:
            raise SpaceError(f"{self.name}: low={self.low} is above high={self.high}: swap them")
        if self.step < 1:
            raise SpaceError(f"{self.name}: step={self.step} must be at least 1")
        if (self.high - self.low) % self.step:
            last = self.high - (self.high - self.low) % self.step
            raise SpaceError(f"{self.name}: high={self.high} is not low + k * step: use high={last}")
        if self.log and self.low < 1:
            raise SpaceError(f"{self.name}: log needs low >= 1, not {self.low}")
        if self.cardinality > MAX_CARDINALITY:
            raise SpaceError(f"{self.name}: {self.low}..{self.high} is wider than 2**53 values: use Real")
        if max(abs(self.low), abs(self.high), self.high - self.low) >= 2**63:
            raise SpaceError(f"{self.name}: {self.low}..{self.high} does not fit 64 bits: use Real")

    @property
    def cardinality(self) -> int:
        return (self.high - self.low) // self.step + 1

    @property
    def code_dtype(self) -> np.dtype[Any]:
        return np.min_scalar_type(self.cardinality - 1).newbyteorder("<")

    def encode(self, values: Iterable[Any]) -> Array:
        array = values if isinstance(values, np.ndarray) else _object_array(values)
        domain = f"{self.low}..{self.high}" + (f" step {self.step}" if self.step > 1 else "")
        if array.dtype.kind == "f" or array.dtype == object:
            for value in array.tolist():
                whole = isinstance(value, int | float | np.number) and not isinstance(value, bool)
                if not whole or value != value or value % 1:
                    raise self._outside(value, domain)
        elif array.dtype.kind not in "iu":
            raise self._outside(array[0].item() if len(array) else array.dtype, domain)
        outside = (array < self.low) | (array > self.high)
        if np.any(outside):
            raise self._outside(array[np.argmax(outside)], domain)
        offset = array.astype(np.int64) - self.low
        if np.any(offset % self.step):
            raise self._outside(array[np.argmax(offset % self.step != 0)], domain)
        return np.asarray(offset // self.step, np.int64)

    def decode(self, codes: Array) -> Array:
        return np.asarray(self.low + self.step * codes.astype(np.int64, copy=False))

    def scaled(self, codes: Array) -> NDArray[np.float64]:
        if self.log:
            return np.log(self.decode(codes) / self.low) / max(math.log(self.high / self.low), 1e-300)
        return np.asarray(codes, float) / max(self.cardinality - 1, 1)

    def _domain(self) -> dict[str, Any]:
        out: dict[str, Any] = {"low": self.low, "high": self.high}
        if self.step != 1:
            out["step"] = self.step
        if self.log:
            out["log"] = True
        return out


@dataclass(frozen=True)
class Real(Parameter):
    """Real numbers from `low` to `high`, both included.

    Parameters
    ----------
    name
        Letters, digits, underscores, dots between parts.
    low, high
        The bounds, ``low < high``.
    log
        Whether sampling is uniform in the logarithm, and searchers look at it (needs ``low > 0``).
    active_if, inactive
        As for `Categorical`; the canonical value is `low` by default.

    Raises
    ------
    SpaceError
        If the name or the domain is not usable.
    """

    low: float
    high: float
    log: bool = field(default=False, kw_only=True)
    kind: ClassVar[str] = "real"

    def _check(self) -> None:
        for label in ("low", "high"):
            value = getattr(self, label)
            number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
            if not number or not math.isfinite(value):
                raise SpaceError(f"{self.name}: {label}={value!r} is not a finite number")
            object.__setattr__(self, label, float(value) + 0.0)  # -0.0 and 0.0 are one value
        if not self.low < self.high:
            raise SpaceError(f"{self.name}: low={self.low} must be below high={self.high}")
        if self.log and self.low <= 0:
            raise SpaceError(f"{self.name}: log needs low > 0, not {self.low}")
        if not self.log and not math.isfinite(self.high - self.low):
            raise SpaceError(f"{self.name}: {self.low}..{self.high} overflows: use log, or another unit")

    @property
    def cardinality(self) -> float:
        return math.inf

    @property
    def code_dtype(self) -> np.dtype[Any]:
        return np.dtype("<f8")

    @property
    def first_code(self) -> float:
        return self.low

    def encode(self, values: Iterable[Any]) -> Array:
        domain = f"[{self.low}, {self.high}]"
        array = values if isinstance(values, np.ndarray) else _object_array(values)
        if array.dtype.kind not in "iuf":
            for value in array.tolist():
                if not isinstance(value, int | float | np.number) or isinstance(value, bool):
                    raise self._outside(value, domain)
        try:
            array = array.astype(float)
        except OverflowError:
            raise self._outside(max(array.tolist(), key=abs), domain) from None
        outside = ~((array >= self.low) & (array <= self.high))
        if np.any(outside):
            raise self._outside(array[np.argmax(outside)], domain)
        return array + 0.0  # -0.0 and 0.0 are one value

    def decode(self, codes: Array) -> Array:
        return np.asarray(codes, float)

    def scaled(self, codes: Array) -> NDArray[np.float64]:
        if self.log:
            return (np.log(codes) - math.log(self.low)) / self._log_width
        return (np.asarray(codes, float) - self.low) / (self.high - self.low)

    def unscaled(self, unit: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map [0, 1] to values: the inverse of `scaled` up to rounding."""
        unit = np.clip(unit, 0.0, 1.0)
        if self.log:
            values = np.exp(math.log(self.low) + unit * self._log_width)
        else:
            values = self.low + unit * (self.high - self.low)
        return np.clip(values, self.low, self.high)

    @property
    def _log_width(self) -> float:
        return math.log(self.high) - math.log(self.low)

    def _domain(self) -> dict[str, Any]:
        out: dict[str, Any] = {"low": self.low, "high": self.high}
        if self.log:
            out["log"] = True
        return out


KINDS: dict[str, type[Parameter]] = {kind.kind: kind for kind in (Categorical, Ordinal, Integer, Real)}


def parameter_from_dict(data: Mapping[str, Any]) -> Parameter:
    """Read a parameter from its JSON form; raise `SpaceError` if it is not one."""
    try:
        kind = KINDS[data["kind"]]
    except (KeyError, TypeError):
        raise SpaceError(f"a parameter's 'kind' must be one of {', '.join(KINDS)}, in {data!r}") from None
    known = {item.name for item in fields(kind)}
    arguments = {key: value for key, value in data.items() if key != "kind"}
    unknown = sorted(set(arguments) - known)
    if unknown:
        raise SpaceError(
            f"{data.get('name')}: unknown field {unknown[0]!r}; known are {', '.join(sorted(known))}"
        )
    try:
        return kind(**arguments)
    except TypeError as error:
        raise SpaceError(f"{data.get('name')}: {error}") from None
