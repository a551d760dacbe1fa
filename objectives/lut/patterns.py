"""The patterns of weights that a table holds, their order, and how they are built from one another.

A *digit* is the weight of one activation of a group: -1, 0 or 1 for ternary weights, -1 or 1 for a bit plane.
A *pattern* is a tuple of digits, one an activation. A table holds a sum of activations for each pattern.

Patterns are in the order of a Gray code: neighbours differ in one digit, so a single adder writes one sum a
cycle from the sum before it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

Pattern = tuple[int, ...]

TERNARY = "ternary"
PLANES = {"int2": 2, "int3": 3, "int4": 4}
WEIGHTS = (TERNARY, *PLANES)


def _negated(pattern: Pattern) -> Pattern:
    return tuple(-digit for digit in pattern)


@lru_cache
def _ternary_gray(size: int) -> tuple[Pattern, ...]:
    """Return all ``3 ** size`` patterns; reversing the order negates them, so zero is in the middle."""
    if size == 0:
        return ((),)
    inner = _ternary_gray(size - 1)
    return tuple((digit, *rest) for digit in (-1, 0, 1) for rest in (inner if digit == 0 else inner[::-1]))


@lru_cache
def _binary_gray(size: int) -> tuple[Pattern, ...]:
    """Return all ``2 ** size`` patterns, from all ones; those of the first half begin with a one."""
    if size == 0:
        return ((),)
    inner = _binary_gray(size - 1)
    return tuple((digit, *rest) for digit in (1, -1) for rest in (inner if digit == 1 else inner[::-1]))


@lru_cache
def patterns(ternary: bool, group_size: int, half: bool) -> tuple[Pattern, ...]:
    """Return the stored patterns in order, the zero pattern left out.

    A half table keeps those whose first nonzero digit is a one; the others are their negatives.
    """
    if ternary:
        gray = _ternary_gray(group_size)
        kept = gray[len(gray) // 2 + 1 :]
        return kept if half else (*kept, *map(_negated, kept))
    every = _binary_gray(group_size)
    return every[: len(every) // 2] if half else every


def nonzero(pattern: Pattern) -> int:
    """Return the number of activations that a pattern sums."""
    return sum(digit != 0 for digit in pattern)


def growth(terms: int) -> int:
    """Return the bits that a sum of `terms` numbers, at least one not negated, adds to their width."""
    return (terms - 1).bit_length()


def signed_growth(terms: int) -> int:
    """Return the bits that a sum of `terms` numbers adds where all may be negated.

    The negative of the least number, ``2 ** (b - 1)``, does not fit b bits.
    """
    return terms.bit_length()


@dataclass(frozen=True)
class Addition:
    """``target = left + sign * right``, sums of a group by pattern."""

    target: Pattern
    left: Pattern
    right: Pattern
    sign: int


@lru_cache
def additions(ternary: bool, group_size: int) -> tuple[Addition, ...]:
    """Return the additions that build a half table at once, sums before what is built of them.

    Each pattern is split in the middle: its left part, and its right part or the negative of it, are sums of
    their own. So a sum of two activations or more takes one addition, and the depth is
    ``ceil(log2(group_size))`` adders. The parts of a bit plane's patterns are not stored.
    """
    found: dict[Pattern, Addition] = {}

    def build(pattern: Pattern) -> None:
        if nonzero(pattern) < 2 or pattern in found:
            return
        left, right = _halves(pattern)
        flipped = next(digit for digit in right if digit) < 0
        right = _negated(right) if flipped else right
        build(left)
        build(right)
        found[pattern] = Addition(pattern, left, right, -1 if flipped else 1)

    for pattern in patterns(ternary, group_size, half=True):
        build(pattern)
    return tuple(found.values())


def _halves(pattern: Pattern) -> tuple[Pattern, Pattern]:
    """Split a pattern's nonzero places in the middle, or at the group's middle where both sides have some."""
    middle = (len(pattern) + 1) // 2
    places = [place for place, digit in enumerate(pattern) if digit]
    if all(place < middle for place in places) or all(place >= middle for place in places):
        middle = places[(len(places) + 1) // 2]
    left = tuple(digit if place < middle else 0 for place, digit in enumerate(pattern))
    right = tuple(digit if place >= middle else 0 for place, digit in enumerate(pattern))
    return left, right


@dataclass(frozen=True)
class Step:
    """One cycle of building a table entry by entry: ``sum = (0 if clear else sum) + factor * activation``."""

    activation: int
    factor: int
    clear: bool


@lru_cache
def steps(ternary: bool, group_size: int, half: bool) -> tuple[Step, ...]:
    """Return the cycles that build a table a sum at a time; the last sums, one a pattern, are its entries."""
    found = []
    before: Pattern | None = None
    if not ternary:
        found = [Step(place, 1, place == 0) for place in range(group_size)]
        before = (1,) * group_size
    stored: Iterable[Pattern] = patterns(ternary, group_size, half)
    for pattern in stored:
        if pattern == before:
            continue
        restart = before is None or sum(a != b for a, b in zip(pattern, before, strict=True)) > 1
        start = (0,) * group_size if restart else before
        assert start is not None
        (place,) = (place for place in range(group_size) if pattern[place] != start[place])
        found.append(Step(place, pattern[place] - start[place], restart))
        before = pattern
    return tuple(found)
