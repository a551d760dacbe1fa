"""`check_searcher`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.additive import Additive, Term
from dse.designs import Designs
from dse.errors import SpaceError
from dse.evaluations import Evaluations
from dse.models import cost_model
from dse.problem import Maximize, Minimize, Problem
from dse.searchers import Searcher
from dse.space import Categorical, Integer, Ordinal, Real, Space
from dse.testing.promise import promise, shown

Make = Callable[[Problem], Searcher]


def check_searcher(
    make: Callable[..., Searcher],
    *,
    seed: int = 0,
    reals: bool = True,
    tables: bool = False,
    **settings: Any,
) -> None:
    """Check that a searcher keeps its promises, on small problems of its own.

    Parameters
    ----------
    make
        The class, or a function, called as ``make(space, seed=seed, **settings)``.
    seed
        The searcher's seed.
    reals
        Whether to try a space with real parameters as well. A searcher that cannot search one must
        refuse it by a `SpaceError`.
    tables
        Whether it is given additive tables of the objectives, as ``make(..., linear=problem.linear)``. Such a
        searcher may end before a space is exhausted.
    settings
        The searcher's own settings.

    Raises
    ------
    AssertionError
        If one of these does not hold:

        - it has a `batch` and says whether it is `distinct`;
        - `ask` returns at most as many designs as asked for, all of them members of the space;
        - `ask` changes nothing: asked again, it returns the same designs;
        - it depends on nothing but space, seed, settings and told history: a new one that is told the same
          history proposes the same designs;
        - it survives failed and infeasible evaluations, designs that others proposed, batches of any size,
          a space of one design, one objective and eight;
        - if `distinct`, it never proposes a design twice, nor one that it was told, and goes on until a small
          space is exhausted.
    """
    space = _small_space()

    def fresh(of: Problem) -> Searcher:
        given = {"linear": of.linear} if tables else {}
        return make(of.space, seed=seed, **settings, **given)

    _check_searcher_form(fresh(_problem("two objectives", space, 2)))
    for problem in (
        _problem("two objectives", space, 2),
        _problem("one objective", space, 1),
        _problem("eight objectives", space, 8),
        _problem("nine in ten fail", space, 2, fails=0.9),
        _problem("nearly all break a limit", space, 2, limits=["m0 <= 0.02"]),
        _problem("nothing succeeds", space, 2, fails=1.0),
        _problem("a space of one design", Space([Integer("only", 3, 3)]), 2),
        _problem("a space of two designs", Space([Categorical("one", ["x", "y"]), Integer("n", 1, 1)]), 2),
    ):
        for sizes in ([7, 1, 13], [200]):
            _run(fresh, problem, sizes, tables)
    _check_foreign(fresh, _problem("designs of others", space, 2), tables)
    if reals:
        _check_reals(fresh)


def _small_space() -> Space:
    """Mixed kinds, a condition and constraints: 75 designs."""
    return Space(
        [
            Categorical("kind", ["lut", "mac", "none"]),
            Ordinal("tile", [1, 2, 4, 8], active_if="kind != 'none'"),
            Integer("stages", 1, 5),
            Integer("width", 2, 10, step=2, log=True, active_if="kind == 'lut' and tile > 1", inactive=4),
        ],
        ["tile * stages <= 16", "stages + width <= 12 or kind == 'mac'"],
    )


def _problem(
    name: str, space: Space, objectives: int, fails: float = 0.0, limits: Sequence[str] = ()
) -> Problem:
    """Return a problem of conflicting smooth objectives in [0, 1], where a share of the designs fails.

    Its prior believes what is smooth, as sums of tables: it knows of no failures, nor of real parameters.
    """
    metrics = {f"m{index}": "" for index in range(objectives)}
    targets = np.linspace(0, 1, max(objectives, 2))

    def evaluate(designs: Designs) -> dict[str, NDArray[np.float64]]:
        unit = np.column_stack(
            [parameter.scaled(designs.codes[:, i]) for i, parameter in enumerate(space.parameters)]
        )
        # Fractional parts of multiples of the golden ratio: spread evenly, and the same in each batch.
        spread = (unit @ np.arange(1.0, unit.shape[1] + 1) * 7.3 * 0.618034) % 1.0
        bad = spread < fails
        values = {}
        for index, metric in enumerate(metrics):
            values[metric] = np.where(bad, np.nan, ((unit - targets[index]) ** 2).mean(axis=1))
        return values

    model = cost_model(evaluate, metrics=metrics, name=name, version="1")
    goals = [Maximize(metric) if index % 3 == 2 else Minimize(metric) for index, metric in enumerate(metrics)]
    terms = [
        Term(
            (parameter.name,),
            {
                metric: (parameter.scaled(np.arange(int(parameter.cardinality))) - targets[index]) ** 2
                / len(space.names)
                for index, metric in enumerate(metrics)
            },
        )
        for parameter in space.parameters
        if parameter.discrete
    ]
    prior = _Tables(Additive(space, dict.fromkeys(metrics, 0.0), terms))
    return Problem(space, model, goals, limits, name=name, prior=prior)


class _Tables:
    """A cost model of additive tables."""

    name = "tables"
    version = "1"

    def __init__(self, tables: Additive) -> None:
        self.tables = tables
        self.metrics = dict.fromkeys(tables.metrics, "")
        self.columns = tuple(column for term in tables.terms for column in term.columns)
        self.settings: dict[str, Any] = {}

    def evaluate(self, designs: Designs) -> dict[str, NDArray[np.float64]]:
        return self.tables.evaluate(designs)

    def additive(self, space: Space) -> Additive:
        return self.tables


def _check_searcher_form(searcher: Searcher) -> None:
    for name in ("batch", "distinct", "ask", "tell"):
        promise(hasattr(searcher, name), f"the searcher has no {name!r}")
    batch, distinct = searcher.batch, searcher.distinct
    promise(
        isinstance(batch, int) and batch >= 1,
        f"the searcher's batch is {batch!r}: it must be a whole number, 1 or more",
    )
    promise(isinstance(distinct, bool), f"the searcher's distinct is {distinct!r}: it must be True or False")


def _ask(searcher: Searcher, problem: Problem, n: int) -> Designs:
    """Ask twice, for another number in between, and check what comes back."""
    what = f"on {problem.name!r}: ask({n})"
    designs = searcher.ask(n)
    promise(isinstance(designs, Designs), f"{what} returned {type(designs).__name__}, not Designs")
    promise(designs.space == problem.space, f"{what} returned designs of another space")
    promise(len(designs) <= n, f"{what} returned {len(designs)} designs: at most {n} were asked for")
    for row in np.flatnonzero(~problem.space.contains(designs)).tolist():
        raise AssertionError(f"{what} returned a design outside the space: {shown(designs, row)}")
    searcher.ask(n + 3)
    searcher.ask(1)
    promise(
        searcher.ask(n) == designs, f"{what} returned other designs the second time: ask must change nothing"
    )
    if searcher.distinct:
        promise(
            len(set(problem.space.keys(designs.codes))) == len(designs), f"{what} returned a design twice"
        )
    return designs


def _run(make: Make, problem: Problem, sizes: Sequence[int], tables: bool) -> None:
    """Search until nothing is left, or for as many rounds as are enough, and replay it from the history."""
    space = problem.space
    total = int(space.count())
    searcher = make(problem)
    history: list[Evaluations] = []
    seen: set[bytes] = set()
    for turn in range(2 * total // min(sizes) + 5 if searcher.distinct else 12):
        n = sizes[turn % len(sizes)]
        designs = _ask(searcher, problem, n)
        if searcher.distinct:
            again = seen.intersection(space.keys(designs.codes))
            promise(not again, f"on {problem.name!r}: a design was proposed again after it had been told")
            wanted = min(n, total - len(seen))
            promise(
                tables or len(designs) == wanted,
                f"on {problem.name!r}: ask({n}) returned {len(designs)} designs after {len(seen)} of {total} "
                f"were told: {wanted} are left to propose",
            )
        if turn in (1, 4, 9):
            _check_resume(make, problem, history, n, designs)
        if not len(designs):
            break
        evaluations = problem.evaluate(designs)
        seen.update(space.keys(designs.codes))
        searcher.tell(evaluations)
        history.append(evaluations)
    promise(
        tables or len(seen) == total or not searcher.distinct,
        f"on {problem.name!r}: only {len(seen)} of {total} designs were proposed: exhaust a small space",
    )


def _check_resume(
    make: Make,
    problem: Problem,
    history: Sequence[Evaluations],
    n: int,
    expected: Designs,
) -> None:
    resumed = make(problem)
    for evaluations in history:
        resumed.tell(evaluations)
    promise(
        resumed.ask(n) == expected,
        f"on {problem.name!r}: a new searcher that was told the same history proposes other designs: it must "
        "depend on space, seed, settings and history alone",
    )


def _check_foreign(make: Make, problem: Problem, tables: bool) -> None:
    """Tell designs that the searcher did not propose, before it starts and as it goes."""
    space = problem.space
    total = int(space.count())
    every = Designs.concat(list(space.enumerate()))
    order = np.random.default_rng(0).permutation(total)
    searcher = make(problem)
    seen: set[bytes] = set()
    for turn in range(total):
        others = every.take(order[9 * turn : 9 * turn + 9])
        others = others.take(np.array([key not in seen for key in space.keys(others.codes)], dtype=bool))
        if len(others):
            searcher.tell(problem.evaluate(others))
            seen.update(space.keys(others.codes))
        designs = _ask(searcher, problem, 5)
        if searcher.distinct:
            again = seen.intersection(space.keys(designs.codes))
            promise(not again, "a design was proposed although it had been told as another's proposal")
        if not len(designs) and 9 * turn >= total:
            break
        if len(designs):
            searcher.tell(problem.evaluate(designs))
            seen.update(space.keys(designs.codes))
    promise(
        tables or len(seen) == total or not searcher.distinct,
        f"told designs of others, the searcher stopped after {len(seen)} of {total} designs",
    )


def _check_reals(make: Make) -> None:
    space = Space(
        [
            Real("volt", 0.5, 1.0),
            Real("rate", 1e-3, 1e3, log=True, active_if="kind == 'x'"),
            Categorical("kind", ["x", "y"]),
            Integer("n", 1, 4),
        ],
        ["volt * n <= 3"],
    )
    problem = _problem("real parameters", space, 2)
    history: list[Evaluations] = []
    try:
        searcher = make(problem)
        searcher.ask(1)
    except SpaceError:
        return
    seen: set[bytes] = set()
    for turn in range(12):
        designs = _ask(searcher, problem, 16)
        promise(len(designs), "on 'real parameters': nothing was proposed, but the space is endless")
        if searcher.distinct:
            again = seen.intersection(space.keys(designs.codes))
            promise(not again, "on 'real parameters': a design was proposed again after it had been told")
        if turn in (1, 8):
            _check_resume(make, problem, history, 16, designs)
        seen.update(space.keys(designs.codes))
        history.append(problem.evaluate(designs))
        searcher.tell(history[-1])
