"""How figures look and read: colours, templates, axis titles, numbers, text made safe for plotly."""

from __future__ import annotations

import html
import math
from functools import cache
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from dse.problem import Metric, Objective

# Distinct under the common colour-vision deficiencies: Okabe and Ito, "Color Universal Design", 2008; the
# table of Wong, "Points of view: color blindness", Nature Methods 8, 2011.
BLUE, ORANGE, GREEN, VERMILLION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, YELLOW, GREY = "#CC79A7", "#56B4E9", "#F0E442", "#8A8F98"
SERIES = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILLION)

# Rises evenly in lightness: van der Walt and Smith, "viridis", matplotlib 1.5, 2015. From 0.2 to 0.92 of it:
# its ends vanish on dark and on white pages.
VIRIDIS = [(0.0, "#404286"), (0.25, "#2c738e"), (0.5, "#209f88"), (0.75, "#5bc663"), (1.0, "#c9e129")]

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', Arial, sans-serif"

# plotly.js 4 offers to upload a chart to a server; a study's data stays where it is.
UPLOAD = "sendChartToCloud"
CONFIG: dict[str, Any] = {
    "displaylogo": False,
    "responsive": True,
    "plotlyServerURL": "",
    "showSendToCloud": False,
    "modeBarButtonsToRemove": [UPLOAD, "lasso2d", "select2d", "autoScale2d"],
}


def template(*, dark: bool = False) -> go.layout.Template:
    """Return the look shared by all figures, for a light or a dark page. The background is clear."""
    ink, line, grid = ("#e6e8eb", "#6b7280", "#30363d") if dark else ("#1f2933", "#9aa5b1", "#e4e7eb")
    veil = "rgba(20,23,28,0.7)" if dark else "rgba(255,255,255,0.7)"  # behind labels that lie on designs
    axis = {
        "gridcolor": grid, "linecolor": line, "zeroline": False, "showline": True, "ticks": "outside",
        "tickcolor": line, "automargin": True, "exponentformat": "power", "minexponent": 4,
        "title": {"standoff": 8},
    }  # fmt: skip
    scene = {
        "gridcolor": grid, "linecolor": line, "zeroline": False, "showbackground": False,
        "exponentformat": "power", "title": {"font": {"size": 12}}, "tickfont": {"size": 10}, "nticks": 6,
    }  # fmt: skip
    return go.layout.Template(
        layout={
            "font": {"family": FONT, "size": 13, "color": ink},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "colorway": list(SERIES),
            "hovermode": "closest",
            "hoverlabel": {
                "align": "left", "bgcolor": "#22272e" if dark else "#ffffff",
                "font": {"family": FONT, "size": 12, "color": ink}, "bordercolor": line,
            },
            "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.01, "xanchor": "left", "x": 0.0},
            "margin": {"l": 12, "r": 12, "t": 48, "b": 12},
            "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": line, "activecolor": ink, "remove": UPLOAD},
            "xaxis": axis,
            "yaxis": axis,
            "scene": {"xaxis": scene, "yaxis": scene, "zaxis": scene},
            "annotationdefaults": {"font": {"color": ink}, "arrowcolor": ink, "bgcolor": veil},
        }
    )  # fmt: skip


def figure(title: str, *, caption: str = "", height: int = 480, description: str = "") -> go.Figure:
    """Return an empty figure.

    Parameters
    ----------
    title
        Plain text.
    caption
        What a reader must know of what is drawn, in plain text: `caption` returns it.
    height
        In pixels.
    description
        What stands in for the figure where it cannot be seen; the title by default.
    """
    return go.Figure(
        layout={
            "template": _light(),
            "title": {
                "text": plain(title), "x": 0.0, "xref": "paper", "y": 0.98, "yanchor": "top",
                "font": {"size": 16},
            },
            "height": height,
            "margin": {"t": 88},
            "meta": {"title": title, "caption": caption, "description": description or title},
        }
    )  # fmt: skip


@cache
def _light() -> go.layout.Template:
    return template()  # a figure copies it


def caption(figure: go.Figure) -> str:
    """Return what a reader must know of a figure of this package, in plain text; it may be empty."""
    return str((figure.layout.meta or {}).get("caption", ""))


def message(title: str, text: str, *, height: int = 180) -> go.Figure:
    """Return a figure that only says why there is nothing to draw."""
    made = figure(title, caption=text, height=height, description=f"{title}: {text}")
    made.add_annotation(text=wrapped(text), showarrow=False, x=0.5, y=0.5, xref="paper", yref="paper")
    made.update_xaxes(visible=False)
    made.update_yaxes(visible=False)
    return made


def plain(value: object, most: int = 200) -> str:
    """Return text as plotly shows it literally.

    plotly reads tags, entities and ``%{...}`` in titles, names, ticks and hover texts; a stored name or error
    may hold any of them.
    """
    return html.escape(shortened(value, most), quote=False).replace("%", "&#37;")


def shortened(value: object, most: int) -> str:
    """Return text on one line, cut to at most so many characters."""
    text = " ".join(str(value).split())
    return text if len(text) <= most else text[: most - 1] + "…"


def wrapped(text: str, width: int = 60) -> str:
    """Return plain text broken into lines for plotly."""
    import textwrap

    return "<br>".join(plain(line) for line in textwrap.wrap(text, width))


def number(value: Any) -> str:
    """Return a value with as many digits as a person reads: four significant ones for a real."""
    if isinstance(value, float | np.floating):
        size = abs(float(value))
        if not math.isfinite(size):
            return "–"
        if size != 0 and (size >= 1e7 or size < 1e-4):
            return f"{value:.4g}"
        return f"{value:,.0f}" if size >= 1e4 else f"{float(f'{value:.4g}'):,}".removesuffix(".0")
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return f"{value:,}" if abs(int(value)) >= 10_000 else str(value)
    return str(value)


def arrow(objective: Objective) -> str:
    """Return the direction of better, to stand behind a name."""
    return "↑" if objective.maximize else "↓"


def axis_title(
    metric: Metric, objective: Objective | None, *, short: bool = False, scene: bool = False
) -> str:
    """Return a metric's name, unit and direction, as plotly text.

    The arrow points along the axis towards better, for a turned y title too. In a scene plotly reads tags but
    no entities: there angle brackets are replaced.
    """
    label = plain(metric.label)
    if scene:
        label = shortened(metric.label, 200).replace("<", "‹").replace(">", "›")
    if objective is None:
        return label
    if short:
        return f"{label} {arrow(objective)}"
    return f"{label} (more is better →)" if objective.maximize else f"{label} (← less is better)"


def light(values: Any) -> NDArray[np.floating[Any]]:
    """Return values (n,) in single precision, half the page, where nobody sees it; else as they are.

    A thousandth of a pixel is not seen. A large offset, as of cycle counts, or an extreme size would be.
    """
    exact = np.asarray(values, float)
    with np.errstate(all="ignore"):
        single = exact.astype(np.float32)
        span = exact.max(initial=-np.inf) - exact.min(initial=np.inf)
        unseen = 1e-6 * np.minimum(np.abs(exact), span)  # on a logarithmic axis, and on a linear one
        close = np.abs(single - exact) <= unseen
    return single if close.all() else exact


def ticks(values: NDArray[np.float64], *, logarithm: bool = False) -> dict[str, Any]:
    """Return settings of an axis that write its numbers in full where they are of everyday size."""
    sizes = np.abs(values[np.isfinite(values) & (values != 0)])
    made: dict[str, Any] = {}
    if logarithm:
        made |= {"type": "log", "dtick": "D2" if sizes.max() / 1000 < sizes.min() else 1}
    if not len(sizes) or (sizes.max() < 1e7 and (not logarithm or sizes.min() > 1e-5)):
        made |= {"exponentformat": "none", "separatethousands": True}
        if logarithm:
            made["tickformat"] = ",.4~r"
    return made
