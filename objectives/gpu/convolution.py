"""A direct two-dimensional convolution on a GPU, each thread computing a tile of outputs.

The kernel is that of B. van Werkhoven et al., "Optimizing convolution operations on GPUs using adaptive
tiling" (Future Generation Computer Systems 30, 2014), as tuned in the benchmark hub of the auto-tuning
community: FP32, the filter in constant memory, the input through shared memory or from global memory.
Parameters have the hub's names. docs/models/gpu.md has the derivation, the validation and the limits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dse import cost_model
from dse.errors import ProblemError
from dse.expressions import Columns
from dse.models import FunctionModel
from objectives.devices import GPU
from objectives.gpu.limits import (
    LAUNCH_US,
    address_clocks,
    energy_mj,
    overlapped,
    pass_clocks,
    row_passes,
)
from objectives.gpu.residency import blocks_resident

COLUMNS = (
    "block_size_x",
    "block_size_y",
    "tile_size_x",
    "tile_size_y",
    "read_only",
    "use_padding",
    "use_shmem",
)

METRICS = {
    "time_ms": "ms",
    "tflops": "TFLOP/s",
    "energy_mj": "mJ",
    "compute_utilisation": "",
    "load_utilisation": "",
    "l2_utilisation": "",
    "dram_utilisation": "",
    "occupancy": "",
    "shared_kib": "KiB",
}

# How much longer loads of the read-only path (__ldg) keep the load units busy than others, fitted to the RTX
# A4000 alone. What makes them slow is not known: they are not merged, and take registers.
READ_ONLY_FACTOR = 1.4

# Registers of addresses and indices, beside sums: a round figure, of little influence.
BASE_REGISTERS = 32


def convolution_model(
    gpu: GPU, *, image: tuple[int, int] = (4096, 4096), kernel: tuple[int, int] = (15, 15)
) -> FunctionModel:
    """Return the cost model of the convolution of an image on a GPU.

    Parameters
    ----------
    gpu
        The device.
    image
        Outputs in x and y.
    kernel
        The filter's width and height.

    Returns
    -------
    A vectorised model over the columns `COLUMNS` with the metrics `METRICS`. Of the utilisations, each the
    share of the time for which a resource is busy, the greatest says what binds.

    Raises
    ------
    ProblemError
        If a size is not positive.
    """
    if min(*image, *kernel) < 1:
        raise ProblemError(f"image={image!r} and kernel={kernel!r} must be positive")
    width, height = image
    taps_x, taps_y = kernel
    unit = gpu.multiprocessor

    def evaluate(d: Columns) -> Mapping[str, Any]:
        block_x, block_y, tile_x, tile_y = (
            np.asarray(d[name], float)
            for name in ("block_size_x", "block_size_y", "tile_size_x", "tile_size_y")
        )
        shared = np.asarray(d["use_shmem"], float) == 1
        read_only = (np.asarray(d["read_only"], float) == 1) & ~shared
        padded = np.asarray(d["use_padding"], float) == 1
        guarded = (height % (block_y * tile_y) != 0) | (width % (block_x * tile_x) != 0)

        threads = block_x * block_y
        warps = np.ceil(threads / unit.warp)
        fmas = taps_x * taps_y * tile_x * tile_y
        # Rows of a thread's outputs are block_y apart: fewer than the filter's rows, and they share inputs,
        # which the compiler keeps where every load is seen to be the same: not past a guard.
        rows = np.where(
            shared | ~guarded, taps_y + (tile_y - 1) * np.minimum(block_y, taps_y), taps_y * tile_y
        )
        loads = rows * taps_x * tile_x

        across = block_x * tile_x + taps_x - 1
        pads = np.mod(block_x - across, unit.banks)
        stride = across + np.where(padded & (block_x % unit.banks != 0), pads, 0.0)
        tall = block_y * tile_y + taps_y - 1
        shared_bytes = np.where(shared, 4 * tall * stride, 0.0)
        fills = np.where(shared, np.ceil(tall / block_y) * np.ceil(across / block_x), 0.0)

        address = address_clocks(unit)
        passes = row_passes(unit.warp, unit.banks)[
            np.minimum(block_x, 1024).astype(int), np.mod(stride, unit.banks).astype(int)
        ]
        load = np.where(shared, np.maximum(address, passes * pass_clocks(unit)), address)
        load = np.where(read_only & (unit.warp == 32), load * READ_ONLY_FACTOR, load)
        load_clocks = warps * (loads * load + 2 * fills * address)
        fma_clocks = warps * fmas * unit.warp / unit.fp32_lanes
        issue_clocks = warps * (fmas + loads + fills * np.where(guarded, 8, 4)) / unit.schedulers
        busy = overlapped(load_clocks, fma_clocks, issue_clocks)

        registers = np.minimum(BASE_REGISTERS + tile_x * tile_y, unit.launch_registers)
        resident = np.maximum(blocks_resident(unit, threads, registers, shared_bytes), 1)
        blocks = np.ceil(width / (block_x * tile_x)) * np.ceil(height / (block_y * tile_y))
        # Loads are issued ahead, some eight at a time; the first wait for memory.
        first = np.where(shared, unit.latency_dram + unit.latency_shared, unit.latency_l2)
        alone = busy + first + loads / 8 * unit.latency_shared
        clocks = blocks / (gpu.multiprocessors * resident) * np.maximum(resident * busy, alone)

        l2_clocks = 4 * tall * across * blocks / gpu.l2_bytes_clock
        dram_bytes = 4.0 * (width * height + (width + taps_x - 1) * (height + taps_y - 1))
        dram = dram_bytes / (gpu.dram_gb_s * 1e9)
        work = overlapped(np.maximum(clocks, l2_clocks) / gpu.clock_hz, dram)
        seconds = work + LAUNCH_US * 1e-6
        flops = 2.0 * width * height * taps_x * taps_y
        a_wave = blocks / gpu.multiprocessors / gpu.clock_hz / seconds
        return {
            "time_ms": 1e3 * seconds,
            "tflops": 1e-12 * flops / seconds,
            "energy_mj": energy_mj(gpu, seconds, flops, gpu.fp32_tflops, dram_bytes),
            "compute_utilisation": fma_clocks * a_wave,
            "load_utilisation": load_clocks * a_wave,
            "l2_utilisation": l2_clocks / gpu.clock_hz / seconds,
            "dram_utilisation": dram / seconds,
            "occupancy": np.minimum(resident * warps / unit.warps, 1.0),
            "shared_kib": shared_bytes / 1024,
        }

    return cost_model(
        evaluate,
        metrics=METRICS,
        columns=COLUMNS,
        name="gpu-convolution",
        version="1",
        settings={"gpu": gpu.name, "image": list(image), "kernel": list(kernel)},
    )
