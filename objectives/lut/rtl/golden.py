"""What a core computes, in NumPy: the reference that the Verilog is simulated against."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dse.errors import ProblemError
from objectives.lut.core import Core
from objectives.lut.patterns import patterns

Integers = NDArray[np.int64]


def weight_range(core: Core) -> tuple[int, int]:
    """Return the least and greatest weight of a core's format."""
    if core.ternary:
        return -1, 1
    return -(2 ** (core.weight_bits - 1)), 2 ** (core.weight_bits - 1) - 1


def effective_weights(core: Core, weights: ArrayLike) -> Integers:
    """Return what activations are multiplied by: ``w``, or ``2 w + 1`` where bit planes are -1 and 1.

    Software takes the scale and the sum of activations off again: ``w a = ((2 w + 1) a - a) / 2``.
    """
    checked = _within("weights", weights, *weight_range(core))
    return checked if core.ternary or core.unit == "multiplier" else 2 * checked + 1


def product(core: Core, activations: ArrayLike, weights: ArrayLike) -> Integers:
    """Return ``activations @ effective_weights.T`` (m, n) of activations (m, k) and weights (n, k).

    Raises
    ------
    ProblemError
        If a value does not fit its format, or a sum does not fit the accumulators.
    """
    taken = _within("activations", activations, -(2 ** (core.bits - 1)), 2 ** (core.bits - 1) - 1)
    sums = taken @ effective_weights(core, weights).T
    limit = 2 ** (core.accumulator_bits - 1)
    if np.any((sums < -limit) | (sums >= limit)):
        raise ProblemError(
            f"accumulator_bits={core.accumulator_bits} is too narrow: sums reach {int(np.abs(sums).max())}"
        )
    return sums


def indices(core: Core, weights: ArrayLike) -> Integers:
    """Return the index words (n, groups, planes) of weights (n, k), as a memory holds them for the core.

    Plane 0 is the least significant. The number of weights a row must be a multiple of the group.
    """
    checked = _within("weights", weights, *weight_range(core))
    n, k = checked.shape
    if k % core.group_size:
        raise ProblemError(f"{k} weights a row are no multiple of group_size={core.group_size}")
    if core.unit == "multiplier":
        return np.asarray((checked & (2**core.weight_bits - 1))[:, :, None])
    if core.ternary:
        digits = checked[:, :, None]
    else:
        digits = 2 * (((checked[:, :, None] + 2 ** (core.planes - 1)) >> np.arange(core.planes)) & 1) - 1
    grouped = digits.reshape(n, -1, core.group_size, core.planes)
    place_values = (grouped + 1) * (3 ** np.arange(core.group_size))[:, None]
    return np.asarray(_codes(core)[place_values.sum(axis=2)])


def _codes(core: Core) -> Integers:
    """Return the index word of every pattern, by its digits plus one as a number of base three."""
    codes = np.zeros(3**core.group_size, np.int64)

    def key(pattern: tuple[int, ...]) -> int:
        return sum((digit + 1) * 3**place for place, digit in enumerate(pattern))

    gate = core.gate << core.select_bits
    sign = core.half << (core.index_bits - 1)
    for place, pattern in enumerate(patterns(core.ternary, core.group_size, core.half)):
        codes[key(pattern)] = place | gate
        if core.half:
            codes[key(tuple(-digit for digit in pattern))] = place | gate | sign
    codes[key((0,) * core.group_size)] = core.entries if core.zero_entry else 0
    return codes


def _within(name: str, values: ArrayLike, low: int, high: int) -> Integers:
    array = np.asarray(values)
    if array.ndim != 2 or array.dtype.kind not in "iu":
        raise ProblemError(f"{name} must be a matrix of integers, not {array.dtype} of shape {array.shape}")
    wide = array.astype(np.int64)
    if wide.size and (wide.min() < low or wide.max() > high):
        raise ProblemError(f"{name} reach from {wide.min()} to {wide.max()}, outside {low} to {high}")
    return wide
