"""The space of lookup-table cores for ternary weights."""

from __future__ import annotations

from dse import Categorical, Integer, Ordinal, Space


def lut_space(*, most_macs: int = 4096, least_macs: int = 32) -> Space:
    """Return the space of lookup-table cores, with the add/subtract core as a group of one.

    Parameters
    ----------
    least_macs, most_macs
        Bounds on the multiply-accumulates that all cores together replace in a cycle.

    Returns
    -------
    Parameters ``lut.*``:

    - ``group_size``: activations a table (1: no table, the activation itself is added or subtracted);
    - ``storage``: every signed sum, or half of them by symmetry of sign;
    - ``construction``: an adder for every sum, or one adder and a sum a cycle;
    - ``double_buffer``: whether the next table is built while one is read;
    - ``tables``: tables side by side along K; ``readers``: outputs read at once from a table, along N;
    - ``accumulators``: outputs a reader keeps, one served a cycle, while a table stands;
    - ``cores``: copies that share the outputs.

    Notes
    -----
    A step takes at most 256 activations, the width of the port that brings them. A group of one has no
    table to store or build: ``storage`` and ``construction`` are not active.
    """
    return Space(
        [
            Integer("lut.group_size", 1, 6),
            Categorical("lut.storage", ["half", "full"], active_if="lut.group_size > 1"),
            Categorical("lut.construction", ["parallel", "serial"], active_if="lut.group_size > 1"),
            Categorical("lut.double_buffer", [False, True]),
            Ordinal("lut.tables", [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64]),
            Ordinal("lut.readers", [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256]),
            Ordinal("lut.accumulators", [1, 2, 4, 8, 16, 32, 64]),
            Ordinal("lut.cores", [1, 2, 3, 4, 6, 8, 12, 16]),
        ],
        [
            "lut.tables * lut.group_size <= 256",
            f"{least_macs} <= lut.tables * lut.group_size * lut.readers * lut.cores <= {most_macs}",
        ],
    )
