"""`random`: uniform over the feasible designs, without repeats."""

from __future__ import annotations

from dse.designs import Designs
from dse.evaluations import Evaluations
from dse.searchers.fresh import fresh
from dse.space import Space


class Random:
    """Uniform random search without repeats; exhausts a small space exactly.

    Parameters
    ----------
    space
        The search space.
    seed
        Same seed, same designs.
    """

    batch = 1_000
    distinct = True

    def __init__(self, space: Space, *, seed: int = 0) -> None:
        self.space = space
        self.seed = seed
        self._seen: set[bytes] = set()
        self._told = 0

    def ask(self, n: int) -> Designs:
        """Return the next n designs of the seeded order that were not told yet."""
        return Designs(self.space, fresh(self.space, n, self.seed, self._told, self._seen))

    def tell(self, evaluations: Evaluations) -> None:
        """Remember what was evaluated."""
        self._seen.update(self.space.keys(evaluations.designs.codes))
        self._told += len(evaluations)
