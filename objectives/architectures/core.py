"""An architecture as a core of `objectives.accelerator`, as far as it is one."""

from __future__ import annotations

from typing import Any

import numpy as np

from dse.errors import ProblemError
from objectives.accelerator.hardware import BANK_BYTES, DATAFLOWS, PRECISIONS
from objectives.architectures.architecture import OPERANDS, Architecture, Storage

# Cycles a second where neither file nor user says.
CLOCK_MHZ = 1_000.0

# Words that a PE of ours holds of an operand: the one in use and the next; where rows are stationary, beside
# the file of weights, a window of inputs and sums of as many filters as take turns
# (`objectives.accelerator.verification`).
_REGISTER_WORDS, _WINDOW_WORDS = 2, 16
_SUM_BITS = 32

_BUFFERS = {"inputs": "input_kib", "weights": "weight_kib", "outputs": "output_kib"}


def core_columns(
    architecture: Architecture,
    *,
    dataflow: Any,
    precision: str | None = None,
    clock_mhz: float | None = None,
) -> tuple[dict[str, Any], list[str]]:
    """Return the columns of `objectives.accelerator.hardware.CORE_COLUMNS`, and what is lost on the way.

    Parameters
    ----------
    architecture
        The file's.
    dataflow
        One of `objectives.accelerator.hardware.DATAFLOWS`, or an array (n,) of them.
    precision
        Of the multipliers; by default the integers of the file's words, else int8.
    clock_mhz
        By default the file's, else `CLOCK_MHZ`.

    Returns
    -------
    columns
        By name, numbers or arrays (n,).
    lost
        A line for each thing that a core of ours has no place for, with what was taken in its place.

    Raises
    ------
    ProblemError
        If there is no core of ours that is anything like it: an operand without memory, or a backing store
        that does not hold all.

    Notes
    -----
    A core of ours has one buffer an operand between the array and DRAM, each of as many banks of 64 bits.
    """
    unknown = [name for name in np.unique(np.asarray(dataflow)).tolist() if name not in DATAFLOWS]
    if unknown:
        raise ProblemError(f"dataflow {unknown[0]!r} is unknown; known are {', '.join(DATAFLOWS)}")
    if not architecture.storages:
        raise ProblemError(f"{architecture.name} has no memory: an accelerator needs one")
    backing, inner = architecture.storages[-1], architecture.storages[:-1]
    if set(backing.operands) != set(OPERANDS):
        raise ProblemError(
            f"{architecture.name}: its outermost memory {backing.name!r} holds only "
            f"{', '.join(backing.operands)}: the last of them must hold inputs, weights and outputs"
        )
    lost: list[str] = [*architecture.assumed]
    found: dict[str, Any] = {"rows": architecture.rows, "columns": architecture.columns, "dataflow": dataflow}
    taken: list[Storage] = []
    for operand, column in _BUFFERS.items():
        bits, buffer = _buffer(architecture, inner, operand, lost)
        found[column] = np.asarray(bits, float) / 8 / 1024
        if buffer is not None and buffer not in taken:
            taken.append(buffer)
    found["banks"] = _banks(taken, lost)
    found["precision"] = _precision(architecture, precision)
    found["register_bytes"] = _file_bytes(inner, dataflow, architecture, lost)
    clock = clock_mhz or (architecture.clock_mhz if architecture.clock_mhz is not None else CLOCK_MHZ)
    found["clock_mhz"] = clock
    if backing.port_bits is None:
        raise ProblemError(
            f"{architecture.name}: {backing.name!r} has no bandwidth: state what it reads in a cycle"
        )
    found["dram_gb_s"] = np.asarray(backing.port_bits, float) / 8 * np.asarray(clock, float) * 1e-3
    return found, list(dict.fromkeys(lost))


def _buffer(
    architecture: Architecture, inner: tuple[Storage, ...], operand: str, lost: list[str]
) -> tuple[Any, Storage | None]:
    """Return the bits of an operand's buffer, and which it is; None where it has none."""
    holding = [item for item in inner if operand in item.operands]
    shared = [item for item in holding if item.shared]
    if not shared:
        if not holding:
            raise ProblemError(
                f"{architecture.name}: no memory between the array and the outermost holds {operand}: "
                "this model needs one"
            )
        last = holding[-1]
        lost.append(
            f"{operand} have no buffer that all PEs share: that of our core is taken as large as "
            f"{last.name!r} in all PEs together"
        )
        return np.asarray(last.bits, float) * architecture.rows * architecture.columns, None
    lost += [
        f"{item.name!r} is left out: our cores have one buffer an operand, here {shared[-1].name!r}"
        for item in shared[:-1]
    ]
    chosen = shared[-1]
    bits = np.asarray(chosen.bits, float)
    if not np.isfinite(bits).all():
        raise ProblemError(f"{architecture.name}: {chosen.name!r} has no capacity: state it")
    holds = len(chosen.operands)
    if holds > 1:
        parts = "half" if holds == 2 else "a third"
        lost.append(f"{chosen.name!r} holds {' and '.join(chosen.operands)}: each is given {parts} of it")
    return bits / holds, chosen


def _banks(buffers: list[Storage], lost: list[str]) -> Any:
    """Return how many banks of 64 bits the buffers have, all the same number."""
    known = [item for item in buffers if item.port_bits is not None]
    if not known:
        lost.append("no buffer states what it reads in a cycle: one bank of 64 bits each")
        return 1
    widths = [np.asarray(item.port_bits, float) / (8 * BANK_BYTES) for item in known]
    narrowest = np.minimum.reduce(np.broadcast_arrays(*widths))
    if len(known) < len(buffers) or any(not np.array_equal(width, narrowest) for width in widths):
        names = ", ".join(repr(item.name) for item in buffers)
        lost.append(f"buffers {names} have ports of different widths: all are given the narrowest")
    return narrowest


def _precision(architecture: Architecture, stated: str | None) -> str:
    if stated:
        return stated
    if architecture.word_bits is None:
        return "int8"
    widths = np.unique(np.asarray(architecture.word_bits))
    name = f"int{int(widths.max())}"
    if len(widths) > 1 or name not in PRECISIONS:
        raise ProblemError(
            f"{architecture.name}: words of {', '.join(map(str, widths.tolist()))} bits are no precision of "
            f"ours: state one of {', '.join(PRECISIONS)}"
        )
    return name


def _file_bytes(
    inner: tuple[Storage, ...], dataflow: Any, architecture: Architecture, lost: list[str]
) -> Any:
    """Return the bytes of a PE's register file, where rows are stationary."""
    own = [item for item in inner if not item.shared]
    of_weights = [item for item in own if "weights" in item.operands]
    flows = np.asarray(dataflow)
    word = 8 if architecture.word_bits is None else np.max(np.asarray(architecture.word_bits))
    stays = flows != "row_stationary"
    most = (_REGISTER_WORDS if stays.any() else _WINDOW_WORDS) * max(float(word), _SUM_BITS)
    lost += [
        f"{item.name!r} in the PEs is left out: a PE of ours has a register an operand, and a file of "
        "weights where rows are stationary"
        for item in own
        if (np.asarray(item.bits, float) > most).any() and (stays.any() or item not in of_weights)
    ]
    if stays.all():
        return 0
    if not of_weights:
        raise ProblemError(
            f"{architecture.name}: rows are stationary in register files, and no memory in its PEs holds "
            "weights"
        )
    return np.asarray(of_weights[0].bits, float) / 8
