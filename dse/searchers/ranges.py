"""Ranges of a searcher's settings: what a user might reasonably choose, not knowing better.

A searcher declares them as a class attribute, for the settings that it has opinions on::

    class Mine:
        ranges: ClassVar[Mapping[str, Range]] = {
            "population": Number(10, 200, log=True, whole=True),
            "crossover": Number(0.5, 1.0),
            "restart": Choice((True, False)),
        }

The names are those of the constructor's arguments, the defaults lie within, and any combination can be built.
`dse.compare` draws from them how much a searcher depends on its settings.
"""

from __future__ import annotations

import hashlib
import json
import math
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dse.errors import SearcherError

DIGITS = 3  # significant ones of a number that is drawn: settings are there to be read
TRIES = 20  # draws for each setting wanted, until a small set of choices is taken to be used up


@dataclass(frozen=True)
class Number:
    """A number from `low` to `high`, both included.

    Parameters
    ----------
    low, high
        The ends; positive where `log`.
    log
        Whether equal ratios are equally likely, rather than equal differences.
    whole
        Whether it is a whole number.

    Raises
    ------
    SearcherError
        If the ends are not ordered, or not positive where `log`.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise SearcherError(f"range {self.low!r} to {self.high!r}: the ends must be finite and ordered")
        if self.log and self.low <= 0:
            raise SearcherError(f"range {self.low!r} to {self.high!r}: a logarithm needs positive ends")

    def draw(self, rng: np.random.Generator) -> int | float:
        """Return a number at random, with three significant digits."""
        share = float(rng.random())
        if self.log:
            value = self.low * (self.high / self.low) ** share
        else:
            value = self.low + (self.high - self.low) * share
        rounded = min(max(float(f"{value:.{DIGITS}g}"), self.low), self.high)
        return round(rounded) if self.whole else rounded

    def __contains__(self, value: object) -> bool:
        return (
            isinstance(value, int | float)
            and self.low <= value <= self.high
            and (not self.whole or value == int(value))
        )


@dataclass(frozen=True)
class Choice:
    """One of several values, each equally likely: JSON values, at least one."""

    options: tuple[Any, ...]

    def __post_init__(self) -> None:
        if not self.options:
            raise SearcherError("a choice needs at least one option")

    def draw(self, rng: np.random.Generator) -> Any:
        """Return an option at random."""
        return self.options[int(rng.integers(len(self.options)))]

    def __contains__(self, value: object) -> bool:
        return value in self.options


Range = Number | Choice


def declared(searcher: str | Callable[..., Any]) -> Mapping[str, Range]:
    """Return the ranges of a searcher's settings by name; empty where it declares none.

    Parameters
    ----------
    searcher
        One of `dse.searchers.BUILT_IN`, or a class of the protocol `dse.searchers.Searcher`.
    """
    from dse.searchers import searcher_class

    kind = searcher_class(searcher) if isinstance(searcher, str) else searcher
    found: Mapping[str, Range] = getattr(kind, "ranges", {})
    return found


def draw_settings(
    ranges: Mapping[str, Range], count: int, *, seed: int = 0, fixed: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Return settings at random, no two alike.

    Parameters
    ----------
    ranges
        By setting.
    count
        How many; fewer are returned where the ranges have no more.
    seed
        Same seed, same settings; of more settings the first are those of fewer.
    fixed
        Settings that are not drawn, and stand in all of the returned.
    """
    given = dict(fixed or {})
    drawn = sorted(name for name in ranges if name not in given)
    found: dict[str, dict[str, Any]] = {}
    if not drawn:
        return []
    for ticket in range(TRIES * count):
        # A stream for each setting: what others are declared does not change what is drawn of it.
        streams = {name: np.random.default_rng([seed, ticket, zlib.crc32(name.encode())]) for name in drawn}
        settings = {**given, **{name: ranges[name].draw(rng) for name, rng in streams.items()}}
        found.setdefault(settings_key(settings), settings)
        if len(found) == count:
            break
    return list(found.values())


def settings_key(settings: Mapping[str, Any]) -> str:
    """Return eight characters that stand for settings: a hash of their JSON form, whatever their order.

    Raises
    ------
    SearcherError
        If a value is no JSON value.
    """
    try:
        written = json.dumps(dict(settings), sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise SearcherError(f"settings {dict(settings)!r} are not JSON values: {error}") from None
    return hashlib.sha256(written.encode()).hexdigest()[:8]
