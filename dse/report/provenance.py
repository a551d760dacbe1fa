"""What a study was: its limits and failures, its run, its problem, its space."""

from __future__ import annotations

from typing import Any

import numpy as np

from dse.plots.style import number
from dse.report.html import facts, table, text
from dse.report.snapshot import Snapshot
from dse.space import Categorical, Integer, Ordinal, Parameter, Real
from dse.warm import described

VALUES = 24  # of a parameter that are listed


def limits(study: Snapshot) -> str:
    """Return the limits, and how many designs break each."""
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


def failures(study: Snapshot) -> str:
    """Return how many evaluations have no result, by cause."""
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


def provenance(study: Snapshot) -> str:
    """Return the run, the problem and the space."""
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
        **({"Started from": text("; ".join(described(record.warm)))} if record.warm else {}),
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
