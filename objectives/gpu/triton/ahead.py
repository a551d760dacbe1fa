"""Compiles a batch of designs in several processes, before they are timed one after the other."""

from __future__ import annotations

import os
import queue
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from objectives.gpu.triton.harness import shared_worker
from objectives.gpu.triton.jobs import JobError

MOST = 8  # each holds torch, and a context on the GPU of some hundred MiB


@dataclass(frozen=True)
class Compiled:
    """What became of a design: seconds spent on it, and why it failed, if it did."""

    seconds: float
    failure: JobError | None


def default_compilers() -> int:
    """Return half of the processors that this process may use, `MOST` at most."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(usable // 2, MOST)


def compile_ahead(
    command: tuple[str, ...], designs: Sequence[Sequence[Mapping[str, Any]]], count: int, timeout_s: float
) -> list[Compiled]:
    """Compile designs, each the jobs of its shapes, into Triton's cache on disk.

    Parameters
    ----------
    command
        The worker's program.
    designs
        Jobs of each design.
    count
        Worker processes; they are kept for the next batch.
    timeout_s
        For each design.

    Returns
    -------
    What became of each. A worker that dies is no failure of the design, since memory may have been short
    for so many: it is compiled again when it is measured.
    """
    count = min(count, len(designs))
    free: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(1, count + 1):
        free.put(number)

    def compile_one(jobs: Sequence[Mapping[str, Any]]) -> Compiled:
        number = free.get()
        began = time.monotonic()
        failure = None
        try:
            for job in jobs:
                left = timeout_s - (time.monotonic() - began)
                shared_worker(command, number).run({**job, "compile_only": True}, left, alone=False)
        except JobError as error:
            failure = None if error.kind == "crash" else error
        finally:
            free.put(number)
        return Compiled(time.monotonic() - began, failure)

    with ThreadPoolExecutor(count) as pool:
        waiting: list[Future[Compiled]] = [pool.submit(compile_one, jobs) for jobs in designs]
        try:
            return [future.result() for future in waiting]
        except BaseException:  # an interrupt must not wait for compilers
            for future in waiting:
                future.cancel()
            for number in range(1, count + 1):
                shared_worker(command, number).kill()
            raise
