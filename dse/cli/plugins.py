"""``dse plugins``."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator

from dse.cli.options import JsonOption
from dse.errors import DseError
from dse.plugins import GROUPS, Plugin, plugins

# Studies have a command of their own.
KINDS = tuple(kind for kind in GROUPS if kind != "study")


def list_plugins(as_json: JsonOption = False) -> None:
    """List the searchers, spaces and cost models that installed packages offer."""
    rows = [
        {"kind": item.kind, "name": item.name, "summary": _summary(item), "package": item.package}
        for item in _all()
    ]
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    from dse.cli import output

    shown = output.table(["kind", "name", "what it is", "package"])
    for row in rows:
        shown.add_row(*row.values())
    output.console().print(shown)


def _all() -> Iterator[Plugin]:
    for kind in KINDS:
        yield from plugins(kind).values()


def _summary(item: Plugin) -> str:
    try:
        found = item.load()
    except DseError as error:
        return f"not available: {error}"
    text = inspect.getdoc(found) if callable(found) else None
    return (text or repr(found)).splitlines()[0]
