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


def dispatch(
    executor: Executor,
    problem: Problem,
    designs: Designs,
    ranges: Iterable[tuple[int, int]],
    stop: Callable[[], bool],
) -> Iterator[Part]:
    """Evaluate designs at ranges of positions, several chunks at a time; yield them as they end.

    Parameters
    ----------
    ranges
        First positions and ends.
    stop
        Where it returns true nothing more is begun; what is under way is waited for and yielded.
    """
    size = chunk_size(problem, len(designs), executor.workers)
    todo = deque(
        (start, min(start + size, end)) for first, end in ranges for start in range(first, end, size)
    )
    running: dict[Future[Outcome], tuple[int, int]] = {}
    killed: set[int] = set()  # first positions that are evaluated once more
    stopping = False
    while todo or running:
        stopping = stopping or stop()
        if stopping:
            todo.clear()
            for future in [future for future in running if future.cancel()]:
                del running[future]
        while todo and len(running) < AHEAD * executor.workers:
            start, end = todo.popleft()
            running[executor.submit(designs.take(slice(start, end)))] = (start, end)
        if not running:
            return
        ended, _ = wait(running, timeout=LOOK_SECONDS, return_when=FIRST_COMPLETED)
        for future in sorted(ended, key=running.__getitem__):
            start, end = running.pop(future)
            try:
                outcome = future.result()
            except Lost as lost:
                if lost.killed and start not in killed:
                    killed.add(start)
                    todo.appendleft((start, end))
                    continue
                if end - start > 1:
                    middle = (start + end) // 2
                    todo.extendleft([(middle, end), (start, middle)])
                    continue
                outcome = failed(problem.model, lost)
            yield Part(start, problem.judge(designs.take(slice(start, end)), outcome))


def failed(model: CostModel, lost: Lost) -> Outcome:
    """Return the outcome of one design that was lost."""
    values = {name: np.full(1, np.nan) for name in model.metrics}
    timeouts = frozenset({0}) if lost.timeout else frozenset()
    return Outcome(values, {0: lost.reason}, timeouts, np.array([lost.seconds]))
