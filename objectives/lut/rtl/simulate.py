"""A core's Verilog in Icarus Verilog, on given data."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dse.errors import DseError, ProblemError
from objectives.lut.core import Core
from objectives.lut.rtl.golden import indices, product
from objectives.lut.rtl.verilog import TOP, verilog

Integers = NDArray[np.int64]


class SimulationError(DseError):
    """The simulator is missing, refused the Verilog, or the core stood still."""


@dataclass(frozen=True)
class Simulation:
    """What came out.

    Attributes
    ----------
    result
        The product (m, n).
    cycles
        From the first word of activations to the last read, both counted.
    """

    result: Integers
    cycles: int


@dataclass(frozen=True)
class _Read:
    """One read: which step along K, turn along N, plane, and its place in them."""

    row: int
    step: int
    turn: int
    plane: int
    slot: int
    first: bool
    last: bool
    release: bool


def simulate(
    core: Core,
    activations: ArrayLike,
    weights: ArrayLike,
    *,
    gaps: int | None = None,
    timeout_s: float = 120.0,
) -> Simulation:
    """Run a core on a matrix product.

    Parameters
    ----------
    core
        The core.
    activations, weights
        Matrices (m, k) and (n, k) of integers within the core's formats: m a multiple of its rows, k of
        ``tables * group_size``, n of ``readers * accumulators``.
    gaps
        A seed: words of activations and reads are held back in random cycles. By default the core
        is fed as fast as it takes.
    timeout_s
        Of the simulator.

    Raises
    ------
    ProblemError
        If the shapes do not fit the core.
    SimulationError
        If Icarus Verilog is not installed, fails, or exceeds the time.
    """
    taken, weight = np.asarray(activations), np.asarray(weights)
    expected = product(core, taken, weight)
    per_step, per_tile = core.tables * core.group_size, core.readers * core.accumulators
    (m, k), (n, _) = taken.shape, weight.shape
    for name, value, unit in (("m", m, core.rows), ("k", k, per_step), ("n", n, per_tile)):
        if not value or value % unit:
            raise ProblemError(f"{name}={value} is no positive multiple of {unit}")
    reads = list(_reads(core, m // core.rows, k // per_step, n // core.readers))
    acts = _act_words(core, taken, reads)
    index = _index_words(core, weight, reads)
    partials, results = _sums(core, taken, weight, reads)
    read_bits = core.readers * core.tables * core.index_bits
    tags = [
        (read.slot << 32 | read.plane << 16 | read.first << 2 | read.last << 1 | read.release)
        for read in reads
    ]
    with tempfile.TemporaryDirectory(prefix="dse-lut-") as folder:
        place = Path(folder)
        (place / "core.v").write_text(verilog(core))
        (place / "act.hex").write_text(_hex(acts))
        (place / "index.hex").write_text(_hex(index))
        (place / "tags.hex").write_text(_hex(tags))
        (place / "partial.hex").write_text(_hex(partials or [0]))
        (place / "bench.v").write_text(_bench(core, len(acts), len(reads), len(results), read_bits, gaps))
        _tool(["iverilog", "-g2001", "-o", "bench.vvp", "bench.v", "core.v"], place, timeout_s)
        printed = _tool(["vvp", "-n", "bench.vvp"], place, timeout_s).split()
    if not printed or printed[-2:-1] != ["cycles"]:
        raise SimulationError(f"the core stood still after {len(printed)} of {len(results)} results")
    made = [int(word, 16) if "x" not in word and "z" not in word else None for word in printed[:-2]]
    return Simulation(_unpack(core, made, results, expected), int(printed[-1]))


def _reads(core: Core, row_tiles: int, steps: int, turns: int) -> Iterator[_Read]:
    planes = core.planes
    slots = core.accumulators
    stationary = core.dataflow == "table_stationary"
    for row in range(row_tiles):
        for tile in range(1 if stationary else turns // slots):
            for step in range(steps):
                here = range(turns) if stationary else range(tile * slots, (tile + 1) * slots)
                for turn in here:
                    for plane in range(planes):
                        end = plane == planes - 1
                        yield _Read(
                            row, step, turn, plane, turn % slots,
                            first=step == 0 and plane == 0,
                            last=step == steps - 1 and end,
                            release=turn == here[-1] and end,
                        )  # fmt: skip


def _pack(values: ArrayLike, bits: int) -> int:
    """Return one word of values, the first lowest."""
    word = 0
    for value in reversed(np.asarray(values).ravel().tolist()):
        word = word << bits | (value & (1 << bits) - 1)
    return word


def _act_words(core: Core, activations: Integers, reads: list[_Read]) -> list[int]:
    shape = (
        -1,
        core.rows,
        activations.shape[1] // (core.tables * core.group_size),
        core.tables,
        core.group_size,
    )
    grouped = activations.reshape(shape)
    words = []
    for read in reads:
        if not read.release:
            continue
        block = grouped[read.row, :, read.step]
        if core.unit == "lookup" and core.construction == "shared":
            words += [_pack(block[:, table], core.bits) for table in range(core.tables)]
        else:
            words.append(_pack(block, core.bits))
    return words


def _index_words(core: Core, weights: Integers, reads: list[_Read]) -> list[int]:
    found = indices(core, weights)
    shape = (-1, core.readers, found.shape[1] // core.tables, core.tables, core.planes)
    blocks = found.reshape(shape)
    return [_pack(blocks[read.turn, :, read.step, :, read.plane], core.index_bits) for read in reads]


def _sums(
    core: Core, activations: Integers, weights: Integers, reads: list[_Read]
) -> tuple[list[int], list[_Read]]:
    """Return the partial sums that a table_stationary core is given, and the reads that give results."""
    if core.dataflow != "table_stationary":
        return [], [read for read in reads if read.last]
    from objectives.lut.rtl.golden import effective_weights

    per_step = core.tables * core.group_size
    effective = effective_weights(core, weights)
    weighed = (effective + 2**core.planes - 1) // 2 if core.planes > 1 else effective
    words = []
    for read in reads:
        rows = activations[read.row * core.rows : (read.row + 1) * core.rows]
        turn = slice(read.turn * core.readers, (read.turn + 1) * core.readers)
        done = slice(0, read.step * per_step)
        now = slice(done.stop, done.stop + per_step)
        before = rows[:, done] @ effective[turn, done].T
        for plane in range(read.plane):
            digits = 2 * ((weighed[turn, now] >> plane) & 1) - 1
            before = before + ((rows[:, now] @ digits.T) << plane)
        words.append(_pack(before, core.accumulator_bits))
    return words, reads


def _unpack(core: Core, made: list[int | None], results: list[_Read], expected: Integers) -> Integers:
    """Return the last result of every place; a result that is unknown is the least integer."""
    wide, lanes = core.accumulator_bits, core.rows * core.readers
    out = np.full(expected.shape, np.iinfo(np.int64).min)
    for read, word in zip(results, made, strict=True):
        if word is None:
            continue
        values = np.array([word >> (lane * wide) & (1 << wide) - 1 for lane in range(lanes)], np.int64)
        values = np.where(values >= 1 << (wide - 1), values - (1 << wide), values)
        rows = slice(read.row * core.rows, (read.row + 1) * core.rows)
        turn = slice(read.turn * core.readers, (read.turn + 1) * core.readers)
        out[rows, turn] = values.reshape(core.rows, core.readers)
    return out


def _hex(words: list[int]) -> str:
    return "\n".join(f"{word:x}" for word in words) + "\n"


def _tool(command: list[str], folder: Path, timeout_s: float) -> str:
    if shutil.which(command[0]) is None:
        raise SimulationError(
            f"{command[0]!r} is not installed: install Icarus Verilog (apt-get install iverilog)"
        )
    try:
        done = subprocess.run(  # noqa: S603 -- a fixed tool, no shell
            command, cwd=folder, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired:
        raise SimulationError(f"{command[0]} took more than {timeout_s:g} s") from None
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        raise SimulationError(f"{command[0]} failed: {lines[-1]}")
    return done.stdout


def _bench(core: Core, acts: int, reads: int, results: int, read_bits: int, gaps: int | None) -> str:
    chain = core.reduction == "chain" and core.tables > 1
    group = core.group_size * core.bits
    shared = core.unit == "lookup" and core.construction == "shared"
    act_bits = core.rows * (1 if shared else core.tables) * group
    out_bits = core.rows * core.readers * core.accumulator_bits
    stationary = core.dataflow == "table_stationary"
    wired = [
        ".clk(clk)", ".rst(rst)", ".act_valid(act_valid)", ".act_ready(act_ready)", ".act(act)",
        ".read_valid(read_valid)", ".read_ready(read_ready)", ".index(index)",
        ".release_tables(tag[0])", ".result_valid(result_valid)", ".result(result)",
    ]  # fmt: skip
    if core.accumulators > 1:
        wired += [f".slot(tag[{32 + (core.accumulators - 1).bit_length() - 1}:32])", ".result_slot()"]
    if core.planes > 1:
        wired.append(f".plane(tag[{16 + (core.planes - 1).bit_length() - 1}:16])")
    if stationary:
        wired += [".partial(partials[partial])", ".accumulate(accumulate)"]
    else:
        wired += [".first(tag[2])", ".last(tag[1])"]
    skew = []
    for name, size, outer, width in (
        ("act", act_bits, core.rows, group),
        ("index", read_bits, core.readers, core.index_bits),
    ):
        skew.append(f"wire [{size - 1}:0] {name};")
        if not chain:
            skew.append(f"assign {name} = {name}_now;")
            continue
        for table in range(core.tables):
            source = f"{name}_now" if table == 0 else f"{name}_d{table}"
            if table:
                earlier = f"{name}_now" if table == 1 else f"{name}_d{table - 1}"
                skew += [f"reg [{size - 1}:0] {source};", f"always @(posedge clk) {source} <= {earlier};"]
            for lane in range(outer):
                low = (lane * core.tables + table) * width
                skew.append(f"assign {name}[{low} +: {width}] = {source}[{low} +: {width}];")
    lines = "\n    ".join(skew)
    hold = "1'b0" if gaps is None else "$random(seed) & 1"
    limit = 1000 + 8 * (reads + acts * (core.build_cycles + 2))
    return f"""\
module bench;
    reg clk = 0, rst = 1;
    integer seed = {gaps or 0};
    integer act_number = 0, read_number = 0, partial = 0, results = 0, cycles = 0, waited = 0;
    reg [{act_bits - 1}:0] acts [0:{acts - 1}];
    reg [{read_bits - 1}:0] indices [0:{reads - 1}];
    reg [63:0] tags [0:{reads - 1}];
    reg [{out_bits - 1}:0] partials [0:{max(reads - 1, 0) if stationary else 0}];
    initial begin
        $readmemh("act.hex", acts);
        $readmemh("index.hex", indices);
        $readmemh("tags.hex", tags);
        $readmemh("partial.hex", partials);
    end
    reg hold_act = 0, hold_read = 0;
    wire act_ready, read_ready, result_valid, accumulate;
    wire act_valid = !rst && act_number < {acts} && !hold_act;
    wire read_valid = !rst && read_number < {reads} && !hold_read;
    wire [63:0] tag = tags[read_number];
    wire [{out_bits - 1}:0] result;
    wire [{act_bits - 1}:0] act_now = acts[act_number];
    wire [{read_bits - 1}:0] index_now = indices[read_number];
    {lines}
    {TOP} core ({", ".join(wired)});
    always #5 clk = ~clk;
    initial #42 rst = 0;
    always @(posedge clk) if (!rst) begin
        hold_act <= {hold};
        hold_read <= {hold};
        if (act_valid && act_ready) act_number <= act_number + 1;
        if (read_valid && read_ready) read_number <= read_number + 1;
        if ((act_number > 0 || (act_valid && act_ready)) && read_number < {reads}) cycles <= cycles + 1;
        {"if (accumulate) partial <= partial + 1;" if stationary else ""}
        if (result_valid) begin
            $display("%h", result);
            results <= results + 1;
            if (results == {results - 1}) begin
                $display("cycles %0d", cycles);
                $finish;
            end
        end
        waited <= waited + 1;
        if (waited > {4 * limit if gaps is not None else limit}) $finish;
    end
endmodule
"""
