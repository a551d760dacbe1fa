"""Verilog-2001 of one core."""

from __future__ import annotations

from objectives.lut.core import Core
from objectives.lut.patterns import Pattern, additions, growth, nonzero, patterns, signed_growth, steps

TOP = "lut_core"


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
        and completes a sum), ``release`` (the last read of these tables).
    ``partial``
        Of a table_stationary core: the sums before a read, rows outermost, then readers. They are taken in
        the cycle that ``accumulate`` is high.
    ``result_valid, result_slot, result``
        Sums, rows outermost, then readers, as they are completed (table_stationary: after every read).

    A word is taken in a cycle where valid and ready are high. In a chain, the parts of ``act`` and
    ``index`` that belong to table t are taken t cycles later: the memories in front hold them skewed.
    """
    parts = [_adder()]
    if core.unit == "lookup":
        if core.construction != "serial":
            parts.append(_builder(core))
        parts.append(_table(core))
    parts += [_reader(core), _reduction(core), _accumulator(core), _control(core), _top(core)]
    return "\n".join(parts)


def _range(bits: int) -> str:
    return f"[{bits - 1}:0]" if bits > 1 else ""


def _port(direction: str, bits: int, name: str) -> str:
    return " ".join(filter(None, (direction, _range(bits), name)))


def _module(name: str, ports: list[str], body: list[str]) -> str:
    listed = ",\n".join(f"    {port}" for port in ports)
    return f"module {name} (\n{listed}\n);\n" + "\n".join(f"    {line}" for line in body) + "\nendmodule\n"


def _extend(name: str, bits: int, to: int) -> str:
    """Return the name, a vector of `bits`, sign-extended."""
    if bits == to:
        return name
    sign = f"{name}[{bits - 1}]" if bits > 1 else name
    return f"{{{{{to - bits}{{{sign}}}}}, {name}}}"


def _adder() -> str:
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


def _builder(core: Core) -> str:
    bits = core.bits
    widths = stored_bits(core)
    ports = [_port("input", core.group_size * bits, "act"), _port("output", sum(widths), "built")]
    body = []
    for place in range(core.group_size):
        single = tuple(int(other == place) for other in range(core.group_size))
        body.append(f"wire {_range(bits)} {_name(single)} = act[{place * bits} +: {bits}];")
    for step in additions(core.ternary, core.group_size):
        width = bits + growth(nonzero(step.target))
        left = _extend(_name(step.left), bits + growth(nonzero(step.left)), width)
        right = _extend(_name(step.right), bits + growth(nonzero(step.right)), width)
        operator = "+" if step.sign > 0 else "-"
        body.append(f"wire {_range(width)} {_name(step.target)} = {left} {operator} {right};")
    kept = set(patterns(core.ternary, core.group_size, True))
    low = 0
    for pattern, width in zip(patterns(core.ternary, core.group_size, core.half), widths, strict=True):
        if pattern in kept:
            value = _name(pattern)
        else:
            positive = tuple(-digit for digit in pattern)
            value = "-" + _extend(_name(positive), bits + growth(nonzero(positive)), width)
        body.append(f"assign built[{low} +: {width}] = {value};")
        low += width
    return "// The sums of a group, each from two smaller ones.\n" + _module("lut_builder", ports, body)


def _table(core: Core) -> str:
    if core.construction == "serial":
        return _serial_table(core)
    widths = stored_bits(core)
    total, wide = sum(widths), core.entry_bits
    ports = ["input clk", "input load", _port("input", total, "built")]
    body = [f"reg {_range(total)} stored;"]
    if core.double_buffer:
        ports.insert(2, "input swap")
        body += [
            f"reg {_range(total)} next;",
            "always @(posedge clk) begin",
            "    if (load) next <= built;",
            "    if (swap) stored <= next;",
            "end",
        ]
    else:
        body.append("always @(posedge clk) if (load) stored <= built;")
    ports.append(_port("output", len(widths) * wide, "entries"))
    low = 0
    for place, width in enumerate(widths):
        sign = "" if width == wide else f"{{{wide - width}{{stored[{low + width - 1}]}}}}, "
        body.append(f"assign entries[{place * wide} +: {wide}] = {{{sign}stored[{low} +: {width}]}};")
        low += width
    return "// The entries of a table.\n" + _module("lut_table", ports, body)


def _serial_table(core: Core) -> str:
    bits, wide, count, group = core.bits, core.entry_bits, core.entries, core.group_size
    operand = bits if core.ternary else bits + 1
    place_bits = (group - 1).bit_length()
    ports = ["input clk", "input load", "input step", "input clear", "input negate"]
    ports += [] if core.ternary else ["input twice"]
    ports += [_port("input", place_bits, "place")]
    ports += ["input swap"] if core.double_buffer else []
    ports += [
        _port("input", group * bits, "act"),
        _port("output", count * wide, "entries"),
    ]
    body = [
        f"reg {_range(group * bits)} held;",
        "always @(posedge clk) if (load) held <= act;",
        f"reg {_range(bits)} single;",
        "always @* case (place)",
        *(
            f"    {place_bits}'d{place}: single = held[{place * bits} +: {bits}];"
            for place in range(group - 1)
        ),
        f"    default: single = held[{(group - 1) * bits} +: {bits}];",
        "endcase",
    ]
    if core.ternary:
        body.append(f"wire {_range(operand)} operand = single;")
    else:
        body.append(
            f"wire {_range(operand)} operand = twice ? {{single, 1'b0}} : {{single[{bits - 1}], single}};"
        )
    chain = "next" if core.double_buffer else "stored"
    total = count * wide
    body += [
        f"wire {_range(wide)} addend = {_extend('operand', operand, wide)} ^ {{{wide}{{negate}}}};",
        f"reg {_range(total)} {chain};",
        f"wire {_range(wide)} previous = {chain}[{wide - 1}:0] & {{{wide}{{~clear}}}};",
        f"wire {_range(wide)} sum;",
        f"lut_add #(.W({wide})) add (.a(previous), .b(addend), .carry(negate), .sum(sum));",
        f"always @(posedge clk) if (step) {chain} <= {{{chain}[{total - wide - 1}:0], sum}};",
    ]
    if core.double_buffer:
        body += [f"reg {_range(total)} stored;", "always @(posedge clk) if (swap) stored <= next;"]
    # The last sum is lowest.
    body += [
        f"assign entries[{place * wide} +: {wide}] = stored[{(count - 1 - place) * wide} +: {wide}];"
        for place in range(count)
    ]
    note = "// The entries of a table, shifted in as one adder makes them.\n"
    return note + _module("lut_table", ports, body)


def _reader(core: Core) -> str:
    bits, wide = core.entry_bits, core.value_bits
    if core.unit == "multiplier":
        ports = [
            _port("input signed", core.bits, "act"),
            _port("input signed", core.weight_bits, "index"),
            _port("output signed", wide, "value"),
        ]
        return "// A weight times an activation.\n" + _module(
            "lut_reader", ports, ["assign value = act * index;"]
        )
    ports = [_port("input", core.entries * bits, "entries"), _port("input", core.index_bits, "index")]
    ports += [_port("output", wide, "value")] + (["output carry"] if core.half else [])
    body, leaves = [], [f"entries[{place * bits} +: {bits}]" for place in range(core.entries)]
    if core.zero_entry:
        leaves.append(f"{bits}'d0")
    level = 0
    while len(leaves) > 1:
        names = []
        for pair in range(len(leaves) // 2):
            name = f"level{level + 1}_{pair}"
            body.append(
                f"wire {_range(bits)} {name} = index[{level}] ? {leaves[2 * pair + 1]} : {leaves[2 * pair]};"
            )
            names.append(name)
        # An odd one out is reached whatever this bit says.
        leaves = names + leaves[len(leaves) - len(leaves) % 2 :]
        level += 1
    body.append(f"wire {_range(bits)} selected = {leaves[0]};")
    gate = f"index[{core.select_bits}]" if core.index_bits > 1 else "index"
    body.append(f"wire {_range(bits)} gated = selected" + (f" & {{{bits}{{{gate}}}}};" if core.gate else ";"))
    if core.half:
        sign = f"index[{core.index_bits - 1}]" if core.index_bits > 1 else "index"
        body += [
            f"assign carry = {sign};",
            f"assign value = {_extend('gated', bits, wide)} ^ {{{wide}{{carry}}}};",
        ]
    else:
        body.append(f"assign value = {_extend('gated', bits, wide)};")
    note = "// Selects a sum; a negative one is complemented here, and its carry is left to an adder.\n"
    return note + _module("lut_reader", ports, body)


def _reduction(core: Core) -> str:
    """Sum a reader's tables. One carry is left over, for the accumulator's adder."""
    wide, count, total = core.value_bits, core.tables, core.tree_bits
    registered = core.pipeline >= 1
    chain = core.reduction == "chain" and count > 1
    clocked = registered or chain
    ports = (["input clk"] if clocked else []) + [_port("input", count * wide, "values")]
    ports += [_port("input", count, "carries")] if core.half else []
    ports += [_port("output", total, "sum")]
    ports += ["output carry"] if core.half else []
    body = []
    for table in range(count):
        value = f"values[{table * wide} +: {wide}]"
        carry = f"carries[{table}]" if count > 1 else "carries"
        if registered:
            body += [f"reg {_range(wide)} value{table};", f"always @(posedge clk) value{table} <= {value};"]
        else:
            body.append(f"wire {_range(wide)} value{table} = {value};")
        if registered and core.half:
            body += [f"reg carry{table};", f"always @(posedge clk) carry{table} <= {carry};"]
        elif core.half:
            body.append(f"wire carry{table} = {carry};")
    make = _chain if chain else _tree
    result, left = make(core, body)
    if core.pipeline == 2:
        body += [f"reg {_range(total)} sum_q;", f"always @(posedge clk) sum_q <= {result};"]
        result = "sum_q"
        if core.half:
            body += ["reg carry_q;", f"always @(posedge clk) carry_q <= {left};"]
            left = "carry_q"
    body.append(f"assign sum = {result};")
    if core.half:
        body.append(f"assign carry = {left};")
    return "// The sum over the tables of a reader.\n" + _module("lut_reduction", ports, body)


def _sum(body: list[str], name: str, a: tuple[str, int], b: tuple[str, int], carry: str, width: int) -> None:
    body += [
        f"wire {_range(width)} {name};",
        f"lut_add #(.W({width})) add_{name} (.a({_extend(*a, width)}), .b({_extend(*b, width)}), "
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
        body.extend([f"reg {_range(bits)} {name}_q;", f"always @(posedge clk) {name}_q <= {name};"])
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


def _accumulator(core: Core) -> str:
    wide, total, slots = core.accumulator_bits, core.tree_bits, core.accumulators
    plane_bits, slot_bits = (core.planes - 1).bit_length(), (slots - 1).bit_length()
    stationary = core.dataflow == "table_stationary"
    ports = ["input clk"]
    ports += [] if stationary else ["input valid", "input first"]
    ports += [_port("input", slot_bits, "slot")] if slots > 1 else []
    ports += [_port("input", plane_bits, "plane")] if core.planes > 1 else []
    ports += [_port("input", total, "sum")]
    ports += ["input carry"] if core.half else []
    ports += [_port("input", wide, "partial")] if stationary else []
    ports += [_port("output" + (" reg" if stationary else ""), wide, "result")]
    body = []
    carry = "carry" if core.half else "1'b0"
    if core.planes > 1:
        # A carry that is still due is shifted too: as ones below it, and a carry there.
        width = core.sum_bits
        fill = "carry" if core.half else "1'b0"
        body += [
            f"reg {_range(width)} shifted;",
            "always @* case (plane)",
        ]
        for plane in range(core.planes):
            grown = _extend("sum", total, width - plane)
            value = grown if plane == 0 else f"{{{grown}, {{{plane}{{{fill}}}}}}}"
            label = "default" if plane == core.planes - 1 else f"{plane_bits}'d{plane}"
            body.append(f"    {label}: shifted = {value};")
        body.append("endcase")
        addend = _extend("shifted", width, wide)
    else:
        addend = _extend("sum", total, wide)
    if stationary:
        body += [
            f"wire {_range(wide)} total;",
            f"lut_add #(.W({wide})) add (.a(partial), .b({addend}), .carry({carry}), .sum(total));",
            "always @(posedge clk) result <= total;",
        ]
        return "// A partial sum and this read.\n" + _module("lut_accumulator", ports, body)
    if slots == 1:
        body += [f"reg {_range(wide)} kept;", f"wire {_range(wide)} current = kept;"]
        store = ["always @(posedge clk) if (valid) kept <= result;"]
    else:
        body += [f"reg {_range(wide)} kept{slot};" for slot in range(slots)]
        body += [f"reg {_range(wide)} current;", "always @* case (slot)"]
        body += [f"    {slot_bits}'d{slot}: current = kept{slot};" for slot in range(slots - 1)]
        body += [f"    default: current = kept{slots - 1};", "endcase"]
        store = [
            f"always @(posedge clk) if (valid && slot == {slot_bits}'d{slot}) kept{slot} <= result;"
            for slot in range(slots)
        ]
    body += [
        f"wire {_range(wide)} previous = current & {{{wide}{{~first}}}};",
        f"lut_add #(.W({wide})) add (.a(previous), .b({addend}), .carry({carry}), .sum(result));",
        *store,
    ]
    return "// The sums of a reader.\n" + _module("lut_accumulator", ports, body)


def _serial(core: Core) -> bool:
    return core.unit == "lookup" and core.construction == "serial"


def _shared(core: Core) -> bool:
    return core.unit == "lookup" and core.construction == "shared"


def _control(core: Core) -> str:
    if _serial(core):
        return _serial_control(core)
    if _shared(core):
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
    return "// Takes the next activations with the last read of these.\n" + _module(
        "lut_control", ports, body
    )


def _shared_control(core: Core) -> str:
    bits = (core.tables - 1).bit_length()
    ports = [
        "input clk", "input rst", "input act_valid", "output act_ready",
        "input read_valid", "output read_ready", "input release_tables",
        _port("output", core.tables, "load"), "output read",
    ]  # fmt: skip
    if core.double_buffer:
        ports.insert(-1, "output swap")
    last = f"{bits}'d{core.tables - 1}"
    body = [
        "reg full;",
        f"reg {_range(bits)} table_number;",
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
    return "// Serves one table a cycle.\n" + _module("lut_control", ports, body)


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
    ports += [_port("output reg", place_bits, "place")]
    ports += ["output swap"] if core.double_buffer else []
    ports += ["output read"]
    last = f"{bits}'d{len(plan) - 1}"
    names = ["clear", "negate", *([] if core.ternary else ["twice"]), "place"]
    body = [
        "reg full;",
        "reg pending;",
        f"reg {_range(bits)} number;",
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
    return "// Steps through the sums of a table.\n" + _module("lut_control", ports, body)


def _top(core: Core) -> str:
    plane_bits, slot_bits = (core.planes - 1).bit_length(), (core.accumulators - 1).bit_length()
    stationary = core.dataflow == "table_stationary"
    chain = core.reduction == "chain" and core.tables > 1
    shared, serial, lookup = _shared(core), _serial(core), core.unit == "lookup"
    groups = core.rows * (1 if shared else core.tables)
    group_bits = core.group_size * core.bits
    wide = core.accumulator_bits
    tags = [] if stationary else ["first", "last"]
    ports = ["input clk", "input rst", "input act_valid", "output act_ready"]
    ports += [_port("input", groups * group_bits, "act"), "input read_valid", "output read_ready"]
    ports += [_port("input", core.readers * core.tables * core.index_bits, "index")]
    ports += [_port("input", slot_bits, "slot")] if slot_bits else []
    ports += [_port("input", plane_bits, "plane")] if plane_bits else []
    ports += [f"input {tag}" for tag in tags] + ["input release_tables"]
    if stationary:
        ports += [_port("input", core.rows * core.readers * wide, "partial"), "output accumulate"]
        ports += ["output reg result_valid"]
    else:
        ports += ["output result_valid"]
        ports += [_port("output", slot_bits, "result_slot")] if slot_bits else []
    ports += [_port("output", core.rows * core.readers * wide, "result")]

    # What a table is told; in a chain, a cycle later than the table before.
    told = [("load", 1)]
    if serial:
        told += [("build", 1), ("clear", 1), ("negate", 1)]
        told += [] if core.ternary else [("twice", 1)]
        told += [("place", (core.group_size - 1).bit_length())]
    double = lookup and core.double_buffer and (serial or shared)
    told += [("swap", 1)] if double else []
    body = ["wire read;"]
    for name, bits in told:
        body.append(
            f"wire {_range(core.tables if shared and name == 'load' else bits)} {name};".replace("  ", " ")
        )
    wired = [f".{name}({name})" for name, _ in told]
    names = ["clk", "rst", "act_valid", "act_ready", "read_valid", "read_ready", "release_tables", "read"]
    wired = [f".{name}({name})" for name in names] + wired
    body.append(f"lut_control control ({', '.join(wired)});")
    if chain:
        for name, bits in told:
            body.append(f"wire {_range(bits)} {name}_0 = {name};".replace("  ", " "))
            for table in range(1, core.tables):
                body.append(f"reg {_range(bits)} {name}_{table};".replace("  ", " "))
                body.append(f"always @(posedge clk) {name}_{table} <= {name}_{table - 1};")

    # What an accumulator is told, with the read that it belongs to.
    staged = [("read", 1)] + [(tag, 1) for tag in tags]
    staged += [("slot", slot_bits)] if slot_bits else []
    staged += [("plane", plane_bits)] if plane_bits else []
    for name, bits in staged:
        body.append(f"wire {_range(bits)} {name}_s0 = {name};".replace("  ", " "))
        for stage in range(1, core.latency + 1):
            body.append(f"reg {_range(bits)} {name}_s{stage};".replace("  ", " "))
            if name == "read":
                body.append(f"always @(posedge clk) read_s{stage} <= !rst && read_s{stage - 1};")
            else:
                body.append(f"always @(posedge clk) {name}_s{stage} <= {name}_s{stage - 1};")
    end = core.latency
    if stationary:
        body += [
            f"assign accumulate = read_s{end};",
            "always @(posedge clk) if (rst) result_valid <= 1'b0; else result_valid <= accumulate;",
        ]
    else:
        body.append(f"assign result_valid = read_s{end} && last_s{end};")
        if slot_bits:
            body.append(f"assign result_slot = slot_s{end};")

    entry_total = core.entries * core.entry_bits
    body += [
        "genvar row, reader;",
        "generate",
        "for (row = 0; row < " + f"{core.rows}; row = row + 1) begin : rows",
    ]
    inner = []
    if shared:
        built = sum(stored_bits(core))
        inner += [
            f"wire {_range(built)} built;",
            f"lut_builder builder (.act(act[row * {group_bits} +: {group_bits}]), .built(built));",
        ]
    for table in range(core.tables):
        suffix = f"_{table}" if chain else ""
        inner.append(f"wire {_range(entry_total)} entries{table};")
        act = f"act[(row * {core.tables} + {table}) * {group_bits} +: {group_bits}]"
        if not lookup:
            inner += [
                f"reg {_range(group_bits)} held{table};",
                f"always @(posedge clk) if (load{suffix}) held{table} <= {act};",
                f"assign entries{table} = held{table};",
            ]
        elif serial:
            wired = [
                ".clk(clk)",
                *(f".{port}({port if port != 'build' else 'build'}{suffix})" for port, _ in told),
            ]
            wired = [item.replace(".build(", ".step(") for item in wired]
            wired += [f".act({act})", f".entries(entries{table})"]
            inner.append(f"lut_table table{table} ({', '.join(wired)});")
        else:
            load = f"load[{table}]" if shared else f"load{suffix}"
            source = "built" if shared else f"built{table}"
            if not shared:
                inner += [
                    f"wire {_range(sum(stored_bits(core)))} built{table};",
                    f"lut_builder builder{table} (.act({act}), .built(built{table}));",
                ]
            swap = ", .swap(swap)" if double else ""
            inner.append(
                f"lut_table table{table} (.clk(clk), .load({load}){swap}, .built({source}), "
                f".entries(entries{table}));"
            )
    inner.append(f"for (reader = 0; reader < {core.readers}; reader = reader + 1) begin : readers")
    inside = [f"wire {_range(core.tables * core.value_bits)} values;"]
    carries = core.half
    if carries:
        inside.append(f"wire {_range(core.tables)} carries;")
    for table in range(core.tables):
        index = f"index[(reader * {core.tables} + {table}) * {core.index_bits} +: {core.index_bits}]"
        value = f"values[{table * core.value_bits} +: {core.value_bits}]"
        held = "act" if core.unit == "multiplier" else "entries"
        wired = [f".{held}(entries{table})", f".index({index})", f".value({value})"]
        if carries:
            wired.append(f".carry(carries[{table}])" if core.tables > 1 else ".carry(carries)")
        inside.append(f"lut_reader read{table} ({', '.join(wired)});")
    clocked = core.pipeline >= 1 or chain
    wired = ([".clk(clk)"] if clocked else []) + [".values(values)"]
    wired += [".carries(carries)", ".carry(carry)"] if carries else []
    inside += [f"wire {_range(core.tree_bits)} sum;"] + (["wire carry;"] if carries else [])
    inside.append(f"lut_reduction reduction ({', '.join(wired)}, .sum(sum));")
    lane = f"(row * {core.readers} + reader) * {wide} +: {wide}"
    wired = [".clk(clk)"]
    wired += [] if stationary else [f".valid(read_s{end})", f".first(first_s{end})"]
    wired += [f".slot(slot_s{end})"] if slot_bits else []
    wired += [f".plane(plane_s{end})"] if plane_bits else []
    wired += [".sum(sum)"] + ([".carry(carry)"] if carries else [])
    wired += [f".partial(partial[{lane}])"] if stationary else []
    wired.append(f".result(result[{lane}])")
    inside.append(f"lut_accumulator accumulator ({', '.join(wired)});")
    inner += [f"    {line}" for line in inside] + ["end"]
    body += [f"    {line}" for line in inner] + ["end", "endgenerate"]
    return "// Tables, their readers and sums.\n" + _module(TOP, ports, body)
