"""One core as data: the parameters of a design, checked, with the widths that follow from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np

from dse.errors import ProblemError
from objectives.lut.patterns import PLANES, TERNARY, WEIGHTS, growth, patterns, signed_growth, steps

PREFIX = "lut."
INTEGER_BITS = {"int4": 4, "int8": 8}
CHOICES = {
    "weight": WEIGHTS,
    "unit": ("lookup", "add_subtract", "multiplier"),
    "storage": ("half", "full"),
    "zero": ("entry", "gate"),
    "construction": ("parallel", "serial", "shared"),
    "dataflow": ("output_stationary", "table_stationary"),
    "reduction": ("tree", "chain"),
}


@dataclass(frozen=True)
class Core:
    """A core of integer activations; the fields are the parameters ``lut.*`` of the space.

    Attributes
    ----------
    activation
        int4 or int8: two's complement.
    weight
        ternary, or int2, int3, int4 by bit planes: a plane's digit is -1 or 1, so that planes of the
        two's complement weight ``w`` sum to the odd number ``2 w + 1`` (LUT Tensor Core,
        arXiv:2408.06003, calls it reinterpretation). A multiplier takes ``w`` itself.
    group_size
        Activations a table; 1: no table.
    unit
        lookup for groups of two or more; add_subtract or multiplier for a group of one.
    storage
        half: the sums whose first digit is positive, their negatives by sign; full: all of them.
    zero
        Ternary only. entry: the selection holds a constant zero; gate: the index has a bit of its own
        that is 0 for a group of zeros.
    construction
        parallel: adders for all sums, at once; serial: an adder a table, a sum a cycle; shared: the adders
        of one table, which serve a table a cycle.
    double_buffer
        The next table is built while one is read. A parallel construction needs none.
    tables, readers, rows
        Tables along K, outputs along N that read each of them, vectors of activations (M) with tables of
        their own.
    dataflow, accumulators
        output_stationary: a reader keeps `accumulators` sums until they are complete; table_stationary:
        partial sums come and go with every read.
    accumulator_bits
        Width of sums.
    reduction
        Of the tables of a reader: a tree, or a chain with a register behind every adder, whose operands
        arrive a cycle later a table.
    pipeline
        1: registers behind the readers; 2: behind the reduction too.

    Raises
    ------
    ProblemError
        If a field is out of range or two of them do not go together.
    """

    activation: str = "int8"
    weight: str = TERNARY
    group_size: int = 3
    unit: str = "lookup"
    storage: str = "half"
    zero: str = "entry"
    construction: str = "parallel"
    double_buffer: bool = False
    tables: int = 4
    readers: int = 8
    rows: int = 1
    dataflow: str = "output_stationary"
    accumulators: int = 1
    accumulator_bits: int = 24
    reduction: str = "tree"
    pipeline: int = 0

    def __post_init__(self) -> None:
        if self.activation not in INTEGER_BITS:
            raise ProblemError(
                f"activation={self.activation!r} has no hardware generator: take one of "
                f"{', '.join(INTEGER_BITS)}"
            )
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise ProblemError(
                    f"{name}={getattr(self, name)!r} is unknown; known are {', '.join(choices)}"
                )
        for name in ("group_size", "tables", "readers", "rows", "accumulators"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ProblemError(f"{name}={value!r} must be a whole number, 1 or more")
        if self.group_size > 6:
            raise ProblemError(
                f"group_size={self.group_size}: a table of more than 6 activations is too large"
            )
        if (self.unit == "lookup") != (self.group_size > 1):
            raise ProblemError(
                f"unit={self.unit!r} does not go with group_size={self.group_size}: lookup is for groups "
                "of 2 or more, add_subtract and multiplier are for groups of 1"
            )
        if self.pipeline not in (0, 1, 2):
            raise ProblemError(f"pipeline={self.pipeline!r} must be 0, 1 or 2")
        if self.pipeline == 2 and (self.tables == 1 or self.reduction == "chain"):
            raise ProblemError(
                "pipeline=2 needs a tree of two tables or more: a chain has its registers already"
            )
        if self.accumulators > 1 and self.dataflow == "table_stationary":
            raise ProblemError(
                f"accumulators={self.accumulators}: a table_stationary core keeps no sums, set it to 1"
            )
        if self.double_buffer and (self.unit != "lookup" or self.construction == "parallel"):
            raise ProblemError(
                "double_buffer=True: tables that are built in one cycle need no second buffer, set it to "
                "False"
            )
        if self.construction == "shared" and self.tables == 1:
            raise ProblemError(
                "construction='shared' needs two tables or more: for one, set it to 'parallel'"
            )
        if self.construction == "shared" and self.reduction == "chain":
            raise ProblemError("construction='shared' builds tables in turn and needs reduction='tree'")
        if self.accumulator_bits < self.sum_bits:
            raise ProblemError(
                f"accumulator_bits={self.accumulator_bits} is too narrow: one read alone takes "
                f"{self.sum_bits} bits"
            )

    @classmethod
    def from_design(cls, design: Mapping[str, Any]) -> Core:
        """Return the core of a design, a mapping with the parameters ``lut.*``; others are passed over.

        A parameter that is not active counts as its canonical value.
        """
        values: dict[str, Any] = {}
        for field in fields(cls):
            key = PREFIX + field.name
            if key not in design:
                raise ProblemError(f"the design has no parameter {key!r}")
            value = design[key]
            values[field.name] = value.item() if isinstance(value, np.generic) else value
        return cls(**values)

    @property
    def ternary(self) -> bool:
        """Whether weights are ternary."""
        return self.weight == TERNARY

    @property
    def planes(self) -> int:
        """Reads that a weight takes."""
        return 1 if self.ternary or self.unit == "multiplier" else PLANES[self.weight]

    @property
    def stationary(self) -> bool:
        """Whether tables stay and partial sums move."""
        return self.dataflow == "table_stationary"

    @property
    def chained(self) -> bool:
        """Whether tables are summed one after the other."""
        return self.reduction == "chain" and self.tables > 1

    @property
    def slot_bits(self) -> int:
        """Width of the number of an accumulator."""
        return (self.accumulators - 1).bit_length()

    @property
    def plane_bits(self) -> int:
        """Width of the number of a plane."""
        return (self.planes - 1).bit_length()

    @property
    def bits(self) -> int:
        """Width of an activation."""
        return INTEGER_BITS[self.activation]

    @property
    def half(self) -> bool:
        """Whether a reader applies the sign."""
        return self.unit != "multiplier" and (self.storage == "half" or self.unit == "add_subtract")

    @cached_property
    def entries(self) -> int:
        """Stored sums a table; 1 without tables."""
        return len(patterns(self.ternary, self.group_size, self.half)) if self.unit == "lookup" else 1

    @property
    def entry_bits(self) -> int:
        """Width of the widest entry."""
        if self.unit != "lookup":
            return self.bits
        grown = growth if self.half else signed_growth
        return self.bits + grown(self.group_size)

    @property
    def weight_bits(self) -> int:
        """Width of a multiplier's weight."""
        return 2 if self.ternary else PLANES[self.weight]

    @property
    def value_bits(self) -> int:
        """Width of what a reader hands on, its sign applied."""
        if self.unit == "multiplier":
            return self.bits + (1 if self.ternary else self.weight_bits)
        return self.bits + signed_growth(self.group_size)

    @property
    def zero_entry(self) -> bool:
        """Whether the selection holds a constant zero."""
        return self.unit == "lookup" and self.ternary and self.zero == "entry"

    @property
    def gate(self) -> bool:
        """Whether the index has a bit that is 0 for zero."""
        return self.ternary and (
            self.unit == "add_subtract" or (self.unit == "lookup" and self.zero == "gate")
        )

    @property
    def select_bits(self) -> int:
        """Width of the selection among entries."""
        return (self.entries + self.zero_entry - 1).bit_length()

    @property
    def index_bits(self) -> int:
        """Width of what a table's reader is given each read: sign, gate, selection; or a weight."""
        if self.unit == "multiplier":
            return self.weight_bits
        return self.half + self.gate + self.select_bits

    @property
    def tree_bits(self) -> int:
        """Width of the sum over tables."""
        return self.value_bits + growth(self.tables)

    @property
    def sum_bits(self) -> int:
        """Width of one read's contribution, shifted by its plane."""
        return self.tree_bits + self.planes - 1

    @property
    def build_cycles(self) -> int:
        """Cycles from taking activations to a table that is complete."""
        if self.unit != "lookup" or self.construction == "parallel":
            return 1
        if self.construction == "shared":
            return self.tables
        return len(steps(self.ternary, self.group_size, self.storage == "half"))

    @property
    def latency(self) -> int:
        """Cycles between a read and its accumulation."""
        read = min(self.pipeline, 1)
        if self.tables == 1:
            return read
        return read + (self.tables if self.reduction == "chain" else self.pipeline // 2)

    def turn_cycles(self, reads: int) -> int:
        """Return the cycles of building tables once and reading them `reads` times, in a steady state."""
        if self.unit != "lookup" or self.construction == "parallel":
            return reads
        if self.construction == "shared":
            return max(reads, self.tables) if self.double_buffer else reads + self.tables - 1
        if self.double_buffer:
            return max(reads, self.build_cycles + 1)
        return reads + self.build_cycles
