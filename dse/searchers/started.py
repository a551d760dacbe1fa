"""A searcher that is asked only after designs that its user wants evaluated first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dse.designs import Designs
from dse.evaluations import Evaluations

if TYPE_CHECKING:
    from dse.searchers import Searcher


class Started:
    """Proposes given designs, in their order, and then what another searcher proposes.

    Parameters
    ----------
    searcher
        Is told of all evaluations.
    start
        Designs of the searcher's space.
    """

    def __init__(self, searcher: Searcher, start: Designs) -> None:
        self.searcher = searcher
        self.start = start
        self.distinct = searcher.distinct
        self._keys = start.space.keys(start.codes)
        self._told: set[bytes] = set()

    @property
    def batch(self) -> int:
        """How many designs the other searcher likes to be asked for."""
        return self.searcher.batch

    def ask(self, n: int) -> Designs:
        """Return those of the given designs that were not told yet, at most n; after them the searcher's."""
        left = [row for row, key in enumerate(self._keys) if key not in self._told][:n]
        return self.start.take(np.array(left, np.intp)) if left else self.searcher.ask(n)

    def tell(self, evaluations: Evaluations) -> None:
        """Remember what was evaluated, and tell the searcher."""
        self._told.update(evaluations.designs.space.keys(evaluations.designs.codes))
        self.searcher.tell(evaluations)
