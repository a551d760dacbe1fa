"""Pictures of parameters: the designs of a front as parallel coordinates, and which parameters matter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from dse.errors import StudyError
from dse.importance import parameter_importance as importances
from dse.plots.points import StudyLike, check_metric, constants, objective_of, thinned, varying
from dse.plots.style import (
    SERIES,
    VIRIDIS,
    axis_title,
    figure,
    light,
    message,
    number,
    plain,
    shortened,
)
from dse.scales import suits_logarithm
from dse.space import Categorical, Ordinal, Parameter

if TYPE_CHECKING:
    import pandas as pd

LINES = 5_000  # designs in parallel coordinates: more merge into one area
TICKS = 12  # values that are labelled on one axis
IMPORTANT = 15  # parameters in the picture of importances
WEAK = 0.5  # below, a forest explains less than half of what varies


def parallel_coordinates(study: StudyLike, color: str | None = None) -> go.Figure:
    """Draw the front's designs as lines over its parameters and objectives; axes can be brushed and moved.

    Parameters
    ----------
    study
        A study, or a view of one.
    color
        A metric; the first objective by default.

    Returns
    -------
    Parameters that are the same all over the front are left out, and named in the caption. Listed values are
    evenly spaced in their order, wide ranges are logarithmic.

    Raises
    ------
    StudyError
        If the metric is not known.
    """
    color = check_metric(study, color or study.objectives[0].metric, "color")
    title = "The front's designs"
    front = study.front()
    if front.empty:
        return message(title, "No feasible design yet.")
    if len(front) == 1:
        return message(title, f"The front is a single design, #{front.index[0]}.")
    drawn = thinned(front, LINES)
    free, same = varying(study, front), constants(study, front)
    parts = []
    if len(drawn) < len(front):
        parts.append(f"Of {len(front):,} designs {len(drawn):,} are drawn, evenly along the front.")
    if any(parameter.condition is not None for parameter in free):
        parts.append("A parameter that is not active stands at its canonical value.")
    if same:
        parts.append(f"The same in all: {same}.")
    axes = [_parameter_axis(parameter, drawn[parameter.name]) for parameter in free]
    axes += [_metric_axis(study, o.metric, drawn[o.metric].to_numpy(float)) for o in study.objectives]
    dimensions = [{key: value for key, value in axis.items() if key != "logarithmic"} for axis in axes]
    scale = _metric_axis(study, color, drawn[color].to_numpy(float))
    bar: dict[str, Any] = {
        "title": {"text": scale["label"], "side": "right"},
        "thickness": 12,
        "outlinewidth": 0,
    }
    bar |= {name: scale[name] for name in ("tickvals", "ticktext") if name in scale}
    made = figure(title, caption=" ".join(parts), height=460)
    made.add_trace(
        go.Parcoords(
            dimensions=dimensions, labelangle=-25, labelside="top", labelfont={"size": 12},
            tickfont={"size": 11}, rangefont={"size": 1, "color": "rgba(0,0,0,0)"},
            line={"color": scale["values"], "colorscale": VIRIDIS, "showscale": True, "colorbar": bar},
            unselected={"line": {"opacity": 0.06}},
        )
    )  # fmt: skip
    longest = max(len(dimension["label"]) for dimension in dimensions)
    # The first axis has its values and half of its slanted name on the left of it.
    left = max(len(str(value)) for value in dimensions[0].get("ticktext", ["      "]))
    left = max(60, 16 + 7 * left, 4 * len(dimensions[0]["label"]))
    made.update_layout(margin={"t": 70 + min(90, 3 * longest), "l": left, "r": 30, "b": 24})
    made.layout.meta = {
        **made.layout.meta,
        "min_width": 110 + 64 * len(dimensions),
        "axes": [*(parameter.name for parameter in free), *(o.metric for o in study.objectives)],
        "logarithmic": [bool(dimension.pop("logarithmic", False)) for dimension in axes],
    }
    return made


def _parameter_axis(parameter: Parameter, column: pd.Series[Any]) -> dict[str, Any]:
    label = plain(parameter.name)
    if isinstance(parameter, Categorical | Ordinal):
        codes = parameter.encode(column.tolist())
        listed = parameter.listed
        shown = np.unique(np.linspace(0, len(listed) - 1, min(TICKS, len(listed))).round().astype(int))
        return {
            "label": label, "values": codes.astype(np.int32), "range": [0, max(len(listed) - 1, 1)],
            "tickvals": shown.tolist(),
            "ticktext": [shortened(number(listed[code]), 18) for code in shown],  # taken literally here
        }  # fmt: skip
    values = column.to_numpy(float)
    if getattr(parameter, "log", False) or suits_logarithm(values):
        return _log_axis(label, values)
    made = {"label": label, "values": light(values), "range": _padded(values)}
    if values.dtype.kind in "iu" or (values % 1 == 0).all():
        low, high = int(values.min()), int(values.max())
        shown = np.unique(np.linspace(low, high, min(6, high - low + 1)).round().astype(int))
        made |= {"tickvals": shown.tolist(), "ticktext": [number(int(value)) for value in shown]}
    return made


def _metric_axis(study: StudyLike, metric: str, values: Any) -> dict[str, Any]:
    label = axis_title(study.metrics[metric], objective_of(study, metric), short=True)
    if suits_logarithm(values):
        return _log_axis(label, values)
    return {"label": label, "values": light(values), "range": _padded(values)}


def _log_axis(label: str, values: Any) -> dict[str, Any]:
    logs = np.log10(values)
    low, high = _padded(logs)
    steps = np.array([1.0, 2.0, 5.0] if high - low < 3 else [1.0])
    ticks = (10.0 ** np.arange(np.floor(low), np.ceil(high) + 1)[:, None] * steps).ravel()
    ticks = ticks[(np.log10(ticks) >= low) & (np.log10(ticks) <= high)]
    return {
        "label": label, "values": light(logs), "range": [low, high], "logarithmic": True,
        "tickvals": np.log10(ticks).tolist(), "ticktext": [number(float(f"{tick:.3g}")) for tick in ticks],
    }  # fmt: skip


def _padded(values: Any) -> list[float]:
    """Return a range that is not empty."""
    low, high = float(values.min()), float(values.max())
    pad = 0.02 * (high - low) or (0.05 * abs(low) or 1.0)
    return [low - pad, high + pad]


def parameter_importance(study: StudyLike) -> go.Figure:
    """Draw how much each parameter explains of each objective: see `dse.importance.parameter_importance`.

    Returns
    -------
    Bars with the standard deviation over shuffles; the legend states each forest's R2 on evaluations that it
    was not fitted to. A note where there are too few evaluations.
    """
    title = "What the parameters explain"
    try:
        frame = importances(study)
    except StudyError as error:
        return message(title, f"Not enough to tell: {error}")
    order = (
        frame.groupby("parameter", sort=False)["importance"]
        .mean()
        .sort_values(ascending=False, kind="stable")
    )
    names = [name for name in order.index if order[name] > 0][:IMPORTANT]
    if not names:
        return message(title, "No parameter explains any objective.")
    weak = [
        objective.metric
        for objective in study.objectives
        if not frame.loc[frame["objective"] == objective.metric, "r2"].iloc[0] >= WEAK
    ]
    caption = (
        "By how much the R² of a forest falls when a parameter is shuffled, on evaluations that it was not "
        f"fitted to; {frame['evaluations'].iloc[0]:,} evaluations used. It tells of the designs that were "
        "evaluated, which a searcher concentrates near the front; parameters tied by a constraint share "
        "their importance."
    )
    if weak:
        caption += f" The model is weak for {', '.join(weak)}: read that with care."
    if len(names) < len(order):
        caption += f" The first {len(names)} of {len(order)} parameters."
    metrics = [objective.metric for objective in study.objectives]
    made = figure(title, caption=caption, height=150 + len(names) * (14 + 12 * len(metrics)))
    for index, metric in enumerate(metrics):
        part = frame[frame["objective"] == metric].set_index("parameter").loc[names]
        r2, scale = float(part["r2"].iloc[0]), part["scale"].iloc[0]
        fitted = f"log {plain(metric)}" if scale == "log" else plain(metric)
        made.add_trace(
            go.Bar(
                x=part["importance"], y=np.arange(len(names)), orientation="h",
                name=f"{fitted} (held-out R² {r2:.2f})" if np.isfinite(r2) else f"{fitted} (does not vary)",
                marker={"color": SERIES[index % len(SERIES)]},
                error_x={"type": "data", "array": part["std"], "thickness": 1, "width": 2},
                customdata=[plain(name) for name in names],
                hovertemplate=f"%{{customdata}} on {plain(metric)}<br>R² falls by %{{x:.3f}}<extra></extra>",
            )
        )  # fmt: skip
    made.update_layout(barmode="group", bargap=0.25, legend={"traceorder": "normal"})
    made.update_xaxes(title_text="fall of R² when shuffled", rangemode="nonnegative")
    made.update_yaxes(
        tickvals=np.arange(len(names)), ticktext=[plain(name, 32) for name in names], autorange="reversed",
        ticks="",
    )  # fmt: skip
    return made
