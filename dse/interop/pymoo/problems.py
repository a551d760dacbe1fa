"""A problem of ours as one of pymoo: vectors of numbers, or dictionaries of mixed variables."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pymoo.core.problem import Problem as PymooProblem
from pymoo.core.repair import Repair
from pymoo.core.sampling import Sampling
from pymoo.core.variable import Binary, Choice, Variable
from pymoo.core.variable import Integer as IntegerVariable
from pymoo.core.variable import Real as RealVariable

from dse.designs import Designs
from dse.errors import ProblemError
from dse.interop.ledger import Ledger
from dse.problem import Problem
from dse.searchers.genes import Genes
from dse.searchers.mending import nearest_members
from dse.space import Categorical, Integer, Parameter, Real

if TYPE_CHECKING:
    from dse.store import Store

Array = NDArray[Any]
Floats = NDArray[np.float64]

# What an objective is where there is no result: finite, so that nothing is divided or sorted wrongly.
MISSING = 1e30
# Random members of the space from which designs outside of it are repaired.
POOL = 256


class _SpaceProblem(PymooProblem):  # type: ignore[misc]
    """What both forms share: objectives and constraints of designs."""

    def __init__(
        self,
        problem: Problem,
        penalty: float | None,
        store: Store | str | None,
        name: str | None,
        **variables: Any,
    ) -> None:
        if not isinstance(problem, Problem):
            raise ProblemError(f"problem must be a Problem, not {type(problem).__name__}")
        if penalty is not None and not (isinstance(penalty, int | float) and 0 < penalty < np.inf):
            raise ProblemError(f"penalty={penalty!r} must be a positive number, or None for constraints")
        self.problem = problem
        self.penalty = penalty
        self.ledger = Ledger(problem, store=store, name=name, by="pymoo")
        comparisons = sum(len(limit.sides) for limit in problem.limits)
        super().__init__(
            n_obj=len(problem.objectives),
            n_ieq_constr=0 if penalty is not None else comparisons + 1,
            **variables,
        )

    def name(self) -> str:
        """Return the name of the problem."""
        return self.problem.name

    @abstractmethod
    def designs(self, x: Any) -> Designs:
        """Return designs of variables, as pymoo has them; what is between two values takes the nearest."""

    @abstractmethod
    def variables(self, designs: Designs) -> Array:
        """Return designs as pymoo has them: the inverse of `designs`."""

    def _evaluate(self, x: Any, out: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        designs = self.designs(x)
        space = self.problem.space
        inside = space.contains(designs)
        objectives = np.full((len(designs), self.n_obj), np.nan)
        margins = np.zeros((len(designs), max(self.n_ieq_constr - 1, 0)))
        # By how much there is no result: the share of the space's constraints that are broken.
        absent = np.zeros(len(designs))
        outside = designs.take(~inside)
        broken = [~rule.holds(outside, len(outside)) for rule in space.constraints]
        if broken and len(outside):
            absent[~inside] = np.mean(broken, axis=0)
        violation = np.zeros(len(designs))
        if inside.any():
            found = self.ledger.evaluate(designs.take(inside))
            known = found.evaluated
            objectives[inside] = found.objectives
            absent[inside] = np.where(known, 0.0, 1.0)
            violation[inside] = np.where(known, found.violation, 0.0)
            if margins.shape[1]:
                measured = self.problem.margins(found.metrics)
                margins[inside] = np.where(known[:, None], measured, 0.0)
        lost = absent > 0
        if self.penalty is None:
            out["F"] = np.where(lost[:, None], MISSING, objectives)
            out["G"] = np.column_stack([margins, absent])
        else:
            wrong = self.penalty * (1.0 + np.where(lost, absent, violation))
            over = objectives + np.where(violation > 0, wrong, 0.0)[:, None]
            out["F"] = np.where(lost[:, None], 2.0 * wrong[:, None], over)


class VectorProblem(_SpaceProblem):
    """A problem whose variables are numbers: for any algorithm of pymoo.

    Discrete parameters are positions in their domain, from 0 to ``cardinality - 1``; real ones are scaled to
    [0, 1], by logarithm where the parameter says so. That is what ``nsga2`` works on. What is between two
    values takes the nearest; parameters that are not active may be anything. Objectives are minimised:
    maximised metrics come with their sign changed.

    Parameters
    ----------
    problem
        The problem.
    penalty
        None: the inequality constraints `G` are a column for each comparison of the limits, as
        `Problem.margins` gives them, and a last one that is 0 where there is a result, 1 where the evaluation
        failed, and the share of the space's constraints that are broken where the design is not in the space
        (it is not evaluated then; `SpaceRepair` leaves none). Objectives without a result are 1e30, not NaN.

        A number, for algorithms that take no constraints (MOEA/D): what is added to every objective for a
        broken limit, times 1 + violation; without a result objectives are twice that. It should be greater
        than the objectives are.
    store, name
        Keep what is evaluated as a study of that name; see `dse.interop.ledger.Ledger`.

    Attributes
    ----------
    ledger
        What was evaluated, each design once.

    Raises
    ------
    ProblemError
        If the problem is none, or the penalty not positive.
    StudyError, StoreError
        As of `dse.interop.ledger.Ledger`.

    Examples
    --------
    >>> from pymoo.algorithms.moo.nsga2 import NSGA2
    >>> from pymoo.optimize import minimize
    >>> from dse.interop.pymoo import SpaceRepair, SpaceSampling, VectorProblem, benchmark
    >>> ours = VectorProblem(benchmark("re22").problem)
    >>> algorithm = NSGA2(pop_size=20, sampling=SpaceSampling(), repair=SpaceRepair())
    >>> found = minimize(ours, algorithm, ("n_gen", 3), seed=1)
    >>> ours.designs(found.X).names
    ('x1', 'x2', 'x3')
    """

    def __init__(
        self,
        problem: Problem,
        *,
        penalty: float | None = None,
        store: Store | str | None = None,
        name: str | None = None,
    ) -> None:
        if not isinstance(problem, Problem):
            raise ProblemError(f"problem must be a Problem, not {type(problem).__name__}")
        self.genes = Genes(problem.space)
        top = self.genes.top
        super().__init__(
            problem, penalty, store, name, n_var=len(top), xl=np.zeros_like(top), xu=top, vtype=float
        )

    def designs(self, x: Any) -> Designs:
        vectors = np.atleast_2d(np.asarray(x, float))
        if vectors.shape[1] != self.n_var:
            raise ProblemError(f"x has shape {vectors.shape}: (n, {self.n_var}) is needed")
        return Designs(self.problem.space, self.genes.codes(np.nan_to_num(vectors)))

    def variables(self, designs: Designs) -> Floats:
        return self.genes.of(designs.codes)


class MixedProblem(_SpaceProblem):
    """A problem whose variables are a dictionary by parameter: for pymoo's mixed-variable algorithms.

    A `Real` parameter is pymoo's ``Real``, by its natural logarithm where it says so; an `Integer` of step 1
    is its ``Integer``; a `Categorical` of False and True its ``Binary``, any other its ``Choice``; an
    `Ordinal` and an `Integer` of another step are ``Integer``, by position in their domain. All else is as of
    `VectorProblem`, which costs an algorithm a fraction of the time.

    Parameters
    ----------
    problem, penalty, store, name
        As of `VectorProblem`.

    Raises
    ------
    ProblemError, StudyError, StoreError
        As of `VectorProblem`.
    """

    def __init__(
        self,
        problem: Problem,
        *,
        penalty: float | None = None,
        store: Store | str | None = None,
        name: str | None = None,
    ) -> None:
        if not isinstance(problem, Problem):
            raise ProblemError(f"problem must be a Problem, not {type(problem).__name__}")
        kinds = {parameter.name: _variable(parameter) for parameter in problem.space.parameters}
        super().__init__(problem, penalty, store, name, vars=kinds)

    def designs(self, x: Any) -> Designs:
        rows: Sequence[Mapping[str, Any]] = [x] if isinstance(x, Mapping) else list(x)
        space = self.problem.space
        codes = np.empty((len(rows), len(space.names)), dtype=space.code_dtype)
        for position, parameter in enumerate(space.parameters):
            codes[:, position] = _codes(parameter, [row[parameter.name] for row in rows])
        return Designs(space, space.canonical(codes))

    def variables(self, designs: Designs) -> Array:
        columns = []
        for position, parameter in enumerate(self.problem.space.parameters):
            column = designs.codes[:, position]
            if isinstance(parameter, Real) and parameter.log:
                column = np.log(column)
            elif not _by_position(parameter):
                column = parameter.decode(column)
            columns.append(column.tolist())
        found = np.empty(len(designs), dtype=object)
        found[:] = [dict(zip(designs.names, row, strict=True)) for row in zip(*columns, strict=True)]
        return found


def _by_position(parameter: Parameter) -> bool:
    if isinstance(parameter, Integer):
        return parameter.step != 1
    return not isinstance(parameter, Real | Categorical)


def _is_binary(parameter: Parameter) -> bool:
    return isinstance(parameter, Categorical) and [*map(repr, parameter.choices)] == ["False", "True"]


def _variable(parameter: Parameter) -> Variable:
    if isinstance(parameter, Real):
        ends = np.array([parameter.low, parameter.high])
        return RealVariable(bounds=tuple((np.log(ends) if parameter.log else ends).tolist()))
    if _is_binary(parameter):
        return Binary()
    if isinstance(parameter, Categorical):
        options = np.empty(parameter.cardinality, dtype=object)  # of mixed types NumPy would make texts
        options[:] = parameter.listed
        return Choice(options=options)
    if isinstance(parameter, Integer) and not _by_position(parameter):
        return IntegerVariable(bounds=(parameter.low, parameter.high))
    return IntegerVariable(bounds=(0, int(parameter.cardinality) - 1))


def _codes(parameter: Parameter, values: Sequence[Any]) -> Array:
    if isinstance(parameter, Categorical):
        return np.asarray(parameter.encode(values))
    numbers = np.nan_to_num(np.asarray(values, float))
    if isinstance(parameter, Real):
        natural = np.exp(numbers) if parameter.log else numbers
        return np.asarray(np.clip(natural, parameter.low, parameter.high))
    first = parameter.low if isinstance(parameter, Integer) and not _by_position(parameter) else 0
    return np.asarray(np.clip(np.round(numbers) - first, 0, parameter.cardinality - 1))


class SpaceSampling(Sampling):  # type: ignore[misc]
    """Starts an algorithm of pymoo from random members of the space, uniform over the feasible ones."""

    def _do(
        self, problem: _SpaceProblem, n_samples: int, *args: Any, random_state: Any = None, **kwargs: Any
    ) -> Array:
        return problem.variables(problem.problem.space.sample(n_samples, random_state))


class SpaceRepair(Repair):  # type: ignore[misc]
    """Moves children of an algorithm of pymoo into the space.

    Numbers take the nearest values of their domains, inactive parameters their canonical one, so that equal
    designs are equal to pymoo. What breaks a constraint takes, from the nearest of random members of the
    space, as many of its parameters as stay within the space.
    """

    def _do(self, problem: _SpaceProblem, X: Array, random_state: Any = None, **kwargs: Any) -> Array:  # noqa: N803
        rng = np.random.default_rng(0) if random_state is None else random_state
        designs = problem.designs(X)
        space = problem.problem.space
        outside = ~space.contains(designs)
        if outside.any():
            codes = designs.codes.copy()
            pool = space.sample(POOL, rng).codes
            codes[outside] = nearest_members(space, codes[outside], pool, rng)
            designs = Designs(space, codes)
        return problem.variables(designs)
