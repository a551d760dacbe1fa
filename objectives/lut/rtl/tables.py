"""Verilog of the tables: how their sums are built, and where they are kept."""

from __future__ import annotations

from objectives.lut.core import Core
from objectives.lut.patterns import Pattern, additions, growth, nonzero, patterns, signed_growth
from objectives.lut.rtl.text import extend, module, port, vector


def _name(pattern: Pattern) -> str:
    """Return the wire of a pattern's sum: a letter a place, positive, negative or zero."""
    return "sum_" + "".join({1: "p", -1: "n", 0: "z"}[digit] for digit in pattern)


def stored_bits(core: Core) -> list[int]:
    """Return the width of each entry, as stored: a sum of few activations is narrow."""
    held = patterns(core.ternary, core.group_size, core.half)
    if core.construction == "serial":
        return [core.entry_bits] * len(held)
    kept = set(patterns(core.ternary, core.group_size, True))
    return [core.bits + (growth if pattern in kept else signed_growth)(nonzero(pattern)) for pattern in held]


def builder(core: Core) -> str:
    """Return the module that adds up the sums of a group."""
    bits = core.bits
    widths = stored_bits(core)
    ports = [port("input", core.group_size * bits, "act"), port("output", sum(widths), "built")]
    body = []
    for place in range(core.group_size):
        single = tuple(int(other == place) for other in range(core.group_size))
        body.append(f"wire {vector(bits)} {_name(single)} = act[{place * bits} +: {bits}];")
    for step in additions(core.ternary, core.group_size):
        width = bits + growth(nonzero(step.target))
        left = extend(_name(step.left), bits + growth(nonzero(step.left)), width)
        right = extend(_name(step.right), bits + growth(nonzero(step.right)), width)
        operator = "+" if step.sign > 0 else "-"
        body.append(f"wire {vector(width)} {_name(step.target)} = {left} {operator} {right};")
    kept = set(patterns(core.ternary, core.group_size, True))
    low = 0
    for pattern, width in zip(patterns(core.ternary, core.group_size, core.half), widths, strict=True):
        if pattern in kept:
            value = _name(pattern)
        else:
            positive = tuple(-digit for digit in pattern)
            value = "-" + extend(_name(positive), bits + growth(nonzero(positive)), width)
        body.append(f"assign built[{low} +: {width}] = {value};")
        low += width
    return "// The sums of a group, each from two smaller ones.\n" + module("lut_builder", ports, body)


def table(core: Core) -> str:
    """Return the module that keeps the sums of a group."""
    if core.construction == "serial":
        return _serial_table(core)
    widths = stored_bits(core)
    total, wide = sum(widths), core.entry_bits
    ports = ["input clk", "input load", port("input", total, "built")]
    body = [f"reg {vector(total)} stored;"]
    if core.double_buffer:
        ports.insert(2, "input swap")
        body += [
            f"reg {vector(total)} next;",
            "always @(posedge clk) begin",
            "    if (load) next <= built;",
            "    if (swap) stored <= next;",
            "end",
        ]
    else:
        body.append("always @(posedge clk) if (load) stored <= built;")
    ports.append(port("output", len(widths) * wide, "entries"))
    low = 0
    for place, width in enumerate(widths):
        sign = "" if width == wide else f"{{{wide - width}{{stored[{low + width - 1}]}}}}, "
        body.append(f"assign entries[{place * wide} +: {wide}] = {{{sign}stored[{low} +: {width}]}};")
        low += width
    return "// The entries of a table.\n" + module("lut_table", ports, body)


def _serial_table(core: Core) -> str:
    bits, wide, count, group = core.bits, core.entry_bits, core.entries, core.group_size
    operand = bits if core.ternary else bits + 1
    place_bits = (group - 1).bit_length()
    ports = ["input clk", "input load", "input step", "input clear", "input negate"]
    ports += [] if core.ternary else ["input twice"]
    ports += [port("input", place_bits, "place")]
    ports += ["input swap"] if core.double_buffer else []
    ports += [
        port("input", group * bits, "act"),
        port("output", count * wide, "entries"),
    ]
    body = [
        f"reg {vector(group * bits)} held;",
        "always @(posedge clk) if (load) held <= act;",
        f"reg {vector(bits)} single;",
        "always @* case (place)",
        *(
            f"    {place_bits}'d{place}: single = held[{place * bits} +: {bits}];"
            for place in range(group - 1)
        ),
        f"    default: single = held[{(group - 1) * bits} +: {bits}];",
        "endcase",
    ]
    if core.ternary:
        body.append(f"wire {vector(operand)} operand = single;")
    else:
        body.append(
            f"wire {vector(operand)} operand = twice ? {{single, 1'b0}} : {{single[{bits - 1}], single}};"
        )
    chain = "next" if core.double_buffer else "stored"
    total = count * wide
    body += [
        f"wire {vector(wide)} addend = {extend('operand', operand, wide)} ^ {{{wide}{{negate}}}};",
        f"reg {vector(total)} {chain};",
        f"wire {vector(wide)} previous = {chain}[{wide - 1}:0] & {{{wide}{{~clear}}}};",
        f"wire {vector(wide)} sum;",
        f"lut_add #(.W({wide})) add (.a(previous), .b(addend), .carry(negate), .sum(sum));",
        f"always @(posedge clk) if (step) {chain} <= {{{chain}[{total - wide - 1}:0], sum}};",
    ]
    if core.double_buffer:
        body += [f"reg {vector(total)} stored;", "always @(posedge clk) if (swap) stored <= next;"]
    # The last sum is lowest.
    body += [
        f"assign entries[{place * wide} +: {wide}] = stored[{(count - 1 - place) * wide} +: {wide}];"
        for place in range(count)
    ]
    note = "// The entries of a table, shifted in as one adder makes them.\n"
    return note + module("lut_table", ports, body)
