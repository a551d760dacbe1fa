"""All designs behind a front as densities, where single points would be too many."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from dse.plots.points import CLOUD

CELLS = 120  # along each axis
GREYS = [(0.0, "rgba(138,143,152,0.10)"), (1.0, "rgba(138,143,152,0.85)")]


def with_density(made: go.Figure, study: Any, most: int = CLOUD) -> go.Figure:
    """Return a front over two metrics with the dominated designs as a density, if there are very many.

    Parameters
    ----------
    made
        From `dse.plots.front_2d`.
    most
        Dominated designs up to which they stay points.
    study
        What it was made of, if that has a method ``cloud(x, y)``: all dominated designs' values, two arrays.
    """
    meta = made.layout.meta or {}
    if "x" not in meta or meta.get("dominated", 0) <= most:
        return made
    x, y = study.cloud(meta["x"], meta["y"])
    logs = [axis.type == "log" for axis in (made.layout.xaxis, made.layout.yaxis)]
    edges = []
    for values, logarithm in zip((x, y), logs, strict=True):
        low, high = float(values.min()), float(values.max())
        if logarithm:
            edges.append(np.geomspace(low, high, CELLS + 1))
        else:
            edges.append(np.linspace(low, high, CELLS + 1))
    counts = _counted(x, y, edges, logs)
    with np.errstate(divide="ignore"):
        shade = np.where(counts > 0, np.log10(counts), np.nan)
    heat = go.Heatmap(
        x=edges[0], y=edges[1], z=shade.T.astype(np.float32), colorscale=GREYS, showscale=False,
        hoverinfo="skip", hoverongaps=False, name=f"dominated ({len(x):,}), as density", showlegend=True,
    )  # fmt: skip
    kept = [trace for trace in made.data if not (trace.name or "").startswith("dominated")]
    made.data = ()
    made.add_traces([heat, *kept])
    return made


def _counted(x: Any, y: Any, edges: list[Any], logs: list[bool]) -> Any:
    """Return how many designs are in each cell; cells are even, so that none need be looked for."""
    places = []
    for values, edge, logarithm in zip((x, y), edges, logs, strict=True):
        low, high = float(edge[0]), float(edge[-1])
        if logarithm:
            values, low, high = np.log(values), np.log(low), np.log(high)
        scale = CELLS / (high - low) if high > low else 0.0
        places.append(np.clip(((values - low) * scale).astype(np.int32), 0, CELLS - 1))
    flat = np.bincount(places[0] * CELLS + places[1], minlength=CELLS * CELLS)
    return flat.reshape(CELLS, CELLS)
