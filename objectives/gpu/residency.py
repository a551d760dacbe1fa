"""How many blocks of a kernel a multiprocessor holds, and what limits them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from objectives.devices import Multiprocessor

Floats = NDArray[np.float64]
Array = NDArray[Any]


def blocks_resident(
    multiprocessor: Multiprocessor, threads: ArrayLike, registers: ArrayLike, shared_bytes: ArrayLike
) -> Floats:
    """Return the blocks that a multiprocessor holds at once, arrays (n,); 0 where a block does not fit.

    Parameters
    ----------
    multiprocessor
        Whose limits hold.
    threads
        Of a block.
    registers
        32-bit registers of a thread.
    shared_bytes
        Shared memory of a block.

    Notes
    -----
    The arithmetic of NVIDIA's occupancy calculator: registers are given to warps in units, warps in multiples
    of the schedulers, shared memory to blocks in units on top of what the system reserves.
    """
    threads, registers, shared = (np.asarray(item, float) for item in (threads, registers, shared_bytes))
    unit = multiprocessor
    warps = np.ceil(threads / unit.warp)
    warp_registers = np.ceil(registers * unit.warp / unit.register_unit) * unit.register_unit
    held = np.floor(unit.registers / unit.schedulers / np.maximum(warp_registers, 1)) * unit.schedulers
    by_registers = np.floor(held / warps)
    taken = np.ceil((shared + unit.shared_reserved_bytes) / unit.shared_unit_bytes) * unit.shared_unit_bytes
    with np.errstate(divide="ignore"):
        by_shared = np.floor(unit.shared_kib * 1024 / taken)
    by_threads = np.minimum(np.floor(unit.threads / threads), np.floor(unit.warps / warps))
    blocks = np.minimum(np.minimum(by_registers, by_shared), np.minimum(by_threads, unit.blocks))
    fits = (registers <= unit.registers_thread) & (shared <= unit.shared_block_kib * 1024)
    return np.where(fits, blocks, 0.0)
