"""What a picture of a front is drawn from: the front, the designs behind it, its knees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dse.errors import StudyError
from dse.pareto import knee_points
from dse.plots.style import number, plain

if TYPE_CHECKING:
    import pandas as pd

    from dse.problem import Limit, Metric, Objective
    from dse.space import Parameter, Space
    from dse.store import StudyRecord

KNEES = 3
CLOUD = 20_000  # designs behind the front that are drawn, at most: more only weigh the page down
HOVER_ROWS = 2_000  # a front up to this size shows every parameter when pointed at
HOVER_LINES = 24


class StudyLike(Protocol):
    """What figures and reports read: a `dse.Study`, a `dse.StudyView` or anything alike."""

    @property
    def name(self) -> str: ...
    @property
    def space(self) -> Space: ...
    @property
    def objectives(self) -> tuple[Objective, ...]: ...
    @property
    def metrics(self) -> dict[str, Metric]: ...
    @property
    def limits(self) -> tuple[Limit, ...]: ...
    @property
    def record(self) -> StudyRecord: ...
    @property
    def reference(self) -> tuple[float, ...] | None: ...
    def front(self) -> pd.DataFrame: ...
    def evaluations(self) -> pd.DataFrame: ...
    def history(self) -> pd.DataFrame: ...
    def counts(self) -> dict[str, int]: ...
    def failures(self) -> pd.DataFrame: ...
    def hypervolume(self) -> float: ...


@dataclass(frozen=True)
class Points:
    """Evaluated designs by what became of them, each frame indexed by evaluation number.

    Attributes
    ----------
    front
        The nondominated feasible designs, all of them.
    dominated, infeasible
        Those of the rest that are drawn: an even choice over the evaluations where there are too many.
    dominated_count, infeasible_count
        How many there are.
    knees
        Evaluation numbers of the front's knees, the most pronounced first.
    """

    front: pd.DataFrame
    dominated: pd.DataFrame
    infeasible: pd.DataFrame
    dominated_count: int
    infeasible_count: int
    knees: list[int]

    @property
    def thinning(self) -> str:
        """A sentence on what is left out; empty if nothing is."""
        shown = len(self.dominated) + len(self.infeasible)
        total = self.dominated_count + self.infeasible_count
        if shown == total:
            return ""
        return (
            f"Of {total:,} designs behind the front {shown:,} are drawn, evenly over the run; "
            "the front is whole."
        )


def split(study: StudyLike, most: int = CLOUD) -> Points:
    """Return a study's points, with at most `most` behind the front.

    A study that has a method ``points(most)`` is asked for them: one that holds its evaluations is faster.
    """
    own = getattr(study, "points", None)
    if own is not None:
        found: Points = own(most)
        return found
    front = study.front()
    rest = study.evaluations().set_index("number")
    dominated = rest[(rest["state"] == "complete") & ~rest.index.isin(front.index)]
    infeasible = rest[rest["state"] == "infeasible"]
    total = len(dominated) + len(infeasible)
    share = min(1.0, most / total) if total else 1.0
    return Points(
        front,
        thinned(dominated, int(len(dominated) * share)),
        thinned(infeasible, int(len(infeasible) * share)),
        len(dominated),
        len(infeasible),
        knees(study, front),
    )


def thinned(frame: pd.DataFrame, most: int) -> pd.DataFrame:
    """Return at most `most` rows, evenly chosen, the first and the last among them."""
    if len(frame) <= most:
        return frame
    return frame.iloc[np.linspace(0, len(frame) - 1, most).round().astype(int)]


def knees(study: StudyLike, front: pd.DataFrame) -> list[int]:
    """Return the evaluation numbers of a front's knees, the most pronounced first."""
    if front.empty or len(study.objectives) < 2:
        return []
    values = front[[objective.metric for objective in study.objectives]].to_numpy(float)
    positions = knee_points(values, count=KNEES, maximize=[o.maximize for o in study.objectives])
    return [int(number) for number in front.index[positions]]


def hover_texts(study: StudyLike, front: pd.DataFrame) -> list[str]:
    """Return what pointing at each design of a front shows, as plotly text."""
    names = [*study.metrics, *(study.space.names if len(front) <= HOVER_ROWS else ())]
    left_out = max(0, len(names) - HOVER_LINES)
    names = names[:HOVER_LINES]
    units = {name: f" {plain(metric.unit)}" for name, metric in study.metrics.items() if metric.unit}
    columns = [[number(value) for value in plain_values(front[name])] for name in names]
    heads = [plain(name) for name in names]
    tail = f"<br>and {left_out} more" if left_out else ""
    texts = []
    for index, values in zip(front.index, zip(*columns, strict=True), strict=True):
        lines = [
            f"{head} {plain(value, 40)}{units.get(name, '')}"
            for name, head, value in zip(names, heads, values, strict=True)
        ]
        texts.append(f"<b>design #{index}</b><br>" + "<br>".join(lines) + tail)
    return texts


def plain_values(column: pd.Series[Any]) -> list[Any]:
    """Return a column as plain Python values; None where the data frame has made a NaN of it."""
    return [None if value != value else value for value in column.tolist()]


def varying(study: StudyLike, front: pd.DataFrame) -> list[Parameter]:
    """Return the parameters that take more than one value on a front; None is a value like any other."""
    return [p for p in study.space.parameters if len(set(plain_values(front[p.name]))) > 1]


def constants(study: StudyLike, front: pd.DataFrame) -> str:
    """Return the parameters that are the same all over a front of at least one design, with their value."""
    free = {parameter.name for parameter in varying(study, front)}
    return ", ".join(
        f"{name} = {number(plain_values(front[name].iloc[:1])[0])}"
        for name in study.space.names
        if name not in free
    )


def objective_of(study: StudyLike, metric: str) -> Any:
    """Return a metric's objective; None if it is none."""
    return next((objective for objective in study.objectives if objective.metric == metric), None)


def check_metric(study: StudyLike, name: str, what: str) -> str:
    """Return the name of a metric of the study; raise `StudyError` for another."""
    if name not in study.metrics:
        raise StudyError(f"{what}={name!r} is no metric of the study; known are {', '.join(study.metrics)}")
    return name


def chosen(study: StudyLike, given: list[str | None], labels: str) -> list[str]:
    """Return metrics for axes: those given, the rest filled up with objectives in their order."""
    for name, label in zip(given, labels, strict=True):
        if name is not None:
            check_metric(study, name, label)
    free = [o.metric for o in study.objectives if o.metric not in given]
    missing = sum(name is None for name in given)
    if missing > len(free):
        raise StudyError(
            f"{len(study.objectives)} objectives do not fill {len(given)} axes: name metrics, "
            f"{labels[-1]}={next(iter(study.metrics))!r}, or draw fewer axes"
        )
    return [name if name is not None else free.pop(0) for name in given]


def staircase(x: NDArray[Any], y: NDArray[Any], maximize: tuple[bool, bool]) -> NDArray[np.intp]:
    """Return the positions of the points nondominated in x and y, best in x first, without repeats."""
    key_x, key_y = (-values if flip else values for values, flip in zip((x, y), maximize, strict=True))
    order = np.lexsort((key_y, key_x))
    best = np.minimum.accumulate(key_y[order])
    keep = np.concatenate([[True], best[1:] < best[:-1]]) if len(order) else np.zeros(0, bool)
    return np.asarray(order[keep], np.intp)
