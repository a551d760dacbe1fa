"""Algorithms of pymoo, by name or as a user makes them, ready to ask and tell."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymoo.core.problem import Problem as PymooProblem
from pymoo.core.termination import NoTermination
from pymoo.termination.max_eval import MaximumFunctionCallTermination
from pymoo.termination.max_gen import MaximumGenerationTermination
from pymoo.util.misc import termination_from_tuple

from dse.errors import SearcherError
from dse.searchers.nsga3 import directions

# Those that ask and tell, and draw from the generator that they are given alone (CMOPSO and MOPSO_CD do not).
ALGORITHMS = {
    "AGEMOEA": "moo.age",
    "AGEMOEA2": "moo.age2",
    "CTAEA": "moo.ctaea",
    "DE": "soo.nonconvex.de",
    "GA": "soo.nonconvex.ga",
    "GDE3": "moo.gde3",
    "MOEAD": "moo.moead",
    "NSDE": "moo.nsde",
    "NSGA2": "moo.nsga2",
    "NSGA3": "moo.nsga3",
    "PSO": "soo.nonconvex.pso",
    "RVEA": "moo.rvea",
    "SMSEMOA": "moo.sms",
    "SPEA2": "moo.spea2",
    "UNSGA3": "moo.unsga3",
}


@dataclass(frozen=True)
class Recipe:
    """How an algorithm is made.

    Parameters
    ----------
    algorithm
        A name of `ALGORITHMS`, or a function that returns an algorithm of pymoo.
    population
        Of an algorithm by name; where it takes reference directions, at most so many.
    options
        More arguments of an algorithm by name.

    Raises
    ------
    SearcherError
        If the name or an option is unknown, or a function has options.
    """

    algorithm: str | Callable[[], Any]
    population: int = 100
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.options, Mapping):
            raise SearcherError(f"pymoo: options={self.options!r} must be arguments by name")
        if not isinstance(self.algorithm, str):
            if self.options:
                raise SearcherError(f"pymoo: options={self.options!r}: give them where the algorithm is made")
            return
        if self.algorithm not in ALGORITHMS:
            raise SearcherError(
                f"pymoo: algorithm={self.algorithm!r} is unknown; known are {', '.join(ALGORITHMS)}"
            )
        # pymoo itself ignores arguments that it does not know.
        known = {name for part in self.kind.mro() for name in inspect.signature(part).parameters}
        for name in self.options:
            if name not in known:
                raise SearcherError(
                    f"pymoo: {self.algorithm} has no option {name!r}; known are "
                    f"{', '.join(sorted(known - {'args', 'kwargs', 'seed'}))}"
                )

    @property
    def kind(self) -> type[Any]:
        """The class of the algorithm."""
        if isinstance(self.algorithm, str):
            module = import_module(f"pymoo.algorithms.{ALGORITHMS[self.algorithm]}")
            return getattr(module, self.algorithm)  # type: ignore[no-any-return]
        return type(self.algorithm())

    @property
    def several(self) -> bool:
        """Whether it is of the family for several objectives, rather than for a single one."""
        return not self.kind.__module__.startswith("pymoo.algorithms.soo.")

    def make(self, objectives: int) -> Any:
        """Return a new algorithm."""
        if not isinstance(self.algorithm, str):
            made = self.algorithm()
        else:
            arguments = dict(self.options)
            if "ref_dirs" in inspect.signature(self.kind).parameters:
                arguments.setdefault("ref_dirs", directions(objectives, self.population))
            else:
                arguments.setdefault("pop_size", self.population)
            made = self.kind(**arguments)
        # Default operators of pymoo are shared between algorithms: a copy has its own.
        return copy.deepcopy(made)

    def ready(
        self, top: NDArray[np.float64], objectives: int, constraints: int, seed: int
    ) -> tuple[Any, bool]:
        """Return a new algorithm that waits to be asked, and whether it takes the constraints.

        Parameters
        ----------
        top
            The greatest value of each variable; the least is 0.
        objectives, constraints
            How many there are.
        seed
            Of its random numbers.

        Raises
        ------
        SearcherError
            If pymoo refuses the arguments, or the number of objectives.
        """
        if objectives > 1 and not self.several:
            raise SearcherError(
                f"pymoo: {self.kind.__name__} searches one objective, and there are {objectives}: take "
                "another, as NSGA2"
            )
        try:
            return self._set_up(top, objectives, constraints, seed), True
        except Exception:
            # Some algorithms refuse constraints; what else is wrong is wrong without them, too.
            try:
                return self._set_up(top, objectives, 0, seed), False
            except Exception as error:
                raise SearcherError(
                    f"pymoo: {self.kind.__name__} cannot search {objectives} objectives: "
                    f"{type(error).__name__}: {error}"
                ) from error

    def _set_up(self, top: NDArray[np.float64], objectives: int, constraints: int, seed: int) -> Any:
        made = self.make(objectives)
        problem = PymooProblem(
            n_var=len(top),
            n_obj=objectives,
            n_ieq_constr=constraints,
            xl=np.zeros_like(top),
            xu=top,
            vtype=float,
        )
        # RVEA reads how far it is; others would only be slowed down by asking whether they are done.
        own = termination_from_tuple(made.termination)
        counted = isinstance(own, MaximumGenerationTermination | MaximumFunctionCallTermination)
        termination = own if counted else NoTermination()
        return made.setup(problem, seed=seed, termination=termination, output=None, verbose=False)
