"""What fills the pages, and what choices on them do."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

import numpy as np
import plotly.graph_objects as go
from dash import ALL, Dash, Input, Output, State, ctx, dcc, html, no_update

from dse import plots
from dse.dashboard import pages
from dse.dashboard.context import Context
from dse.dashboard.html import aria, table
from dse.dashboard.listing import listing
from dse.dashboard.live import BEHIND, FilteredStudy, LiveStudy, listed
from dse.dashboard.state import View, design_path, known, place, study_path, view
from dse.decisions import achievement, epsilon_constraint, weighted
from dse.designs import Designs
from dse.errors import DseError
from dse.plots.density import with_density
from dse.plots.style import message, number, template
from dse.store import SurrogateRecord
from dse.surrogates.pool import from_ranges

HEIGHT = 480  # of a figure that does not say
ROWS = 100  # of a table
NEIGHBOURS = 5
WAIT = "This takes some seconds: it will be here by itself."


def register(app: Dash, context: Context) -> None:
    """Add the callbacks to an app."""
    _theme(app)
    _navigation(app, context)
    _study(app, context)
    _figures(app, context)
    _tables(app, context)
    _decisions(app, context)
    _surrogates(app, context)
    _design(app, context)
    _compare(app, context)


def _theme(app: Dash) -> None:
    on_the_page: Any = app.clientside_callback
    on_the_page(
        "function(n) { return window.dseTheme(n); }",
        Output("theme", "data"),
        Input("theme-button", "n_clicks"),
    )


# Pages


def _navigation(app: Dash, context: Context) -> None:
    @app.callback(
        Output("page", "children"),
        Input("url", "pathname"),
        Input("returned", "data"),
        State("url", "search"),
    )
    def page(pathname: str, _: Any, search: str) -> Any:
        here = place(pathname)
        try:
            if here.page == "studies":
                return pages.studies_page()
            if here.page == "compare":
                return pages.compare_page(context, view(search))
            if here.page == "study" and here.part in pages.TABS:
                live = context.live(here.name)
                return pages.study_page(live, here.part, known(view(search), live))
            if here.page == "design" and here.part.isdecimal():
                live = context.live(here.name)
                if int(here.part) < live.total:
                    _wait_for(live, int(here.part))
                    return pages.design_page(live, int(here.part), context)
                return pages.missing_page(f"Study {here.name!r} has no evaluation {here.part}.")
        except DseError as error:
            return pages.missing_page(str(error))
        return pages.missing_page("There is no such page.")

    @app.callback(
        Output("version", "data"),
        Input("tick", "n_intervals"),
        Input("url", "pathname"),
        State("version", "data"),
    )
    def version(ticks: int, pathname: str, last: Any) -> Any:
        here = place(pathname)
        try:
            if here.page in ("study", "design"):
                live = context.live(here.name)
                found: list[Any] = [here.name, *live.version, context.later.done]
            else:
                found = [_moved(context)]
        except DseError as error:
            found = [str(error)]
        return no_update if found == last else found

    @app.callback(Output("studies", "children"), Input("version", "data"))
    def studies(_: Any) -> Any:
        return _studies_table(context)


def _wait_for(live: LiveStudy, number_: int) -> None:
    """Wait until an evaluation is loaded: those of a large study are read in a thread."""
    while live.loaded <= number_:
        live.refresh()
        if live.loaded <= number_ and live._reader is not None:
            live._reader.join(0.1)


def _moved(context: Context) -> list[Any]:
    return [
        (record.name, record.state, *context.store.progress(record.id or 0))
        for record in context.store.studies()
    ]


def _studies_table(context: Context) -> Any:
    rows = []
    for record in reversed(context.store.studies()):
        study_id = record.id or 0
        _, total = context.store.progress(study_id)
        size, volume = context.store.latest(study_id)
        rate = _rate(context, study_id) if record.state == "running" else None
        goals = ", ".join(item["metric"] for item in record.problem["objectives"])
        budget = record.budget or 0
        left = (budget - total) / rate if rate and budget > total else None
        done = (
            html.Progress(value=str(min(total, budget)), max=str(budget), **aria(f"{total} of {budget}"))
            if budget
            else ""
        )
        rows.append(
            [
                dcc.Link(record.name, href=study_path(record.name)),
                html.Span(record.state, className=f"state {record.state}"),
                [f"{total:,}", f" of {budget:,}" if budget else "", done],
                f"{rate:,.3g}/s" if rate else "",
                _duration(left) if left is not None else "",
                f"{size:,}",
                "" if volume is None else number(float(f"{volume:.5g}")),
                record.searcher["name"],
                goals,
                record.created_at[:16].replace("T", " "),
            ]
        )
    if not rows:
        return html.P("The store has no study yet: dse run STUDY makes one.", className="note")
    heads = [
        "Study", "State", "Evaluations", "Rate", "Left", "Front", "Hypervolume", "Searcher", "Objectives",
        "Created",
    ]  # fmt: skip
    return table(heads, rows, numeric={3, 4, 5, 6})


def _rate(context: Context, study_id: int) -> float | None:
    """Return evaluations a second over the last minutes of a run, by when its commits began."""
    recent = context.store.recent_commits(study_id)
    if len(recent) < 2:
        return None
    moments = [datetime.fromisoformat(moment) for moment, _ in recent]
    spent = (datetime.now(UTC) - moments[0]).total_seconds()
    return sum(count for _, count in recent[1:]) / spent if spent > 0 else None


def _duration(seconds: float) -> str:
    for unit, length in (("d", 86_400.0), ("h", 3_600.0), ("min", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.0f} s"


# A study's page: what is chosen


def _study(app: Dash, context: Context) -> None:
    on_the_page: Any = app.clientside_callback
    on_the_page(
        "function(version, search) { return window.dseLater(); }",
        Output("settled", "data"),
        Input("version", "data"),
        Input("url", "search"),
    )

    @app.callback(
        Output("strip", "children"),
        Input("settled", "data"),
        State("url", "search"),
        State("url", "pathname"),
    )
    def strip(_: Any, search: str, pathname: str) -> Any:
        live, chosen = _here(context, pathname, search)
        return _strip(context, live, chosen)

    @app.callback(
        Output("url", "search"),
        Input({"kind": "plain", "key": ALL}, "value"),
        Input({"kind": "range", "key": ALL, "low": ALL, "high": ALL, "log": ALL}, "value"),
        Input({"kind": "choice", "key": ALL}, "value"),
        Input({"kind": "aim", "key": ALL}, "value"),
        Input({"kind": "weight", "key": ALL}, "value"),
        State("url", "search"),
        prevent_initial_call=True,
    )
    def choose(*given: Any) -> Any:
        if not ctx.triggered_id:
            return no_update
        before = view(given[-1])
        after = _chosen(before, ctx.inputs_list)
        return no_update if after.search() == before.search() else after.search()

    @app.callback(
        Output("url", "search", allow_duplicate=True),
        Output({"kind": "range", "key": ALL, "low": ALL, "high": ALL, "log": ALL}, "value"),
        Output({"kind": "choice", "key": ALL}, "value"),
        Input("clear", "n_clicks"),
        State("url", "search"),
        State({"kind": "range", "key": ALL, "low": ALL, "high": ALL, "log": ALL}, "value"),
        State({"kind": "choice", "key": ALL}, "value"),
        prevent_initial_call=True,
    )
    def clear(clicks: int, search: str, ranges: list[Any], choices: list[Any]) -> Any:
        if not clicks:
            return no_update, [no_update] * len(ranges), [no_update] * len(choices)
        before = view(search)
        cleared = View(before.plain, {}, {}, before.weights, before.aims)
        return cleared.search(), [[0, pages.STEPS]] * len(ranges), [[]] * len(choices)

    @app.callback(
        Output("url", "search", allow_duplicate=True),
        Input("fig-front", "clickData"),
        State("url", "search"),
        prevent_initial_call=True,
    )
    def pick(clicked: Any, search: str) -> Any:
        found = _clicked(clicked)
        return no_update if found is None else view(search).with_plain(design=str(found)).search()

    @app.callback(
        Output("url", "search", allow_duplicate=True),
        Input("fig-parallel", "restyleData"),
        State("fig-parallel", "figure"),
        State("url", "search"),
        State("url", "pathname"),
        prevent_initial_call=True,
    )
    def brush(changed: Any, figure: Any, search: str, pathname: str) -> Any:
        if not changed or not any("constraintrange" in key for key in changed[0]):
            return no_update
        live, before = _here(context, pathname, search)
        after = _brushed(live, before, figure)
        return no_update if after.search() == before.search() else after.search()

    # What an address says by itself is shown without asking.
    on_the_page(
        "function(search, pathname, ids) { return window.dseTabs(search, pathname, ids); }",
        Output({"kind": "tab", "key": ALL}, "href"),
        Input("url", "search"),
        State("url", "pathname"),
        State({"kind": "tab", "key": ALL}, "id"),
    )
    on_the_page(
        "function(search, ids) { return window.dseTold(search, ids); }",
        Output({"kind": "told", "key": ALL}, "children"),
        Input("url", "search"),
        State({"kind": "told", "key": ALL}, "id"),
    )


def _chosen(before: View, inputs: Sequence[Any]) -> View:
    """Return a view as the controls of a page say; what the page has no controls for stays."""
    found = before
    plain, ranges, choices, aims, weights = inputs
    words: dict[str, str | None] = {}
    for item in plain:
        value = item.get("value")
        words[item["id"]["key"]] = "\n".join(value) if isinstance(value, list) else _word(value)
    found = View(
        {k: v for k, v in {**found.plain, **words}.items() if v},
        found.ranges,
        found.choices,
        found.weights,
        found.aims,
    )
    for item in ranges:
        key, value = item["id"], item.get("value")
        scale = key["low"], key["high"]
        if value is not None:
            low, high = (pages.value_at(at, scale, logarithm=key["log"]) for at in value)
            # A range that was typed or brushed lies between the steps: it stays while the slider does.
            known_low, known_high = before.ranges.get(key["key"], (None, None))
            same = [
                at == (end if bound is None else pages.position(bound, scale, logarithm=key["log"]))
                for at, bound, end in ((value[0], known_low, 0), (value[1], known_high, pages.STEPS))
            ]
            found = found.with_range(
                key["key"],
                known_low if same[0] else (None if value[0] <= 0 else low),
                known_high if same[1] else (None if value[1] >= pages.STEPS else high),
            )
    for item in choices:
        found = found.with_choice(item["id"]["key"], tuple(item.get("value") or ()))
    numbers = [
        {item["id"]["key"]: float(item["value"]) for item in items if item.get("value") is not None}
        for items in (aims, weights)
    ]
    return View(
        found.plain, found.ranges, found.choices,
        numbers[1] if weights else found.weights, numbers[0] if aims else found.aims,
    )  # fmt: skip


def _word(value: Any) -> str | None:
    return None if value is None else str(value)


def _brushed(live: LiveStudy, before: View, figure: Any) -> View:
    """Return a view with the ranges that are kept on the axes of parallel coordinates."""
    meta, found = figure["layout"]["meta"], before
    dimensions = figure["data"][0]["dimensions"]
    for name, logarithm, dimension in zip(meta["axes"], meta["logarithmic"], dimensions, strict=True):
        kept = dimension.get("constraintrange")
        if kept and isinstance(kept[0], list):
            kept = [min(part[0] for part in kept), max(part[1] for part in kept)]
        values = listed(live.space[name]) if name in live.space else None
        if values is not None:
            places = () if not kept else tuple(k for k in range(len(values)) if kept[0] <= k <= kept[1])
            found = found.with_choice(name, places)
        elif not kept:
            found = found.with_range(name, None, None)
        else:
            low, high = (10**end if logarithm else end for end in kept)
            found = found.with_range(name, float(f"{low:.6g}"), float(f"{high:.6g}"))
    return found


def _clicked(clicked: Any) -> int | None:
    for point in (clicked or {}).get("points", ()):
        found = point.get("customdata")
        found = found[0] if isinstance(found, list) and found else found
        if isinstance(found, int):
            return found
    return None


def _here(context: Context, pathname: str, search: str | None) -> tuple[LiveStudy, View]:
    live = context.live(place(pathname).name)
    return live, known(view(search), live)


def _strip(context: Context, live: LiveStudy, chosen: View) -> Any:
    record = live.record
    size, volume = live.view.store.latest(live.view.id)
    total, budget = live.total, record.budget
    rate = _rate(context, live.view.id) if record.state == "running" else None
    left = (budget - total) / rate if rate and budget and budget > total else None
    loading = "" if live.loaded >= live.total else f"{live.loaded:,} read so far"
    shown = live.filtered(chosen.filters)
    cards = [
        ("State", record.state, f"{record.searcher['name']}, seed {record.seed}"),
        ("Evaluations", f"{total:,}" + (f" of {budget:,}" if budget else ""), loading or _states(live)),
        ("Front", f"{size:,}", "designs"),
        ("Hypervolume", "–" if volume is None else number(float(f"{volume:.5g}")), "of the whole study"),
    ]  # fmt: skip
    if rate:
        cards.append(
            (
                "Rate",
                f"{rate:,.3g}/s",
                f"{_duration(left)} left" if left is not None else "by the last commits",
            )
        )
    if chosen.filters:
        kept = int(shown.columns.mask(chosen.filters).sum())
        cards.append(
            ("Kept by filters", f"{kept:,}", f"{len(shown.front_numbers()):,} nondominated among them")
        )
    return [
        html.Div([html.Dt(title), html.Dd([html.Strong(value), html.Span(text)])])
        for title, value, text in cards
    ]


def _states(live: LiveStudy) -> str:
    return ", ".join(f"{count:,} {state}" for state, count in live.filtered().counts().items() if count)


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
            live, chosen = _here(context, pathname, search)
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


# Tables


def _cell(value: Any) -> str:
    if value is None or value != value:
        return "–"
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, int | np.integer):
        return f"{value:,}"
    if isinstance(value, float | np.floating):
        return number(float(f"{value:.4g}"))
    return str(value)


def designs_table(
    live: LiveStudy,
    frame: Any,
    extra: dict[str, list[str]] | None = None,
    *,
    kind: str = "add",
    note: str = "",
) -> dict[str, Any]:
    """Return designs as the page's script takes them, objectives before other metrics and parameters.

    Parameters
    ----------
    extra
        Columns that stand first.
    kind
        What a row's button does to the short list: ``add`` or ``drop``.
    """
    metrics = [o.metric for o in live.objectives]
    metrics += [name for name in live.metrics if name not in metrics]
    beside = extra or {}
    columns = [
        *beside.values(),
        *([_cell(v) for v in frame[name].tolist()] for name in (*metrics, *live.space.names)),
    ]
    wide = len(beside) + 1
    numbers = [int(number_) for number_ in frame.index]
    return {
        "heads": [
            "Design",
            *beside,
            *(name + pages.direction(live, name) for name in metrics),
            *live.space.names,
        ],
        "rows": list(zip(*columns, strict=True)),
        "numeric": list(range(wide, wide + len(metrics))),
        "numbers": numbers,
        "paths": [design_path(live.name, number_) for number_ in numbers],
        "kind": kind,
        "note": note,
    }


def _note(text: str) -> dict[str, Any]:
    return {"note": text}


def _tables(app: Dash, context: Context) -> None:
    for key in ("front-table", "ranking", "shortlist", "nearest", "evaluations"):
        on_the_page: Any = app.clientside_callback
        on_the_page(
            f"function(data) {{ window.dseTable({key!r}, data); return window.dash_clientside.no_update; }}",
            Output(f"{key}-drawn", "data"),
            Input(f"{key}-rows", "data"),
        )

    @app.callback(
        Output("front-table-rows", "data"),
        Input("settled", "data"),
        State("url", "search"),
        State("url", "pathname"),
    )
    def front(_: Any, search: str, pathname: str) -> Any:
        live, chosen = _here(context, pathname, search)
        frame = live.filtered(chosen.filters).front()
        if frame.empty:
            return _note("No design is left: loosen the filters.")
        places = np.linspace(0, len(frame) - 1, min(ROWS, len(frame))).round().astype(int)
        shown = frame.iloc[np.unique(places)]
        said = f"{len(shown):,} of {len(frame):,} designs, evenly along the first objective."
        return designs_table(live, shown, note=said if len(shown) < len(frame) else "")

    @app.callback(
        Output("evaluations-rows", "data"),
        Input("settled", "data"),
        State("url", "search"),
        State("url", "pathname"),
    )
    def evaluations(_: Any, search: str, pathname: str) -> Any:
        live, chosen = _here(context, pathname, search)
        numbers, said = listing(live.filtered(chosen.filters), chosen)
        if not len(numbers):
            return _note(said)
        frame = live.frame(numbers)
        return designs_table(live, frame, {"State": frame["state"].tolist()}, note=said)

    @app.callback(
        Output("picked", "children"),
        Input("settled", "data"),
        State("url", "search"),
        State("url", "pathname"),
    )
    def picked(_: Any, search: str, pathname: str) -> Any:
        live, chosen = _here(context, pathname, search)
        number_ = chosen.plain.get("design", "")
        if not number_.isdecimal() or int(number_) >= live.loaded:
            return html.P("A click on a design picks it.", className="note")
        row = live.frame(np.array([int(number_)])).iloc[0]
        facts = [f"{name} {_cell(row[name])} {live.metrics[name].unit}".strip() for name in live.metrics]
        return html.Div(
            [
                html.Strong(dcc.Link(f"Design #{number_}", href=design_path(live.name, int(number_)))),
                f" ({row['state']}): {', '.join(facts)} ",
            ],
            className="picked",
        )

    @app.callback(Output("causes", "children"), Input("version", "data"), State("url", "pathname"))
    def causes(_: Any, pathname: str) -> Any:
        live, _view = _here(context, pathname, "")
        frame = live.view.failures(200)
        if frame.empty:
            return html.P("No evaluation failed.", className="note")
        rows = [
            [
                f"{count:,}",
                dcc.Link(f"#{example}", href=design_path(live.name, int(example))),
                html.Code(error),
            ]
            for error, count, example in frame.itertuples(index=False)
        ]
        return table(["Evaluations", "Example", "Cause"], rows, numeric={0})


# Decisions and short lists


def ranked(study: FilteredStudy, chosen: View) -> tuple[Any, list[str], str]:
    """Return the front's designs, the best first, the score of each, and what the score says."""
    columns, numbers = study.columns, study.front_numbers()
    names = [objective.metric for objective in study.objectives]
    signs = np.array([objective.sign for objective in study.objectives])
    values = columns.minimised(numbers)
    weights = np.array([max(chosen.weights.get(name, 1.0), 1e-9) for name in names])
    aims = np.array([chosen.aims.get(name, np.nan) for name in names]) * signs
    rule = chosen.plain.get("rule", "achievement")
    if rule == "epsilon":
        first = chosen.plain.get("first", "")
        first = first if first in names else names[0]
        order = epsilon_constraint(values, names.index(first), np.where(np.isnan(aims), np.inf, aims))
        kept = columns.frame(numbers[order])
        said = (
            f"Best in {first} first, of the {len(order):,} of {len(numbers):,} designs that keep the limits "
            "on the others."
        )
        return kept, [_cell(value) for value in kept[first]], said
    if rule == "weights":
        scores = weighted(values, weights)
        said = (
            "The weighted sum of the objectives, each from 0, the best on the front, to 1, the worst: less "
            "is better."
        )
    else:
        ideal = values.min(axis=0)
        scores = achievement(values, np.where(np.isnan(aims), ideal, aims), weights)
        said = (
            "By how much of the front's range the objective that is worst off misses its aim (no aim: the "
            "best value on the front); below 0 all aims are met."
        )
    order = np.lexsort((numbers, scores))
    return columns.frame(numbers[order]), [f"{score:.3f}" for score in scores[order]], said


def _decisions(app: Dash, context: Context) -> None:
    @app.callback(
        Output("ranking-rows", "data"),
        Output("rule-note", "children"),
        Input("version", "data"),
        Input("url", "search"),
        State("url", "pathname"),
    )
    def ranking(_: Any, search: str, pathname: str) -> Any:
        live, chosen = _here(context, pathname, search)
        study = live.filtered(chosen.filters)
        if not len(study.front_numbers()):
            return _note("No design is left: loosen the filters."), ""
        frame, scores, said = ranked(study, chosen)
        if frame.empty:
            return _note("No design keeps these limits."), said
        return designs_table(live, frame.iloc[:ROWS], {"Score": scores[:ROWS]}), said

    @app.callback(
        Output("noted", "data"),
        Output("said", "children"),
        Input("asked", "data"),
        State("noted", "data"),
        State("url", "pathname"),
        prevent_initial_call=True,
    )
    def note(asked: Any, count: int, pathname: str) -> Any:
        if not asked:
            return no_update, no_update
        live, number_ = context.live(place(pathname).name), int(asked["number"])
        try:
            if asked["kind"] == "add":
                context.writer.shortlist.add(live.view.id, [number_])
                said = f"Design #{number_} is on the short list."
            else:
                context.writer.shortlist.remove(live.view.id, [number_])
                said = f"Design #{number_} is off the short list."
        except DseError as error:
            return no_update, f"Not stored: {error}"
        return count + 1, said

    @app.callback(
        Output("shortlist-rows", "data"),
        Input("noted", "data"),
        Input("version", "data"),
        State("url", "pathname"),
    )
    def shortlist(count: int, _: Any, pathname: str) -> Any:
        live = context.live(place(pathname).name)
        items = dict(live.view.store.shortlist.items(live.view.id))
        numbers = np.array([number_ for number_ in items if number_ < live.loaded], int)
        if not len(numbers):
            return _note("Empty. Put designs there by their buttons.")
        notes = {"Note": [items[number_] for number_ in numbers.tolist()]}
        return designs_table(live, live.frame(numbers), notes, kind="drop")

    @app.callback(
        Output("download", "data"),
        Input({"kind": "save", "key": ALL}, "n_clicks"),
        State("url", "pathname"),
        prevent_initial_call=True,
    )
    def save(clicks: list[int], pathname: str) -> Any:
        asked = ctx.triggered_id
        if not asked or not ctx.triggered[0]["value"]:
            return no_update
        from dse.cli.read import as_text

        study = context.live(place(pathname).name).view
        name = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in study.name)
        return {
            "content": as_text(study.shortlist(), asked["key"]),
            "filename": f"{name}-shortlist.{asked['key']}",
        }


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
                        item.reference, item.state, metric, _cell(item.report.get("rows")),
                        _cell(told.get("r2")), _cell(told.get("spearman")), _percents(told.get("coverage")),
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
            live, chosen = _here(context, pathname, search)
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


# One design


def _design(app: Dash, context: Context) -> None:
    @app.callback(
        Output("design", "children"),
        Output("nearest-rows", "data"),
        Input("version", "data"),
        State("url", "pathname"),
    )
    def design(_: Any, pathname: str) -> Any:
        here = place(pathname)
        live = context.live(here.name)
        return _facts(live, int(here.part)), _nearest(live, int(here.part))

    @app.callback(
        Output("asked", "data"),
        Input("add-design", "n_clicks"),
        State("url", "pathname"),
        prevent_initial_call=True,
    )
    def add(clicks: int, pathname: str) -> Any:
        if not clicks:
            return no_update
        return {"kind": "add", "number": int(place(pathname).part), "count": clicks}

    @app.callback(Output("copies", "children"), Input("url", "pathname"))
    def copies(pathname: str) -> Any:
        here = place(pathname)
        live = context.live(here.name)
        return _copies(context, live, int(here.part))

    @app.callback(
        Output("answer", "children"), Input({"kind": "what", "key": ALL}, "value"), State("url", "pathname")
    )
    def answer(values: list[Any], pathname: str) -> Any:
        here = place(pathname)
        live = context.live(here.name)
        changed = {item["id"]["key"]: item.get("value") for item in ctx.inputs_list[0]}
        return _answer(context, live, int(here.part), changed)


def _facts(live: LiveStudy, number_: int) -> Any:
    row = live.frame(np.array([number_])).iloc[0]
    error = live.view.store.evaluations(live.view.id, numbers=[number_]).errors.get(number_)
    front = live.filtered().front_numbers()
    where = "on the front" if number_ in front else str(row["state"])
    metrics = [
        [f"{name}{pages.direction(live, name)}", _cell(row[name]), live.metrics[name].unit]
        for name in live.metrics
    ]
    parameters = [[name, _cell(row[name])] for name in live.space.names]
    made: list[Any] = [
        html.P([f"Evaluation {number_:,} of {live.total:,}, {where}. ",
                html.Button("Put on the short list", id="add-design", n_clicks=0, type="button")]),
    ]  # fmt: skip
    if error is not None:
        made.append(html.Pre(error, className="error"))
    made.append(
        html.Div(
            [
                html.Div([html.H2("Metrics"), table(["Metric", "Value", "Unit"], metrics, numeric={1})]),
                html.Div([html.H2("Parameters"), table(["Parameter", "Value"], parameters)]),
            ],
            className="pair",
        )
    )
    return made


def _nearest(live: LiveStudy, number_: int) -> dict[str, Any]:
    near = neighbours(live, number_, live.filtered().front_numbers())
    if not len(near):
        return _note("No other design is on the front.")
    away = {"Distance": [f"{distance:.3f}" for distance in near[:, 1]]}
    said = "By the mean difference of parameters, each scaled to its range: 0 is the same design."
    return designs_table(live, live.frame(near[:, 0].astype(int)), away, note=said)


def neighbours(live: LiveStudy, number_: int, front: Any) -> Any:
    """Return the front's designs that are nearest in their parameters: (k, 2) of number and distance."""
    others = front[front != number_]
    if not len(others):
        return np.empty((0, 2))
    codes = live.columns.designs(np.concatenate([[number_], others])).codes
    scaled = np.column_stack([p.scaled(codes[:, k]) for k, p in enumerate(live.space.parameters)])
    distance = np.abs(scaled[1:] - scaled[0]).mean(axis=1)
    order = np.argsort(distance, kind="stable")[:NEIGHBOURS]
    return np.column_stack([others[order], distance[order]])


def _plain(value: Any) -> Any:
    value = getattr(value, "item", lambda: value)()
    return None if value != value else value


def _copies(context: Context, live: LiveStudy, number_: int) -> Any:
    row = live.frame(np.array([number_])).iloc[0]
    parameters = {name: _plain(row[name]) for name in live.space.names}
    python = (
        "from dse import StudyView\n\n"
        f"study = StudyView({live.name!r}, {context.shown!r})\n"
        f"design = {parameters!r}\n"
        "designs = study.space.designs([design])"
    )
    command = f"dse export {live.name} --to json --design {number_} --store {context.shown}"
    return [
        html.Div(
            [
                html.H3(title),
                html.Pre(text, id=f"copy-{key}"),
                dcc.Clipboard(content=text, title=f"Copy the {title}", className="copy"),
            ],
            className="copyable",
        )
        for key, title, text in (
            ("python", "Python", python),
            ("json", "JSON", json.dumps(parameters, indent=2, ensure_ascii=False)),
            ("cli", "command", command),
        )
    ]


def _answer(context: Context, live: LiveStudy, number_: int, changed: dict[str, Any]) -> Any:
    problem = context.problem(live)
    if problem is None:
        return ""
    values: dict[str, Any] = {}
    for name, value in changed.items():
        options = listed(live.space[name])
        if value is None:
            return html.P(f"{name} needs a value.", className="note")
        values[name] = options[value] if options is not None else value
    row = live.frame(np.array([number_])).iloc[0]
    try:
        designs: Designs = problem.space.designs([values])
        found = problem.evaluate(designs)
    except DseError as error:
        return html.P(str(error), className="error")
    rows = []
    for name in live.metrics:
        before, after = float(row[name]), float(found.metrics[name][0])
        change = f"{after / before - 1:+.1%}" if before and np.isfinite([before, after]).all() else ""
        rows.append(
            [
                f"{name}{pages.direction(live, name)}",
                _cell(before),
                _cell(after),
                change,
                live.metrics[name].unit,
            ]
        )
    state = str(found.state[0])
    told = f"{state}: {found.errors[0]}" if 0 in found.errors else state
    return [
        html.P(["It would be ", html.Strong(told), "."]),
        table(["Metric", "Now", "Then", "Change", "Unit"], rows, numeric={1, 2, 3}),
    ]


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
