"""Verilog-2001 of one core."""

from __future__ import annotations

from dataclasses import fields

from objectives.lut.core import Core
from objectives.lut.rtl.control import control
from objectives.lut.rtl.readers import accumulator, adder, reader, reduction
from objectives.lut.rtl.tables import builder, table
from objectives.lut.rtl.top import TOP, top

__all__ = ["TOP", "verilog"]


def verilog(core: Core) -> str:
    """Return the Verilog-2001 of a core; the top module is ``lut_core``.

    Ports
    -----
    ``act_valid, act_ready, act``
        A word of activations, rows outermost, then tables, then places of a group, the first lowest. A
        shared construction takes the groups of one table a word, the first table first.
    ``read_valid, read_ready, index``
        A read of every table by every reader: indices, readers outermost, then tables, the first lowest. With
        it come ``slot`` (which sum), ``plane`` (which bit plane), ``first`` and ``last`` (whether it begins
        and completes a sum), ``release_tables`` (the last read of these tables).
    ``partial``
        Of a table_stationary core: the sums before a read, rows outermost, then readers. They are taken in
        the cycle that ``accumulate`` is high.
    ``result_valid, result_slot, result``
        Sums, rows outermost, then readers, as they are completed (table_stationary: after every read).

    A word is taken in a cycle where valid and ready are high. In a chain, the parts of ``act`` and
    ``index`` that belong to table t are taken t cycles later: the memories in front hold them skewed.
    """
    made_of = ", ".join(f"{field.name}={getattr(core, field.name)}" for field in fields(core))
    parts = [f"// A look-up-table core: {made_of}.\n", adder()]
    if core.unit == "lookup":
        if core.construction != "serial":
            parts.append(builder(core))
        parts.append(table(core))
    parts += [reader(core), reduction(core), accumulator(core), control(core), top(core)]
    return "\n".join(parts)
