"""A fused attention on matrix units: scores of a block of queries by blocks of keys, never written out.

T. Dao, "FlashAttention-2", arXiv:2307.08691; keys split among blocks, and combined, as in Flash-Decoding (T.
Dao, D. Haziza, F. Massa, G. Sizov, 2023). docs/models/gpu.md has the derivation, the comparison with
measurements, and the limits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dse import cost_model
from dse.expressions import Columns
from dse.models import FunctionModel
from objectives.devices import GPU
from objectives.gpu.limits import DRAM_SHARE, LAUNCH_US, energy_mj, overlapped
from objectives.gpu.residency import blocks_resident
from objectives.gpu.schedule import wave_clocks
from objectives.gpu.shapes import AttentionShape
from objectives.gpu.tensor_gemm import (
    BARRIER_CLOCKS,
    BASE_REGISTERS,
    L2_JOINED,
    LINE_BYTES,
    LINE_CLOCKS,
    LOADED_LATENCY,
    SPILLED,
    WARP_INSTRUCTION_SHARE,
)

COLUMNS = (
    "gpu.block_q",
    "gpu.block_kv",
    "gpu.warps",
    "gpu.stages",
    "gpu.split_kv",
    "gpu.pack_queries",
)

METRICS = {
    "time_ms": "ms",
    "energy_mj": "mJ",
    "workspace_mib": "MiB",
    "tflops": "TFLOP/s",
    "compute_utilisation": "",
    "softmax_utilisation": "",
    "shared_utilisation": "",
    "l2_utilisation": "",
    "dram_utilisation": "",
    "occupancy": "",
    "waves": "",
    "registers": "",
    "shared_kib": "KiB",
}

# Exponentials a clock of a multiprocessor: CUDA C++ Programming Guide, table of throughput of native
# arithmetic instructions, 32-bit exp2, compute capabilities 7.x to 10.0.
EXPONENTIALS_CLOCK = 16
# FP32 instructions a score beside the exponential: scale and subtract (one), maximum, sum, convert.
SCORE_INSTRUCTIONS = 4
# Of a warp each step, beside: addresses, barriers, maxima and sums along rows. Chosen on an H200's times of
# one prefill (4,096 tokens of Llama 3.1 8B; docs/models/gpu.md has the error on others).
LOOP_INSTRUCTIONS = 400


def attention_model(
    gpu: GPU, shape: AttentionShape, *, operands: str = "bf16", element_bytes: int = 2
) -> FunctionModel:
    """Return the cost model of a fused attention on a GPU.

    Parameters
    ----------
    gpu
        The device.
    shape
        What is computed.
    operands
        The format that is multiplied; the device must know it.
    element_bytes
        Of queries, keys, values and outputs.

    Returns
    -------
    A vectorised model over the columns `COLUMNS` (on devices with clusters ``gpu.specialised`` as well) with
    the metrics `METRICS`; see `objectives.gpu.tensor_gemm` for how to read the utilisations.

    Raises
    ------
    ProblemError
        If the device does not multiply the format.
    """
    unit = gpu.multiprocessor
    peak = gpu.tflops(operands)
    hopper = unit.cluster > 1
    group = shape.heads // shape.kv_heads
    size = float(shape.head_size)
    flops = shape.flops / shape.count

    def evaluate(d: Columns) -> Mapping[str, Any]:
        block_q, block_kv, warps, stages, split = (
            np.asarray(d[f"gpu.{name}"], float)
            for name in ("block_q", "block_kv", "warps", "stages", "split_kv")
        )
        packed = np.asarray(d["gpu.pack_queries"], bool)
        specialised = np.asarray(d["gpu.specialised"], bool) if hopper else np.zeros(len(block_q), dtype=bool)
        flops_clock = peak * 1e12 / (gpu.multiprocessors * gpu.clock_hz)
        grouped = (block_q >= 64) & (warps >= unit.warp_group) & (unit.warp_group > 1)
        share = WARP_INSTRUCTION_SHARE if unit.warp_group > 1 else 1.0
        mma = 4 * block_q * block_kv * size / (flops_clock * np.where(grouped, 1.0, share))
        tile = 2 * block_kv * size * element_bytes
        # Every warp, or group of them, reads all keys and values for its rows.
        readers = np.where(grouped, block_q / 64, np.minimum(warps, np.maximum(block_q / 16, 1)))
        shared = tile * (1 + readers) / unit.shared_bytes_clock
        scores = block_q * block_kv
        # A new peak scales the outputs of all rows.
        softmax = (
            scores / EXPONENTIALS_CLOCK
            + (SCORE_INSTRUCTIONS * scores + block_q * size) / unit.fp32_lanes
            + LOOP_INSTRUCTIONS * warps / unit.schedulers
        )
        copied = LINE_CLOCKS * 2 * block_kv * np.ceil(size * element_bytes / LINE_BYTES)

        all_warps = warps + np.where(specialised, unit.warp_group, 0)
        threads = warps * unit.warp
        wanted = BASE_REGISTERS + block_q * (size + block_kv) / threads
        registers = np.minimum(wanted, np.minimum(unit.registers_thread, np.floor(unit.registers / threads)))
        spilled = 8 * SPILLED * (wanted - registers) * threads / unit.shared_bytes_clock
        # Specialised warps of two groups take turns at multiplying and at exponentials.
        busy = spilled + np.where(
            specialised & (warps >= 8),
            overlapped(mma, softmax, shared, copied),
            overlapped(mma + softmax, shared, copied),
        )
        alone = (mma + softmax) * unit.schedulers / np.minimum(warps, unit.schedulers) + spilled
        alone = np.maximum(alone, busy) + unit.latency_shared + BARRIER_CLOCKS

        shared_bytes = block_q * size * element_bytes + stages * tile
        resident = np.maximum(blocks_resident(unit, all_warps * unit.warp, registers, shared_bytes), 1)

        heads = np.where(packed, shape.kv_heads, shape.heads)
        queries = np.where(packed, shape.queries * group, shape.queries)
        blocks_q = np.ceil(queries / block_q)
        blocks = shape.batch * heads * blocks_q * split
        seen: Any = float(shape.keys)
        if shape.causal:
            tall = np.where(packed, block_q / group, block_q)
            seen = np.minimum(shape.keys, shape.keys - (shape.queries - 1) / 2 + tall / 2)
        steps = np.maximum(np.ceil(seen / split / block_kv), 1)

        kv_bytes = 2.0 * shape.batch * shape.kv_heads * shape.keys * size * element_bytes
        q_bytes = 2.0 * shape.batch * shape.heads * shape.queries * size * element_bytes
        l2_operands = blocks * steps * tile
        # The heads that run together share L2; what does not fit is read again for other queries.
        sharers = np.minimum(np.maximum(l2_operands / kv_bytes, 1), blocks_q * shape.heads / shape.kv_heads)
        lost = np.clip(kv_bytes / (gpu.l2_mib * 2**20) - 1, 0, 1)
        slots = gpu.multiprocessors * resident
        rounds = np.clip(blocks / slots, 1, sharers)
        dram_kv = kv_bytes * (1 + lost * (rounds - 1))
        # Blocks that share keys run side by side, and wait for the first of them to have these from DRAM.
        missed = np.minimum(dram_kv * sharers / rounds / l2_operands, 1)
        latency = LOADED_LATENCY * (unit.latency_l2 + (unit.latency_dram - unit.latency_l2) * missed)
        ahead = stages - 1
        waiting = np.where(ahead > 0, np.maximum(alone, latency / np.maximum(ahead, 1)), alone + latency)
        ends = 2 * LOADED_LATENCY * unit.latency_dram + alone
        clocks = wave_clocks(blocks, resident, gpu.multiprocessors, steps * busy, steps * waiting + ends)

        workspace = np.where(split > 1, split * shape.batch * shape.heads * shape.queries * (size + 2) * 4, 0)
        spilled = np.clip(workspace / (gpu.l2_mib * 2**20), 0, 1) * 2 * workspace
        dram_bytes = dram_kv + q_bytes + spilled
        l2_clocks = (l2_operands + q_bytes + 2 * workspace) / (L2_JOINED * gpu.l2_bytes_clock)
        dram = dram_bytes / (DRAM_SHARE * gpu.dram_gb_s * 1e9)
        seconds = (
            overlapped(clocks / gpu.clock_hz, l2_clocks / gpu.clock_hz, dram)
            + (1 + (split > 1)) * LAUNCH_US * 1e-6
        )
        share_busy = blocks * steps / gpu.multiprocessors / gpu.clock_hz / seconds
        return {
            "time_ms": 1e3 * shape.count * seconds,
            "energy_mj": shape.count * energy_mj(gpu, seconds, flops, peak, dram_bytes),
            "workspace_mib": workspace / 2**20,
            "tflops": 1e-12 * flops / seconds,
            "compute_utilisation": flops / (peak * 1e12) / seconds,
            "softmax_utilisation": softmax * share_busy,
            "shared_utilisation": shared * share_busy,
            "l2_utilisation": l2_clocks / gpu.clock_hz / seconds,
            "dram_utilisation": dram / seconds,
            "occupancy": np.minimum(resident * all_warps / unit.warps, 1.0),
            "waves": blocks / slots,
            "registers": registers,
            "shared_kib": shared_bytes / 1024,
        }

    return cost_model(
        evaluate,
        metrics=METRICS,
        columns=COLUMNS + (("gpu.specialised",) if hopper else ()),
        name="gpu-attention",
        version="2",
        settings={
            "gpu": gpu.name,
            "shape": [
                shape.batch,
                shape.heads,
                shape.kv_heads,
                shape.queries,
                shape.keys,
                shape.head_size,
                int(shape.causal),
                shape.count,
            ],
            "operands": operands,
            "element_bytes": element_bytes,
        },
    )
