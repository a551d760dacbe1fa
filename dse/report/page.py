"""A report's page: what stands in it, in what order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from importlib.resources import files
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from plotly.offline import get_plotlyjs

from dse import plots
from dse.plots.points import knees, thinned
from dse.plots.style import CONFIG, arrow, number, template
from dse.report.html import Figures, embedded, facts, script_hash, table, text
from dse.report.snapshot import Snapshot
from dse.space import Categorical, Integer, Ordinal, Parameter, Real

if TYPE_CHECKING:
    import pandas as pd

    from dse.plots.points import StudyLike

TABLE_ROWS = 1_000  # of the front, on the page
CSV_ROWS = 20_000  # of the front, to be downloaded from the page
PAIRS_UP_TO = 4  # objectives; beyond, the matrix has all pairs
HYPERVOLUME_UP_TO = 5  # objectives; beyond, the exact hypervolume takes too long
VALUES = 24  # of a parameter that are listed


def page(study: StudyLike) -> str:
    """Return a study's report as the text of an HTML file."""
    shown = Snapshot(study)
    figures = Figures()
    sections = [
        ("front", "The front", _front(shown, figures)),
        ("progress", "Progress", figures.place("hypervolume", plots.hypervolume_history(shown))),
        ("designs", "The front's designs", _designs(shown, figures)),
        ("importance", "What the parameters explain", _importance(shown, figures)),
        ("table", "Table of the front", _table(shown)),
        ("limits", "Limits and failures", _limits(shown) + _failures(shown)),
        ("provenance", "Provenance", _provenance(shown)),
    ]
    body = "".join(
        f'<section id="{key}" aria-labelledby="{key}-head"><h2 id="{key}-head">{title}</h2>{content}'
        "</section>"
        for key, title, content in sections
    )
    links = "".join(f'<a href="#{key}">{title}</a>' for key, title, _ in sections)
    data = {
        **figures.data(), "csv": _csv(shown), "name": shown.name, "config": CONFIG,
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
<meta name="generator" content="dse {text(shown.record.versions.get("dse", ""))}">
<title>{text(shown.name)}: design-space exploration</title>
<style>{style}</style>
</head>
<body>
<a class="skip" href="#front">Skip to the front</a>
<header>{_header(shown)}</header>
<nav aria-label="Sections">{links}</nav>
<main>
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
    if len(study.objectives) <= HYPERVOLUME_UP_TO:
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


def _picks(study: Snapshot) -> dict[int, list[str]]:
    """Return the designs to look at first, by number, and why: the knees, and the best of each objective."""
    front = study.front()
    picked: dict[int, list[str]] = {}
    for rank, index in enumerate(knees(study, front)):
        picked.setdefault(index, []).append("knee" if rank == 0 else f"knee {rank + 1}")
    for objective in study.objectives if len(front) else ():
        row = int(np.argmin(front[objective.metric].to_numpy(float) * objective.sign))
        picked.setdefault(int(front.index[row]), []).append(f"best {objective.metric}")
    return picked


def _glance(study: Snapshot) -> str:
    picked = _picks(study)
    if not picked:
        return ""
    metrics = [objective.metric for objective in study.objectives]
    values = study.front().loc[list(picked), metrics].to_numpy(float).tolist()
    rows = [
        [text(", ".join(why)), f'<a href="#design-{index}">#{index}</a>', *(text(number(v)) for v in row)]
        for (index, why), row in zip(picked.items(), values, strict=True)
    ]
    head = ["", "Design", *(_metric_head(study, metric) for metric in metrics)]
    return table(head, rows, caption="Designs to look at first", numeric=range(1, len(head)))


def _metric_head(study: Snapshot, metric: str) -> str:
    goal = next((o for o in study.objectives if o.metric == metric), None)
    label = text(study.metrics[metric].label)
    if goal is None:
        return label
    return f'{label} <span title="{"more" if goal.maximize else "less"} is better">{arrow(goal)}</span>'


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
    note = "Pointing at a design shows it; a click leads to its row in the table."
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


# The table of the front


def _table(study: Snapshot) -> str:
    front = study.front()
    if front.empty:
        return '<p class="note">No feasible design yet.</p>'
    marks = {index for index, why in _picks(study).items() if why[0].startswith("knee")}
    shown = thinned(front, TABLE_ROWS)
    if len(shown) < len(front):
        shown = front[front.index.isin([*shown.index, *_picks(study)])]
    goals = [objective.metric for objective in study.objectives]
    metrics = [*goals, *(metric for metric in study.metrics if metric not in goals)]
    varying = [name for name in study.space.names if (front[name] != front[name].iloc[0]).any()]
    same = [name for name in study.space.names if name not in varying]
    heads = ["#", *(_metric_head(study, metric) for metric in metrics), *map(text, varying)]
    columns = [
        *(_number_cells(shown[metric]) for metric in metrics),
        *(_parameter_cells(study.space[name], shown[name]) for name in varying),
    ]
    numeric = [False, *(True for _ in metrics), *(_is_number(study.space[name]) for name in varying)]
    rows = []
    for index, *cells in zip(shown.index.tolist(), *columns, strict=True):
        knee = index in marks
        badge = ' <span class="badge">knee</span>' if knee else ""
        rows.append(
            f'<tr id="design-{index}"{" class=knee" if knee else ""}><th scope="row">{index}{badge}</th>'
            f"{''.join(cells)}</tr>"
        )
    head = "".join(
        f'<th scope="col"{" class=n" if right else ""}><button type="button">{name}</button></th>'
        for name, right in zip(heads, numeric, strict=True)
    )
    notes = [f"{len(front):,} design{'s' if len(front) > 1 else ''}" if len(shown) == len(front) else
             f"{len(shown):,} of {len(front):,} designs, evenly along the front and those above"]  # fmt: skip
    if same:
        notes.append("the same in all: " + ", ".join(f"{n} = {number(front[n].iloc[0])}" for n in same))
    note = text("; ".join(notes)) + ". A click on a head sorts."
    if len(front) <= CSV_ROWS:
        note += ' <button type="button" id="download" hidden>Download all as CSV</button>'
    else:
        note += f" All of them: <code>dse front {text(study.name)} --format csv</code>."
    return (
        f'<p class="note">{note}</p><div class="scroll tall" tabindex="0" role="region" '
        f'aria-labelledby="table-head"><table id="front-table"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _number_cells(column: pd.Series[Any]) -> Iterator[str]:
    """Yield cells with a rounded number, and the exact one to sort by."""
    for value in column.tolist():
        yield f'<td class="n" data-v="{value!r}">{text(number(value))}</td>'


def _parameter_cells(parameter: Parameter, column: pd.Series[Any]) -> Iterator[str]:
    if _is_number(parameter):
        yield from _number_cells(column)
        return
    # Listed values are sorted in the order of their list.
    for value, code in zip(column.tolist(), parameter.encode(column.tolist()).tolist(), strict=True):
        yield f'<td data-v="{code}">{text(value)}</td>'


def _is_number(parameter: Parameter) -> bool:
    if isinstance(parameter, Categorical | Ordinal):
        return all(
            isinstance(value, int | float) and not isinstance(value, bool) for value in parameter.listed
        )
    return True


def _csv(study: Snapshot) -> str | None:
    front = study.front()
    return front.to_csv(lineterminator="\n") if 0 < len(front) <= CSV_ROWS else None


# Limits, failures, provenance


def _limits(study: Snapshot) -> str:
    if not study.limits:
        return "<h3>Limits</h3><p>None.</p>"
    frame = study.evaluations()
    frame = frame[frame["state"].isin(["complete", "infeasible"])]
    columns = {name: frame[name].to_numpy(float) for name in study.metrics}
    rows = []
    for limit in study.limits:
        broken = int((np.broadcast_to(limit.violation(columns), (len(frame),)) > 0).sum())
        share = f"{broken / len(frame):.1%}" if len(frame) else "–"
        rows.append([f"<code>{text(limit.text)}</code>", f"{broken:,}", share])
    head = ["Limit", "Designs that break it", "of those with a result"]
    return "<h3>Limits</h3>" + table(head, rows, numeric=(1, 2))


def _failures(study: Snapshot) -> str:
    counts = study.counts()
    lost = counts["failed"] + counts["timeout"]
    if not lost:
        return "<h3>Failures</h3><p>None: every evaluation has a result.</p>"
    causes = study.failures()
    rows = [
        [f"{count:,}", f"#{example}", f'<div class="error">{text(error)}</div>']
        for error, count, example in causes[["error", "count", "example"]].itertuples(index=False)
    ]
    rest = lost - int(causes["count"].sum())
    more = f"<p class='note'>{rest:,} more failed for other reasons.</p>" if rest > 0 else ""
    total = sum(counts.values())
    lead = f"<p>{lost:,} of {total:,} evaluations have no result"
    lead += f", {counts['timeout']:,} of them by timeout.</p>" if counts["timeout"] else ".</p>"
    return (
        "<h3>Failures</h3>" + lead + table(["Evaluations", "Such as", "Cause"], rows, numeric=(0, 1)) + more
    )


def _provenance(study: Snapshot) -> str:
    record = study.record
    problem = record.problem
    model = problem.get("model", {})
    goals = ", ".join(
        text(("maximise " if o.maximize else "minimise ") + study.metrics[o.metric].label
             + (f" (reference {number(o.reference)})" if o.reference is not None else ""))
        for o in study.objectives
    )  # fmt: skip
    others = [
        metric.label
        for metric in study.metrics.values()
        if all(o.metric != metric.name for o in study.objectives)
    ]
    run = facts({
        "Study": text(study.name),
        "Fingerprint": f"<code>{text(record.fingerprint)}</code>",
        "Created": text(record.created_at),
        "State": text(record.state),
        "Searcher": text(record.searcher["name"]) + _settings(record.searcher.get("settings", {})),
        "Batch": text(record.searcher.get("batch", "–")),
        "Seed": text(record.seed),
        "Versions": text(", ".join(f"{package} {version}" for package, version in record.versions.items())),
    })  # fmt: skip
    stated = facts({
        "Objectives": goals,
        "Other metrics": text(", ".join(others) or "none"),
        "Limits": "; ".join(f"<code>{text(limit.text)}</code>" for limit in study.limits) or "none",
        "Cost model": text(" ".join(str(model[key]) for key in ("name", "version") if model.get(key)) or "–")
        + _settings(model.get("settings", {})),
    })  # fmt: skip
    parameters = [
        [f"<code>{text(p.name)}</code>", text(p.kind), _domain(p),
         f"<code>{text(p.active_if)}</code>" if p.active_if else "always"]
        for p in study.space.parameters
    ]  # fmt: skip
    rules = [
        f"<li><code>{text(rule.get('expression') or rule.get('callable'))}</code>"
        + ("" if "expression" in rule else f" (a function of {text(', '.join(rule.get('columns', [])))})")
        + "</li>"
        for rule in problem.get("space", {}).get("constraints", [])
    ]
    size = study.space.size
    lead = f"{len(study.space.names)} parameters"
    if size == float("inf"):
        lead += ", some of them real: combinations without end"
    else:
        lead += f": {number(size)} combinations" + (" before constraints" if rules else "")
    return (
        f"<h3>Run</h3>{run}<h3>Problem</h3>{stated}<h3>Space</h3><p>{text(lead)}.</p>"
        + table(["Parameter", "Kind", "Values", "Active"], parameters)
        + (f"<h4>Constraints</h4><ul>{''.join(rules)}</ul>" if rules else "<p>No constraints.</p>")
    )


def _settings(settings: dict[str, Any]) -> str:
    if not settings:
        return ""
    listed = "".join(f"<li><code>{text(key)} = {text(value)}</code></li>" for key, value in settings.items())
    return f"<ul>{listed}</ul>"


def _domain(parameter: Parameter) -> str:
    """Return a parameter's values in words."""
    if isinstance(parameter, Categorical | Ordinal):
        values = [text(value) for value in parameter.listed[:VALUES]]
        more = f", … ({len(parameter.listed):,} values)" if len(parameter.listed) > VALUES else ""
        return ", ".join(values) + more
    assert isinstance(parameter, Integer | Real)
    words = f"{text(number(parameter.low))} to {text(number(parameter.high))}"
    if isinstance(parameter, Integer) and parameter.step != 1:
        words += f" by {parameter.step}"
    return words + (", logarithmic" if parameter.log else "")
