"""Figures of a comparison of searchers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import plotly.graph_objects as go

from dse.plots.style import SERIES, figure

if TYPE_CHECKING:
    from dse.compare import Comparison


def comparison_by_budget(comparison: Comparison) -> go.Figure:
    """Draw the gap to the reference front's hypervolume by budget: medians, their intervals, every seed.

    Parameters
    ----------
    comparison
        From `dse.compare.compare`.
    """
    summary = comparison.summary()
    kind = "exact" if comparison.reference.exact else "best known"
    seeds = int(summary["seeds"].max())
    made = figure(
        f"Gap to the {kind} hypervolume",
        height=440,
        caption=f"{comparison.problem}: median over {seeds} paired seeds with its bootstrap interval of "
        "95 %; a dot is a run. Lower is better.",
    )
    for place, name in enumerate(dict.fromkeys(summary["searcher"])):
        color = SERIES[place % len(SERIES)]
        part = summary[summary["searcher"] == name]
        runs = comparison.table[comparison.table["searcher"] == name]
        gap = 1 - part["fraction"]
        made.add_trace(
            go.Scatter(
                x=runs["budget"], y=1 - runs["fraction"], mode="markers", showlegend=False,
                marker={"color": color, "size": 5, "opacity": 0.4}, customdata=runs["seed"],
                hovertemplate=name + ", seed %{customdata}<br>%{x:,} evaluations, gap %{y:.2~%}"
                "<extra></extra>",
            )
        )  # fmt: skip
        made.add_trace(
            go.Scatter(
                x=part["budget"], y=gap, name=name, mode="lines+markers",
                line={"color": color, "width": 2.5},
                error_y={
                    "array": part["fraction"] - part["low"],
                    "arrayminus": part["high"] - part["fraction"],
                    "color": color,
                },
                hovertemplate=name + "<br>%{x:,} evaluations, gap %{y:.2~%}<extra></extra>",
            )
        )  # fmt: skip
    made.update_xaxes(title_text="evaluations", type="log", tickformat=",", exponentformat="none")
    made.update_yaxes(title_text="1 - hypervolume / " + kind, tickformat=".1%", rangemode="tozero")
    return made
