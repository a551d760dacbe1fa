"""The front in numbers: the designs to look at first, the table, the CSV."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from dse.plots.points import constants, knees, plain_values, thinned, varying
from dse.plots.style import arrow, number
from dse.report.html import text
from dse.report.snapshot import Snapshot
from dse.space import Categorical, Ordinal, Parameter

if TYPE_CHECKING:
    import pandas as pd

TABLE_ROWS = 2_000  # of the front, on the page
CSV_ROWS = 20_000  # of the front, to be downloaded from the page


def picks(study: Snapshot) -> dict[int, list[str]]:
    """Return the designs to look at first, by number, and why: the knees, and the best of each objective."""
    front = study.front()
    picked: dict[int, list[str]] = {}
    for rank, index in enumerate(knees(study, front)):
        picked.setdefault(index, []).append("knee" if rank == 0 else f"knee {rank + 1}")
    for objective in study.objectives if len(front) else ():
        row = int(np.argmin(front[objective.metric].to_numpy(float) * objective.sign))
        picked.setdefault(int(front.index[row]), []).append(f"best {objective.metric}")
    return picked


def metric_head(study: Snapshot, metric: str) -> str:
    """Return a metric's name, unit and direction as the head of a column."""
    goal = next((o for o in study.objectives if o.metric == metric), None)
    label = text(study.metrics[metric].label)
    if goal is None:
        return label
    return f'{label} <span title="{"more" if goal.maximize else "less"} is better">{arrow(goal)}</span>'


def front_table(study: Snapshot) -> str:
    """Return the table of the front; parameters that are the same all over it are named above."""
    front = study.front()
    if front.empty:
        return '<p class="note">No feasible design yet.</p>'
    marks = {index for index, why in picks(study).items() if why[0].startswith("knee")}
    shown = thinned(front, TABLE_ROWS)
    if len(shown) < len(front):
        shown = front[front.index.isin([*shown.index, *picks(study)])]
    goals = [objective.metric for objective in study.objectives]
    metrics = [*goals, *(metric for metric in study.metrics if metric not in goals)]
    free, same = varying(study, front), constants(study, front)
    heads = [
        "#",
        *(metric_head(study, metric) for metric in metrics),
        *(text(parameter.name) for parameter in free),
    ]
    columns = [
        *(_number_cells(shown[metric]) for metric in metrics),
        *(_parameter_cells(parameter, shown[parameter.name]) for parameter in free),
    ]
    numeric = [False, *(True for _ in metrics), *map(_is_number, free)]
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
        notes.append(f"the same in all: {same}")
    note = text("; ".join(notes)) + ". A click on a head sorts."
    if len(front) <= CSV_ROWS:
        note += ' <button type="button" id="download" hidden>Download all as CSV</button>'
    else:
        note += f" All of them: <code>dse front {text(shlex.quote(study.name))} --format csv</code>."
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
    values = plain_values(column)
    for value, code in zip(values, parameter.encode(values).tolist(), strict=True):
        yield f'<td data-v="{code}">{text(value)}</td>'


def _is_number(parameter: Parameter) -> bool:
    if isinstance(parameter, Categorical | Ordinal):
        return all(
            isinstance(value, int | float) and not isinstance(value, bool) for value in parameter.listed
        )
    return True


def front_csv(study: Snapshot) -> str | None:
    """Return the front as CSV; None where there is none, or it is too long for a page."""
    front = study.front()
    return front.to_csv(lineterminator="\n") if 0 < len(front) <= CSV_ROWS else None
