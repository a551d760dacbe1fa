"""Searchers: what to evaluate next. One file a searcher, one small protocol.

Packages add theirs by an entry point of the group ``dse.searchers``.

A searcher is a deterministic function of (space, seed, settings, told history): `Searcher.ask` changes
nothing, so telling a fresh searcher the stored history is all that it takes to resume.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from dse.designs import Designs
from dse.errors import SearcherError
from dse.evaluations import Evaluations
from dse.linear import LinearProblem
from dse.searchers.started import Started
from dse.space import Space

BUILT_IN = {
    "auto": "dse.searchers.auto:Auto",
    "bayesian": "dse.searchers.bayesian:Bayesian",
    "exhaustive": "dse.searchers.exhaustive:Exhaustive",
    "gp": "dse.searchers.gp:GP",
    "ilp": "dse.searchers.ilp:ILP",
    "local": "dse.searchers.local:Local",
    "marl": "dse.searchers.marl:MARL",
    "moead": "dse.searchers.moead:MOEAD",
    "nsga2": "dse.searchers.nsga2:NSGA2",
    "nsga3": "dse.searchers.nsga3:NSGA3",
    "optuna": "dse.searchers.optuna_named:NamedSampler",
    "pgsam": "dse.searchers.pgsam:PGSAM",
    "pymoo": "dse.interop.pymoo.searcher:Pymoo",
    "random": "dse.searchers.random:Random",
    "rl": "dse.searchers.rl:RL",
    "smsemoa": "dse.searchers.smsemoa:SMSEMOA",
    "sobol": "dse.searchers.sobol:Sobol",
    "surrogate": "dse.searchers.surrogate:Surrogate",
    "tpe": "dse.searchers.tpe:TPE",
}

# What a study alone can hand to a searcher whose constructor takes it.
OFFERED = ("prior", "linear", "reference", "margins")


@runtime_checkable
class Searcher(Protocol):
    """Proposes designs and learns from their evaluations.

    Built as ``Searcher(space, seed=0, **settings)``.

    Attributes
    ----------
    distinct
        Whether it promises never to propose a design that it proposed or was told before; a study
        looks for repeats of the others.

    Optional, as a class attribute: ``ranges``, from which `dse.compare` draws settings. See
    `dse.searchers.ranges`.
    """

    distinct: bool

    @property
    def batch(self) -> int:
        """How many designs it likes to be asked for now."""
        ...

    def ask(self, n: int) -> Designs:
        """Return up to n feasible designs.

        Fewer, or none, only when the space is exhausted, or, of a searcher that solves for certain designs,
        when it has found them.
        """
        ...

    def tell(self, evaluations: Evaluations) -> None:
        """Learn from evaluations, whoever proposed them."""
        ...


def searcher_class(name: str) -> type[Any]:
    """Return the class of a searcher by name, built in or installed; `SearcherError` for an unknown one."""
    if name not in BUILT_IN:
        from dse.plugins import plugins

        added = plugins("searcher")
        if name not in added:
            known = sorted([*BUILT_IN, *added])
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise SearcherError(f"there is no searcher {name!r}; {hint}known are {', '.join(known)}")
        found = added[name].load(SearcherError)
        if not callable(found):
            raise SearcherError(
                f"searcher {name!r} of package {added[name].package!r} is no class: {found!r}"
            )
        return found  # type: ignore[no-any-return]
    module, _, attribute = BUILT_IN[name].partition(":")
    return getattr(import_module(module), attribute)  # type: ignore[no-any-return]


def searcher_name(searcher: str | Callable[..., Searcher]) -> str:
    """Return the name under which a study stores its searcher."""
    if isinstance(searcher, str):
        return searcher
    return f"{searcher.__module__}:{getattr(searcher, '__qualname__', type(searcher).__name__)}"


def takes(searcher: str | Callable[..., Searcher], argument: str) -> bool:
    """Return whether a searcher's constructor takes an argument: what is costly is made for who takes it."""
    kind = searcher_class(searcher) if isinstance(searcher, str) else searcher
    return argument in inspect.signature(kind).parameters


def make_searcher(
    searcher: str | Callable[..., Searcher],
    space: Space,
    seed: int,
    settings: Mapping[str, Any] | None = None,
    prior: Callable[[Designs], NDArray[np.float64]] | None = None,
    linear: LinearProblem | None = None,
    start: Designs | None = None,
    reference: NDArray[np.float64] | None = None,
    margins: Callable[[Mapping[str, NDArray[np.float64]]], NDArray[np.float64]] | None = None,
    costly: bool = False,
) -> Searcher:
    """Build a searcher.

    Parameters
    ----------
    searcher
        One of `BUILT_IN`, one that an installed package adds, or a class of the `Searcher` protocol.
    space
        The search space.
    seed
        Not negative.
    settings
        The searcher's own settings, by the names of its constructor's arguments.
    prior
        What is believed of the objectives of designs (`Problem.prior`), for a searcher that takes one.
    linear
        Objectives and limits as additive tables (`Problem.linear`), for a searcher that takes them.
    start
        Designs to propose before all others (`Problem.start`).
    reference
        The declared reference point (`Problem.reference`), for a searcher that takes one.
    margins
        By how much limits are broken (`Problem.margins`), for a searcher that learns it.
    costly
        Whether an evaluation costs more than a model of it, for a searcher that minds.

    Raises
    ------
    SearcherError
        If the name, the seed or a setting is not usable.
    """
    kind = searcher_class(searcher) if isinstance(searcher, str) else searcher
    name = searcher_name(searcher)
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise SearcherError(f"seed={seed!r} must be a whole number, 0 or more")
    arguments = inspect.signature(kind).parameters
    offered: dict[str, Any] = dict(zip(OFFERED, (prior, linear, reference, margins), strict=True))
    known = [item for item in arguments if item not in ("space", "seed", *OFFERED)]
    for key in settings or {}:
        if key not in known:
            raise SearcherError(
                f"searcher {name!r} has no setting {key!r}; known are {', '.join(known) or 'none'}"
            )
    offered["costly"] = costly or None
    extra = {key: value for key, value in offered.items() if value is not None and key in arguments}
    made = kind(space, seed=seed, **{**extra, **(settings or {})})
    if not isinstance(made, Searcher):
        raise SearcherError(
            f"searcher {name!r} lacks one of batch, distinct, ask and tell: see dse.searchers"
        )
    return made if start is None else Started(made, start)
