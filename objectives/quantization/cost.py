"""Size, time, energy and bit operations of a quantized network on a device, by roofline."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import log2

from dse.errors import ProblemError
from objectives.devices.processor import Processor
from objectives.quantization.formats import number_format
from objectives.quantization.multiplication import QUANTIZE_OPS, ROWS_A_CONVERSION, UNPACK_OPS, multiplication
from objectives.workloads import (
    AttentionLayer,
    ConvolutionLayer,
    EmbeddingLayer,
    Layer,
    LinearLayer,
    Workload,
)

PLAIN_BITS = 16  # of parameters that have no format of their own: norms, biases, positions


@dataclass(frozen=True)
class Use:
    """How a network is used.

    Attributes
    ----------
    batch
        Sequences that are decoded together, or images.
    context
        Tokens that a sequence has when its next one is decoded.
    prompt
        Tokens that are prefilled at once.
    """

    batch: int = 1
    context: int = 2048
    prompt: int = 512

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ProblemError(f"{item.name}={value!r} must be a whole number, 1 or more")


@dataclass(frozen=True)
class Cost:
    """What a layer costs in a pair of formats.

    Attributes
    ----------
    weight_bits
        Of its weights with their scales, and of its biases.
    cache_bits
        Of keys and values of the whole context, of the batch.
    bops
        Bit operations of one unit: multiply-accumulates times bits of weights times bits of activations.
    step_s, step_j
        Seconds and joules of a pass over the batch: a token of every sequence, or the images.
    prefill_s
        Seconds of a prompt; 0 for images.
    """

    weight_bits: float = 0.0
    cache_bits: float = 0.0
    bops: float = 0.0
    step_s: float = 0.0
    step_j: float = 0.0
    prefill_s: float = 0.0


def layer_cost(
    layer: Layer,
    workload: Workload,
    device: Processor,
    use: Use,
    weights: str,
    activations: str,
    *,
    rotation: bool = False,
) -> Cost | None:
    """Return the cost of a layer with weights, or None where the device cannot multiply the pair of formats.

    Notes
    -----
    A roofline: the longest of multiplication at its peak, conversion on the vector units, and movement of
    weights, inputs and outputs to and from memory. Outputs are written in the format of the inputs. Of a
    mixture's experts as many are read as an even choice by every token hits on average,
    count (1 - (1 - active / count)^tokens). BOPS as in C. Baskin et al., UNIQ (arXiv:1804.10969), without the
    summands of accumulation, as HAWQ-V3 (arXiv:2011.10680) has it. A rotation of the inputs is a fast
    Hadamard transform, an addition an element and stage.
    """
    form, other = number_format(weights), number_format(activations)
    channel, elements = _channel(layer)
    bits = form.effective_bits(channel, elements)
    stored = layer.weights * bits + layer.biases * PLAIN_BITS
    if isinstance(layer, EmbeddingLayer):
        moved = layer.width * bits / 8
        return Cost(
            weight_bits=stored,
            step_s=use.batch * moved / (device.dram_gb_s * 1e9),
            step_j=use.batch * moved * 8e-12 * device.dram_pj_per_bit,
            prefill_s=use.prompt * moved / (device.dram_gb_s * 1e9),
        )
    way = multiplication(device, weights, activations)
    if way is None:
        return None

    rotated = log2(channel & -channel) if rotation else 0.0

    def run(units: int) -> tuple[float, float]:
        """Return seconds and joules of so many tokens or images together."""
        macs = units * layer.macs()
        touched = _touched(layer, units)
        moved = touched * bits + units * (layer.inputs_moved + layer.outputs_moved) * other.effective_bits(
            channel, max(1, layer.inputs_moved)
        )
        rows = units * _rows(layer)
        operations = touched * way.weight_ops * -(-rows // ROWS_A_CONVERSION)
        operations += units * layer.inputs_moved * (way.activation_ops + rotated)
        seconds = max(
            macs / (device.tera_macs[way.operands] * 1e12),
            moved / 8 / (device.dram_gb_s * 1e9),
            operations / (device.tera_vector_ops * 1e12),
        )
        joules = macs * device.mac_pj[way.operands] * 1e-12 + moved * device.dram_pj_per_bit * 1e-12
        return seconds, joules + device.idle_w * seconds

    step_s, step_j = run(use.batch)
    return Cost(
        weight_bits=stored,
        bops=layer.macs() * form.bits * other.bits,
        step_s=step_s,
        step_j=step_j,
        prefill_s=run(use.prompt)[0] if workload.unit == "token" else 0.0,
    )


def attention_cost(
    layer: AttentionLayer, workload: Workload, device: Processor, use: Use, cache: str
) -> Cost:
    """Return the cost of attention with its keys and values in a format.

    Notes
    -----
    Multiplied in FP16 (BF16, FP32 where there is none); keys and values in another format are converted as
    they are read, once for the heads that share them. When a prompt is prefilled each query sees the keys
    before it, half of them on average, as far as a window allows. An integer device without floating-point
    multipliers takes its widest integers.
    """
    form = number_format(cache)
    bits = form.effective_bits(layer.head_size, layer.head_size * use.context)
    operands = next((item for item in ("fp16", "bf16", "fp32") if item in device.tera_macs), None)
    if operands is None:
        operands = max(device.tera_macs, key=lambda item: number_format(item).bits)
    seen = layer.seen(use.context)
    grown = layer.cached * seen
    convert = UNPACK_OPS if form.scales else 0.0

    def run(queries: int, keys: float, sequences: int) -> tuple[float, float]:
        macs = 2.0 * queries * layer.rows * layer.heads * layer.head_size * keys * sequences
        read = sequences * (layer.cached * max(keys, 1.0) if layer.keys is None else 0.0)
        moved = read * bits + sequences * queries * layer.cached * bits
        moved += 2.0 * sequences * queries * layer.inputs_moved * PLAIN_BITS
        operations = read * convert * -(-queries // ROWS_A_CONVERSION)
        operations += sequences * queries * layer.cached * (QUANTIZE_OPS if form.scales else 0.0)
        seconds = max(
            macs / (device.tera_macs[operands] * 1e12),
            moved / 8 / (device.dram_gb_s * 1e9),
            operations / (device.tera_vector_ops * 1e12),
        )
        joules = macs * device.mac_pj[operands] * 1e-12 + moved * device.dram_pj_per_bit * 1e-12
        return seconds, joules + device.idle_w * seconds

    step_s, step_j = run(1, seen, use.batch)
    half = min((use.prompt + 1) / 2, layer.window or use.prompt)
    return Cost(
        cache_bits=use.batch * grown * bits,
        bops=layer.macs(use.context) * PLAIN_BITS * form.bits,
        step_s=step_s,
        step_j=step_j,
        prefill_s=run(use.prompt, half, 1)[0] if workload.unit == "token" else 0.0,
    )


def _channel(layer: Layer) -> tuple[int, int]:
    """Return the elements of weights that share an output, and those of one tensor of weights."""
    if isinstance(layer, LinearLayer):
        return layer.inputs, layer.inputs * layer.outputs
    if isinstance(layer, ConvolutionLayer):
        return layer.weights // layer.filters, layer.weights
    if isinstance(layer, EmbeddingLayer):
        return layer.width, layer.weights
    return 1, max(1, layer.weights)


def _touched(layer: Layer, units: int) -> float:
    """Return the weights that so many tokens or images read."""
    if isinstance(layer, LinearLayer):
        each = layer.inputs * layer.outputs
        if layer.applied == layer.count:
            return float(each * layer.count)
        return each * layer.count * (1 - (1 - layer.applied / layer.count) ** (units * layer.rows))
    return float(layer.weights)


def _rows(layer: Layer) -> int:
    if isinstance(layer, ConvolutionLayer):
        return layer.output[0] * layer.output[1]
    return getattr(layer, "rows", 1)
