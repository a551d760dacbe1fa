"""A blocked FP32 matrix multiplication without matrix instructions, in the style of CLBlast's Xgemm.

C. Nugteren, "CLBlast: A Tuned OpenCL BLAS Library", IWOCL 2018; parameters have its names. A work group of
MDIMC x NDIMC threads computes MWG x NWG outputs, KWG products at a time; operands come through local memory
(SA, SB) or from L1; loads are VWM and VWN words wide. docs/models/gpu.md has the derivation, the validation
and the limits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse import cost_model
from dse.errors import ProblemError
from dse.expressions import Columns
from dse.models import FunctionModel
from objectives.devices import GPU, Multiprocessor
from objectives.gpu.limits import LAUNCH_US, address_clocks, energy_mj, overlapped, pass_clocks
from objectives.gpu.residency import blocks_resident

Floats = NDArray[np.float64]
Truths = NDArray[np.bool_]

COLUMNS = (
    "MWG",
    "NWG",
    "KWG",
    "MDIMC",
    "NDIMC",
    "MDIMA",
    "NDIMB",
    "KWI",
    "VWM",
    "VWN",
    "STRM",
    "STRN",
    "SA",
    "SB",
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
    "registers": "",
    "shared_kib": "KiB",
}

# Registers of addresses and indices, beside sums and operands: a round figure, of little influence.
BASE_REGISTERS = 30
# Clocks of the two barriers a block of K: a round figure.
BARRIER_CLOCKS = 40


def simt_gemm_model(gpu: GPU, *, m: int = 4096, n: int = 4096, k: int = 4096) -> FunctionModel:
    """Return the cost model of a blocked FP32 matrix multiplication on a GPU.

    Parameters
    ----------
    gpu
        The device.
    m, n, k
        Rows and columns of the result, and the length of the sums.

    Returns
    -------
    A vectorised model over the columns `COLUMNS` with the metrics `METRICS`. Of the utilisations, each the
    share of the time for which a resource is busy, the greatest says what binds.

    Raises
    ------
    ProblemError
        If a size is not positive.
    """
    for label, size in (("m", m), ("n", n), ("k", k)):
        if size < 1:
            raise ProblemError(f"{label}={size!r} must be 1 or more")
    unit = gpu.multiprocessor

    def evaluate(d: Columns) -> Mapping[str, Any]:
        block_m, block_n, block_k = (np.asarray(d[name], float) for name in ("MWG", "NWG", "KWG"))
        across, down = np.asarray(d["MDIMC"], float), np.asarray(d["NDIMC"], float)
        work_m, work_n = block_m / across, block_n / down
        # A vector of eight is loaded as two of four.
        vector_m, vector_n = (np.minimum(np.asarray(d[name], float), 4) for name in ("VWM", "VWN"))
        shared_a, shared_b = (np.asarray(d[name], float) == 1 for name in ("SA", "SB"))
        threads = across * down
        warps = np.ceil(threads / unit.warp)

        # Threads of a warp differ along M first: `across` of them, which all rows of the warp repeat.
        along_m = np.minimum(across, unit.warp / vector_m)
        along_n = np.maximum(unit.warp / vector_n / across, 1)
        stride_m = np.where(np.asarray(d["STRM"], float) == 1, vector_m, work_m)
        stride_n = np.where(np.asarray(d["STRN"], float) == 1, vector_n, work_n)
        loads_a, loads_b = work_m / vector_m, work_n / vector_n
        half = unit.warp / 2
        load_a = _load(unit, vector_m, along_m, np.minimum(across, half), across, stride_m, shared_a)
        load_b = _load(
            unit, vector_n, along_n, np.maximum(half / across, 1), unit.warp / across, stride_n, shared_b
        )
        fills_a, fill_a = _fill(
            unit, block_m, block_k, threads, np.asarray(d["MDIMA"], float), vector_m, shared_a
        )
        fills_b, fill_b = _fill(
            unit, block_n, block_k, threads, np.asarray(d["NDIMB"], float), vector_n, shared_b
        )
        fill = fills_a * fill_a + fills_b * fill_b

        fmas = work_m * work_n
        registers = BASE_REGISTERS + fmas + work_m + work_n
        spilled = np.maximum(registers - unit.launch_registers, 0)
        registers = np.minimum(registers, unit.launch_registers)
        spill = spilled * 2 * unit.warp * 4 / unit.shared_bytes_clock
        load_clocks = warps * (block_k * (loads_a * load_a + loads_b * load_b + spill) + fill)
        fma_clocks = warps * block_k * fmas * unit.warp / unit.fp32_lanes
        addresses = np.where(shared_a, 0, loads_a) + np.where(shared_b, 0, loads_b)
        issue_clocks = (
            warps * (block_k * (fmas + loads_a + loads_b + addresses) + 4 * (fills_a + fills_b))
        ) / unit.schedulers
        busy = overlapped(load_clocks, fma_clocks, issue_clocks)

        words = np.where(shared_a, block_m * block_k, 0) + np.where(shared_b, block_n * block_k, 0)
        resident = np.maximum(blocks_resident(unit, threads, registers, 4 * words), 1)
        # One warp by itself: fetch, wait, and KWI products between waits for local memory.
        alone = (
            np.where(shared_a | shared_b, unit.latency_l2 + BARRIER_CLOCKS, 0)
            + fill
            + block_k * fmas * unit.warp * unit.schedulers / unit.fp32_lanes
            + block_k / np.asarray(d["KWI"], float) * unit.latency_shared
        )
        rows, columns = np.ceil(m / block_m), np.ceil(n / block_n)
        blocks, turns = rows * columns, np.ceil(k / block_k)
        slots = gpu.multiprocessors * resident
        waves = np.floor(blocks / slots)
        rest = np.ceil((blocks - waves * slots) / gpu.multiprocessors)
        last = np.where(rest > 0, np.maximum(rest * busy, alone), 0)
        clocks = turns * (waves * np.maximum(resident * busy, alone) + last)
        l2_clocks = 4 * k * block_m * block_n * blocks * (1 / block_m + 1 / block_n) / gpu.l2_bytes_clock
        # A wave covers columns of blocks; what it reads is read once from DRAM.
        depth = np.minimum(slots, rows)
        wave_bytes = 4 * k * (depth * block_m + np.ceil(slots / depth) * block_n)
        dram_bytes = np.maximum(
            4.0 * (m * k + k * n), np.minimum(blocks / slots * wave_bytes, l2_clocks * gpu.l2_bytes_clock)
        )
        dram_bytes = dram_bytes + 4.0 * m * n
        dram = dram_bytes / (gpu.dram_gb_s * 1e9)
        work = overlapped(clocks / gpu.clock_hz, l2_clocks / gpu.clock_hz, dram)
        seconds = work + LAUNCH_US * 1e-6
        flops = 2.0 * m * n * k
        share = blocks * turns / gpu.multiprocessors / gpu.clock_hz / seconds
        return {
            "time_ms": 1e3 * seconds,
            "tflops": 1e-12 * flops / seconds,
            "energy_mj": energy_mj(gpu, seconds, flops, gpu.fp32_tflops, dram_bytes),
            "compute_utilisation": fma_clocks * share,
            "load_utilisation": load_clocks * share,
            "l2_utilisation": l2_clocks / gpu.clock_hz / seconds,
            "dram_utilisation": dram / seconds,
            "occupancy": np.minimum(resident * warps / unit.warps, 1.0),
            "registers": registers,
            "shared_kib": 4 * words / 1024,
        }

    return cost_model(
        evaluate,
        metrics=METRICS,
        columns=COLUMNS,
        name="gpu-simt-gemm",
        version="1",
        settings={"gpu": gpu.name, "m": m, "n": n, "k": k},
    )


def _load(
    unit: Multiprocessor,
    vector: Floats,
    part: Floats,
    half: Floats,
    whole: Floats,
    stride: Floats,
    shared: Truths,
) -> Floats:
    """Return the clocks of a warp's load of `vector` words a thread, threads `stride` words apart.

    ``part``, ``half`` and ``whole``: threads that ask for something different among those served together
    (64 bits a thread are loaded in two parts, 128 in four), in half a warp, and in all of it. A half-warp
    that asks for the same thing is served at once from shared memory.
    """
    passes = np.maximum(1, part * stride / unit.banks)
    parts = np.where((half == 1) & shared, np.ceil(vector / 2), vector)
    lines = np.maximum(1, np.ceil(np.clip(whole, 1, unit.warp) * stride * 4 / 128))
    reads = np.where(shared, passes * parts, np.maximum(passes * parts, lines))
    return np.maximum(reads * pass_clocks(unit), address_clocks(unit))


def _fill(
    unit: Multiprocessor,
    block: Floats,
    block_k: Floats,
    threads: Floats,
    across: Floats,
    vector: Floats,
    shared: Truths,
) -> tuple[Floats, Floats]:
    """Return how often a thread copies a vector to shared memory a block of K, and a warp's clocks for it."""
    stride = block / across
    together = np.minimum(across, unit.warp / vector)
    passes = np.maximum(1, together * stride / unit.banks)
    store = np.maximum(passes * vector * pass_clocks(unit), address_clocks(unit))
    lines = stride * unit.warp * 4 / 128
    load = np.maximum(np.maximum(vector * pass_clocks(unit), lines), address_clocks(unit))
    return np.where(shared, block * block_k / (threads * vector), 0), store + load
