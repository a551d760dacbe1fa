"""`Problem`: a space, a cost model, objectives and limits, checked when it is built."""

from __future__ import annotations

import ast
import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dse.designs import Designs
from dse.errors import ExpressionError, ProblemError
from dse.evaluations import Evaluations, State
from dse.expressions import Expression
from dse.linear import LinearProblem, linear_problem
from dse.models import CostModel, Outcome, check_metrics, run_model
from dse.space import Space

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Metric:
    """A named output of a cost model, with its unit ("" for a bare number)."""

    name: str
    unit: str = ""

    @property
    def label(self) -> str:
        """For axes and table heads."""
        return f"{self.name} [{self.unit}]" if self.unit else self.name


@dataclass(frozen=True)
class Objective:
    """A metric with a direction. Use `Minimize` or `Maximize`.

    Parameters
    ----------
    metric
        The metric's name.
    reference
        The metric's value at the hypervolume's reference point: the worst value of interest. By default
        a study takes it from its first results (see `dse.study.Study.hypervolume`).
    """

    metric: str
    reference: float | None = None
    maximize: ClassVar[bool]

    def __post_init__(self) -> None:
        if type(self) is Objective:
            raise ProblemError(f"use Minimize({self.metric!r}) or Maximize({self.metric!r})")
        number = isinstance(self.reference, int | float) and math.isfinite(self.reference)
        if self.reference is not None and not number:
            raise ProblemError(
                f"objective {self.metric!r}: reference={self.reference!r} is not a finite number"
            )

    @property
    def sign(self) -> float:
        """The factor that makes the objective one to minimise."""
        return -1.0 if self.maximize else 1.0

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        out: dict[str, Any] = {"metric": self.metric, "goal": "maximize" if self.maximize else "minimize"}
        if self.reference is not None:
            out["reference"] = self.reference
        return out


@dataclass(frozen=True)
class Minimize(Objective):
    """Less is better; see `Objective`."""

    maximize: ClassVar[bool] = False


@dataclass(frozen=True)
class Maximize(Objective):
    """More is better; see `Objective`."""

    maximize: ClassVar[bool] = True


def objective_from_dict(data: Mapping[str, Any]) -> Objective:
    """Read an objective from its JSON form."""
    kind = {"minimize": Minimize, "maximize": Maximize}[data["goal"]]
    return kind(data["metric"], data.get("reference"))


@dataclass(frozen=True)
class Limit:
    """A bound on metrics, known only after evaluation: ``"power_w <= 5"``.

    Parameters
    ----------
    text
        ``a <= b``, ``a >= b`` or a chain ``1 <= a <= 5``, of arithmetic over metrics.

    Raises
    ------
    ProblemError
        If the text is something else.

    Notes
    -----
    The violation of ``a <= b`` is ``max(0, a - b) / |b|`` (``/ 1`` where b is 0), that of a chain the sum:
    comparable between limits of unlike units, 0 where the limit holds.
    """

    text: str
    sides: tuple[tuple[Expression, Expression], ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        mend = "write a comparison of metrics with <= or >=, as in 'power_w <= 5'"
        if not isinstance(self.text, str):
            raise ProblemError(f"limit {self.text!r} is not text: {mend}")
        try:
            Expression(self.text)
            tree = ast.parse(self.text.strip(), mode="eval").body
        except ExpressionError as error:
            raise ProblemError(f"limit {error}") from None
        if not isinstance(tree, ast.Compare):
            raise ProblemError(
                f"limit {self.text!r} is no single comparison: {mend}; give several limits as a list"
            )
        sides = []
        terms = [tree.left, *tree.comparators]
        for operator, left, right in zip(tree.ops, terms[:-1], terms[1:], strict=True):
            small, large = (left, right) if isinstance(operator, ast.LtE) else (right, left)
            if not isinstance(operator, ast.LtE | ast.GtE):
                raise ProblemError(f"limit {self.text!r} uses another comparison: {mend}")
            try:
                pair = Expression(ast.unparse(small)), Expression(ast.unparse(large))
                for side in pair:
                    np.asarray(side.evaluate(dict.fromkeys(side.names, np.ones(1))), float)
            except ValueError as error:
                raise ProblemError(f"limit {self.text!r} compares no numbers ({error}): {mend}") from None
            sides.append(pair)
        object.__setattr__(self, "sides", tuple(sides))

    @property
    def names(self) -> tuple[str, ...]:
        """The metrics that it reads."""
        return tuple(dict.fromkeys(name for pair in self.sides for side in pair for name in side.names))

    def violation(self, metrics: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64] | float:
        """Return how far the limit is broken (n,): 0 where it holds."""
        total: Any = 0.0
        for margin in self.margins(metrics):
            total = total + np.maximum(0.0, margin)
        return total  # type: ignore[no-any-return]

    def margins(self, metrics: Mapping[str, NDArray[np.float64]]) -> list[NDArray[np.float64]]:
        """Return for each comparison by how much it is broken (n,), negative where it holds."""
        found = []
        for small, large in self.sides:
            low, high = np.asarray(small.evaluate(metrics), float), np.asarray(large.evaluate(metrics), float)
            bound = high if not large.names else low if not small.names else high
            scale = np.where(bound == 0, 1.0, np.abs(bound))
            with np.errstate(invalid="ignore", over="ignore"):
                found.append(np.asarray((low - high) / scale))
        return found


class Problem:
    """What is searched: a space, a cost model, objectives and limits.

    Parameters
    ----------
    space
        The search space.
    model
        A cost model: a function decorated by `cost_model`, or anything of the `CostModel` protocol.
    objectives
        `Minimize` and `Maximize` of metrics; at least one.
    limits
        Bounds on metrics, as in ``["power_w <= 5"]``. A design that breaks one is *infeasible*, graded by
        its violation.
    name
        The model's name by default.
    prior
        A fast cost model of the same objectives, which is believed but not trusted: a searcher that takes a
        prior (``bayesian``) starts from its best designs and learns from it.
    start
        Designs that are evaluated before all others, whatever the searcher: baselines, the design of today. A
        design that is given twice counts once.

    Raises
    ------
    ProblemError
        One line with the mend, for: a column that the model reads and the space lacks, an objective
        or limit that is no metric, duplicates, a limit that cannot be parsed, settings that are no
        JSON.
    """

    def __init__(
        self,
        space: Space,
        model: CostModel,
        objectives: Iterable[Objective],
        limits: Iterable[str | Limit] = (),
        *,
        name: str | None = None,
        prior: CostModel | None = None,
        start: Designs | None = None,
    ) -> None:
        if not isinstance(space, Space):
            raise ProblemError(f"space must be a Space, not {type(space).__name__}")
        if not isinstance(model, CostModel):
            what = "a plain function" if callable(model) else type(model).__name__
            raise ProblemError(
                f"model is {what}: decorate it with @cost_model(metrics={{'latency_ms': 'ms'}})"
            )
        self.space = space
        self.model = model
        self.name = name or model.name
        units = check_metrics(model.metrics)
        self.metrics = {metric: Metric(metric, unit) for metric, unit in units.items()}
        self.objectives = self._check_objectives(objectives)
        self.limits = self._check_limits(limits)
        for column in model.columns:
            if column not in space:
                raise ProblemError(
                    f"the model {model.name!r} reads column {column!r}, which the space lacks; "
                    f"it has {', '.join(space.names)}"
                )
        self.prior = prior
        if prior is not None:
            self._check_prior(prior)
        self.start = start
        if start is not None:
            self._check_start(start)
        clash = [
            metric for metric in self.metrics if metric in space or metric in ("number", "state", "error")
        ]
        if clash:
            raise ProblemError(f"metric {clash[0]!r} has the name of another column: rename it")
        try:
            self._text = json.dumps(self.to_dict(), sort_keys=True, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ProblemError(f"the settings of model {model.name!r} are not JSON values: {error}") from None

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        objectives: Iterable[Objective],
        *,
        parameters: Iterable[str] | None = None,
        metrics: Iterable[str] | None = None,
        limits: Iterable[str] = (),
        aggregate: str | None = None,
        units: Mapping[str, str] | None = None,
        name: str = "frame",
    ) -> Problem:
        """Return the problem of finding the best of what was measured, a row a design.

        Parameters
        ----------
        frame
            The measurements. A named index is a column too. A column ``error``, where there is one, has
            text where a row failed; columns ``number`` and ``state`` are left out.
        objectives, limits
            As of `Problem`, by the columns' names; in a limit a name that cannot stand there is spelled with
            underscores: ``GFLOP_s``.
        parameters, metrics
            Columns. By default metrics are the columns that objectives and limits name, and all others are
            parameters; where parameters are given, all other columns of numbers that have no hole are
            metrics too.
        aggregate
            What becomes of rows with the same parameters: mean, median, min, max, first. By default they are
            refused.
        units
            Unit by metric.
        name
            Of the problem.

        Returns
        -------
        A problem whose members are the rows: numbers are ordered, text and truth values are choices, and a
        categorical column has the order of its categories. A row without a number for a metric has failed.

        Raises
        ------
        ProblemError
            If a column is missing, two rows are the same design, or nothing is left to be a parameter.

        Examples
        --------
        >>> import pandas as pd
        >>> from dse import Minimize, Problem
        >>> runs = pd.DataFrame({"tile": [16, 32, 16, 32], "kind": ["a", "a", "b", "b"], "ms": [4, 2, 3, 5]})
        >>> Problem.from_frame(runs, [Minimize("ms")]).space.count()
        4
        """
        from dse.frames import frame_table

        listed = (objectives,) if isinstance(objectives, Objective) else tuple(objectives)
        table, names = frame_table(
            frame, listed, limits, parameters=parameters, metrics=metrics, aggregate=aggregate, units=units,
            name=name,
        )  # fmt: skip
        renamed = [replace(goal, metric=names.get(goal.metric, goal.metric)) for goal in listed]
        return cls(table.space, table.model, renamed, limits, name=name)

    def _check_prior(self, prior: CostModel) -> None:
        if not isinstance(prior, CostModel):
            raise ProblemError(f"prior is {type(prior).__name__}: a cost model is needed")
        for column in prior.columns:
            if column not in self.space:
                raise ProblemError(
                    f"the prior {prior.name!r} reads column {column!r}, which the space lacks; it has "
                    f"{', '.join(self.space.names)}"
                )
        for objective in self.objectives:
            if objective.metric not in prior.metrics:
                raise ProblemError(
                    f"the prior {prior.name!r} has no metric {objective.metric!r}; it has "
                    f"{', '.join(prior.metrics)}"
                )

    def _check_start(self, start: Designs) -> None:
        if not isinstance(start, Designs) or start.space != self.space:
            raise ProblemError(
                "start must be designs of the problem's space: make them by space.designs(...)"
            )
        outside = np.flatnonzero(~self.space.contains(start))
        if len(outside):
            raise ProblemError(f"start: design {int(outside[0])} is not in the space: leave it out")
        _, first = np.unique(np.array(self.space.keys(start.codes), object), return_index=True)
        self.start = start.take(np.sort(first))

    @property
    def prior_objectives(self) -> Callable[[Designs], NDArray[np.float64]] | None:
        """What the prior believes of designs: objectives (n, m) to be minimised, NaN where it fails."""
        if self.prior is None:
            return None
        prior = self.prior

        def believed(designs: Designs) -> NDArray[np.float64]:
            found = run_model(prior, designs).metrics
            return np.column_stack(
                [objective.sign * np.asarray(found[objective.metric]) for objective in self.objectives]
            )

        return believed

    @property
    def costly(self) -> bool:
        """Whether an evaluation may cost more than a model: designs are taken one by one, or by workers."""
        return getattr(self.model, "per_design", False) or hasattr(self.model, "workers")

    @property
    def reference(self) -> NDArray[np.float64]:
        """The declared reference point (objectives,), minimised; NaN where an objective declares none."""
        declared = [np.nan if item.reference is None else float(item.reference) for item in self.objectives]
        return np.array(declared) * self.signs

    def margins(self, metrics: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        """Return by how much each comparison of the limits is broken, negative where it holds.

        Parameters
        ----------
        metrics
            Arrays (n,) by name.

        Returns
        -------
        Matrix (n, comparisons), in sizes of the bounds, as `Limit` says.
        """
        found = [limit.margins(metrics) for limit in self.limits]
        n = len(next(iter(metrics.values())))
        columns = [np.broadcast_to(column, (n,)) for part in found for column in part]
        return np.column_stack(columns) if columns else np.empty((n, 0))

    @cached_property
    def linear(self) -> LinearProblem | None:
        """Objectives and limits as additive tables, of the prior or the model; None where they are not."""
        return linear_problem(self)

    def _check_objectives(self, objectives: Iterable[Objective]) -> tuple[Objective, ...]:
        listed = (objectives,) if isinstance(objectives, Objective | str) else tuple(objectives)
        for objective in listed:
            if not isinstance(objective, Objective):
                raise ProblemError(f"objective {objective!r} has no direction: write Minimize({objective!r})")
            self._check_metric(
                f"objective {type(objective).__name__}({objective.metric!r})", objective.metric
            )
        if not listed:
            raise ProblemError(
                "a problem needs at least one objective, as in objectives=[Minimize('latency_ms')]"
            )
        names = [objective.metric for objective in listed]
        for metric in names:
            if names.count(metric) > 1:
                raise ProblemError(f"metric {metric!r} is an objective twice: drop one")
        return listed

    def _check_limits(self, limits: Iterable[str | Limit]) -> tuple[Limit, ...]:
        if isinstance(limits, str):
            raise ProblemError(f"limits must be a list: write limits=[{limits!r}]")
        listed = tuple(limit if isinstance(limit, Limit) else Limit(limit) for limit in limits)
        for limit in listed:
            if not limit.names:
                raise ProblemError(
                    f"limit {limit.text!r} reads no metric; known are {', '.join(self.metrics)}"
                )
            for metric in limit.names:
                self._check_metric(f"limit {limit.text!r}", metric)
        if len({limit.text for limit in listed}) < len(listed):
            raise ProblemError(f"a limit is given twice in {[limit.text for limit in listed]}: drop one")
        return listed

    def _check_metric(self, what: str, metric: str) -> None:
        if metric not in self.metrics:
            hint = "; a bound on parameters is a constraint of the space" if metric in self.space else ""
            raise ProblemError(
                f"{what} reads {metric!r}, which is no metric; known are {', '.join(self.metrics)}{hint}"
            )

    @property
    def signs(self) -> NDArray[np.float64]:
        """The factors (objectives,) that make every objective one to minimise."""
        return np.array([objective.sign for objective in self.objectives])

    def evaluate(self, designs: Designs) -> Evaluations:
        """Evaluate designs; one that cannot be evaluated is `failed`, with the reason: nothing is raised."""
        return self.judge(designs, run_model(self.model, designs))

    def judge(self, designs: Designs, outcome: Outcome) -> Evaluations:
        """Turn a model's outcome, as `run_model` returns it, into evaluations: objectives, limits, states."""
        metrics = {name: np.asarray(outcome.metrics[name], float) for name in self.metrics}
        n = len(designs)
        errors = dict(outcome.errors)
        violation = np.zeros(n)
        for limit in self.limits:
            violation = violation + limit.violation(metrics)
        failed = np.zeros(n, dtype=bool)
        failed[[*errors, *outcome.timeouts]] = True
        for row in np.flatnonzero(~np.isfinite(violation) & ~failed).tolist():
            errors[row] = f"the limits {[limit.text for limit in self.limits]} give {violation[row]}"
            failed[row] = True
        violation[failed] = np.nan
        state = np.where(violation > 0, State.INFEASIBLE.value, State.COMPLETE.value)
        state[failed] = State.FAILED.value
        state[sorted(outcome.timeouts)] = State.TIMEOUT.value
        objectives = np.column_stack(
            [objective.sign * metrics[objective.metric] for objective in self.objectives]
        )
        seconds = np.zeros(n) if outcome.seconds is None else outcome.seconds
        return Evaluations(designs, metrics, objectives, violation, state, errors, seconds)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form: what the fingerprint hashes."""
        beside: dict[str, Any] = {} if self.prior is None else {"prior": _identity(self.prior)}
        if self.start is not None:
            beside["start"] = hashlib.sha256(b"".join(self.space.keys(self.start.codes))).hexdigest()[:16]
        return {
            **beside,
            "space": self.space.to_dict(),
            "metrics": [{"name": metric.name, "unit": metric.unit} for metric in self.metrics.values()],
            "objectives": [objective.to_dict() for objective in self.objectives],
            "limits": [Expression(limit.text).canonical for limit in self.limits],
            "model": _identity(self.model),
        }

    @property
    def fingerprint(self) -> str:
        """A hash of what the problem is."""
        return hashlib.sha256(self._text.encode()).hexdigest()

    def __repr__(self) -> str:
        goals = ", ".join(
            f"{type(objective).__name__}({objective.metric!r})" for objective in self.objectives
        )
        return f"<Problem {self.name!r}: {goals} over {self.space!r}>"


def _identity(model: CostModel) -> dict[str, Any]:
    return {"name": model.name, "version": model.version, "settings": dict(model.settings)}


def differences(stored: Any, given: Any, path: str = "") -> list[str]:
    """Return what differs between two JSON forms, a line each, as ``path: stored -> given``."""
    if isinstance(stored, Mapping) and isinstance(given, Mapping):
        lines: list[str] = []
        for key in dict.fromkeys((*stored, *given)):
            inner = f"{path}.{key}" if path else str(key)
            if key not in stored or key not in given:
                lines.append(f"{inner}: only in the {'stored' if key in stored else 'given'} problem")
            else:
                lines += differences(stored[key], given[key], inner)
        return lines
    if isinstance(stored, list) and isinstance(given, list) and len(stored) == len(given):
        return [
            line
            for index, (one, other) in enumerate(zip(stored, given, strict=True))
            for line in differences(one, other, f"{path}[{index}]")
        ]
    return [] if stored == given else [f"{path}: {_short(stored)} -> {_short(given)}"]


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
