"""A searcher: members of the front, with one parameter changed."""

from __future__ import annotations

import numpy as np

from dse import Designs, Evaluations, Space
from dse.errors import SearcherError
from dse.pareto import nondominated
from dse.searchers.batch import Batch
from dse.searchers.fresh import fresh


class StepWalk:
    """Changes one parameter of a design of the front to that of a random member of the space.

    It keeps the promises of `dse.searchers.Searcher`: `ask` changes nothing, all randomness comes from the
    seed and from how much was told, so that telling the stored history is all that it takes to resume, and
    no design is proposed twice.

    Parameters
    ----------
    space
        The search space.
    seed
        Same seed and history, same designs.
    initial
        Random designs at the start: ``--set searcher.initial=20``.
    """

    batch = 20
    distinct = True

    def __init__(self, space: Space, *, seed: int = 0, initial: int = 40) -> None:
        if isinstance(initial, bool) or not isinstance(initial, int) or initial < 1:
            raise SearcherError(f"step-walk: initial={initial!r} must be a whole number, 1 or more")
        self.space = space
        self.seed = seed
        self.initial = initial
        self._seen: set[bytes] = set()
        self._codes = np.empty((0, len(space.names)), dtype=space.code_dtype)
        self._objectives: np.ndarray | None = None

    def ask(self, n: int) -> Designs:
        """Return n designs."""
        told = len(self._seen)
        if told < self.initial or self._objectives is None:
            return Designs(self.space, fresh(self.space, n, self.seed, told, self._seen))
        rng = np.random.default_rng([self.seed, told])
        front = self._codes[nondominated(self._objectives)]
        children = front[rng.integers(len(front), size=4 * n)].copy()
        others = self.space.sample(4 * n, rng).codes
        rows, columns = np.arange(4 * n), rng.integers(len(self.space.names), size=4 * n)
        children[rows, columns] = others[rows, columns]
        # What is not active takes its canonical value; what breaks a constraint is dropped.
        children = self.space.canonical(children)
        batch = Batch(self.space, n, self._seen)
        batch.add(children[self.space.satisfies(children)])
        return batch.filled(self.seed, told)  # random designs for what is missing

    def tell(self, evaluations: Evaluations) -> None:
        """Learn from evaluations, whoever proposed them; some have failed or break a limit."""
        self._seen.update(self.space.keys(evaluations.designs.codes))
        good = evaluations.feasible
        if good.any():
            new = evaluations.objectives[good]
            self._objectives = new if self._objectives is None else np.concatenate([self._objectives, new])
            self._codes = np.concatenate([self._codes, evaluations.designs.codes[good]])
