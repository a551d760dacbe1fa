"""Unit costs of logic, each with its source.

Sources
-------
[H] M. Horowitz, "Computing's energy problem (and what we can do about it)", ISSCC 2014, figure 1.1.9:
    energy of operations at 45 nm, 0.9 V.
[D] W. J. Dally, "High-performance hardware for machine learning", tutorial at NIPS 2015: the energies of
    [H] with areas beside them, synthesised for TSMC 45 nm (floating point from the DesignWare library).
[N] NanGate 45 nm open cell library (FreePDK45), typical corner, smallest drive strength: cell areas.
[J] JEDEC JESD209-5 (LPDDR5): 6,400 MT/s.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Technology:
    """Areas in µm² and energies in pJ of one process node.

    Attributes
    ----------
    integer_add_bits, integer_add_um2, integer_add_pj
        Support points of integer adders by width in bits; interpolated linearly in between, and
        extrapolated beyond by the nearest two.
    float_add_um2, float_add_pj
        Floating-point adders by format.
    mux2_um2, xor2_um2, and2_um2, register_um2
        Cells, a bit.
    logic_pj_per_um2
        Energy of one operation of other logic, an area: that of the integer adders. An estimate.
    """

    name: str
    integer_add_bits: tuple[float, ...]
    integer_add_um2: tuple[float, ...]
    integer_add_pj: tuple[float, ...]
    float_add_um2: dict[str, float]
    float_add_pj: dict[str, float]
    mux2_um2: float
    xor2_um2: float
    and2_um2: float
    register_um2: float
    logic_pj_per_um2: float

    def add_um2(self, bits: ArrayLike) -> Floats:
        """Return the area of integer adders of the given widths in bits."""
        return _piecewise(bits, self.integer_add_bits, self.integer_add_um2)

    def add_pj(self, bits: ArrayLike) -> Floats:
        """Return the energy of an addition in integer adders of the given widths in bits."""
        return _piecewise(bits, self.integer_add_bits, self.integer_add_pj)


def _piecewise(at: ArrayLike, x: tuple[float, ...], y: tuple[float, ...]) -> Floats:
    points, values, grid = np.asarray(at, float), np.array(y), np.array(x)
    piece = np.clip(np.searchsorted(grid, points) - 1, 0, len(grid) - 2)
    slope = (values[piece + 1] - values[piece]) / (grid[piece + 1] - grid[piece])
    return np.asarray(values[piece] + slope * (points - grid[piece]))


CMOS_45NM = Technology(
    name="45nm",
    integer_add_bits=(8, 16, 32),
    integer_add_um2=(36, 67, 137),  # [D]
    integer_add_pj=(0.03, 0.05, 0.1),  # [H] for 8 and 32 bits, [D] for 16
    float_add_um2={"fp16": 1360, "fp32": 4184},  # [D]
    float_add_pj={"fp16": 0.4, "fp32": 0.9},  # [H]
    mux2_um2=1.862,  # [N] MUX2_X1
    xor2_um2=1.596,  # [N] XOR2_X1
    and2_um2=1.064,  # [N] AND2_X1
    register_um2=4.522,  # [N] DFF_X1
    logic_pj_per_um2=0.05 / 67,  # [D], the 16-bit adder
)

# 64 data lines at 6,400 MT/s [J].
LPDDR5_X64_GB_S = 51.2

# 1.3 nJ for 64 bits, the lower of the two figures of [H] for DRAM.
DRAM_PJ_PER_BIT = 1_300 / 64


@dataclass(frozen=True)
class Activation:
    """A number format of activations.

    Attributes
    ----------
    bits
        Width of an activation.
    adder
        None for integers; else the floating-point format that sums within tables and the reduction use.
    accumulator
        None for integers (the width follows from the workload); else the accumulator's format.
    """

    name: str
    bits: int
    adder: str | None = None
    accumulator: str | None = None


ACTIVATIONS = {
    item.name: item
    for item in (
        Activation("int4", 4),
        Activation("int8", 8),
        Activation("int16", 16),
        Activation("fp16", 16, "fp16", "fp32"),
        Activation("fp32", 32, "fp32", "fp32"),
    )
}

FORMAT_BITS = {"fp16": 16, "fp32": 32}
