"""Time and energy of a plan, once it is compiled and known to be right."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from objectives.gpu.triton.jobs import INTERPRETED
from objectives.gpu.triton.operators import Plan

# Larger than any L2 cache. Reading it takes a GPU long enough for the processor to have the next launch
# ready, so that no gap is timed. Writing it would leave the cache full of lines that the kernel has to wait
# for until they are in memory: 12 us on an H200.
FLUSH_BYTES = 2**28
CHUNK_MS = 5.0  # work that is queued at a time while the energy counter is watched
CHUNKS_AHEAD = 4
NO_FLUSH_MS = 1.0  # without a flush calls are timed in groups that take this long


def time_plan(plan: Plan, warmup_ms: float, repeats: int, flush: bool) -> tuple[list[float], int | None]:
    """Return the milliseconds of each of `repeats` calls, after a warm-up of at least one, and the clock.

    The clock is that of the multiprocessors in MHz, as NVML gives it while the last calls run; None where it
    gives none.

    Parameters
    ----------
    plan
        Compiled.
    warmup_ms
        Calls before; long enough that the clocks are up.
    repeats
        How many times.
    flush
        Empty the L2 cache before each call. Without it, calls are timed in groups.
    """
    if INTERPRETED:
        return [_seconds(plan.run) * 1e3 for _ in range(repeats)], None
    call_ms = _warm_up(plan.run, warmup_ms)
    calls = 1 if flush else max(1, round(NO_FLUSH_MS / max(call_ms, 1e-3)))
    other = torch.zeros(FLUSH_BYTES // 4 if flush else 0, device="cuda")
    total = torch.zeros((), device="cuda")
    marks = [
        (torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)) for _ in range(repeats)
    ]
    for begin, end in marks:
        if flush:
            torch.sum(other, dim=0, out=total)
        begin.record()
        for _ in range(calls):
            plan.run()
        end.record()
    clock = clock_mhz()
    torch.cuda.synchronize()
    return [begin.elapsed_time(end) / calls for begin, end in marks], clock


def summary(times_ms: list[float]) -> dict[str, Any]:
    """Return the median, the interquartile range, and what they are of."""
    low, middle, high = np.percentile(times_ms, [25, 50, 75])
    return {
        "median_ms": float(middle),
        "iqr_ms": float(high - low),
        "repeats": len(times_ms),
        "times_ms": times_ms,
    }


def energy(plan: Plan, energy_ms: float) -> tuple[float, float] | None:
    """Return the millijoules and milliseconds of a call, over calls for at least `energy_ms`.

    None where no counter is. Calls follow each other, so a call may take longer here than among those that
    are timed: the GPU lowers its clocks once it has drawn too much power for some milliseconds.

    The counter is that of the whole GPU, memory and idle power included. It moves in steps, some tens of
    milliseconds apart, so the time measured begins and ends with one; a counter that stands still for three
    times `energy_ms` counts as none. Reading it takes milliseconds, for which calls are queued ahead.
    """
    counter = energy_counter()
    if counter is None:
        return None
    call_ms = _warm_up(plan.run, CHUNK_MS)
    chunk = max(1, round(CHUNK_MS / max(call_ms, 1e-3)))
    queued: deque[Any] = deque()
    calls = 0

    def seen() -> tuple[int, int, float]:
        """Read the counter among calls; return it with the calls that are done, and the time."""
        nonlocal calls
        while len(queued) < CHUNKS_AHEAD:
            for _ in range(chunk):
                plan.run()
            end = torch.cuda.Event()
            end.record()
            queued.append(end)
        queued[0].synchronize()
        now = counter(), time.perf_counter() * 1e3
        while queued and queued[0].query():
            queued.popleft()
            calls += chunk
        return now[0], calls, now[1]

    def step(least_ms: float) -> tuple[int, int, float] | None:
        """Return what is seen when the counter moves, after a time at least."""
        before = begin = seen()
        while True:
            now = seen()
            if now[0] != before[0] and now[2] - begin[2] >= least_ms:
                return now
            if now[2] - begin[2] > 3 * energy_ms:
                return None
            before = now

    first = step(0.0)
    last = None if first is None else step(energy_ms)
    torch.cuda.synchronize()
    if first is None or last is None:
        return None
    done = last[1] - first[1]
    return (last[0] - first[0]) / done, (last[2] - first[2]) / done


def clock_mhz() -> int | None:
    """Return the clock of the GPU's multiprocessors, or None where NVML does not say."""
    with suppress(Exception):
        import pynvml

        device = _nvml_device()
        if device is not None:
            return int(pynvml.nvmlDeviceGetClockInfo(device, pynvml.NVML_CLOCK_SM))
    return None


@lru_cache
def energy_counter() -> Callable[[], int] | None:
    """Return a function that reads the GPU's counter of millijoules, or None where NVML has none."""
    with suppress(Exception):  # on a GPU without a counter, or on a share of one
        import pynvml

        device = _nvml_device()
        pynvml.nvmlDeviceGetTotalEnergyConsumption(device)
        return lambda: int(pynvml.nvmlDeviceGetTotalEnergyConsumption(device))
    return None


@lru_cache
def _nvml_device() -> Any:
    """Return NVML's handle of torch's GPU, None where there is none."""
    if INTERPRETED:
        return None
    with suppress(Exception):  # without NVML
        import pynvml

        pynvml.nvmlInit()
        uuid = str(torch.cuda.get_device_properties(0).uuid)
        return pynvml.nvmlDeviceGetHandleByUUID(uuid if uuid.startswith("GPU-") else f"GPU-{uuid}")
    return None


def resources(compiled: Any, launch_name: str) -> Mapping[str, Any]:
    """Return what the compiler says that a kernel takes; null where it does not say."""
    metadata = getattr(compiled, "metadata", None)
    return {
        "kernel": launch_name,
        "registers": getattr(compiled, "n_regs", None),
        "spills": getattr(compiled, "n_spills", None),
        "shared_bytes": getattr(metadata, "shared", None),
    }


def _warm_up(run: Callable[[], None], least_ms: float) -> float:
    """Call for at least a time; return the milliseconds of a call."""
    calls, batch = 0, 1
    torch.cuda.synchronize()
    began = time.perf_counter()
    while True:
        for _ in range(batch):
            run()
        torch.cuda.synchronize()
        calls += batch
        spent = (time.perf_counter() - began) * 1e3
        if spent >= least_ms:
            return spent / calls
        batch = min(2 * batch, 1024) if spent < least_ms / 4 else batch


def _seconds(run: Callable[[], None]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began
