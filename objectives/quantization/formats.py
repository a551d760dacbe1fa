"""Number formats: what an element is, which elements share a scale, and the bits of both.

Sources
-------
[MX] Open Compute Project, "OCP Microscaling Formats (MX) Specification", version 1.0 (2023): table 1
    (formats, blocks of 32, scales E8M0), section 5.3 (element formats), section 6.3 (conversion).
[FP8] OCP "8-bit Floating Point Specification (OFP8)", revision 1.0 (2023): E4M3 has no infinity and reaches
    448, E5M2 reaches 57,344.
[NV] NVIDIA, "Introducing NVFP4 for Efficient and Accurate Low-Precision Inference" (2025): blocks of 16 with
    an E4M3 scale, and one FP32 scale a tensor.
[IF] M. Chen et al., "INT v.s. FP: A Comprehensive Study of Fine-Grained Low-bit Quantization Formats",
    arXiv:2510.25602 (2025): MXINT6, MXINT4 and NVINT4, with integers clipped symmetrically.
[BN] S. Ma et al., "The Era of 1-bit LLMs", arXiv:2402.17764 (2024): ternary weights by their mean magnitude.
[GG] ggml, the tensor formats of llama.cpp: blocks and bytes as `gguf.GGML_QUANT_SIZES` states them.
[BF] IEEE 754-2019 (binary16, binary32), and bfloat16 as the first 16 bits of binary32.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

from dse.errors import ProblemError

Kind = Literal["integer", "float", "ternary", "stored"]
Sharing = int | Literal["channel", "tensor"]
ScaleKind = Literal["real", "power_of_two", "e4m3"]

# Scales of channels and groups are kept in FP16, as GPTQ, AWQ and llama.cpp do; those of tensors in FP32.
CHANNEL_SCALE_BITS = 16
TENSOR_SCALE_BITS = 32


@dataclass(frozen=True)
class Scale:
    """A scale, or a scale and an offset.

    Attributes
    ----------
    shared
        The elements that share it: so many in a row, those of a channel (a row of weights, a token's
        activations), or those of a tensor.
    bits
        What it takes to keep.
    """

    shared: Sharing
    bits: float


@dataclass(frozen=True)
class Format:
    """A number format.

    Attributes
    ----------
    name
        As in a space, see `number_format`.
    kind
        ``integer``: clipped symmetrically to ±(2^(bits - 1) - 1); ``float``; ``ternary``: -1, 0, 1 by the
        mean magnitude; ``stored``: known by its size alone.
    bits
        Of an element.
    exponent, mantissa
        Bits of a floating-point element; there are subnormals.
    largest
        The largest magnitude of an element, before scales.
    scales
        None for formats that hold values as they are (FP32, FP16, BF16).
    scale_kind
        How the innermost scale is kept: as a real number (rounded to FP16, or FP32 for a tensor), as a power
        of two (E8M0), or as E4M3.
    """

    name: str
    kind: Kind
    bits: float
    exponent: int = 0
    mantissa: int = 0
    largest: float = 0.0
    scales: tuple[Scale, ...] = ()
    scale_kind: ScaleKind = "real"

    @property
    def shared(self) -> Sharing:
        """The elements that share the innermost scale; `tensor` where there is none."""
        return self.scales[0].shared if self.scales else "tensor"

    @property
    def largest_exponent(self) -> int:
        """The exponent of the largest element (emax of [MX], 5.3); that of MX integers is 0."""
        if self.kind != "float":
            return 0
        return int(self.largest).bit_length() - 1 if self.largest >= 1 else 0

    @property
    def least_exponent(self) -> int:
        """The exponent of the smallest normal element."""
        return 2 - (1 << (self.exponent - 1))

    def effective_bits(self, channel: int, elements: int) -> float:
        """Return the bits an element takes with its share of the scales.

        Parameters
        ----------
        channel
            Elements of a channel: the summed dimension of a matrix of weights.
        elements
            Elements of the tensor.

        Notes
        -----
        A group never crosses channels: the last one of a channel may be shorter, and has its scale all the
        same.
        """
        bits = float(self.bits)
        for scale in self.scales:
            if scale.shared == "tensor":
                bits += scale.bits / elements
            elif scale.shared == "channel":
                bits += scale.bits / channel
            else:
                bits += scale.bits * -(-channel // scale.shared) / channel
        return bits


def _floating(name: str, bits: int, exponent: int, mantissa: int, largest: float) -> Format:
    return Format(name, "float", bits, exponent, mantissa, largest)


# Elements. Those of 4 and 6 bits, and E4M3, have no infinities: [MX] 5.3, [FP8].
_ELEMENTS = {
    "fp8_e4m3": _floating("fp8_e4m3", 8, 4, 3, 448.0),
    "fp8_e5m2": _floating("fp8_e5m2", 8, 5, 2, 57_344.0),
    "fp6_e2m3": _floating("fp6_e2m3", 6, 2, 3, 7.5),
    "fp6_e3m2": _floating("fp6_e3m2", 6, 3, 2, 28.0),
    "fp4_e2m1": _floating("fp4_e2m1", 4, 2, 1, 6.0),
    "ternary": Format("ternary", "ternary", 2, largest=1.0),
    **{
        f"int{bits}": Format(f"int{bits}", "integer", bits, largest=2 ** (bits - 1) - 1)
        for bits in range(2, 9)
    },
}

_WHOLE = {
    "fp32": Format("fp32", "float", 32, 8, 23, 3.4028234663852886e38),
    "bf16": Format("bf16", "float", 16, 8, 7, 3.3895313892515355e38),
    "fp16": Format("fp16", "float", 16, 5, 10, 65_504.0),
}


def _block(name: str, element: str, block: int, scale_kind: ScaleKind, *more: Scale) -> Format:
    base = _ELEMENTS[element]
    return Format(
        name,
        base.kind,
        base.bits,
        base.exponent,
        base.mantissa,
        base.largest,
        (Scale(block, 8), *more),
        scale_kind,
    )


_TENSOR = Scale("tensor", TENSOR_SCALE_BITS)
_BLOCKS = {
    "mxfp8_e4m3": _block("mxfp8_e4m3", "fp8_e4m3", 32, "power_of_two"),
    "mxfp8_e5m2": _block("mxfp8_e5m2", "fp8_e5m2", 32, "power_of_two"),
    "mxfp6_e2m3": _block("mxfp6_e2m3", "fp6_e2m3", 32, "power_of_two"),
    "mxfp6_e3m2": _block("mxfp6_e3m2", "fp6_e3m2", 32, "power_of_two"),
    "mxfp4": _block("mxfp4", "fp4_e2m1", 32, "power_of_two"),
    "mxint8": _block("mxint8", "int8", 32, "power_of_two"),
    "mxint6": _block("mxint6", "int6", 32, "power_of_two"),
    "mxint4": _block("mxint4", "int4", 32, "power_of_two"),
    "nvfp4": _block("nvfp4", "fp4_e2m1", 16, "e4m3", _TENSOR),
    "nvint4": _block("nvint4", "int4", 16, "e4m3", _TENSOR),
}


def _stored(name: str, bits: float, *scales: Scale) -> Format:
    return Format(name, "stored", bits, scales=scales)


# [GG]. Groups of 16 or 32 have a scale, most of them an offset too, quantised within a super-block of 256,
# which has an FP16 scale for the scales, and one for the offsets.
_STORED = {
    "q4_0": _stored("q4_0", 4, Scale(32, 16)),
    "q4_1": _stored("q4_1", 4, Scale(32, 32)),
    "q5_0": _stored("q5_0", 5, Scale(32, 16)),
    "q5_1": _stored("q5_1", 5, Scale(32, 32)),
    "q8_0": _stored("q8_0", 8, Scale(32, 16)),
    "q2_k": _stored("q2_k", 2, Scale(16, 8), Scale(256, 32)),
    "q3_k": _stored("q3_k", 3, Scale(16, 6), Scale(256, 16)),
    "q4_k": _stored("q4_k", 4, Scale(32, 12), Scale(256, 32)),
    "q5_k": _stored("q5_k", 5, Scale(32, 12), Scale(256, 32)),
    "q6_k": _stored("q6_k", 6, Scale(16, 8), Scale(256, 16)),
    "iq4_nl": _stored("iq4_nl", 4, Scale(32, 16)),
    "iq4_xs": _stored("iq4_xs", 4, Scale(32, 6), Scale(256, 16)),
    "tq1_0": _stored("tq1_0", 1.625, Scale(256, 16)),
    "tq2_0": _stored("tq2_0", 2, Scale(256, 16)),
}

_SHARED = re.compile(r"_(tensor|channel|g[1-9]\d*)$")


@cache
def number_format(name: str) -> Format:
    """Return a format by name.

    Parameters
    ----------
    name
        - ``fp32``, ``bf16``, ``fp16``;
        - an element with what shares a scale: ``int4_tensor``, ``int4_channel``, ``int4_g128``; ``int4`` is
          ``int4_channel``. Elements: ``int2`` to ``int8``, ``fp8_e4m3``, ``fp8_e5m2``, ``fp6_e2m3``,
          ``fp6_e3m2``, ``fp4_e2m1``, ``ternary``;
        - blocks: ``mxfp8_e4m3``, ``mxfp8_e5m2``, ``mxfp6_e2m3``, ``mxfp6_e3m2``, ``mxfp4``, ``mxint8``,
          ``mxint6``, ``mxint4``, ``nvfp4``, ``nvint4``;
        - of llama.cpp, by their size alone: ``q4_0``, ``q4_1``, ``q5_0``, ``q5_1``, ``q8_0``, ``q2_k``,
          ``q3_k``, ``q4_k``, ``q5_k``, ``q6_k``, ``iq4_nl``, ``iq4_xs``, ``tq1_0``, ``tq2_0``.

    Raises
    ------
    ProblemError
        If there is none of the name.

    Examples
    --------
    >>> number_format("mxfp4").effective_bits(4096, 4096 * 4096)
    4.25
    >>> number_format("int4_g128").effective_bits(4096, 4096 * 4096)
    4.125
    """
    for table in (_WHOLE, _BLOCKS, _STORED):
        if name in table:
            return table[name]
    found = _SHARED.search(name) if isinstance(name, str) else None
    element = name[: found.start()] if found else name
    if element not in _ELEMENTS:
        known = [*_WHOLE, *_ELEMENTS, *_BLOCKS, *_STORED]
        raise ProblemError(
            f"there is no number format {name!r}; known are {', '.join(known)}; integers, floats of 8 bits "
            "and fewer, and ternary take _tensor, _channel or _g and a number, as in int4_g128"
        )
    base = _ELEMENTS[element]
    if element == name:
        shared: Sharing = "tensor" if base.kind == "ternary" else "channel"
    else:
        suffix = name[len(element) + 1 :]
        shared = int(suffix[1:]) if suffix.startswith("g") else suffix  # type: ignore[assignment]
    bits = TENSOR_SCALE_BITS if shared == "tensor" else CHANNEL_SCALE_BITS
    return Format(
        name, base.kind, base.bits, base.exponent, base.mantissa, base.largest, (Scale(shared, bits),)
    )


NAMES = (*_WHOLE, *_ELEMENTS, *_BLOCKS, *_STORED)
