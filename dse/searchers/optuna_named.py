"""`optuna`: any sampler of Optuna by its name, so that a stored study and the command line can name it."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import Any, ClassVar

import optuna

from dse.errors import SearcherError
from dse.searchers.optuna_bridge import OptunaSearcher, quiet
from dse.searchers.ranges import Number, Range
from dse.space import Space


class NamedSampler(OptunaSearcher):
    """Proposes what a sampler of `optuna.samplers` proposes, mended as `OptunaSearcher` says.

    Parameters
    ----------
    space
        The search space.
    seed
        Same seed and history, same designs.
    sampler
        A class of `optuna.samplers` that takes a seed: ``"NSGAIISampler"``, ``"QMCSampler"``,
        ``"CmaEsSampler"`` (one objective, needs the package cmaes), ...
    options
        Its own arguments, JSON values, as in ``{"population_size": 20}``. A ``seed`` among them stays the
        same from proposal to proposal, which a quasi-random sequence needs.
    initial, redraws, batch
        As for `OptunaSearcher`.

    Raises
    ------
    SearcherError
        If there is no such sampler, it takes no seed, or it refuses an option.
    """

    name = "optuna"
    ranges: ClassVar[Mapping[str, Range]] = {"initial": Number(5, 50, log=True, whole=True)}

    def __init__(
        self,
        space: Space,
        *,
        seed: int = 0,
        sampler: str = "NSGAIISampler",
        options: Mapping[str, Any] | None = None,
        initial: int = 10,
        redraws: int = 0,
        batch: int = 1,
    ) -> None:
        self.options = dict(options or {})
        self._kind = _found(sampler)
        super().__init__(
            space, seed=seed, sampler=self._made, initial=initial, redraws=redraws, batch=batch, notes=True
        )
        with quiet():
            self._made(0)  # what it refuses is said here

    def _made(self, seed: int) -> Any:
        try:
            return self._kind(**{"seed": seed, **self.options})
        except (TypeError, ValueError, ImportError) as error:
            given = json.dumps(self.options, default=repr)
            raise SearcherError(f"optuna: {self._kind.__name__} refuses options={given}: {error}") from error


def _found(name: str) -> type[optuna.samplers.BaseSampler]:
    known = {
        label: item
        for label in optuna.samplers.__all__
        if inspect.isclass(item := getattr(optuna.samplers, label))
        and issubclass(item, optuna.samplers.BaseSampler)
        and "seed" in inspect.signature(item).parameters
    }
    if name not in known:
        raise SearcherError(
            f"optuna: sampler={name!r} is unknown; with a seed are {', '.join(sorted(known))}"
        )
    return known[name]
