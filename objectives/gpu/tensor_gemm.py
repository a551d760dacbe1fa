"""A tiled matrix multiplication on matrix units, as Triton and CUTLASS make it.

A block computes ``block_m`` x ``block_n`` results, ``block_k`` products at a time, with ``stages`` tiles of
operands in flight to shared memory. docs/models/gpu.md has the derivation, the comparison with measurements
and with a peer, and the limits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse import cost_model
from dse.errors import ProblemError
from dse.expressions import Columns
from dse.models import FunctionModel
from objectives.devices import GPU
from objectives.gpu.limits import DRAM_SHARE, LAUNCH_US, energy_mj, overlapped
from objectives.gpu.residency import blocks_resident
from objectives.gpu.schedule import operand_bytes, wave_clocks
from objectives.gpu.shapes import GemmShape

Floats = NDArray[np.float64]

COLUMNS = (
    "gpu.operands",
    "gpu.block_m",
    "gpu.block_n",
    "gpu.block_k",
    "gpu.warps",
    "gpu.stages",
    "gpu.decomposition",
    "gpu.split_k",
    "gpu.group_m",
)
HOPPER_COLUMNS = ("gpu.specialised", "gpu.cluster_m", "gpu.cluster_n")

METRICS = {
    "time_ms": "ms",
    "energy_mj": "mJ",
    "workspace_mib": "MiB",
    "tflops": "TFLOP/s",
    "compute_utilisation": "",
    "shared_utilisation": "",
    "l2_utilisation": "",
    "dram_utilisation": "",
    "occupancy": "",
    "waves": "",
    "registers": "",
    "shared_kib": "KiB",
}


@dataclass(frozen=True)
class Operands:
    """A pair of formats: bytes of the left and right element, and the format that is multiplied."""

    left: float
    right: float
    native: str


OPERANDS = {
    "fp32": Operands(4, 4, "fp32"),
    "tf32": Operands(4, 4, "tf32"),
    "fp16": Operands(2, 2, "fp16"),
    "bf16": Operands(2, 2, "bf16"),
    "fp8": Operands(1, 1, "fp8"),
    "int8": Operands(1, 1, "int8"),
    "fp16_int6": Operands(2, 0.75, "fp16"),
    "fp16_int4": Operands(2, 0.5, "fp16"),
    "bf16_int6": Operands(2, 0.75, "bf16"),
    "bf16_int4": Operands(2, 0.5, "bf16"),
}

# Registers of addresses, masks and loop, beside accumulators and operands: a round figure.
BASE_REGISTERS = 32
# How far along K a warp loads operands ahead of their multiplication: chosen on kernels that Triton compiled
# for compute capabilities 8.0 and 9.0 (`benchmarks/gpu_compiled.py`, seed 0; docs/models/gpu.md has the
# error on others).
FRAGMENT_DEPTH = 64
# Clocks of the barriers a step: a round figure.
BARRIER_CLOCKS = 40
# Instructions a weight that is turned from an integer into a float: of eight in a word, four to pick them
# apart two by two, four to subtract the offset, four to scale (counted after Y. Kim et al., "Who Says
# Elephants Can't Run", arXiv:2211.10017, section 3).
DEQUANTISATION = 1.5
# The next five were fitted to an H200's times of one layer, `feed_forward.down` of Llama 3.1 8B, at 16, 256
# and 4,096 tokens (`benchmarks/gpu_measured.py`; docs/models/gpu.md has the error on other layers).
# Clocks in which a multiprocessor takes a line of L2, or a part of one: rows of a tile that are shorter than
# a line along K, in which operands are contiguous, waste the rest.
LINE_BYTES = 128
LINE_CLOCKS = 1.5
# Of a tile that is copied, over the latency of a single load on an idle GPU: until the last of its lines is
# there, past others'.
LOADED_LATENCY = 3.1
# Instructions of a warp each step, beside those that load and multiply: addresses, masks, barriers, loop.
STEP_INSTRUCTIONS = 105
# How often a register that a thread lacks is written and read back each step.
SPILLED = 4
# Requests of several multiprocessors for the same line are joined on their way to L2, so that tiles may draw
# more than it delivers of distinct lines.
L2_JOINED = 1.65
# Of the peak, without the instructions of warp groups on Hopper: W. Luo et al., "Benchmarking and Dissecting
# the Nvidia Hopper GPU Architecture", arXiv:2402.13499, section on tensor cores: 62.9 % on average.
WARP_INSTRUCTION_SHARE = 0.629


def tensor_gemm_model(
    gpu: GPU,
    shapes: Sequence[GemmShape],
    *,
    operands: Sequence[str] = ("bf16",),
    output_bytes: int = 2,
) -> FunctionModel:
    """Return the cost model of matrix multiplications by one kernel on a GPU.

    Parameters
    ----------
    gpu
        The device.
    shapes
        What is multiplied; costs are of all of it, one after the other.
    operands
        Formats that designs may have; the device must multiply each.
    output_bytes
        Of an element of the result.

    Returns
    -------
    A vectorised model over the columns `COLUMNS` (on devices with clusters `HOPPER_COLUMNS` as well) with the
    metrics `METRICS`. Of the utilisations, each the share of the time for which a resource is busy, the
    greatest says what binds; where all are small, latency does.

    Raises
    ------
    ProblemError
        If there is no shape, or a format is unknown or not multiplied by the device.
    """
    if not shapes:
        raise ProblemError("shapes: name one at least, as in [GemmShape(4096, 4096, 4096)]")
    for item in operands:
        if item not in OPERANDS:
            raise ProblemError(f"operands: {item!r} is unknown; known are {', '.join(OPERANDS)}")
        gpu.tflops(OPERANDS[item].native)
    hopper = gpu.multiprocessor.cluster > 1

    def evaluate(d: Columns) -> Mapping[str, Any]:
        kernel = _Kernel(gpu, d, operands, hopper)
        total: dict[str, Any] = dict.fromkeys(
            ("seconds", "energy_mj", "compute", "shared", "l2", "dram", "waves"), 0.0
        )
        workspace: Any = 0.0
        flops = 0.0
        for shape in shapes:
            run = kernel.run(shape, output_bytes)
            for key in total:
                total[key] = total[key] + shape.count * run[key]
            workspace = np.maximum(workspace, run["workspace_bytes"])
            flops += shape.flops
        seconds = total["seconds"]
        return {
            "time_ms": 1e3 * seconds,
            "energy_mj": total["energy_mj"],
            "workspace_mib": workspace / 2**20,
            "tflops": 1e-12 * flops / seconds,
            "compute_utilisation": total["compute"] / seconds,
            "shared_utilisation": total["shared"] / seconds,
            "l2_utilisation": total["l2"] / seconds,
            "dram_utilisation": total["dram"] / seconds,
            "occupancy": np.minimum(kernel.resident * kernel.all_warps / gpu.multiprocessor.warps, 1.0),
            "waves": total["waves"] / sum(shape.count for shape in shapes),
            "registers": kernel.registers,
            "shared_kib": kernel.shared_bytes / 1024,
        }

    return cost_model(
        evaluate,
        metrics=METRICS,
        columns=COLUMNS + (HOPPER_COLUMNS if hopper else ()),
        name="gpu-tensor-gemm",
        version="2",
        settings={
            "gpu": gpu.name,
            "shapes": [[shape.m, shape.n, shape.k, shape.count] for shape in shapes],
            "operands": list(operands),
            "output_bytes": output_bytes,
        },
    )


class _Kernel:
    """What does not depend on the shape: arrays (n,) of clocks a step of ``block_k`` products."""

    def __init__(self, gpu: GPU, d: Columns, operands: Sequence[str], hopper: bool) -> None:
        unit = gpu.multiprocessor
        self.gpu = gpu
        self.block_m, self.block_n, self.block_k, self.warps, self.stages, self.group_m = (
            np.asarray(d[f"gpu.{name}"], float)
            for name in ("block_m", "block_n", "block_k", "warps", "stages", "group_m")
        )
        decomposition = np.asarray(d["gpu.decomposition"])
        self.split = np.asarray(d["gpu.split_k"], float)
        self.stream = decomposition == "stream_k"
        chosen = np.asarray(d["gpu.operands"])
        n = len(self.block_m)
        if hopper:
            self.specialised = np.asarray(d["gpu.specialised"], bool)
            self.cluster_m = np.asarray(d["gpu.cluster_m"], float)
            self.cluster_n = np.asarray(d["gpu.cluster_n"], float)
        else:
            self.specialised = np.zeros(n, dtype=bool)
            self.cluster_m = self.cluster_n = np.ones(n)

        self.left, self.right, peak = np.zeros(n), np.zeros(n), np.zeros(n)
        dequantised = np.zeros(n, dtype=bool)
        for item in operands:
            pair = OPERANDS[item]
            here = np.ones(n, dtype=bool) if len(operands) == 1 else chosen == item
            self.left[here], self.right[here] = pair.left, pair.right
            peak[here] = gpu.tflops(pair.native)
            dequantised |= here & (pair.right < pair.left)
        self.peak_tflops = peak
        flops_clock = peak * 1e12 / (gpu.multiprocessors * gpu.clock_hz)

        # Warp groups take both operands from shared memory; single warps hold them in registers.
        grouped = (
            np.zeros(n, dtype=bool)
            if unit.warp_group == 1
            else (self.block_m >= 64) & (self.warps >= unit.warp_group) & ~dequantised
        )
        if unit.warp_group > 1:
            flops_clock = np.where(grouped, flops_clock, flops_clock * WARP_INSTRUCTION_SHARE)
        down = np.clip(
            2 ** np.round(np.log2(np.sqrt(self.warps * self.block_m / self.block_n))),
            1,
            np.minimum(self.warps, np.maximum(self.block_m / 16, 1)),
        )
        across = self.warps / down
        tile_left = self.block_m * self.block_k * self.left
        tile_right = self.block_n * self.block_k * self.right
        read = np.where(
            grouped,
            tile_left + tile_right * self.block_m / 64,
            tile_left * across + tile_right * down,
        )
        self.tile_bytes = tile_left / self.cluster_n + tile_right / self.cluster_m
        mma = 2 * self.block_m * self.block_n * self.block_k / flops_clock
        shared = (read + tile_left + tile_right) / unit.shared_bytes_clock
        warp_mma = self.block_m * self.block_n * self.block_k * self.left / (16 * 8 * 32)
        fragments = read / (16 * unit.warp)
        converted = np.where(dequantised, DEQUANTISATION * self.block_n * self.block_k * down / unit.warp, 0)
        copies = 0 if unit.asynchronous_copy else 2 * (tile_left + tile_right) / (16 * unit.warp)
        loop = STEP_INSTRUCTIONS * self.warps
        issue = (np.where(grouped, 0, warp_mma + fragments) + converted + copies + loop) / unit.schedulers
        lines = self.block_m * np.ceil(self.block_k * self.left / LINE_BYTES) / self.cluster_n + (
            self.block_n * np.ceil(self.block_k * self.right / LINE_BYTES) / self.cluster_m
        )
        self.mma, self.shared = mma, shared

        self.all_warps = self.warps + np.where(self.specialised, unit.warp_group, 0)
        threads = self.all_warps * unit.warp
        sums = self.block_m * self.block_n / (self.warps * unit.warp)
        ahead = np.minimum(1.0, FRAGMENT_DEPTH / self.block_k)
        held = np.where(grouped, 0, ahead * read / (4 * self.warps * unit.warp))
        staged = np.where(
            (self.stages == 1) | (not unit.asynchronous_copy),
            (tile_left + tile_right) / (4 * self.warps * unit.warp),
            0,
        )
        wanted = BASE_REGISTERS + sums + held + staged
        self.registers = np.minimum(
            wanted, np.minimum(unit.registers_thread, np.floor(unit.registers / threads))
        )
        spilled = 8 * SPILLED * (wanted - self.registers) * threads / unit.shared_bytes_clock
        self.busy = overlapped(mma, shared, issue, LINE_CLOCKS * lines) + spilled
        # Fewer warps than schedulers leave matrix units idle while a block is alone.
        self.alone = (
            (self.busy - spilled) * unit.schedulers / np.minimum(self.warps, unit.schedulers)
            + spilled
            + unit.latency_shared
            + BARRIER_CLOCKS
        )
        # Warp groups read a tile where it lies: it makes room for the next once it is multiplied.
        self.ahead = np.maximum(self.stages - np.where(grouped & ~self.specialised, 2, 1), 0)
        # Single warps take a tile into registers before the next arrives in its place.
        buffers = np.where(grouped, self.stages, np.maximum(self.stages - 1, 1))
        self.shared_bytes = buffers * (tile_left + tile_right)
        self.resident = np.maximum(blocks_resident(unit, threads, self.registers, self.shared_bytes), 1)

    def run(self, shape: GemmShape, output_bytes: int) -> dict[str, Any]:
        """Return seconds, energy and what kept busy for one multiplication, arrays (n,)."""
        gpu, unit = self.gpu, self.gpu.multiprocessor
        rows, columns = np.ceil(shape.m / self.block_m), np.ceil(shape.n / self.block_n)
        steps = np.ceil(shape.k / self.block_k)
        cluster = self.cluster_m * self.cluster_n
        rows, columns = (
            np.ceil(rows / self.cluster_m) * self.cluster_m,
            np.ceil(columns / self.cluster_n) * self.cluster_n,
        )
        multiprocessors = np.floor(gpu.multiprocessors / cluster) * cluster
        tiles = rows * columns
        slots = multiprocessors * self.resident
        own_steps = np.ceil(steps / self.split)
        blocks = np.where(self.stream, np.minimum(slots, tiles * steps), tiles * self.split)

        dram_operands = operand_bytes(
            rows,
            columns,
            self.group_m,
            np.maximum(slots / self.split, 1),
            self.block_m * shape.k * self.left,
            self.block_n * shape.k * self.right,
            gpu.l2_mib * 2**20,
        )
        l2_operands = tiles * steps * self.tile_bytes
        missed = np.minimum(dram_operands / l2_operands, 1.0)
        latency = LOADED_LATENCY * (unit.latency_l2 + (unit.latency_dram - unit.latency_l2) * missed)
        waiting = np.where(
            self.ahead > 0,
            np.maximum(self.alone, latency / np.maximum(self.ahead, 1)),
            self.alone + latency,
        )
        partial = 4.0 * self.block_m * self.block_n
        final = output_bytes * self.block_m * self.block_n
        out = np.where(self.split > 1, partial, final)
        first = LOADED_LATENCY * unit.latency_dram
        ends = first + self.alone + out / unit.shared_bytes_clock + latency
        # Another block, or warps of its own, work while a block begins and ends.
        hidden = np.where(self.specialised, 2.0, 1.0)
        whole = wave_clocks(
            blocks,
            self.resident,
            multiprocessors,
            own_steps * self.busy,
            own_steps * waiting + ends / hidden,
        )
        dealt = np.ceil(tiles * steps / np.minimum(slots, tiles * steps))
        # A tile that several blocks share is written, read again and added up.
        mended = 2 * (ends + partial / unit.shared_bytes_clock)
        streamed = np.maximum(self.resident * dealt * self.busy, dealt * waiting) + mended
        clocks = np.where(self.stream, streamed, whole)

        workspace = np.where(
            self.stream,
            np.minimum(slots, tiles) * partial,
            np.where(self.split > 1, self.split * shape.m * shape.n * 4.0, 0.0),
        )
        result = float(output_bytes * shape.m * shape.n)
        # Partial sums go through L2, and through DRAM as far as they do not fit.
        spilled = np.clip(workspace / (gpu.l2_mib * 2**20), 0, 1) * 2 * workspace
        dram_bytes = dram_operands + result + spilled
        l2_bytes = l2_operands + 2 * workspace + result
        l2_clocks = l2_bytes / (L2_JOINED * gpu.l2_bytes_clock)
        dram_seconds = dram_bytes / (DRAM_SHARE * gpu.dram_gb_s * 1e9)
        launches = 1 + (self.split > 1)
        seconds = (
            overlapped(clocks / gpu.clock_hz, l2_clocks / gpu.clock_hz, dram_seconds)
            + launches * LAUNCH_US * 1e-6
        )
        flops = 2.0 * shape.m * shape.n * shape.k
        work = tiles * steps / gpu.multiprocessors / gpu.clock_hz
        return {
            "seconds": seconds,
            "energy_mj": energy_mj(gpu, seconds, flops, self.peak_tflops, dram_bytes),
            "compute": flops / (self.peak_tflops * 1e12),
            "shared": self.shared * work,
            "l2": l2_clocks / gpu.clock_hz,
            "dram": dram_seconds,
            "waves": blocks / slots,
            "workspace_bytes": workspace,
        }
