"""Settings that are lists: text with commas between."""

from __future__ import annotations

from collections.abc import Iterable

from dse.errors import ProblemError


def names(text: str) -> list[str]:
    """Return the names in a text with commas between, without blanks around them."""
    return [item.strip() for item in text.split(",") if item.strip()]


def some_names(label: str, text: str) -> list[str]:
    """Return the names in the setting `label`; raise `ProblemError` if there is none."""
    found = names(text)
    if not found:
        raise ProblemError(f"{label}={text!r} names nothing")
    return found


def some_metrics(label: str, text: str, metrics: Iterable[str]) -> list[str]:
    """Return the metrics named in the setting `label`; raise `ProblemError` for none, or an unknown one."""
    known = list(metrics)
    found = some_names(label, text)
    for name in found:
        if name not in known:
            raise ProblemError(f"{label}={name!r} is no metric; known are {', '.join(known)}")
    return found
