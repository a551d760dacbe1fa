"""Keys of a configuration, each of a type, or a message that says which is wrong and how to mend it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dse.errors import ProblemError

# Above any network: what is larger is a mistake, or made to fill the memory.
MOST = 10**9
_REQUIRED = object()


class ConfigKeys:
    """Typed access to a mapping that was read from a file.

    Parameters
    ----------
    values
        The mapping.
    at
        Where it is from, as messages name it.
    defaults
        What stands in for missing keys.
    """

    def __init__(self, values: Mapping[str, Any], at: str, defaults: Mapping[str, Any] | None = None) -> None:
        self._values = {**(defaults or {}), **values}
        self.at = at

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def whole(self, key: str, default: Any = _REQUIRED, *, least: int = 1, most: int = MOST) -> int:
        """Return a whole number; the default where the key is missing or null."""
        value = self._values.get(key)
        if value is None:
            if default is _REQUIRED:
                raise ProblemError(f"{self.at}: {key!r} is missing: add it, a whole number, {least} or more")
            return int(default)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ProblemError(
                f"{self.at}: {key}={_short(value)} must be a whole number from {least} to {most}"
            )
        return value

    def whole_or_none(self, key: str) -> int | None:
        """Return a whole number, 1 or more; None where the key is missing or null."""
        return self.whole(key) if self._values.get(key) is not None else None

    def flag(self, key: str, default: bool) -> bool:
        """Return true or false."""
        value = self._values.get(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise ProblemError(f"{self.at}: {key}={_short(value)} must be true or false")
        return value

    def text(self, key: str) -> str | None:
        """Return text; None where the key is missing or null."""
        value = self._values.get(key)
        if value is not None and not isinstance(value, str):
            raise ProblemError(f"{self.at}: {key}={_short(value)} must be text")
        return value

    def mapping(self, key: str) -> Mapping[str, Any] | None:
        """Return a mapping; None where the key is missing or null."""
        value = self._values.get(key)
        if value is not None and not isinstance(value, dict):
            raise ProblemError(f"{self.at}: {key}={_short(value)} must be a mapping")
        return value

    def list_of(self, key: str, kind: type) -> list[Any] | None:
        """Return a list of items of a type; None where the key is missing or null."""
        value = self._values.get(key)
        if value is None:
            return None
        if not isinstance(value, list) or not all(type(item) is kind for item in value):
            raise ProblemError(f"{self.at}: {key}={_short(value)} must be a list of {kind.__name__}")
        return value


def _short(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
