"""A report's page: what stands in it, in what order."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.resources import files
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from plotly.offline import get_plotlyjs

from dse import plots
from dse.driver import HYPERVOLUME_OBJECTIVES
from dse.plots.style import CONFIG, number, template
from dse.report.front import TABLE_ROWS, front_csv, front_table, metric_head, picks
from dse.report.html import Figures, embedded, script_hash, table, text
from dse.report.provenance import failures, limits, provenance
from dse.report.snapshot import Snapshot

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from dse.plots.points import StudyLike

PAIRS_UP_TO = 4  # objectives; beyond, the matrix has all pairs


def page(study: StudyLike) -> str:
    """Return a study's report as the text of an HTML file."""
    return _page(Snapshot(study), Figures())


def study_figures(study: StudyLike) -> dict[str, go.Figure]:
    """Return the figures of a study's report by name."""
    figures = Figures()
    _page(Snapshot(study), figures)
    return figures.drawn


def _page(shown: Snapshot, figures: Figures) -> str:
    sections = [
        ("front", "The front", _front(shown, figures)),
        ("progress", "Progress", figures.place("hypervolume", plots.hypervolume_history(shown))),
        ("designs", "The front's designs", _designs(shown, figures)),
        ("importance", "What the parameters explain", _importance(shown, figures)),
        ("table", "Table of the front", front_table(shown)),
        ("limits", "Limits and failures", limits(shown) + failures(shown)),
        ("provenance", "Provenance", provenance(shown)),
    ]
    body = "".join(
        f'<section id="{key}" aria-labelledby="{key}-head"><h2 id="{key}-head">{title}</h2>{content}'
        "</section>"
        for key, title, content in sections
    )
    links = "".join(f'<a href="#{key}">{title}</a>' for key, title, _ in sections)
    return document(
        f"{shown.name}: design-space exploration",
        _header(shown),
        f'<nav aria-label="Sections">{links}</nav>',
        body,
        {**figures.data(), "csv": front_csv(shown), "name": shown.name},
        version=shown.record.versions.get("dse", ""),
    )


def document(
    title: str, header: str, navigation: str, body: str, data: dict[str, Any], *, version: str
) -> str:
    """Return a whole page: head, policy, style, scripts and the data that they draw from.

    `header`, `navigation` and `body` are HTML already; `title` and `version` are text.
    """
    data = {
        **data, "config": CONFIG,
        "light": template().to_plotly_json(), "dark": template(dark=True).to_plotly_json(),
    }  # fmt: skip
    plotly = _inline(get_plotlyjs())
    script = _inline(files("dse.report").joinpath("page.js").read_text(encoding="utf-8"))
    style = files("dse.report").joinpath("page.css").read_text(encoding="utf-8")
    # Only these two scripts run, and nothing is fetched, whatever a stored text says. plotly.js compiles its
    # WebGL code at run time, which is the one thing that 'unsafe-eval' is there for.
    policy = (
        f"default-src 'none'; script-src 'unsafe-eval' {script_hash(plotly)} {script_hash(script)}; "
        "style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="dse {text(version)}">
<title>{text(title)}</title>
<style>{style}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
<header>{header}</header>
{navigation}
<main id="main">
<noscript><p class="note">The figures need JavaScript; the tables do not.</p></noscript>
{body}
</main>
<script type="application/json" id="data">{embedded(_json(data))}</script>
<script>{plotly}</script>
<script>{script}</script>
</body>
</html>
"""


def _inline(script: str) -> str:
    """Return a script as the browser will hash it."""
    script = script.replace("\r\n", "\n").replace("\r", "\n")
    assert "</script" not in script.lower()
    assert "<!--" not in script
    return script


def _json(value: Any) -> Any:
    """Return a value without tuples and NumPy types."""
    if isinstance(value, dict):
        return {str(name): _json(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value


# The head


def _header(study: Snapshot) -> str:
    goals = ", ".join(
        f"{'maximise' if o.maximize else 'minimise'} <b>{text(study.metrics[o.metric].label)}</b>"
        for o in study.objectives
    )
    limits = "; ".join(f"<code>{text(limit.text)}</code>" for limit in study.limits)
    lead = goals[0].upper() + goals[1:] + (f", subject to {limits}" if limits else "") + "."
    return f"<h1>{text(study.name)}</h1><p class='lead'>{lead}</p>{_strip(study)}{_glance(study)}"


def _strip(study: Snapshot) -> str:
    """Return the summary: a few large figures, each with a line of detail."""
    counts = study.counts()
    total = sum(counts.values())
    history, front, record = study.history(), study.front(), study.record
    seconds = float(history["seconds"].iloc[-1]) if len(history) else 0.0
    states = ", ".join(f"{count:,} {state}" for state, count in counts.items() if count)
    cards = [
        ("Evaluations", f"{total:,}", states),
        (
            "Front",
            f"{len(front):,}",
            "nondominated feasible designs" if len(front) != 1 else "nondominated design",
        ),
    ]
    if len(study.objectives) <= HYPERVOLUME_OBJECTIVES:
        point = zip((o.metric for o in study.objectives), study.reference or (), strict=False)
        detail = ", ".join(f"{metric} {number(float(value))}" for metric, value in point)
        known = study.reference is not None
        cards.append(
            ("Hypervolume", number(float(f"{study.hypervolume():.5g}")) if known else "–",
             f"reference {detail}" if detail else "no feasible design yet")
        )  # fmt: skip
    searcher = [f"seed {record.seed}", f"batch {record.searcher.get('batch', '–')}"]
    searcher += [f"{key} {value}" for key, value in record.searcher.get("settings", {}).items()]
    cards.append(("Searcher", str(record.searcher["name"]), ", ".join(searcher)))
    rate = f", {number(total / seconds)} evaluations a second" if seconds > 0 else ""
    cards.append(("Time", _duration(seconds), f"asking and evaluating{rate}"))
    cards.append(("State", record.state, f"created {_moment(record.created_at)}"))
    return (
        '<dl class="strip">'
        + "".join(
            f"<div><dt>{title}</dt><dd><strong>{text(value)}</strong><span>{text(detail)}</span></dd></div>"
            for title, value, detail in cards
        )
        + "</dl>"
    )


def _moment(created: str) -> str:
    """Return a time in UTC, ISO 8601, to the minute."""
    return f"{created[:16].replace('T', ' ')} UTC"


def _duration(seconds: float) -> str:
    for unit, length in (("d", 86_400.0), ("h", 3_600.0), ("min", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} s"


def _glance(study: Snapshot) -> str:
    picked = picks(study)
    if not picked:
        return ""
    metrics = [objective.metric for objective in study.objectives]
    values = study.front().loc[list(picked), metrics].to_numpy(float).tolist()
    rows = [
        [text(", ".join(why)), f'<a href="#design-{index}">#{index}</a>', *(text(number(v)) for v in row)]
        for (index, why), row in zip(picked.items(), values, strict=True)
    ]
    head = ["", "Design", *(metric_head(study, metric) for metric in metrics)]
    return table(head, rows, caption="Designs to look at first", numeric=range(1, len(head)))


# Figures


def _front(study: Snapshot, figures: Figures) -> str:
    metrics = [objective.metric for objective in study.objectives]
    if len(metrics) == 1:
        return figures.place("objective", plots.objective_history(study))
    views: list[tuple[str, str, Callable[[], Any]]] = []
    if len(metrics) <= PAIRS_UP_TO:
        for x, y in combinations(metrics, 2):
            views.append((f"{x}-{y}", f"{x} × {y}", partial(plots.front_2d, study, x, y)))
    if len(metrics) > 3:
        views.insert(0, ("matrix", "All pairs", lambda: plots.front_matrix(study)))
    if len(metrics) > 2:
        views.append(("3d", "3-D", lambda: plots.front_3d(study)))
    if study.front().empty and not study.counts()["infeasible"]:
        views = views[:1]
    listed = "" if len(study.front()) <= TABLE_ROWS else ", if it is listed there"
    note = f"Pointing at a design shows it; a click leads to its row in the table{listed}."
    if len(views) == 1:
        return figures.place("front", views[0][2](), note)
    tabs, panels = [], []
    for index, (key, title, draw) in enumerate(views):
        chosen = index == 0
        tabs.append(
            f'<button type="button" role="tab" id="tab-{text(key)}" aria-controls="panel-{text(key)}" '
            f'aria-selected="{str(chosen).lower()}"{"" if chosen else " tabindex=-1"}>{text(title)}</button>'
        )
        panels.append(
            f'<div role="tabpanel" id="panel-{text(key)}" aria-labelledby="tab-{text(key)}"'
            f"{'' if chosen else ' hidden'}>{figures.place(f'front-{key}', draw(), note)}</div>"
        )
    return f'<div role="tablist" aria-label="Views of the front">{"".join(tabs)}</div>{"".join(panels)}'


def _designs(study: Snapshot, figures: Figures) -> str:
    note = (
        "Drag along an axis to keep only a range, drag a name to move its axis; a click on the axis undoes."
    )
    return figures.place("parallel", plots.parallel_coordinates(study), note)


def _importance(study: Snapshot, figures: Figures) -> str:
    return figures.place("importance", plots.parameter_importance(study))
