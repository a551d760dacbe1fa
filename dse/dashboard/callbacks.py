"""What fills the pages, and what choices on them do: `figures` and `designs`, and here all else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from dash import ALL, Dash, Input, Output, State, ctx, dcc, html, no_update

from dse.dashboard import designs, figures, pages
from dse.dashboard.context import Context
from dse.dashboard.html import aria, table
from dse.dashboard.live import LiveStudy, listed
from dse.dashboard.state import View, known, place, study_path, view
from dse.errors import DseError
from dse.plots.style import number


def register(app: Dash, context: Context) -> None:
    """Add the callbacks to an app."""
    _theme(app)
    _navigation(app, context)
    _study(app, context)
    figures.register(app, context)
    designs.register(app, context)


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
        live, chosen = context.here(pathname, search)
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
        live, before = context.here(pathname, search)
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
