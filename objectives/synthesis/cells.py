"""A small library of standard cells: names, functions and areas.

Areas are those published for the smallest drive strength in the NanGate 45 nm Open Cell Library (FreePDK45):
multiples of a site of 0.19 um by a row of 1.4 um, 0.266 um2. They were read from
public transcriptions of the library, not from its file; two agree with these, others give MUX2_X1 as 2.660.
Only these facts are taken; timing is left out,
so that mapping is for least area. Registers have no reset and no initial value.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """A cell with one output.

    Attributes
    ----------
    inputs
        Names of its inputs.
    function
        Of the output, as Liberty writes it; for a register, of the next state.
    register
        Whether the output changes with the clock ``CK`` alone.
    """

    name: str
    area_um2: float
    inputs: tuple[str, ...]
    function: str
    register: bool = False

    @property
    def output(self) -> str:
        """The output's name."""
        return "Q" if self.register else "Z"


NANGATE_45NM = (
    Cell("INV_X1", 0.532, ("A",), "!A"),
    Cell("BUF_X1", 0.798, ("A",), "A"),
    Cell("NAND2_X1", 0.798, ("A", "B"), "!(A & B)"),
    Cell("NOR2_X1", 0.798, ("A", "B"), "!(A | B)"),
    Cell("AND2_X1", 1.064, ("A", "B"), "(A & B)"),
    Cell("OR2_X1", 1.064, ("A", "B"), "(A | B)"),
    Cell("NAND3_X1", 1.064, ("A", "B", "C"), "!(A & B & C)"),
    Cell("NOR3_X1", 1.064, ("A", "B", "C"), "!(A | B | C)"),
    Cell("XOR2_X1", 1.596, ("A", "B"), "(A ^ B)"),
    Cell("XNOR2_X1", 1.596, ("A", "B"), "!(A ^ B)"),
    Cell("AOI21_X1", 1.064, ("A", "B", "C"), "!(A | (B & C))"),
    Cell("OAI21_X1", 1.064, ("A", "B", "C"), "!(A & (B | C))"),
    Cell("AOI22_X1", 1.330, ("A", "B", "C", "D"), "!((A & B) | (C & D))"),
    Cell("OAI22_X1", 1.330, ("A", "B", "C", "D"), "!((A | B) & (C | D))"),
    Cell("MUX2_X1", 1.862, ("A", "B", "S"), "((S & B) | (A & !S))"),
    Cell("DFF_X1", 4.522, ("D",), "D", register=True),
)


def liberty(cells: Iterable[Cell], name: str = "cells") -> str:
    """Return a Liberty file of the cells, without timing.

    ABC needs an inverter and a buffer among them.
    """
    lines = [f"library({name}) {{", "  delay_model : table_lookup;"]
    for cell in cells:
        lines.append(f"  cell({cell.name}) {{")
        lines.append(f"    area : {cell.area_um2};")
        if cell.register:
            lines.append(f'    ff(IQ, IQN) {{ clocked_on : "CK"; next_state : "{cell.function}"; }}')
            lines.append("    pin(CK) { direction : input; clock : true; }")
        lines += [f"    pin({pin}) {{ direction : input; capacitance : 1; }}" for pin in cell.inputs]
        function = "IQ" if cell.register else cell.function
        lines.append(f'    pin({cell.output}) {{ direction : output; function : "{function}"; }}')
        lines.append("  }")
    return "\n".join([*lines, "}", ""])
