"""Pictures of a surrogate beside what was evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from dse.designs import Designs
from dse.errors import SurrogateError
from dse.plots.points import StudyLike, objective_of, thinned
from dse.plots.style import BLUE, GREY, SERIES, VERMILLION, axis_title, figure, light, message, number, plain
from dse.scales import suits_logarithm

if TYPE_CHECKING:
    import pandas as pd

    from dse.surrogates import Surrogate

ROWS = 2_000  # evaluations that are predicted
LEAST = 20  # from which a coverage is worth drawing
NOTHING = "No evaluations to compare with, beside those that it learned from: see its report."
CONFIDENCES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)


def predicted_against_actual(
    surrogate: Surrogate,
    study: StudyLike,
    metric: str | None = None,
    *,
    confidence: float = 0.9,
    without: Sequence[int] = (),
) -> go.Figure:
    """Draw what a surrogate predicts of a study's evaluations beside what they were.

    Parameters
    ----------
    surrogate
        From `dse.surrogates`.
    study
        A study, or a view of one, with the surrogate's parameters.
    metric
        The first one that both have by default.
    confidence
        Of the intervals.
    without
        Numbers of evaluations to leave out: those that it has learned from, which it predicts too well.

    Raises
    ------
    SurrogateError
        If the surrogate does not predict the metric, or is of other parameters.
    """
    name = _metric(surrogate, study, metric)
    title = f"{name}, predicted against actual"
    frame, made_of = _evaluated(study, name, without)
    if frame.empty:
        return message(title, NOTHING)
    told = surrogate.predict(Designs.from_frame(study.space, frame), confidence)
    actual, mean = frame[name].to_numpy(float), told.mean[name]
    lower, upper = told.lower[name], told.upper[name]
    inside = (actual >= lower) & (actual <= upper)
    error = float(np.sqrt(np.mean((mean - actual) ** 2)))
    spread = float(np.ptp(actual)) or 1.0
    made = figure(
        title,
        height=520,
        caption=f"{len(frame):,} {made_of}: root-mean-square error {number(float(f'{error:.3g}'))} "
        f"({error / spread:.2%} of the range), {inside.mean():.1%} within the interval at {confidence:.0%}.",
    )
    logarithm = suits_logarithm(actual) and bool((lower > 0).all())
    ends = [float(min(actual.min(), mean.min())), float(max(actual.max(), mean.max()))]
    made.add_trace(
        go.Scatter(x=ends, y=ends, mode="lines", name="as it is", line={"color": GREY, "dash": "dash"},
                   hoverinfo="skip")
    )  # fmt: skip
    for part, label, color, symbol in (
        (inside, "within the interval", BLUE, "circle"),
        (~inside, "outside of it", VERMILLION, "x"),
    ):
        if part.any():
            made.add_trace(
                go.Scattergl(
                    x=light(actual[part]), y=light(mean[part]), mode="markers",
                    name=f"{label} ({part.sum():,})",
                    marker={"size": 6, "color": color, "symbol": symbol, "opacity": 0.6},
                    customdata=frame.index.to_numpy(np.int32)[part],
                    error_y={
                        "type": "data", "array": light(upper[part] - mean[part]), "color": color,
                        "arrayminus": light(mean[part] - lower[part]), "thickness": 0.6, "width": 0,
                    },
                    hovertemplate="design #%{customdata}<br>actual %{x:.4~g}<br>predicted %{y:.4~g}"
                    "<extra></extra>",
                )
            )  # fmt: skip
    label = axis_title(study.metrics[name], objective_of(study, name), short=True)
    scale = "log" if logarithm else "linear"
    made.update_xaxes(title_text=f"actual {label}", type=scale)
    made.update_yaxes(title_text=f"predicted {label}", type=scale)
    return made


def interval_coverage(surrogate: Surrogate, study: StudyLike, *, without: Sequence[int] = ()) -> go.Figure:
    """Draw how many evaluations lie within a surrogate's intervals, against how many should.

    Parameters
    ----------
    surrogate, study, without
        As for `predicted_against_actual`.

    Raises
    ------
    SurrogateError
        If they have no metric in common, or the surrogate is of other parameters.
    """
    title = "Coverage of intervals"
    names = [name for name in study.metrics if name in surrogate.metrics]
    _metric(surrogate, study, None)
    made = figure(title, height=460)
    told: list[str] = []
    for place, name in enumerate(names):
        frame, made_of = _evaluated(study, name, without)
        if len(frame) < LEAST:
            continue
        told = [f"{len(frame):,} {made_of}."]
        designs, actual = Designs.from_frame(study.space, frame), frame[name].to_numpy(float)
        found = []
        for confidence in CONFIDENCES:
            said = surrogate.predict(designs, confidence)
            found.append(float(((actual >= said.lower[name]) & (actual <= said.upper[name])).mean()))
        made.add_trace(
            go.Scatter(
                x=list(CONFIDENCES), y=found, mode="lines+markers", name=plain(name),
                line={"color": SERIES[place % len(SERIES)], "width": 2},
                marker={"size": 8, "symbol": place},
                hovertemplate=f"{plain(name)}<br>%{{y:.1%}} within intervals at %{{x:.0%}}<extra></extra>",
            )
        )  # fmt: skip
    if not told:
        return message(title, NOTHING)
    made.add_trace(
        go.Scatter(
            x=[CONFIDENCES[0], 1.0], y=[CONFIDENCES[0], 1.0], mode="lines", name="as it should be",
            line={"color": GREY, "dash": "dash"}, hoverinfo="skip",
        )
    )  # fmt: skip
    made.layout.meta = {
        **made.layout.meta,
        "caption": f"{told[0]} Below the line intervals are too narrow, above it wider than needed; values "
        "that are predicted exactly are always within.",
    }
    made.update_xaxes(title_text="confidence", tickformat=".0%")
    made.update_yaxes(title_text="share within the interval", tickformat=".0%")
    return made


def _metric(surrogate: Surrogate, study: StudyLike, metric: str | None) -> str:
    names = [name for name in study.metrics if name in surrogate.metrics]
    if metric is None and names:
        return names[0]
    if metric not in names:
        raise SurrogateError(
            f"metric={metric!r} is not predicted; surrogate and study have {', '.join(names) or 'none'}"
        )
    return metric


def _evaluated(study: StudyLike, metric: str, without: Sequence[int]) -> tuple[pd.DataFrame, str]:
    frame: Any = study.evaluations()
    frame = frame[~frame["number"].isin(list(without))].set_index("number")
    frame = frame[np.isfinite(frame[metric].to_numpy(float))]
    total = len(frame)
    frame = thinned(frame, ROWS)
    return frame, "evaluations" if len(frame) == total else f"of {total:,} evaluations"
