"""Verilog of the control: when tables are built, replaced and read."""

from __future__ import annotations

from objectives.lut.core import Core
from objectives.lut.patterns import steps
from objectives.lut.rtl.text import module, port, vector


def is_serial(core: Core) -> bool:
    """Return whether one adder builds a table, a sum a cycle."""
    return core.unit == "lookup" and core.construction == "serial"


def is_shared(core: Core) -> bool:
    """Return whether the adders of one table serve all, a table a cycle."""
    return core.unit == "lookup" and core.construction == "shared"


def control(core: Core) -> str:
    """Return the module that takes words and reads, and says when tables are built and replaced."""
    if is_serial(core):
        return _serial_control(core)
    if is_shared(core):
        return _shared_control(core)
    ports = [
        "input clk", "input rst", "input act_valid", "output act_ready",
        "input read_valid", "output read_ready", "input release_tables",
        "output load", "output read",
    ]  # fmt: skip
    body = [
        "reg full;",
        "assign read_ready = full;",
        "assign read = read_valid && full;",
        "assign act_ready = !full || (read && release_tables);",
        "assign load = act_valid && act_ready;",
        "always @(posedge clk)",
        "    if (rst) full <= 1'b0;",
        "    else if (act_ready) full <= load;",
    ]
    return "// Takes the next activations with the last read of these.\n" + module("lut_control", ports, body)


def _shared_control(core: Core) -> str:
    bits = (core.tables - 1).bit_length()
    ports = [
        "input clk", "input rst", "input act_valid", "output act_ready",
        "input read_valid", "output read_ready", "input release_tables",
        port("output", core.tables, "load"), "output read",
    ]  # fmt: skip
    if core.double_buffer:
        ports.insert(-1, "output swap")
    last = f"{bits}'d{core.tables - 1}"
    body = [
        "reg full;",
        f"reg {vector(bits)} table_number;",
        "assign read_ready = full;",
        "assign read = read_valid && full;",
        "wire free = !full || (read && release_tables);",
        f"wire complete = act_valid && act_ready && table_number == {last};",
        f"assign load = {{{core.tables - 1}'d0, act_valid && act_ready}} << table_number;",
        "always @(posedge clk)",
        f"    if (rst) table_number <= {bits}'d0;",
        "    else if (act_valid && act_ready)",
        f"        table_number <= complete ? {bits}'d0 : table_number + {bits}'d1;",
    ]
    if core.double_buffer:
        body += [
            "reg next_full;",
            "assign swap = next_full && free;",
            "assign act_ready = !next_full || swap;",
            "always @(posedge clk)",
            "    if (rst) next_full <= 1'b0;",
            "    else if (complete) next_full <= 1'b1;",
            "    else if (swap) next_full <= 1'b0;",
            "always @(posedge clk)",
            "    if (rst) full <= 1'b0;",
            "    else if (free) full <= swap;",
        ]
    else:
        body += [
            "assign act_ready = free;",
            "always @(posedge clk)",
            "    if (rst) full <= 1'b0;",
            "    else if (free) full <= complete;",
        ]
    return "// Serves one table a cycle.\n" + module("lut_control", ports, body)


def _serial_control(core: Core) -> str:
    plan = steps(core.ternary, core.group_size, core.half)
    bits = (len(plan) - 1).bit_length()
    place_bits = (core.group_size - 1).bit_length()
    ports = [
        "input clk", "input rst", "input act_valid", "output act_ready",
        "input read_valid", "output read_ready", "input release_tables",
        "output load", "output reg build", "output reg clear", "output reg negate",
    ]  # fmt: skip
    ports += [] if core.ternary else ["output reg twice"]
    ports += [port("output reg", place_bits, "place")]
    ports += ["output swap"] if core.double_buffer else []
    ports += ["output read"]
    last = f"{bits}'d{len(plan) - 1}"
    names = ["clear", "negate", *([] if core.ternary else ["twice"]), "place"]
    body = [
        "reg full;",
        "reg pending;",
        f"reg {vector(bits)} number;",
        "assign read_ready = full;",
        "assign read = read_valid && full;",
        "wire free = !full || (read && release_tables);",
        f"wire complete = build && number == {last};",
        "assign act_ready = !pending || complete;",
        "assign load = act_valid && act_ready;",
        "always @* case (number)",
    ]
    for place, step in enumerate(plan):
        values = [f"1'b{int(step.clear)}", f"1'b{int(step.factor < 0)}"]
        values += [] if core.ternary else [f"1'b{int(abs(step.factor) == 2)}"]
        values.append(f"{place_bits}'d{step.activation}")
        label = "default" if place == len(plan) - 1 else f"{bits}'d{place}"
        body.append(f"    {label}: {{{', '.join(names)}}} = {{{', '.join(values)}}};")
    body += [
        "endcase",
        "always @(posedge clk)",
        "    if (rst) pending <= 1'b0;",
        "    else if (act_ready) pending <= load;",
        "always @(posedge clk)",
        f"    if (!build || complete) number <= {bits}'d0;",
        f"    else number <= number + {bits}'d1;",
    ]
    if core.double_buffer:
        body += [
            "reg next_full;",
            "assign swap = next_full && free;",
            "wire start = pending && !build && (!next_full || swap);",
            "always @(posedge clk)",
            "    if (rst) next_full <= 1'b0;",
            "    else if (complete) next_full <= 1'b1;",
            "    else if (swap) next_full <= 1'b0;",
            "always @(posedge clk)",
            "    if (rst) full <= 1'b0;",
            "    else if (free) full <= swap;",
        ]
    else:
        body += [
            "wire start = pending && !build && free;",
            "always @(posedge clk)",
            "    if (rst) full <= 1'b0;",
            "    else if (complete) full <= 1'b1;",
            "    else if (read && release_tables) full <= 1'b0;",
        ]
    body += [
        "always @(posedge clk)",
        "    if (rst || complete) build <= 1'b0;",
        "    else if (start) build <= 1'b1;",
    ]
    return "// Steps through the sums of a table.\n" + module("lut_control", ports, body)
