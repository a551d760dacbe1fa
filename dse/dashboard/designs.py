"""Callbacks that tell of designs: tables, decisions and short lists, one design."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from dash import ALL, Dash, Input, Output, State, ctx, dcc, html, no_update

from dse.dashboard import pages
from dse.dashboard.context import Context
from dse.dashboard.html import cell, table
from dse.dashboard.listing import listing
from dse.dashboard.live import FilteredStudy, LiveStudy, listed
from dse.dashboard.state import View, design_path, place
from dse.decisions import achievement, epsilon_constraint, weighted
from dse.designs import Designs
from dse.errors import DseError

ROWS = 100  # of a table
NEIGHBOURS = 5


def register(app: Dash, context: Context) -> None:
    """Add the callbacks to an app."""
    _tables(app, context)
    _decisions(app, context)
    _design(app, context)


# Tables


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
        *([cell(v) for v in frame[name].tolist()] for name in (*metrics, *live.space.names)),
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
        live, chosen = context.here(pathname, search)
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
        live, chosen = context.here(pathname, search)
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
        live, chosen = context.here(pathname, search)
        number_ = chosen.plain.get("design", "")
        if not number_.isdecimal() or int(number_) >= live.loaded:
            return html.P("A click on a design picks it.", className="note")
        row = live.frame(np.array([int(number_)])).iloc[0]
        facts = [f"{name} {cell(row[name])} {live.metrics[name].unit}".strip() for name in live.metrics]
        return html.Div(
            [
                html.Strong(dcc.Link(f"Design #{number_}", href=design_path(live.name, int(number_)))),
                f" ({row['state']}): {', '.join(facts)} ",
            ],
            className="picked",
        )

    @app.callback(Output("causes", "children"), Input("version", "data"), State("url", "pathname"))
    def causes(_: Any, pathname: str) -> Any:
        live, _view = context.here(pathname, "")
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
        return kept, [cell(value) for value in kept[first]], said
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
        live, chosen = context.here(pathname, search)
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
        [f"{name}{pages.direction(live, name)}", cell(row[name]), live.metrics[name].unit]
        for name in live.metrics
    ]
    parameters = [[name, cell(row[name])] for name in live.space.names]
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
                cell(before),
                cell(after),
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
