"""Figures of empirical attainment: what share of a searcher's runs reached where.

Grunert da Fonseca, Fonseca and Hall, EMO 2001; pictures of differences as in Lopez-Ibanez, Paquete and
Stuetzle, "Exploratory analysis of stochastic local search algorithms in biobjective optimization", 2010.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from dse.pareto import attainment_differences
from dse.plots.comparison import Look, looks
from dse.plots.points import staircase
from dse.plots.style import GREY, axis_title, figure, message, plain, ticks
from dse.scales import suits_logarithm

if TYPE_CHECKING:
    from dse.compare import Comparison

Floats = NDArray[np.float64]

SHOWN = 2  # searchers that are drawn at first: bands of more cover each other
SHADES = 5  # of differences
QUARTILES = (0.25, 0.5, 0.75)


def comparison_attainment(comparison: Comparison, x: str | None = None, y: str | None = None) -> go.Figure:
    """Draw attainment surfaces at the largest budget: what a quarter, half and three quarters of runs reach.

    Parameters
    ----------
    comparison
        From `dse.compare.compare`.
    x, y
        Two objectives; the first two by default.

    Raises
    ------
    StudyError
        If a name is no objective.
    """
    title = "Attainment surfaces"
    why = _why_not(comparison)
    if why:
        return message(title, why)
    view = _View(comparison, x, y)
    surfaces = comparison.attainment(QUARTILES, x, y)
    made = figure(
        title,
        height=560,
        caption=f"{comparison.problem} at {view.budget:,} evaluations: a line is what half of a searcher's "
        "runs reached, its band lies between what three quarters and one quarter did. Dashed: the "
        f"{comparison.reference.kind} front.{view.note} Searchers in the legend are shown at a click.",
    )
    for place, (name, look) in enumerate(looks(comparison).items()):
        first, middle, most = (surfaces[name][level] for level in QUARTILES)
        group: dict[str, Any] = {
            "legendgroup": plain(name), "visible": True if place < SHOWN else "legendonly",
        }  # fmt: skip
        if len(first) and len(most):
            band = np.concatenate([view.stairs(first), view.stairs(most)[::-1]])
            made.add_trace(
                go.Scatter(
                    x=band[:, 0], y=band[:, 1], mode="lines", line={"width": 0}, fill="toself",
                    fillcolor=look.veil(0.25), hoverinfo="skip", showlegend=False, **group,
                )
            )  # fmt: skip
        if len(middle):
            line = view.stairs(middle)
            made.add_trace(
                go.Scatter(
                    x=line[:, 0], y=line[:, 1], mode="lines", name=plain(name), hoverinfo="skip",
                    line={"color": look.color, "width": 2, "dash": look.dash}, **group,
                )
            )  # fmt: skip
    made.add_trace(view.front())
    view.label(made)
    return made


def comparison_difference(
    comparison: Comparison,
    one: str | None = None,
    other: str | None = None,
    x: str | None = None,
    y: str | None = None,
) -> go.Figure:
    """Draw where one searcher's runs reach more often than another's, side by side with where less often.

    Parameters
    ----------
    comparison
        From `dse.compare.compare`.
    one, other
        Searchers; the two best by default.
    x, y
        Two objectives; the first two by default.

    Raises
    ------
    StudyError
        If a name is no objective or no searcher.
    """
    from plotly.subplots import make_subplots

    from dse.errors import StudyError

    title = "Differences of attainment"
    order = comparison.order()
    for name in (one, other):
        if name is not None and name not in order:
            raise StudyError(f"{name!r} was not compared; known are {', '.join(order)}")
    free = [name for name in order if name not in (one, other)]
    why = _why_not(comparison) or ("" if len(order) > 1 else "One searcher differs from nothing.")
    if why:
        return message(title, why)
    names = [name or free.pop(0) for name in (one, other)]
    view = _View(comparison, x, y)
    sides = [view.fronts(name) for name in names]
    if not all(len(front) for side in sides for front in side):
        return message(title, "A run has no feasible design.")
    found = attainment_differences(sides[0], sides[1])
    title = f"{names[0]} and {names[1]}: where runs of one reach more often"
    panels = make_subplots(
        cols=2, shared_yaxes=True, shared_xaxes=True, horizontal_spacing=0.03,
        subplot_titles=[f"{plain(name)} more often" for name in names],
    )  # fmt: skip
    made = figure(
        title,
        height=480,
        caption=f"{comparison.problem} at {view.budget:,} evaluations. The darker, the larger the share of "
        "runs by which the searcher reaches there more often than the other, in fifths. Dashed: the "
        f"{comparison.reference.kind} front.{view.note}",
    )
    layout = panels.to_plotly_json()["layout"]
    layout.pop("template", None)
    made.update_layout(layout)
    shown = looks(comparison)
    for column, (name, sign) in enumerate(zip(names, (1, -1), strict=True)):
        axes = {"xaxis": f"x{column + 1}" if column else "x", "yaxis": f"y{column + 1}" if column else "y"}
        shares = sign * found[:, 4]
        for shade in range(SHADES):
            rows = (shares > shade / SHADES) & (shares <= (shade + 1) / SHADES)
            if rows.any():
                made.add_trace(view.patches(found[rows], shown[name], shade, axes))
        front = view.front()
        front.update(axes)
        front.showlegend = False
        made.add_trace(front)
    view.label(made)
    made.update_layout(yaxis2={"title": {"text": ""}}, showlegend=False)
    return made


def _why_not(comparison: Comparison) -> str:
    if len(comparison.objectives) < 2:
        return "Attainment surfaces need two objectives."
    if not any(len(front) for front in comparison.fronts.values()):
        return "No run has a feasible design."
    return ""


class _View:
    """Two objectives of a comparison, drawn in their own units and directions."""

    def __init__(self, comparison: Comparison, x: str | None, y: str | None) -> None:
        self.comparison = comparison
        self.columns = list(comparison.pair(x, y))
        self.objectives = [comparison.objectives[column] for column in self.columns]
        self.signs = np.array([objective.sign for objective in self.objectives])
        self.budget = int(comparison.table["budget"].max())
        points = [comparison.reference.points[:, self.columns]]
        points += [self._edge(front) for front in comparison.fronts.values()]
        self.drawn = np.concatenate(points)
        self.worst = self.drawn.max(axis=0)
        more = len(comparison.objectives) - 2
        self.note = (
            f" Drawn for {self.objectives[0].metric} and {self.objectives[1].metric} alone, whatever the "
            f"other {'objective is' if more == 1 else 'objectives are'}."
            if more
            else ""
        )

    def fronts(self, searcher: str) -> list[Floats]:
        """Return what each run of a searcher found, minimised."""
        return [
            front[:, self.columns] for (name, _), front in self.comparison.fronts.items() if name == searcher
        ]

    def _edge(self, front: Floats) -> Floats:
        """Return the nondominated points in the two objectives, best in the first objective first."""
        both: Floats = front[:, self.columns]
        return both[staircase(both[:, 0], both[:, 1], (False, False))]

    def stairs(self, points: Floats) -> Floats:
        """Return the vertices of the boundary of what points reach, in own units, to the worst drawn."""
        edge = points * self.signs
        edge = edge[staircase(edge[:, 0], edge[:, 1], (False, False))]
        x = np.append(np.repeat(edge[:, 0], 2), self.worst[0])
        y = np.append(self.worst[1], np.repeat(edge[:, 1], 2))
        vertices: Floats = np.column_stack([x, y]) * self.signs
        return vertices

    def front(self) -> go.Scatter:
        """Return the reference front."""
        line = self.stairs(self._edge(self.comparison.reference.points) * self.signs)
        return go.Scatter(
            x=line[:, 0], y=line[:, 1], mode="lines", name=f"{self.comparison.reference.kind} front",
            line={"color": GREY, "width": 2, "dash": "dash"}, hoverinfo="skip",
        )  # fmt: skip

    def patches(self, rectangles: Floats, look: Look, shade: int, axes: dict[str, str]) -> go.Scatter:
        """Return rectangles of minimised objectives, filled."""
        low = rectangles[:, :2]
        high = np.minimum(rectangles[:, 2:4], self.worst)
        rows = (low < high).all(axis=1)
        low, high = low[rows] * self.signs, high[rows] * self.signs
        gap = np.full(len(low), np.nan)
        x = np.column_stack([low[:, 0], high[:, 0], high[:, 0], low[:, 0], low[:, 0], gap]).ravel()
        y = np.column_stack([low[:, 1], low[:, 1], high[:, 1], high[:, 1], low[:, 1], gap]).ravel()
        return go.Scatter(
            x=x, y=y, mode="lines", line={"width": 0}, fill="toself", hoverinfo="skip",
            fillcolor=look.veil(round((shade + 1) / SHADES, 3)), **axes,
        )  # fmt: skip

    def label(self, made: go.Figure) -> None:
        """Name the axes, and spread them by logarithm where that suits."""
        for axes, column in ((made.update_xaxes, 0), (made.update_yaxes, 1)):
            objective = self.objectives[column]
            values = self.drawn[:, column] * objective.sign
            axes(
                title_text=axis_title(self.comparison.metrics[objective.metric], objective),
                **ticks(values, logarithm=suits_logarithm(values)),
            )
