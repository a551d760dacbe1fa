"""Pieces of HTML: escaped text, tables, and data within a page."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

POOLED = 400  # characters of JSON from which a repeated array is kept once


def text(value: object) -> str:
    """Return a value as HTML text, also within a quoted attribute."""
    return html.escape(str(value), quote=True)


def embedded(value: Any) -> str:
    """Return a value as JSON that can stand in a script element: nothing in it can end the element."""
    made = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":  # in JSON they occur only within strings
        made = made.replace(character, f"\\u{ord(character):04x}")
    return made


def script_hash(script: str) -> str:
    """Return the source expression that allows an inline script in a content security policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def table(
    head: Sequence[str], rows: Iterable[Sequence[str]], *, caption: str = "", numeric: Sequence[int] = ()
) -> str:
    """Return a table; heads and cells are HTML already, numeric columns are aligned to the right."""
    sides = ["n" if column in numeric else "" for column in range(len(head))]
    cells = [f'<th scope="col"{_class(side)}>{name}</th>' for name, side in zip(head, sides, strict=True)]
    body = [
        "<tr>"
        + "".join(f"<td{_class(side)}>{cell}</td>" for cell, side in zip(row, sides, strict=True))
        + "</tr>"
        for row in rows
    ]
    label = f"<caption>{caption}</caption>" if caption else ""
    return (
        f'<div class="scroll"><table>{label}<thead><tr>{"".join(cells)}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def _class(name: str) -> str:
    return f' class="{name}"' if name else ""


def facts(pairs: Mapping[str, str]) -> str:
    """Return terms and what they are, already HTML, as a description list."""
    return "<dl>" + "".join(f"<div><dt>{text(t)}</dt><dd>{d}</dd></div>" for t, d in pairs.items()) + "</dl>"


class Figures:
    """The figures of a page: their places in it, and their data, where an array that repeats is kept once.

    Attributes
    ----------
    drawn
        The figures that have something to show, by key, as they were taken in.
    """

    def __init__(self) -> None:
        self.drawn: dict[str, go.Figure] = {}
        self._figures: dict[str, Any] = {}
        self._pool: list[Any] = []
        self._known: dict[str, int] = {}

    def place(self, key: str, figure: go.Figure, note: str = "") -> str:
        """Take in a figure and return its place: an element with the caption below it."""
        meta = dict(figure.layout.meta or {})
        if not figure.data:  # it only says why there is nothing to draw
            return f'<p class="note">{text(meta.get("caption", ""))}</p>'
        self.drawn[key] = figure
        data = json.loads(figure.to_json())
        layout = data["layout"]
        for name in ("template", "title", "meta"):
            layout.pop(name, None)
        layout.setdefault("margin", {})["t"] = max(40, layout.get("margin", {}).get("t", 88) - 48)
        self._figures[key] = {"data": self._pooled(data["data"]), "layout": layout}
        style = f"height:{int(layout.get('height', 480))}px"
        if meta.get("min_width"):
            style += f";min-width:{int(meta['min_width'])}px"
        said = " ".join(part for part in (meta.get("caption", ""), note) if part)
        caption = f"<figcaption>{text(said)}</figcaption>" if said else ""
        label = text(meta.get("description", key))
        return (
            f'<figure><div class="scroll"><div class="plot" data-figure="{text(key)}" role="img" '
            f'aria-label="{label}" style="{style}"></div></div>{caption}</figure>'
        )

    def data(self) -> dict[str, Any]:
        """Return what the page's script draws from."""
        return {"figures": self._figures, "pool": self._pool}

    def _pooled(self, value: Any) -> Any:
        if isinstance(value, dict) and "bdata" not in value:
            return {name: self._pooled(item) for name, item in value.items()}
        if isinstance(value, list) and value and isinstance(value[0], dict):
            return [self._pooled(item) for item in value]
        if not isinstance(value, dict | list):
            return value
        written = json.dumps(value)
        if len(written) < POOLED:
            return value
        if written not in self._known:
            self._known[written] = len(self._pool)
            self._pool.append(value)
        return {"$pool": self._known[written]}
