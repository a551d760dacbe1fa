"""An array of processing elements and its memories, as any of the tools' files states them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dse.errors import ProblemError

OPERANDS = ("inputs", "weights", "outputs")


@dataclass(frozen=True)
class Storage:
    """A level of memory; numbers are of one architecture, or arrays (n,) of as many.

    Attributes
    ----------
    name
        As the file has it.
    operands
        Which of `OPERANDS` it holds.
    bits
        Capacity of one instance; infinite where the file sets none.
    shared
        Whether the whole array shares one; else each PE, or each part of the array, has its own.
    port_bits
        Bits that a port reads a cycle; None where the file does not say.
    """

    name: str
    operands: tuple[str, ...]
    bits: Any
    shared: bool
    port_bits: Any


@dataclass(frozen=True)
class Architecture:
    """An architecture; numbers are of one, or arrays (n,) of as many.

    Attributes
    ----------
    name
        As the file has it.
    rows, columns
        Of the array of PEs.
    storages
        From the array outwards; the last one backs all others.
    word_bits
        Of an operand; None where the file does not say.
    clock_mhz
        None where the file does not say.
    technology
        None where the file does not say.
    unread
        What the file says beside and is not taken over, a line each.
    assumed
        What the file leaves open, a line each with what is taken.
    """

    name: str
    rows: Any
    columns: Any
    storages: tuple[Storage, ...]
    word_bits: Any = None
    clock_mhz: Any = None
    technology: str | None = None
    unread: tuple[str, ...] = field(default=())
    assumed: tuple[str, ...] = field(default=())


def number(value: Any, at: str) -> Any:
    """Return a number, or an array (n,) of numbers; raise `ProblemError`, with the place, for all else."""
    array = np.asarray(value)
    if array.dtype.kind not in "iuf" or array.ndim > 1 or isinstance(value, list | tuple):
        shown = value if array.ndim == 0 else array.tolist()[:3]
        raise ProblemError(f"{at}: {shown!r} is no number: give one, or a choice of numbers")
    if not (np.isfinite(array) & (array > 0)).all():
        raise ProblemError(f"{at}: {array.min()} must be a number above 0")
    return array if array.ndim else value


def listed(value: Any, at: str) -> list[Any]:
    """Return a list; raise `ProblemError` for anything else, a marked field among them."""
    if isinstance(value, np.ndarray):
        raise ProblemError(
            f"{at} is marked: this model needs it fixed, since what is connected depends on it"
        )
    if not isinstance(value, list):
        raise ProblemError(f"{at} is {value!r}: a list is needed")
    return value


def mapping(value: Any, at: str) -> Mapping[str, Any]:
    """Return a mapping; raise `ProblemError` for anything else, a marked field among them."""
    if isinstance(value, np.ndarray):
        raise ProblemError(
            f"{at} is marked: this model needs it fixed, since what is connected depends on it"
        )
    if not isinstance(value, Mapping):
        raise ProblemError(f"{at} is {value!r}: a mapping with keys is needed")
    return value


def needed(values: Mapping[str, Any], key: str, at: str) -> Any:
    """Return a value by key; raise `ProblemError`, naming the place, if there is none."""
    if key not in values:
        raise ProblemError(f"{at} has no {key!r}: add it")
    return values[key]
