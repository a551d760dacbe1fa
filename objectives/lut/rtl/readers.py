"""Verilog of what reads the tables: selection, the sum over tables, the accumulators."""

from __future__ import annotations

from objectives.lut.core import Core
from objectives.lut.patterns import growth
from objectives.lut.rtl.text import extend, module, port, vector


def adder() -> str:
    """Return the adder with a carry."""
    return """\
// The carry enters as a place below the lowest, so that the sum is one adder.
module lut_add #(parameter W = 8) (
    input [W-1:0] a,
    input [W-1:0] b,
    input carry,
    output [W-1:0] sum
);
    /* verilator lint_off UNUSEDSIGNAL */
    wire [W:0] padded = {a, 1'b1} + {b, carry};
    /* verilator lint_on UNUSEDSIGNAL */
    assign sum = padded[W:1];
endmodule
"""


def reader(core: Core) -> str:
    """Return the module that gives what a table holds for an index, or an activation times a weight."""
    bits, wide = core.entry_bits, core.value_bits
    if core.unit == "multiplier":
        ports = [
            port("input signed", core.bits, "act"),
            port("input signed", core.weight_bits, "index"),
            port("output signed", wide, "value"),
        ]
        return "// A weight times an activation.\n" + module(
            "lut_reader", ports, ["assign value = act * index;"]
        )
    ports = [port("input", core.entries * bits, "entries"), port("input", core.index_bits, "index")]
    ports += [port("output", wide, "value")] + (["output carry"] if core.half else [])
    body, leaves = [], [f"entries[{place * bits} +: {bits}]" for place in range(core.entries)]
    if core.zero_entry:
        leaves.append(f"{bits}'d0")
    level = 0
    while len(leaves) > 1:
        names = []
        for pair in range(len(leaves) // 2):
            name = f"level{level + 1}_{pair}"
            body.append(
                f"wire {vector(bits)} {name} = index[{level}] ? {leaves[2 * pair + 1]} : {leaves[2 * pair]};"
            )
            names.append(name)
        # An odd one out is reached whatever this bit says.
        leaves = names + leaves[len(leaves) - len(leaves) % 2 :]
        level += 1
    body.append(f"wire {vector(bits)} selected = {leaves[0]};")
    gate = f"index[{core.select_bits}]" if core.index_bits > 1 else "index"
    body.append(f"wire {vector(bits)} gated = selected" + (f" & {{{bits}{{{gate}}}}};" if core.gate else ";"))
    if core.half:
        sign = f"index[{core.index_bits - 1}]" if core.index_bits > 1 else "index"
        body += [
            f"assign carry = {sign};",
            f"assign value = {extend('gated', bits, wide)} ^ {{{wide}{{carry}}}};",
        ]
    else:
        body.append(f"assign value = {extend('gated', bits, wide)};")
    note = "// Selects a sum; a negative one is complemented here, and its carry is left to an adder.\n"
    return note + module("lut_reader", ports, body)


def reduction(core: Core) -> str:
    """Return the module that sums what a reader takes from its tables; one carry is left over."""
    wide, count, total = core.value_bits, core.tables, core.tree_bits
    registered = core.pipeline >= 1
    chain = core.reduction == "chain" and count > 1
    clocked = registered or chain
    ports = (["input clk"] if clocked else []) + [port("input", count * wide, "values")]
    ports += [port("input", count, "carries")] if core.half else []
    ports += [port("output", total, "sum")]
    ports += ["output carry"] if core.half else []
    body = []
    for table in range(count):
        value = f"values[{table * wide} +: {wide}]"
        carry = f"carries[{table}]" if count > 1 else "carries"
        if registered:
            body += [f"reg {vector(wide)} value{table};", f"always @(posedge clk) value{table} <= {value};"]
        else:
            body.append(f"wire {vector(wide)} value{table} = {value};")
        if registered and core.half:
            body += [f"reg carry{table};", f"always @(posedge clk) carry{table} <= {carry};"]
        elif core.half:
            body.append(f"wire carry{table} = {carry};")
    make = _chain if chain else _tree
    result, left = make(core, body)
    if core.pipeline == 2:
        body += [f"reg {vector(total)} sum_q;", f"always @(posedge clk) sum_q <= {result};"]
        result = "sum_q"
        if core.half:
            body += ["reg carry_q;", f"always @(posedge clk) carry_q <= {left};"]
            left = "carry_q"
    body.append(f"assign sum = {result};")
    if core.half:
        body.append(f"assign carry = {left};")
    return "// The sum over the tables of a reader.\n" + module("lut_reduction", ports, body)


def _sum(body: list[str], name: str, a: tuple[str, int], b: tuple[str, int], carry: str, width: int) -> None:
    body += [
        f"wire {vector(width)} {name};",
        f"lut_add #(.W({width})) add_{name} (.a({extend(*a, width)}), .b({extend(*b, width)}), "
        f".carry({carry}), .sum({name}));",
    ]


def _tree(core: Core, body: list[str]) -> tuple[str, str]:
    terms = [(f"value{table}", core.value_bits, 1) for table in range(core.tables)]
    carries = [f"carry{table}" if core.half else "1'b0" for table in range(core.tables)]
    level = 0
    while len(terms) > 1:
        level += 1
        made = []
        for pair in range(len(terms) // 2):
            (a, a_bits, a_count), (b, b_bits, b_count) = terms[2 * pair], terms[2 * pair + 1]
            width = core.value_bits + growth(a_count + b_count)
            name = f"level{level}_{pair}"
            _sum(body, name, (a, a_bits), (b, b_bits), carries.pop(), width)
            made.append((name, width, a_count + b_count))
        terms = made + terms[len(terms) - len(terms) % 2 :]
    return terms[0][0], carries[0]


def _chain(core: Core, body: list[str]) -> tuple[str, str]:
    carried = core.half

    def register(name: str, bits: int, carry: str, table: int) -> tuple[str, int, str]:
        body.extend([f"reg {vector(bits)} {name}_q;", f"always @(posedge clk) {name}_q <= {name};"])
        if not carried:
            return f"{name}_q", bits, "1'b0"
        body.extend([f"reg carry{table}_q;", f"always @(posedge clk) carry{table}_q <= {carry};"])
        return f"{name}_q", bits, f"carry{table}_q"

    so_far, bits, carry = register("value0", core.value_bits, "carry0", 0)
    for table in range(1, core.tables):
        width = core.value_bits + growth(table + 1)
        name = f"chain{table}"
        _sum(body, name, (so_far, bits), (f"value{table}", core.value_bits), carry, width)
        so_far, bits, carry = register(name, width, f"carry{table}", table)
    return so_far, carry


def accumulator(core: Core) -> str:
    """Return the module that keeps the sums of a reader, or adds to one that comes with a read."""
    wide, total, slots = core.accumulator_bits, core.tree_bits, core.accumulators
    plane_bits, slot_bits = (core.planes - 1).bit_length(), (slots - 1).bit_length()
    stationary = core.dataflow == "table_stationary"
    ports = ["input clk"]
    ports += [] if stationary else ["input valid", "input first"]
    ports += [port("input", slot_bits, "slot")] if slots > 1 else []
    ports += [port("input", plane_bits, "plane")] if core.planes > 1 else []
    ports += [port("input", total, "sum")]
    ports += ["input carry"] if core.half else []
    ports += [port("input", wide, "partial")] if stationary else []
    ports += [port("output" + (" reg" if stationary else ""), wide, "result")]
    body = []
    carry = "carry" if core.half else "1'b0"
    if core.planes > 1:
        # A carry that is still due is shifted too: as ones below it, and a carry there.
        width = core.sum_bits
        fill = "carry" if core.half else "1'b0"
        body += [
            f"reg {vector(width)} shifted;",
            "always @* case (plane)",
        ]
        for plane in range(core.planes):
            grown = extend("sum", total, width - plane)
            value = grown if plane == 0 else f"{{{grown}, {{{plane}{{{fill}}}}}}}"
            label = "default" if plane == core.planes - 1 else f"{plane_bits}'d{plane}"
            body.append(f"    {label}: shifted = {value};")
        body.append("endcase")
        addend = extend("shifted", width, wide)
    else:
        addend = extend("sum", total, wide)
    if stationary:
        body += [
            f"wire {vector(wide)} total;",
            f"lut_add #(.W({wide})) add (.a(partial), .b({addend}), .carry({carry}), .sum(total));",
            "always @(posedge clk) result <= total;",
        ]
        return "// A partial sum and this read.\n" + module("lut_accumulator", ports, body)
    if slots == 1:
        body += [f"reg {vector(wide)} kept;", f"wire {vector(wide)} current = kept;"]
        store = ["always @(posedge clk) if (valid) kept <= result;"]
    else:
        body += [f"reg {vector(wide)} kept{slot};" for slot in range(slots)]
        body += [f"reg {vector(wide)} current;", "always @* case (slot)"]
        body += [f"    {slot_bits}'d{slot}: current = kept{slot};" for slot in range(slots - 1)]
        body += [f"    default: current = kept{slots - 1};", "endcase"]
        store = [
            f"always @(posedge clk) if (valid && slot == {slot_bits}'d{slot}) kept{slot} <= result;"
            for slot in range(slots)
        ]
    body += [
        f"wire {vector(wide)} previous = current & {{{wide}{{~first}}}};",
        f"lut_add #(.W({wide})) add (.a(previous), .b({addend}), .carry({carry}), .sum(result));",
        *store,
    ]
    return "// The sums of a reader.\n" + module("lut_accumulator", ports, body)
