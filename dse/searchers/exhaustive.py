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
        self._told: set[bytes] = set()  # designs that were told out of the walk's order

    def ask(self, n: int) -> Designs:
        """Return the next n designs of the walk; fewer at its end."""
        if self._walk is None:
            self._walk = self.space.enumerate(self.batch)
        while len(self._ahead) < n and (chunk := next(self._walk, None)) is not None:
            chunk = self._untold(chunk)
            self._ahead = Designs.concat([self._ahead, chunk]) if len(self._ahead) else chunk
        return self._ahead.take(slice(n))

    def tell(self, evaluations: Evaluations) -> None:
        """Step past the told designs; those that are not the next ones of the walk are remembered."""
        codes = evaluations.designs.codes
        expected = self.ask(len(codes)).codes
        same = (expected == codes[: len(expected)]).all(axis=1)
        passed = len(same) if same.all() else int(np.argmin(same))
        self._ahead = self._ahead.take(slice(passed, None))
        if passed < len(codes):
            self._told.update(self.space.keys(codes[passed:]))
            self._ahead = self._untold(self._ahead)

    def _untold(self, designs: Designs) -> Designs:
        if not self._told:
            return designs
        keys = self.space.keys(designs.codes)
        return designs.take(np.array([key not in self._told for key in keys], dtype=bool))
