"""The gap of stored runs over their evaluations, a plot a problem."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from benchmarks.searchers.problems import CASES
from benchmarks.searchers.runs import Floats, Store
from dse.pareto import hypervolume
from dse.plots.style import SERIES

LEAST = 1e-5  # gaps below are drawn here: the axis is logarithmic
COUNTS = np.unique(np.geomspace(20, 500, 28).round().astype(int))
COLUMNS = 4
TICKS = (0.001, 0.01, 0.1, 0.3, 1, 3, 10, 30)  # percent
# One of a kind, as many as can be told apart.
DRAWN = ("botorch-qlognehvi", "optuna-tpe", "pymoo-nsga2-pop20", "optuna-nsga2", "random")


def curves(store: Store, problem: str, searchers: Sequence[str]) -> dict[str, Floats]:
    """Return the median gap at `COUNTS` evaluations by searcher, NaN where less than half of its runs are."""
    case = CASES[problem]()
    points, _ = store.front(case)
    best = hypervolume(points, case.corner)
    found: dict[str, list[list[float]]] = {}
    for run in store.runs(problem):
        if run.searcher in searchers:
            gaps = [
                max(LEAST, 1 - hypervolume(run.objectives[:count], case.corner) / best)
                if count <= len(run.objectives)
                else np.nan
                for count in COUNTS
            ]
            found.setdefault(run.searcher, []).append(gaps)
    return {name: _medians(np.array(gaps)) for name, gaps in found.items()}


def _medians(gaps: Floats) -> Floats:
    reached = np.isfinite(gaps)
    return np.array(
        [
            np.median(column[mask]) if 2 * mask.sum() >= len(mask) else np.nan
            for column, mask in zip(gaps.T, reached.T, strict=True)
        ]
    )


def figure(
    store: Store, problems: Sequence[str], ours: Sequence[str], others: Sequence[str] = DRAWN
) -> go.Figure:
    """Draw searchers of ours as lines, and others dashed."""
    rows = -(-len(problems) // COLUMNS)
    made = make_subplots(
        rows, COLUMNS, subplot_titles=list(problems), horizontal_spacing=0.055, vertical_spacing=0.13
    )
    named = set()
    for place, problem in enumerate(problems):
        found = curves(store, problem, [*ours, *others])
        for index, name in enumerate([*ours, *others]):
            if name not in found:
                continue
            mine = name in ours
            line = {
                "color": SERIES[index % len(SERIES)],
                "width": 3 if mine else 1.8,
                "dash": "solid" if mine else "dot" if name == "random" else "dash",
            }
            made.add_trace(
                go.Scatter(
                    x=COUNTS, y=100 * found[name], name=name, legendgroup=name, line=line,
                    legendrank=index, showlegend=name not in named,
                ),
                row=place // COLUMNS + 1, col=place % COLUMNS + 1,
            )  # fmt: skip
            named.add(name)
    made.update_xaxes(type="log", tickvals=[20, 50, 100, 200, 500])
    made.update_yaxes(type="log", tickvals=TICKS, ticktext=[f"{tick:g} %" for tick in TICKS])
    made.update_layout(
        template="plotly_white",
        width=1400,
        height=100 + 310 * rows,
        legend={"orientation": "h", "y": -0.07},
        margin={"l": 60, "r": 20, "t": 60, "b": 60},
        title="Gap to the reference hypervolume over unique evaluations, median over seeds (less is better)",
    )
    return made
