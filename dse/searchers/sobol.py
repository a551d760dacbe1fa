"""`sobol`: designs of a scrambled Sobol' sequence, spread evenly over the space."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.designs import Designs
from dse.evaluations import Evaluations
from dse.searchers.batch import Batch
from dse.space import Real, Space

Array = NDArray[Any]

# Points of the sequence that are looked at, at most, for one batch; after them random designs fill it.
MOST_POINTS = 1 << 14
BLOCK = 1 << 10


class Sobol:
    """Quasi-random search without repeats; exhausts a small space exactly.

    Every parameter is a dimension of a scrambled Sobol' sequence (`scipy.stats.qmc.Sobol`, after
    J. Matoušek, "On the L2-discrepancy for anchored boxes", J. Complexity 14, 1998), cut into as many equal
    parts as it has values. Points outside the space, and those whose design came before, are skipped. Where
    few points are inside, random designs fill the batch.

    Parameters
    ----------
    space
        The search space.
    seed
        Of the scrambling: same seed, same designs.
    """

    batch = 1_000
    distinct = True

    def __init__(self, space: Space, *, seed: int = 0) -> None:
        self.space = space
        self.seed = seed
        self._seen: set[bytes] = set()
        self._told = 0
        # Points before this one bring nothing new any more; the designs that they brought.
        self._done = 0
        self._passed: set[bytes] = set()
        self._blocks: dict[int, list[tuple[bytes, Array]]] = {}

    def ask(self, n: int) -> Designs:
        """Return the next n designs of the sequence that were not told yet."""
        batch = Batch(self.space, n, self._seen)
        start = self._done
        while batch.missing and start < self._done + MOST_POINTS:
            for key, row in self._members(start):
                batch.offer(key, row)
            start += BLOCK
        return batch.filled(self.seed, self._told)

    def tell(self, evaluations: Evaluations) -> None:
        """Remember what was evaluated."""
        self._seen.update(self.space.keys(evaluations.designs.codes))
        self._told += len(evaluations)
        # Blocks of which nothing is left are passed by, as long as they add to what was passed.
        while True:
            keys = {key for key, _ in self._members(self._done)}
            if keys <= self._passed or not keys <= self._seen:
                break
            self._passed |= keys
            self._done += BLOCK

    def _members(self, start: int) -> list[tuple[bytes, Array]]:
        """Return keys and codes of the members of the space among a block of points."""
        if start not in self._blocks:
            # What was passed is not asked for again.
            self._blocks = {at: block for at, block in self._blocks.items() if at >= self._done}
            self._blocks[start] = self._made(start)
        return self._blocks[start]

    def _made(self, start: int) -> list[tuple[bytes, Array]]:
        from scipy.stats import qmc

        points = qmc.Sobol(len(self.space.names), scramble=True, rng=np.random.default_rng(self.seed))
        if start:
            points.fast_forward(start)
        unit = points.random(BLOCK)
        codes = np.empty(unit.shape, dtype=self.space.code_dtype)
        for position, parameter in enumerate(self.space.parameters):
            if isinstance(parameter, Real):
                codes[:, position] = parameter.unscaled(unit[:, position])
            else:
                count = int(parameter.cardinality)
                codes[:, position] = np.minimum((unit[:, position] * count).astype(np.int64), count - 1)
        codes = self.space.canonical(codes)
        codes = codes[self.space.satisfies(codes)]
        return list(zip(self.space.keys(codes), codes, strict=True))
