"""Figures of a comparison of searchers: gaps by budget and over the evaluations, the lottery of settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from dse.plots.style import GREY, SERIES, figure, message, plain

if TYPE_CHECKING:
    import pandas as pd

    from dse.compare import Comparison

Floats = NDArray[np.float64]

DASHES = ("solid", "dot", "dash")  # where there are more searchers than colours
DECADES = 20.0  # ratio of gaps from which a logarithmic axis tells more
DENSE = 100.0  # ratio up to which an axis has more than decades
ALPHA = 0.18  # of intervals
ASIDE = 1.015  # ratio of evaluations between searchers at the same budget


@dataclass(frozen=True)
class Look:
    """A searcher's colour and dash, the same in all figures of a comparison."""

    color: str
    dash: str

    def veil(self, alpha: float = ALPHA) -> str:
        """Return the colour with an opacity."""
        red, green, blue = (int(self.color[place : place + 2], 16) for place in (1, 3, 5))
        return f"rgba({red},{green},{blue},{alpha})"


def looks(comparison: Comparison) -> dict[str, Look]:
    """Return each searcher's look, best first."""
    return {
        name: Look(SERIES[place % len(SERIES)], DASHES[place // len(SERIES) % len(DASHES)])
        for place, name in enumerate(comparison.order())
    }


def comparison_by_budget(comparison: Comparison) -> go.Figure:
    """Draw the gap to the reference front's hypervolume by budget: medians, their intervals, every seed.

    Parameters
    ----------
    comparison
        From `dse.compare.compare`.
    """
    summary = comparison.summary()
    logarithm, floor = _scale(summary["gap"].to_numpy(float))
    made = figure(
        f"Gap to the {comparison.reference.kind} hypervolume",
        height=440,
        caption=f"{comparison.problem}: median over {_seeds(comparison)} with its bootstrap interval of "
        f"95 %; a dot is a run. Lower is better.{_edge(comparison.table['gap'], floor)}",
    )
    shown = looks(comparison)
    for place, (name, look) in enumerate(shown.items()):
        aside = ASIDE ** (place - (len(shown) - 1) / 2)  # so that intervals do not cover each other
        part = summary[summary["searcher"] == name]
        runs = comparison.table[comparison.table["searcher"] == name]
        middle, low, high = (
            np.maximum(1 - part[key].to_numpy(float), floor) for key in ("fraction", "high", "low")
        )
        made.add_trace(
            go.Scatter(
                x=runs["budget"] * aside, y=np.maximum(1 - runs["fraction"], floor), mode="markers",
                marker={"color": look.color, "size": 5, "opacity": 0.4}, showlegend=False,
                customdata=np.column_stack([runs["seed"], runs["budget"], 1 - runs["fraction"]]),
                hovertemplate=plain(name) + ", seed %{customdata[0]}<br>%{customdata[1]:,} evaluations, gap "
                "%{customdata[2]:.3~%}<extra></extra>",
            )
        )  # fmt: skip
        made.add_trace(
            go.Scatter(
                x=part["budget"] * aside, y=middle, name=plain(name), mode="lines+markers",
                line={"color": look.color, "width": 2.5, "dash": look.dash},
                error_y={"array": high - middle, "arrayminus": middle - low, "color": look.color},
                customdata=np.column_stack([part["budget"], part["gap"]]),
                hovertemplate=plain(name) + "<br>%{customdata[0]:,} evaluations, gap %{customdata[1]:.3~%}"
                "<extra></extra>",
            )
        )  # fmt: skip
    _evaluations(made)
    _gaps(made, comparison, logarithm=logarithm)
    return made


def comparison_anytime(comparison: Comparison) -> go.Figure:
    """Draw the gap to the reference front's hypervolume over the evaluations: medians and their intervals.

    Parameters
    ----------
    comparison
        From `dse.compare.compare`.
    """
    title = "Gap over the evaluations"
    curves = comparison.anytime()
    if curves.empty:
        return message(title, "Beyond five objectives so many hypervolumes cost too much: see the budgets.")
    logarithm, floor = _scale(curves["gap"].to_numpy(float))
    note = _edge(curves["gap"], floor)
    made = figure(
        title,
        height=460,
        caption=f"{comparison.problem}: median over {_seeds(comparison)} and its bootstrap interval of 95 %. "
        f"Lower is better; before its first feasible design a run's gap is 1.{note}",
    )
    for name, look in looks(comparison).items():
        part = curves[curves["searcher"] == name]
        low, middle, high = (np.maximum(part[key].to_numpy(float), floor) for key in ("low", "gap", "high"))
        over = part["evaluations"].to_numpy()
        made.add_trace(
            go.Scatter(
                x=np.concatenate([over, over[::-1]]), y=np.concatenate([high, low[::-1]]), mode="lines",
                line={"width": 0}, fill="toself", fillcolor=look.veil(), hoverinfo="skip",
                showlegend=False, legendgroup=plain(name),
            )
        )  # fmt: skip
        made.add_trace(
            go.Scatter(
                x=over, y=middle, name=plain(name), mode="lines", legendgroup=plain(name),
                line={"color": look.color, "width": 2.5, "dash": look.dash}, customdata=part["gap"],
                hovertemplate=plain(name) + "<br>%{x:,} evaluations, gap %{customdata:.3~%}<extra></extra>",
            )
        )  # fmt: skip
    for budget in sorted(comparison.table["budget"].unique().tolist()):
        made.add_vline(x=budget, line={"color": GREY, "width": 1, "dash": "dot"}, layer="below")
    _evaluations(made)
    _gaps(made, comparison, logarithm=logarithm)
    return made


def comparison_lottery(comparison: Comparison) -> go.Figure:
    """Draw the gap at the largest budget by a searcher's settings: quartiles, every setting, the default.

    Parameters
    ----------
    comparison
        From `dse.compare.compare` with a lottery.
    """
    title = "Lottery of settings"
    if comparison.lottery is None:
        return message(title, "No lottery was held: compare(..., lottery=10) draws settings.")
    drawn = comparison.lottery.groupby(["searcher", "setting"], sort=False)["gap"].median().reset_index()
    budget, seeds = int(comparison.lottery["budget"].max()), comparison.lottery["seed"].nunique()
    logarithm, floor = _scale(drawn["gap"].to_numpy(float))
    made = figure(
        title,
        height=460,
        caption=f"{comparison.problem}: a dot is the median gap over {seeds} seed{'s' * (seeds != 1)} at "
        f"{budget:,} evaluations under settings drawn at random from the ranges that the searcher declares; "
        "the box has the quartiles over settings. A diamond is the setting of the comparison. Lower is "
        "better.",
    )
    shown = looks(comparison)
    for name, look in shown.items():
        part = drawn[drawn["searcher"] == name]
        others = part[part["setting"] != "default"]
        made.add_trace(
            go.Box(
                x=[plain(name)] * len(part), y=np.maximum(part["gap"], floor), name=plain(name),
                boxpoints=False, line={"color": look.color, "width": 1.5}, fillcolor=look.veil(),
                showlegend=False, hoverinfo="skip", width=0.5,
            )
        )  # fmt: skip
        texts = [plain(text) for text in others["setting"]]
        made.add_trace(
            go.Scatter(
                x=[plain(name)] * len(others), y=np.maximum(others["gap"], floor), mode="markers",
                marker={"color": look.color, "size": 7, "opacity": 0.6}, showlegend=False, text=texts,
                hovertemplate="%{text}<br>gap %{y:.3~%}<extra></extra>",
            )
        )  # fmt: skip
    default = drawn[drawn["setting"] == "default"].set_index("searcher").loc[list(shown)]
    made.add_trace(
        go.Scatter(
            x=[plain(name) for name in default.index], y=np.maximum(default["gap"], floor), mode="markers",
            marker={
                "color": [look.color for look in shown.values()], "size": 13, "symbol": "diamond",
                "line": {"width": 2, "color": "white"},
            },
            showlegend=False, hovertemplate="%{x}, as compared<br>gap %{y:.3~%}<extra></extra>",
        )
    )  # fmt: skip
    made.update_xaxes(title_text="")
    _gaps(made, comparison, logarithm=logarithm)
    return made


def _scale(gaps: Floats) -> tuple[bool, float]:
    """Return whether a logarithmic axis tells more of gaps, and the least that is drawn on it."""
    positive = gaps[gaps > 0]
    if not len(positive) or positive.max() / positive.min() < DECADES:
        return False, 0.0
    return True, float(10.0 ** np.floor(np.log10(positive.min())))


def _edge(gaps: pd.Series[float], floor: float) -> str:
    """Return a sentence on gaps that are too small for a logarithmic axis; empty where there are none."""
    if not (gaps < floor).any():
        return ""
    return f" Gaps below {100 * floor:g} % are drawn at the lower edge."


def _gaps(made: go.Figure, comparison: Comparison, *, logarithm: bool) -> None:
    """Label an axis of gaps."""
    scale: dict[str, Any] = {"tickformat": ".1%", "rangemode": "tozero"}
    if logarithm:
        drawn = np.concatenate([np.asarray(trace.y, float) for trace in made.data])
        steps = (1.0,) if drawn.max() > DENSE * drawn.min() else (1.0, 2.0, 5.0)
        marks = np.outer(10.0 ** np.arange(-12, 1), steps).ravel()
        texts = [f"{100 * value:g} %" for value in marks]
        scale = {"type": "log", "tickvals": marks, "ticktext": texts}
    made.update_yaxes(title_text=_gap_title(comparison), **scale)


def _evaluations(made: go.Figure) -> None:
    made.update_xaxes(title_text="evaluations", type="log", tickformat=",", exponentformat="none", dtick="D2")


def _gap_title(comparison: Comparison) -> str:
    return f"1 - hypervolume / {comparison.reference.kind}"


def _seeds(comparison: Comparison) -> str:
    seeds = comparison.table["seed"].nunique()
    return f"{seeds} paired seed{'s' * (seeds != 1)}"
