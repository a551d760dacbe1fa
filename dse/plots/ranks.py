"""Figure of average ranks: who is better by more than chance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from dse.errors import StudyError
from dse.plots.style import BLUE, figure, message, plain

if TYPE_CHECKING:
    import pandas as pd


def average_ranks(ranks: pd.DataFrame, budget: int | None = None) -> go.Figure:
    """Draw average ranks, each in the middle of a line as long as the critical difference.

    Two whose lines do not overlap differ by more than chance (Nemenyi's test at 5 %): the diagram of Demšar,
    JMLR 7, 2006, section 3.2.4, read by rows.

    Parameters
    ----------
    ranks
        From `dse.compare.Comparison.ranks` or `dse.compare.ranks_over_problems`.
    budget
        The largest by default.

    Raises
    ------
    StudyError
        If there are no ranks at the budget.
    """
    known = sorted(ranks["budget"].unique().tolist())
    if budget is None and known:
        budget = known[-1]
    if budget not in known:
        raise StudyError(f"budget={budget!r} has no ranks; known are {', '.join(map(str, known))}")
    part = ranks[ranks["budget"] == budget].sort_values("rank", kind="stable").iloc[::-1]
    critical = float(part["critical_difference"].iloc[0])
    p = float(part["p"].iloc[0])
    title = f"Average ranks at {budget:,} evaluations"
    if not np.isfinite(critical):
        return message(title, "One searcher has nothing to be ranked with.")
    made = figure(
        title,
        height=130 + 34 * len(part),
        caption=f"Average ranks at {budget:,} evaluations, 1 for the best. Lines are as long as the critical "
        f"difference of {critical:.2f}: two that do not overlap differ by more than chance (Nemenyi, 5 %). "
        f"Friedman's probability of ranks as unlike, were all searchers the same, is {p:.2g}.",
    )
    made.add_trace(
        go.Scatter(
            x=part["rank"], y=[plain(name) for name in part["searcher"]], mode="markers", showlegend=False,
            marker={"size": 10, "color": BLUE},
            error_x={"array": np.full(len(part), critical / 2), "color": BLUE, "thickness": 2, "width": 0},
            hovertemplate="%{y}: %{x:.2f}<extra></extra>",
        )
    )  # fmt: skip
    made.update_xaxes(title_text="average rank (← less is better)")
    made.update_yaxes(ticks="")
    return made
