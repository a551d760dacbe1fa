"""Pictures of how a run went: hypervolume, best value so far, failures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from dse.driver import HYPERVOLUME_OBJECTIVES
from dse.errors import StudyError
from dse.plots.points import CLOUD, StudyLike, check_metric, objective_of, thinned
from dse.plots.style import (
    BLUE,
    GREY,
    ORANGE,
    VERMILLION,
    axis_title,
    figure,
    light,
    message,
    number,
    plain,
    ticks,
)
from dse.scales import suits_logarithm

if TYPE_CHECKING:
    import pandas as pd

BATCHES = 5_000  # of a history that are drawn
SHARE = 0.99  # of the final hypervolume, in the caption
UNITS_SHOWN = 24  # characters of unit on the axis; the caption has it anyway
CAUSES = 12


def hypervolume_history(study: StudyLike, over: str = "evaluations") -> go.Figure:
    """Draw the hypervolume, and the number of designs on the front, as the study goes on.

    Parameters
    ----------
    study
        A study, or a view of one.
    over
        ``evaluations``, or ``seconds`` spent asking and evaluating.

    Returns
    -------
    Where the hypervolume is not known (beyond five objectives) only the front's size is drawn.

    Raises
    ------
    StudyError
        If `over` is neither.
    """
    if over not in ("evaluations", "seconds"):
        raise StudyError(f"over={over!r} must be 'evaluations' or 'seconds'")
    title = f"Hypervolume over {over}"
    history = study.history()
    if history.empty:
        return message(title, "Nothing has been evaluated yet.")
    if not history["front_size"].any():
        return message(title, "No feasible design yet, so no hypervolume.")
    history = history.assign(hypervolume=_volumes(study, history))
    volume = history["hypervolume"].to_numpy(float)
    known = bool(np.isfinite(volume).any())
    if len(history) == 1:
        found = f", hypervolume {number(float(f'{volume[0]:.5g}'))}" if known else ""
        return message(
            title,
            f"All {history['evaluations'].iloc[0]:,} evaluations are one batch: "
            f"{history['front_size'].iloc[0]:,} on the front{found}. {_progress(study, volume)}".strip(),
        )
    drawn = thinned(history, BATCHES)
    along = drawn[over].to_numpy()
    made = figure(title if known else f"Front size over {over}", height=400, caption=_progress(study, volume))
    spent = [
        f"{evaluations:,} evaluations, {number(float(second))} s"
        for evaluations, second in zip(drawn["evaluations"], drawn["seconds"], strict=True)
    ]
    if known:
        made.add_trace(
            go.Scatter(
                x=along, y=drawn["hypervolume"], name="hypervolume",
                mode="lines+markers" if np.isfinite(volume).sum() == 1 else "lines",
                customdata=spent, line={"shape": "hv", "color": BLUE, "width": 2.5},
                hovertemplate="%{customdata}<br>hypervolume %{y:.6~g}<extra></extra>",
            )
        )  # fmt: skip
    made.add_trace(
        go.Scatter(
            x=along, y=drawn["front_size"], name="designs on the front", yaxis="y2" if known else "y",
            mode="lines", customdata=spent,
            line={"shape": "hv", "color": ORANGE, "width": 1.5, "dash": "dot"} if known
            else {"shape": "hv", "color": BLUE, "width": 2.5},
            hovertemplate="%{customdata}<br>%{y:,} designs on the front<extra></extra>",
        )
    )  # fmt: skip
    unit = "" if over == "evaluations" else " asking and evaluating"
    made.update_xaxes(title_text=f"{over}{unit}", tickformat=",", exponentformat="none")
    sizes = history["front_size"].to_numpy(float)
    if known:
        made.update_layout(
            yaxis={"title": {"text": _volume_title(study)}, **ticks(volume)},
            yaxis2={
                "title": {"text": "designs on the front"}, "overlaying": "y", "side": "right",
                "showgrid": False, "rangemode": "tozero", "tickmode": "auto", **ticks(sizes),
            },
        )  # fmt: skip
    else:
        made.update_layout(
            yaxis={"title": {"text": "designs on the front"}, "rangemode": "tozero", **ticks(sizes)}
        )
    return made


def _units(study: StudyLike) -> str:
    return "·".join(study.metrics[o.metric].unit or "1" for o in study.objectives)


def _volume_title(study: StudyLike) -> str:
    units = _units(study)
    return (
        f"hypervolume [{plain(units)}] →" if len(units) <= UNITS_SHOWN else "hypervolume (more is better →)"
    )


def _volumes(study: StudyLike, history: pd.DataFrame) -> NDArray[np.float64]:
    """Return the hypervolume after each batch (n,), NaN where it is not known.

    A run that ends within the first batch with any result has its reference point set after that batch was
    stored: the last hypervolume is then the study's.
    """
    volume = history["hypervolume"].to_numpy(float).copy()
    if (
        np.isnan(volume[-1])
        and study.reference is not None
        and len(study.objectives) <= HYPERVOLUME_OBJECTIVES
    ):
        volume[-1] = study.hypervolume()
    return volume


def _progress(study: StudyLike, volume: NDArray[np.float64]) -> str:
    """Return the hypervolume's reference point, and how soon most of it was there, in words."""
    history = study.history()
    if study.reference is None or not np.isfinite(volume[-1]):
        return ""
    named = zip((o.metric for o in study.objectives), study.reference, strict=True)
    point = ", ".join(f"{metric} {number(float(value))}" for metric, value in named)
    said = f"Hypervolume in {_units(study)}, up to the reference point {point}."
    if len(volume) > 1 and volume[-1] > 0:
        row = int(np.argmax(np.nan_to_num(volume) >= SHARE * volume[-1]))
        after = int(history["evaluations"].iloc[row])
        said += f" After {after:,} evaluations it had {SHARE:.0%} of its final value."
    return said


def objective_history(study: StudyLike, objective: str | None = None) -> go.Figure:
    """Draw every evaluation's value of one objective, and the best feasible one so far.

    Parameters
    ----------
    study
        A study, or a view of one.
    objective
        An objective's metric; the first by default.

    Raises
    ------
    StudyError
        If the metric is not known.
    """
    name = check_metric(study, objective or study.objectives[0].metric, "objective")
    goal = objective_of(study, name)
    maximize = bool(goal and goal.maximize)
    title = f"{name} over evaluations"
    frame = study.evaluations()
    frame = frame[np.isfinite(frame[name].to_numpy(float))]
    if frame.empty:
        return message(title, "No design has a result.")
    feasible = frame[frame["state"] == "complete"]
    values = feasible[name].to_numpy(float)
    best = np.maximum.accumulate(values) if maximize else np.minimum.accumulate(values)
    better = (
        np.flatnonzero(np.concatenate([[True], best[1:] != best[:-1]])) if len(best) else np.zeros(0, int)
    )
    drawn = thinned(frame, CLOUD)
    note = f"Of {len(frame):,} evaluations {len(drawn):,} are drawn." if len(drawn) < len(frame) else ""
    made = figure(title, height=460, caption=note)
    for state, color, symbol in (("infeasible", ORANGE, "x-thin-open"), ("complete", GREY, "circle")):
        part = drawn[drawn["state"] == state]
        if len(part):
            made.add_trace(
                (go.Scattergl if len(part) > 2_000 else go.Scatter)(
                    x=part["number"].to_numpy(np.int32), y=light(part[name]), mode="markers",
                    name="feasible" if state == "complete" else state, opacity=0.4,
                    marker={"size": 5, "color": color, "symbol": symbol},
                    hovertemplate="design #%{x}<br>%{y:.4~g}<extra></extra>",
                )
            )  # fmt: skip
    if len(feasible):
        last = int(frame["number"].iloc[-1])
        numbers = feasible["number"].to_numpy()
        made.add_trace(
            go.Scatter(
                x=[*numbers[better], last], y=[*best[better], best[-1]], mode="lines", name="best so far",
                line={"shape": "hv", "color": BLUE, "width": 2.5}, hoverinfo="skip",
            )
        )  # fmt: skip
        made.add_trace(
            go.Scatter(
                x=[int(numbers[better[-1]])], y=[best[-1]], mode="markers", name="best",
                marker={"size": 12, "symbol": "diamond-open", "color": VERMILLION, "line": {"width": 2}},
                hovertemplate="design #%{x}<br>%{y:.6~g}<extra></extra>",
            )
        )  # fmt: skip
    made.update_xaxes(title_text="evaluation", tickformat=",", exponentformat="none")
    made.update_yaxes(
        title_text=axis_title(study.metrics[name], goal),
        type="log" if suits_logarithm(frame[name].to_numpy(float)) else "linear",
    )
    return made


def failures(study: StudyLike) -> go.Figure:
    """Draw how many evaluations failed, by cause, the most frequent first."""
    title = "Failures by cause"
    frame = study.failures()
    counts = study.counts()
    lost = counts.get("failed", 0) + counts.get("timeout", 0)
    if frame.empty:
        return message(title, "No evaluation failed." if not lost else f"{lost:,} evaluations failed.")
    shown = frame.iloc[:CAUSES].iloc[::-1]
    rest = lost - int(shown["count"].sum())
    made = figure(
        f"{title}: {lost:,} of {sum(counts.values()):,} evaluations",
        caption=f"{rest:,} more failed for rarer causes." if rest > 0 else "",
        height=140 + 34 * len(shown),
    )
    made.add_trace(
        go.Bar(
            x=shown["count"], y=np.arange(len(shown)), orientation="h", marker={"color": VERMILLION},
            text=[f"{count:,}" for count in shown["count"]], textposition="auto",
            hovertext=[
                f"{plain(text)}<br>as in design #{row}"
                for text, row in zip(shown["error"], shown["example"], strict=True)
            ],
            hovertemplate="%{hovertext}<extra></extra>",
        )
    )  # fmt: skip
    made.update_xaxes(title_text="evaluations", exponentformat="none", tickformat=",", rangemode="tozero")
    made.update_yaxes(
        tickvals=np.arange(len(shown)), ticktext=[plain(text, 48) for text in shown["error"]], ticks="",
    )  # fmt: skip
    return made
