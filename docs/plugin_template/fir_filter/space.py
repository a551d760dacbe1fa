"""The search space."""

from __future__ import annotations

from dse import Categorical, Ordinal, Space


def fir_space(taps: int = 64) -> Space:
    """Return the space of folded FIR filters: few multipliers that work for many taps in turn.

    Parameters
    ----------
    taps
        Coefficients of the filter; every number of multipliers that divides it is a choice.
    """
    return Space(
        [
            Ordinal("fir.multipliers", [count for count in range(1, taps + 1) if taps % count == 0]),
            Ordinal("fir.word_bits", [8, 12, 16, 24, 32]),
            Ordinal("fir.clock_mhz", [100, 200, 400, 800]),
            Categorical("fir.adders", ["chain", "tree"]),
        ],
        # One adder after another is slow: no more than 8 within a clock period above 200 MHz.
        ["fir.adders == 'tree' or fir.multipliers <= 8 or fir.clock_mhz <= 200"],
    )
