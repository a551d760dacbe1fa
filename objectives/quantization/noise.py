"""Signal-to-quantization-noise ratios by the definitions of formats, without data.

Sources
-------
[IF] M. Chen et al., "INT v.s. FP: A Comprehensive Study of Fine-Grained Low-bit Quantization Formats",
    arXiv:2510.25602 (2025), theorems on the QSNR of integers and floats: values are normal but for the crest
    factor, the largest magnitude of a group over its root mean square.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from objectives.quantization.formats import Format, number_format
from objectives.quantization.quantizers import CLIPPING_RATIOS, round_to

Floats = NDArray[np.float64]

# Where in its octave a group's largest magnitude lies: evenly, by logarithm.
_OCTAVE = 2.0 ** ((np.arange(16) + 0.5) / 16)
# Ranks at which the distribution of a group's largest magnitude is sampled.
_RANKS = (np.arange(32) + 0.5) / 32


@cache
def normal_crest(elements: int) -> float:
    """Return the root mean square of the largest magnitude of so many standard normal values."""
    return float(np.sqrt(np.mean(_largest(elements, np.linspace(0, 1, 4_001)[1:-1]) ** 2)))


def _largest(elements: int, ranks: Floats) -> Floats:
    """Return quantiles of the largest magnitude of so many standard normal values."""
    # Of one value the tail above t is 2 Phi(-t), and of the largest 1 - (1 - that)^n.
    return np.asarray(-special.ndtri(-np.expm1(np.log(ranks) / elements) / 2))


@cache
def relative_noise(
    name: str, *, crest: float | None = None, elements: int = 4096, clipping: bool = False
) -> float:
    """Return the power of quantization noise over that of normal values.

    Parameters
    ----------
    name
        A format, see `objectives.quantization.number_format`.
    crest
        The largest magnitude of what shares a scale over the root mean square; by default that of as many
        normal values.
    elements
        What share a scale where it is a channel's or a tensor's.
    clipping
        Whether the scale is the one of least noise, as in `objectives.quantization.quantize`.

    Notes
    -----
    Exact for normal values: the integral of the squared error over the cells of all values that a format
    holds, of what lies below the largest magnitude, and the error of that itself. [IF] approximates it by
    uniform errors within steps. By default it is averaged over the distribution of the largest magnitude;
    scales that are powers of two over where in its octave that lies, E4M3 scales over their rounding.
    """
    form = number_format(name)
    if form.kind == "stored":
        # What is known of these is their size: noise as of integers of that many bits in such groups.
        return relative_noise(f"int{int(form.bits)}_g{form.shared}", crest=crest, elements=elements)
    if not form.scales:
        return 1 / (24 * 4.0**form.mantissa)  # values lie well within the exponents: [IF], without subnormals
    group = max(2, int(form.shared) if isinstance(form.shared, int) else elements)
    most = _largest(group, _RANKS) if crest is None else np.array([max(float(crest), 1.0)])
    ratios = (
        CLIPPING_RATIOS if clipping and form.scale_kind == "real" and form.kind != "ternary" else np.ones(1)
    )
    if form.kind == "ternary":
        # By the mean magnitude, which is sqrt(2 / pi) of normal values.
        steps = np.full((len(most), 1), np.sqrt(2 / np.pi))
    elif form.scale_kind == "power_of_two":
        top = 2.0**form.largest_exponent if form.kind == "float" else 2.0 ** (form.bits - 2)
        steps = most[:, None] / (_OCTAVE * top)
    elif form.scale_kind == "e4m3":
        # Three bits of mantissa: half a step up or down is between 1/16 and 1/32 of it, 1/24 on average.
        steps = most[:, None] / form.largest * (1 + np.linspace(-1, 1, 9) / 24)
    else:
        steps = most[:, None] / form.largest * ratios
    noise, power = _distortion(form, steps, most, group)
    if len(ratios) > 1:
        return float(noise.min(axis=1).mean() / power.mean())
    return float(noise.mean() / power.mean())


def sqnr_db(noise: ArrayLike) -> Floats:
    """Return a ratio of noise to signal as decibels of signal to noise."""
    return np.asarray(-10 * np.log10(np.asarray(noise, float)))


def published_integer_db(crest: ArrayLike, bits: int, *, overhead: float, group: int | None = None) -> Floats:
    """Return the QSNR of integers as [IF] has it: 10.8 + 6.02 (bits - 1) - 20 log(overhead) - 20 log(crest).

    Parameters
    ----------
    crest
        Crest factors.
    overhead
        Of the scale's rounding: 1.5 for powers of two, 1.05 for E4M3.
    group
        Elements of a group, where its largest has no error (E4M3 scales).
    """
    noise = (overhead * np.asarray(crest, float)) ** 2 / (12 * 4.0 ** (bits - 1))
    return sqnr_db(noise * (1 if group is None else 1 - 1 / group))


def published_float_db(crest: ArrayLike, name: str, *, overhead: float, group: int | None = None) -> Floats:
    """Return the QSNR of floating point as [IF] has it, with parameters as `published_integer_db`.

    Notes
    -----
    With the thresholds of the smallest subnormal (halved) and normal number in standard deviations, the noise
    is 1 / (24 4^M) of the power above the latter, a twelfth of the squared subnormal step for what lies
    between, and all that lies below the former.
    """
    form = number_format(name)
    scale = overhead * np.asarray(crest, float) / form.largest
    smallest, normal = (
        scale * 2.0 ** (form.least_exponent - form.mantissa - 1),
        scale * 2.0**form.least_exponent,
    )
    above = 2 * (normal * _density(normal) + _tail(normal))
    if group is not None:
        above = np.maximum(0.0, above - np.asarray(crest, float) ** 2 / group)
    between = 2 * (_tail(smallest) - _tail(normal))
    below = 1 - 2 * _tail(smallest) - 2 * smallest * _density(smallest)
    step = scale * 2.0 ** (form.least_exponent - form.mantissa)
    return sqnr_db(above / (24 * 4.0**form.mantissa) + step**2 / 12 * between + below)


@cache
def _codebook(name: str) -> Floats:
    """Return the magnitudes that an element can hold, from 0."""
    form = number_format(name)
    if form.kind != "float":
        return np.arange(form.largest + 1)
    finest = 2.0 ** (form.least_exponent - form.mantissa)
    exponents = np.arange(form.least_exponent, form.largest_exponent + 1)
    normal = (2.0 ** exponents[:, None] * (1 + np.arange(2**form.mantissa) / 2**form.mantissa)).reshape(-1)
    held = np.concatenate([finest * np.arange(2**form.mantissa), normal])
    return np.unique(round_to(held[held <= form.largest], form))


def _distortion(form: Format, steps: Floats, most: Floats, group: int) -> tuple[Floats, Floats]:
    """Return the noise (m, s) and the power (m,) of groups of normal values.

    Parameters
    ----------
    steps
        What one unit of an element is worth, (m, s).
    most
        The largest magnitudes (m,).
    group
        Values of a group, its largest included.
    """
    held = _codebook(form.name)
    edges = np.concatenate([[0.0], (held[1:] + held[:-1]) / 2, [np.inf]]) * steps[..., None]
    edges = np.minimum(edges, most[:, None, None])
    lower, upper = edges[..., :-1], edges[..., 1:]
    value = held * steps[..., None]
    zeroth = _tail(lower) - _tail(upper)
    first = _density(lower) - _density(upper)
    second = lower * _density(lower) - upper * _density(upper) + zeroth
    within = 1 - 2 * _tail(most)
    others = 2 * (second - 2 * value * first + value**2 * zeroth).sum(-1) / within[:, None]
    largest = (most[:, None] - round_to(most[:, None] / steps, form) * steps) ** 2
    power = 1 - 2 * most * _density(most) / within
    noise = (group - 1) * np.maximum(others, 0.0) + largest
    return np.asarray(noise / group), np.asarray(((group - 1) * power + most**2) / group)


def _density(at: Floats) -> Floats:
    return np.asarray(np.exp(-0.5 * at**2) / np.sqrt(2 * np.pi))


def _tail(at: Floats) -> Floats:
    return np.asarray(special.ndtr(-at))
