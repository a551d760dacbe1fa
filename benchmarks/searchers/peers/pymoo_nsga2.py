"""pymoo's NSGA-II: population 100 by default, or smaller, which suits small budgets.

Either all parameters are integers, by rank, with SBX and polynomial mutation rounded, as pymoo does for
discrete variables; or (`mixed`) each is of its own kind, with pymoo's mixed-variable mating. Its first
population are members of the space (and the designs that the problem starts with). Offspring have inactive
parameters set to their canonical value before pymoo looks for duplicates. Limits and the space's constraints
are constraints; offspring outside of the space cost nothing, and have objectives that no constraint
domination looks at.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.core.mixed import MixedVariableDuplicateElimination, MixedVariableMating
from pymoo.core.population import Population
from pymoo.core.problem import Problem
from pymoo.core.repair import Repair
from pymoo.core.variable import Choice, Integer
from pymoo.operators.crossover.sbx import SBX
from pymoo.operators.mutation.pm import PM
from pymoo.termination import get_termination

from benchmarks.searchers.bench import Answer, Array, Bench, Floats
from dse import Categorical
from dse.space import Space

FAR = 1e9


def run(bench: Bench, seed: int, population: int = 100, mixed: bool = False) -> None:
    """Propose until the budget is spent."""
    space = bench.space
    names = [f"x{place:03d}" for place in range(len(space.names))]
    top = np.array([int(parameter.cardinality) - 1 for parameter in space.parameters])
    limits = len(bench.problem.limits) + bool(space.constraints)
    shape = {"n_obj": len(bench.problem.objectives), "n_ieq_constr": limits}
    repair = _Canonical(space, names if mixed else None)
    start = bench.initial(max(population - len(bench.start), 0))
    operators: dict[str, Any]
    if mixed:
        kinds = {
            name: Choice(options=list(range(count + 1)))
            if isinstance(parameter, Categorical)
            else Integer(bounds=(0, count))
            for name, parameter, count in zip(names, space.parameters, top.tolist(), strict=True)
        }
        problem = Problem(vars=kinds, **shape)
        alike = MixedVariableDuplicateElimination()
        operators = {
            "mating": MixedVariableMating(eliminate_duplicates=alike, repair=repair),
            "eliminate_duplicates": alike,
            "sampling": Population.new(X=_rows(start, names)),
        }
    else:
        problem = Problem(n_var=len(names), xl=0, xu=top, vtype=int, **shape)
        operators = {
            "crossover": SBX(prob=0.9, eta=15, vtype=float, repair=repair),
            "mutation": PM(eta=20, vtype=float, repair=repair),
            "sampling": start,
        }
    algorithm = NSGA2(pop_size=population, repair=repair, **operators)
    algorithm.setup(problem, termination=get_termination("n_gen", 10**9), seed=seed, verbose=False)
    while True:
        offspring = algorithm.ask()
        # None when it finds no offspring that its population lacks.
        if offspring is None or not len(offspring) or bench.stuck:
            codes = bench.fresh(population)
            offspring = Population.new(X=_rows(codes, names) if mixed else codes)
        else:
            codes = _codes(offspring.get("X"), names) if mixed else offspring.get("X")
        answer = bench.answer(codes)
        offspring.set("F", _objectives(answer))
        offspring.set("G", _constraints(answer, bool(space.constraints)))
        for one in offspring:
            one.evaluated.update({"F", "G", "H"})
        algorithm.tell(infills=offspring)


def _rows(codes: Array, names: list[str]) -> Array:
    rows = np.empty(len(codes), object)
    rows[:] = [dict(zip(names, row, strict=True)) for row in codes.tolist()]
    return rows


def _codes(rows: Any, names: list[str]) -> Array:
    return np.array([[row[name] for name in names] for row in rows], np.int64)


def _objectives(answer: Answer) -> Floats:
    return np.where(answer.known[:, None], answer.objectives, FAR)


def _constraints(answer: Answer, constrained: bool) -> Floats:
    failed = (answer.inside & ~answer.known)[:, None]
    slack = np.where(failed, FAR, np.where(np.isfinite(answer.slack), answer.slack, 0.0))
    # A design outside of the space is worse than one that breaks limits.
    outside = FAR * answer.broken[:, None].astype(float)
    return np.column_stack([outside, slack]) if constrained else slack


class _Canonical(Repair):
    """Rounds, and sets inactive parameters to their canonical value."""

    def __init__(self, space: Space, names: list[str] | None) -> None:
        super().__init__()
        self.space = space
        self.names = names

    def _do(self, problem: Any, X: Any, **kwargs: Any) -> Any:  # noqa: N803
        if self.names is not None:
            return _rows(self.space.canonical(_codes(X, self.names)), self.names)
        codes = np.clip(np.around(np.asarray(X, float)), problem.xl, problem.xu).astype(np.int64)
        return self.space.canonical(codes)
