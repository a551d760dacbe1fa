"""What the commands print: tables and progress on a terminal, plain lines elsewhere."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dse.driver import Progress
from dse.pareto import knee_points
from dse.study import DEFAULT_STORE, Study, StudyView

if TYPE_CHECKING:
    import pandas as pd

LINE_SECONDS = 5.0  # between lines of progress where there is no terminal
KNEE_ROWS = 24  # parameters of the knee points
TABLE_ROWS = 20
KNEES = 3
COUNT_WORK = 1 << 22  # partial designs: a bar without an end is better than a wait


def console(*, stderr: bool = False) -> Console:
    """Return a console; its width is wide enough for tables where there is no terminal."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, highlight=False, width=None if stream.isatty() else 160)


def number(value: Any) -> str:
    """Return a value with as many digits as a person reads."""
    if isinstance(value, float):
        return f"{value:,.0f}" if 1e4 <= abs(value) < 1e9 else f"{value:.4g}"
    return str(value)


def table(columns: Sequence[str], *, title: str | None = None, numeric: Sequence[str] = ()) -> Table:
    """Return an empty table with the given heads."""
    made = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for name in columns:
        made.add_column(Text(name), justify="right" if name in numeric else "left", overflow="fold")
    return made


def print_studies(rows: Sequence[dict[str, Any]]) -> None:
    """Print what can be run."""
    made = table(["study", "what it explores", "package", "settings"])
    for row in rows:
        settings = "  ".join(f"{key}={value}" for key, value in row["settings"].items())
        made.add_row(*(Text(str(cell)) for cell in (row["name"], row["summary"], row["package"], settings)))
    console().print(made)


@contextmanager
def progress(study: Study, budget: int | None) -> Iterator[Callable[[Progress], None]]:
    """Show a run's progress: a bar on a terminal, now and then a line elsewhere."""
    if sys.stderr.isatty():
        with _bar(study, budget) as show:
            yield show
    else:
        yield _lines(study)


def _facts(state: Progress) -> str:
    failed = state.counts["failed"] + state.counts["timeout"]
    volume = "-" if state.hypervolume is None else f"{state.hypervolume:.6g}"
    leader = "" if state.leader is None else f"  led by {state.leader}"
    return f"front {state.front_size:,}  hypervolume {volume}  failed {failed:,}{leader}"


def _lines(study: Study) -> Callable[[Progress], None]:
    began = last = time.monotonic()
    start = sum(study.counts().values())
    searcher = study.record.searcher["name"]
    print(f"{study.name}: {searcher}, seed {study.seed}, {start:,} evaluations stored", file=sys.stderr)

    def show(state: Progress) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < LINE_SECONDS and state.evaluations != state.budget:
            return
        last = now
        of = f" of {state.budget:,}" if state.budget is not None else ""
        rate = (state.evaluations - start) / max(now - began, 1e-9)
        print(
            f"{study.name}: {state.evaluations:,}{of}  {rate:,.0f}/s  {_facts(state)}",
            file=sys.stderr,
            flush=True,
        )

    return show


@contextmanager
def _bar(study: Study, budget: int | None) -> Iterator[Callable[[Progress], None]]:
    from rich import progress as rich_progress

    total = None if budget is None else budget + study.adopted
    if total is None:
        count = study.space.count(work=COUNT_WORK)
        total = int(count) if isinstance(count, int) else None
    columns = (
        rich_progress.TextColumn("{task.description}", markup=False),
        rich_progress.BarColumn(),
        rich_progress.MofNCompleteColumn(),
        rich_progress.TextColumn("{task.fields[rate]:,.0f}/s"),
        rich_progress.TextColumn("{task.fields[facts]}", markup=False),
        rich_progress.TimeRemainingColumn(),
    )
    began = time.monotonic()
    start = sum(study.counts().values())
    with rich_progress.Progress(*columns, console=console(stderr=True)) as bar:
        task = bar.add_task(study.name, total=total, completed=start, facts="", rate=0.0)

        def show(state: Progress) -> None:
            rate = (state.evaluations - start) / max(time.monotonic() - began, 1e-9)
            bar.update(task, completed=state.evaluations, facts=_facts(state), rate=rate)

        yield show


@contextmanager
def counter(what: str, total: int) -> Iterator[Callable[[int, int], None]]:
    """Show how many of something are done: a bar on a terminal, now and then a line elsewhere."""
    if sys.stderr.isatty():
        from rich.progress import Progress as Bar

        with Bar(console=console(stderr=True)) as bar:
            task = bar.add_task(what, total=total)
            yield lambda done, _: bar.update(task, completed=done)
        return
    last = time.monotonic()

    def show(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= LINE_SECONDS:
            last = time.monotonic()
            print(f"{done:,} of {total:,} {what}", file=sys.stderr, flush=True)

    yield show


def summary(study: StudyView) -> dict[str, Any]:
    """Return a study's state as JSON values."""
    history = study.history()
    record = study.record
    counts = study.counts()
    seconds = float(history["seconds"].iloc[-1]) if len(history) else 0.0
    return {
        "name": study.name,
        "state": record.state,
        "evaluations": sum(counts.values()),
        "adopted": study.adopted,
        "started_from": study.started_from,
        "counts": counts,
        "front_size": int(history["front_size"].iloc[-1]) if len(history) else 0,
        "hypervolume": study.hypervolume() if len(study.objectives) <= 5 else None,
        "reference": dict(zip((o.metric for o in study.objectives), study.reference or (), strict=False)),
        "objectives": [objective.to_dict() for objective in study.objectives],
        "limits": [limit.text for limit in study.limits],
        "searcher": record.searcher,
        "seed": record.seed,
        "seconds": seconds,
        "created_at": record.created_at,
        "fingerprint": record.fingerprint,
        "versions": record.versions,
        "failures": study.failures().to_dict(orient="records"),
        "workers": study.workers().to_dict(orient="records"),
    }


def print_summary(study: StudyView) -> None:
    """Print a study's state, progress, hypervolume, failures and timing."""
    facts = summary(study)
    out = console()
    made = Table(box=None, show_header=False, pad_edge=False)
    made.add_column(style="bold")
    made.add_column(overflow="fold")

    def row(label: str, text: str) -> None:
        made.add_row(label, Text(text))

    counts = ", ".join(f"{count:,} {state}" for state, count in facts["counts"].items() if count)
    row("study", study.name)
    row("state", facts["state"])
    row("evaluations", f"{facts['evaluations']:,}" + (f" ({counts})" if counts else ""))
    for place, line in enumerate(facts["started_from"]):
        row("" if place else "started from", line)
    goals = [f"{item['goal']} {study.metrics[item['metric']].label}" for item in facts["objectives"]]
    row("objectives", ", ".join(goals))
    if facts["limits"]:
        row("limits", ", ".join(facts["limits"]))
    row("front", f"{facts['front_size']:,} designs")
    if facts["hypervolume"] is not None and facts["reference"]:
        reference = ", ".join(f"{metric} {number(value)}" for metric, value in facts["reference"].items())
        row("hypervolume", f"{facts['hypervolume']:.6g} (reference: {reference})")
    settings = "".join(f" {key}={value}" for key, value in facts["searcher"]["settings"].items())
    row(
        "searcher",
        f"{facts['searcher']['name']}{settings}, seed {facts['seed']}, batch {facts['searcher']['batch']}",
    )
    made_here = facts["evaluations"] - facts["adopted"]
    rate = f", {made_here / facts['seconds']:,.0f} evaluations a second" if facts["seconds"] else ""
    row("time", f"{facts['seconds']:.3g} s asking and evaluating{rate}")
    for place, item in enumerate(facts["workers"]):
        leads = " (leads)" if item["leads"] else ""
        row("" if place else "at work", f"{item['host']}:{item['process']}{leads}")
    row("created", facts["created_at"])
    row("versions", ", ".join(f"{package} {version}" for package, version in facts["versions"].items()))
    out.print(made)
    if facts["failures"]:
        reasons = table(["failures", "example", "reason"], numeric=["failures", "example"])
        for item in facts["failures"]:
            reasons.add_row(f"{item['count']:,}", str(item["example"]), Text(item["error"]))
        out.print()
        out.print(reasons)


def print_front(study: StudyView, frame: pd.DataFrame) -> None:
    """Print a front: objectives and the parameters that differ, the rest below."""
    out = console()
    if frame.empty:
        out.print(f"{study.name}: no feasible design yet")
        return
    objectives = [objective.metric for objective in study.objectives]
    varying = [name for name in study.space.names if frame[name].nunique(dropna=False) > 1]
    labels = [study.metrics[metric].label for metric in objectives]
    varying, left_out = _fitting(frame, labels, varying, out.width)
    heads = ["number", *labels, *varying]
    made = table(heads, title=f"{study.name}: {len(frame):,} designs on the front", numeric=heads)
    for index, row in zip(
        frame.index[:TABLE_ROWS], frame[objectives + varying].to_numpy(object), strict=False
    ):
        made.add_row(str(index), *(Text(number(value)) for value in row))
    out.print(made)
    if len(frame) > TABLE_ROWS:
        out.print(f"... and {len(frame) - TABLE_ROWS:,} more: --format csv writes all")
    if left_out:
        out.print(f"... and {left_out:,} parameters that differ: --format csv writes all")
    same = [name for name in study.space.names if frame[name].nunique(dropna=False) == 1]
    if same:
        same = [f"{name}={frame[name].iloc[0]}" for name in same]
        out.print(Text("the same in all: " + ", ".join(same)))


def _fitting(
    frame: pd.DataFrame, labels: Sequence[str], names: Sequence[str], width: int
) -> tuple[list[str], int]:
    """Return the parameters whose columns fit beside the objectives, and how many do not."""
    used = sum(max(len(label), 10) + 3 for label in ["number", *labels])
    shown: list[str] = []
    for name in names:
        used += max(len(name), *(len(str(value)) for value in frame[name].iloc[:TABLE_ROWS])) + 3
        if used > width and shown:
            break
        shown.append(name)
    return shown, len(names) - len(shown)


def print_pairs(title: str, pairs: Mapping[str, Any]) -> None:
    """Print names and values, a line each."""
    shown = table(["", "value"], title=title)
    for name, value in pairs.items():
        shown.add_row(name, number(value) if isinstance(value, float) else str(value))
    console().print(shown)


def print_rows(title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows of one kind, their keys as heads."""
    heads = list(rows[0]) if rows else []
    numeric = [head for head in heads if not isinstance(rows[0][head], str)]
    shown = table(heads, title=title, numeric=numeric)
    for row in rows:
        shown.add_row(*(number(value) if isinstance(value, float) else str(value) for value in row.values()))
    console().print(shown)


def knees(study: StudyView, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a front that are its knees."""
    points = frame[[objective.metric for objective in study.objectives]].to_numpy(float)
    maximize = [objective.maximize for objective in study.objectives]
    return frame.iloc[np.sort(knee_points(points, count=KNEES, maximize=maximize))]


def print_result(study: StudyView, store: str) -> None:
    """Print what a study found: the front's knee points, and what to type next."""
    out = console()
    frame = study.front()
    counts = study.counts()
    states = ", ".join(
        f"{count:,} {state}" for state, count in counts.items() if count and state != "complete"
    )
    total = sum(counts.values())
    if study.adopted:
        taken = f"{study.adopted:,} taken over and {total - study.adopted:,} new"
        states = f"{taken}; {states}" if states else taken
    out.print(
        f"{study.name}: {total:,} evaluations" + (f" ({states})" if states else "")
        + f", {len(frame):,} designs on the front, hypervolume {study.hypervolume():.6g}",
        markup=False,
    )  # fmt: skip
    if not frame.empty:
        chosen = knees(study, frame)
        made = table(
            ["knee points", *(f"#{index}" for index in chosen.index)],
            numeric=[f"#{index}" for index in chosen.index],
        )
        goals = {objective.metric: "max" if objective.maximize else "min" for objective in study.objectives}
        for metric in sorted(study.metrics, key=lambda metric: metric not in goals):
            label = study.metrics[metric].label + (f" ({goals[metric]})" if metric in goals else "")
            made.add_row(
                Text(label),
                *(Text(number(float(value))) for value in chosen[metric]),
                style=_bold(metric, goals),
            )
        made.add_section()
        for name in study.space.names[:KNEE_ROWS]:
            made.add_row(Text(name), *(Text(str(value)) for value in chosen[name].to_numpy(object)))
        out.print()
        out.print(made)
        if len(study.space.names) > KNEE_ROWS:
            out.print(f"... and {len(study.space.names) - KNEE_ROWS:,} more parameters")
    where = "" if store == DEFAULT_STORE else f" --store {shlex.quote(store)}"
    quoted = shlex.quote(study.name)
    out.print()
    out.print("next:", style="bold")
    for command in (
        f"dse front {quoted}{where}",
        f"dse show {quoted}{where}",
        f"dse report {quoted}{where} -o report.html",
    ):
        out.print(f"  {command}", markup=False, soft_wrap=True)


def _bold(metric: str, goals: dict[str, str]) -> str:
    return "bold" if metric in goals else ""
