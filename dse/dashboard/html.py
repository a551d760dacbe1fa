"""Pieces of pages: tables, and what screen readers say."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from dash import html

from dse.plots.style import number


def aria(label: str) -> dict[str, Any]:
    """Return the attributes of an element that has a name which is not to be seen."""
    return {"aria-label": label}


def table(heads: Sequence[Any], rows: Sequence[Sequence[Any]], *, numeric: Collection[int] = ()) -> Any:
    """Return a table; cells are text or components, numeric columns are aligned to the right."""
    side = ["n" if place in numeric else "" for place in range(len(heads))]
    head = [html.Th(text, scope="col", className=kind) for text, kind in zip(heads, side, strict=True)]
    body = [
        html.Tr([html.Td(text, className=kind) for text, kind in zip(row, side, strict=True)]) for row in rows
    ]
    return html.Table([html.Thead(html.Tr(head)), html.Tbody(body)])


def cell(value: Any) -> str:
    """Return what a table says of a value, numbers to four digits."""
    if value is None or value != value:
        return "–"
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, int | np.integer):
        return f"{value:,}"
    if isinstance(value, float | np.floating):
        return number(float(f"{value:.4g}"))
    return str(value)
