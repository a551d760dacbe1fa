"""Which multiplier a pair of formats runs on, and what must be converted for it."""

from __future__ import annotations

from dataclasses import dataclass

from objectives.devices.processor import Processor
from objectives.quantization.formats import Format, number_format

# Operations on an element to unpack it and apply its scale: as `objectives.gpu.tensor_gemm`, counted after
# Y. Kim et al., "Who Says Elephants Can't Run", arXiv:2211.10017, section 3.
UNPACK_OPS = 1.5
# To quantize an activation on the fly: its magnitude, for the largest of those that share a scale; a
# multiplication by the scale; rounding and clipping.
QUANTIZE_OPS = 3.0
# Vectors that use a converted weight before it must be converted again: rows of a block of a kernel.
ROWS_A_CONVERSION = 128

_BLOCK_SCALED = ("mxfp8", "mxfp6", "mxfp4", "nvfp4")


@dataclass(frozen=True)
class Multiplication:
    """How a pair of formats is multiplied.

    Attributes
    ----------
    operands
        The format of the multipliers.
    weight_ops, activation_ops
        Operations to convert one weight, one activation, before that; 0 where none is needed.
    """

    operands: str
    weight_ops: float
    activation_ops: float

    @property
    def native(self) -> bool:
        """Whether weights go into the multipliers as they are stored."""
        return self.weight_ops == 0


def multiplication(device: Processor, weights: str, activations: str) -> Multiplication | None:
    """Return the fastest way in which a device multiplies a pair of formats; None where there is none.

    Notes
    -----
    Integers that share a scale by channel or tensor go into integer multipliers as wide as the wider of the
    two, narrower ones after unpacking; likewise floats of 8 bits and fewer; block-scaled formats where the
    device multiplies those blocks. Whatever has no multiplier of its own is converted to FP16 or BF16 (or
    FP32 where there is neither). Scales of groups change along the sum, so that such integers are converted
    to floats.
    """
    left, right = number_format(weights), number_format(activations)
    ways = []
    for operands, rate in device.tera_macs.items():
        one, other = _operations(left, operands), _operations(right, operands)
        if one is None or other is None:
            continue
        quantized = QUANTIZE_OPS if right.scales else 0.0
        # At equal rate the way with fewer conversions.
        ways.append((-rate, one + other, operands, one, other + quantized))
    if not ways:
        return None
    _, _, operands, weight_ops, activation_ops = min(ways)
    return Multiplication(operands, weight_ops, activation_ops)


def _operations(form: Format, operands: str) -> float | None:
    """Return the operations to turn an element into an operand, None where that would lose digits."""
    if operands in ("fp16", "bf16", "fp32"):
        if not form.scales and form.bits > (32 if operands == "fp32" else 16):
            return None
        return 0.0 if form.name == operands or not form.scales else UNPACK_OPS
    if operands in _BLOCK_SCALED:
        # Of one family narrower ones go in as they are.
        same = form.name.startswith(operands[:4]) and form.scale_kind != "real"
        return 0.0 if same and form.kind == "float" and form.bits <= int(operands[-1]) else None
    if form.shared not in ("channel", "tensor") or not form.scales or form.scale_kind != "real":
        return None
    if operands.startswith("int") and form.kind in ("integer", "ternary"):
        width = int(operands.removeprefix("int"))
        return None if form.bits > width else 0.0 if form.bits == width else UNPACK_OPS
    if operands.startswith("fp") and form.kind == "float":
        width = int(operands.removeprefix("fp"))
        return None if form.bits > width else 0.0 if form.bits == width else UNPACK_OPS
    return None
