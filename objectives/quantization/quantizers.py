"""Real quantizers: values in, the values that a format would hold instead out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dse.errors import ProblemError
from objectives.quantization.formats import Format, number_format

Floats = NDArray[np.float64]

# Of the largest magnitude: where a search for the least squared error clips.
CLIPPING_RATIOS = np.linspace(1.0, 0.3, 15)

E8M0_BIAS = 127  # [MX] 5.4.1: exponents from -127 to 127
E4M3 = number_format("fp8_e4m3")


def quantize(values: ArrayLike, name: str | Format, *, clipping: bool = False) -> Floats:
    """Return what a format would hold in place of the values.

    Parameters
    ----------
    values
        A matrix (channels, elements): outputs by inputs of weights, tokens by features of activations. Groups
        run along the last axis and never cross a channel. Other shapes are taken as (first axis, the rest).
    name
        A format, see `objectives.quantization.number_format`.
    clipping
        Whether the scale is the one of least squared error among 15 fractions, 1 to 0.3, of the one that
        clips nothing. For formats whose innermost scale is a real number; others and ternary are not changed.

    Returns
    -------
    Of the values' shape.

    Raises
    ------
    ProblemError
        If a value is not finite, or the format is known by its size alone.

    Notes
    -----
    Elements are rounded half to even and saturate. Integers keep to ±(2^(bits - 1) - 1). MX: section 6.3 of
    the specification, the scale is the largest power of two not above the largest magnitude, divided by the
    largest power of two of the element format. NVFP4: a scale of the tensor maps its largest magnitude to
    6 x 448, that of a block is rounded to E4M3. Ternary: divided by the mean magnitude, rounded, clipped.
    """
    form = number_format(name) if isinstance(name, str) else name
    array = np.asarray(values, np.float64)
    if not np.isfinite(array).all():
        raise ProblemError("values to quantize hold something that is not finite")
    if form.kind == "stored":
        raise ProblemError(f"format {form.name!r} is known by its size alone: it has no quantizer here")
    if array.size == 0:
        return array.copy()
    if not form.scales:
        return round_to(array, form)
    matrix = array.reshape(1, -1) if array.ndim < 2 else array.reshape(len(array), -1)
    groups, undo, sizes = _grouped(matrix, form)
    if form.kind == "ternary":
        step = _stored_scale(np.abs(groups).sum(-1, keepdims=True) / sizes, form)
    else:
        step = _steps(groups, form, clipping)
    return np.asarray(undo(_held(groups, step, form))).reshape(array.shape)


def round_to(values: ArrayLike, form: Format) -> Floats:
    """Return values rounded to the elements of a format, half to even, saturated; without scales."""
    array = np.asarray(values, np.float64)
    if form.kind != "float":
        held = np.rint(array)
    else:
        _, exponent = np.frexp(array)
        # Powers of two: multiplying by them is exact.
        finest = np.maximum(exponent - 1, form.least_exponent) - form.mantissa
        held = np.ldexp(np.rint(np.ldexp(array, -finest)), finest)
    return np.asarray(np.clip(held, -form.largest, form.largest))


def _held(values: Floats, step: Floats, form: Format) -> Floats:
    safe = np.where(step > 0, step, 1.0)
    return np.asarray(round_to(values / safe, form) * np.where(step > 0, step, 0.0))


def _grouped(matrix: Floats, form: Format) -> tuple[Floats, Any, Any]:
    """Return the values by what shares a scale, along the last axis, zero where a group is padded.

    Beside them what turns them back into the matrix, and the sizes of groups without padding.
    """
    rows, columns = matrix.shape
    if form.shared == "tensor":
        return matrix.reshape(1, 1, -1), lambda out: out.reshape(rows, columns), matrix.size
    size = columns if form.shared == "channel" else int(form.shared)
    count = -(-columns // size)
    if count * size == columns:
        return matrix.reshape(rows, count, size), lambda out: out.reshape(rows, columns), size
    padded = np.zeros((rows, count * size))
    padded[:, :columns] = matrix
    sizes = np.minimum(size, columns - size * np.arange(count))[None, :, None]
    return padded.reshape(rows, count, size), lambda out: out.reshape(rows, -1)[:, :columns], sizes


def _steps(groups: Floats, form: Format, clipping: bool) -> Floats:
    """Return what one unit of an element is worth, by group."""
    most = np.maximum(groups.max(-1, keepdims=True), -groups.min(-1, keepdims=True))
    if form.scale_kind == "power_of_two":
        _, exponent = np.frexp(most)
        shared = np.clip(exponent - 1 - form.largest_exponent, -E8M0_BIAS, E8M0_BIAS)
        # An MX integer is a fixed-point number of one digit before the point: [MX] 5.3.4.
        fraction = 2 - int(form.bits) if form.kind == "integer" else 0
        return np.where(most > 0, np.ldexp(1.0, shared + fraction), 0.0)
    if form.scale_kind == "e4m3":
        tensor = np.float64(np.float32(most.max() / (form.largest * E4M3.largest)))
        if tensor == 0:
            return np.zeros_like(most)
        return round_to(most / (form.largest * tensor), E4M3) * tensor
    best = _stored_scale(most / form.largest, form)
    if not clipping:
        return best
    least = np.square(_held(groups, best, form) - groups).sum(-1, keepdims=True)
    for ratio in CLIPPING_RATIOS[1:]:
        step = _stored_scale(ratio * most / form.largest, form)
        error = np.square(_held(groups, step, form) - groups).sum(-1, keepdims=True)
        best, least = np.where(error < least, step, best), np.minimum(error, least)
    return best


def _stored_scale(step: Floats, form: Format) -> Floats:
    """Return scales as they are kept: FP32 a tensor, else FP16; not rounded to zero, nor to infinity."""
    if form.shared == "tensor":
        return np.asarray(step.astype(np.float32), np.float64)
    least, most = float(np.finfo(np.float16).smallest_subnormal), float(np.finfo(np.float16).max)
    kept = np.clip(step, least, most).astype(np.float16).astype(np.float64)
    return np.where(step > 0, kept, 0.0)


def hadamard(size: int) -> Floats:
    """Return the orthonormal Hadamard matrix (size, size) of Sylvester's construction, or of blocks of it.

    Parameters
    ----------
    size
        Where it is no power of two, blocks of its largest power of two that divides it are on the diagonal.
    """
    block = size & -size
    matrix = np.ones((1, 1))
    while len(matrix) < block:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    return np.kron(np.eye(size // block), matrix / np.sqrt(block))
