"""Callbacks that draw: a study's figures, its surrogates, several studies."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import plotly.graph_objects as go
from dash import Dash, Input, Output, State, html, no_update

from dse import plots
from dse.dashboard.context import Context
from dse.dashboard.html import cell, table
from dse.dashboard.live import BEHIND, FilteredStudy, LiveStudy
from dse.dashboard.state import View, place, view
from dse.errors import DseError
from dse.plots.density import with_density
from dse.plots.style import message, template
from dse.store import SurrogateRecord
from dse.surrogates.pool import from_ranges

HEIGHT = 480  # of a figure that does not say
WAIT = "This takes some seconds: it will be here by itself."


def register(app: Dash, context: Context) -> None:
    """Add the callbacks to an app."""
    _figures(app, context)
    _surrogates(app, context)
    _compare(app, context)


# Figures


def _figures(app: Dash, context: Context) -> None:
    def draws(key: str, make: Callable[[FilteredStudy, View], go.Figure]) -> None:
        @app.callback(
            Output(f"fig-{key}", "figure"),
            Output(f"cap-{key}", "children"),
            Output(f"fig-{key}", "style"),
            Input("version", "data"),
            Input("url", "search"),
            Input("theme", "data"),
            State("url", "pathname"),
        )
        def draw(_: Any, search: str, theme: str, pathname: str) -> Any:
            live, chosen = context.here(pathname, search)
            try:
                made = make(live.filtered(chosen.filters), chosen)
            except DseError as error:
                made = message("Not drawn", str(error))
            return finished(made, theme)

    draws("front", _front)
    draws(
        "hypervolume", lambda study, chosen: plots.hypervolume_history(study.live.filtered(), _over(chosen))
    )
    draws("objective", lambda study, chosen: plots.objective_history(study, chosen.plain.get("objective")))
    draws("failures", lambda study, chosen: plots.failures(study))
    draws("parallel", _parallel)
    draws("importance", lambda study, chosen: _slow(context, study, "importance", plots.parameter_importance))
    draws(
        "effects",
        lambda study, chosen: _slow(
            context, study, f"effects {_metric(study, chosen)}",
            lambda study: plots.parameter_effects(study, _metric(study, chosen)),
        ),
    )  # fmt: skip


def finished(made: go.Figure, theme: str) -> tuple[dict[str, Any], str, dict[str, str]]:
    """Return a figure as a page shows it, its caption, and the room that it needs."""
    said, meta = plots.caption(made), made.layout.meta or {}
    room = {"height": f"{made.layout.height or HEIGHT}px", "minWidth": f"{meta.get('min_width', 0)}px"}
    shown = made.to_dict()
    shown["layout"] |= {
        "template": _template(theme == "dark"), "uirevision": str(meta.get("title")), "autosize": True,
    }  # fmt: skip
    shown["layout"].pop("height", None)
    for trace, packed in zip(made.data, shown["data"], strict=True):
        if isinstance(packed.get("customdata"), dict):  # packed, Dash does not tell which design was clicked
            packed["customdata"] = trace.customdata.tolist()
    return shown, said, room


@cache
def _template(dark: bool) -> dict[str, Any]:
    found: dict[str, Any] = template(dark=dark).to_plotly_json()
    return found


def _over(chosen: View) -> str:
    return "seconds" if chosen.plain.get("over") == "seconds" else "evaluations"


def _metric(study: FilteredStudy, chosen: View) -> str:
    name = chosen.plain.get("effect", "")
    return name if name in study.metrics else study.objectives[0].metric


def _front(study: FilteredStudy, chosen: View) -> go.Figure:
    x, y, color = (chosen.plain.get(key) for key in ("x", "y", "color"))
    x, y = (name if name in study.metrics else None for name in (x, y))
    if color is not None and color not in study.metrics and color not in study.space:
        color = None
    kind = chosen.plain.get("view", "2d")
    if kind == "matrix":
        return plots.front_matrix(study, color)
    if kind == "3d" and len(study.objectives) > 2:
        return plots.front_3d(study, color=color)
    if x == y:
        y = None
    made = with_density(plots.front_2d(study, x, y, color), study, BEHIND)
    if made.data:
        # Margins that fit what is drawn would have all of it drawn twice.
        scaled = any(trace.marker.showscale for trace in made.data if trace.type == "scatter")
        made.update_layout(
            title=None,  # the controls above say it
            margin={"l": 84, "r": 112 if scaled else 24, "t": 104, "b": 60, "autoexpand": False},
        )
    return _highlighted(made, study, chosen)


def _highlighted(made: go.Figure, study: FilteredStudy, chosen: View) -> go.Figure:
    """Ring the design that was picked."""
    picked = chosen.plain.get("design", "")
    meta = made.layout.meta or {}
    if picked.isdecimal() and int(picked) < len(study.columns) and "x" in meta:
        at = [[float(study.columns.metric(meta[axis])[int(picked)])] for axis in "xy"]
        made.add_trace(
            go.Scatter(
                x=at[0], y=at[1], mode="markers", name=f"design #{picked}", hoverinfo="skip",
                marker={"size": 18, "symbol": "circle-open", "color": "#D55E00", "line": {"width": 3}},
            )
        )  # fmt: skip
    return made


def _parallel(study: FilteredStudy, chosen: View) -> go.Figure:
    """Draw the whole front, with the ranges marked that are kept."""
    shade = chosen.plain.get("shade", "")
    made = plots.parallel_coordinates(study.live.filtered(), shade if shade in study.metrics else None)
    if not made.data:
        return made
    meta = made.layout.meta
    for name, logarithm, dimension in zip(
        meta["axes"], meta["logarithmic"], made.data[0].dimensions, strict=True
    ):
        if name in chosen.choices:
            places = chosen.choices[name]
            dimension.constraintrange = [[k - 0.3, k + 0.3] for k in places]
        elif name in chosen.ranges:
            low, high = chosen.ranges[name]
            ends = [(-1e300 if end is None else end) for end in (low,)] + [(1e300 if high is None else high)]
            if logarithm:
                ends = [math.log10(max(end, 1e-300)) for end in ends]
            span = list(dimension.range)
            dimension.constraintrange = [max(ends[0], span[0]), min(ends[1], span[1])]
    return made


def _slow(
    context: Context, study: FilteredStudy, what: str, make: Callable[[FilteredStudy], go.Figure]
) -> go.Figure:
    """Return a figure that a model is fitted for; while that is done, say so."""
    live = study.live
    # Models are fitted again when there is a fifth more to fit them to.
    stage = int(math.log(max(live.loaded, 1), 1.2))
    found = context.later.get((live.name, live.view.id, what, stage), lambda: make(live.filtered()))
    return message(what.capitalize(), WAIT) if found is None else go.Figure(found)


# Surrogates


def _surrogates(app: Dash, context: Context) -> None:
    def versions(live: LiveStudy) -> list[SurrogateRecord]:
        found = context.registry.versions()
        return [
            item for item in found if set(item.report.get("metrics", {})) & set(live.metrics) and item.digest
        ]

    @app.callback(
        Output("surrogates", "children"),
        Output({"kind": "plain", "key": "surrogate"}, "options"),
        Input("version", "data"),
        State("url", "pathname"),
    )
    def listed_(_: Any, pathname: str) -> Any:
        live = context.live(place(pathname).name)
        found = versions(live)
        if not found:
            return html.P(
                f"No surrogate of these metrics: dse surrogate train {live.name}", className="note"
            ), []
        rows = []
        for item in reversed(found):
            for metric, told in item.report["metrics"].items():
                rows.append(
                    [
                        item.reference, item.state, metric, cell(item.report.get("rows")),
                        cell(told.get("r2")), cell(told.get("spearman")), _percents(told.get("coverage")),
                        item.created_at[:16].replace("T", " "),
                    ]
                )  # fmt: skip
        heads = ["Version", "State", "Metric", "Rows", "R²", "Spearman", "Within 90 %", "Trained"]
        return table(heads, rows, numeric={3, 4, 5, 6}), [item.reference for item in reversed(found)]

    def compared(live: LiveStudy, chosen: View, what: str) -> go.Figure:
        found = versions(live)
        if not found:
            return message("Surrogates", f"None is stored: dse surrogate train {live.name}")
        names = {item.reference: item for item in found}
        item = names.get(chosen.plain.get("surrogate", ""), found[-1])
        metric = chosen.plain.get("metric", "")
        metric = metric if metric in item.report["metrics"] else None  # type: ignore[assignment]

        def make() -> go.Figure:
            surrogate = context.registry.load(item)
            study = live.filtered()
            learned = _learned(item, live)
            if what == "coverage":
                return plots.interval_coverage(surrogate, study, without=learned)
            return plots.predicted_against_actual(surrogate, study, metric or None, without=learned)

        key = (live.name, live.view.id, what, item.id, metric, int(math.log(max(live.loaded, 1), 1.2)))
        made = context.later.get(key, make)
        return message("Surrogates", WAIT) if made is None else go.Figure(made)

    for key in ("predicted", "coverage"):

        @app.callback(
            Output(f"fig-{key}", "figure"),
            Output(f"cap-{key}", "children"),
            Output(f"fig-{key}", "style"),
            Input("version", "data"),
            Input("url", "search"),
            Input("theme", "data"),
            State("url", "pathname"),
        )
        def draw(_: Any, search: str, theme: str, pathname: str, what: str = key) -> Any:
            live, chosen = context.here(pathname, search)
            try:
                return finished(compared(live, chosen, what), theme)
            except DseError as error:
                return finished(message("Surrogates", str(error)), theme)


def _learned(item: SurrogateRecord, live: LiveStudy) -> list[int]:
    """Return the numbers of the study's evaluations that a surrogate was trained on."""
    found: list[int] = []
    for told in item.provenance.get("studies", ()):
        if told.get("study") == live.name and told.get("fingerprint") == live.record.fingerprint:
            found += from_ranges(told["evaluations"]).tolist()
    return found


def _percents(value: Any) -> str:
    if isinstance(value, dict):
        value = value.get("0.9", next(iter(value.values()), None))
    return "–" if not isinstance(value, int | float) else f"{value:.1%}"


# Several studies


def _compare(app: Dash, context: Context) -> None:
    @app.callback(
        Output("fig-fronts", "figure"), Output("cap-fronts", "children"), Output("fig-fronts", "style"),
        Output("fig-volumes", "figure"), Output("cap-volumes", "children"), Output("fig-volumes", "style"),
        Output("fig-attained", "figure"), Output("cap-attained", "children"), Output("fig-attained", "style"),
        Output("compared", "children"),
        Output({"kind": "plain", "key": "cx"}, "options"),
        Output({"kind": "plain", "key": "cy"}, "options"),
        Input("version", "data"), Input("url", "search"), Input("theme", "data"), State("url", "pathname"),
    )  # fmt: skip
    def compare(_: Any, search: str, theme: str, pathname: str) -> Any:
        if place(pathname).page != "compare":
            return (no_update,) * 12
        chosen = view(search)
        made: list[Any] = []
        told, names = "", []
        try:
            studies = [
                context.live(name).filtered() for name in chosen.plain.get("studies", "").split("\n") if name
            ]
            if not studies:
                told = "Choose two or more."
            else:
                names = [objective.metric for objective in studies[0].objectives]
                x, y = (chosen.plain.get(key) for key in ("cx", "cy"))
                x, y = (name if name in names else None for name in (x, y))
                y = None if x == y else y
                figures: list[Callable[[], go.Figure]] = [
                    lambda: plots.studies_fronts(studies, x, y),
                    lambda: plots.studies_progress(studies),
                    lambda: plots.studies_attainment(studies, x, y),
                ]
                for make in figures:
                    made += finished(make(), theme)
        except DseError as error:
            told, made = str(error), []
        empty = [item for _ in range(3) for item in finished(message("Nothing to draw", told or "-"), theme)]
        return (*(made or empty), told, names, names)
