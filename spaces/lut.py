"""The space of look-up-table cores for ternary and low-bit weights."""

from __future__ import annotations

from collections.abc import Sequence

from dse import Categorical, Integer, Ordinal, Space
from dse.errors import SpaceError

# Bits of integer activations, and the greatest size of a weight by format: as planes of -1 and 1.
_INTEGER_BITS = {"int4": 4, "int8": 8}
_FLOATS = ("fp8", "bf16", "fp16", "fp32")
_LARGEST_WEIGHT = {"ternary": 1, "int2": 3, "int3": 7, "int4": 15}
WEIGHTS = tuple(_LARGEST_WEIGHT)


def lut_space(
    *,
    activations: Sequence[str] = ("int8",),
    weights: Sequence[str] = ("ternary", "int2"),
    inputs: int = 6912,
    least_lanes: int = 32,
    most_lanes: int = 1024,
    clocks_mhz: Sequence[int] = (250, 500, 750, 1000),
) -> Space:
    """Return the space of look-up-table cores, add/subtract and multiplier cores among them.

    Parameters
    ----------
    activations
        Formats of activations to choose from: int4, int8, fp8, bf16, fp16, fp32.
    weights
        Formats of weights to choose from: ternary; int2, int3, int4 by bit planes. A ternary network
        fits ternary and int2.
    inputs
        The longest sum (K) of the networks: integer accumulators hold it without overflow.
    least_lanes, most_lanes
        Bounds on the weights that all cores and rows together apply in a cycle.
    clocks_mhz
        Clocks to choose from.

    Returns
    -------
    Parameters ``lut.*``:

    - ``activation``, ``weight``: formats;
    - ``unit``: lookup, or the baselines without tables: add_subtract and multiplier;
    - ``group_size``: activations a table;
    - ``storage``: every signed sum, or half of them by symmetry of sign;
    - ``zero``: the selection holds a zero, or the index has a bit that gates it (ternary only);
    - ``construction``: an adder for every sum; one adder and a sum a cycle; or the adders of one
        table, time-shared; ``double_buffer``: whether the next table is built while one is read;
    - ``tables``: tables side by side along K; ``readers``: outputs that read each of them, along N;
        ``rows``: vectors of activations at once, along M; ``cores``: copies that share the outputs;
    - ``dataflow``: readers keep ``accumulators`` sums until complete, or partial sums come and go
        while a table serves every output; ``accumulator_bits``: their width;
    - ``reduction``: tree or systolic chain over the tables; ``pipeline``: register stages;
    - ``clock_mhz``.

    Raises
    ------
    SpaceError
        If a format is unknown or a bound is not positive.

    Notes
    -----
    A word of activations holds at most 256 of them. See `objectives.lut.core.Core` for the
    combinations that have no meaning.
    """
    _known("activations", activations, (*_INTEGER_BITS, *_FLOATS))
    _known("weights", weights, tuple(_LARGEST_WEIGHT))
    for name, value in (("inputs", inputs), ("least_lanes", least_lanes), ("most_lanes", most_lanes)):
        if value < 1:
            raise SpaceError(f"{name}={value!r} must be 1 or more")
    if least_lanes > most_lanes:
        raise SpaceError(f"least_lanes={least_lanes} exceeds most_lanes={most_lanes}: swap or widen them")
    return Space(
        [
            Categorical("lut.activation", activations),
            Categorical("lut.weight", weights),
            Categorical("lut.unit", ["lookup", "add_subtract", "multiplier"]),
            Integer("lut.group_size", 1, 6, active_if="lut.unit == 'lookup'", inactive=1),
            Categorical("lut.storage", ["half", "full"], active_if="lut.unit == 'lookup'"),
            # Bit planes have no zero.
            Categorical(
                "lut.zero", ["entry", "gate"], active_if="lut.unit == 'lookup' and lut.weight == 'ternary'"
            )
            if "ternary" in weights
            else Categorical("lut.zero", ["entry"]),
            Categorical(
                "lut.construction", ["parallel", "serial", "shared"], active_if="lut.unit == 'lookup'"
            ),
            Categorical("lut.double_buffer", [False, True], active_if="lut.construction != 'parallel'"),
            Ordinal("lut.tables", [1, 2, 4, 8, 16, 32]),
            Ordinal("lut.readers", [1, 2, 4, 8, 16, 32, 64, 128]),
            Ordinal("lut.rows", [1, 2, 4]),
            Ordinal("lut.cores", [1, 2, 4, 8, 16]),
            Categorical("lut.dataflow", ["output_stationary", "table_stationary"]),
            Ordinal("lut.accumulators", [1, 2, 4, 8, 16], active_if="lut.dataflow == 'output_stationary'"),
            Ordinal("lut.accumulator_bits", [16, 20, 24, 32]),
            Categorical("lut.reduction", ["tree", "chain"], active_if="lut.tables > 1"),
            Integer("lut.pipeline", 0, 2),
            Ordinal("lut.clock_mhz", sorted(clocks_mhz)),
        ],
        [
            "lut.unit != 'lookup' or lut.group_size >= 2",
            "lut.construction != 'shared' or (lut.tables > 1 and lut.reduction == 'tree')",
            "lut.pipeline < 2 or (lut.tables > 1 and lut.reduction == 'tree')",
            "lut.tables * lut.group_size * lut.rows <= 256",
            f"{least_lanes} <= lut.tables * lut.group_size * lut.readers * lut.rows * lut.cores",
            f"lut.tables * lut.group_size * lut.readers * lut.rows * lut.cores <= {most_lanes}",
            *_accumulators(activations, weights, inputs),
        ],
    )


def accumulator_bits(activation: str, weight: str, inputs: int) -> int:
    """Return the bits that hold any sum of `inputs` products of an integer activation and a weight."""
    largest: int = inputs * 2 ** (_INTEGER_BITS[activation] - 1) * _LARGEST_WEIGHT[weight]
    return largest.bit_length() + 1


def _accumulators(activations: Sequence[str], weights: Sequence[str], inputs: int) -> list[str]:
    rules = []
    for activation in activations:
        if activation in _FLOATS:
            widths = "lut.accumulator_bits == 32"
            if activation != "fp32":
                widths = f"(lut.accumulator_bits == 16 or {widths})"
            rules.append(f"lut.activation != '{activation}' or {widths}")
            continue
        rules += [
            f"lut.activation != '{activation}' or lut.weight != '{weight}' or "
            f"lut.accumulator_bits >= {accumulator_bits(activation, weight, inputs)}"
            for weight in weights
        ]
    return rules


def _known(name: str, given: Sequence[str], known: Sequence[str]) -> None:
    if isinstance(given, str) or not given:
        raise SpaceError(f"{name}={given!r} must be a list of formats, as in {known[:2]!r}")
    for item in given:
        if item not in known:
            raise SpaceError(f"{name}: {item!r} is unknown; known are {', '.join(known)}")
