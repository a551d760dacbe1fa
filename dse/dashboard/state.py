"""What a page shows, as its address: every view can be linked to."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode

from dse.dashboard.columns import Filters
from dse.dashboard.live import listed

RANGE, CHOICE, WEIGHT, AIM = "r.", "c.", "w.", "a."


@dataclass(frozen=True)
class Place:
    """A page.

    Attributes
    ----------
    page
        ``studies``, ``study``, ``design`` or ``compare``; None for an address that is none.
    name
        Of the study.
    part
        The tab, or the design's number.
    """

    page: str | None
    name: str = ""
    part: str = ""


def place(pathname: str | None) -> Place:
    """Return the page of an address's path."""
    parts = [unquote(part) for part in (pathname or "/").strip("/").split("/")]
    if parts == [""]:
        return Place("studies")
    if parts[0] == "compare" and len(parts) == 1:
        return Place("compare")
    if parts[0] in ("study", "design") and len(parts) in (2, 3):
        return Place(parts[0], parts[1], parts[2] if len(parts) == 3 else "front")
    return Place(None)


def study_path(name: str, tab: str = "front") -> str:
    """Return the path of a study's page."""
    return f"/study/{quote(name, safe='')}/{tab}"


def design_path(name: str, number: int) -> str:
    """Return the path of a design's page."""
    return f"/design/{quote(name, safe='')}/{number}"


@dataclass(frozen=True)
class View:
    """What is chosen on a page.

    Attributes
    ----------
    plain
        Choices that are words: x, y, z, color, view, rule, studies ...
    ranges
        Least and greatest value, by metric or numeric parameter.
    choices
        Positions among listed values, by parameter.
    weights, aims
        Of the rules by which designs are ranked, by metric.
    """

    plain: Mapping[str, str] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)
    choices: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)
    aims: Mapping[str, float] = field(default_factory=dict)

    @property
    def filters(self) -> Filters:
        return Filters(self.ranges, self.choices)

    def with_range(self, name: str, low: float | None, high: float | None) -> View:
        ranges = {key: value for key, value in self.ranges.items() if key != name}
        if (low, high) != (None, None):
            ranges[name] = low, high
        return replace(self, ranges=ranges)

    def with_choice(self, name: str, positions: tuple[int, ...]) -> View:
        choices = {key: value for key, value in self.choices.items() if key != name}
        if positions:
            choices[name] = positions
        return replace(self, choices=choices)

    def with_plain(self, **values: str | None) -> View:
        plain = {**self.plain, **{key: value for key, value in values.items() if value}}
        return replace(self, plain={k: v for k, v in plain.items() if values.get(k, v)})

    def search(self) -> str:
        """Return it as the query of an address."""
        pairs = [*self.plain.items()]
        pairs += [(RANGE + name, f"{_text(low)}..{_text(high)}") for name, (low, high) in self.ranges.items()]
        pairs += [(CHOICE + name, ",".join(map(str, chosen))) for name, chosen in self.choices.items()]
        pairs += [(WEIGHT + name, _text(value)) for name, value in self.weights.items()]
        pairs += [(AIM + name, _text(value)) for name, value in self.aims.items()]
        return f"?{urlencode(pairs)}" if pairs else ""


def view(search: str | None) -> View:
    """Return what the query of an address chooses; what cannot be read is left out."""
    plain: dict[str, str] = {}
    ranges: dict[str, tuple[float | None, float | None]] = {}
    choices: dict[str, tuple[int, ...]] = {}
    weights: dict[str, float] = {}
    aims: dict[str, float] = {}
    for key, value in parse_qsl((search or "").lstrip("?")):
        if key.startswith(RANGE):
            low, _, high = value.partition("..")
            ranges[key.removeprefix(RANGE)] = _number(low), _number(high)
        elif key.startswith(CHOICE):
            chosen = tuple(int(part) for part in value.split(",") if part.isdecimal())
            choices[key.removeprefix(CHOICE)] = chosen
        elif key.startswith((WEIGHT, AIM)):
            number = _number(value)
            if number is not None:
                (weights if key.startswith(WEIGHT) else aims)[key[len(WEIGHT) :]] = number
        else:
            plain[key] = value
    return View(plain, ranges, choices, weights, aims)


def known(given: View, study: Any) -> View:
    """Return a view without what a study does not have: an address may be old, or another study's."""
    numeric = {p.name for p in study.space.parameters if listed(p) is None}
    return replace(
        given,
        ranges={k: v for k, v in given.ranges.items() if k in study.metrics or k in numeric},
        choices={k: v for k, v in given.choices.items() if k in study.space and k not in numeric},
        weights={k: v for k, v in given.weights.items() if k in study.metrics},
        aims={k: v for k, v in given.aims.items() if k in study.metrics},
    )


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
