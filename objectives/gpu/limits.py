"""How the limits of a kernel add up to time and energy, and how shared memory serves a warp."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from objectives.devices import GPU, Multiprocessor
from objectives.devices.gpu import IDLE_SHARE

Floats = NDArray[np.float64]

# Limits overlap, but not wholly: times are added as a norm, between a sum (1) and the greatest (infinity).
# Chosen among 2, 3, 4 and 6 on the convolutions of the RTX A4000, where it makes little difference
# (docs/models/gpu.md).
OVERLAP = 3.0

# Of the datasheet's bandwidth, what kernels get: an H200 copies 4 GiB at 89 % of it and reads them at 91 %
# (`benchmarks/gpu_ceilings.py`).
DRAM_SHARE = 0.9

# Of one more kernel in a stream that is kept full: 3.8 us a kernel that runs for 2.9 us alone. A. Gray,
# "Getting Started with CUDA Graphs", NVIDIA Technical Blog, 2019 (V100).
LAUNCH_US = 0.9


def overlapped(*times: ArrayLike) -> Floats:
    """Return the time under several limits at once, arrays (n,)."""
    total = np.asarray(sum(np.asarray(time, float) ** OVERLAP for time in times), float)
    return np.asarray(total ** (1 / OVERLAP), float)


def energy_mj(
    gpu: GPU, seconds: ArrayLike, flops: ArrayLike, peak_tflops: ArrayLike, dram_bytes: ArrayLike
) -> Floats:
    """Return the energy of a kernel in millijoules, arrays (n,).

    Parameters
    ----------
    gpu
        The device.
    seconds
        For which it runs.
    flops
        Operations done.
    peak_tflops
        Of the units that do them, in 10¹² a second.
    dram_bytes
        Bytes read and written.

    Notes
    -----
    Idle power for the whole time, DRAM by energy a bit, and operations at what is left of the board's power
    when DRAM and arithmetic both run at their peaks. No device of the catalogue publishes energy an
    operation.
    """
    seconds, flops = np.asarray(seconds, float), np.asarray(flops, float)
    idle_w = IDLE_SHARE * gpu.board_w
    dram_j = 8e-12 * gpu.dram_pj_per_bit * np.asarray(dram_bytes, float)
    dram_w = 8e-3 * gpu.dram_pj_per_bit * gpu.dram_gb_s
    per_flop = (gpu.board_w - idle_w - dram_w) / (np.asarray(peak_tflops, float) * 1e12)
    return np.asarray((idle_w * seconds + dram_j + per_flop * flops) * 1e3, float)


def pass_clocks(unit: Multiprocessor) -> float:
    """Return the clocks in which every bank of shared memory is read once."""
    return 4 * unit.banks / unit.shared_bytes_clock


def address_clocks(unit: Multiprocessor) -> float:
    """Return the clocks in which the load/store units take the addresses of a warp."""
    return unit.warp / unit.load_lanes


@cache
def row_passes(warp: int, banks: int) -> NDArray[Any]:
    """Return how often banks are read so that a warp of a two-dimensional block has a word a thread.

    An array (1025, banks): by the block's width in threads (columns of a row are adjacent in memory) and by
    the distance of its rows in words, modulo the banks; on average over the warps of four rows' worth of
    threads.
    """
    passes = np.ones((1025, banks))
    for width in range(1, 1025):
        thread = np.arange(4 * warp)
        row, column = thread // width, thread % width
        for distance in range(banks):
            bank = (row * distance + column) % banks
            passes[width, distance] = np.mean(
                [np.bincount(bank[first : first + warp]).max() for first in range(0, 4 * warp, warp)]
            )
            if width >= 4 * warp:
                break
        if width >= 4 * warp:
            passes[width:] = passes[width, 0]
            break
    return passes
