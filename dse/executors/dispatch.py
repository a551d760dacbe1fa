"""A batch of designs over the workers of an executor, each chunk again in parts where it was lost."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dse.designs import Designs
from dse.executors.protocol import Executor, Lost
from dse.models import CostModel, Outcome

if TYPE_CHECKING:
    from dse.evaluations import Evaluations
    from dse.problem import Problem

LOOK_SECONDS = 0.2  # between looks at whether to stop
AHEAD = 2  # chunks that are submitted for each worker, so that none waits
MOST_DESIGNS = 20_000  # of a chunk


@dataclass(frozen=True)
class Part:
    """Evaluations of the designs from position `first` on."""

    first: int
    evaluations: Evaluations


def chunk_size(problem: Problem, designs: int, workers: int) -> int:
    """Return how many designs a worker is given at a time: one that may cost much, else an equal share."""
    return 1 if problem.costly else max(1, min(-(-designs // workers), MOST_DESIGNS))


class Dispatcher:
    """Chunks of designs at the workers of an executor, each again in parts where it was lost.

    Parameters
    ----------
    executor
        It is open.
    problem
        What is evaluated.
    """

    def __init__(self, executor: Executor, problem: Problem) -> None:
        self._executor = executor
        self._problem = problem
        self._todo: deque[tuple[int, Designs]] = deque()
        self._running: dict[Future[Outcome], tuple[int, Designs]] = {}
        self._killed: set[int] = set()  # first positions that are evaluated once more

    def __len__(self) -> int:
        """How many chunks are not evaluated yet."""
        return len(self._todo) + len(self._running)

    def add(self, first: int, designs: Designs) -> None:
        """Have designs evaluated, whose positions, from `first` on, no others have."""
        self._todo.append((first, designs))

    def cancel(self) -> None:
        """Begin nothing more."""
        self._todo.clear()
        for future in [future for future in self._running if future.cancel()]:
            del self._running[future]

    def ended(self) -> list[Part]:
        """Return what has ended, after waiting for a moment."""
        while self._todo and len(self._running) < AHEAD * self._executor.workers:
            first, designs = self._todo.popleft()
            self._running[self._executor.submit(designs)] = first, designs
        ended, _ = wait(self._running, timeout=LOOK_SECONDS, return_when=FIRST_COMPLETED)
        found = []
        for future in sorted(ended, key=lambda future: self._running[future][0]):
            part = self._result(future, *self._running.pop(future))
            found += [] if part is None else [part]
        return found

    def _result(self, future: Future[Outcome], first: int, designs: Designs) -> Part | None:
        """Return what was found; None where the designs are evaluated again."""
        try:
            outcome = future.result()
        except Lost as lost:
            if lost.killed and first not in self._killed:
                self._killed.add(first)
                self._todo.appendleft((first, designs))
                return None
            if len(designs) > 1:
                middle = len(designs) // 2
                self._todo.appendleft((first + middle, designs.take(slice(middle, None))))
                self._todo.appendleft((first, designs.take(slice(0, middle))))
                return None
            outcome = failed(self._problem.model, lost)
        return Part(first, self._problem.judge(designs, outcome))


def dispatch(
    executor: Executor,
    problem: Problem,
    designs: Designs,
    ranges: Iterable[tuple[int, int]],
    stop: Callable[[], bool],
) -> Iterator[list[Part]]:
    """Evaluate designs at ranges of positions, several chunks at a time; yield those that have ended.

    Every moment something is yielded, and be it nothing, so that the caller can see to what it has.

    Parameters
    ----------
    ranges
        First positions and ends.
    stop
        Where it returns true nothing more is begun; what is under way is waited for and yielded.
    """
    size = chunk_size(problem, len(designs), executor.workers)
    dispatcher = Dispatcher(executor, problem)
    for first, end in ranges:
        for start in range(first, end, size):
            dispatcher.add(start, designs.take(slice(start, min(start + size, end))))
    while dispatcher:
        if stop():
            dispatcher.cancel()
        yield dispatcher.ended()


def failed(model: CostModel, lost: Lost) -> Outcome:
    """Return the outcome of one design that was lost."""
    values = {name: np.full(1, np.nan) for name in model.metrics}
    timeouts = frozenset({0}) if lost.timeout else frozenset()
    return Outcome(values, {0: lost.reason}, timeouts, np.array([lost.seconds]))
