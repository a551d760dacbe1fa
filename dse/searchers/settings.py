"""Checks of searchers' settings, which raise `SearcherError` by searcher, setting, value and mend.

Settings come by keyword, as in ``whole("pgsam", 1, initial=initial, chains=chains)``: the message has their
names.
"""

from __future__ import annotations

from collections.abc import Collection

from dse.errors import SearcherError


def whole(searcher: str, least: int, /, **settings: object) -> None:
    """Check that settings are whole numbers, `least` or more."""
    for label, value in settings.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise SearcherError(f"{searcher}: {label}={value!r} must be a whole number, {least} or more")


def positive(searcher: str, /, **settings: float) -> None:
    """Check that settings are above 0."""
    for label, value in settings.items():
        if not value > 0:
            raise SearcherError(f"{searcher}: {label}={value!r} must be positive")


def probability(searcher: str, /, **settings: float) -> None:
    """Check that settings are from 0 to 1."""
    for label, value in settings.items():
        if not 0 <= value <= 1:
            raise SearcherError(f"{searcher}: {label}={value!r} must be a probability, 0 to 1")


def share(searcher: str, /, **settings: float) -> None:
    """Check that settings are above 0 and at most 1."""
    for label, value in settings.items():
        if not 0 < value <= 1:
            raise SearcherError(f"{searcher}: {label}={value!r} must be a share, above 0 and at most 1")


def choice(searcher: str, known: Collection[str], /, **settings: str) -> None:
    """Check that settings are among those that are known."""
    for label, value in settings.items():
        if value not in known:
            raise SearcherError(f"{searcher}: {label}={value!r} is unknown; known are {', '.join(known)}")
