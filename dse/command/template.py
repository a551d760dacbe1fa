"""Text with places for parameters: ``{tile_m}``, ``{lut.group_size:03d}``; ``{{`` and ``}}`` are braces."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from dse.errors import ProblemError

# A name as of parameters, and a format as of Python's format(): nothing is looked up or called.
_NAME = r"[^\W\d]\w*(?:\.\w+)*"


class Template:
    """A text in which parameters are put.

    Parameters
    ----------
    text
        With places.
    what
        What it is, for messages.
    marks
        What places begin and end with. A mark twice is one, as text, where both are one character and differ.

    Raises
    ------
    ProblemError
        If a mark is left over: it says where.
    """

    def __init__(self, text: str, what: str, marks: tuple[str, str] = ("{", "}")) -> None:
        if not isinstance(text, str):
            raise ProblemError(f"{what} must be text, not {text!r}")
        left, right = (re.escape(mark) for mark in marks)
        doubled = marks[0] != marks[1] and len(marks[0]) == len(marks[1]) == 1
        place = f"{left}(?P<name>{_NAME})(?P<format>:[^{{}}{left}{right}\\n]*)?{right}"
        pattern = f"(?P<left>{left}{left})|(?P<right>{right}{right})|{place}" if doubled else place
        self._parts: list[str | tuple[str, str]] = []
        end = 0
        for found in re.finditer(pattern, text):
            self._plain(text[end : found.start()], what, marks, doubled)
            end = found.end()
            if found["name"] is not None:
                self._parts.append((found["name"], (found["format"] or ":")[1:]))
            else:
                self._parts.append(marks[0] if found["left"] else marks[1])
        self._plain(text[end:], what, marks, doubled)
        self.text = text
        self.what = what

    def _plain(self, text: str, what: str, marks: tuple[str, str], doubled: bool) -> None:
        for mark in marks:
            if mark in text:
                start = text.index(mark)
                double = f"; write {mark * 2!r} for the character" if doubled else "; or take other marks"
                raise ProblemError(
                    f"{what}: {mark!r} at {text[max(start - 10, 0) : start + 20]!r} begins or ends no "
                    f"parameter, as in {marks[0]}tile{marks[1]}{double}"
                )
        if text:
            self._parts.append(text)

    @property
    def names(self) -> list[str]:
        """The names in it, each once."""
        return list(dict.fromkeys(part[0] for part in self._parts if isinstance(part, tuple)))

    def check(self, known: Iterable[str]) -> None:
        """Raise `ProblemError` if it names what is not known."""
        listed = list(known)
        for name in self.names:
            if name not in listed:
                raise ProblemError(f"{self.what} names {name!r}; known are {', '.join(listed)}")

    def fill(self, values: Mapping[str, Any]) -> str:
        """Return the text with values.

        Raises
        ------
        ProblemError
            If a value does not fit its format.
        """
        out = []
        for part in self._parts:
            if isinstance(part, str):
                out.append(part)
                continue
            name, form = part
            try:
                out.append(format(values[name], form))
            except (ValueError, TypeError) as error:
                raise ProblemError(
                    f"{self.what}: {values[name]!r} of {name} has no format {form!r}"
                ) from error
        return "".join(out)
