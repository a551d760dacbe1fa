"""What is compared: searchers with their settings, and how a command line names them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dse.errors import StudyError
from dse.searchers import Searcher, searcher_name
from dse.searchers.ranges import settings_key

Named = str | Callable[..., Searcher]
Searchers = Sequence[str] | Mapping[str, Named | tuple[Named, Mapping[str, Any]]]

FORM = "write nsga2, or nsga2:population=50;mutation=2"


@dataclass(frozen=True)
class Entry:
    """A searcher that takes part in a comparison.

    Attributes
    ----------
    label
        What tables and figures call it.
    searcher
        A name of `dse.searchers.BUILT_IN`, or a class of the protocol `dse.searchers.Searcher`.
    settings
        Its settings that are not the default.
    """

    label: str
    searcher: Named
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def stored(self) -> str:
        """The part of a study's name that stands for the searcher and its settings."""
        name = searcher_name(self.searcher)
        return f"{name}/{settings_key(self.settings)}" if self.settings else name


def entries(searchers: Searchers) -> list[Entry]:
    """Return what takes part.

    Parameters
    ----------
    searchers
        Texts, as `parse_entry` reads them, or a mapping from a label to a searcher, or to a searcher and its
        settings.

    Raises
    ------
    StudyError
        If there is none, a label comes twice, or a text is not usable.
    """
    if isinstance(searchers, Mapping):
        found = [_entry(label, given) for label, given in searchers.items()]
    elif isinstance(searchers, str) or not isinstance(searchers, Sequence):
        raise StudyError(f"searchers={searchers!r} must be a list of names, as in ['random', 'nsga2']")
    else:
        found = [parse_entry(item) for item in searchers]
    if not found:
        raise StudyError(f"searchers={searchers!r} must be a list of names, as in ['random', 'nsga2']")
    if len({entry.label for entry in found}) < len(found):
        raise StudyError(f"searchers={[entry.label for entry in found]!r} holds a name twice")
    return found


def _entry(label: str, given: Named | tuple[Named, Mapping[str, Any]]) -> Entry:
    name, settings = given if isinstance(given, tuple) else (given, {})
    if not isinstance(settings, Mapping) or not (isinstance(name, str) or callable(name)):
        raise StudyError(
            f"searcher {label!r} is {given!r}: give a name or class, or (name, settings) as in "
            "('nsga2', {'population': 50})"
        )
    return Entry(str(label), name, dict(settings))


def parse_entry(text: str) -> Entry:
    """Read ``nsga2`` or ``nsga2:population=50;mutation=2``; values are JSON, or else text.

    Raises
    ------
    StudyError
        If it is not of that form.
    """
    if not isinstance(text, str) or not text.strip():
        raise StudyError(f"searcher {text!r} is no name: {FORM}")
    label = text.strip()
    name, colon, rest = label.partition(":")
    settings: dict[str, Any] = {}
    for item in rest.split(";") if colon else ():
        key, equals, value = (part.strip() for part in item.partition("="))
        if not equals or not key or not value:
            raise StudyError(f"searcher {text!r}: {item!r} is no setting: {FORM}")
        if key in settings:
            raise StudyError(f"searcher {text!r} sets {key!r} twice: give one value")
        try:
            settings[key] = json.loads(value)
        except json.JSONDecodeError:
            settings[key] = value
    return Entry(label, name.strip(), settings)


def split_names(text: str) -> list[str]:
    """Return the parts of a text with commas between; commas within brackets or quotes part nothing."""
    parts, depth, quoted = [""], 0, False
    for character in text:
        if character == '"':
            quoted = not quoted
        elif not quoted:
            depth += (character in "[{") - (character in "]}")
        if character == "," and not quoted and depth <= 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]
