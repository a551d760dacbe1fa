"""Pictures of several studies with the same objectives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from dse.errors import StudyError
from dse.pareto import attainment, hypervolume, nondominated
from dse.plots.points import StudyLike, objective_of, staircase
from dse.plots.style import BLUE, SERIES, axis_title, figure, light, message, number, plain
from dse.scales import suits_logarithm

STEPS = 60  # points of a curve of hypervolumes
DASHES = ("solid", "dash", "dot", "dashdot")
SYMBOLS = ("circle", "square", "diamond", "cross", "triangle-up", "star")


def studies_fronts(studies: Sequence[StudyLike], x: str | None = None, y: str | None = None) -> go.Figure:
    """Draw the fronts of several studies over two objectives.

    Parameters
    ----------
    studies
        Studies, or views of them, with the same objectives.
    x, y
        Objectives; the first two by default.

    Raises
    ------
    StudyError
        If their objectives differ, or there are not two.
    """
    first, x, y = _same(studies, x, y)
    title = f"Fronts: {y} against {x}"
    made = figure(title, height=520)
    flips = objective_of(first, x).maximize, objective_of(first, y).maximize
    scales = []
    for place, study in enumerate(studies):
        front = study.front()
        if front.empty:
            continue
        values = front[x].to_numpy(float), front[y].to_numpy(float)
        scales.append(values)
        look = _look(place)
        corner = staircase(*values, flips)
        made.add_trace(
            go.Scatter(x=values[0][corner], y=values[1][corner], mode="lines", hoverinfo="skip",
                       line={**look["line"], "shape": "hv", "width": 1.5}, showlegend=False,
                       legendgroup=plain(study.name))
        )  # fmt: skip
        made.add_trace(
            go.Scattergl(
                x=light(values[0]), y=light(values[1]), mode="markers",
                name=f"{plain(study.name)} ({len(front):,})",
                marker={**look["marker"], "size": 7}, customdata=front.index.to_numpy(np.int32),
                legendgroup=plain(study.name),
                hovertemplate=f"{plain(study.name)} #%{{customdata}}<br>{plain(x)} %{{x:.4~g}}<br>"
                f"{plain(y)} %{{y:.4~g}}<extra></extra>",
            )
        )  # fmt: skip
    if not scales:
        return message(title, "No study has a feasible design yet.")
    _label(made, first, x, y, scales)
    return made


def studies_progress(studies: Sequence[StudyLike]) -> go.Figure:
    """Draw the hypervolumes of several studies over their evaluations, by one reference point.

    Parameters
    ----------
    studies
        With the same objectives, five at most.

    Returns
    -------
    Each study's front after up to 60 of its commits, measured from a point that is a tenth of the range of
    all fronts beyond the worst of their values: what the studies themselves keep are points of their own.

    Raises
    ------
    StudyError
        If their objectives differ.
    """
    first, *_ = _same(studies, None, None)
    title = "Hypervolume, by one reference point"
    metrics = [objective.metric for objective in first.objectives]
    signs = np.array([objective.sign for objective in first.objectives])
    fronts = [study.front()[metrics].to_numpy(float) * signs for study in studies]
    known = np.concatenate([front for front in fronts if len(front)] or [np.empty((0, len(metrics)))])
    if not len(known):
        return message(title, "No study has a feasible design yet.")
    worst, best = known.max(axis=0), known.min(axis=0)
    point = worst + 0.1 * np.where(worst > best, worst - best, np.abs(worst) + 1.0)
    shown = ", ".join(
        f"{metric} {number(float(f'{value:.4g}'))}"
        for metric, value in zip(metrics, point * signs, strict=True)
    )
    made = figure(title, height=460, caption=f"Reference point: {shown}.")
    for place, study in enumerate(studies):
        steps, volumes = _volumes(study, metrics, signs, point)
        look = _look(place)
        made.add_trace(
            go.Scatter(
                x=steps, y=volumes, mode="lines+markers", name=plain(study.name),
                line={**look["line"], "width": 2},
                marker={**look["marker"], "size": 5},
                hovertemplate=f"{plain(study.name)}<br>%{{x:,}} evaluations<br>%{{y:.5~g}}<extra></extra>",
            )
        )  # fmt: skip
    made.update_xaxes(title_text="evaluations", tickformat=",", exponentformat="none")
    made.update_yaxes(title_text="hypervolume (more is better →)", rangemode="tozero")
    return made


def studies_attainment(studies: Sequence[StudyLike], x: str | None = None, y: str | None = None) -> go.Figure:
    """Draw what all, half and any of several studies reach in two objectives, as runs of one searcher.

    Parameters
    ----------
    studies
        With the same objectives; two at least, as of several seeds.
    x, y
        Objectives; the first two by default.

    Raises
    ------
    StudyError
        If their objectives differ, or there are not two.

    Notes
    -----
    The empirical attainment function: Grunert da Fonseca, Fonseca and Hall, "Inferential performance
    assessment of stochastic optimisers and the attainment function", EMO 2001.
    """
    first, x, y = _same(studies, x, y)
    title = f"Attainment: {y} against {x}"
    signs = np.array([objective_of(first, name).sign for name in (x, y)])
    runs = [study.front()[[x, y]].to_numpy(float) * signs for study in studies]
    runs = [run for run in runs if len(run)]
    if len(runs) < 2:
        return message(title, "Two studies with feasible designs are needed.")
    made = figure(
        title, height=520, caption=f"{len(runs)} studies. A point on a line is reached by so many of them."
    )
    corners = np.concatenate(runs).max(axis=0)
    scales = []
    levels = {1.0: "every run", 0.5: "half of the runs", 1 / len(runs): "some run"}
    for level, (share, surface) in enumerate(attainment(runs, list(levels)).items()):
        reached, label = math.ceil(share * len(runs)), levels[share]
        surface = surface[np.argsort(surface[:, 0])]
        line = (
            np.concatenate([[[surface[0, 0], corners[1]]], surface, [[corners[0], surface[-1, 1]]]]) * signs
        )
        scales.append((line[:, 0], line[:, 1]))
        made.add_trace(
            go.Scatter(x=line[:, 0], y=line[:, 1], mode="lines", name=f"{label} ({reached} of {len(runs)})",
                       line={"color": BLUE, "dash": DASHES[level], "shape": "hv", "width": 2})
        )  # fmt: skip
    _label(made, first, x, y, scales)
    return made


def _volumes(
    study: StudyLike, metrics: list[str], signs: NDArray[Any], point: NDArray[Any]
) -> tuple[list[int], list[float]]:
    """Return evaluations, and the hypervolume of the front among so many."""
    frame = study.evaluations()
    frame = frame[frame["state"] == "complete"]
    numbers, values = frame["number"].to_numpy(), frame[metrics].to_numpy(float) * signs
    total = sum(study.counts().values())
    steps = np.unique(np.linspace(0, total, STEPS + 1)[1:].round().astype(int))
    kept: NDArray[Any] = np.empty((0, len(metrics)))
    found, last = [], 0
    for step in steps.tolist():
        stop = int(np.searchsorted(numbers, step))
        kept = np.concatenate([kept, values[last:stop]])
        kept = kept[nondominated(kept)] if len(kept) else kept
        last = stop
        found.append(hypervolume(kept, point) if len(kept) else 0.0)
    # Where a sample of the evaluations stands for all of them, the end is the front's own.
    front = study.front()[metrics].to_numpy(float) * signs
    if found and len(front):
        found[-1] = hypervolume(front, point)
    return steps.tolist(), found


def _same(studies: Sequence[StudyLike], x: str | None, y: str | None) -> tuple[StudyLike, str, str]:
    if not studies:
        raise StudyError("no study is given: give one or more")
    first = studies[0]
    goals = [(o.metric, o.maximize) for o in first.objectives]
    for study in studies[1:]:
        if [(o.metric, o.maximize) for o in study.objectives] != goals:
            raise StudyError(
                f"studies {first.name!r} and {study.name!r} have other objectives: take those with the same"
            )
    names = [metric for metric, _ in goals]
    if len(names) < 2:
        raise StudyError("fronts are drawn over two objectives, and the studies have one")
    free = [name for name in names if name not in (x, y)]
    x = x or free.pop(0)
    y = y or free.pop(0)
    for name in (x, y):
        if name not in names:
            raise StudyError(f"{name!r} is no objective of the studies; known are {', '.join(names)}")
    return first, x, y


def _look(place: int) -> dict[str, Any]:
    color = SERIES[place % len(SERIES)]
    dash = DASHES[(place // len(SERIES)) % len(DASHES)]
    return {
        "line": {"color": color, "dash": dash},
        "marker": {"color": color, "symbol": SYMBOLS[place % len(SYMBOLS)]},
    }


def _label(made: go.Figure, study: StudyLike, x: str, y: str, scales: list[Any]) -> None:
    for axis, name, place in (("xaxis", x, 0), ("yaxis", y, 1)):
        values = np.concatenate([scale[place] for scale in scales])
        made.update_layout(
            {axis: {
                "title": {"text": axis_title(study.metrics[name], objective_of(study, name))},
                "type": "log" if suits_logarithm(values) else "linear",
            }}
        )  # fmt: skip
