"""What installed packages add: studies, searchers, spaces and cost models, found through entry points."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from dse.errors import DseError, ProblemError, SpaceError
from dse.models import CostModel
from dse.space import Space

# The group of entry points by what they are.
GROUPS = {
    "study": "dse.studies",
    "searcher": "dse.searchers",
    "space": "dse.spaces",
    "model": "dse.models",
}


@dataclass(frozen=True)
class Plugin:
    """Something that an installed package offers.

    Attributes
    ----------
    kind
        One of `GROUPS`.
    name
        As users type it.
    packages
        The packages that offer something of that name, as a rule one.
    versions
        Theirs.
    entry
        Of the first of them.
    """

    kind: str
    name: str
    packages: tuple[str, ...]
    versions: tuple[str, ...]
    entry: EntryPoint

    @property
    def package(self) -> str:
        """The package, or with commas between all that offer the name."""
        return ", ".join(self.packages)

    def load(self, error: type[DseError] = DseError) -> Any:
        """Import and return it.

        Parameters
        ----------
        error
            What is raised if it cannot be imported, or several packages offer the name.
        """
        if len(self.packages) > 1:
            raise error(f"{self.kind} {self.name!r} is in packages {self.package}: uninstall all but one")
        try:
            return self.entry.load()
        except Exception as reason:
            raise error(
                f"{self.kind} {self.name!r} of package {self.package!r} cannot be imported: "
                f"{type(reason).__name__}: {reason}"
            ) from reason


def plugins(kind: str) -> dict[str, Plugin]:
    """Return what is installed of a kind by name."""
    found: dict[str, dict[str, EntryPoint]] = {}
    versions: dict[str, str] = {}
    for entry in entry_points(group=GROUPS[kind]):
        package = entry.dist.name if entry.dist is not None else "?"
        versions[package] = entry.dist.version if entry.dist is not None else "?"
        found.setdefault(entry.name, {}).setdefault(package, entry)
    return {
        name: Plugin(
            kind,
            name,
            tuple(sorted(entries)),
            tuple(versions[package] for package in sorted(entries)),
            entries[min(entries)],
        )
        for name, entries in sorted(found.items())
    }


def plugin(kind: str, name: str, error: type[DseError]) -> Any:
    """Return what is installed of a kind under a name; `error`, naming the nearest, if nothing is."""
    known = plugins(kind)
    if name not in known:
        near = get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"installed are {', '.join(known) or 'none'}"
        raise error(f"there is no {kind} {name!r}; {hint}")
    return known[name].load(error)


def space(name: str, settings: Mapping[str, Any] | None = None) -> Space:
    """Return an installed space.

    Parameters
    ----------
    name
        An entry point of the group ``dse.spaces``: a `Space`, or a function that returns one.
    settings
        Arguments of the function, by name.

    Raises
    ------
    SpaceError
        If there is no such space, or it cannot be built.
    """
    return _built("space", name, settings, Space, SpaceError)  # type: ignore[no-any-return]


def model(name: str, settings: Mapping[str, Any] | None = None) -> CostModel:
    """Return an installed cost model.

    Parameters
    ----------
    name
        An entry point of the group ``dse.models``: a cost model, or a function that returns one.
    settings
        Arguments of the function, by name.

    Raises
    ------
    ProblemError
        If there is no such model, or it cannot be built.
    """
    return _built("model", name, settings, CostModel, ProblemError)  # type: ignore[no-any-return]


def _built(
    kind: str, name: str, settings: Mapping[str, Any] | None, wanted: type[Any], error: type[DseError]
) -> Any:
    found = plugin(kind, name, error)
    if isinstance(found, wanted) and not isinstance(found, type):
        if settings:
            raise error(f"{kind} {name!r} takes no settings, not {json.dumps(dict(settings), default=str)}")
        return found
    try:
        made = found(**(settings or {}))
    except DseError:
        raise
    except Exception as reason:
        raise error(f"{kind} {name!r} cannot be built: {type(reason).__name__}: {reason}") from reason
    if not isinstance(made, wanted):
        raise error(f"{kind} {name!r} made a {type(made).__name__}: a {wanted.__name__} is needed")
    return made
