"""What ``dse surrogate`` prints of versions: their errors, tests and drift."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.text import Text

from dse.cli.output import console, number, table
from dse.study import DEFAULT_STORE

if TYPE_CHECKING:
    from dse.store import SurrogateRecord
    from dse.surrogates.difference import Difference
    from dse.surrogates.drift import Drift
    from dse.surrogates.paired import PairedTest
    from dse.surrogates.registry import Evaluation
    from dse.surrogates.retraining import Retraining

LEVELS = ("0.8", "0.9", "0.95")
EVENTS = {"failed": "failing", "infeasible": "breaking a limit"}


def as_json(record: SurrogateRecord) -> dict[str, Any]:
    """Return a version as JSON values."""
    return {
        "name": record.name,
        "version": record.version,
        "state": record.state,
        "created_at": record.created_at,
        "promoted_at": record.promoted_at,
        "digest": record.digest,
        "report": record.report,
        "provenance": {key: value for key, value in record.provenance.items() if key != "problem"},
    }


def print_version(record: SurrogateRecord) -> None:
    """Print a version that was just trained."""
    what = "serves" if record.state == "serving" else f"is a {record.state}"
    seconds = record.provenance["seconds"]
    out = console()
    out.print(
        f"{record.reference} {what}: trained on {_evaluations(record)}, in {seconds:.3g} s", markup=False
    )
    out.print()
    _print_scores(record.report, _units(record), title="cross-validated", models=True)


def print_next(record: SurrogateRecord, store: str) -> None:
    """Print what to type next."""
    where = "" if store == DEFAULT_STORE else f" --store {shlex.quote(store)}"
    name = shlex.quote(record.name)
    out = console()
    out.print()
    out.print("next:", style="bold")
    lines = [f"dse surrogate retrain {name}{where}"]
    if record.state == "serving":
        lines.insert(0, f"dse surrogate evaluate {name}{where}")
    else:
        version = shlex.quote(record.reference)
        lines = [f"dse surrogate diff {name} {version}{where}", f"dse surrogate promote {version}{where}"]
    for line in lines:
        out.print(f"  {line}", markup=False, soft_wrap=True)


def print_versions(records: Sequence[SurrogateRecord], sizes: Mapping[str, int]) -> None:
    """Print versions, a line each."""
    out = console()
    if not records:
        out.print("no surrogates yet: dse surrogate train STUDY makes one", markup=False)
        return
    heads = ["surrogate", "state", "created", "trained on", "SMAPE", "in 90 %", "MB", "loss, beside"]
    made = table(heads, numeric=["SMAPE", "in 90 %", "MB"])
    for record in records:
        metrics = record.report["metrics"].values()
        size = sizes.get(record.digest)
        test = record.provenance.get("test")
        made.add_row(
            record.reference,
            record.state,
            record.created_at[:16].replace("T", " "),
            Text(_evaluations(record)),
            _percent(_median(item["smape"] for item in metrics)),
            _percent(_median(item["coverage"]["0.9"] for item in metrics)),
            "pruned" if size is None else f"{size / 1e6:.1f}",
            f"{_percent(test['change'], sign=True)}, @{record.provenance['before']}" if test else "",
        )
    out.print(made)
    out.print("SMAPE and the share of values in their 90 % intervals: cross-validated, medians over metrics")


def print_evaluation(found: Evaluation) -> None:
    """Print how well a version predicts what it was not trained on."""
    out = console()
    record = found.version
    if found.scores is None or found.drift is None:
        out.print(
            f"{record.reference} ({record.state}) was trained on all these evaluations: what it is worth by "
            "cross-validation",
            markup=False,
        )
        out.print()
        _print_scores(record.report, _units(record), models=True)
        return
    out.print(
        f"{record.reference} ({record.state}), on {found.rows:,} evaluations that it was not trained on",
        markup=False,
    )
    out.print()
    _print_scores(found.scores, _units(record))
    print_drift(found.drift, record)


def print_drift(drift: Drift, record: SurrogateRecord) -> None:
    """Print whether intervals hold."""
    out = console()
    out.print()
    level = f"{drift.confidence:.0%}".replace("%", " %")
    beyond = f"; {drift.beyond:,} designs are beyond the range of those trained on" if drift.beyond else ""
    if not drift.drifted:
        out.print(
            f"no drift of {record.reference}: on {drift.rows:,} new evaluations its {level} intervals hold"
            + beyond,
            markup=False,
        )
        return
    out.print(
        f"drift of {record.reference}: new values are outside its {level} intervals more often than promised"
        + beyond,
        style="bold",
        markup=False,
    )
    made = table(["drift", "outside", "of", "expected", "p"], numeric=["outside", "of", "expected", "p"])
    for item in drift.metrics:
        if item.drifted:
            expected = f"{(1 - drift.confidence) * item.rows:,.0f}"
            made.add_row(Text(item.metric), f"{item.outside:,}", f"{item.rows:,}", expected, f"{item.p:.2g}")
    out.print(made)


def print_retraining(found: Retraining) -> None:
    """Print what a retraining did."""
    out = console()
    before = found.serving
    out.print(f"{before.name}: {found.reason}", markup=False)
    if found.test is not None:
        out.print()
        rows = f"{found.test.paired.rows:,} held-out of {found.new:,} new evaluations"
        title = f"{before.reference} -> the candidate, on {rows}"
        _print_beside(title, found.test.serving, found.test.candidate, _units(before), found.test.paired)
    elif found.version is not None:
        out.print()
        _print_scores(found.version.report, _units(before), title="cross-validated", models=True)
    if found.drift is not None:
        print_drift(found.drift, before)


def print_difference(found: Difference) -> None:
    """Print two versions beside each other."""
    out = console()
    one, other = found.one, found.other
    out.print(f"{one.reference} ({one.state}) -> {other.reference} ({other.state})", markup=False)
    for line in found.changes or ["made of the same"]:
        out.print(f"  {line}", markup=False)
    out.print()
    _print_beside("each by its own cross-validation", one.report, other.report, _units(one))
    out.print()
    if found.test is None:
        out.print("no test: there are no evaluations that neither was trained on")
        return
    out.print(f"on what neither was trained on, {other.reference} is {found.test.verdict}", markup=False)


def _print_scores(
    scores: Mapping[str, Any], units: Mapping[str, str], *, title: str | None = None, models: bool = False
) -> None:
    heads = ["metric", *(["model", "scale"] if models else []), "RMSE", "of range", "R²", "SMAPE", "rank"]
    heads += [f"in {float(level):.0%}".replace("%", " %") for level in LEVELS]
    made = table(
        heads, title=title, numeric=[head for head in heads if head not in ("metric", "model", "scale")]
    )
    for name, item in scores["metrics"].items():
        made.add_row(
            Text(_label(name, units)),
            *([item["model"], item["scale"]] if models else []),
            number(item["rmse"]),
            _percent(item["nrmse"], 2),
            _real(item["r2"]),
            _percent(item["smape"]),
            _real(item["spearman"]),
            *(_percent(item["coverage"][level]) for level in LEVELS),
        )
    out = console()
    out.print(made)
    for event, label in EVENTS.items():
        found = scores.get(event)
        if found:
            out.print(f"{label}: AUC {_real(found['auc'])}, {_percent(found['share'])} of the evaluations")


def _print_beside(
    title: str,
    one: Mapping[str, Any],
    other: Mapping[str, Any],
    units: Mapping[str, str],
    test: PairedTest | None = None,
) -> None:
    """Print the errors of two versions; of a test the metrics that count, and how it judged them."""
    parts = {} if test is None else {part.name: part for part in test.parts}
    heads = ["metric", "SMAPE", "R²", "in 90 %", *(["loss", "p (worse)"] if parts else [])]
    made = table(heads, title=title, numeric=heads[1:])
    left_out = 0
    for name, item in one["metrics"].items():
        part = parts.get(name)
        if test is not None and part is None:
            left_out += 1
            continue
        if name not in other["metrics"]:
            continue
        pair = item, other["metrics"][name]
        made.add_row(
            Text(_label(name, units)),
            _pair([_percent(found["smape"]) for found in pair]),
            _pair([_real(found["r2"]) for found in pair]),
            _pair([_percent(found["coverage"]["0.9"]) for found in pair]),
            *([] if part is None else [_percent(part.change, sign=True), f"{part.p_worse:.2g}"]),
        )
    out = console()
    out.print(made)
    for event, label in EVENTS.items():
        aucs = [_real(found[event]["auc"]) if found.get(event) else "-" for found in (one, other)]
        if aucs != ["-", "-"]:
            judged = f", loss {_percent(parts[event].change, sign=True)}" if event in parts else ""
            out.print(f"{label}: AUC {_pair(aucs)}{judged}")
    if left_out:
        out.print(f"... and {left_out:,} metrics that the studies neither optimise nor limit: --json has all")


def _pair(texts: Sequence[str]) -> str:
    one, other = texts
    return f"{one.removesuffix(' %')} -> {other}"


def _label(name: str, units: Mapping[str, str]) -> str:
    return f"{name} [{units[name]}]" if units[name] else name


def _evaluations(record: SurrogateRecord) -> str:
    studies = record.provenance["studies"]
    total = sum(item["count"] for item in studies)
    return f"{total:,} of {', '.join(item['study'] for item in studies)}"


def _units(record: SurrogateRecord) -> dict[str, str]:
    return {item["name"]: item["unit"] for item in record.provenance["problem"]["metrics"]}


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None


def _percent(share: float | None, digits: int = 1, *, sign: bool = False) -> str:
    if share is None:
        return "-"
    return f"{100 * share:{'+' if sign else ''}.{digits}f} %"


def _real(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
