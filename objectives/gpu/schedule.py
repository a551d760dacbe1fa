"""How blocks of a kernel fill a GPU: waves, and what a wave reads."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def wave_clocks(blocks: Any, resident: Any, multiprocessors: Any, busy: Any, alone: Any) -> Floats:
    """Return the clocks in which all blocks are done, arrays (n,).

    Parameters
    ----------
    blocks
        In all.
    resident
        Blocks that a multiprocessor holds.
    multiprocessors
        How many there are.
    busy
        Clocks for which a block keeps the busiest resource of its multiprocessor.
    alone
        Clocks that a block takes by itself, waits included.

    Notes
    -----
    Waves are full but for the last, whose blocks are spread over the multiprocessors.
    """
    slots = multiprocessors * resident
    waves = np.floor(blocks / slots)
    rest = np.ceil((blocks - waves * slots) / multiprocessors)
    last = np.where(rest > 0, np.maximum(rest * busy, alone), 0.0)
    return np.asarray(waves * np.maximum(resident * busy, alone) + last, float)


def operand_bytes(
    rows: Any, columns: Any, group: Any, slots: Any, row_bytes: Any, column_bytes: Any, l2_bytes: float
) -> Floats:
    """Return the bytes of operands that come from DRAM, arrays (n,).

    Parameters
    ----------
    rows, columns
        Tiles of the result.
    group
        Rows of tiles that are walked together, column by column.
    slots
        Blocks that run at the same time.
    row_bytes, column_bytes
        Of the operand of a row of tiles, and of a column.
    l2_bytes
        Level-2 cache.

    Notes
    -----
    What a wave reads it reads once. What was read by an earlier wave is read again as far as the operands
    exceed the cache: the share of them that does not fit.
    """
    tall = np.minimum(np.minimum(group, rows), slots)
    wide = np.minimum(np.ceil(slots / tall), columns)
    tall = np.minimum(np.maximum(tall, np.ceil(slots / wide)), rows)
    wave = tall * row_bytes + wide * column_bytes
    waves = np.maximum(rows * columns / np.minimum(slots, rows * columns), 1.0)
    once = rows * row_bytes + columns * column_bytes
    again = np.maximum(waves * wave - once, 0.0)
    return np.asarray(once + again * np.clip(once / l2_bytes - 1.0, 0.0, 1.0), float)
