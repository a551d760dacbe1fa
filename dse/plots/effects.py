"""Pictures of how an objective changes with single parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dse.effects import parameter_effects as effects
from dse.errors import StudyError
from dse.plots.points import StudyLike, check_metric, objective_of
from dse.plots.style import BLUE, GREY, axis_title, figure, message, number, plain, shortened
from dse.space import Categorical, Ordinal

SHOWN = 6  # parameters, the most important first
COLUMNS = 3
LABELS = 8  # values that are named on an axis


def parameter_effects(study: StudyLike, objective: str | None = None, shown: int = SHOWN) -> go.Figure:
    """Draw how a metric changes with its most important parameters: see `dse.effects.parameter_effects`.

    Parameters
    ----------
    study
        A study, or a view of one.
    objective
        A metric; the first objective by default.
    shown
        Parameters, the most important first.

    Returns
    -------
    A panel a parameter: the effect, and in grey how many designs stand behind it. A note where there are too
    few evaluations.

    Raises
    ------
    StudyError
        If the metric is not known.
    """
    metric = check_metric(study, objective or study.objectives[0].metric, "objective")
    title = f"Effects on {metric}"
    try:
        frame = effects(study, metric)
    except StudyError as error:
        return message(title, f"Not enough to tell: {error}")
    names = list(dict.fromkeys(frame["parameter"]))
    logarithm = frame["scale"].iloc[0] == "log"
    told = "factor on" if logarithm else "change of"
    unit = "" if logarithm or not study.metrics[metric].unit else f" [{study.metrics[metric].unit}]"
    caption = (
        f"Accumulated local effects by a forest: the {told} {metric} when the parameter alone takes a value, "
        "the others being as in the designs that were evaluated there. Grey bars: how many these are. Where "
        "a searcher has converged, there are few designs elsewhere, and effects there are guesses."
    )
    if len(names) > shown:
        caption += f" The first {shown} of {len(names)} parameters."
    names = names[:shown]
    rows, columns = -(-len(names) // COLUMNS), min(COLUMNS, len(names))
    grid = make_subplots(
        rows, columns, shared_yaxes="all", subplot_titles=[plain(name, 32) for name in names],
        specs=[[{"secondary_y": True}] * columns for _ in range(rows)], vertical_spacing=0.5 / (rows + 1),
        horizontal_spacing=0.05,
    )  # fmt: skip
    made = figure(title, caption=caption, height=110 + 230 * rows)
    for place, name in enumerate(names):
        at = {"row": place // COLUMNS + 1, "col": place % COLUMNS + 1}
        _panel(grid, study, frame[frame["parameter"] == name], name, at)
    layout = {key: value for key, value in grid.to_dict()["layout"].items() if key != "template"}
    made.add_traces(grid.data)
    made.update_layout(**layout)
    for annotation in made.layout.annotations:
        annotation.font.size = 13
    for axis in made.select_yaxes():
        if axis.overlaying:
            axis.update(visible=False, rangemode="tozero", showgrid=False)
        else:
            axis.update(type="log" if logarithm else "linear", nticks=6)
    label = axis_title(study.metrics[metric], objective_of(study, metric), short=True)
    made.layout.yaxis.title = {"text": f"{told} {plain(label if logarithm else metric)}{plain(unit)}"}
    made.update_layout(showlegend=False, bargap=0.05)
    return made


def _panel(grid: go.Figure, study: StudyLike, part: Any, name: str, at: dict[str, int]) -> None:
    parameter = study.space[name]
    values = part["value"].tolist()
    listed = isinstance(parameter, Categorical | Ordinal)
    x = np.arange(len(values)) if listed else np.asarray(values, float)
    texts = [plain(number(value) if isinstance(value, int | float) else value, 24) for value in values]
    grid.add_trace(
        go.Bar(x=x, y=part["count"], marker={"color": GREY, "opacity": 0.25}, hoverinfo="skip"),
        secondary_y=True, **at,
    )  # fmt: skip
    grid.add_trace(
        go.Scatter(
            x=x, y=part["effect"], mode="lines+markers", line={"color": BLUE, "width": 2}, marker={"size": 6},
            customdata=list(zip(texts, part["count"], strict=True)),
            hovertemplate=f"{plain(name)} %{{customdata[0]}}<br>effect %{{y:.3~g}}<br>"
            "%{customdata[1]:,} designs<extra></extra>",
        ),
        secondary_y=False, **at,
    )  # fmt: skip
    if listed:
        step = max(1, -(-len(values) // LABELS))
        grid.update_xaxes(
            tickvals=x[::step], ticktext=[plain(shortened(text, 10)) for text in texts[::step]], **at
        )
    elif getattr(parameter, "log", False):
        grid.update_xaxes(type="log", **at)
