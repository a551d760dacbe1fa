"""Verilog-2001 of one core."""

from __future__ import annotations

from objectives.lut.core import Core
from objectives.lut.rtl.control import control, is_serial, is_shared
from objectives.lut.rtl.readers import accumulator, adder, reader, reduction
from objectives.lut.rtl.tables import builder, stored_bits, table
from objectives.lut.rtl.text import module, port, vector

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
    parts = [adder()]
    if core.unit == "lookup":
        if core.construction != "serial":
            parts.append(builder(core))
        parts.append(table(core))
    parts += [reader(core), reduction(core), accumulator(core), control(core), _top(core)]
    return "\n".join(parts)


def _top(core: Core) -> str:
    plane_bits, slot_bits = (core.planes - 1).bit_length(), (core.accumulators - 1).bit_length()
    stationary = core.dataflow == "table_stationary"
    chain = core.reduction == "chain" and core.tables > 1
    shared, serial, lookup = is_shared(core), is_serial(core), core.unit == "lookup"
    groups = core.rows * (1 if shared else core.tables)
    group_bits = core.group_size * core.bits
    wide = core.accumulator_bits
    tags = [] if stationary else ["first", "last"]
    ports = ["input clk", "input rst", "input act_valid", "output act_ready"]
    ports += [port("input", groups * group_bits, "act"), "input read_valid", "output read_ready"]
    ports += [port("input", core.readers * core.tables * core.index_bits, "index")]
    ports += [port("input", slot_bits, "slot")] if slot_bits else []
    ports += [port("input", plane_bits, "plane")] if plane_bits else []
    ports += [f"input {tag}" for tag in tags] + ["input release_tables"]
    if stationary:
        ports += [port("input", core.rows * core.readers * wide, "partial"), "output accumulate"]
        ports += ["output reg result_valid"]
    else:
        ports += ["output result_valid"]
        ports += [port("output", slot_bits, "result_slot")] if slot_bits else []
    ports += [port("output", core.rows * core.readers * wide, "result")]

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
            f"wire {vector(core.tables if shared and name == 'load' else bits)} {name};".replace("  ", " ")
        )
    wired = [f".{name}({name})" for name, _ in told]
    names = ["clk", "rst", "act_valid", "act_ready", "read_valid", "read_ready", "release_tables", "read"]
    wired = [f".{name}({name})" for name in names] + wired
    body.append(f"lut_control control ({', '.join(wired)});")
    if chain:
        for name, bits in told:
            body.append(f"wire {vector(bits)} {name}_0 = {name};".replace("  ", " "))
            for table in range(1, core.tables):
                body.append(f"reg {vector(bits)} {name}_{table};".replace("  ", " "))
                body.append(f"always @(posedge clk) {name}_{table} <= {name}_{table - 1};")

    # What an accumulator is told, with the read that it belongs to.
    staged = [("read", 1)] + [(tag, 1) for tag in tags]
    staged += [("slot", slot_bits)] if slot_bits else []
    staged += [("plane", plane_bits)] if plane_bits else []
    for name, bits in staged:
        body.append(f"wire {vector(bits)} {name}_s0 = {name};".replace("  ", " "))
        for stage in range(1, core.latency + 1):
            body.append(f"reg {vector(bits)} {name}_s{stage};".replace("  ", " "))
            if name == "read":
                reset = f"if (rst) read_s{stage} <= 1'b0; else "
                body.append(f"always @(posedge clk) {reset}read_s{stage} <= read_s{stage - 1};")
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
            f"wire {vector(built)} built;",
            f"lut_builder builder (.act(act[row * {group_bits} +: {group_bits}]), .built(built));",
        ]
    for table in range(core.tables):
        suffix = f"_{table}" if chain else ""
        inner.append(f"wire {vector(entry_total)} entries{table};")
        act = f"act[(row * {core.tables} + {table}) * {group_bits} +: {group_bits}]"
        if not lookup:
            inner += [
                f"reg {vector(group_bits)} held{table};",
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
                    f"wire {vector(sum(stored_bits(core)))} built{table};",
                    f"lut_builder builder{table} (.act({act}), .built(built{table}));",
                ]
            swap = ", .swap(swap)" if double else ""
            inner.append(
                f"lut_table table{table} (.clk(clk), .load({load}){swap}, .built({source}), "
                f".entries(entries{table}));"
            )
    inner.append(f"for (reader = 0; reader < {core.readers}; reader = reader + 1) begin : readers")
    inside = [f"wire {vector(core.tables * core.value_bits)} values;"]
    carries = core.half
    if carries:
        inside.append(f"wire {vector(core.tables)} carries;")
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
    inside += [f"wire {vector(core.tree_bits)} sum;"] + (["wire carry;"] if carries else [])
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
    return "// Tables, their readers and sums.\n" + module(TOP, ports, body)
