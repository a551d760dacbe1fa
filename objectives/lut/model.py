"""Area, energy and decode latency of lookup-table cores for ternary weights.

A core computes ``y = W x`` for ternary ``W``. Activations are taken in groups; a *table* holds the sums of a
group under every pattern of weights, and a *reader* selects one of them by the weights' index in place of
multiplying. ``tables`` groups are summed at once by a tree behind each reader, into one of its
``accumulators``. While a table stands, a reader serves one accumulator a cycle, so a table is built once for
``readers * accumulators`` outputs. A group of one is a core without tables: each reader adds, subtracts or
skips the activation itself.

See docs/models/lut.md for the formulas, what they were checked against, and what is left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse import cost_model
from dse.errors import ProblemError
from dse.expressions import Columns
from dse.models import FunctionModel
from objectives.lut.technology import (
    ACTIVATIONS,
    CMOS_45NM,
    DRAM_PJ_PER_BIT,
    FORMAT_BITS,
    LPDDR5_X64_GB_S,
    Activation,
    Technology,
)
from objectives.workloads import Workload

Floats = NDArray[np.float64]

COLUMNS = (
    "lut.group_size",
    "lut.storage",
    "lut.construction",
    "lut.double_buffer",
    "lut.tables",
    "lut.readers",
    "lut.accumulators",
    "lut.cores",
)

METRICS = {
    "area_mm2": "mm2",
    "energy_per_token_mj": "mJ",
    "decode_latency_ms": "ms",
    "dram_energy_per_token_mj": "mJ",
    "system_energy_per_token_mj": "mJ",
    "leakage_share": "",
    "core_power_mw": "mW",
    "throughput_gops": "GOPS",
    "utilisation": "",
    "compute_bound_share": "",
    "table_area_share": "",
    "reader_area_share": "",
    "reduction_area_share": "",
}


def index_bits(group_size: NDArray[Any]) -> Floats:
    """Return the bits that encode a group of ternary weights, ``ceil(log2(3 ** g))``."""
    return np.ceil(np.asarray(group_size, float) * math.log2(3.0))


def entries(group_size: NDArray[Any], half: NDArray[np.bool_]) -> Floats:
    """Return the stored sums of a table: all ``3 ** g``, or half of the nonzero ones by symmetry of sign."""
    every = 3.0 ** np.asarray(group_size)
    return np.asarray(np.where(half, (every - 1) / 2, every))


def additions(group_size: NDArray[Any], half: NDArray[np.bool_], is_float: bool) -> Floats:
    """Return the additions that build a table, each sum from a smaller one and one activation.

    Sums of two activations or more take one addition; a full table of integers also negates each
    activation (the sign of a float is a wire).
    """
    g = np.asarray(group_size, float)
    positive = (3.0**g - 1) / 2 - g
    negative = np.zeros_like(g) if is_float else (3.0**g - 1) / 2
    return np.asarray(np.where(half, positive, positive + negative))


def lut_cost_model(
    workload: Workload,
    *,
    activation: str = "int8",
    technology: Technology = CMOS_45NM,
    clock_mhz: float = 500.0,
    bandwidth_gb_s: float = LPDDR5_X64_GB_S,
    dram_pj_per_bit: float = DRAM_PJ_PER_BIT,
) -> FunctionModel:
    """Return the cost model of lookup-table cores that decode a workload, token by token.

    Parameters
    ----------
    workload
        The linear layers with ternary weights.
    activation
        Format of activations: int4, int8, int16, fp8, bf16, fp16 or fp32.
    technology
        Unit costs.
    clock_mhz
        Of the cores. The critical path is not modelled: choose a clock that the node reaches.
    bandwidth_gb_s
        Of the memory that holds the weights, in 10⁹ bytes a second.
    dram_pj_per_bit
        Energy of reading a bit from that memory.

    Returns
    -------
    A vectorised model over the columns `COLUMNS` with the metrics `METRICS`.

    Raises
    ------
    ProblemError
        If the activation is unknown or a number is not positive.
    """
    if activation not in ACTIVATIONS:
        raise ProblemError(f"activation={activation!r} is unknown; known are {', '.join(ACTIVATIONS)}")
    numbers = {"clock_mhz": clock_mhz, "bandwidth_gb_s": bandwidth_gb_s, "dram_pj_per_bit": dram_pj_per_bit}
    for label, value in numbers.items():
        if not value > 0 or not np.isfinite(value):
            raise ProblemError(f"{label}={value!r} must be a positive number")
    chosen = ACTIVATIONS[activation]
    inputs, outputs, count = workload.shapes.astype(float).T
    accumulator = FORMAT_BITS.get(chosen.accumulator or "", chosen.bits + int(np.ceil(np.log2(inputs.max()))))

    def evaluate(d: Columns) -> Mapping[str, Floats]:
        core = _Core(d, chosen, technology, accumulator)
        cycles, builds, reads = core.schedule(inputs, outputs)
        seconds = cycles / (clock_mhz * 1e6)
        bits = np.ceil(inputs / core.group[:, None]) * core.index_bits[:, None] * outputs
        memory_seconds = bits / 8 / (bandwidth_gb_s * 1e9)
        latency = np.maximum(seconds, memory_seconds) @ count
        area = core.table_um2 + core.reader_um2 + core.reduction_um2
        switching = (builds * core.build_pj[:, None] + reads * core.read_pj[:, None]) @ count
        leakage = technology.leakage_mw_per_mm2 * (core.cores * area * 1e-6) * latency * 1e9
        picojoules = switching + leakage
        memory = (bits @ count) * dram_pj_per_bit
        parallel = core.group * core.tables * core.readers * core.cores
        return {
            "area_mm2": core.cores * area * 1e-6,
            "energy_per_token_mj": picojoules * 1e-9,
            "decode_latency_ms": latency * 1e3,
            "dram_energy_per_token_mj": memory * 1e-9,
            "system_energy_per_token_mj": (picojoules + memory) * 1e-9,
            "leakage_share": leakage / picojoules,
            "core_power_mw": picojoules * 1e-12 / latency * 1e3,
            "throughput_gops": 2 * workload.weights / latency * 1e-9,
            "utilisation": workload.weights / (parallel * (cycles @ count)),
            "compute_bound_share": (np.where(seconds >= memory_seconds, seconds, 0.0) @ count) / latency,
            "table_area_share": core.table_um2 / area,
            "reader_area_share": core.reader_um2 / area,
            "reduction_area_share": core.reduction_um2 / area,
        }

    return cost_model(
        evaluate,
        metrics=METRICS,
        columns=COLUMNS,
        name="lut-core",
        version="2",
        settings={
            "workload": workload.name,
            "activation": activation,
            "technology": technology.name,
            **{label: float(value) for label, value in numbers.items()},
        },
    )


class _Core:
    """Counts of one core's parts, arrays (n,), and their costs in µm² and pJ."""

    def __init__(self, d: Columns, activation: Activation, technology: Technology, accumulator: int) -> None:
        self.group = np.asarray(d["lut.group_size"], float)
        self.tables = np.asarray(d["lut.tables"], float)
        self.readers = np.asarray(d["lut.readers"], float)
        self.slots = np.asarray(d["lut.accumulators"], float)
        self.cores = np.asarray(d["lut.cores"], float)
        self.buffers = 1.0 + np.asarray(d["lut.double_buffer"], float)
        self.serial = d["lut.construction"] == "serial"
        half = d["lut.storage"] == "half"
        is_float = activation.adder is not None
        self.entries = entries(self.group, half)
        self.additions = additions(self.group, half, is_float)
        self.index_bits = index_bits(self.group)

        # A sum of g integers of b bits takes b + ceil(log2 g) bits; a float keeps its format.
        growth = 0.0 if is_float else np.ceil(np.log2(self.group))
        width = activation.table_bits + growth
        if activation.adder is not None:
            add_um2 = np.full_like(self.group, technology.float_add_um2[activation.adder])
            add_pj = np.full_like(self.group, technology.float_add_pj[activation.adder])
            tree_um2, tree_pj = (self.tables - 1) * add_um2, (self.tables - 1) * add_pj
            sum_um2 = technology.float_add_um2[activation.accumulator or activation.adder]
            sum_pj = technology.float_add_pj[activation.accumulator or activation.adder]
        else:
            add_um2, add_pj = technology.add_um2(width), technology.add_pj(width)
            # The tree's widths grow by a bit a level; half of its adders are in the first, and so on.
            mean = width + _mean_level(self.tables)
            tree_um2 = (self.tables - 1) * technology.add_um2(mean)
            tree_pj = (self.tables - 1) * technology.add_pj(mean)
            sum_um2, sum_pj = float(technology.add_um2(accumulator)), float(technology.add_pj(accumulator))
        logic = technology.logic_pj_per_um2

        register = technology.register_um2
        adders = np.where(self.serial, np.minimum(1.0, self.additions), self.additions)
        inputs_um2 = self.tables * self.group * activation.bits * register
        storage_um2 = self.entries * width * register
        self.table_um2 = inputs_um2 + self.tables * (adders * add_um2 + self.buffers * storage_um2)

        # Sign and zero are applied behind a half table; a full one holds every signed sum.
        signed = 1.0 if is_float else width
        sign_um2 = np.where(half, signed * technology.xor2_um2 + width * technology.and2_um2, 0.0)
        select_um2 = (self.entries - 1) * width * technology.mux2_um2 + sign_um2
        index_um2 = self.index_bits * register
        self.reader_um2 = self.readers * self.tables * (select_um2 + index_um2)

        slots_um2 = self.slots * accumulator * register + (self.slots - 1) * accumulator * technology.mux2_um2
        self.reduction_um2 = self.readers * (tree_um2 + sum_um2 + slots_um2)

        # One table built once; one output advanced by all tables once.
        written_um2 = storage_um2 + self.group * activation.bits * register
        self.build_pj = self.tables * (self.additions * add_pj + written_um2 * logic)
        slot_um2 = accumulator * (register + np.log2(self.slots) * technology.mux2_um2)
        self.read_pj = tree_pj + sum_pj + (self.tables * (select_um2 + index_um2) + slot_um2) * logic
        self.build_cycles = np.where(self.serial, np.maximum(self.additions, 1.0), 1.0)

    def schedule(self, inputs: Floats, outputs: Floats) -> tuple[Floats, Floats, Floats]:
        """Return cycles, table builds and outputs advanced, matrices (n, layers), for one token.

        The last step along K, and the last tile along N, may be ragged and cost as much as a full one.
        """
        per_step = (self.tables * self.group)[:, None]
        steps = np.ceil(inputs / per_step)
        turns = np.ceil(outputs / (self.readers * self.cores)[:, None])
        slots = self.slots[:, None]
        full, rest = np.floor(turns / slots), np.mod(turns, slots)
        cycles = steps * (full * self._turn(slots) + np.where(rest > 0, self._turn(rest), 0.0))
        builds = steps * np.ceil(turns / slots) * self.cores[:, None]
        return cycles, builds, steps * outputs

    def _turn(self, reads: Floats) -> Floats:
        """Return the cycles of building tables once and reading them `reads` times."""
        build = self.build_cycles[:, None]
        return np.where(self.buffers[:, None] > 1, np.maximum(reads, build), reads + build)


def _mean_level(inputs: Floats) -> Floats:
    """Return the mean level, from 0, of the adders of a tree (n,): exact for powers of two.

    The sum over levels l of ``l * inputs / 2 ** (l + 1)``, divided by the ``inputs - 1`` adders.
    """
    return (inputs - 1 - np.log2(inputs)) / np.maximum(inputs - 1, 1.0)
