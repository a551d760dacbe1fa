"""Pictures of a front: in two dimensions, in three, and as a matrix of pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from dse.errors import StudyError
from dse.plots.points import (
    Points,
    StudyLike,
    check_metric,
    chosen,
    hover_texts,
    objective_of,
    plain_values,
    split,
    staircase,
)
from dse.plots.style import (
    BLUE,
    GREY,
    ORANGE,
    SERIES,
    VERMILLION,
    VIRIDIS,
    axis_title,
    figure,
    light,
    message,
    number,
    plain,
    ticks,
)
from dse.scales import suits_logarithm

if TYPE_CHECKING:
    import pandas as pd

SVG_POINTS = 2_000  # more are drawn by WebGL, which holds many but a page has few of
KNEE_LABELS = ["top center", "middle right", "bottom center"]
CLOUD_3D = 5_000  # designs behind a front in three dimensions, where more would hide it


def front_2d(
    study: StudyLike, x: str | None = None, y: str | None = None, color: str | None = None
) -> go.Figure:
    """Draw the front over two metrics, with the designs behind it.

    Parameters
    ----------
    study
        A study, or a view of one.
    x, y
        Metrics; by default the first two objectives.
    color
        A metric or parameter that colours the front; by default the remaining objective where there is just
        one.

    Returns
    -------
    The front, as large points; dominated designs, faded; infeasible ones, as crosses; the knees, labelled.
    Where both metrics are objectives a staircase bounds what is reached in these two.

    Raises
    ------
    StudyError
        If x, y or color is not known, or the study has a single objective: see `objective_history`.
    """
    x, y = chosen(study, [x, y], "xy")
    if color is None:
        rest = [o.metric for o in study.objectives if o.metric not in (x, y)]
        color = rest[0] if len(rest) == 1 else None
    elif color not in study.space:
        check_metric(study, color, "color")
    title = f"Front: {y} against {x}"
    points = split(study)
    if _nothing(points):
        return message(title, _why_empty(study))
    made = figure(
        title,
        caption=_caption(study, points),
        height=520,
        description=f"{title}; {len(points.front):,} nondominated designs, {points.dominated_count:,} "
        f"dominated, {points.infeasible_count:,} infeasible",
    )
    for frame, total, look in _clouds(points):
        made.add_trace(_cloud_2d(frame, x, y, total, look))
    both = objective_of(study, x) and objective_of(study, y)
    if both and len(points.front):
        made.add_trace(_stairs(study, points, x, y))
    kind = go.Scatter if len(points.front) <= SVG_POINTS else go.Scattergl
    for frame, look in _front_traces(study, points.front, color):
        made.add_trace(kind(x=frame[x], y=frame[y], **look))
    for axis, metric in (("xaxis", x), ("yaxis", y)):
        made.update_layout({axis: _axis(study, points, metric)})
    _label_knees(made, study, points, x, y)
    made.layout.meta = {**made.layout.meta, "x": x, "y": y, "dominated": points.dominated_count}
    return made


def front_3d(
    study: StudyLike,
    x: str | None = None,
    y: str | None = None,
    z: str | None = None,
    color: str | None = None,
) -> go.Figure:
    """Draw the front over three metrics, to be turned by hand.

    Parameters
    ----------
    study
        A study, or a view of one.
    x, y, z
        Metrics; by default the first three objectives.
    color
        A metric or parameter; z by default.

    Raises
    ------
    StudyError
        If a name is not known, or there are fewer than three objectives to take.
    """
    x, y, z = chosen(study, [x, y, z], "xyz")
    if color is not None and color not in study.space:
        check_metric(study, color, "color")
    title = f"Front: {x}, {y}, {z}"
    points = split(study, CLOUD_3D)
    if _nothing(points):
        return message(title, _why_empty(study))
    made = figure(title, caption=_caption(study, points), height=600)
    for frame, total, look in _clouds(points):
        made.add_trace(
            go.Scatter3d(
                x=light(frame[x]), y=light(frame[y]), z=light(frame[z]), mode="markers",
                name=_counted(look["name"], len(frame), total), hoverinfo="skip",
                marker={"size": 2, "color": look["color"], "symbol": look["symbol_3d"]},
                opacity=look["opacity"],
            )
        )  # fmt: skip
    for frame, look in _front_traces(study, points.front, color or z):
        look["marker"] |= {"size": 4.5, "line": {"width": 0}}
        made.add_trace(go.Scatter3d(x=frame[x], y=frame[y], z=frame[z], **look))
    if points.knees:
        knees = points.front.loc[points.knees]
        made.add_trace(
            go.Scatter3d(
                x=knees[x], y=knees[y], z=knees[z], mode="markers+text", name="knee", hoverinfo="skip",
                text=[f"#{index}" for index in knees.index], textposition=KNEE_LABELS[: len(knees)],
                marker={"size": 7, "color": VERMILLION, "symbol": "diamond-open"},
            )
        )  # fmt: skip
    scene = {}
    for axis, metric in (("xaxis", x), ("yaxis", y), ("zaxis", z)):
        scene[axis] = _axis(study, points, metric, short=True)
        scene[axis]["title"]["text"] = axis_title(
            study.metrics[metric], objective_of(study, metric), short=True, scene=True
        )
        scene[axis].pop("range", None)
    made.update_layout(
        scene={**scene, "camera": {"eye": {"x": 1.7, "y": 1.7, "z": 1.0}, "center": {"z": -0.12}}},
        margin={"l": 0, "r": 0},
    )
    return made


def front_matrix(study: StudyLike, color: str | None = None) -> go.Figure:
    """Draw the front over every pair of objectives.

    Parameters
    ----------
    study
        A study, or a view of one, of two or more objectives.
    color
        A metric or numeric parameter; the first objective by default.
    """
    metrics = [objective.metric for objective in study.objectives]
    if len(metrics) < 2:
        raise StudyError("a matrix of pairs needs two objectives: draw objective_history(study)")
    color = color or metrics[0]
    if color not in study.space:
        check_metric(study, color, "color")
    points = split(study, CLOUD_3D)
    if _nothing(points):
        return message("Front: all pairs of objectives", _why_empty(study))
    made = figure(
        "Front: all pairs of objectives", caption=_caption(study, points), height=max(480, 170 * len(metrics))
    )
    shared: dict[str, Any] = {"diagonal": {"visible": False}, "showupperhalf": False}
    for frame, total, look in _clouds(points):
        made.add_trace(
            go.Splom(
                dimensions=_dimensions(study, points, frame, metrics),
                name=_counted(look["name"], len(frame), total),
                marker={"size": 3, "color": look["color"], "symbol": look["symbol"]}, opacity=look["opacity"],
                hoverinfo="skip", **shared,
            )
        )  # fmt: skip
    for frame, look in _front_traces(study, points.front, color):
        look.pop("mode")
        look["marker"] |= {"size": 5, "line": {"width": 0}}  # small panels are dense
        made.add_trace(go.Splom(dimensions=_dimensions(study, points, frame, metrics), **look, **shared))
    made.update_xaxes(tickangle=0, nticks=4)
    made.update_yaxes(nticks=4)
    return made


def _nothing(points: Points) -> bool:
    return points.front.empty and points.infeasible_count == 0


def _why_empty(study: StudyLike) -> str:
    counts = study.counts()
    total = sum(counts.values())
    if not total:
        return "Nothing has been evaluated yet."
    lost = counts.get("failed", 0) + counts.get("timeout", 0)
    return f"No design has a result: {lost:,} of {total:,} evaluations failed."


def _caption(study: StudyLike, points: Points) -> str:
    parts = []
    if points.front.empty:
        parts.append("No design keeps the limits yet.")
    if points.infeasible_count and study.limits:
        parts.append(f"Infeasible designs break a limit ({'; '.join(limit.text for limit in study.limits)}).")
    if points.thinning:
        parts.append(points.thinning)
    return " ".join(parts)


def _clouds(points: Points) -> list[tuple[pd.DataFrame, int, dict[str, Any]]]:
    """Return what lies behind the front: frame, how many there are in all, look."""
    looks = (
        (points.infeasible, points.infeasible_count,
         {"name": "infeasible", "color": ORANGE, "symbol": "x-thin-open", "symbol_3d": "x", "opacity": 0.6}),
        (points.dominated, points.dominated_count,
         {"name": "dominated", "color": GREY, "symbol": "circle", "symbol_3d": "circle", "opacity": 0.3}),
    )  # fmt: skip
    return [(frame, total, look) for frame, total, look in looks if total]


def _counted(name: str, shown: int, total: int) -> str:
    return f"{name} ({total:,})" if shown == total else f"{name} ({shown:,} of {total:,} drawn)"


def _cloud_2d(frame: pd.DataFrame, x: str, y: str, total: int, look: dict[str, Any]) -> Any:
    kind = go.Scatter if len(frame) <= SVG_POINTS else go.Scattergl
    crossed = look["name"] == "infeasible"
    hover = (
        f"{look['name']} #%{{customdata}}<br>{plain(x)} %{{x:.4~g}}<br>{plain(y)} %{{y:.4~g}}<extra></extra>"
    )
    return kind(
        x=light(frame[x]), y=light(frame[y]), customdata=frame.index.to_numpy(np.int32), mode="markers",
        name=_counted(look["name"], len(frame), total), opacity=look["opacity"], hovertemplate=hover,
        marker={"size": 5 if crossed else 4, "color": look["color"], "symbol": look["symbol"],
                "line": {"width": 1 if crossed else 0, "color": look["color"]}},
    )  # fmt: skip


def _stairs(study: StudyLike, points: Points, x: str, y: str) -> Any:
    """Return the boundary of what the front reaches in two objectives, drawn out to the worst seen."""
    front = points.front
    flips = objective_of(study, x).maximize, objective_of(study, y).maximize
    values = front[x].to_numpy(float), front[y].to_numpy(float)
    corner = staircase(*values, flips)
    seen = [
        np.concatenate([front[name].to_numpy(float), points.dominated[name].to_numpy(float)])
        for name in (x, y)
    ]
    worst = [float(column.min() if flip else column.max()) for column, flip in zip(seen, flips, strict=True)]
    stairs_x, stairs_y = values[0][corner], values[1][corner]
    return go.Scatter(
        x=[stairs_x[0], *stairs_x, worst[0]], y=[worst[1], *stairs_y, stairs_y[-1]], mode="lines",
        line={"shape": "hv", "color": BLUE, "width": 1.5}, name="best in these two", hoverinfo="skip",
        showlegend=len(study.objectives) > 2,
    )  # fmt: skip


def _front_traces(
    study: StudyLike, front: pd.DataFrame, color: str | None
) -> list[tuple[pd.DataFrame, dict[str, Any]]]:
    """Return the front's designs, in one part or in one for each value of the colour, and how they look."""
    if front.empty:
        return []
    hover = np.array(hover_texts(study, front), dtype=object)
    # Where designs lie on top of each other outlines would cover all but the last.
    dense = len(front) > SVG_POINTS
    marker: dict[str, Any] = {
        "size": 5 if dense else 8,
        "color": BLUE,
        "line": {"width": 0 if dense else 0.5, "color": "rgba(255,255,255,0.7)"},
    }
    shared: dict[str, Any] = {"mode": "markers", "hovertemplate": "%{text}<extra></extra>"}

    def part(rows: Any, name: str, **look: Any) -> tuple[pd.DataFrame, dict[str, Any]]:
        frame = front[rows]
        return frame, {
            **shared, "name": name, "text": hover[rows].tolist(), "marker": {**marker, **look},
            "customdata": frame.index.to_numpy(np.int32),
        }  # fmt: skip

    everything = np.ones(len(front), bool)
    if color is None:
        return [part(everything, f"front ({len(front):,})")]
    values = front[color].to_numpy()
    if values.dtype.kind not in "iuf":
        values = np.array(plain_values(front[color]), dtype=object)
        distinct = list(dict.fromkeys(values.tolist()))
        distinct.sort(key=lambda value: study.space[color].encode([value])[0])
        if len(distinct) > len(SERIES):
            raise StudyError(
                f"color={color!r} has {len(distinct)} values on the front: take one with up to {len(SERIES)}"
            )
        return [
            part(values == value, f"{plain(color)} = {plain(value)}", color=SERIES[index])
            for index, value in enumerate(distinct)
        ]
    return [part(everything, f"front ({len(front):,})", **_scale(study, color, values.astype(float)))]


def _scale(study: StudyLike, name: str, values: Any) -> dict[str, Any]:
    """Return the marker settings that colour by a column, with its colour bar."""
    title = (
        axis_title(study.metrics[name], objective_of(study, name), short=True)
        if name in study.metrics
        else plain(name)
    )
    bar: dict[str, Any] = {
        "title": {"text": title, "side": "right"}, "thickness": 12, "outlinewidth": 0, "len": 0.9,
    }  # fmt: skip
    shown = values
    if suits_logarithm(values):
        shown = np.log10(values)
        low, high = float(shown.min()), float(shown.max())
        ticks = np.linspace(low, high, 5)
        bar |= {"tickvals": ticks.tolist(), "ticktext": [number(float(f"{10**t:.2g}")) for t in ticks]}
    return {"color": shown, "colorscale": VIRIDIS, "showscale": True, "colorbar": bar}


def _axis(study: StudyLike, points: Points, metric: str, *, short: bool = False) -> dict[str, Any]:
    """Return an axis's title, scale and range. The range holds the feasible designs, if there are any."""
    feasible = np.concatenate(
        [points.front[metric].to_numpy(float), points.dominated[metric].to_numpy(float)]
    )
    values = feasible if len(feasible) else points.infeasible[metric].to_numpy(float)
    made: dict[str, Any] = {
        "title": {"text": axis_title(study.metrics[metric], objective_of(study, metric), short=short)}
    }
    logarithm = suits_logarithm(values)
    made |= ticks(values, logarithm=logarithm)
    scaled = np.log10(values) if logarithm else values
    low, high = float(scaled.min()), float(scaled.max())
    beyond = points.infeasible[metric].to_numpy(float)
    if len(feasible) and high > low and len(beyond):
        beyond = np.log10(np.maximum(beyond, 1e-300)) if logarithm else beyond
        if beyond.min() < low or beyond.max() > high:
            pad = 0.05 * (high - low)
            made["range"] = [low - pad, high + pad]
    return made


def _dimensions(
    study: StudyLike, points: Points, frame: pd.DataFrame, metrics: list[str]
) -> list[dict[str, Any]]:
    made = []
    for metric in metrics:
        axis = _axis(study, points, metric, short=True)
        made.append({
            "label": axis["title"]["text"], "values": light(frame[metric]),
            "axis": {"type": axis.get("type", "linear")},
        })  # fmt: skip
    return made


def _label_knees(made: go.Figure, study: StudyLike, points: Points, x: str, y: str) -> None:
    """Mark the knees; their labels stand on the side of better, where there are no designs."""
    if not points.knees:
        return
    knees = points.front.loc[points.knees]
    made.add_trace(
        go.Scatter(
            x=knees[x], y=knees[y], mode="markers", name="knee", hoverinfo="skip",
            marker={"size": 14, "symbol": "diamond-open", "color": VERMILLION, "line": {"width": 2}},
        )
    )  # fmt: skip
    right = bool((objective := objective_of(study, x)) and objective.maximize)
    up = bool((objective := objective_of(study, y)) and objective.maximize)
    logs = [axis.type == "log" for axis in (made.layout.xaxis, made.layout.yaxis)]
    # From the left to the right the labels step away from the axis, so that neighbours do not collide.
    for rank, (index, at_x, at_y) in enumerate(
        sorted(zip(knees.index, knees[x], knees[y], strict=True), key=lambda item: item[1])
    ):
        made.add_annotation(
            x=np.log10(at_x) if logs[0] else at_x, y=np.log10(at_y) if logs[1] else at_y,
            text=f"#{index}", showarrow=True, arrowhead=0, arrowwidth=1,
            ax=(34 if right else -34), ay=(-1 if up else 1) * (16 + 16 * rank),
        )  # fmt: skip
