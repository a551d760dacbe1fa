"""Benchmark problems with known fronts, as problems of ours.

ZDT (Zitzler, Deb, Thiele, Evol. Comput. 8(2), 2000), DTLZ (Deb, Thiele, Laumanns, Zitzler, 2005), constrained
DTLZ (Jain, Deb, IEEE Trans. Evol. Comput. 18(4), 2014) and MW (Ma, Wang, IEEE Trans. Evol. Comput. 23(6),
2019) are pymoo's; RE and CRE are of `dse.interop.pymoo.real_world`.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dse.designs import Designs
from dse.errors import ProblemError
from dse.interop.pymoo.real_world import CONSTRAINED, UNCONSTRAINED, RealWorld, four_bar_front
from dse.models import cost_model
from dse.pareto import nondominated
from dse.problem import Minimize, Problem
from dse.space import Categorical, Parameter, Real, Space

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

ZDT = tuple(f"zdt{number}" for number in range(1, 7))
DTLZ = tuple(f"dtlz{number}" for number in range(1, 8))
CONSTRAINED_DTLZ = (
    "c1dtlz1", "c1dtlz3", "c2dtlz2", "c3dtlz1", "c3dtlz4", "dc1dtlz1", "dc1dtlz3", "dc2dtlz1", "dc2dtlz3",
    "dc3dtlz1", "dc3dtlz3",
)  # fmt: skip
MW = tuple(f"mw{number}" for number in range(1, 15))

# Rays of a traced front, steps along each, and the farthest that they go.
RAYS, STEPS, FARTHEST = 1_000, 1_000, 4.0
HALVINGS = 50
# Parts of the first and of the other sides of a grid: of fifteenths, where constraints have their edges.
FINE, COARSE = 450, 45
ROUNDING = 1e-9
# The reference point of hypervolumes lies a tenth of the front's range beyond its worst values.
MARGIN = 0.1


@dataclass(frozen=True)
class Benchmark:
    """A problem, and what is known of it.

    Attributes
    ----------
    name
        As it was asked for.
    problem
        Objectives ``f1, f2, ...`` to be minimised; constraints are limits ``g1 <= 0``. Where the front is
        known, objectives declare a reference point, a tenth of its range beyond the nadir point.
    front
        Points of the exact front (n, objectives); None where it is not known.
    """

    name: str
    problem: Problem
    front: Floats | None

    @property
    def ideal(self) -> Floats | None:
        """The best value of each objective on the front; None where it is not known."""
        return None if self.front is None else np.asarray(self.front.min(axis=0))

    @property
    def nadir(self) -> Floats | None:
        """The worst value of each objective on the front; None where it is not known."""
        return None if self.front is None else np.asarray(self.front.max(axis=0))

    def frame(self) -> pd.DataFrame:
        """Return the front as a table, for ``dse compare --front FILE``; `ProblemError` if not known."""
        import pandas as pd

        if self.front is None:
            raise ProblemError(f"the front of {self.name} is not known")
        names = [objective.metric for objective in self.problem.objectives]
        return pd.DataFrame(self.front, columns=names)


def benchmark_names() -> tuple[str, ...]:
    """Return the names that `benchmark` knows."""
    return (*ZDT, *DTLZ, *CONSTRAINED_DTLZ, *MW, *UNCONSTRAINED, *CONSTRAINED)


def benchmark(name: str, *, parameters: int | None = None, objectives: int | None = None) -> Benchmark:
    """Return a benchmark problem.

    Parameters
    ----------
    name
        One of `benchmark_names`, as in ``"zdt1"``.
    parameters, objectives
        How many, where the problem has any number of them; by default as pymoo has them.

    Raises
    ------
    ProblemError
        If the name is unknown, or the problem cannot have so many.

    Examples
    --------
    >>> from dse.interop.pymoo import benchmark
    >>> benchmark("zdt1").problem
    <Problem 'zdt1': Minimize('f1'), Minimize('f2') over <Space of 30 parameters, 0 constraints, size inf>>
    """
    if name not in benchmark_names():
        near = get_close_matches(str(name), benchmark_names(), n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(benchmark_names())}"
        raise ProblemError(f"there is no benchmark {name!r}; {hint}")
    if name in UNCONSTRAINED or name in CONSTRAINED:
        if parameters is not None or objectives is not None:
            raise ProblemError(f"{name} has its own number of parameters and objectives: leave them out")
        return _real_world(name)
    return _synthetic(name, parameters, objectives)


def _synthetic(name: str, parameters: int | None, objectives: int | None) -> Benchmark:
    from pymoo.problems import get_problem

    sizes = {"n_var": parameters, "n_obj": objectives}
    given = {key: value for key, value in sizes.items() if value is not None}
    try:
        theirs = get_problem(name, **given)
    except Exception as error:
        raise ProblemError(f"{name} cannot have {given}: {type(error).__name__}: {error}") from None
    for key, value in given.items():
        if getattr(theirs, key) != value:
            raise ProblemError(f"{name} has {getattr(theirs, key)} as its {key}, not {value}: leave it out")
    outputs = [f"f{place}" for place in range(1, theirs.n_obj + 1)]
    rules = [f"g{place}" for place in range(1, theirs.n_ieq_constr + 1)]
    # ZDT5 has bits, all others have reals.
    bits = name == "zdt5"
    space = Space([_variable(place, theirs, bits) for place in range(theirs.n_var)])

    def evaluate(designs: Designs) -> dict[str, Floats]:
        # Codes are values here.
        found = theirs.evaluate(designs.codes, return_values_of=["F", "G"], return_as_dictionary=True)
        return {
            **dict(zip(outputs, found["F"].T, strict=True)),
            **dict(zip(rules, found["G"].T, strict=True)),
        }

    model = cost_model(
        evaluate,
        metrics=dict.fromkeys((*outputs, *rules), ""),
        columns=space.names,
        name=name,
        version=f"pymoo {version('pymoo')}",
    )
    front = _front(name, theirs)
    return _benchmark(name, space, model, outputs, [f"{rule} <= 0" for rule in rules], front)


def _variable(place: int, theirs: Any, bit: bool) -> Parameter:
    if bit:
        return Categorical(f"x{place + 1}", [0, 1])
    return Real(f"x{place + 1}", float(theirs.xl[place]), float(theirs.xu[place]))


def _real_world(name: str) -> Benchmark:
    limited = name in CONSTRAINED
    real: RealWorld = CONSTRAINED[name] if limited else UNCONSTRAINED[name]
    space = Space(real.parameters)
    middle = {item.name: item.decode(np.array([item.first_code])) for item in real.parameters}
    values, rules = real.evaluate(middle)
    outputs = [f"f{place}" for place in range(1, len(values) + 1 + bool(rules and not limited))]
    names = [f"g{place}" for place in range(1, len(rules) + 1)] if limited else []

    def evaluate(designs: Designs) -> dict[str, Any]:
        values, rules = real.evaluate({name: designs[name] for name in space.names})
        if limited:
            broken = [-rule for rule in rules]
            return dict(zip((*outputs, *names), (*values, *broken), strict=True))
        if rules:
            values = (*values, np.sum([np.maximum(0.0, -rule) for rule in rules], axis=0))
        return dict(zip(outputs, values, strict=True))

    model = cost_model(
        evaluate,
        metrics=dict.fromkeys((*outputs, *names), ""),
        columns=space.names,
        name=name,
        version="Tanabe and Ishibuchi 2020",
    )
    front = four_bar_front(RAYS) if name == "re21" else None
    return _benchmark(name, space, model, outputs, [f"{item} <= 0" for item in names], front)


def _benchmark(
    name: str, space: Space, model: Any, outputs: list[str], limits: list[str], front: Floats | None
) -> Benchmark:
    corner: list[float | None] = [None] * len(outputs)
    if front is not None:
        low, high = front.min(axis=0), front.max(axis=0)
        corner = (high + MARGIN * (high - low)).tolist()
    goals = [Minimize(output, value) for output, value in zip(outputs, corner, strict=True)]
    return Benchmark(name, Problem(space, model, goals, limits, name=name), front)


def _front(name: str, theirs: Any) -> Floats | None:
    """Return points of the exact front; None where it is not known.

    pymoo has many of them, but loads some from the network, and knows no edges of islands.
    """
    from dse.searchers.nsga3 import directions

    objectives = theirs.n_obj
    if name == "zdt5":
        # f1 counts the ones among 30 bits.
        return np.asarray(theirs.pareto_front(n_pareto_points=31), float)
    if name in ZDT:
        x = np.zeros((5 * RAYS, theirs.n_var))
        x[:, 0] = np.linspace(0, 1, len(x))
        return _undominated(theirs.evaluate(x))
    if name.startswith("mw") and name not in ("mw4", "mw8"):
        return traced_front(theirs) if objectives <= 3 else None
    if name in ("dtlz5", "dtlz6"):
        # With more objectives there are nondominated designs beside the curve.
        return _curve(objectives) if objectives <= 3 else None
    if name == "dtlz7" or name.startswith(("dc1", "dc3")):
        return _grid_front(theirs) if objectives <= 3 else None
    along = directions(objectives, RAYS)
    if name == "c3dtlz1":
        # On every ray the constraint of its greatest objective is the last that is met.
        return np.asarray(along / (2.0 - along.max(axis=1, keepdims=True)))
    return _undominated(np.asarray(theirs.pareto_front(ref_dirs=along), float))


def _undominated(points: Floats) -> Floats:
    return np.unique(points[nondominated(points)], axis=0)


def traced_front(theirs: Any) -> Floats:
    """Return the exact front of an MW problem, by tracing.

    The first variables say along which ray objectives lie, the others, by the distance g >= 1 that the
    authors define, how far out: a point of the front is the nearest on its ray that keeps the constraints. It
    is looked for in steps of g and then by halving them.
    """
    places = theirs.n_obj - 1

    def at(ray: Floats, distance: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        for form in ("g1", "g2", "g3"):
            setattr(theirs, form, lambda x: distance)
        try:
            x = np.zeros((len(ray), theirs.n_var))
            x[:, :places] = ray
            with np.errstate(all="ignore"):
                found = theirs.evaluate(x, return_values_of=["F", "G"], return_as_dictionary=True)
        finally:
            for form in ("g1", "g2", "g3"):
                delattr(theirs, form)
        return found["F"], np.asarray((found["G"] <= 0).all(axis=1))

    low, high = theirs.xl[:places], theirs.xu[:places]
    if places == 1:
        # Rays at equal distances along the unconstrained front.
        fine = np.linspace(low, high, 20 * RAYS)
        steps = np.linalg.norm(np.diff(at(fine, np.ones(len(fine)))[0], axis=0), axis=1)
        length = np.concatenate([[0.0], np.cumsum(np.nan_to_num(steps))])
        rays = np.interp(np.linspace(0, length[-1], RAYS), length, fine[:, 0])[:, None]
    else:
        side = np.linspace(low, high, COARSE + 1)
        rays = np.stack(np.meshgrid(*side.T), axis=-1).reshape(-1, places)
    reach = np.linspace(1.0, FARTHEST, STEPS)
    first = []
    for some in np.array_split(rays, -(-len(rays) // 100)):
        holds = at(np.repeat(some, STEPS, axis=0), np.tile(reach, len(some)))[1].reshape(-1, STEPS)
        first.append(np.where(holds.any(axis=1), holds.argmax(axis=1), -1))
    found = np.concatenate(first)
    rays, found = rays[found >= 0], found[found >= 0]
    outside, inside = reach[np.maximum(found - 1, 0)], reach[found]
    for _ in range(HALVINGS):
        middle = (outside + inside) / 2
        holds = at(rays, middle)[1]
        outside, inside = np.where(holds, outside, middle), np.where(holds, middle, inside)
    points, _ = at(rays, inside)
    return _undominated(points[np.isfinite(points).all(axis=1)])


def _curve(objectives: int) -> Floats:
    """Return the front of DTLZ5 and DTLZ6: all angles but the first are a quarter of π."""
    angle = np.linspace(0, np.pi / 2, RAYS)
    angles = np.column_stack([angle, *[np.full(RAYS, np.pi / 4)] * (objectives - 2)])
    columns = [np.cos(angles).prod(axis=1)]
    for place in range(1, objectives):
        last = objectives - 1 - place
        columns.append(np.cos(angles[:, :last]).prod(axis=1) * np.sin(angles[:, last]))
    return np.column_stack(columns)


def _grid_front(theirs: Any) -> Floats:
    """Return the front of a DTLZ problem whose constraints do not move it: what a grid of places keeps.

    The variables after the first, which say how far from the front a design is, are at their optimum: 0 in
    DTLZ7, else 0.5.
    """
    places = theirs.n_obj - 1
    sides = [np.linspace(0, 1, FINE + 1), *[np.linspace(0, 1, COARSE + 1)] * (places - 1)]
    grid = np.stack(np.meshgrid(*sides), axis=-1).reshape(-1, places)
    x = np.full((len(grid), theirs.n_var), 0.0 if theirs.name() == "DTLZ7" else 0.5)
    x[:, :places] = grid
    found = theirs.evaluate(x, return_values_of=["F", "G"], return_as_dictionary=True)
    holds = (found["G"] <= ROUNDING).all(axis=1)
    return _undominated(found["F"][holds])
