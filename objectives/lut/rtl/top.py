"""Verilog of the top: ports, what is told to tables and accumulators when, and the instances of all parts."""

from __future__ import annotations

from objectives.lut.core import Core
from objectives.lut.rtl.control import is_serial, is_shared
from objectives.lut.rtl.tables import stored_bits
from objectives.lut.rtl.text import declare, module, port, vector

TOP = "lut_core"


def top(core: Core) -> str:
    """Return the top module."""
    rows = [f"for (row = 0; row < {core.rows}; row = row + 1) begin : rows"]
    rows += [f"    {line}" for line in (*_tables(core), *_readers(core))]
    body = [
        *_control(core),
        *_stages(core),
        *_results(core),
        "genvar row, reader;",
        "generate",
        *rows,
        "end",
        "endgenerate",
    ]
    return "// Tables, their readers and sums.\n" + module(TOP, _ports(core), body)


def _tags(core: Core) -> list[tuple[str, int]]:
    """Return what comes with a read, by name, and its bits."""
    tags = [] if core.stationary else [("first", 1), ("last", 1)]
    tags += [("slot", core.slot_bits)] if core.slot_bits else []
    return tags + ([("plane", core.plane_bits)] if core.plane_bits else [])


def _ports(core: Core) -> list[str]:
    groups = core.rows * (1 if is_shared(core) else core.tables)
    sums = core.rows * core.readers * core.accumulator_bits
    ports = ["input clk", "input rst", "input act_valid", "output act_ready"]
    ports += [
        port("input", groups * core.group_size * core.bits, "act"),
        "input read_valid",
        "output read_ready",
    ]
    ports += [port("input", core.readers * core.tables * core.index_bits, "index")]
    numbers_first = sorted(_tags(core), key=lambda tag: tag[0] in ("first", "last"))
    ports += [port("input", bits, name) for name, bits in numbers_first] + ["input release_tables"]
    if core.stationary:
        ports += [port("input", sums, "partial"), "output accumulate", "output reg result_valid"]
    else:
        ports += ["output result_valid"]
        ports += [port("output", core.slot_bits, "result_slot")] if core.slot_bits else []
    return [*ports, port("output", sums, "result")]


def _told(core: Core) -> list[tuple[str, int]]:
    """Return what the control tells a table, by name, and its bits."""
    told = [("load", 1)]
    if is_serial(core):
        told += [("build", 1), ("clear", 1), ("negate", 1)]
        told += [] if core.ternary else [("twice", 1)]
        told += [("place", (core.group_size - 1).bit_length())]
    return told + ([("swap", 1)] if core.double_buffer else [])


def _control(core: Core) -> list[str]:
    """Return the control; in a chain each table is told a cycle later than the one before."""
    told = _told(core)
    body = ["wire read;"]
    body += [
        declare("wire", core.tables if is_shared(core) and name == "load" else bits, name)
        for name, bits in told
    ]
    names = ["clk", "rst", "act_valid", "act_ready", "read_valid", "read_ready", "release_tables", "read"]
    wired = [f".{name}({name})" for name in [*names, *(name for name, _ in told)]]
    body.append(f"lut_control control ({', '.join(wired)});")
    for name, bits in told if core.chained else []:
        body.append(f"{declare('wire', bits, f'{name}_0')[:-1]} = {name};")
        for table in range(1, core.tables):
            body.append(declare("reg", bits, f"{name}_{table}"))
            body.append(f"always @(posedge clk) {name}_{table} <= {name}_{table - 1};")
    return body


def _stages(core: Core) -> list[str]:
    """Return the tags of a read, delayed until its sum is there."""
    body = []
    for name, bits in [("read", 1), *_tags(core)]:
        body.append(f"{declare('wire', bits, f'{name}_s0')[:-1]} = {name};")
        for stage in range(1, core.latency + 1):
            body.append(declare("reg", bits, f"{name}_s{stage}"))
            reset = f"if (rst) {name}_s{stage} <= 1'b0; else " if name == "read" else ""
            body.append(f"always @(posedge clk) {reset}{name}_s{stage} <= {name}_s{stage - 1};")
    return body


def _results(core: Core) -> list[str]:
    end = core.latency
    if core.stationary:
        return [
            f"assign accumulate = read_s{end};",
            "always @(posedge clk) if (rst) result_valid <= 1'b0; else result_valid <= accumulate;",
        ]
    slot = [f"assign result_slot = slot_s{end};"] if core.slot_bits else []
    return [f"assign result_valid = read_s{end} && last_s{end};", *slot]


def _tables(core: Core) -> list[str]:
    """Return the tables of a row, or the activations themselves where there are none."""
    group_bits = core.group_size * core.bits
    body = []
    if is_shared(core):
        body += [
            declare("wire", sum(stored_bits(core)), "built"),
            f"lut_builder builder (.act(act[row * {group_bits} +: {group_bits}]), .built(built));",
        ]
    for table in range(core.tables):
        suffix = f"_{table}" if core.chained else ""
        act = f"act[(row * {core.tables} + {table}) * {group_bits} +: {group_bits}]"
        body.append(declare("wire", core.entries * core.entry_bits, f"entries{table}"))
        if core.unit != "lookup":
            body += [
                declare("reg", group_bits, f"held{table}"),
                f"always @(posedge clk) if (load{suffix}) held{table} <= {act};",
                f"assign entries{table} = held{table};",
            ]
            continue
        wired = [".clk(clk)"]
        if is_serial(core):
            pins = {"build": "step"}
            wired += [f".{pins.get(name, name)}({name}{suffix})" for name, _ in _told(core)]
            wired.append(f".act({act})")
        else:
            source = "built" if is_shared(core) else f"built{table}"
            if not is_shared(core):
                body += [
                    declare("wire", sum(stored_bits(core)), source),
                    f"lut_builder builder{table} (.act({act}), .built({source}));",
                ]
            wired.append(f".load(load[{table}])" if is_shared(core) else f".load(load{suffix})")
            wired += [".swap(swap)"] if core.double_buffer else []
            wired.append(f".built({source})")
        body.append(f"lut_table table{table} ({', '.join([*wired, f'.entries(entries{table})'])});")
    return body


def _readers(core: Core) -> list[str]:
    """Return the readers of a row, with the sum over tables and the accumulator of each."""
    end = core.latency
    body = [f"wire {vector(core.tables * core.value_bits)} values;"]
    body += [f"wire {vector(core.tables)} carries;"] if core.half else []
    held = "act" if core.unit == "multiplier" else "entries"
    for table in range(core.tables):
        index = f"index[(reader * {core.tables} + {table}) * {core.index_bits} +: {core.index_bits}]"
        value = f"values[{table * core.value_bits} +: {core.value_bits}]"
        wired = [f".{held}(entries{table})", f".index({index})", f".value({value})"]
        if core.half:
            wired.append(f".carry(carries[{table}])" if core.tables > 1 else ".carry(carries)")
        body.append(f"lut_reader read{table} ({', '.join(wired)});")
    wired = [".clk(clk)"] if core.pipeline >= 1 or core.chained else []
    wired += [".values(values)", *([".carries(carries)", ".carry(carry)"] if core.half else []), ".sum(sum)"]
    body += [f"wire {vector(core.tree_bits)} sum;"] + (["wire carry;"] if core.half else [])
    body.append(f"lut_reduction reduction ({', '.join(wired)});")
    wide = core.accumulator_bits
    lane = f"(row * {core.readers} + reader) * {wide} +: {wide}"
    wired = [".clk(clk)"]
    wired += [] if core.stationary else [f".valid(read_s{end})", f".first(first_s{end})"]
    wired += [f".{name}({name}_s{end})" for name, _ in _tags(core) if name in ("slot", "plane")]
    wired += [".sum(sum)"] + ([".carry(carry)"] if core.half else [])
    wired += [f".partial(partial[{lane}])"] if core.stationary else []
    wired.append(f".result(result[{lane}])")
    body.append(f"lut_accumulator accumulator ({', '.join(wired)});")
    head = f"for (reader = 0; reader < {core.readers}; reader = reader + 1) begin : readers"
    return [head, *(f"    {line}" for line in body), "end"]
