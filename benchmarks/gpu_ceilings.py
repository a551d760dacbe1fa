"""What this machine's GPU does at best: the rates beside which the catalogue's figures can be held.

    python -m benchmarks.gpu_ceilings

DRAM by a copy of 4 GiB and by reading it; L2 by reading a few MiB over and over; matrix units by torch's
product of 8192 x 8192 x 8192 in BF16, a few in a row and for two seconds; the time of a kernel that does
next to nothing, alone between two events, and of one more in a row. Medians. Needs the extra ``gpu``.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
import triton
import triton.language as tl

from objectives.gpu.triton.timing import clock_mhz

ELEMENTS = 2048


@triton.jit
def read_kernel(data, out, blocks, rounds, elements: tl.constexpr):
    """Add up `rounds` blocks of the data, from all over it."""
    total = tl.zeros((elements,), tl.float32)
    at = tl.program_id(0)
    for _ in range(rounds):
        places = (at % blocks).to(tl.int64) * elements + tl.arange(0, elements)
        total += tl.load(data + places, cache_modifier=".cg")  # not from L1
        at += tl.num_programs(0) + 1
    tl.store(out + tl.program_id(0) * elements + tl.arange(0, elements), total)


@triton.jit
def touch_kernel(out):
    """Write one number."""
    tl.store(out, 1.0)


def median_ms(run: Callable[[], Any], repeats: int = 20, calls: int = 1) -> float:
    marks = [[torch.cuda.Event(enable_timing=True) for _ in range(2)] for _ in range(repeats)]
    for _ in range(3):
        run()
    filler = torch.empty(2**28, dtype=torch.int8, device="cuda")
    for begin, end in marks:
        filler.zero_()  # the processor gets ahead meanwhile
        begin.record()
        for _ in range(calls):
            run()
        end.record()
    torch.cuda.synchronize()
    return statistics.median(begin.elapsed_time(end) for begin, end in marks) / calls


def reading(mib: float, total_gib: float) -> float:
    """Return the GB/s of reading `total_gib` from `mib`."""
    data = torch.zeros(int(mib * 2**20 / 4), device="cuda")
    blocks = data.numel() // ELEMENTS
    programs = 8 * torch.cuda.get_device_properties(0).multi_processor_count
    out = torch.empty(programs * ELEMENTS, device="cuda")
    rounds = max(1, int(total_gib * 2**30 / 4 / ELEMENTS / programs))
    took = median_ms(lambda: read_kernel[(programs,)](data, out, blocks, rounds, ELEMENTS, num_warps=8))
    return programs * rounds * ELEMENTS * 4e-6 / took


def copying() -> float:
    """Return the GB/s of a copy of 4 GiB, read and written."""
    source = torch.zeros(2**30, device="cuda")
    target = torch.empty_like(source)
    return 8 * source.numel() * 1e-6 / median_ms(lambda: target.copy_(source), 10)


def main() -> None:
    print(f"{torch.cuda.get_device_name(0)}, torch {torch.__version__}, triton {triton.__version__}")
    print(f"DRAM, copied: {copying():,.0f} GB/s")
    print(f"DRAM, read: {reading(4096, 4):,.0f} GB/s")
    for mib in (4, 8, 16, 24, 32, 48):
        print(f"{mib} MiB, read again and again: {reading(mib, 4):,.0f} GB/s")
    a, b = (torch.randn((8192, 8192), device="cuda", dtype=torch.bfloat16) for _ in range(2))
    c = torch.empty_like(a)
    flops = 2 * 8192**3
    time.sleep(0.5)
    took = median_ms(lambda: torch.matmul(a, b, out=c), 4)
    print(f"matrix units, a few products: {flops * 1e-9 / took:,.0f} TFLOP/s")
    began = time.monotonic()
    while time.monotonic() - began < 2.0:
        took = median_ms(lambda: torch.matmul(a, b, out=c), 20)
        clock = clock_mhz()
    print(f"matrix units, after two seconds: {flops * 1e-9 / took:,.0f} TFLOP/s, {clock} MHz")
    small = torch.empty(1, device="cuda")
    once, more = (median_ms(lambda: touch_kernel[(1,)](small), 50, calls) for calls in (1, 8))
    print(f"a kernel alone: {1e3 * once:.1f} us, one of eight in a row: {1e3 * more:.1f} us")


if __name__ == "__main__":
    main()
