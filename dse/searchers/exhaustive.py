"""`exhaustive`: every feasible design once, in constant memory: the exact front."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dse.designs import Designs
from dse.evaluations import Evaluations
from dse.space import Space


class Exhaustive:
    """Walks the feasible designs in the space's own order.

    Parameters
    ----------
    space
        A space without real parameters.
    seed
        Not used: the order is that of the space.

    Raises
    ------
    SpaceError
        On the first `ask`, if a parameter is real.
    """

    batch = 50_000
    distinct = True

    def __init__(self, space: Space, *, seed: int = 0) -> None:
        self.space = space
        self.seed = seed
        self._walk: Iterator[Designs] | None = None
        self._ahead = Designs(space, np.empty((0, len(space.names)), dtype=space.code_dtype))

    def ask(self, n: int) -> Designs:
        """Return the next n designs of the walk; fewer at its end."""
        if self._walk is None:
            self._walk = self.space.enumerate(self.batch)
        while len(self._ahead) < n and (chunk := next(self._walk, None)) is not None:
            self._ahead = Designs.concat([self._ahead, chunk]) if len(self._ahead) else chunk
        return self._ahead.take(slice(n))

    def tell(self, evaluations: Evaluations) -> None:
        """Step past the told designs, as far as they are the next ones of the walk."""
        expected = self.ask(len(evaluations)).codes
        same = (expected == evaluations.designs.codes[: len(expected)]).all(axis=1)
        passed = len(same) if same.all() else int(np.argmin(same))
        self._ahead = self._ahead.take(slice(passed, None))
