"""A batch evaluated by many workers, and committed in the order in which it was proposed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from dse.designs import Designs
from dse.evaluations import Evaluations
from dse.executors.dispatch import dispatch

if TYPE_CHECKING:
    from dse.driver import Driver


def ordered(driver: Driver, designs: Designs, every: float) -> Iterator[Evaluations]:
    """Yield evaluations of designs in order, until the driver is asked to stop.

    What is done while an earlier design is still evaluated is kept in the store, so that a kill does not
    lose it; results of an earlier run that were kept so are not evaluated again.

    Parameters
    ----------
    every
        Seconds between two yields, at least, but for the last.
    """
    done = {}
    for place, key in enumerate(driver.study.space.keys(designs.codes) if driver.kept else ()):
        if key in driver.kept:
            done[place] = driver.kept.pop(key)
    cursor, last = 0, time.monotonic()

    def ready() -> list[Evaluations]:
        nonlocal cursor
        found = []
        while cursor in done:
            found.append(done.pop(cursor))
            cursor += len(found[-1])
        return found

    ranges = _without(len(designs), sorted(done))
    try:
        for parts in dispatch(driver.executor, driver.study.problem, designs, ranges, driver.stop):
            for part in parts:
                done[part.first] = part.evaluations
                driver.busy += float(part.evaluations.seconds.sum())
            # Also where nothing ends any more: a design that hangs must not hold back what others found.
            if time.monotonic() - last >= every:
                found = ready()
                if found:
                    yield Evaluations.concat(found)
                driver.keep(list(done.values()))
                last = time.monotonic()
        found = ready()
        if found:
            yield Evaluations.concat(found)
    except BaseException:
        with suppress(Exception):  # the first error is the one to tell
            driver.keep(list(done.values()))
        raise
    driver.keep(list(done.values()))


def _without(n: int, known: list[int]) -> list[tuple[int, int]]:
    """Return the ranges (first, end) of n positions that are left without those known, in ascending order."""
    starts = [0, *(place + 1 for place in known)]
    return [(start, end) for start, end in zip(starts, [*known, n], strict=True) if end > start]
