"""The batch that a searcher puts together: new designs, each once, and random ones for what is missing."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.designs import Designs
from dse.searchers.fresh import fresh
from dse.space import Space

Array = NDArray[Any]


class Batch:
    """Up to n designs, in the order they come.

    Parameters
    ----------
    space
        The search space.
    n
        How many are wanted.
    seen
        Keys of designs to leave out (`Space.keys`).
    """

    def __init__(self, space: Space, n: int, seen: Set[bytes]) -> None:
        self.space = space
        self.n = n
        self.seen = seen
        self._chosen: dict[bytes, Array] = {}

    @property
    def missing(self) -> int:
        """How many designs are still wanted."""
        return self.n - len(self._chosen)

    def add(self, codes: Array) -> None:
        """Take what is new of members of the space (k, parameters), as long as designs are missing."""
        for key, row in zip(self.space.keys(codes), codes, strict=True):
            self.offer(key, row)

    def offer(self, key: bytes, codes: Array) -> bool:
        """Take a member of the space (parameters,) if it is new and a design is missing; say whether."""
        taken = len(self._chosen) < self.n and key not in self.seen and key not in self._chosen
        if taken:
            self._chosen[key] = codes
        return taken

    def filled(self, seed: int, position: int) -> Designs:
        """Return the designs, and after them random ones as of `dse.searchers.fresh.fresh`."""
        shape = len(self._chosen), len(self.space.names)
        codes = np.array(list(self._chosen.values()), self.space.code_dtype).reshape(shape)
        if self.missing:
            seen = self.seen | self._chosen.keys()
            codes = np.concatenate([codes, fresh(self.space, self.missing, seed, position, seen)])
        return Designs(self.space, codes)
