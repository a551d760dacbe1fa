"""The skeleton of each page: headings, choices and places, which callbacks fill."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from dash import dcc, html

from dse.dashboard.columns import STATES
from dse.dashboard.context import Context
from dse.dashboard.html import aria
from dse.dashboard.listing import orders
from dse.dashboard.live import LiveStudy, listed
from dse.dashboard.server import GRAPH_CONFIG
from dse.dashboard.state import View, study_path
from dse.plots.points import objective_of
from dse.plots.style import number
from dse.scales import suits_logarithm

TICK_MS = 2_000
TABS = {
    "front": "Front",
    "designs": "Parallel",
    "progress": "Progress",
    "parameters": "Parameters",
    "decide": "Decide",
    "evaluations": "Evaluations",
    "surrogates": "Surrogates",
    "failures": "Failures",
}
STEPS = 100  # of a slider
CHOICES_SHOWN = 8  # parameters that are offered as filters
VIEWS = {"2d": "two objectives", "3d": "three objectives", "matrix": "all pairs"}
RULES = {
    "achievement": "reference point",
    "weights": "weights",
    "epsilon": "one objective, limits on the others",
}


def shell(context: Context) -> Any:
    """Return what all pages have."""
    return html.Div(
        [
            dcc.Location(id="url", refresh="callback-nav"),
            dcc.Interval(id="tick", interval=TICK_MS),
            dcc.Store(id="version"),
            dcc.Store(id="settled"),
            dcc.Store(id="returned"),
            dcc.Store(id="theme", data="light"),
            dcc.Store(id="noted", data=0),
            dcc.Store(id="asked"),
            dcc.Download(id="download"),
            html.A("Skip to the content", href="#page", className="skip"),
            html.Header(
                [
                    dcc.Link("dse", href="/", className="home"),
                    html.Span(context.shown, className="store"),
                    html.Nav(
                        [dcc.Link("Studies", href="/"), dcc.Link("Compare", href="/compare")],
                        **aria("Pages"),
                    ),
                    html.Button("Light or dark", id="theme-button", n_clicks=0, type="button"),
                ],
                className="top",
            ),
            html.Main(id="page", tabIndex="-1"),
            html.Div(id="said", role="status", className="said"),
        ]
    )


def studies_page() -> Any:
    """Return the page of all studies."""
    return [html.H1("Studies"), html.Div(id="studies", className="scroll", tabIndex="0")]


def missing_page(text: str) -> Any:
    """Return a page that says why there is nothing."""
    return [html.H1("Nothing here"), html.P(text, className="note"), dcc.Link("All studies", href="/")]


def graph(key: str, height: int = 480) -> Any:
    """Return a figure's place, with its caption below."""
    return html.Figure(
        [
            html.Div(
                dcc.Graph(
                    id=f"fig-{key}", config=GRAPH_CONFIG, responsive=True, style={"height": f"{height}px"}
                ),
                className="scroll",
                tabIndex="0",
            ),
            html.Figcaption(id=f"cap-{key}"),
        ],
        className="graph",
    )


def labelled(text: str, control: Any) -> Any:
    """Return a control with its label above."""
    return html.Div([html.Span(text, className="label"), control], className="control")


def rows(key: str, kind: str) -> Any:
    """Return the place of a table that the page's script draws."""
    return html.Div(
        [
            dcc.Store(id=f"{key}-rows"),
            dcc.Store(id=f"{key}-drawn"),
            html.Div(id=key, className=kind, tabIndex="0"),
        ]
    )


def named(text: str, control: Any) -> Any:
    """Return a field within its label."""
    return html.Label([html.Span(text, className="label"), control], className="control")


def dropdown(key: str, label: str, options: list[Any], value: Any, **more: Any) -> Any:
    """Return a choice that is a word of the address."""
    return labelled(
        label,
        dcc.Dropdown(id={"kind": "plain", "key": key}, options=options, value=value, **more),
    )


def study_page(live: LiveStudy, tab: str, view: View) -> Any:
    """Return a study's page."""
    goals: list[Any] = []
    for objective in live.objectives:
        goals += [", " if goals else "", "maximise " if objective.maximize else "minimise "]
        goals.append(html.B(live.metrics[objective.metric].label))
    if live.limits:
        goals += ["; subject to ", html.Code("; ".join(limit.text for limit in live.limits))]
    content = {
        "front": front_tab, "designs": designs_tab, "progress": progress_tab, "parameters": parameters_tab,
        "decide": decide_tab, "evaluations": evaluations_tab, "surrogates": surrogates_tab,
        "failures": failures_tab,
    }[tab](live, view)  # fmt: skip
    filtered = tab in ("front", "designs", "decide", "evaluations")
    return [
        html.H1(live.name),
        html.P(goals, className="lead"),
        html.Dl(id="strip", className="strip"),
        html.Nav(
            [
                dcc.Link(
                    title,
                    href=study_path(live.name, key) + view.search(),
                    id={"kind": "tab", "key": key},
                    className="part here" if key == tab else "part",
                    title="this page" if key == tab else "",
                )
                for key, title in TABS.items()
            ],
            className="tabs",
            **aria("Of this study"),
        ),
        html.Div([filters_panel(live, view), html.Div(content, className="content")], className="sided")
        if filtered
        else html.Div(content, className="content"),
    ]


def filters_panel(live: LiveStudy, view: View) -> Any:
    """Return sliders for objectives and limited metrics, and choices for listed parameters that vary."""
    metrics = [objective.metric for objective in live.objectives]
    metrics += [
        name for limit in live.limits for name in live.metrics if name in limit.text and name not in metrics
    ]
    controls = [slider(live, name, view) for name in dict.fromkeys(metrics)]
    shown = 0
    for parameter in live.space.parameters:
        values = listed(parameter)
        if (
            values is None
            or shown >= CHOICES_SHOWN
            or len(np.unique(live.columns.codes(parameter.name)[:100_000])) < 2
        ):
            continue
        shown += 1
        controls.append(
            labelled(
                parameter.name,
                dcc.Dropdown(
                    id={"kind": "choice", "key": parameter.name},
                    options=options(values),
                    value=list(view.choices.get(parameter.name, ())), multi=True, placeholder="any",
                ),
            )
        )  # fmt: skip
    return html.Details(
        [
            html.Summary("Filters"),
            *[control for control in controls if control is not None],
            html.Button("Clear filters", id="clear", n_clicks=0, type="button"),
        ],
        open=True,
        className="filters",
    )


def options(values: list[Any]) -> list[Any]:
    """Return listed values as choices, each by its position."""
    return [
        {"label": number(value) if isinstance(value, int | float) else str(value), "value": place}
        for place, value in enumerate(values)
    ]


def slider(live: LiveStudy, name: str, view: View) -> Any:
    """Return a slider over a metric's values, in even steps of it or of its logarithm; None for none."""
    values = live.columns.metric(name)
    values = values[np.isfinite(values)]
    if not len(values) or values.min() == values.max():
        return None
    logarithm = bool(suits_logarithm(values))
    low, high = float(values.min()), float(values.max())
    scale = (math.log10(low), math.log10(high)) if logarithm else (low, high)
    chosen = view.ranges.get(name, (None, None))
    places = [
        0.0 if chosen[0] is None else position(chosen[0], scale, logarithm=logarithm),
        float(STEPS) if chosen[1] is None else position(chosen[1], scale, logarithm=logarithm),
    ]
    metric = live.metrics[name]
    return html.Div(
        [
            html.Span(f"{name} [{metric.unit}]" if metric.unit else name, className="label"),
            dcc.RangeSlider(
                id={"kind": "range", "key": name, "low": scale[0], "high": scale[1], "log": logarithm},
                min=0, max=STEPS, step=1, value=places, allow_direct_input=False, updatemode="mouseup",
                marks={0: number(float(f"{low:.3g}")), STEPS: number(float(f"{high:.3g}"))},
            ),
            html.Output(id={"kind": "told", "key": name}, className="told"),
        ],
        className="control",
    )  # fmt: skip


def position(value: float, scale: tuple[float, float], *, logarithm: bool) -> float:
    """Return where on a slider a value is."""
    place = math.log10(max(value, 1e-300)) if logarithm else value
    return float(np.clip(round(STEPS * (place - scale[0]) / (scale[1] - scale[0])), 0, STEPS))


def value_at(place: float, scale: tuple[float, float], *, logarithm: bool) -> float:
    """Return the value at a slider's place."""
    value = scale[0] + (scale[1] - scale[0]) * place / STEPS
    return 10**value if logarithm else value


def front_tab(live: LiveStudy, view: View) -> Any:
    """Return the front, and its designs."""
    if len(live.objectives) == 1:
        table = rows("front-table", "scroll")
        return [graph("objective"), html.Div(id="picked"), table]
    metrics = list(live.metrics)
    names = [objective.metric for objective in live.objectives]
    views = [{"label": label, "value": key} for key, label in VIEWS.items() if key != "3d" or len(names) > 2]
    colors = [{"label": name, "value": name} for name in [*metrics, *live.space.names]]
    return [
        html.Div(
            [
                dropdown("view", "Show", views, view.plain.get("view", "2d"), clearable=False),
                dropdown("x", "Across", metrics, view.plain.get("x", names[0]), clearable=False),
                dropdown("y", "Up", metrics, view.plain.get("y", names[1]), clearable=False),
                dropdown("color", "Colour", colors, view.plain.get("color"), placeholder="by itself"),
            ],
            className="controls",
        ),
        graph("front", 540),
        html.Div(id="picked"),
        html.H2("The front's designs"),
        rows("front-table", "scroll tall"),
    ]


def designs_tab(live: LiveStudy, view: View) -> Any:
    """Return the front as parallel coordinates."""
    names = [objective.metric for objective in live.objectives]
    return [
        dropdown("shade", "Colour", names, view.plain.get("shade", names[0]), clearable=False),
        graph("parallel", 520),
        html.P(
            "Drag along an axis to keep only a range: it filters the front, the table and the ranking, too. "
            "A click on the axis undoes.",
            className="note",
        ),
        rows("front-table", "scroll tall"),
    ]


def progress_tab(live: LiveStudy, view: View) -> Any:
    """Return how the run goes."""
    names = [objective.metric for objective in live.objectives]
    over = [{"label": "evaluations", "value": "evaluations"}, {"label": "seconds", "value": "seconds"}]
    return [
        dropdown("over", "Over", over, view.plain.get("over", "evaluations"), clearable=False),
        graph("hypervolume", 420),
        dropdown("objective", "Objective", names, view.plain.get("objective", names[0]), clearable=False),
        graph("objective", 460),
    ]


def parameters_tab(live: LiveStudy, view: View) -> Any:
    """Return what the parameters do."""
    names = list(live.metrics)
    first = live.objectives[0].metric
    return [
        graph("importance", 480),
        dropdown("effect", "Effects on", names, view.plain.get("effect", first), clearable=False),
        graph("effects", 580),
    ]


def decide_tab(live: LiveStudy, view: View) -> Any:
    """Return rankings, and the short list."""
    rules = [{"label": label, "value": key} for key, label in RULES.items()]
    names = [objective.metric for objective in live.objectives]
    wanted = []
    for objective in live.objectives:
        metric = live.metrics[objective.metric]
        wanted.append(
            html.Tr(
                [
                    html.Th(metric.label, scope="row"),
                    html.Td("more is better" if objective.maximize else "less is better"),
                    html.Td(_field("aim", metric.name, view.aims.get(metric.name), "aim, or limit")),
                    html.Td(_field("weight", metric.name, view.weights.get(metric.name), "1")),
                ]
            )
        )
    return [
        html.P(
            "Say what you would like to have; the front's designs are ranked by it. The filters hold, too.",
            className="note",
        ),
        html.Div(
            [
                dropdown("rule", "Rank by", rules, view.plain.get("rule", "achievement"), clearable=False),
                dropdown(
                    "first", "The one objective", names, view.plain.get("first", names[0]), clearable=False
                ),
            ],
            className="controls",
        ),
        html.Div(
            html.Table(
                [
                    html.Thead(
                        html.Tr(
                            [
                                html.Th(text, scope="col")
                                for text in ("Objective", "", "Aim or limit", "Weight")
                            ]
                        )
                    ),
                    html.Tbody(wanted),
                ]
            ),
            className="scroll",
            tabIndex="0",
        ),
        html.H2("Ranking"),
        html.P(id="rule-note", className="note"),
        rows("ranking", "scroll tall"),
        html.H2("Short list"),
        rows("shortlist", "scroll"),
        html.Div(
            [
                html.Button("Download as CSV", id={"kind": "save", "key": "csv"}, n_clicks=0, type="button"),
                html.Button(
                    "Download as JSON", id={"kind": "save", "key": "json"}, n_clicks=0, type="button"
                ),
            ],
            className="controls",
        ),
    ]


def _field(kind: str, name: str, value: float | None, placeholder: str) -> Any:
    return html.Label(
        [
            html.Span(f"{kind} of {name}", className="hidden"),
            dcc.Input(
                id={"kind": kind, "key": name}, type="number", value=value, placeholder=placeholder,
                debounce=True, step="any",
            ),
        ]
    )  # fmt: skip


def evaluations_tab(live: LiveStudy, view: View) -> Any:
    """Return all evaluations, a page at a time."""
    chosen = view.plain.get("states", "")
    return [
        html.Div(
            [
                dropdown(
                    "order", "Order", orders(list(live.metrics)), view.plain.get("order", "newest"),
                    clearable=False,
                ),
                dropdown(
                    "states", "State", STATES, chosen.split("\n") if chosen else [], multi=True,
                    placeholder="any",
                ),
                named(
                    "Page",
                    dcc.Input(
                        id={"kind": "plain", "key": "page"}, type="number", min=1, step=1, debounce=True,
                        value=int(view.plain["page"]) if view.plain.get("page", "").isdecimal() else 1,
                    ),
                ),
            ],
            className="controls",
        ),
        rows("evaluations", "scroll tall"),
    ]  # fmt: skip


def surrogates_tab(live: LiveStudy, view: View) -> Any:
    """Return the surrogates of the study's metrics."""
    return [
        html.Div(id="surrogates", className="scroll", tabIndex="0"),
        html.Div(
            [
                dropdown("surrogate", "Version", [], view.plain.get("surrogate")),
                dropdown(
                    "metric", "Metric", list(live.metrics), view.plain.get("metric"), placeholder="the first"
                ),
            ],
            className="controls",
        ),
        graph("predicted", 540),
        graph("coverage", 460),
    ]


def failures_tab(live: LiveStudy, view: View) -> Any:
    """Return failures by cause."""
    return [graph("failures", 420), html.Div(id="causes", className="scroll tall", tabIndex="0")]


def compare_page(context: Context, view: View) -> Any:
    """Return the page of several studies."""
    names = [record.name for record in context.store.studies()]
    chosen = [name for name in view.plain.get("studies", "").split("\n") if name in names]
    return [
        html.H1("Compare studies"),
        html.P(
            "Studies with the same objectives: searchers, seeds, devices, versions of a model.",
            className="note",
        ),
        labelled(
            "Studies",
            dcc.Dropdown(id={"kind": "plain", "key": "studies"}, options=names, value=chosen, multi=True),
        ),
        html.Div(
            [
                dropdown("cx", "Across", [], view.plain.get("cx"), placeholder="the first objective"),
                dropdown("cy", "Up", [], view.plain.get("cy"), placeholder="the second"),
            ],
            className="controls",
        ),
        html.P(id="compared", className="note"),
        graph("fronts", 540),
        graph("volumes", 460),
        graph("attained", 540),
    ]


def design_page(live: LiveStudy, number_: int, context: Context) -> Any:
    """Return what is known of a design, its neighbours, and what a change would do."""
    return [
        html.P(dcc.Link(f"← {live.name}", href=study_path(live.name))),
        html.H1(f"Design #{number_}"),
        html.Div(id="design"),
        html.H2("Nearest on the front"),
        rows("nearest", "scroll"),
        html.H2("What if"),
        html.Div(what_if(live, number_, context)),
        html.H2("Take it along"),
        html.Div(id="copies"),
    ]


def what_if(live: LiveStudy, number_: int, context: Context) -> Any:
    """Return controls for a design's parameters."""
    problem = context.problem(live)
    if problem is None:
        return html.P(
            "No installed package builds this problem as it was run, so that nothing here can evaluate "
            "another design. From Python: dse.dashboard.serve(store, problems={name: problem}).",
            className="note",
        )
    row = live.frame(np.array([number_])).iloc[0]
    controls = []
    for parameter in live.space.parameters:
        values = listed(parameter)
        value = row[parameter.name]
        value = (
            None if value is None or value != value else getattr(value, "item", lambda value=value: value)()
        )
        key = {"kind": "what", "key": parameter.name}
        if values is not None:
            place = values.index(value) if value in values else 0
            control: Any = dcc.Dropdown(id=key, options=options(values), value=place, clearable=False)
        else:
            control = dcc.Input(id=key, type="number", value=value, debounce=True, step="any")
        controls.append(named(parameter.name, control))
    return [
        html.P("Change a parameter: the model answers. Nothing is stored.", className="note"),
        html.Div(controls, className="controls many"),
        html.Div(id="answer", className="scroll", tabIndex="0", role="status"),
    ]


def direction(live: LiveStudy, metric: str) -> str:
    """Return an arrow for better, where a metric is an objective."""
    objective = objective_of(live.view, metric)
    return "" if objective is None else (" ↑" if objective.maximize else " ↓")
