"""When a parameter is suggested, found out from the trials in which it was and was not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dse.errors import StudyError
from dse.space import Categorical, Integer, Ordinal, Parameter

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Trials for each value of a parent, on average, below which choices explain anything.
LEAST_TRIALS = 2.0


def with_conditions(
    parameters: Sequence[Parameter], codes: Floats, given: Mask, numbers: Sequence[int]
) -> list[Parameter]:
    """Return parameters with the conditions under which they are given.

    A parameter that is missing in some trials is conditional. Its condition is that one other parameter,
    itself given wherever this one is, has certain values: of choices and ordered values those seen with it
    (``kind in ('a', 'b')``), of numbers also a bound (``layers >= 3``).

    Parameters
    ----------
    parameters
        Without conditions.
    codes, given
        Matrix and mask (n, parameters) of complete trials.
    numbers
        Of the trials (n,), for messages.

    Raises
    ------
    StudyError
        If no single parameter explains where one is missing.
    """
    found = []
    for child, parameter in enumerate(parameters):
        if given[:, child].all():
            found.append(parameter)
            continue
        condition = _condition(parameters, codes, given, child)
        if condition is None:
            missing = [str(numbers[row]) for row in np.flatnonzero(~given[:, child])[:3]]
            raise StudyError(
                f"parameter {parameter.name!r} is missing in some trials (number {', '.join(missing)}), and "
                "the values of no other parameter say in which: give the space (--space FILE, --as STUDY)"
            )
        found.append(replace(parameter, active_if=condition))
    return found


def _condition(parameters: Sequence[Parameter], codes: Floats, given: Mask, child: int) -> str | None:
    """Return the simplest condition that explains where a parameter is given; None for none."""
    candidates = []
    for parent, parameter in enumerate(parameters):
        there = given[:, parent]
        if parent == child or (given[:, child] & ~there).any():
            continue
        with_it = np.unique(codes[given[:, child], parent])
        without = np.unique(codes[there & ~given[:, child], parent])
        # Where the parent alone is never there without the child, it explains nothing.
        if not len(without) or np.intersect1d(with_it, without).size:
            continue
        text = _text(parameter, with_it, without, int(there.sum()))
        if text is not None:
            candidates.append((~there.all(), len(with_it) + len(without), parent, text))
    return min(candidates)[3] if candidates else None


def _text(parameter: Parameter, with_it: Floats, without: Floats, trials: int) -> str | None:
    """Return the condition that a parameter has the values seen with a child, of the codes that were seen."""
    name = parameter.name
    if isinstance(parameter, Integer | Ordinal):  # of numbers, in increasing order
        if with_it[0] > without[-1]:
            return f"{name} >= {parameter.decode(with_it[:1])[0].item()!r}"
        if with_it[-1] < without[0]:
            return f"{name} <= {parameter.decode(with_it[-1:])[0].item()!r}"
    elif not isinstance(parameter, Categorical):
        return None
    if trials < LEAST_TRIALS * (len(with_it) + len(without)):
        return None
    values = parameter.decode(with_it).tolist()
    return f"{name} == {values[0]!r}" if len(values) == 1 else f"{name} in {tuple(values)!r}"
