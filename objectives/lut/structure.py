"""What a core is made of, counted for a batch of designs: areas by component, widths, levels of logic.

The counts are those of the generated Verilog (`objectives.lut.rtl`); floating-point cores are counted alike,
with floating-point adders in place of integer ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.expressions import Columns
from objectives.lut.patterns import (
    PLANES,
    TERNARY,
    WEIGHTS,
    additions,
    growth,
    nonzero,
    patterns,
    signed_growth,
    steps,
)
from objectives.lut.technology import (
    ACTIVATIONS,
    EXPONENT,
    FORMAT_BITS,
    SIGNIFICAND,
    Technology,
)

Floats = NDArray[np.float64]

PREFIX = "lut."
MAX_GROUP = 6
PARTS = ("table", "reader", "reduction", "accumulator", "control")
COMPONENTS = (
    "registers",
    "holds",
    "adders",
    "negations",
    "selections",
    "gates",
    "multipliers",
    "float_units",
)


@lru_cache
def _kinds() -> dict[str, Floats]:
    """Return counts by kind of table, arrays (weight, group_size, half, serial).

    Widths are counted without the activation's own: a width is ``bits + growth``.
    """
    names = (
        "entries", "steps", "build_adders", "build_growth", "negations", "negation_growth",
        "stored_growth", "entry_growth", "value_growth",
    )  # fmt: skip
    counts = {name: np.zeros((2, MAX_GROUP + 1, 2, 2)) for name in names}
    for weight, ternary in enumerate((True, False)):
        for size in range(1, MAX_GROUP + 1):
            added = additions(ternary, size)
            kept = set(patterns(ternary, size, True))
            for half in (False, True):
                held = patterns(ternary, size, half)
                flipped = [pattern for pattern in held if pattern not in kept]
                widest = growth(size) if half else signed_growth(size)
                exact = sum((growth if item in kept else signed_growth)(nonzero(item)) for item in held)
                for serial in (False, True):
                    at = (weight, size, int(half), int(serial))
                    values = (
                        len(held),
                        len(steps(ternary, size, half)),
                        1 if serial else len(added),
                        widest if serial else sum(growth(nonzero(item.target)) for item in added),
                        0 if serial else len(flipped),
                        0 if serial else sum(signed_growth(nonzero(item)) for item in flipped),
                        widest * len(held) if serial else exact,
                        widest,
                        signed_growth(size),
                    )
                    for name, value in zip(names, values, strict=True):
                        counts[name][at] = value
    return counts


def adder_levels(bits: Any, in_series: Any = 1.0) -> Any:
    """Return the levels of logic of ripple-carry adders in series: a level a bit, and two an adder.

    The carry of the last adder runs through all its bits; those before are ahead of it by one full adder
    each (a full adder is two levels, N. Weste, D. Harris, CMOS VLSI Design, 4th ed., 2011, section 11.2).
    """
    return bits + 2 * in_series - 1


def float_adder_levels(name: str) -> float:
    """Return the levels of logic of a single-path floating-point adder.

    Its steps as in J.-M. Muller et al., Handbook of Floating-Point Arithmetic, 2nd ed., 2018, section 8.3:
    compare exponents, align, add, count leading zeros, normalise, round; shifts and counts take a level a
    bit of the shift.
    """
    significand, exponent = SIGNIFICAND[name], EXPONENT[name]
    shift = np.ceil(np.log2(significand + 3))
    levels = adder_levels(exponent) + 3 * shift + adder_levels(significand + 3) + adder_levels(significand)
    return float(levels)


def multiplier_levels(bits: Any, by: Any) -> Any:
    """Return the levels of logic of an array multiplier: a row of adders a bit of the narrower operand."""
    return 1 + adder_levels(np.maximum(bits, by), np.minimum(bits, by))


@dataclass(frozen=True)
class Structure:
    """Counts of a batch of cores, arrays (n,) or numbers that hold for all.

    Attributes
    ----------
    um2
        Area of one core in µm² by part and component, at the technology's unit costs.
    build_pj, read_pj
        Energy of building all tables of a row once, and of one read by one reader of a row.
    build_cycles
        Cycles from activations to their table.
    wait_alone, wait_buffered
        Cycles by which a build lengthens the reads of a table; with a second buffer, the least cycles
        between two tables.
    levels
        Levels of logic on the longest path between registers.
    index_bits
        Bits of weights that a reader is given for a table.
    planes
        Reads a weight.
    latency
        Cycles from a read to its sum.
    register_bits
        Flip-flops of one core.
    """

    um2: dict[tuple[str, str], Any]
    build_pj: Any
    read_pj: Any
    build_cycles: Any
    wait_alone: Any
    wait_buffered: Any
    levels: Any
    index_bits: Any
    planes: Any
    latency: Any
    register_bits: Any

    def part(self, name: str, factors: Mapping[str, float]) -> Any:
        """Return the area of a part, its components times their factors."""
        return sum(
            factors.get(component, 1.0) * value
            for (part, component), value in self.um2.items()
            if part == name
        )

    def component(self, name: str) -> Any:
        """Return the area of a component in all parts, at unit costs."""
        return sum(value for (_, component), value in self.um2.items() if component == name)


class Choice:
    """A column of texts (n,), looked up by value; one number stands for all where they are alike."""

    def __init__(self, column: NDArray[Any], names: Iterable[str]) -> None:
        self._names = tuple(names)
        first = str(column[0]) if len(column) else self._names[0]
        self._at: Any = self._names.index(first)
        if len(column) and not (column == first).all():
            self._at = np.zeros(len(column), np.intp)
            for place, name in enumerate(self._names):
                self._at[column == name] = place

    def of(self, values: Mapping[str, float], default: float = 0.0) -> Any:
        """Return the value of each text, numbers (n,) or one for all."""
        return np.array([values.get(name, default) for name in self._names])[self._at]


def structure(d: Columns, technology: Technology) -> Structure:
    """Count a batch of designs, columns ``lut.*`` of n values each."""
    cell = technology
    group = np.asarray(d["lut.group_size"])
    tables = np.asarray(d["lut.tables"], float)
    readers = np.asarray(d["lut.readers"], float)
    rows = np.asarray(d["lut.rows"], float)
    slots = np.asarray(d["lut.accumulators"], float)
    wide = np.asarray(d["lut.accumulator_bits"], float)
    pipeline = np.asarray(d["lut.pipeline"], float)
    double = np.asarray(d["lut.double_buffer"], bool)
    lookup = d["lut.unit"] == "lookup"
    multiplier = d["lut.unit"] == "multiplier"
    half = (d["lut.storage"] == "half") & ~multiplier
    serial = d["lut.construction"] == "serial"
    shared = d["lut.construction"] == "shared"
    chain = (d["lut.reduction"] == "chain") & (tables > 1)
    keeps = d["lut.dataflow"] == "output_stationary"
    formats = Choice(d["lut.activation"], ACTIVATIONS)
    weights = Choice(d["lut.weight"], WEIGHTS)
    ternary = np.asarray(weights.of({TERNARY: 1.0}) == 1)
    bits = formats.of({item.name: float(item.bits) for item in ACTIVATIONS.values()})
    word = formats.of({item.name: float(item.table_bits) for item in ACTIVATIONS.values()})
    is_float = formats.of({item.name: float(item.adder is not None) for item in ACTIVATIONS.values()})
    floating = np.asarray(is_float, bool)
    integer = ~floating
    plane_count = weights.of({name: float(bits) for name, bits in PLANES.items()}, 1.0)
    weight_bits = np.where(ternary, 2.0, plane_count)
    planes = np.where(multiplier, 1.0, plane_count)

    kind = (((np.where(ternary, 0, 1) * (MAX_GROUP + 1) + group) * 2 + half) * 2) + serial
    count = {name: table.ravel()[kind] for name, table in _kinds().items()}
    entries = np.where(lookup, count["entries"], 1.0)
    grows = integer * 1.0
    entry_bits = word + grows * np.where(lookup, count["entry_growth"], 0.0)
    value_bits = np.where(
        multiplier & integer,
        bits + np.where(ternary, 1.0, weight_bits),
        word + grows * np.where(multiplier, 0.0, count["value_growth"]),
    )
    log_tables = np.ceil(np.log2(tables))
    sum_bits = value_bits + grows * log_tables
    shifted_bits = sum_bits + grows * (planes - 1)
    zero_entry = lookup & ternary & (d["lut.zero"] == "entry")
    gate = ternary & ~multiplier & ~zero_entry
    select_bits = np.ceil(np.log2(entries + zero_entry))
    index_bits = np.where(multiplier, weight_bits, half * 1.0 + gate + select_bits)
    carried = half & integer

    # Adders: floating point by format, integers by width. The accumulator's format follows from its width.
    add = _FloatCosts(formats, wide, technology)
    um2: dict[tuple[str, str], Any] = {}
    register, hold = cell.register_um2, cell.mux2_um2

    # The lowest bits of a sum and of its negative are equal: one register.
    stored = np.where(lookup, entries * word + grows * (count["stored_growth"] - count["negations"]), bits)
    held_again = stored * (double & lookup)
    inputs = np.where(serial & lookup, group * bits, 0.0)
    kept = rows * tables * (stored + held_again + inputs)
    builders = np.where(lookup, np.where(shared, 1.0, tables), 0.0) * rows
    um2["table", "registers"] = kept * register
    um2["table", "holds"] = (
        kept * hold + builders * serial * ((group - 1) * bits + ~ternary * bits * integer) * hold
    )
    build_bits = grows * (count["build_adders"] * word + count["build_growth"])
    adder_um2 = technology.add_um2(np.array([8.0, 32.0]))
    slope = (adder_um2[1] - adder_um2[0]) / 24
    offset = adder_um2[0] - 8 * slope

    def integer_adders(number: Any, total_bits: Any) -> Any:
        """Return the area of adders by their number and the sum of their widths."""
        return number * offset + total_bits * slope

    um2["table", "adders"] = builders * integer_adders(grows * count["build_adders"], build_bits)
    um2["table", "negations"] = (
        builders * grows * (count["negations"] * word + count["negation_growth"])
        * (cell.xor2_um2 + cell.and2_um2)
    )  # fmt: skip
    um2["table", "gates"] = builders * serial * grows * entry_bits * (cell.xor2_um2 + cell.and2_um2)
    um2["table", "float_units"] = builders * floating * count["build_adders"] * add.table_um2

    lanes = rows * readers
    reads = lanes * tables
    signs = np.where(half & ~multiplier, np.where(floating, 1.0, value_bits), 0.0)
    um2["reader", "selections"] = reads * (entries - 1) * entry_bits * hold * ~multiplier
    um2["reader", "gates"] = reads * (
        (zero_entry | gate) * entry_bits * cell.and2_um2 + signs * cell.xor2_um2
    )
    um2["reader", "multipliers"] = reads * multiplier * integer * bits * weight_bits * cell.multiply_um2
    um2["reader", "float_units"] = reads * multiplier * floating * add.multiply_um2
    carry = carried * 1.0
    # The sign of a half table's value is its top bit twice: one register.
    piped = np.where(carried, entry_bits, value_bits) + carry
    um2["reader", "registers"] = reads * (pipeline >= 1) * piped * register

    # A tree's adders are a bit wider a level; a chain's as wide as what they have summed.
    tree_bits = (tables - 1) * value_bits + _tree_growth(tables)
    chain_bits = (tables - 1) * value_bits + _chain_growth(tables)
    reduce_bits = np.where(chain, chain_bits, tree_bits)
    um2["reduction", "adders"] = lanes * grows * integer_adders(tables - 1, reduce_bits)
    um2["reduction", "float_units"] = lanes * floating * (tables - 1) * add.table_um2
    chained = value_bits * tables + grows * _chain_growth(tables) + tables * carry
    cut = np.where(chain, chained, (pipeline == 2) * (sum_bits + carry))
    um2["reduction", "registers"] = lanes * cut * register

    shift = (planes > 1) * (planes - 1) * shifted_bits
    um2["accumulator", "selections"] = lanes * hold * (grows * shift + keeps * (slots - 1) * wide)
    um2["accumulator", "adders"] = lanes * (
        grows * integer_adders(1.0, wide) + floating * (planes > 1) * integer_adders(1.0, add.exponent)
    )
    um2["accumulator", "float_units"] = lanes * floating * add.sum_um2
    um2["accumulator", "gates"] = lanes * keeps * wide * cell.and2_um2
    um2["accumulator", "registers"] = lanes * np.where(keeps, slots, 1.0) * wide * register
    um2["accumulator", "holds"] = lanes * keeps * slots * wide * hold

    latency = np.minimum(pipeline, 1) + np.where(chain, tables, pipeline == 2)
    plane_bits = np.ceil(np.log2(planes))
    tag_bits = 1 + keeps * (2 + np.ceil(np.log2(slots))) + plane_bits
    number_bits = np.ceil(np.log2(np.maximum(count["steps"], 1.0)))
    place_bits = np.ceil(np.log2(group))
    told = np.where(serial & lookup, 4 + place_bits + ~ternary * 1.0 + double, 1.0)
    state = np.where(
        serial & lookup,
        3 + number_bits + double,
        np.where(shared & lookup, 1 + np.ceil(np.log2(tables)) + double, 1.0),
    )
    control = state + latency * tag_bits + chain * (tables - 1) * told + ~keeps * 1.0
    um2["control", "registers"] = control * register
    um2["control", "gates"] = (serial & lookup) * (count["steps"] + 4 * number_bits) * cell.and2_um2

    # Energy: additions as published, other logic by its area; tables of a row, one read of one lane.
    logic = technology.logic_pj_per_um2
    add_pj = technology.add_pj
    build_add = np.where(
        floating,
        add.table_pj,
        add_pj(word + (build_bits / np.maximum(count["build_adders"], 1) - word) * grows),
    )
    done = np.where(serial, count["steps"], count["build_adders"])
    moved = np.where(serial, count["steps"], 1.0) * stored + held_again + inputs
    negate_um2 = um2["table", "negations"] / np.maximum(builders, 1.0)
    build_pj = tables * (lookup * (done * build_add + negate_um2 * logic) + moved * register * logic)
    # A gated group of zeros switches nothing; weights are taken as uniform, a third of them zero.
    live = np.where(gate & lookup, 1 - 3.0 ** -group.astype(float), 1.0)
    read_um2 = (um2["reader", "selections"] + um2["reader", "gates"]) / lanes
    times = np.where(floating, add.multiply_pj, bits * weight_bits * technology.multiply_pj)
    mean_bits = reduce_bits / np.maximum(tables - 1, 1)
    reduce_pj = (tables - 1) * np.where(floating, add.table_pj, add_pj(mean_bits))
    slot_um2 = (
        wide * (register + np.log2(slots) * hold) + (cut + (pipeline >= 1) * tables * value_bits) * register
    )
    read_pj = (
        live * read_um2 * logic
        + multiplier * tables * times
        + reduce_pj
        + np.where(floating, add.sum_pj, add_pj(wide))
        + (slot_um2 + shift * hold) * logic
    )

    read_levels = np.where(
        multiplier,
        np.where(floating, add.multiply_levels, multiplier_levels(bits, weight_bits)),
        select_bits + (half & integer) + gate,
    )
    # Adders in series, with integers: only the last one's carry runs its whole width.
    extra = np.ceil(np.log2(planes)) + keeps * (1 + np.ceil(np.log2(slots)))
    one_add = np.where(floating, add.table_levels, adder_levels(sum_bits))
    tree_add = np.where(
        floating, log_tables * add.table_levels, (tables > 1) * adder_levels(sum_bits, log_tables)
    )
    sum_add = (
        np.where(floating, add.sum_levels + (planes > 1) * adder_levels(add.exponent), adder_levels(wide))
        + extra
    )
    tree_sum = np.where(floating, tree_add + sum_add, adder_levels(wide, 1 + log_tables) + extra)
    place_depth = np.where(serial, 1.0, place_bits)
    build_levels = lookup * np.where(
        floating,
        place_depth * add.table_levels,
        adder_levels(entry_bits, place_depth + (count["negations"] > 0))
        + serial * (2 + place_bits + number_bits),
    )
    deep = np.where(
        chain,
        np.maximum(np.where(pipeline == 0, read_levels + one_add, np.maximum(read_levels, one_add)), sum_add),
        np.where(
            pipeline == 0,
            read_levels + tree_sum,
            np.maximum(read_levels, np.where(pipeline == 1, tree_sum, np.maximum(tree_add, sum_add))),
        ),
    )
    registers = (
        rows * tables * (stored + held_again + inputs)
        + reads * (pipeline >= 1) * piped
        + lanes * (cut + np.where(keeps, slots, 1.0) * wide)
        + control
    )
    own = serial & lookup
    turns = shared & lookup
    return Structure(
        um2=um2,
        build_pj=build_pj,
        read_pj=read_pj,
        build_cycles=np.where(own, count["steps"], np.where(turns, tables, 1.0)),
        wait_alone=np.where(own, count["steps"], np.where(turns, tables - 1, 0.0)),
        wait_buffered=np.where(own, count["steps"] + 1, np.where(turns, tables, 0.0)),
        levels=np.maximum(deep, build_levels),
        index_bits=index_bits,
        planes=planes,
        latency=latency,
        register_bits=registers,
    )


class _FloatCosts:
    """Costs of the floating-point units of each design; zero for integers."""

    def __init__(self, formats: Choice, wide: Floats, technology: Technology) -> None:
        floats = {item.name: item.adder for item in ACTIVATIONS.values() if item.adder is not None}
        long = wide >= FORMAT_BITS["fp32"]

        def by_adder(costs: Mapping[str, float]) -> Any:
            return formats.of({name: costs[adder] for name, adder in floats.items()})

        def by_sum(costs: Mapping[str, float]) -> Any:
            return np.where(long, formats.of(dict.fromkeys(floats, costs["fp32"])), by_adder(costs))

        levels = {name: float_adder_levels(name) for name in FORMAT_BITS}
        self.table_um2 = by_adder(technology.float_add_um2)
        self.table_pj = by_adder(technology.float_add_pj)
        self.table_levels = by_adder(levels)
        self.sum_um2 = by_sum(technology.float_add_um2)
        self.sum_pj = by_sum(technology.float_add_pj)
        self.sum_levels = by_sum(levels)
        self.exponent = by_sum({name: float(EXPONENT[name]) for name in FORMAT_BITS})
        self.multiply_um2 = formats.of(technology.float_multiply_um2)
        self.multiply_pj = formats.of(technology.float_multiply_pj)
        self.multiply_levels = formats.of(
            {name: float(multiplier_levels(bits, bits)) for name, bits in SIGNIFICAND.items()}
        )


def _tree_growth(tables: Floats) -> Floats:
    """Return the bits by which a tree's adders are wider than its terms, summed; `tables` a power of two.

    Level l, from 1, has ``tables / 2 ** l`` adders that are l bits wider.
    """
    return 2 * tables - 2 - np.log2(tables)


def _chain_growth(tables: Floats) -> Floats:
    """Return the bits by which a chain's adders are wider: the sum of ``ceil(log2(i))`` for i to `tables`."""
    log = np.log2(tables)
    return np.asarray(tables * log - tables + 1)
